//! The bus within one process: a bounded queue.

use std::future::Future;

use tokio::sync::mpsc;

use crate::seam::{Bus, BusError, Publish, Published, Subscribe};

/// How many [`Published`] fit on the bus before publishers wait. With full batches of 1,000 results this is about a quarter of a
/// million results, a few seconds of work for evaluation.
pub const CAPACITY: usize = 256;

/// A bus within this process.
#[derive(Debug)]
pub struct ResultBus {
    publisher: Publisher,
    subscriber: Subscriber,
}

impl ResultBus {
    /// A bus of [`CAPACITY`].
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// A bus on which `capacity` lots of results fit, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        Self { publisher: Publisher { queue: sender }, subscriber: Subscriber { queue: receiver } }
    }

    /// Both ends. The bus closes when every [`Publisher`] is dropped, or from the other end by [`Subscriber::close`].
    pub fn split(self) -> (Publisher, Subscriber) {
        (self.publisher, self.subscriber)
    }
}

impl Default for ResultBus {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus for ResultBus {
    type Publisher = Publisher;
    type Subscriber = Subscriber;

    fn split(self) -> (Publisher, Subscriber) {
        Self::split(self)
    }
}

/// The end at ingest.
#[derive(Debug, Clone)]
pub struct Publisher {
    queue: mpsc::Sender<Published>,
}

impl Publisher {
    /// Puts results on the bus; waits while it is full.
    pub async fn publish(&self, published: Published) -> Result<(), BusError> {
        self.queue.send(published).await.map_err(|refused| {
            let Published { agent, results, .. } = refused.0;
            BusError::Closed { agent, results: results.len() }
        })
    }

    /// How many lots of results wait to be taken, for a gauge.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

impl Publish for Publisher {
    fn publish(&self, published: Published) -> impl Future<Output = Result<(), BusError>> + Send {
        Self::publish(self, published)
    }
}

/// The end at evaluation.
#[derive(Debug)]
pub struct Subscriber {
    queue: mpsc::Receiver<Published>,
}

impl Subscriber {
    /// The next results in the order they were published; `None` once the bus is closed and empty. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Option<Published> {
        self.queue.recv().await
    }

    /// Takes nothing new on; what is on the bus already still comes out of [`Subscriber::next`].
    pub fn close(&mut self) {
        self.queue.close();
    }
}

impl Subscribe for Subscriber {
    fn next(&mut self) -> impl Future<Output = Option<Published>> + Send {
        Self::next(self)
    }

    fn close(&mut self) {
        Self::close(self);
    }
}

#[cfg(test)]
mod tests;
