//! Making a damaged database whole: what can be read of it goes, table by table, into a new one that takes its place. The damaged
//! one is kept aside.
//!
//! 1. Rows of a table are read from both ends up to the damage; in between, rows with a number for a key are asked for one by one.
//! 2. Rows whose checksum is wrong are left behind. Raw results are taken as they are: whoever reads them looks at their checksums.
//! 3. The new database is made whole and synced before the damaged one is moved. Whenever the process ends, the next opening finds
//!    either the damaged one, or the new one.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::directory::{Directory, remove};
use crate::whole::{self, Damaged, RAW_TABLES};
use crate::{StoreError, marks, schema, schema_pages};

/// Rows that one commit copies.
const COPY_STEP: u64 = 2_000;
/// Keys that are asked for one by one in a table's damaged middle.
const MAX_PROBES: i64 = 1_000_000;

/// What became of a damaged database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// Where the damaged one is now.
    pub aside: PathBuf,
    /// What was wrong with it, in SQLite's words.
    pub reason: String,
    /// What was read of each table.
    pub tables: Vec<SalvagedTable>,
}

/// What was read of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalvagedTable {
    /// Its name.
    pub table: String,
    /// Rows that are in the new database.
    pub kept: u64,
    /// Rows that were read but are not what was written.
    pub damaged: u64,
    /// Whether a part of it could not be read; how many rows were there is not known.
    pub unreadable: bool,
}

impl Salvage {
    /// Whether something of it is known to be lost.
    pub fn lost_something(&self) -> bool {
        self.tables.iter().any(|t| t.damaged > 0 || t.unreadable)
    }
}

/// Salvages the database of a directory, because of `reason`.
pub(crate) fn salvage(directory: &Directory, reason: &str) -> Result<Salvage, StoreError> {
    let (damaged, next) = (directory.database(), directory.next());
    tracing::error!(store.path = %damaged.display(), reason, "the store is damaged: what can be read of it is copied");
    for file in [next.clone(), beside(&next, "-wal"), beside(&next, "-shm")] {
        remove(&file)?;
    }
    let source = open_damaged(directory, &damaged)?;
    let target = schema::open_writer(&next, &Damaged::default())?;
    let tables = copy_all(&source, &target).map_err(|e| StoreError::sqlite("salvage", &damaged, e))?;
    if tables.iter().all(|t| t.kept == 0) && tables.iter().any(|t| t.unreadable) {
        return Err(StoreError::Damaged { path: damaged, reason: reason.into() });
    }
    let fail = |e| StoreError::sqlite("salvage", &next, e);
    marks::mend(&target, true).map_err(fail)?;
    target.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(fail)?;
    drop(source);
    target.close().map_err(|(_, e)| fail(e))?;
    for file in [beside(&next, "-wal"), beside(&next, "-shm")] {
        remove(&file)?;
    }
    let aside = directory.set_aside("damaged")?;
    directory.adopt_next()?;
    remove(&directory.schema())?;
    remove(&directory.damaged())?;
    let salvage = Salvage { aside, reason: reason.to_owned(), tables };
    say(&salvage);
    Ok(salvage)
}

fn say(salvage: &Salvage) {
    for table in salvage.tables.iter().filter(|t| t.damaged > 0 || t.unreadable) {
        let SalvagedTable { table, kept, damaged, unreadable } = table;
        tracing::error!(store.table = table, kept, damaged, unreadable, "a part of a table is lost");
    }
    tracing::error!(
        store.aside = %salvage.aside.display(),
        rows = salvage.tables.iter().map(|t| t.kept).sum::<u64>(),
        "the store was salvaged; the damaged one is kept aside"
    );
}

/// Opens the damaged database for reading; if its schema cannot be read, after its pages were put back.
fn open_damaged(directory: &Directory, path: &Path) -> Result<Connection, StoreError> {
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| {
            row.get::<_, i64>(0)
        })?;
        schema::define_unheard(&connection)?;
        Ok(connection)
    };
    let error = match open() {
        Ok(connection) if schema::looks_like_ours(&connection) => return Ok(connection),
        Ok(_) => "its header or its schema is not what was written".to_owned(),
        Err(error) => error.to_string(),
    };
    match schema_pages::put_back(&directory.schema(), path) {
        Ok(true) => open().map_err(|e| StoreError::sqlite("open", path, e)),
        Ok(false) => Err(StoreError::Damaged { path: path.to_owned(), reason: error.into() }),
        Err(e) => Err(StoreError::directory("put back the schema of", path, e)),
    }
}

fn copy_all(source: &Connection, target: &Connection) -> rusqlite::Result<Vec<SalvagedTable>> {
    let mut tables = whole::tables(target)?;
    for name in RAW_TABLES {
        tables.extend(whole::Table::of(target, name)?);
    }
    tables.iter().map(|table| copy(source, target, table)).collect()
}

/// Copies one table. An error is the target's; what the source cannot give is counted.
fn copy(source: &Connection, target: &Connection, table: &whole::Table) -> rusqlite::Result<SalvagedTable> {
    let mut copied = SalvagedTable { table: table.name.clone(), kept: 0, damaged: 0, unreadable: false };
    let Ok(Some(mut copy)) = Copy::new(source, target, table) else {
        copied.unreadable = true;
        return Ok(copied);
    };
    copy.begin()?;
    let first = copy.walk("ASC", &mut copied)?;
    if let End::Broken(low) = first {
        copied.unreadable = true;
        if let End::Broken(high) = copy.walk("DESC", &mut copied)? {
            copy.probe(low, high, &mut copied)?;
        }
    }
    copy.commit()?;
    Ok(copied)
}

