//! The store's handle: opening, closing, and the way to its writer and readers. What can be kept is in the modules beside.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;

use crate::StoreError;
use crate::directory::Directory;
use crate::readers::Readers;
use crate::reserve::Reserve;
use crate::schema;
use crate::writer::{Order, WRITE_QUEUE, Work, Writer, Writing};

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
    reserve: Reserve,
    damaged: AtomicU64,
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
        let path = directory.database();
        let connection = schema::open_writer(&path)?;
        directory.sync()?;
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
        let readers = Readers::new(&path);
        let (damaged, writer) = (AtomicU64::new(0), Mutex::new(Some(writer)));
        Ok(Self { inner: Arc::new(Inner { path, orders, broken, readers, reserve, damaged, writer }) })
    }

    /// Ends the store: what was asked before is finished, the WAL is folded into the database, the lock is let go. Other handles get
    /// [`StoreError::Closed`] from now on.
    pub async fn close(self) -> Result<(), StoreError> {
        self.inner.readers.close().await;
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

    /// How many damaged batches were met and left out since the store was opened.
    pub fn damaged_batches(&self) -> u64 {
        self.inner.damaged.load(Ordering::Relaxed)
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
        let (answer, answered) = oneshot::channel();
        let order = Order::Work(Box::new(Work::new(op, work, answer)));
        self.inner.orders.send(order).await.map_err(|_| self.inner.stopped(op))?;
        answered.await.map_err(|_| self.inner.stopped(op))?
    }

    /// Runs `work` on a connection that sees everything whose answer was given before.
    pub(crate) async fn read<T, F>(&self, op: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let place = self.inner.readers.place().await.ok_or_else(|| self.inner.stopped(op))?;
        let inner = Arc::clone(&self.inner);
        let outcome = spawn_blocking(move || {
            let outcome = inner.readers.read(op, work);
            drop(place);
            outcome
        });
        outcome.await.map_err(|_| self.inner.stopped(op))?
    }
}

impl Inner {
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
