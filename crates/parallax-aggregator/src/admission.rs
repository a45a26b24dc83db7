//! Which agents are let in when there are more than the memory bears: whoever is there stays, one more is told so and comes back later.
//!
//! Counted are agents, not their streams: one that comes back before its old stream is known to be dead is the same one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use parallax_model::AgentId;
use tonic::Status;

use crate::core::lock;

/// Who is in. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    state: Arc<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    // A std mutex: held for map operations only, never across an await.
    streams: Mutex<BTreeMap<AgentId, u32>>,
    refused: AtomicU64,
}

/// An agent's stream that was let in; dropping it leaves.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Admission,
    agent: AgentId,
}

impl Admission {
    /// Lets so many agents in.
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Arc::default(), limit }
    }

    /// Lets an agent in, or says why not.
    pub(crate) fn enter(&self, agent: &AgentId) -> Result<Admitted, Status> {
        let mut streams = lock(&self.state.streams);
        if streams.len() >= self.limit && !streams.contains_key(agent) {
            drop(streams);
            metrics::counter!("parallax_agents_refused_total").increment(1);
            if self.state.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!(
                    agents = self.limit,
                    "agents are refused: there are as many as the memory bears; give it more, or set `memory_mib`"
                );
            }
            return Err(Status::resource_exhausted(format!(
                "the aggregator has its {} agents, as many as its memory bears; keep the results and try again later",
                self.limit
            )));
        }
        *streams.entry(agent.clone()).or_default() += 1;
        Ok(Admitted { admission: self.clone(), agent: agent.clone() })
    }

    /// How many agents are in, and how many may be.
    pub(crate) fn count(&self) -> (usize, usize) {
        (lock(&self.state.streams).len(), self.limit)
    }

    /// How often one was refused, since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut streams = lock(&self.admission.state.streams);
        let Some(left) = streams.get_mut(&self.agent) else { return };
        *left -= 1;
        if *left == 0 {
            streams.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_there_stays_and_one_more_is_told_to_come_later() {
        let admission = Admission::new(2);
        let enter = |name: &str| admission.enter(&name.parse().expect("an id"));
        let (a, b) = (enter("a").expect("room"), enter("b").expect("room"));
        let refused = enter("c").expect_err("it is full");
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert_eq!(
            refused.message(),
            "the aggregator has its 2 agents, as many as its memory bears; keep the results and try again later"
        );
        let again = enter("a").expect("it is the same agent");
        drop(a);
        assert!(enter("c").is_err(), "a's newer stream is there");
        assert_eq!((admission.count(), admission.refused()), ((2, 2), 2));
        drop(again);
        let c = enter("c").expect("a is gone");
        drop((b, c));
        assert_eq!(admission.count(), (0, 2));
    }
}
