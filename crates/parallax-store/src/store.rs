//! The store's handle: opening, closing, and the way to its writer and readers. What can be kept is in the modules beside.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{fmt, fs, io};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;

use crate::StoreError;
use crate::blocks::Joining;
use crate::directory::Directory;
use crate::readers::{Kind, Readers};
use crate::reserve::Reserve;
use crate::salvage::{self, Salvage};
use crate::wal::WalState;
use crate::whole::Damaged;
use crate::writer::{Order, WRITE_QUEUE, Work, Writer, Writing};
use crate::{marks, schema, schema_pages, wal};

/// The store. Clones are handles on the same one; it ends when [`Store::close`] is called or the last handle is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    orders: mpsc::Sender<Order>,
    broken: watch::Receiver<Option<Arc<str>>>,
    readers: Readers,
    raw_readers: Readers,
    reserve: Reserve,
    damaged: AtomicU64,
    damaged_rows: Damaged,
    /// The file that asks the next opening to salvage.
    marker: PathBuf,
    salvage: Option<Salvage>,
    wal: WalState,
    mended: usize,
    rolled_until: AtomicI64,
    joining: Joining,
    size_limit: AtomicU64,
    /// Whether the last write found the disk full.
    full: AtomicBool,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir` and makes it when it is missing. Blocks for as long as the disk takes.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let directory = Directory::hold(dir)?;
        let damaged_rows = Damaged::default();
        let path = directory.database();
        directory.adopt_next()?;
        let mended = mend_schema(&directory);
        let wal = look_at_wal(&directory);
        let (connection, salvage) = open_database(&directory, &damaged_rows)?;
        directory.sync()?;
        keep_schema(&connection, &directory);
        let marker = directory.damaged();
        let reserve = Reserve::new(directory.reserve());
        if let Err(error) = reserve.fill() {
            tracing::warn!(store.path = %path.display(), error = %error, "no space could be set aside for pruning");
        }
        let (orders, received) = mpsc::channel(WRITE_QUEUE);
        let (broken_now, broken) = watch::channel(None);
        let writer = Writer::new(connection, directory, broken_now);
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(received))
            .map_err(|e| StoreError::directory("start the writer of", &path, e))?;
        let readers = Readers::new(&path, Kind::Pages(damaged_rows.clone()));
        let raw_readers = Readers::new(&path, Kind::Raw);
        let inner = Inner {
            path,
            orders,
            broken,
            readers,
            raw_readers,
            reserve,
            damaged: AtomicU64::new(0),
            damaged_rows,
            marker,
            salvage,
            wal,
            mended,
            rolled_until: AtomicI64::new(i64::MIN),
            joining: Joining::default(),
            size_limit: AtomicU64::new(0),
            full: AtomicBool::new(false),
            writer: Mutex::new(Some(writer)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends the store: what was asked before is finished, the WAL is folded into the database, the lock is let go. Other handles get
    /// [`StoreError::Closed`] from now on.
    pub async fn close(self) -> Result<(), StoreError> {
        self.inner.readers.close().await;
        self.inner.raw_readers.close().await;
        // The writer may have ended already, by another handle's close.
        drop(self.inner.orders.send(Order::End).await);
        let writer = self.inner.take_writer();
        let ended = spawn_blocking(move || writer.is_none_or(|w| w.join().is_ok())).await;
        if ended.unwrap_or(false) {
            self.broken_now().map_or(Ok(()), Err)
        } else {
            Err(self.inner.stopped("close"))
        }
    }

    /// Resolves when the store breaks, with [`StoreError::Broken`]. A program should end then, and start anew.
    pub async fn broken(&self) -> StoreError {
        let mut broken = self.inner.broken.clone();
        match broken.wait_for(Option::is_some).await.map(drop) {
            Ok(()) => self.inner.stopped("write"),
            // Closed in good order: it will never break.
            Err(_) => std::future::pending().await,
        }
    }

    /// The error every write gets when the store is broken.
    pub fn broken_now(&self) -> Option<StoreError> {
        let reason = self.inner.broken.borrow().clone()?;
        Some(StoreError::Broken { path: self.inner.path.clone(), reason })
    }

    /// Bytes of the database and its WAL on disk.
    pub fn size_bytes(&self) -> u64 {
        let mut wal = self.inner.path.clone().into_os_string();
        wal.push("-wal");
        let size = |path: &Path| path.metadata().map_or(0, |m| m.len());
        size(&self.inner.path) + size(Path::new(&wal))
    }

    /// What became of the database that was there, when it was so damaged that it had to be salvaged at this opening.
    pub fn salvaged(&self) -> Option<&Salvage> {
        self.inner.salvage.as_ref()
    }

    /// Commits that the opening found behind damage in SQLite's log. What was acked with them is lost.
    pub fn lost_commits(&self) -> u64 {
        self.inner.wal.lost
    }

    /// Pages at the end of SQLite's log that the opening found cut off: a commit that nobody was told of, unless the disk damaged it.
    pub fn cut_frames(&self) -> u64 {
        self.inner.wal.cut
    }

    /// Bytes of the schema that the opening found wrong and put right.
    pub fn mended_bytes(&self) -> usize {
        self.inner.mended
    }

    /// Looks whether a disk that was full has space again; `true` when it has, and writes are taken. Without it the store says that
    /// it is full although it is not any more: a small write may succeed on a disk that is full for every other.
    pub async fn find_space(&self) -> bool {
        let inner = Arc::clone(&self.inner);
        let room = spawn_blocking(move || inner.reserve.room()).await;
        if !matches!(room, Ok(Ok(()))) {
            return false;
        }
        let write = self.write("write again", |w| {
            w.connection.pragma_update(None, "user_version", schema::SCHEMA_VERSION)
        });
        let found = write.await.is_ok();
        if found {
            self.inner.note_full(false);
        }
        found
    }

    /// Whether a write found the disk full, and no space was found since.
    pub fn is_full(&self) -> bool {
        self.inner.full.load(Ordering::Relaxed)
    }

    /// What is wrong with the store while it goes on serving, in words for an operator; `None` when nothing is.
    pub fn trouble(&self) -> Option<String> {
        let lost = self.damaged_rows() + self.damaged_batches();
        if self.is_full() {
            Some("the disk is full: results are refused until there is space, agents keep them".to_owned())
        } else if self.is_damaged() {
            Some("the store is damaged: what can be read is served, the next start salvages it".to_owned())
        } else if let Some(salvage) = self.salvaged().filter(|s| s.lost_something()) {
            Some(format!(
                "the store was salvaged with losses; the damaged one is {}",
                salvage.aside.display()
            ))
        } else if self.lost_commits() > 0 {
            Some(format!("the store's log was damaged: {} commits are lost", self.lost_commits()))
        } else {
            (lost > 0).then(|| format!("{lost} damaged rows of the store are left out"))
        }
    }

    /// Whether damage was found that the next opening will salvage.
    pub fn is_damaged(&self) -> bool {
        self.inner.marker.exists()
    }

    /// Asks the next opening to salvage.
    pub(crate) fn note_damage(&self, reason: &str) {
        self.inner.note_damage(reason);
    }

    /// How many damaged batches were met and left out since the store was opened.
    pub fn damaged_batches(&self) -> u64 {
        self.inner.damaged.load(Ordering::Relaxed)
    }

    /// How many damaged rows, other than batches, were met and left out since the store was opened.
    pub fn damaged_rows(&self) -> u64 {
        self.inner.damaged_rows.count()
    }

    /// The end of the last hour that was made; `i64::MIN` before it was looked for.
    pub(crate) fn rolled_until(&self) -> i64 {
        self.inner.rolled_until.load(Ordering::Relaxed)
    }

    pub(crate) fn joining(&self) -> &Joining {
        &self.inner.joining
    }

    pub(crate) fn size_limit(&self) -> u64 {
        self.inner.size_limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_size_limit(&self, bytes: u64) {
        self.inner.size_limit.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_rolled_until(&self, hour: i64) {
        self.inner.rolled_until.store(hour, Ordering::Relaxed);
    }

    pub(crate) fn count_damaged(&self, batches: u32) {
        self.inner.damaged.fetch_add(batches.into(), Ordering::Relaxed);
    }

    /// Gives up the space that was set aside; `false` when there was none.
    pub(crate) async fn release_reserve(&self) -> bool {
        let inner = Arc::clone(&self.inner);
        spawn_blocking(move || inner.reserve.release()).await.unwrap_or(false)
    }

    /// Sets space aside again when there is enough; if not, the next pruning tries again.
    pub(crate) async fn refill_reserve(&self) {
        let inner = Arc::clone(&self.inner);
        let filled = spawn_blocking(move || inner.reserve.fill()).await;
        if let Ok(Err(error)) = filled {
            tracing::warn!(store.path = %self.inner.path.display(), error = %error, "no space could be set aside for pruning");
        }
    }

    /// Runs `work` in the writer's next transaction; the answer comes after its commit.
    pub(crate) async fn write<T, F>(&self, op: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.submit(op, work).await?.answer().await
    }

    /// Gives `work` its place in the writer's queue; what is submitted later is done later.
    pub(crate) async fn submit<T, F>(&self, op: &'static str, work: F) -> Result<Submitted<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let order = Order::Work(Box::new(Work::new(op, work, answer)));
        self.inner.orders.send(order).await.map_err(|_| self.inner.stopped(op))?;
        Ok(Submitted { store: self.clone(), op, answered })
    }

    /// Runs `work` on a connection that sees everything whose answer was given before, but no raw results and no row that is
    /// damaged.
    pub(crate) async fn read<T, F>(&self, op: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.read_with(|inner| &inner.readers, op, work).await
    }

    /// Like [`read`](Self::read), on a connection that sees raw results and everything else as it is on disk.
    pub(crate) async fn read_raw<T, F>(&self, op: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.read_with(|inner| &inner.raw_readers, op, work).await
    }

    async fn read_with<T, F>(
        &self,
        readers: fn(&Inner) -> &Readers,
        op: &'static str,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let place = readers(&self.inner).place().await.ok_or_else(|| self.inner.stopped(op))?;
        let inner = Arc::clone(&self.inner);
        let outcome = spawn_blocking(move || {
            let outcome = readers(&inner).read(op, work);
            if let Err(error) = &outcome
                && error.is_damage()
            {
                inner.note_damage(&format!("{op}: {}", error.innermost()));
            }
            drop(place);
            outcome
        });
        outcome.await.map_err(|_| self.inner.stopped(op))?
    }
}

/// Puts wrong bytes of the schema right, which would make much more unreadable than they are.
fn mend_schema(directory: &Directory) -> usize {
    let path = directory.database();
    match schema_pages::mend(&directory.schema(), &path) {
        Ok(0) => 0,
        Ok(bytes) => {
            tracing::error!(store.path = %path.display(), bytes, "the store's schema was damaged: put back from its copy");
            bytes
        }
        Err(error) => {
            tracing::warn!(store.path = %path.display(), %error, "the store's schema cannot be compared with its copy");
            0
        }
    }
}

/// Says what is lost in a damaged log, before SQLite throws it away without a word.
fn look_at_wal(directory: &Directory) -> WalState {
    let path = directory.wal();
    let state = match wal::look(&path) {
        Ok(state) => state,
        Err(error) => {
            tracing::error!(store.wal = %path.display(), %error, "the store's log cannot be read");
            return WalState::default();
        }
    };
    let state = WalState { lost: if state.headless { state.lost.max(1) } else { state.lost }, ..state };
    if state.lost > 0 {
        tracing::error!(
            store.wal = %path.display(),
            commits = state.commits,
            lost = state.lost,
            "the store's log is damaged: commits behind the damage are lost, what they acked with them"
        );
    } else if state.cut > 0 {
        tracing::warn!(
            store.wal = %path.display(),
            frames = state.cut,
            "the end of the store's log is cut off: it was being written when the process ended, or it is damaged"
        );
    }
    state
}

/// Opens the database. One that is damaged beyond reading, or was found damaged before, is salvaged first.
fn open_database(
    directory: &Directory,
    damaged_rows: &Damaged,
) -> Result<(Connection, Option<Salvage>), StoreError> {
    let path = directory.database();
    let open = || -> Result<Connection, StoreError> {
        let connection = schema::open_writer(&path, damaged_rows)?;
        let mended = schema::touch(&connection).and_then(|()| marks::mend(&connection, false));
        mended.map_err(|e| StoreError::sqlite("open", &path, e))?;
        Ok(connection)
    };
    let reason = match (fs::read_to_string(directory.damaged()), open()) {
        (Err(_), Ok(connection)) => return Ok((connection, None)),
        (Ok(reason), Ok(connection)) => {
            connection.close().map_err(|(_, e)| StoreError::sqlite("open", &path, e))?;
            reason
        }
        (_, Err(error)) if schema::is_salvageable(&error) => error.innermost(),
        (_, Err(error)) => return Err(error),
    };
    match salvage::salvage(directory, reason.trim()) {
        Ok(salvage) => Ok((open()?, Some(salvage))),
        // What is not damaged can still be served.
        Err(error) => match open() {
            Ok(connection) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store is damaged and cannot be salvaged now"
                );
                Ok((connection, None))
            }
            Err(_) => Err(error),
        },
    }
}

/// Without the copy the store works as well; it is missed only when the schema is damaged.
fn keep_schema(connection: &Connection, directory: &Directory) {
    let path = directory.database();
    let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let kept = folded
        .map_err(io::Error::other)
        .and_then(|()| schema_pages::keep(connection, &path, &directory.schema()));
    if let Err(error) = kept {
        tracing::warn!(store.path = %path.display(), %error, "the schema could not be copied");
    }
}

/// A write that has its place in the writer's queue.
#[derive(Debug)]
pub(crate) struct Submitted<T> {
    store: Store,
    op: &'static str,
    answered: oneshot::Receiver<Result<T, StoreError>>,
}

impl<T> Submitted<T> {
    /// What came of it, after its commit.
    pub(crate) async fn answer(self) -> Result<T, StoreError> {
        let answer = self.answered.await.map_err(|_| self.store.inner.stopped(self.op))?;
        if answer.as_ref().err().is_some_and(StoreError::is_full) {
            self.store.inner.note_full(true);
        }
        answer
    }
}

impl Inner {
    /// Says when the disk is full, and when there is space again; not at every write.
    fn note_full(&self, full: bool) {
        if self.full.swap(full, Ordering::Relaxed) == full {
            return;
        }
        let path = self.path.display();
        if full {
            tracing::error!(store.path = %path, "the disk is full: results are refused until there is space, agents keep them");
        } else {
            tracing::info!(store.path = %path, "the disk has space again: results are kept");
        }
    }

    fn note_damage(&self, reason: &str) {
        if !self.marker.exists() {
            tracing::error!(store.path = %self.path.display(), reason, "the store is damaged: what can be read is served, the next start salvages it");
            if let Err(error) = fs::write(&self.marker, reason) {
                tracing::error!(%error, "and that cannot be noted");
            }
        }
    }

    fn take_writer(&self) -> Option<JoinHandle<()>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why the writer or the readers no longer answer.
    fn stopped(&self, op: &'static str) -> StoreError {
        let path = self.path.clone();
        match self.broken.borrow().clone() {
            Some(reason) => StoreError::Broken { path, reason },
            None => StoreError::Closed { op, path },
        }
    }
}

impl Drop for Inner {
    /// Waits for the writer, milliseconds as a rule, so that whoever dropped the last handle may open the store again.
    fn drop(&mut self) {
        self.readers.idle().clear();
        self.raw_readers.idle().clear();
        let Some(writer) = self.take_writer() else { return };
        // With the only sender gone the writer finishes its queue and ends.
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.orders, closed));
        if writer.join().is_err() {
            tracing::error!(store.path = %self.path.display(), "the store's writer panicked");
        }
    }
}

#[cfg(test)]
mod tests;
