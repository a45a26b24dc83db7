//! Reading, beside the writer: a few connections of their own, used on tokio's blocking threads. A reader sees what is committed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{StoreError, schema};

/// How many reads run at once; who comes then waits for a place.
pub(crate) const READERS: u32 = 4;

/// Connections that are not in use, and the places for those that are.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        let places = Arc::new(Semaphore::new(READERS as usize));
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()), places }
    }

    /// Waits for a place to read; `None` once the store is closed. The place goes along to the thread that reads, so that it stays
    /// taken when whoever asked goes away.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Reads on this thread, which may block.
    pub(crate) fn read<T>(
        &self,
        op: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let fail = |e| StoreError::sqlite(op, &self.path, e);
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| schema::open_reader(&self.path), Ok).map_err(fail)?;
        let outcome = work(&connection).map_err(fail);
        self.idle().push(connection);
        outcome
    }

    /// Lets every running read end, refuses those that come, closes the connections.
    pub(crate) async fn close(&self) {
        let all = self.places.acquire_many(READERS).await;
        self.places.close();
        drop(all);
        self.idle().clear();
    }

    pub(crate) fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A list of connections is whole even if its last user panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
