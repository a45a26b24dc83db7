//! How fast one agent may talk: a bucket for each identity, however often its stream is opened anew. Who talks faster is read from later:
//! its own stream fills up and holds it back, nothing is lost or refused, and nobody else waits for it.
//!
//! A message costs the aggregator a place in a commit, a row and an ack, and so much again for some hundred results in it. An agent that
//! does its work sends a few messages each second. One that comes home with a week's backlog sends full batches, and is not held
//! back below 80,000 results a second; one with batches of the least favourable size not below 50,000.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parallax_model::AgentId;
use parallax_proto::batch::MAX_BATCH_RESULTS;
use tokio::time::Instant;

use crate::core::lock;

/// Tokens a second that an agent may use up for long. A message takes one …
const RATE: u32 = 400;
/// … and one more for so many results in it.
const RESULTS_A_TOKEN: u32 = 250;
/// Tokens that it may use up at once after a pause: half a second's, forty full batches.
const BURST: u32 = 200;
/// Buckets that are kept of agents without a stream; of more, those that are full again go.
const KEPT: usize = 1_024;

/// Every agent's bucket. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paces {
    // A std mutex: held for map operations only, never across an await.
    buckets: Arc<Mutex<BTreeMap<AgentId, Arc<Mutex<Bucket>>>>>,
    held_back: Arc<AtomicU64>,
}

/// When it will be full again: each token puts that off. That is all there is to know of a bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// Until when the next message is to wait; `None` when it may come.
    fn wait(&self, now: Instant) -> Option<Instant> {
        let may_be_away = Duration::from_secs(1) * (BURST - 1) / RATE;
        let at = self.full_at.checked_sub(may_be_away)?;
        (at > now).then_some(at)
    }

    fn take(&mut self, tokens: u32, now: Instant) {
        self.full_at = self.full_at.max(now) + Duration::from_secs(1) * tokens / RATE;
    }
}

/// How fast the agent of one stream may talk.
#[derive(Debug)]
pub(super) struct Pace {
    bucket: Arc<Mutex<Bucket>>,
    held_back: Arc<AtomicU64>,
    /// Whether it waits already for what it was counted for.
    waits: bool,
}

impl Paces {
    /// The pace of a stream that this agent opened.
    pub(super) fn of(&self, agent: &AgentId, now: Instant) -> Pace {
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= KEPT {
            buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1 || lock(bucket).full_at > now);
        }
        let bucket =
            buckets.entry(agent.clone()).or_insert_with(|| Arc::new(Mutex::new(Bucket { full_at: now })));
        Pace { bucket: Arc::clone(bucket), held_back: Arc::clone(&self.held_back), waits: false }
    }

    /// How many messages were read later than they came, since the start.
    pub(crate) fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }
}

impl Pace {
    /// Until when the stream is not to be read; `None` when it may be.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Instant> {
        let until = lock(&self.bucket).wait(now);
        if until.is_some() && !self.waits {
            metrics::counter!("parallax_agent_messages_held_back_total").increment(1);
            self.held_back.fetch_add(1, Ordering::Relaxed);
        }
        self.waits = until.is_some();
        until
    }

    /// Counts a message that was read, with so many results in it.
    pub(super) fn take(&self, results: u32, now: Instant) {
        // More than a batch may have is no batch: the stream ends.
        let tokens = 1 + results.min(MAX_BATCH_RESULTS) / RESULTS_A_TOKEN;
        lock(&self.bucket).take(tokens, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentId {
        name.parse().expect("an id")
    }

    /// How many messages with so many results are read within so many milliseconds when there is always another one.
    fn read_of(pace: &mut Pace, results: u32, from: Instant, ms: u64) -> u32 {
        let (until, mut now, mut read) = (from + Duration::from_millis(ms), from, 0);
        while now < until {
            match pace.wait(now) {
                None => {
                    pace.take(results, now);
                    read += 1;
                }
                Some(at) => now = at,
            }
        }
        read
    }

    fn read(pace: &mut Pace, from: Instant, ms: u64) -> u32 {
        read_of(pace, 0, from, ms)
    }

    #[test]
    fn who_floods_is_read_at_its_pace_and_nobody_else_waits() {
        let (paces, start) = (Paces::default(), Instant::now());
        let (mut floods, mut other) = (paces.of(&agent("a"), start), paces.of(&agent("b"), start));
        assert_eq!(
            read(&mut floods, start, 1),
            BURST,
            "at once, and what comes back in a millisecond is none"
        );
        let later = |s| start + Duration::from_secs(s);
        assert_eq!(read(&mut floods, start, 10_000), 10 * RATE - 1);
        assert_eq!(other.wait(start), None);
        assert_eq!(paces.held_back(), u64::from(10 * RATE));
        // After a pause there is a burst again, and no more than one.
        assert_eq!(read(&mut floods, later(100), 1), BURST);
    }

    #[test]
    fn a_new_stream_is_no_new_bucket() {
        let (paces, start) = (Paces::default(), Instant::now());
        read(&mut paces.of(&agent("a"), start), start, 1);
        assert!(paces.of(&agent("a"), start).wait(start).is_some());
        // Full buckets of agents that are gone are not kept for ever, the others are.
        for n in 0..3 * KEPT {
            drop(paces.of(&agent(&format!("b{n}")), start));
        }
        assert!(paces.of(&agent("a"), start).wait(start).is_some());
        assert!(lock(&paces.buckets).len() <= KEPT);
    }

    #[test]
    fn a_backlog_is_not_held_back_below_fifty_thousand_results_a_second() {
        for (results, a_second) in [(1_000, 80), (999, 100), (500, 133), (250, 200)] {
            let start = Instant::now();
            let mut pace = Paces::default().of(&agent("a"), start);
            let read = read_of(&mut pace, results, start, 100_000) - read_of(&mut pace, results, start, 1);
            assert!((read / 100).abs_diff(a_second) <= 1, "{results} in each: {read} in 100 s");
            assert!(read * results / 100 >= 50_000, "{results} in each: {read} in 100 s");
        }
    }
}
