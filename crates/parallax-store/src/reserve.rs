//! Space set aside on disk. To delete rows SQLite first has to write; on a disk that is full to the last byte it could not, and the
//! store would stay full for ever. Pruning gives this file up when it has to.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How much is set aside: what the WAL can hold between two checkpoints (24 MiB), which folding it may add to the database, and a
/// step of the pruning.
pub const RESERVE_BYTES: u64 = 32 * 1024 * 1024;

/// So much must be free before a disk that was full is called anything else.
const ROOM_BYTES: u64 = 4 * 1024 * 1024;

static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];

/// The file.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Sets the space aside unless it is. On a disk without room for it nothing is left behind.
    pub(crate) fn fill(&self) -> io::Result<()> {
        if self.path.metadata().is_ok_and(|m| m.len() == RESERVE_BYTES) {
            return Ok(());
        }
        write(&self.path, RESERVE_BYTES).inspect_err(|_| drop(fs::remove_file(&self.path)))
    }

    /// Whether there is room beside what is set aside, tried out.
    pub(crate) fn room(&self) -> io::Result<()> {
        let path = self.path.with_extension("room");
        let tried = write(&path, ROOM_BYTES);
        fs::remove_file(&path).and(tried)
    }

    /// Gives the space up; `false` when there was none.
    pub(crate) fn release(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}

fn write(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..bytes / CHUNK.len() as u64 {
        file.write_all(&CHUNK)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_set_aside_and_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reserve");
        let reserve = Reserve::new(path.clone());
        assert!(!reserve.release());
        // One that was cut short is filled up.
        fs::write(&path, "short").unwrap();
        reserve.fill().unwrap();
        assert_eq!(path.metadata().unwrap().len(), RESERVE_BYTES);
        assert!(reserve.release());
        assert!(!path.exists());
    }
}
