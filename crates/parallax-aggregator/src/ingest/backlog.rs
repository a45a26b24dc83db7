//! Whose batch goes first. What agents see now goes on at once; of what they saw while they were away, only a few batches of all agents
//! together are on their way. So a herd that comes home with its backlogs is an hour's work that nobody else waits for.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use parallax_proto::v1::agent::ResultBatch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Batches of all agents' backlogs on their way from the stream to the bus: as many as share a commit.
const MAX_ON_THEIR_WAY: usize = parallax_store::MAX_GROUP;
/// Batches of its backlog that an agent may have waiting before it is not read from any more. It sends one at a time.
const MAX_WAITING: usize = 2;

/// The turns of all agents.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_ON_THEIR_WAY)))
    }
}

/// A turn, which is given back when it is dropped. The default is that of a batch that needs none.
#[derive(Debug, Default)]
pub(super) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

/// One agent's backlog as far as it has come.
pub(super) struct Waiting {
    turns: Turns,
    batches: FuturesOrdered<BoxFuture<'static, (ResultBatch, Turn)>>,
}

impl Waiting {
    /// Nothing yet.
    pub(super) fn new(turns: &Turns) -> Self {
        Self { turns: turns.clone(), batches: FuturesOrdered::new() }
    }

    /// Whether one more may come.
    pub(super) fn has_room(&self) -> bool {
        self.batches.len() < MAX_WAITING
    }

    /// Lets a batch wait for its turn, behind those of this agent that wait and those of others.
    pub(super) fn push(&mut self, batch: ResultBatch) {
        let turns = Arc::clone(&self.turns.0);
        // Never closed.
        self.batches
            .push_back(Box::pin(async move { (batch, Turn { _permit: turns.acquire_owned().await.ok() }) }));
    }

    /// The next batch whose turn it is; waits while there is none. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> (ResultBatch, Turn) {
        match self.batches.next().await {
            Some(next) => next,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// The seq of the batch whose turn it is now.
    fn next(waiting: &mut Waiting) -> Option<(u64, Turn)> {
        waiting.next().now_or_never().map(|(batch, turn)| (batch.first_seq, turn))
    }

    #[tokio::test]
    async fn a_backlog_waits_for_the_others_and_keeps_its_order() {
        let turns = Turns::default();
        let (mut first, mut second) = (Waiting::new(&turns), Waiting::new(&turns));
        let batch = |first_seq| ResultBatch { first_seq, ..ResultBatch::default() };
        let mut taken = Vec::new();
        for seq in 1..=MAX_ON_THEIR_WAY as u64 {
            first.push(batch(seq));
            let (got, turn) = next(&mut first).expect("there are turns");
            assert_eq!(got, seq);
            taken.push(turn);
        }
        first.push(batch(100));
        assert!(first.has_room() && next(&mut first).is_none(), "none is left");
        second.push(batch(200));
        second.push(batch(201));
        assert!(!second.has_room() && next(&mut second).is_none());
        taken.pop();
        assert!(next(&mut second).is_none(), "who came first goes first");
        let (seq, turn) = next(&mut first).expect("a turn was given back");
        assert_eq!(seq, 100);
        drop(turn);
        let (seq, _turn) = next(&mut second).expect("a turn was given back");
        assert_eq!(seq, 200);
        assert!(second.has_room() && next(&mut second).is_none(), "one after the other");
    }
}
