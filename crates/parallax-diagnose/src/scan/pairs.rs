//! Every pair of the best scopes: what explains most alone may hide two that explain more together.
//!
//! What two scopes share is summed once for both orders.

use std::cell::OnceCell;

use super::{LEAST_GAIN, Search, Set, as_rows, key};
use crate::evidence::Evidence;
use crate::members;

/// Every pair of so many best scopes is looked at …
const PAIRED: usize = 16;
/// … but for pairs that score so many nats less than what was found already.
const NEAR: f64 = 1.0;

/// One of the best scopes.
struct Best {
    index: usize,
    /// What it explains alone.
    gain: f64,
    /// The weight of its failures by the way they fail, once it is wanted.
    ways: OnceCell<Vec<f64>>,
}

/// What two scopes share.
struct Shared {
    rows: u32,
    evidence: Evidence,
    ways: Vec<f64>,
}

impl Search<'_> {
    /// The best two of the best scopes, when they score more than this.
    pub(super) fn best_pair(&mut self, score: f64) -> Option<(Set, f64)> {
        let best = self.best_alone();
        let mut found = (None, score + 1e-9);
        for (place, first) in best.iter().enumerate() {
            // Where they overlap they explain less together than one after the other.
            for second in best[place + 1..].iter().filter(|second| first.gain + second.gain >= score - NEAR) {
                let shared = self.shared(first, second);
                for (one, other) in [(first, second), (second, first)] {
                    let more = self.more(one, other, &shared);
                    if more > LEAST_GAIN && one.gain + more > found.1 {
                        found = (Some(vec![one.index, other.index]), one.gain + more);
                    }
                }
            }
        }
        found.0.map(|set| (set, found.1))
    }

    fn best_alone(&mut self) -> Vec<Best> {
        let mut best = Vec::with_capacity(PAIRED);
        for index in 0..if self.candidates.live { self.candidates.list.len() } else { 0 } {
            if best.len() == PAIRED {
                break;
            }
            if self.candidates.list[index].ceiling > 0.0 && self.own_gain(index) > 0.0 {
                let gain = self.own_gain(index);
                best.push(Best { index, gain, ways: OnceCell::new() });
            }
        }
        best
    }

    fn ways<'b>(&self, best: &'b Best) -> &'b [f64] {
        let weights = &self.probes.columns.weights;
        best.ways.get_or_init(|| self.looks.weigh_ways(self.candidates.failing(best.index), weights))
    }

    fn shared(&mut self, first: &Best, second: &Best) -> Shared {
        let rows = members::shared(self.members(first.index), self.members(second.index));
        let size = |best: &Best| self.candidates.list[best.index].size();
        let (small, large) = if size(first) <= size(second) { (first, second) } else { (second, first) };
        if rows == size(small) {
            let evidence = self.candidates.list[small.index].evidence;
            return Shared { rows, evidence, ways: self.ways(small).to_vec() };
        }
        if rows == 0 {
            return Shared { rows, evidence: Evidence::NONE, ways: Vec::new() };
        }
        let large = self.members(large.index);
        let evidence = self.probes.evidence(as_rows(self.part(small.index, large, true)));
        self.rows.forget(0);
        self.rows.pick(self.candidates.failing(small.index), large, true);
        let ways = self.looks.weigh_ways(self.rows.since(0), &self.probes.columns.weights);
        Shared { rows, evidence, ways }
    }

    /// What the second explains beyond the first.
    fn more(&mut self, one: &Best, other: &Best, shared: &Shared) -> f64 {
        let candidate = &self.candidates.list[other.index];
        let members = key(&[one.index, other.index], None);
        let more = if shared.rows == 0 {
            other.gain
        } else if shared.rows == candidate.size() {
            self.nothing_left - candidate.cost
        } else {
            let gain = candidate.evidence.without(&shared.evidence).gain(candidate.cost);
            let beyond = self.ways(other).iter().zip(&shared.ways).map(|(all, both)| all - both);
            gain + self.looks.likeness_of_ways(beyond)
        };
        self.visit(members, one.gain + more);
        more
    }
}
