//! How large a store is, how large it will become, and the limit it is held to.
//!
//! # The formula
//! ```text
//! bytes = results a second × 604,800 s × 8               raw results, 7 days
//!       + sites × 43,200 minutes × (48 + 2 × name)       one-minute rollups, 30 days
//!       + sites ×  9,600 hours   × (48 + 2 × name)       one-hour rollups, 400 days
//!       + 100 MiB                                        the log, the space set aside, everything else
//! ```
//! A site's name counts twice: in the row, and in the index that finds old rows. What is over the limit goes, oldest raw results
//! first: they are rolled up already, and an operator who wants them longer gives the store more room.

use std::fs;
use std::path::{Path, PathBuf};

use parallax_model::UnixMicros;
use rusqlite::Connection;

use crate::directory::Directory;
use crate::journal::{BLOCKS, JOURNAL};
use crate::retention::{HOURS_KEPT_S, JOURNAL_KEPT_S, MINUTES_KEPT_S};
use crate::{Store, StoreError, rows, schema, whole};

/// Bytes of one raw result on disk.
pub const RAW_RESULT_BYTES: u64 = 8;
/// Bytes of one rollup without its site's name, its place in the index included, in pages that are three quarters full.
pub const ROLLUP_BYTES: u64 = 48;
/// Bytes of everything that does not grow with sites or results.
pub const FIXED_BYTES: u64 = 100 * 1024 * 1024;
/// The limit of a store that is told none: 10 GiB.
pub const DEFAULT_LIMIT_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// Tables are counted and measured by themselves up to this size of the file; beyond it that takes too long.
const MEASURED_BYTES: u64 = 1024 * 1024 * 1024;

/// What a store is asked to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Sites with results.
    pub sites: u64,
    /// Results a second, of all agents and sites: sites × agents ÷ interval.
    pub results_per_s: f64,
    /// Mean length of a site's name.
    pub name_bytes: u64,
}

/// How large each part becomes when it is as old as it is kept, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Raw results.
    pub journal: u64,
    /// One-minute rollups.
    pub minutes: u64,
    /// One-hour rollups.
    pub hours: u64,
    /// The rest.
    pub fixed: u64,
}

impl Expected {
    /// By the formula of this module.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of results, never negative"
    )]
    pub fn of(load: &Load) -> Self {
        let rollup = ROLLUP_BYTES + 2 * load.name_bytes;
        let count = |kept_s: i64, each_s: i64| load.sites * (kept_s / each_s).unsigned_abs();
        Self {
            journal: (load.results_per_s * JOURNAL_KEPT_S as f64) as u64 * RAW_RESULT_BYTES,
            minutes: count(MINUTES_KEPT_S, 60) * rollup,
            hours: count(HOURS_KEPT_S, 3_600) * rollup,
            fixed: FIXED_BYTES,
        }
    }

    /// All of it.
    pub const fn total(&self) -> u64 {
        self.journal + self.minutes + self.hours + self.fixed
    }
}

/// How large a store is and what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreStatus {
    /// Its version.
    pub version: i64,
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Of these, bytes of pages that are free to be used again.
    pub free_bytes: u64,
    /// Bytes of the log that is not folded in yet.
    pub wal_bytes: u64,
    /// Bytes that are set aside for pruning on a full disk.
    pub reserve_bytes: u64,
    /// Results that were ever kept, by the marks that are still there.
    pub results: u64,
    /// When the oldest and the newest raw results came.
    pub journal: Option<(UnixMicros, UnixMicros)>,
    /// The first and the last one-minute rollup.
    pub minutes: Option<(UnixMicros, UnixMicros)>,
    /// The first and the last one-hour rollup.
    pub hours: Option<(UnixMicros, UnixMicros)>,
    /// Sites with rollups.
    pub sites: u64,
    /// What it is asked to keep now: what is watched, by the agents that were ever heard and are not revoked.
    pub load: Load,
    /// Each table; none when the file is too large to look at all of it.
    pub tables: Vec<TableSize>,
    /// Why the next start will salvage the store, if it will.
    pub damage: Option<String>,
    /// Databases that were moved aside, with their sizes.
    pub aside: Vec<(PathBuf, u64)>,
}

/// How large a table is, with its indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

impl Store {
    /// From now on pruning keeps the store below so many bytes, 0 for no limit. Pages that are free do not count.
    pub fn limit_size(&self, bytes: u64) {
        self.set_size_limit(bytes);
    }

    /// Bytes of pages that are in use.
    pub async fn used_bytes(&self) -> Result<u64, StoreError> {
        self.read("read size", used_bytes).await
    }
}

/// Bytes of pages that are in use.
pub(crate) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let ask = |name: &str| connection.pragma_query_value(None, name, |row| rows::unsigned(row, 0));
    Ok((ask("page_count")? - ask("freelist_count")?) * ask("page_size")?)
}

