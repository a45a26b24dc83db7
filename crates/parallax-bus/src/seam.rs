//! What every bus has in common: what travels, and how it is put on and taken off.

use std::future::Future;
use std::sync::Arc;

use parallax_model::{AgentId, UnixMicros, Vantage};
use parallax_proto::batch::Results;
use thiserror::Error;

/// Results of one agent that came together and are in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Who saw them.
    pub agent: AgentId,
    /// Where that agent stands, as the aggregator sees it.
    pub vantage: Arc<Vantage>,
    /// When they arrived.
    pub received_at: UnixMicros,
    /// What was seen, in the agent's order.
    pub results: Arc<Results>,
}

/// Why something was not put on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BusError {
    /// Nobody takes results off the bus any more: the program is ending. Nothing is lost, the journal has them.
    #[error("publish {results} results of {agent}: the bus is closed")]
    Closed {
        /// Whose results they were.
        agent: AgentId,
        /// How many they were.
        results: usize,
    },
}

/// The end that results are put on. Clones are further hands on the same end.
pub trait Publish: Clone + Send + Sync + 'static {
    /// Puts results on the bus and waits while it is full. What one hand publishes stays in order.
    fn publish(&self, published: Published) -> impl Future<Output = Result<(), BusError>> + Send;
}

/// The end that results are taken from.
pub trait Subscribe: Send + 'static {
    /// The next results; `None` once the bus is closed and empty. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<Published>> + Send;

    /// Takes nothing new on; what is on the bus already still comes out of [`Subscribe::next`].
    fn close(&mut self);
}

/// A way for results from ingest to evaluation.
pub trait Bus {
    /// Its end at ingest.
    type Publisher: Publish;
    /// Its end at evaluation.
    type Subscriber: Subscribe;

    /// Both ends.
    fn split(self) -> (Self::Publisher, Self::Subscriber);
}
