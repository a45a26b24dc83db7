//! A copy of the store in one file, made while the store works, and the way back.
//!
//! The copy is SQLite's own backup of one moment, read through a transaction of its own: writes go on, and the log grows until it
//! is done. Small files of the data directory that are needed beside the database (keys, certificates) lie in it as rows of the
//! table `kept_files`, so that one file is all. It is made under another name, looked through, synced, and only then named.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::directory::{Directory, remove};
use crate::inspection::{self, Depth};
use crate::{Inspection, StoreError, schema};

/// Pages that are copied at a time; between two such steps progress is told.
const STEP_PAGES: i32 = 4_096;
/// How long to wait when SQLite is asked at a moment when it cannot copy …
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// … and how often.
const BUSY_TRIES: u32 = 200;
/// The largest file that is kept beside the database.
const MAX_KEPT_FILE: u64 = 1024 * 1024;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are copied.
    pub done: u64,
    /// Bytes there are.
    pub all: u64,
}

/// What a backup or a restore came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the copy.
    pub bytes: u64,
    /// What was found in it.
    pub report: Inspection,
    /// Where the database that was there before is now, after a restore.
    pub aside: Option<PathBuf>,
}

/// Copies the store in `dir`, which may be in use, to a new file, with those of `files` that are in `dir`. The file can be read by
/// its owner only: it holds keys.
///
/// # Errors
/// A file of that name must not be there. A store that is damaged is copied as it is; the report says what is wrong.
pub fn backup(
    dir: &Path,
    files: &[&str],
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Copied, StoreError> {
    if to.exists() {
        return Err(StoreError::directory("write backup", to, io::ErrorKind::AlreadyExists.into()));
    }
    let unfinished = with_end(to, ".unfinished");
    remove(&unfinished)?;
    let outcome = write(dir, files, &unfinished, progress);
    if outcome.is_err() {
        drop(fs::remove_file(&unfinished));
    }
    let report = outcome?;
    fs::rename(&unfinished, to).map_err(|e| StoreError::directory("name backup", to, e))?;
    sync_parent(to)?;
    let bytes = to.metadata().map_or(0, |m| m.len());
    Ok(Copied { bytes, report, aside: None })
}

fn write(
    dir: &Path,
    files: &[&str],
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Inspection, StoreError> {
    let from = Directory::database_of(dir);
    let source = schema::open_existing(&from)?;
    let fail = |op| move |e| StoreError::sqlite(op, to, e);
    create_private(to)?;
    let mut target = Connection::open(to).map_err(fail("open backup"))?;
    // What a crash leaves is thrown away: nothing needs to be synced before the end.
    target.pragma_update(None, "synchronous", "off").map_err(fail("open backup"))?;
    copy_pages(&source, &mut target, progress).map_err(|e| StoreError::sqlite("back up", &from, e))?;
    target.pragma_update(None, "journal_mode", "delete").map_err(fail("finish backup"))?;
    keep_files(&target, dir, files).map_err(fail("keep files"))?;
    schema::define_unheard(&target).map_err(fail("inspect backup"))?;
    let report = inspection::inspect(&target, Depth::Quick);
    target.close().map_err(|(_, e)| fail("finish backup")(e))?;
    let synced = File::open(to).and_then(|f| f.sync_all());
    synced.map_err(|e| StoreError::directory("sync backup", to, e))?;
    Ok(report)
}

fn copy_pages(
    source: &Connection,
    target: &mut Connection,
    progress: &mut dyn FnMut(Progress),
) -> rusqlite::Result<()> {
    let size: i64 = source.pragma_query_value(None, "page_size", |row| row.get(0))?;
    // With a transaction open the backup is of this moment, and a writer elsewhere does not make it begin anew.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    let backup = Backup::new(source, target)?;
    let mut tries = 0;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let now = backup.progress();
        let bytes = |pages: i32| u64::try_from(i64::from(pages) * size).unwrap_or(0);
        progress(Progress { done: bytes(now.pagecount - now.remaining), all: bytes(now.pagecount) });
        match step {
            StepResult::Done => break,
            StepResult::More => tries = 0,
            _ if tries < BUSY_TRIES => {
                tries += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            _ => {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    None,
                ));
            }
        }
    }
    drop(backup);
    source.execute_batch("COMMIT")
}

