//! The spool's file: one SQLite database, one row a result.
//!
//! It is written ahead (WAL) with `synchronous=NORMAL`: a killed process loses nothing that was committed, a machine that loses
//! power may lose the last moments before it.

use std::fs;
use std::path::{Path, PathBuf};

use parallax_model::{Epoch, ProbeResult};
use parallax_proto::batch;
use parallax_proto::v1::agent::ResultColumns;
use prost::Message as _;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

/// What a row costs beside its encoded result, in bytes: key, time, and its share of the pages. Measured low, so that the file
/// stays under the bound.
const ROW_OVERHEAD: u64 = 32;
/// Rows looked at together when room must be made.
const TRIM_ROWS: u32 = 64;

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -512;
PRAGMA journal_size_limit = 4194304;
CREATE TABLE IF NOT EXISTS life (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, next_seq INTEGER NOT NULL,
    dropped INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS results (seq INTEGER PRIMARY KEY, started_us INTEGER NOT NULL, row BLOB NOT NULL) STRICT;
";

/// What outlives the process beside the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// The spool's life.
    pub(crate) epoch: Epoch,
    /// The next place to be given out.
    pub(crate) next_seq: u64,
    /// Results that were dropped for want of room.
    pub(crate) dropped: u64,
}

/// How large and how old the file's rows may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of all rows.
    pub(crate) max_bytes: u64,
    /// Distance of the oldest result from the newest, in microseconds of the agent's clock.
    pub(crate) max_age_us: i64,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Disk {
    connection: Connection,
    bytes: u64,
}

