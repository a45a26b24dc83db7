//! Start, run, stop: who owns every task and how each is told to end.
//!
//! There are two signals. *Soft* asks: finish what you hold, take nothing new, end. *Hard* tells: end now. The first SIGINT or
//! SIGTERM is soft; a second one, or the drain deadline, is hard. A task that ends while nobody asked it to, or that panics, pulls
//! the soft signal for all others and makes the process exit with a non-zero code: a half-dead process is worse than a dead one.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks may take to end after the soft signal before the hard one follows.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(8);
/// How long tasks may take to end after the hard signal before the process leaves without them.
const ABORT_DEADLINE: Duration = Duration::from_secs(1);

/// Why a process did not end cleanly.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DrainError {
    /// A task ended or panicked while it should have run; its name was logged when it happened.
    #[error("a task died while it should have run")]
    TaskDied,
    /// Tasks were still running after the deadline.
    #[error("{0} tasks were still running when the drain deadline had passed")]
    Late(usize),
}

/// Spawns tasks that the lifecycle owns. Cheap to clone; every component gets one.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    died: Arc<AtomicBool>,
}

impl Tasks {
    /// Cancelled when it is time to finish.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when it is time to be gone.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Runs `task` until it ends by itself or the hard signal drops it. If it ends before the soft signal, or panics, the
    /// whole process stops with a failure.
    pub fn spawn_essential(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let guarded = std::panic::AssertUnwindSafe(task).catch_unwind();
            let ended = tokio::select! {
                ended = guarded => ended,
                () = tasks.hard.cancelled() => return,
            };
            if ended.is_err() || !tasks.soft.is_cancelled() {
                tracing::error!(task = name, panicked = ended.is_err(), "a task died, stopping the process");
                tasks.died.store(true, Ordering::SeqCst);
                tasks.soft.cancel();
            }
        });
    }

    /// Runs a task that may end whenever it likes (one connection, one check). A panic in it is logged and stays its own. The
    /// hard signal drops it.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let hard = self.hard.clone();
        self.tracker.spawn(async move {
            let guarded = std::panic::AssertUnwindSafe(task).catch_unwind();
            tokio::select! {
                ended = guarded => if ended.is_err() {
                    tracing::error!(task = name, "a task panicked");
                },
                () = hard.cancelled() => {}
            }
        });
    }
}

/// Owns every task of the process.
#[derive(Debug)]
pub struct Lifecycle {
    tasks: Tasks,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A lifecycle without tasks.
    pub fn new() -> Self {
        let hard = CancellationToken::new();
        let soft = hard.child_token();
        Self { tasks: Tasks { tracker: TaskTracker::new(), soft, hard, died: Arc::default() } }
    }

    /// A handle to spawn with.
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Waits for SIGINT, SIGTERM or the death of an essential task, then drains. `Ok` when everything ended by itself in time.
    pub async fn run(self) -> Result<(), DrainError> {
        let mut interrupt = signal(SignalKind::interrupt()).ok();
        let mut terminate = signal(SignalKind::terminate()).ok();
        tokio::select! {
            () = arrives(&mut interrupt) => tracing::info!(signal = "SIGINT", "stopping"),
            () = arrives(&mut terminate) => tracing::info!(signal = "SIGTERM", "stopping"),
            () = self.tasks.soft.cancelled() => {}
        }
        let hard = self.tasks.hard.clone();
        let drained = self.drain();
        tokio::pin!(drained);
        tokio::select! {
            result = &mut drained => return result,
            () = arrives(&mut interrupt) => {}
            () = arrives(&mut terminate) => {}
        }
        tracing::warn!("a second signal: stopping at once");
        hard.cancel();
        drained.await
    }

    /// Pulls the soft signal and waits; after [`DRAIN_DEADLINE`] pulls the hard one and waits a second more.
    pub async fn drain(self) -> Result<(), DrainError> {
        let Tasks { tracker, soft, hard, died } = self.tasks;
        soft.cancel();
        tracker.close();
        let mut late = 0;
        if tokio::time::timeout(DRAIN_DEADLINE, tracker.wait()).await.is_err() {
            late = tracker.len();
            tracing::warn!(
                tasks = late,
                deadline_ms = DRAIN_DEADLINE.as_millis(),
                "the drain deadline has passed"
            );
            hard.cancel();
            if tokio::time::timeout(ABORT_DEADLINE, tracker.wait()).await.is_err() {
                tracing::warn!(tasks = tracker.len(), "leaving without tasks that do not end");
            }
        }
        hard.cancel();
        match (died.load(Ordering::SeqCst), late) {
            (true, _) => Err(DrainError::TaskDied),
            (false, 0) => Ok(()),
            (false, n) => Err(DrainError::Late(n)),
        }
    }
}

async fn arrives(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_that_end_when_asked_make_a_clean_end() {
        let lifecycle = Lifecycle::new();
        let tasks = lifecycle.tasks();
        let soft = tasks.soft().clone();
        tasks.spawn_essential("waits", async move { soft.cancelled().await });
        assert_eq!(lifecycle.drain().await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_dies_takes_the_process_down() {
        for panics in [false, true] {
            let lifecycle = Lifecycle::new();
            let tasks = lifecycle.tasks();
            tasks.spawn_essential("dies", async move { assert!(!panics, "on purpose") });
            tasks.soft().cancelled().await;
            assert_eq!(lifecycle.drain().await, Err(DrainError::TaskDied), "panics: {panics}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_listen_is_dropped_after_the_deadline() {
        let lifecycle = Lifecycle::new();
        lifecycle.tasks().spawn_essential("deaf", std::future::pending());
        assert_eq!(lifecycle.drain().await, Err(DrainError::Late(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_a_short_task_stays_its_own() {
        let lifecycle = Lifecycle::new();
        let tasks = lifecycle.tasks();
        tasks.spawn("short", async { panic!("on purpose") });
        tasks.tracker.close();
        tasks.tracker.wait().await;
        assert!(!tasks.soft().is_cancelled());
        assert_eq!(lifecycle.drain().await, Ok(()));
    }
}
