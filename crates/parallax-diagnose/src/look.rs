//! What failures look like: one fault breaks everyone in it in the same few ways, two faults in different ones.

use std::collections::BTreeMap;

use crate::members;
use crate::observe::count;
use crate::probes::Probes;

/// How strongly a fault's look is believed to be like everybody's, in failures.
const OWN_LOOK: f64 = 3.0;
/// A look says at most so much, in nats.
const MOST_LIKENESS: f64 = 300.0;
/// Weights below this are what is left of nothing where sums were taken from each other.
const ROUNDING: f64 = 1e-9;
/// Results of unequal weight may say so many nats more for a look than any look explains.
const UNEVEN: f64 = 1.0;

/// How each row of a scan fails.
pub(crate) struct Looks {
    failing: Vec<u64>,
    /// Of each row, which way it fails (0 where it does not).
    ways: Vec<u32>,
    /// Share of all failures that fail each way.
    shares: Vec<f64>,
}

impl Looks {
    pub(crate) fn of(probes: &Probes<'_>) -> Self {
        let mut known = BTreeMap::new();
        let (mut failing, mut ways) = (members::none(probes.rows()), vec![0; probes.rows()]);
        let mut counts = vec![0.0];
        let mut last = (None, 0);
        for row in probes.failing.iter().map(|row| *row as usize) {
            let kind = probes.kind(row);
            if kind != last.0 {
                last = (kind, kind.map_or(0, |kind| *known.entry(kind).or_insert(counts.len())));
                if last.1 == counts.len() {
                    counts.push(0.0);
                }
            }
            if last.1 > 0 {
                counts[last.1] += probes.columns.weights[row];
                members::insert(&mut failing, row);
                ways[row] = count(last.1);
            }
        }
        let all: f64 = counts.iter().sum();
        let known = counts.len() as f64;
        let shares = counts.into_iter().map(|n| (n + 1.0) / (all + known)).collect();
        Self { failing, ways, shares }
    }

    /// No weight for each way to fail.
    pub(crate) fn no_ways(&self) -> Vec<f64> {
        vec![0.0; self.shares.len()]
    }

    /// Adds the weight of each failing row that is in both to that of the way it fails.
    pub(crate) fn weigh_ways(&self, a: &[u64], b: &[u64], weights: &[f64], ways: &mut [f64]) {
        for ((place, a), (b, failing)) in a.iter().enumerate().zip(b.iter().zip(&self.failing)) {
            for row in members::bits(a & b & failing, place) {
                ways[self.ways[row] as usize] += weights[row];
            }
        }
    }

    /// The most that a look of their own makes of failures of which so much weighs each way, in nats: as if it were known beforehand
    /// that they look just so.
    pub(crate) fn most_likely(&self, ways: &(impl Iterator<Item = f64> + Clone)) -> f64 {
        let failing = || ways.clone().zip(&self.shares).skip(1).filter(|(weight, _)| *weight > ROUNDING);
        let all: f64 = failing().map(|(weight, _)| weight).sum();
        let nats = failing().map(|(weight, share)| weight * (weight / (all * share)).ln()).sum::<f64>();
        likeness_of(nats + UNEVEN)
    }

    /// The most that a row adds to the likeness of a scope.
    pub(crate) fn most(&self, row: usize, weights: &[f64]) -> f64 {
        match self.ways[row] {
            0 => 0.0,
            way => weights[row] * -self.shares[way as usize].ln(),
        }
    }

    /// How much likelier a scope's failures beyond those covered are when they have a look of their own (a Dirichlet process around
    /// everybody's) than when they look like everybody's, in nats; nothing when they do.
    pub(crate) fn likeness(
        &self,
        scope: &[u64],
        covered: &[u64],
        seen: &mut Vec<f64>,
        weights: &[f64],
    ) -> f64 {
        seen.clear();
        seen.resize(self.shares.len(), 0.0);
        let (mut nats, mut before) = (0.0, 0.0);
        for ((place, scope), (covered, failing)) in
            scope.iter().enumerate().zip(covered.iter().zip(&self.failing))
        {
            for probe in members::bits(scope & !covered & failing, place) {
                let (way, weight) = (self.ways[probe] as usize, weights[probe]);
                let (share, seen) = (self.shares[way], &mut seen[way]);
                nats += weight * ((OWN_LOOK * share + *seen) / ((OWN_LOOK + before) * share)).ln();
                *seen += weight;
                before += weight;
            }
        }
        likeness_of(nats)
    }
}

/// As likely as not failures have a look of their own.
fn likeness_of(nats: f64) -> f64 {
    if nats > 0.0 { (0.5 + 0.5 * nats.min(MOST_LIKENESS).exp()).ln() } else { 0.0 }
}