impl Disk {
    /// Opens or makes the file; `fresh` is the life of a file that has none yet.
    pub(crate) fn open(path: &Path, fresh: Life) -> rusqlite::Result<(Self, Life)> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        let state: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if state != "ok" {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(code, Some(state)));
        }
        let found = connection
            .query_row("SELECT epoch, next_seq, dropped FROM life", [], |row| {
                let number = |place| row.get::<_, i64>(place).map(i64::cast_unsigned);
                Ok(Life { epoch: Epoch(number(0)?), next_seq: number(1)?.max(1), dropped: number(2)? })
            })
            .optional()?;
        let sum = "SELECT COALESCE(SUM(LENGTH(row)), 0) + COUNT(*) * ?1 FROM results";
        let bytes = connection.query_row(sum, [ROW_OVERHEAD.cast_signed()], |row| row.get::<_, i64>(0))?;
        let mut disk = Self { connection, bytes: bytes.cast_unsigned() };
        let life = match found {
            Some(life) => life,
            None => disk.write(&[], fresh).map(|()| fresh)?,
        };
        Ok((disk, life))
    }

    /// Adds results and the life that follows from them, all or nothing.
    pub(crate) fn write(&mut self, results: &[(u64, &ProbeResult)], life: Life) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut added = 0;
        {
            let mut insert =
                transaction.prepare_cached("INSERT OR REPLACE INTO results VALUES (?1, ?2, ?3)")?;
            for (seq, result) in results {
                let row = encode_row(result);
                added += row_bytes(row.len());
                insert.execute(params![seq.cast_signed(), result.started_at.0, row])?;
            }
            let mut keep =
                transaction.prepare_cached("INSERT OR REPLACE INTO life VALUES (1, ?1, ?2, ?3)")?;
            let Life { epoch, next_seq, dropped } = life;
            keep.execute(params![epoch.0.cast_signed(), next_seq.cast_signed(), dropped.cast_signed()])?;
        }
        transaction.commit()?;
        self.bytes += added;
        Ok(())
    }

    /// Deletes every result up to `through`.
    pub(crate) fn delete_through(&mut self, through: u64) -> rusqlite::Result<()> {
        let through = through.cast_signed();
        let transaction = self.connection.transaction()?;
        let freed: i64 = transaction
            .prepare_cached(
                "SELECT COALESCE(SUM(LENGTH(row)), 0) + COUNT(*) * ?2 FROM results WHERE seq <= ?1",
            )?
            .query_row(params![through, ROW_OVERHEAD.cast_signed()], |row| row.get(0))?;
        transaction.prepare_cached("DELETE FROM results WHERE seq <= ?1")?.execute([through])?;
        transaction.commit()?;
        self.bytes = self.bytes.saturating_sub(freed.cast_unsigned());
        Ok(())
    }

    /// Deletes one result.
    pub(crate) fn delete(&mut self, seq: u64) -> rusqlite::Result<()> {
        let sql = "DELETE FROM results WHERE seq = ?1 RETURNING LENGTH(row)";
        let length: Option<i64> =
            self.connection.query_row(sql, [seq.cast_signed()], |row| row.get(0)).optional()?;
        let freed = length.map_or(0, |bytes| row_bytes(usize::try_from(bytes).unwrap_or(0)));
        self.bytes = self.bytes.saturating_sub(freed);
        Ok(())
    }

    /// Deletes the oldest results until the rest is within the bounds; says how many. `i64::MIN` as the
    /// newest moment leaves age out.
    pub(crate) fn trim(&mut self, bounds: Bounds, newest_us: i64) -> rusqlite::Result<u64> {
        if newest_us == i64::MIN && self.bytes <= bounds.max_bytes {
            return Ok(0);
        }
        let cutoff = newest_us.saturating_sub(bounds.max_age_us);
        let mut trimmed = 0;
        loop {
            let mut over = self.bytes.saturating_sub(bounds.max_bytes);
            let mut last = None;
            for (seq, started_us, bytes) in self.oldest()? {
                if over == 0 && started_us >= cutoff {
                    break;
                }
                over = over.saturating_sub(bytes);
                trimmed += 1;
                last = Some(seq);
            }
            let Some(last) = last else { return Ok(trimmed) };
            self.delete_through(last)?;
        }
    }

    /// Place, time and size of the oldest rows.
    fn oldest(&self) -> rusqlite::Result<Vec<(u64, i64, u64)>> {
        let sql = "SELECT seq, started_us, LENGTH(row) FROM results ORDER BY seq LIMIT ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([TRIM_ROWS], |row| {
            let length = usize::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?, row_bytes(length)))
        })?;
        rows.collect()
    }

    /// The place of the oldest result.
    pub(crate) fn oldest_seq(&self) -> rusqlite::Result<Option<u64>> {
        let seq: Option<i64> =
            self.connection.query_row("SELECT MIN(seq) FROM results", [], |row| row.get(0))?;
        Ok(seq.map(i64::cast_unsigned))
    }

    /// Results after `after` in their order, at most `max`; `None` stands for a row that cannot be read.
    pub(crate) fn read(&self, after: u64, max: usize) -> rusqlite::Result<Vec<(u64, Option<ProbeResult>)>> {
        let sql = "SELECT seq, row FROM results WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after.cast_signed(), limit], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), decode_row(&row.get::<_, Vec<u8>>(1)?)))
        })?;
        rows.collect()
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Whether an error means that the file itself is broken, rather than that it cannot be written now.
pub(crate) fn is_corrupt(error: &rusqlite::Error) -> bool {
    let Some(code) = error.sqlite_error_code() else { return false };
    matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
}

/// Moves a broken file out of the way; one such file is kept for whoever wants to look at it.
pub(crate) fn set_aside(path: &Path) -> std::io::Result<()> {
    fs::rename(path, with_suffix(path, ".corrupt"))?;
    for suffix in ["-wal", "-shm"] {
        match fs::remove_file(with_suffix(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A result as it is kept: a batch of one.
pub(crate) fn encode_row(result: &ProbeResult) -> Vec<u8> {
    batch::encode(std::slice::from_ref(result)).encode_to_vec()
}

fn decode_row(row: &[u8]) -> Option<ProbeResult> {
    let columns = ResultColumns::decode(row).ok()?;
    batch::decode(&columns).ok()?.pop()
}

fn row_bytes(encoded: usize) -> u64 {
    ROW_OVERHEAD + encoded as u64
}
