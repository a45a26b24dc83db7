//! Whether a row is what was written. SQLite has no checksums of its own: a flipped bit in a number would be read as another number.
//!
//! 1. Every table has a column `checksum`: the CRC of all other columns, their types included. Only raw results keep their own, in
//!    `journal` and `blocks`, because theirs is made before they reach SQLite.
//! 2. The writer's connection keeps it with temporary triggers, so that no statement has to think of it and no file holds a trigger; but
//!    for rollups.
//! 3. Pages read through temporary views that are named as the tables and leave out what is not whole. A row that is left out is
//!    counted and logged once: it is missing, it is never something else.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use crate::journal::RAW;

/// Tables whose rows keep a checksum of their own: raw results. Pages may not read them.
pub(crate) const RAW_TABLES: &[&str] = &RAW;

/// Tables that are written many rows at a time, or large ones, whose statements make the checksum themselves: a trigger writes the row
/// again, and makes SQLite keep, for each row of a transaction, what it would need to undo it, in a list that it walks for the next.
const SEALED_BY_STATEMENT: &[&str] = &["minutes", "hours", "learnt"];

/// How many damaged rows are told apart; beyond it the count stands still.
const MAX_DAMAGED: usize = 10_000;

/// Damaged rows that were met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Damaged {
    // A std mutex: held for one set operation.
    rows: Arc<Mutex<BTreeSet<(String, u32)>>>,
}

impl Damaged {
    /// How many different rows.
    pub(crate) fn count(&self) -> u64 {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn note(&self, table: &str, checksum: u32) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() < MAX_DAMAGED && rows.insert((table.to_owned(), checksum)) {
            tracing::warn!(store.table = table, "a damaged row is left out: wrong checksum");
        }
    }
}

/// A table with the columns its checksum is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) key: Vec<String>,
    has_checksum: bool,
}

impl Table {
    /// A table by its name, with the checksum among its columns when it is one of raw results; `None` when there is none.
    pub(crate) fn of(connection: &Connection, name: &str) -> Result<Option<Self>> {
        let mut found = table(connection, name.to_owned())?;
        if RAW_TABLES.contains(&name) && found.has_checksum {
            found.columns.push("checksum".to_owned());
        }
        Ok(Some(found).filter(|t| !t.columns.is_empty()))
    }

    /// Whether rows have a checksum; those of a store of an older version have none.
    pub(crate) const fn has_checksum(&self) -> bool {
        self.has_checksum
    }

    /// Whether the key is the number that SQLite itself finds rows by.
    pub(crate) fn is_numbered(&self, connection: &Connection) -> Result<bool> {
        let sql = "SELECT count(*) FROM pragma_table_info(?1, 'main') WHERE pk > 0 AND type = 'INTEGER'";
        let numbers: u32 = connection.query_row(sql, [&self.name], |row| row.get(0))?;
        Ok(self.key.len() == 1 && numbers == 1)
    }

    fn values(&self, prefix: &str) -> String {
        self.columns.iter().map(|c| format!("{prefix}\"{c}\"")).collect::<Vec<_>>().join(", ")
    }

    /// An expression that is true for a row that is whole; it can be asked of a connection after [`define`].
    pub(crate) fn is_whole(&self) -> String {
        format!("is_whole('{}', checksum, {})", self.name, self.values(""))
    }
}

/// Every table with rows of the kind that this module is about.
pub(crate) fn tables(connection: &Connection) -> Result<Vec<Table>> {
    let sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()?;
    names.into_iter().filter(|n| !RAW_TABLES.contains(&n.as_str())).map(|n| table(connection, n)).collect()
}

fn table(connection: &Connection, name: String) -> Result<Table> {
    let mut statement =
        connection.prepare("SELECT name, pk FROM pragma_table_info(?1, 'main') ORDER BY cid")?;
    let columns =
        statement.query_map([&name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?)))?;
    let mut table = Table { name, columns: Vec::new(), key: Vec::new(), has_checksum: false };
    for column in columns {
        let (column, key) = column?;
        if column == "checksum" {
            table.has_checksum = true;
            continue;
        }
        if key > 0 {
            table.key.push(column.clone());
        }
        table.columns.push(column);
    }
    Ok(table)
}

