//! What quinn wants to run in the background: its two drivers, worked on by whoever waits for the connection instead. Nothing is
//! spawned, so dropping the wait ends all of it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The drivers of one endpoint.
pub(super) struct Drivers {
    fresh: Arc<Fresh>,
    running: FuturesUnordered<Driver>,
}

/// What was handed over and has not been begun. It takes the place of a runtime in quinn's eyes.
struct Fresh(Mutex<Vec<Driver>>);

impl Drivers {
    pub(super) fn new() -> Self {
        Self { fresh: Arc::new(Fresh(Mutex::new(Vec::new()))), running: FuturesUnordered::new() }
    }

    /// What quinn is given as its runtime.
    pub(super) fn runtime(&self) -> Arc<dyn Runtime> {
        self.fresh.clone()
    }

    /// Works on all of them, as far as they come now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            let fresh = std::mem::take(&mut *self.fresh.0.lock().unwrap_or_else(PoisonError::into_inner));
            self.running.extend(fresh);
            match self.running.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").finish_non_exhaustive()
    }
}

impl Runtime for Fresh {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, driver: Driver) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(driver);
    }

    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        // Ours is made before the endpoint, tied to one address.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}
