//! The store's directory: made when missing, held by one process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The database within the directory.
const DATABASE: &str = "parallax.db";
/// The file whose lock says who has the store. It is empty and stays.
const LOCK: &str = "parallax.lock";
/// Space set aside, see `reserve`.
pub(crate) const RESERVE: &str = "parallax.reserve";
/// A whole database that waits to take the database's place: restored or salvaged.
const NEXT: &str = "parallax.db.next";
/// The file that says that the database was found damaged: it is salvaged at the next opening.
pub(crate) const DAMAGED: &str = "parallax.damaged";
/// The pages that hold the schema, kept apart: without them nothing else could be read.
const SCHEMA: &str = "parallax.schema";
/// What SQLite keeps beside a database.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];
/// Most databases that are kept aside; beyond it nothing is moved until somebody looked at them.
pub(crate) const MAX_ASIDE: u32 = 16;

/// The directory for as long as this process holds it. The operating system lets go of the lock when the process ends.
#[derive(Debug)]
pub(crate) struct Directory {
    dir: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory when it is missing, readable by its owner only, and takes its lock.
    pub(crate) fn hold(dir: &Path) -> Result<Self, StoreError> {
        create(dir)?;
        let path = dir.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| StoreError::directory("open lock file", &path, e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(e)) => Err(StoreError::directory("lock", &path, e)),
        }
    }

    /// The database file of a directory that somebody else may hold.
    pub(crate) fn database_of(dir: &Path) -> PathBuf {
        dir.join(DATABASE)
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.join(DATABASE)
    }

    /// The file that sets space aside.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.dir.join(RESERVE)
    }

    /// Where a database is made whole before it takes the database's place.
    pub(crate) fn next(&self) -> PathBuf {
        self.dir.join(NEXT)
    }

    /// The file that says that the database was found damaged.
    pub(crate) fn damaged(&self) -> PathBuf {
        self.dir.join(DAMAGED)
    }

    /// The copy of the schema's pages.
    pub(crate) fn schema(&self) -> PathBuf {
        self.dir.join(SCHEMA)
    }

    /// Moves the database away, named after `why`, with what SQLite keeps beside it. A process that ends in between leaves a state
    /// that [`adopt_next`](Self::adopt_next) finishes.
    pub(crate) fn set_aside(&self, why: &str) -> Result<PathBuf, StoreError> {
        let from = self.database();
        let named = |n: u32| self.dir.join(format!("{DATABASE}.{why}-{n}"));
        let free = (1..=MAX_ASIDE).map(named).find(|path| !path.exists());
        let to = free.ok_or_else(|| {
            let why = format!("{MAX_ASIDE} databases are kept aside already: move them elsewhere");
            StoreError::directory("set aside", &from, io::Error::other(why))
        })?;
        rename(&from, &to)?;
        self.side_files_to(&to)?;
        self.sync()?;
        Ok(to)
    }

    /// Puts the database that was made whole in its place, if one waits for it: the last step of salvaging and restoring, which is
    /// done at the next opening when the process ended before it.
    pub(crate) fn adopt_next(&self) -> Result<(), StoreError> {
        if !self.next().exists() {
            return Ok(());
        }
        if self.database().exists() {
            // It was not whole when the process ended.
            return remove(&self.next());
        }
        // A log that belongs to what was moved away must never be applied to what comes.
        let aside = self.dir.join(format!("{DATABASE}.aside"));
        self.side_files_to(&aside)?;
        rename(&self.next(), &self.database())?;
        self.sync()
    }

    /// SQLite's log beside the database.
    pub(crate) fn wal(&self) -> PathBuf {
        self.dir.join(format!("{DATABASE}{}", SIDE_FILES[0]))
    }

    fn side_files_to(&self, database: &Path) -> Result<(), StoreError> {
        let beside = |path: &Path, end: &str| {
            let mut path = path.as_os_str().to_owned();
            path.push(end);
            PathBuf::from(path)
        };
        for end in SIDE_FILES {
            let from = beside(&self.database(), end);
            if from.exists() {
                rename(&from, &beside(database, end))?;
            }
        }
        Ok(())
    }

    /// Writes the names of new files to disk: without it a fresh store could be gone after a power cut although its pages were
    /// synced.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        sync_directory(&self.dir)
    }
}

/// Removes a file that may be there.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::directory("remove", path, e)),
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|e| StoreError::directory("move", from, e))
}

fn create(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| StoreError::directory("create directory", dir, e))?;
    dir.parent().filter(|p| !p.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
}

#[cfg(unix)]
fn sync_directory(dir: &Path) -> Result<(), StoreError> {
    let synced = File::open(dir).and_then(|d| d.sync_all());
    synced.map_err(|e| StoreError::directory("sync directory", dir, e))
}

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "directories can be synced on unix only; callers are the same everywhere"
)]
fn sync_directory(_dir: &Path) -> Result<(), StoreError> {
    Ok(())
}
