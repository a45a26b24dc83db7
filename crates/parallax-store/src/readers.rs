//! Reading, beside the writer: a few connections of their own, used on tokio's blocking threads. A reader sees what is committed.
//!
//! There are two kinds. Pages' readers see only rows that are whole, and raw results not at all: SQLite itself refuses to prepare
//! a statement that names them, so that no page can ever come to scan them. Raw readers see the file as it is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::whole::Damaged;
use crate::{StoreError, schema};

/// How many reads for pages run at once; who comes then waits for a place.
pub(crate) const READERS: u32 = 4;
/// How many reads of raw results run at once: the start's, and an operator's.
const RAW_READERS: u32 = 2;

/// What a connection is for.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Pages: rows that are whole, no raw results. What is not whole is noted.
    Pages(Damaged),
    /// Raw results, and everything as it is.
    Raw,
}

/// Connections of one kind that are not in use, and the places for those that are.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    kind: Kind,
    count: u32,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: &Path, kind: Kind) -> Self {
        let count = match kind {
            Kind::Pages(_) => READERS,
            Kind::Raw => RAW_READERS,
        };
        let places = Arc::new(Semaphore::new(count as usize));
        Self { path: path.to_owned(), kind, count, idle: Mutex::new(Vec::new()), places }
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
        let opened = idle.map_or_else(|| schema::open_reader(&self.path, &self.kind), Ok);
        let connection = opened.map_err(fail)?;
        let outcome = work(&connection).map_err(fail);
        self.idle().push(connection);
        outcome
    }

    /// Lets every running read end, refuses those that come, closes the connections.
    pub(crate) async fn close(&self) {
        let all = self.places.acquire_many(self.count).await;
        self.places.close();
        drop(all);
        self.idle().clear();
    }

    pub(crate) fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A list of connections is whole even if its last user panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crate::fixtures::store;
    use crate::whole::RAW_TABLES;

    /// The guard itself: whatever a page asks, raw results are not to be had.
    #[tokio::test]
    async fn pages_cannot_read_raw_results() {
        let (_dir, store) = store();
        for table in RAW_TABLES {
            for sql in [
                format!("SELECT count(*) FROM {table}"),
                format!("SELECT 1 FROM agents WHERE EXISTS (SELECT id FROM main.{table})"),
            ] {
                let asked = sql.clone();
                let refused = store.read("read raw", move |c| c.prepare(&asked).map(drop)).await.unwrap_err();
                let cause = std::error::Error::source(&refused).unwrap().to_string();
                assert!(cause.contains("prohibited") || cause.contains("not authorized"), "{sql}: {cause}");
                store.read_raw("read raw", move |c| c.prepare(&sql).map(drop)).await.unwrap();
            }
        }
    }

    /// Not by an index on something else either: every read of history is a search along its key.
    #[tokio::test]
    async fn history_is_read_along_its_key() {
        let (_dir, store) = store();
        for (table, time) in [("minutes", "minute"), ("hours", "hour")] {
            let sql = format!(
                "EXPLAIN QUERY PLAN SELECT {time}, results, failures, first_byte FROM {table}
                 WHERE site = ?1 AND {time} >= ?2 AND {time} < ?3 ORDER BY {time}"
            );
            let plan = store.read("explain", move |c| {
                c.query_row(&sql, ("a.example", 0, 1), |row| row.get::<_, String>(3))
            });
            let expected =
                format!("SEARCH main.{table} USING PRIMARY KEY (site=? AND {time}>? AND {time}<?)");
            assert_eq!(plan.await.unwrap(), expected);
        }
    }
}
