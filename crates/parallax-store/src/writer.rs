//! The one thread that writes. Whatever waits for it at the same moment goes into one transaction, one commit, one fsync; answers
//! are given after that.
//!
//! 1. Each piece of work runs in a savepoint: one that fails takes nothing of the others with it.
//! 2. A group that fails for want of space, or because somebody else holds a lock, fails as a whole, and the next one is tried.
//! 3. Any other failed commit, and any I/O error, breaks the store: an fsync that failed once may succeed the next time without
//!    having written anything, so it is not tried again.
//! 4. Checkpoints are made here too, under the same rule.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parallax_model::AgentId;
use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::{mpsc, oneshot, watch};

use crate::StoreError;
use crate::directory::Directory;

/// How many writes may wait for the writer; who comes then waits for a place.
pub const WRITE_QUEUE: usize = 256;
/// How many writes share one commit at most. With full batches of 256 KiB this is 16 MiB in one transaction.
pub const MAX_GROUP: usize = 64;
/// A checkpoint is made after this many commits …
const CHECKPOINT_COMMITS: u32 = 512;
/// … or after about this many bytes of batches, whichever comes first.
const CHECKPOINT_BYTES: u64 = 8 * 1024 * 1024;
/// … or after this many changed rows: each may have dirtied a page of its own.
const CHECKPOINT_CHANGES: u64 = 8_192;
/// How many epochs' marks are kept in memory; beyond it they are read again.
const MARKS_KEPT: usize = 65_536;

/// How far an epoch is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) through: u64,
    pub(crate) missing: u64,
    pub(crate) results: u64,
}

/// What a piece of work may use: the open transaction, and the marks as of it.
pub(crate) struct Writing<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) marks: &'a mut HashMap<(AgentId, u64), Mark>,
    /// Bytes of batches since the last checkpoint.
    pub(crate) bytes: &'a mut u64,
}

/// A piece of work and whom to tell.
pub(crate) trait Job: Send {
    /// Does it; `Err` is what SQLite refused it with, when it was SQLite.
    fn run(&mut self, writing: &mut Writing<'_>, path: &Path) -> Result<(), Option<ffi::Error>>;
    /// Tells what came of it, once what its group's commit came to is known.
    fn settle(self: Box<Self>, committed: Result<(), StoreError>);
    /// The operation, for errors.
    fn op(&self) -> &'static str;
}

/// What the writer is sent.
pub(crate) enum Order {
    /// Do this.
    Work(Box<dyn Job>),
    /// Finish what was sent before, and end.
    End,
}

/// A closure as a [`Job`].
pub(crate) struct Work<F, T> {
    op: &'static str,
    task: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Work<F, T>
where
    F: FnOnce(&mut Writing<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    pub(crate) fn new(op: &'static str, task: F, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { op, task: Some(task), outcome: None, answer }
    }
}

impl<F, T> Job for Work<F, T>
where
    F: FnOnce(&mut Writing<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, writing: &mut Writing<'_>, path: &Path) -> Result<(), Option<ffi::Error>> {
        let Some(task) = self.task.take() else { return Ok(()) };
        match task(writing) {
            Ok(value) => {
                self.outcome = Some(Ok(value));
                Ok(())
            }
            Err(error) => {
                let refused = error.sqlite_error().copied();
                self.outcome = Some(Err(StoreError::sqlite(self.op, path, error)));
                Err(refused)
            }
        }
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.outcome) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => return,
        };
        // Whoever asked may have gone; the write stands all the same.
        drop(self.answer.send(answer));
    }

    fn op(&self) -> &'static str {
        self.op
    }
}

/// Why a group was not committed.
enum GroupError {
    /// The next one may be.
    Passing(Arc<rusqlite::Error>),
    /// Nothing will be any more.
    Fatal(String),
}

