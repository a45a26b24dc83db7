//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parallax_model::{AgentId, Seq};
use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the store did not do what it was asked. Cheap to clone: one failed commit is the answer to everyone who waited for it.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("the store in {} is in use by another process", dir.display())]
    InUse {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The directory or a file in it cannot be used.
    #[error("{op} {}", path.display())]
    Directory {
        /// What was tried, e.g. `create directory`.
        op: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// A newer version of Parallax wrote the store. Nothing was changed.
    #[error("{} has store version {found}, this program knows versions up to {known}: use a newer one", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this program knows, [`SCHEMA_VERSION`](crate::SCHEMA_VERSION).
        known: i64,
    },
    /// The file is an SQLite database of some other program. Nothing was changed.
    #[error("{} is a database of another program (application id {found:#x})", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// Its application id.
        found: i64,
    },
    /// The file is so damaged that nothing of it can be read, or it is a backup that is damaged.
    #[error("{} is damaged, {reason}: `parallax data restore` puts a backup in its place", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// The disk is full (ENOSPC): nothing of this write was kept. Reading goes on, and so does writing once there is space.
    #[error("{op}: no space left for {}", path.display())]
    Full {
        /// The operation.
        op: &'static str,
        /// The database file.
        path: PathBuf,
    },
    /// The disk failed while writing. Nothing is acked any more; only starting anew helps.
    #[error("{} is broken and takes no more writes: {reason}", path.display())]
    Broken {
        /// The database file.
        path: PathBuf,
        /// What failed.
        reason: Arc<str>,
    },
    /// The store was closed.
    #[error("{op}: the store in {} is closed", path.display())]
    Closed {
        /// The operation.
        op: &'static str,
        /// The database file.
        path: PathBuf,
    },
    /// A batch without results, or with a seq beyond what can be kept.
    #[error("append a batch of {agent}: {count} results from seq {} on cannot be kept", first_seq.0)]
    BatchRange {
        /// Whose batch.
        agent: AgentId,
        /// Its first seq.
        first_seq: Seq,
        /// How many results it says it has.
        count: u32,
    },
    /// SQLite refused, or a row cannot be read.
    #[error("{op} in {}", path.display())]
    Sqlite {
        /// The operation.
        op: &'static str,
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
}

impl StoreError {
    pub(crate) fn directory(op: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Directory { op, path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn sqlite(op: &'static str, path: &Path, source: impl Into<Arc<rusqlite::Error>>) -> Self {
        let source = source.into();
        if source.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            return Self::Full { op, path: path.to_owned() };
        }
        Self::Sqlite { op, path: path.to_owned(), source }
    }

    /// The last cause's words.
    pub(crate) fn innermost(&self) -> String {
        std::error::Error::source(self).map_or_else(|| self.to_string(), ToString::to_string)
    }

    /// True when SQLite found the file damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Sqlite { source, .. } => is_damage(source),
            _ => false,
        }
    }

    /// True for a full disk, by SQLite's or by the operating system's word.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Directory { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

/// What SQLite says of a file whose pages are not what they should be.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
