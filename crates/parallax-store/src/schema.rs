//! The tables, and how an older store becomes one of this version.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// The store version this program writes, kept as SQLite's `user_version`.
#[expect(clippy::cast_possible_wrap, reason = "a handful of migrations")]
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Each takes the store one version further, in a transaction of its own. Append only: a store in the field has run the old ones.
const MIGRATIONS: &[&str] =
    &[include_str!("schema/0001_first.sql"), include_str!("schema/0002_report_networks.sql")];

/// "PLX1", so that no other program's database is taken for a store.
const APPLICATION_ID: i64 = 0x504c_5831;
/// How long a connection waits for a lock. Only an operator's `sqlite3` can hold one for long; the store itself has one writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The WAL file is cut back to this size after a checkpoint.
const WAL_KEPT_BYTES: i64 = 64 * 1024 * 1024;
/// Statements kept compiled per connection.
const STATEMENTS_KEPT: usize = 64;

/// Opens the writer's connection and brings the store to this version.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let fail = |op| move |e| StoreError::sqlite(op, path, e);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fail("open database"))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail("set busy timeout"))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Everything before this line only reads: a store that is not ours to change stays as it is, byte by byte.
    let from = check_version(&connection, path)?;
    set_durability(&connection).map_err(fail("set durability"))?;
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(from).unwrap_or(0)) {
        migrate(&mut connection, at + 1, migration).map_err(fail("migrate"))?;
    }
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    // Not opened read-only: the first reader may have to set up the WAL's shared memory.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
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
    connection.pragma_update(None, "cell_size_check", true)
}

fn migrate(connection: &mut Connection, to: usize, migration: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(migration)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(to).unwrap_or(i64::MAX))?;
    transaction.commit()
}

#[cfg(test)]
mod tests;
