//! What failures look like: one fault breaks everyone in it in the same few ways, two faults in different ones.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::column::Mix;
use crate::nats::sum_of_logs;
use crate::observe::count;
use crate::probes::Probes;

/// How strongly a fault's look is believed to be like everybody's, in failures.
const OWN_LOOK: f64 = 3.0;
/// A look says at most so much, in nats.
const MOST_LIKENESS: f64 = 300.0;
/// Weights below this are what is left of nothing where sums were taken from each other.
const ROUNDING: f64 = 1e-9;
/// Where all fail the same way no look tells anything; no way is counted too.
const ONE_WAY: usize = 2;
/// Results of unequal weight may say so many nats more for a look than any look explains.
const UNEVEN: f64 = 1.0;

/// How each row of a scan fails.
pub(crate) struct Looks {
    /// Of each row, which way it fails (0 where it does not).
    ways: Vec<u32>,
    /// Share of all failures that fail each way.
    shares: Vec<f64>,
    /// How improbable that makes each, in nats.
    rarities: Vec<f64>,
}

/// What [`Looks::likeness`] works with, kept so that nothing is allocated.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The weight that was seen of each way to fail.
    seen: Vec<f64>,
    /// How much likelier each failure is, and its weight.
    ratios: Vec<(f64, f64)>,
}

impl Looks {
    pub(crate) fn of(probes: &Probes<'_>) -> Self {
        let mut known: HashMap<_, usize, BuildHasherDefault<Mix>> = HashMap::default();
        let mut ways = vec![0; probes.rows()];
        let mut counts = vec![0.0];
        let mut last = None;
        for row in probes.failing.iter().map(|row| *row as usize) {
            // What is slow and works has no kind; that is a way too.
            let kind = probes.kind(row);
            let way = match last {
                Some((before, way)) if before == kind => way,
                _ => *known.entry(kind).or_insert(counts.len()),
            };
            if way == counts.len() {
                counts.push(0.0);
            }
            last = Some((kind, way));
            counts[way] += probes.columns.weights[row];
            ways[row] = count(way);
        }
        let all: f64 = counts.iter().sum();
        let known = counts.len() as f64;
        let shares: Vec<f64> = counts.into_iter().map(|n| (n + 1.0) / (all + known)).collect();
        let rarities = shares.iter().map(|share| -share.ln()).collect();
        Self { ways, shares, rarities }
    }

    /// The weight of these failing rows by the way they fail.
    pub(crate) fn weigh_ways(&self, failing: &[u32], weights: &[f64]) -> Vec<f64> {
        let mut ways = vec![0.0; self.shares.len()];
        for row in failing {
            ways[self.ways[*row as usize] as usize] += weights[*row as usize];
        }
        ways
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
            way => weights[row] * self.rarities[way as usize],
        }
    }

    /// How much likelier these failures are when they have a look of their own (a Dirichlet process around everybody's) than when
    /// they look like everybody's, in nats; nothing when they do.
    pub(crate) fn likeness(&self, failing: &[u32], scratch: &mut Scratch, weights: &[f64]) -> f64 {
        if self.shares.len() <= ONE_WAY {
            return 0.0;
        }
        let Scratch { seen, ratios } = scratch;
        seen.clear();
        seen.resize(self.shares.len(), 0.0);
        ratios.clear();
        let mut before = 0.0;
        for row in failing {
            let (way, weight) = (self.ways[*row as usize] as usize, weights[*row as usize]);
            let (share, seen) = (self.shares[way], &mut seen[way]);
            ratios.push(((OWN_LOOK * share + *seen) / ((OWN_LOOK + before) * share), weight));
            *seen += weight;
            before += weight;
        }
        likeness_of(sum_of_logs(ratios))
    }
}

/// As likely as not failures have a look of their own.
fn likeness_of(nats: f64) -> f64 {
    if nats > 0.0 { (0.5 + 0.5 * nats.min(MOST_LIKENESS).exp()).ln() } else { 0.0 }
}
