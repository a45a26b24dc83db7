//! What the board has learnt over longer than windows reach back, as bytes to be kept, a few targets at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parallax_diagnose::Breaker;
use parallax_model::{AgentId, Target, UnixMicros, Vantage};
use prost::Message as _;

use super::Board;
use crate::window::{Kept, Known};

/// What is learnt of a target is kept anew after this time: so much of learning a crash costs.
pub(crate) const KEEP_EVERY: Duration = Duration::from_mins(5);
/// Cells that are put together at once at most, but for the last target's: about 2 MB.
const CELLS_AT_ONCE: usize = 16_384;
/// The shape of [`Summary`]; of another one nothing is taken up.
pub(super) const SUMMARY_VERSION: u32 = 1;

/// What is learnt of a target.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Summary {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// The network prefix of its servers; empty when none is known.
    #[prost(string, tag = "2")]
    pub(super) servers: String,
    /// Until when it was said to be up, when it is not any more.
    #[prost(sint64, optional, tag = "3")]
    pub(super) up_until: Option<i64>,
    /// Agents that failed since it is in trouble.
    #[prost(message, repeated, tag = "4")]
    pub(super) failed: Vec<Failed>,
    /// How often it broke lately, as JSON; empty when it did not.
    #[prost(string, tag = "5")]
    pub(super) flaps: String,
    /// What each agent knows of it.
    #[prost(message, optional, tag = "6")]
    pub(super) cells: Option<Kept>,
}

/// An agent that failed, and when it did last.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Failed {
    #[prost(string, tag = "1")]
    pub(super) agent: String,
    #[prost(sint64, tag = "2")]
    pub(super) at: i64,
}

impl Board {
    /// Whether our own side is broken, to be remembered over a restart.
    pub(crate) const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Takes up whether our own side was broken when the process last ended.
    pub(crate) fn recall_breaker(&mut self, breaker: Breaker) {
        self.breaker = breaker;
    }

    /// What is learnt of some of the watched targets: of those whose turn it is, after [`KEEP_EVERY`] or when something else is said of
    /// them, the ones that were kept longest ago. At the end of the process (`all`) everybody's turn is once more.
    pub(crate) fn take_learnt(&mut self, now: UnixMicros, all: bool) -> Vec<(Target, Bytes)> {
        let every = if all { 1 } else { u64::try_from(KEEP_EVERY.as_micros()).unwrap_or(u64::MAX) };
        let watched = self.entries.iter_mut().filter(|(_, entry)| entry.window.interval().is_some());
        let mut due: Vec<_> = watched.filter(|(_, entry)| now.since(entry.kept_at) >= every).collect();
        due.sort_unstable_by_key(|(target, entry)| (entry.kept_at, *target));
        let mut left = CELLS_AT_ONCE;
        let mut taken = Vec::new();
        for (target, entry) in due {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(entry.window.cells().max(1));
            taken.push((target.clone(), Bytes::from(entry.learnt(now).encode_to_vec())));
        }
        taken
    }

    /// Takes up what was learnt of watched targets by these agents before the process last ended, as far as there are cells for it.
    /// To be called before any result is added. Returns of how many targets it could not be read.
    pub(crate) fn recall(
        &mut self,
        learnt: impl IntoIterator<Item = (Target, Bytes)>,
        agents: &BTreeMap<AgentId, Arc<Vantage>>,
        now: UnixMicros,
    ) -> usize {
        let known: Known<'_> =
            agents.iter().map(|(agent, vantage)| (agent.as_str(), (agent, vantage))).collect();
        let mut unreadable = 0;
        for (target, bytes) in learnt {
            let Some(entry) = self.entries.get_mut(&target).filter(|e| e.window.interval().is_some()) else {
                continue;
            };
            let room = self.cells.limit().saturating_sub(self.cells.taken());
            let summary = Summary::decode(bytes).ok();
            match summary.and_then(|summary| entry.recall(summary, &known, room, now)) {
                Some(cells) => (0..cells).for_each(|_| self.cells.take()),
                None => unreadable += 1,
            }
        }
        unreadable
    }
}