fn keep_files(target: &Connection, dir: &Path, files: &[&str]) -> rusqlite::Result<()> {
    target.execute_batch(
        "CREATE TABLE kept_files (name TEXT NOT NULL PRIMARY KEY, bytes BLOB NOT NULL, checksum INTEGER) STRICT",
    )?;
    schema::define_unheard(target)?;
    for name in files {
        let path = dir.join(name);
        if path.metadata().is_ok_and(|m| m.len() <= MAX_KEPT_FILE)
            && let Ok(bytes) = fs::read(&path)
        {
            let sql = "INSERT INTO kept_files VALUES (?1, ?2, row_checksum(?1, ?2))";
            target.execute(sql, (name, bytes))?;
        }
    }
    Ok(())
}

/// Puts a backup in the place of the store in `dir`, which nobody may have open. A database that is there is moved aside; files
/// that the backup holds are written anew.
///
/// # Errors
/// Nothing is changed when the store is in use, when a newer version made the backup, or when the backup is damaged.
pub fn restore(
    dir: &Path,
    files: &[&str],
    from: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Copied, StoreError> {
    let directory = Directory::hold(dir)?;
    let report = inspection::inspect_file(from, Depth::Thorough)?;
    if let Some(reason) = report.first_finding() {
        return Err(StoreError::Damaged { path: from.to_owned(), reason: reason.into() });
    }
    directory.adopt_next()?;
    let next = directory.next();
    remove(&next)?;
    copy_file(from, &next, progress)?;
    let kept = take_files(&next)?;
    let aside = if directory.database().exists() { Some(directory.set_aside("replaced")?) } else { None };
    remove(&directory.schema())?;
    remove(&directory.damaged())?;
    directory.adopt_next()?;
    for (name, bytes) in kept.iter().filter(|(name, _)| files.contains(&name.as_str())) {
        write_private(&dir.join(name), bytes)?;
    }
    directory.sync()?;
    let bytes = directory.database().metadata().map_or(0, |m| m.len());
    Ok(Copied { bytes, report, aside })
}

/// Takes the files out of the copy: the store has no such table.
fn take_files(next: &Path) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let take = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
        let connection = Connection::open(next)?;
        let there: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'kept_files')",
            [],
            |row| row.get(0),
        )?;
        if !there {
            return Ok(Vec::new());
        }
        let mut statement = connection.prepare("SELECT name, bytes FROM kept_files ORDER BY name")?;
        let files = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect();
        drop(statement);
        connection.execute_batch("DROP TABLE kept_files")?;
        connection.close().map_err(|(_, e)| e)?;
        files
    };
    let files = take().map_err(|e| StoreError::sqlite("take files out of the backup", next, e))?;
    let synced = File::open(next).and_then(|f| f.sync_all());
    synced.map_err(|e| StoreError::directory("sync", next, e))?;
    Ok(files)
}

fn copy_file(from: &Path, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), StoreError> {
    let copy = |progress: &mut dyn FnMut(Progress)| -> io::Result<()> {
        let mut source = File::open(from)?;
        let all = source.metadata()?.len();
        let mut target = File::create(to)?;
        let mut done = 0;
        loop {
            let step = io::copy(&mut io::Read::take(&mut source, 16 * 1024 * 1024), &mut target)?;
            if step == 0 {
                break;
            }
            done += step;
            progress(Progress { done, all });
        }
        target.sync_all()
    };
    copy(progress)
        .map_err(|e| StoreError::directory("copy backup to", to, e))
        .inspect_err(|_| drop(fs::remove_file(to)))
}

fn create_private(path: &Path) -> Result<(), StoreError> {
    write_private(path, &[])
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut f| f.write_all(bytes).and_then(|()| f.sync_all()));
    written.map_err(|e| StoreError::directory("write", path, e))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let synced = File::open(parent).and_then(|d| d.sync_all());
    synced.map_err(|e| StoreError::directory("sync directory", parent, e))
}

#[cfg(test)]
mod tests;