/// How a walk along a table ended.
enum End {
    /// At its end, or at a row that was copied before.
    Good,
    /// At damage, after the row with this numeric key.
    Broken(Option<i64>),
}

struct Copy<'a> {
    source: &'a Connection,
    target: &'a Connection,
    select: String,
    insert: String,
    /// The key's columns, for the order.
    key: String,
    /// Whether the key is one number.
    numbered: bool,
    /// Whether the last selected column says that the row is whole.
    checked: bool,
    pending: u64,
}

impl<'a> Copy<'a> {
    /// `None` when the source has no such table.
    fn new(
        source: &'a Connection,
        target: &'a Connection,
        table: &whole::Table,
    ) -> rusqlite::Result<Option<Self>> {
        let Some(there) = whole::Table::of(source, &table.name)? else { return Ok(None) };
        let columns: Vec<&String> = table.columns.iter().filter(|c| there.columns.contains(c)).collect();
        let listed = columns.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", ");
        let holes = (1..=columns.len()).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
        let checked = there.has_checksum() && !RAW_TABLES.contains(&table.name.as_str());
        let whole = if checked { there.is_whole() } else { "1".to_owned() };
        let name = &table.name;
        let numbered = table.is_numbered(target)?;
        let key = if numbered {
            "rowid".to_owned()
        } else {
            table.key.iter().map(|k| format!("\"{k}\"")).collect::<Vec<_>>().join(", ")
        };
        let first = if numbered { "rowid" } else { "NULL" };
        let (sealed, seal) = if RAW_TABLES.contains(&name.as_str()) {
            (String::new(), String::new())
        } else {
            (", checksum".to_owned(), format!(", row_checksum({holes})"))
        };
        Ok(Some(Self {
            source,
            target,
            select: format!("SELECT {first}, {whole}, {listed} FROM main.\"{name}\""),
            insert: format!("INSERT OR IGNORE INTO \"{name}\" ({listed}{sealed}) VALUES ({holes}{seal})"),
            key,
            numbered,
            checked,
            pending: 0,
        }))
    }

    fn begin(&self) -> rusqlite::Result<()> {
        self.target.execute_batch("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        self.pending = 0;
        self.target.execute_batch("COMMIT")
    }

    /// Walks along the key in one direction.
    fn walk(&mut self, direction: &str, copied: &mut SalvagedTable) -> rusqlite::Result<End> {
        let order: Vec<String> = self.key.split(", ").map(|k| format!("{k} {direction}")).collect();
        let sql = format!("{} ORDER BY {}", self.select, order.join(", "));
        let mut last = None;
        let source = self.source;
        let Ok(mut statement) = source.prepare(&sql) else { return Ok(End::Broken(None)) };
        let Ok(mut found) = statement.query([]) else { return Ok(End::Broken(None)) };
        loop {
            match found.next() {
                Ok(Some(row)) => {
                    last = row.get::<_, Option<i64>>(0).ok().flatten().or(last);
                    if !self.take(row, copied)? && direction == "DESC" {
                        return Ok(End::Good);
                    }
                }
                Ok(None) => return Ok(End::Good),
                Err(_) => return Ok(End::Broken(last)),
            }
        }
    }

    /// Asks for the rows between the two ends of the damage one by one.
    fn probe(
        &mut self,
        low: Option<i64>,
        high: Option<i64>,
        copied: &mut SalvagedTable,
    ) -> rusqlite::Result<()> {
        let (Some(low), Some(high), true) = (low, high, self.numbered) else { return Ok(()) };
        let sql = format!("{} WHERE rowid = ?1", self.select);
        let source = self.source;
        let Ok(mut statement) = source.prepare(&sql) else { return Ok(()) };
        for key in (low..high).skip(1).take(usize::try_from(MAX_PROBES).unwrap_or(usize::MAX)) {
            let Ok(mut found) = statement.query([key]) else { continue };
            if let Ok(Some(row)) = found.next() {
                self.take(row, copied)?;
            }
        }
        Ok(())
    }

    /// Copies a row; `false` when it was there already.
    fn take(&mut self, row: &rusqlite::Row<'_>, copied: &mut SalvagedTable) -> rusqlite::Result<bool> {
        let whole = row.get::<_, i64>(1).unwrap_or(0) != 0;
        let columns = row.as_ref().column_count();
        let values: Result<Vec<Value>, _> = (2..columns).map(|n| row.get::<_, Value>(n)).collect();
        let Some(values) = values.ok().filter(|_| whole) else {
            copied.damaged += 1;
            return Ok(true);
        };
        let inserted = match self.target.prepare_cached(&self.insert)?.execute(params_from_iter(values)) {
            Ok(rows) => rows == 1,
            // A value of the wrong type, or missing where one must be: only raw rows come here unchecked.
            Err(error)
                if !self.checked
                    && error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
            {
                copied.damaged += 1;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        copied.kept += u64::from(inserted);
        self.pending += 1;
        if self.pending >= COPY_STEP {
            self.commit()?;
            self.begin()?;
        }
        Ok(inserted)
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}
