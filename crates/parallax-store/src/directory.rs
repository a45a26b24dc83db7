//! The store's directory: made when missing, held by one process.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The database within the directory.
const DATABASE: &str = "parallax.db";
/// The file whose lock says who has the store. It is empty and stays.
const LOCK: &str = "parallax.lock";
/// Space set aside, see `reserve`.
const RESERVE: &str = "parallax.reserve";

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

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.join(DATABASE)
    }

    /// The file that sets space aside.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.dir.join(RESERVE)
    }

    /// Writes the names of new files to disk: without it a fresh store could be gone after a power cut although its pages were
    /// synced.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        sync_directory(&self.dir)
    }
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