/// The writer thread's state.
pub(crate) struct Writer {
    // Before the directory, so that the database is closed while the lock is still held.
    connection: Connection,
    directory: Directory,
    path: PathBuf,
    broken: watch::Sender<Option<Arc<str>>>,
    marks: HashMap<(AgentId, u64), Mark>,
    bytes: u64,
    commits: u32,
    /// Rows that were changed up to the last checkpoint.
    changes: u64,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        directory: Directory,
        broken: watch::Sender<Option<Arc<str>>>,
    ) -> Self {
        let path = directory.database();
        Self { connection, directory, path, broken, marks: HashMap::new(), bytes: 0, commits: 0, changes: 0 }
    }

    /// Works until there is nobody left who could send an order, or until told to end.
    pub(crate) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let _alarm = PanicAlarm(self.broken.clone());
        let mut more = true;
        while more {
            let (group, open) = next_group(&mut orders);
            more = open;
            if !group.is_empty() {
                self.write(group);
            }
        }
        self.finish();
    }

    fn write(&mut self, mut group: Vec<Box<dyn Job>>) {
        let before = self.broken.borrow().clone();
        let outcome = match before {
            Some(reason) => Err(GroupError::Fatal(reason.as_ref().to_owned())),
            None => self.commit(&mut group),
        };
        if outcome.is_err() {
            // They are ahead of what is on disk now.
            self.marks.clear();
        }
        if let Err(GroupError::Fatal(reason)) = &outcome {
            self.break_down(reason);
        }
        for job in group {
            let committed = match &outcome {
                Ok(()) => Ok(()),
                Err(GroupError::Passing(error)) => {
                    Err(StoreError::sqlite(job.op(), &self.path, Arc::clone(error)))
                }
                Err(GroupError::Fatal(reason)) => {
                    Err(StoreError::Broken { path: self.path.clone(), reason: reason.as_str().into() })
                }
            };
            job.settle(committed);
        }
        if outcome.is_ok() {
            self.checkpoint_when_due();
        }
    }

    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), GroupError> {
        self.execute("BEGIN IMMEDIATE").map_err(|e| group_error("begin", e))?;
        for job in group.iter_mut() {
            self.run_job(job.as_mut()).inspect_err(|_| self.roll_back())?;
        }
        self.execute("COMMIT").map_err(|e| {
            self.roll_back();
            group_error("commit", e)
        })
    }

    /// `Err` when the group as a whole cannot go on.
    fn run_job(&mut self, job: &mut dyn Job) -> Result<(), GroupError> {
        self.execute("SAVEPOINT job").map_err(|e| group_error("savepoint", e))?;
        let mut writing =
            Writing { connection: &self.connection, marks: &mut self.marks, bytes: &mut self.bytes };
        let failed = job.run(&mut writing, &self.path).err();
        if self.marks.len() > MARKS_KEPT {
            self.marks.clear();
        }
        match failed {
            Some(Some(error))
                if matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
            {
                self.note_damage(&format!("{}: {error}", job.op()));
                self.execute("ROLLBACK TO job").map_err(|e| group_error("roll back", e))?;
            }
            Some(Some(error)) if error.code == ErrorCode::SystemIoFailure => {
                return Err(GroupError::Fatal(format!("{}: {error}", job.op())));
            }
            // SQLite itself may end the transaction, and with it what the others of the group wrote.
            Some(Some(error)) if self.connection.is_autocommit() => {
                return Err(GroupError::Passing(Arc::new(rusqlite::Error::SqliteFailure(error, None))));
            }
            Some(_) => self.execute("ROLLBACK TO job").map_err(|e| group_error("roll back", e))?,
            None => {}
        }
        self.execute("RELEASE job").map_err(|e| group_error("release", e))
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // What is wrong with the transaction is being reported already; the next BEGIN would fail if this did.
            drop(self.connection.execute_batch("ROLLBACK"));
        }
    }

    /// The next opening salvages; what is not damaged goes on being written.
    fn note_damage(&self, reason: &str) {
        let marker = self.directory.damaged();
        if !marker.exists() {
            tracing::error!(store.path = %self.path.display(), reason, "the store is damaged: the next start salvages it");
            if let Err(error) = std::fs::write(&marker, reason) {
                tracing::error!(%error, "and that cannot be noted");
            }
        }
    }

    fn break_down(&self, reason: &str) {
        self.broken.send_if_modified(|now| {
            let first = now.is_none();
            if first {
                tracing::error!(store.path = %self.path.display(), reason, "the store is broken and takes no more writes");
                *now = Some(reason.into());
            }
            first
        });
    }

    fn checkpoint_when_due(&mut self) {
        self.commits += 1;
        let changes = self.connection.total_changes();
        let due = self.commits >= CHECKPOINT_COMMITS
            || self.bytes >= CHECKPOINT_BYTES
            || changes.saturating_sub(self.changes) >= CHECKPOINT_CHANGES;
        if due {
            (self.commits, self.bytes, self.changes) = (0, 0, changes);
            self.checkpoint("PASSIVE");
        }
    }

    fn checkpoint(&self, mode: &str) {
        let done = self.connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
        let Err(error) = done else { return };
        match group_error("checkpoint", error) {
            // The WAL keeps everything, it only grows; the next checkpoint is tried all the same.
            GroupError::Passing(error) => {
                tracing::warn!(store.path = %self.path.display(), error = %error, "the store was not checkpointed");
            }
            GroupError::Fatal(reason) => self.break_down(&reason),
        }
    }

    fn finish(self) {
        if self.broken.borrow().is_none() {
            self.checkpoint("TRUNCATE");
        }
        let Self { connection, directory, path, .. } = self;
        if let Err((_, error)) = connection.close() {
            tracing::warn!(store.path = %path.display(), error = %error, "closing the store");
        }
        drop(directory);
    }
}