/// Looks at the store in `dir`, which may be in use. Nothing of it is changed.
pub fn status(dir: &Path) -> Result<StoreStatus, StoreError> {
    let path = Directory::database_of(dir);
    let connection = schema::open_existing(&path)?;
    let fail = |e| StoreError::sqlite("read status", &path, e);
    let bytes = |end: &str| {
        let mut path = path.clone().into_os_string();
        path.push(end);
        Path::new(&path).metadata().map_or(0, |m| m.len())
    };
    let file_bytes = bytes("");
    let used = used_bytes(&connection).map_err(fail)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    let results = "SELECT coalesce(sum(results), 0) FROM marks";
    let results = connection.query_row(results, [], |row| rows::unsigned(row, 0)).map_err(fail)?;
    let measured = if file_bytes <= MEASURED_BYTES { tables(&connection).map_err(fail)? } else { Vec::new() };
    Ok(StoreStatus {
        version,
        file_bytes,
        free_bytes: file_bytes.saturating_sub(used),
        wal_bytes: bytes("-wal"),
        reserve_bytes: dir.join(crate::directory::RESERVE).metadata().map_or(0, |m| m.len()),
        results,
        journal: raw_span(&connection, version).map_err(fail)?,
        minutes: span(&connection, "minutes", "minute").map_err(fail)?,
        hours: if version >= 4 { span(&connection, "hours", "hour").map_err(fail)? } else { None },
        sites: sites(&connection).map_err(fail)?,
        load: load(&connection).map_err(fail)?,
        tables: measured,
        damage: fs::read_to_string(dir.join(crate::directory::DAMAGED)).ok(),
        aside: aside(dir),
    })
}

fn span(
    connection: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<Option<(UnixMicros, UnixMicros)>> {
    // Two questions: each is answered by one end of the index, both at once by all of it.
    let ask = |end: &str| {
        let sql = format!("SELECT {end}({column}) FROM {table}");
        connection.query_row(&sql, [], |row| rows::optional_time(row, 0))
    };
    Ok(ask("min")?.zip(ask("max")?))
}

/// Batches and what became of older ones.
fn raw_span(connection: &Connection, version: i64) -> rusqlite::Result<Option<(UnixMicros, UnixMicros)>> {
    let batches = span(connection, JOURNAL, "received_at")?;
    let blocks = if version >= 5 { span(connection, BLOCKS, "received_at")? } else { None };
    let both = |a: (UnixMicros, UnixMicros), b: (UnixMicros, UnixMicros)| (a.0.min(b.0), a.1.max(b.1));
    Ok(batches.into_iter().chain(blocks).reduce(both))
}

/// Sites with minutes, found one by one along the key.
fn sites(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "WITH RECURSIVE sites (site) AS (SELECT min(site) FROM minutes UNION ALL
        SELECT (SELECT min(m.site) FROM minutes m WHERE m.site > sites.site) FROM sites WHERE site IS NOT NULL)
        SELECT count(site) FROM sites";
    connection.query_row(sql, [], |row| rows::unsigned(row, 0))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the mean length of a URL")]
fn load(connection: &Connection) -> rusqlite::Result<Load> {
    let sql =
        "SELECT count(*), coalesce(sum(1e6 / max(interval_us, 1)), 0), coalesce(avg(length(target)), 0),
        (SELECT count(*) FROM agents WHERE revoked_at IS NULL AND last_heard IS NOT NULL) FROM targets";
    connection.query_row(sql, [], |row| {
        let (rounds, agents) = (row.get::<_, f64>(1)?, row.get::<_, u32>(3)?);
        Ok(Load {
            sites: rows::unsigned(row, 0)?,
            results_per_s: rounds * f64::from(agents),
            // A target is a URL: its host is what is left without `https://` and the path's slash.
            name_bytes: u64::from(row.get::<_, f64>(2).map(|mean| mean as u32)?).saturating_sub(9),
        })
    })
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<TableSize>> {
    let mut names: Vec<String> = whole::tables(connection)?.into_iter().map(|t| t.name).collect();
    let raw =
        whole::RAW_TABLES.iter().filter(|name| matches!(whole::Table::of(connection, name), Ok(Some(_))));
    names.extend(raw.map(|name| (*name).to_owned()));
    names.sort();
    let size = |table: String| {
        let rows = format!("SELECT count(*) FROM \"{table}\"");
        let rows = connection.query_row(&rows, [], |row| rows::unsigned(row, 0))?;
        let bytes = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE AND name IN
            (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)";
        let bytes = connection.query_row(bytes, [&table], |row| rows::unsigned(row, 0))?;
        Ok(TableSize { table, rows, bytes })
    };
    names.into_iter().map(size).collect()
}

fn aside(dir: &Path) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut aside: Vec<(PathBuf, u64)> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("parallax.db.") && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .map(|entry| (entry.path(), entry.metadata().map_or(0, |m| m.len())))
        .collect();
    aside.sort();
    aside
}

#[cfg(test)]
mod tests;
