//! Looking through a whole database for damage: the pages by SQLite's own check, every row by its checksum.

use std::path::Path;

use rusqlite::Connection;

use crate::whole;
use crate::{Store, StoreError, journal, schema};

/// How many findings of SQLite are kept.
const MAX_FINDINGS: u32 = 100;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every page and every row. Takes about as long as reading the file.
    Quick,
    /// Also whether each index agrees with its table, which takes several times longer.
    Thorough,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// What SQLite says of the file's structure; empty when nothing is wrong.
    pub structure: Vec<String>,
    /// Every table.
    pub tables: Vec<InspectedTable>,
}

/// What was found in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedTable {
    /// Its name; `journal` holds the raw results, one batch a row.
    pub table: String,
    /// Rows that were read.
    pub rows: u64,
    /// Of these, rows that are not what was written.
    pub damaged: u64,
    /// Why reading it ended before its end, in SQLite's words.
    pub unreadable: Option<String>,
}

impl Inspection {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.structure.is_empty() && self.tables.iter().all(|t| t.damaged == 0 && t.unreadable.is_none())
    }

    /// One finding in words, if there is any.
    pub fn first_finding(&self) -> Option<String> {
        let table = |t: &InspectedTable| match &t.unreadable {
            Some(why) => Some(format!("table {}: {why}", t.table)),
            None if t.damaged > 0 => Some(format!("table {}: {} rows are damaged", t.table, t.damaged)),
            None => None,
        };
        self.structure.first().cloned().or_else(|| self.tables.iter().find_map(table))
    }

    /// Rows that are not what was written.
    pub fn damaged_rows(&self) -> u64 {
        self.tables.iter().map(|t| t.damaged).sum()
    }
}

impl Store {
    /// Looks through this store while it works. What it finds stays as it is until the next opening, which salvages a database
    /// whose structure is damaged.
    pub async fn inspect(&self, depth: Depth) -> Result<Inspection, StoreError> {
        let report = self.read_raw("inspect", move |c| Ok(inspect(c, depth))).await?;
        if !report.structure.is_empty() {
            self.note_damage(report.structure.first().map_or("damaged", String::as_str));
        }
        Ok(report)
    }
}

/// Looks through a database file: a backup, or a store's that may be in use. Nothing of it is changed.
///
/// # Errors
/// [`StoreError::Damaged`] when not even its schema can be read, [`StoreError::Newer`] and [`StoreError::Foreign`] as for a store.
pub fn inspect_file(path: &Path, depth: Depth) -> Result<Inspection, StoreError> {
    let connection = schema::open_existing(path)?;
    Ok(inspect(&connection, depth))
}

pub(crate) fn inspect(connection: &Connection, depth: Depth) -> Inspection {
    let mut report = Inspection { structure: structure(connection, depth), tables: Vec::new() };
    match whole::tables(connection) {
        Ok(tables) => report.tables.extend(tables.iter().map(|table| rows(connection, table))),
        Err(error) => report.structure.push(format!("the schema: {error}")),
    }
    report.tables.extend(journal::RAW.iter().filter_map(|table| batches(connection, table)));
    report
}

fn structure(connection: &Connection, depth: Depth) -> Vec<String> {
    let pragma = match depth {
        Depth::Quick => "quick_check",
        Depth::Thorough => "integrity_check",
    };
    let findings = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(&format!("PRAGMA {pragma}({MAX_FINDINGS})"))?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        found.filter(|line| line.as_ref().map_or(true, |line| line != "ok")).collect()
    };
    findings().unwrap_or_else(|error| vec![error.to_string()])
}

fn rows(connection: &Connection, table: &whole::Table) -> InspectedTable {
    let mut checked = InspectedTable { table: table.name.clone(), rows: 0, damaged: 0, unreadable: None };
    let mut walk = || -> rusqlite::Result<()> {
        // A store of an older version has no checksums yet.
        let whole = if table.has_checksum() { table.is_whole() } else { "1".to_owned() };
        let sql = format!("SELECT {whole} FROM main.\"{}\" NOT INDEXED", table.name);
        let mut statement = connection.prepare(&sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            checked.rows += 1;
            checked.damaged += u64::from(row.get::<_, i64>(0)? == 0);
        }
        Ok(())
    };
    let ended = walk();
    checked.unreadable = ended.err().map(|e| e.to_string());
    checked
}

/// Raw results: one row a batch or a block, each with the checksum that was made before it reached SQLite. `None` when an older
/// version had no such table.
fn batches(connection: &Connection, table: &str) -> Option<InspectedTable> {
    if matches!(whole::Table::of(connection, table), Ok(None)) {
        return None;
    }
    let mut checked = InspectedTable { table: table.to_owned(), rows: 0, damaged: 0, unreadable: None };
    let mut walk = || -> rusqlite::Result<()> {
        let bounds = connection.query_row(&format!("SELECT min(id), max(id) FROM {table}"), [], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        });
        let (Some(mut next), Some(last)) = bounds? else { return Ok(()) };
        while next <= last {
            let (page, after) = journal::page(connection, table, next, last)?;
            checked.rows += page.entries.len() as u64 + u64::from(page.damaged);
            checked.damaged += u64::from(page.damaged);
            next = after;
        }
        Ok(())
    };
    let ended = walk();
    checked.unreadable = ended.err().map(|e| e.to_string());
    Some(checked)
}