/// Teaches a connection the two functions. Rows that are not whole are noted in `damaged`.
pub(crate) fn define(connection: &Connection, damaged: &Damaged) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection
        .create_scalar_function("row_checksum", -1, flags, |values| Ok(i64::from(checksum(values, 0))))?;
    let damaged = damaged.clone();
    connection.create_scalar_function("is_whole", -1, flags, move |values| {
        let found = checksum(values, 2);
        let whole = values.get_raw(1) == ValueRef::Integer(found.into());
        if !whole {
            damaged.note(values.get_raw(0).as_str().unwrap_or_default(), found);
        }
        Ok(whole)
    })
}

/// Gives every table that has none its column, and every row of it its checksum as it is now. A part of a migration. Where there are
/// checksums already they stay: made anew, they would call a damaged row whole. A migration that adds a column to such a table makes
/// them anew itself.
pub(crate) fn seal(connection: &Connection) -> Result<()> {
    for table in tables(connection)?.into_iter().filter(|table| !table.has_checksum) {
        connection.execute_batch(&format!("ALTER TABLE \"{}\" ADD COLUMN checksum INTEGER", table.name))?;
        let sql = format!("UPDATE \"{}\" SET checksum = row_checksum({})", table.name, table.values(""));
        connection.execute(&sql, [])?;
    }
    Ok(())
}

/// From now on every row that this connection writes gets its checksum.
pub(crate) fn keep(connection: &Connection) -> Result<()> {
    let triggered = |table: &Table| !SEALED_BY_STATEMENT.contains(&table.name.as_str());
    for table in tables(connection)?.into_iter().filter(triggered) {
        let Table { name, columns, key, .. } = &table;
        let set = format!("UPDATE \"{name}\" SET checksum = row_checksum({})", table.values("NEW."));
        let this = key.iter().map(|k| format!("\"{k}\" = NEW.\"{k}\"")).collect::<Vec<_>>().join(" AND ");
        let of = columns.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", ");
        connection.execute_batch(&format!(
            "CREATE TEMP TRIGGER \"{name}_inserted\" AFTER INSERT ON main.\"{name}\" BEGIN {set} WHERE {this}; END;
             CREATE TEMP TRIGGER \"{name}_updated\" AFTER UPDATE OF {of} ON main.\"{name}\" BEGIN {set} WHERE {this}; END;"
        ))?;
    }
    Ok(())
}

/// From now on this connection sees of every table only the rows that are whole.
pub(crate) fn leave_out_damaged(connection: &Connection) -> Result<()> {
    for table in tables(connection)? {
        let (name, columns) = (&table.name, table.values(""));
        connection.execute_batch(&format!(
            "CREATE TEMP VIEW \"{name}\" AS SELECT {columns} FROM main.\"{name}\" WHERE {}",
            table.is_whole()
        ))?;
    }
    Ok(())
}

/// The CRC of the values from `skip` on. A type's tag goes before each value, so that `1` and `'1'` differ.
fn checksum(values: &Context<'_>, skip: usize) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for n in skip..values.len() {
        match values.get_raw(n) {
            ValueRef::Null => crc.update(b"n"),
            ValueRef::Integer(i) => {
                crc.update(b"i");
                crc.update(&i.to_le_bytes());
            }
            ValueRef::Real(r) => {
                crc.update(b"r");
                crc.update(&r.to_le_bytes());
            }
            ValueRef::Text(bytes) => sized(&mut crc, *b"t", bytes),
            ValueRef::Blob(bytes) => sized(&mut crc, *b"b", bytes),
        }
    }
    crc.finalize()
}

fn sized(crc: &mut crc32fast::Hasher, tag: [u8; 1], bytes: &[u8]) {
    crc.update(&tag);
    crc.update(&(bytes.len() as u64).to_le_bytes());
    crc.update(bytes);
}

#[cfg(test)]
mod tests;