/// Says that the store is broken when the writer panics, whatever of it is left by then.
struct PanicAlarm(watch::Sender<Option<Arc<str>>>);

impl Drop for PanicAlarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.send_replace(Some("the writer panicked".into()));
        }
    }
}

/// Waits for work, then takes what else is there. The flag is false when nothing comes any more.
fn next_group(orders: &mut mpsc::Receiver<Order>) -> (Vec<Box<dyn Job>>, bool) {
    let mut group = Vec::new();
    let mut next = orders.blocking_recv();
    loop {
        match next {
            Some(Order::Work(job)) => group.push(job),
            Some(Order::End) | None => return (group, false),
        }
        if group.len() == MAX_GROUP {
            return (group, true);
        }
        next = match orders.try_recv() {
            Ok(order) => Some(order),
            Err(mpsc::error::TryRecvError::Empty) => return (group, true),
            Err(mpsc::error::TryRecvError::Disconnected) => None,
        };
    }
}

/// An I/O error, and whatever nobody thought of, is fatal.
fn group_error(op: &str, error: rusqlite::Error) -> GroupError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory,
        ) => GroupError::Passing(Arc::new(error)),
        _ => GroupError::Fatal(format!("{op}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_and_what_does_not() {
        let cases = [
            (ffi::SQLITE_FULL, true),
            (ffi::SQLITE_BUSY, true),
            (ffi::SQLITE_BUSY_SNAPSHOT, true),
            (ffi::SQLITE_LOCKED, true),
            (ffi::SQLITE_NOMEM, true),
            (ffi::SQLITE_IOERR_FSYNC, false),
            (ffi::SQLITE_IOERR_WRITE, false),
            (ffi::SQLITE_CORRUPT, false),
            (ffi::SQLITE_READONLY, false),
        ];
        for (code, passes) in cases {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let verdict = group_error("commit", error);
            assert_eq!(matches!(verdict, GroupError::Passing(_)), passes, "{code}");
        }
    }
}
