//! What failures look like: one fault breaks everyone in it in the same few ways, two faults in different ones.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::column::Mix;
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

/// How each row of a scan fails.
pub(crate) struct Looks {
    /// Of each row, which way it fails (0 where it does not).
    ways: Vec<u32>,
    /// What is known of each way to fail.
    known: Vec<Way>,
    /// What a failure weighs, on average: that much counts as one.
    one: f64,
}

/// One way to fail.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// How many failures of a look of one's own are believed to be so beforehand.
    believed: f64,
    /// The logarithm of the gamma function of that.
    ln_gamma: f64,
    /// How improbable it is among all failures, in nats.
    rarity: f64,
}

impl Way {
    /// Of a way in which such a share of all failures fails.
    fn new(share: f64, one: f64) -> Self {
        let believed = OWN_LOOK / one * share;
        Self { believed, ln_gamma: libm::lgamma(believed), rarity: -share.ln() }
    }
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
        let unseen = counts.len() as f64;
        let one = if all > 0.0 { all / probes.failing.len() as f64 } else { 1.0 };
        let way = |n: f64| Way::new((n + 1.0) / (all + unseen), one);
        Self { ways, known: counts.into_iter().map(way).collect(), one }
    }

    /// The weight of these failing rows by the way they fail.
    pub(crate) fn weigh_ways(&self, failing: &[u32], weights: &[f64]) -> Vec<f64> {
        let mut ways = vec![0.0; self.known.len()];
        self.weigh_into(&mut ways, failing, weights);
        ways
    }

    fn weigh_into(&self, ways: &mut [f64], failing: &[u32], weights: &[f64]) {
        for row in failing {
            ways[self.ways[*row as usize] as usize] += weights[*row as usize];
        }
    }

    /// The most that a row adds to the likeness of a scope.
    pub(crate) fn most(&self, row: usize, weights: &[f64]) -> f64 {
        match self.ways[row] {
            0 => 0.0,
            way => weights[row] * self.known[way as usize].rarity,
        }
    }

    /// How much likelier these failures are when they have a look of their own than when they look like everybody's, in nats; nothing
    /// when they do.
    pub(crate) fn likeness(&self, failing: &[u32], scratch: &mut Vec<f64>, weights: &[f64]) -> f64 {
        if self.known.len() <= ONE_WAY {
            return 0.0;
        }
        scratch.clear();
        scratch.resize(self.known.len(), 0.0);
        self.weigh_into(scratch, failing, weights);
        self.likeness_of_ways(scratch.iter().copied())
    }

    /// The same of failures of which so much weighs each way: the ratio of a Dirichlet-multinomial probability around everybody's shares
    /// (Pólya's urn) to the multinomial one, for weights as for counts: m failures that weigh w each say w times what m would say with
    /// a belief of 1/w as many.
    pub(crate) fn likeness_of_ways(&self, ways: impl Iterator<Item = f64>) -> f64 {
        if self.known.len() <= ONE_WAY {
            return 0.0;
        }
        let (mut all, mut rarity) = (0.0, 0.0);
        let mut nats = libm::lgamma(OWN_LOOK / self.one);
        for (weight, way) in ways.zip(&self.known).skip(1).filter(|(weight, _)| *weight > ROUNDING) {
            all += weight;
            rarity += weight * way.rarity;
            nats += libm::lgamma(way.believed + weight / self.one) - way.ln_gamma;
        }
        nats -= libm::lgamma((OWN_LOOK + all) / self.one);
        likeness_of(self.one * nats + rarity)
    }
}

/// As likely as not failures have a look of their own.
fn likeness_of(nats: f64) -> f64 {
    if nats > 0.0 { (0.5 + 0.5 * nats.min(MOST_LIKENESS).exp()).ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ways to fail of which so many fail so in all, beside the one of those that do not; a failure weighs `one`.
    fn looks(counts: &[f64], one: f64) -> Looks {
        let all: f64 = counts.iter().sum();
        let known = [0.0].iter().chain(counts).map(|n| Way::new(n / all, one)).collect();
        Looks { ways: Vec::new(), known, one }
    }

    /// The nats of drawing this sequence of ways from Pólya's urn, over those of drawing it from the shares.
    fn drawn(shares: &[f64], sequence: &[usize]) -> f64 {
        let mut seen = vec![0.0; shares.len()];
        let mut nats = 0.0;
        for (before, way) in (0..).zip(sequence) {
            let chance = (OWN_LOOK * shares[*way] + seen[*way]) / (OWN_LOOK + f64::from(before));
            nats += (chance / shares[*way]).ln();
            seen[*way] += 1.0;
        }
        nats
    }

    #[test]
    fn a_look_is_as_likely_as_its_draws_from_an_urn_in_any_order() {
        let looks = looks(&[30.0, 8.0, 2.0], 1.0);
        let shares = [0.75, 0.2, 0.05];
        for sequence in [[2, 2, 1, 2, 1, 2, 2], [1, 1, 2, 2, 2, 2, 2]] {
            let want = likeness_of(drawn(&shares, &sequence));
            let got = looks.likeness_of_ways([0.0, 0.0, 2.0, 5.0].into_iter());
            assert!(want > 1.0 && (got - want).abs() < 1e-9, "{got}, not {want}");
        }
    }

    #[test]
    fn failures_that_look_like_everybodys_say_nothing() {
        let likeness = looks(&[30.0, 8.0, 2.0], 1.0).likeness_of_ways([0.0, 15.0, 4.0, 1.0].into_iter());
        assert!(likeness.abs() < f64::EPSILON, "{likeness}");
    }

    #[test]
    fn what_weighs_half_says_half_of_what_as_many_would_say_of_a_firmer_belief() {
        let nats =
            |all: &Looks, ways: [f64; 3]| (2.0 * all.likeness_of_ways(ways.into_iter()).exp() - 1.0).ln();
        let halves = nats(&looks(&[30.0, 8.0], 0.5), [0.0, 0.5, 4.0]);
        let sequence = [0, 1, 1, 1, 1, 1, 1, 1, 1];
        let mut seen = [0.0; 2];
        let mut want = 0.0;
        for (before, way) in (0..).zip(sequence) {
            let share = [30.0, 8.0][way] / 38.0;
            let chance = (OWN_LOOK * share + seen[way]) / (OWN_LOOK + 0.5 * f64::from(before));
            want += 0.5 * (chance / share).ln();
            seen[way] += 0.5;
        }
        assert!(want > 0.5 && (halves - want).abs() < 1e-9, "{halves}, not {want}");
    }
}
