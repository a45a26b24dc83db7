//! The tables, and how an older store becomes one of this version.

use std::path::Path;
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::error::is_damage;
use crate::readers::Kind;
use crate::whole::{self, Damaged};

/// The store version this program writes, kept as SQLite's `user_version`.
#[expect(clippy::cast_possible_wrap, reason = "a handful of migrations")]
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Each takes the store one version further, in a transaction of its own. Append only: a store in the field has run the old ones.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001_first.sql"),
    include_str!("schema/0002_report_networks.sql"),
    include_str!("schema/0003_incident_onset.sql"),
    include_str!("schema/0004_hours.sql"),
    include_str!("schema/0005_blocks.sql"),
    include_str!("schema/0006_counted.sql"),
    include_str!("schema/0007_learnt.sql"),
    include_str!("schema/0008_our_side.sql"),
];

/// "PLX1", so that no other program's database is taken for a store.
const APPLICATION_ID: i64 = 0x504c_5831;
/// How long a connection waits for a lock. Only an operator's `sqlite3` can hold one for long; the store itself has one writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The WAL file is cut back to this size after a checkpoint.
const WAL_KEPT_BYTES: i64 = 64 * 1024 * 1024;
/// Statements kept compiled per connection.
const STATEMENTS_KEPT: usize = 64;

/// Opens the writer's connection and brings the store to this version.
pub(crate) fn open_writer(path: &Path, damaged: &Damaged) -> Result<Connection, StoreError> {
    let fail = |op| move |e| StoreError::sqlite(op, path, e);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fail("open database"))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail("set busy timeout"))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Everything before this line only reads: a store that is not ours to change stays as it is, byte by byte.
    let from = check_version(&connection, path)?;
    set_durability(&connection).map_err(fail("set durability"))?;
    whole::define(&connection, damaged).map_err(fail("define functions"))?;
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(from).unwrap_or(0)) {
        migrate(&mut connection, at + 1, migration).map_err(fail("migrate"))?;
    }
    whole::keep(&connection).map_err(fail("keep checksums"))?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(path: &Path, kind: &Kind) -> rusqlite::Result<Connection> {
    // Not opened read-only: the first reader may have to set up the WAL's shared memory.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "temp_store", "memory")?;
    match kind {
        Kind::Pages(damaged) => {
            whole::define(&connection, damaged)?;
            whole::leave_out_damaged(&connection)?;
            connection.authorizer(Some(no_raw_results))?;
        }
        Kind::Raw => whole::define(&connection, &Damaged::default())?,
    }
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn no_raw_results(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Read { table_name, .. } if whole::RAW_TABLES.contains(&table_name) => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

/// Opens a database that is there, to look at it as it is: a backup, or a store that may be in use.
pub(crate) fn open_existing(path: &Path) -> Result<Connection, StoreError> {
    if let Err(e) = path.metadata() {
        return Err(StoreError::directory("open database", path, e));
    }
    let fail = |e: rusqlite::Error| {
        if is_damage(&e) {
            StoreError::Damaged { path: path.to_owned(), reason: e.to_string().into() }
        } else {
            StoreError::sqlite("open database", path, e)
        }
    };
    let connection = open_reader(path, &Kind::Raw).map_err(fail)?;
    match check_version(&connection, path) {
        Ok(0) => Err(StoreError::Foreign { path: path.to_owned(), found: 0 }),
        Ok(_) => Ok(connection),
        Err(StoreError::Sqlite { source, .. }) if is_damage(&source) => {
            Err(StoreError::Damaged { path: path.to_owned(), reason: source.to_string().into() })
        }
        Err(other) => Err(other),
    }
}

/// The functions that checksums need, on a connection whose damaged rows nobody counts.
pub(crate) fn define_unheard(connection: &Connection) -> rusqlite::Result<()> {
    whole::define(connection, &Damaged::default())
}

/// Whether a store that cannot be opened for this reason may be salvaged: its pages are damaged, or its version is not that of its
/// tables.
pub(crate) fn is_salvageable(error: &StoreError) -> bool {
    match error {
        StoreError::Sqlite { op: "migrate", source, .. } => {
            is_damage(source) || source.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown)
        }
        other => other.is_damage(),
    }
}

/// Looks at the first row of each table, so that damage at its root is met at once.
pub(crate) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    let names = whole::tables(connection)?.into_iter().map(|t| t.name);
    let raw = whole::RAW_TABLES.iter().map(|name| (*name).to_owned());
    names.chain(raw).try_for_each(|name| {
        let mut statement =
            connection.prepare(&format!("SELECT 1 FROM main.\"{name}\" NOT INDEXED LIMIT 1"))?;
        statement.query([])?.next().map(drop)
    })
}

/// Whether header and schema are those of a store, as far as can be seen without reading a row.
pub(crate) fn looks_like_ours(connection: &Connection) -> bool {
    let read = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN
        ('journal', 'marks', 'tokens', 'agents', 'targets', 'incidents', 'minutes', 'reports', 'checks', 'site_states')";
    let known = connection.query_row(tables, [], |row| row.get::<_, i64>(0));
    read("application_id") == Ok(APPLICATION_ID)
        && read("user_version").is_ok_and(|v| (1..=SCHEMA_VERSION).contains(&v))
        && known == Ok(10)
}

/// The store's version, 0 for a new file, or why it is not one of ours.
fn check_version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let read = |name: &str| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(|e| StoreError::sqlite("read version", path, e))
    };
    let (application, version, schema) =
        (read("application_id")?, read("user_version")?, read("schema_version")?);
    let new = application == 0 && version == 0 && schema == 0;
    if !new && application != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned(), found: application });
    }
    if version > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION });
    }
    Ok(version)
}

/// WAL with an fsync at every commit. Checkpoints are the writer's own (see `writer`): SQLite's automatic ones hide their errors.
fn set_durability(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)?;
    // Temporary triggers and what statements set aside: never on a disk that may be full.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cell_size_check", true)
}

fn migrate(connection: &mut Connection, to: usize, migration: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(migration)?;
    if to == MIGRATIONS.len() {
        // Once, after all of them: columns and rows are as they will stay.
        whole::seal(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(to).unwrap_or(i64::MAX))?;
    transaction.commit()
}

#[cfg(test)]
mod tests;
