//! Who owns the lab's tasks: one tracker, one token that ends them, one limit of open connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Open connections of one lab, over all its listeners; more wait.
const MAX_CONNECTIONS: usize = 1_024;
/// How long [`Tasks::stop`] waits. Every task ends at its next await, so this is reached by a bug only.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// The tasks of one lab. Clones own the same tasks.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    ended: CancellationToken,
    connections: Arc<Semaphore>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            ended: CancellationToken::new(),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }

    /// Runs `task` until it is done or the lab ends. A panic in it stops nothing else.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        self.tracker.spawn(async move {
            ended.run_until_cancelled_owned(task).await;
        });
    }

    /// Waits for room for one more connection; `None` when the lab has ended.
    pub(crate) async fn connection(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).acquire_owned().await.ok()
    }

    /// Ends every task without waiting.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        self.connections.close();
    }

    /// Ends every task and waits for them.
    pub(crate) async fn stop(&self) {
        self.end();
        self.tracker.close();
        if tokio::time::timeout(STOP_DEADLINE, self.tracker.wait()).await.is_err() {
            tracing::warn!(lab.tasks = self.tracker.len(), "the lab's tasks did not end in time");
        }
    }
}

/// Ends the tasks when it is dropped: whoever holds it owns them.
#[derive(Debug)]
pub(crate) struct EndOnDrop(pub(crate) Tasks);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}
