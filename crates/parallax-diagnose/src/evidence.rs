//! What one result is worth to a scope: additive vectors over a grid of fault strengths.
//!
//! A fault of strength θ hits a probe with probability θ on top of the agent's own baseline `h`:
//! `q(θ) = 1 − (1−h)(1−θ)` (noisy-OR). An [`Influence`] is the log ratio of "seen under q(θ)" to "seen under h" for every θ of the
//! grid; the [`Evidence`] of a scope is the sum over its results, so results can be added as they come and subtracted as they
//! expire.

use serde::{Deserialize, Serialize};

use crate::nats;

/// Number of fault strengths that are weighed.
pub const GRID: usize = 8;
/// The fault strengths: the probability that a fault hits a probe in its scope.
pub const STRENGTHS: [f64; GRID] = [0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92, 0.985];
/// Prior of each strength; sums to 0.98, so the prices are dearer by 0.02 nats.
const PRIOR: [f64; GRID] = [0.06, 0.09, 0.12, 0.14, 0.14, 0.15, 0.16, 0.14];
/// Below the logarithm of each.
const LEAST_PRIOR_NATS: f64 = -3.0;

/// What is so many nats less probable than another is lost in the rounding of their sum.
const LOST: f64 = -42.0;

/// Share of an agent's answers that is believed to say nothing: bounds one result's influence to about 3.5 nats.
pub(crate) const CONTAMINATION: f64 = 0.02;
/// Correlation of repeated results of one agent: `r` results weigh as `r / (1 + 0.5 (r − 1))`.
const REPEAT_CORRELATION: f64 = 0.5;

/// The worth of one result, in nats, for each strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Influence(pub [f64; GRID]);

impl Influence {
    /// Of a result that says nothing.
    pub(crate) const NONE: Self = Self([0.0; GRID]);

    /// Of an observation `y` (1 failed, 0 worked, between: partly) by an agent that fails at the rate `baseline` by itself.
    pub fn new(y: f64, baseline: f64, weight: f64) -> Self {
        let with = STRENGTHS.map(|strength| 1.0 - (1.0 - baseline) * (1.0 - strength));
        let without = 1.0 / likelihood(y, [baseline])[0];
        Self(nats::ln(likelihood(y, with).map(|with| with * without))).times(weight)
    }

    /// The most that it says for a fault of any strength, in nats.
    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    /// Of a failure that is `own` times as probable among the agent's own failures as among the fault's: below 1 it looks like the
    /// fault, above 1 like a hiccup of the agent's line.
    pub(crate) fn of_failure(baseline: f64, own: f64, weight: f64) -> Self {
        let without = 1.0 / believed(baseline * own);
        let mut ratios = STRENGTHS;
        for ratio in &mut ratios {
            *ratio = believed(baseline * own + (1.0 - baseline) * *ratio) * without;
        }
        Self(nats::ln(ratios)).times(weight)
    }

    /// The same of a result that weighs so much as this one.
    pub(crate) fn times(mut self, weight: f64) -> Self {
        self.0.iter_mut().for_each(|nats| *nats *= weight);
        self
    }
}

/// The worth of results that worked: by far the most there are, each by an agent with a baseline of its own.
///
/// What one is worth is `ln((a − b·h) / (a₀ − b₀·h))`, of which a and b depend on the strength only: a power series in the baseline h,
/// of which a few terms cost a fifth of the logarithms.
pub(crate) struct Successes {
    /// By an agent that never fails by itself.
    flawless: Influence,
}

/// Agents that fail more often by themselves are few, and the series would be long.
const MOST_OF_SERIES: f64 = 0.05;
/// So many terms of it leave out less than 10⁻⁷ nats.
const TERMS: usize = 4;
/// What the powers of the baseline are multiplied by, for each strength, from the first power on.
const SERIES: [[f64; GRID]; TERMS] = {
    const fn ratio(strength: f64) -> f64 {
        let most = (1.0 - CONTAMINATION) * (1.0 - strength);
        most / (most + CONTAMINATION / 2.0)
    }
    let mut series = [[0.0; GRID]; TERMS];
    let mut g = 0;
    while g < GRID {
        let (with, without) = (ratio(STRENGTHS[g]), ratio(0.0));
        let (mut power_with, mut power_without) = (1.0, 1.0);
        let mut n = 0;
        while n < TERMS {
            power_with *= with;
            power_without *= without;
            series[n][g] = (power_without - power_with) / (n + 1) as f64;
            n += 1;
        }
        g += 1;
    }
    series
};

impl Successes {
    pub(crate) fn new() -> Self {
        Self { flawless: Influence::new(0.0, 0.0, 1.0) }
    }

    /// The worth of one by an agent that fails at the rate `baseline` by itself.
    pub(crate) fn influence(&self, baseline: f64, weight: f64) -> Influence {
        if baseline > MOST_OF_SERIES {
            return Influence::new(0.0, baseline, weight);
        }
        let mut sum = [0.0; GRID];
        for terms in SERIES.iter().rev().chain([&self.flawless.0]) {
            for (sum, term) in sum.iter_mut().zip(terms) {
                *sum = *sum * baseline + term;
            }
        }
        Influence(sum).times(weight)
    }
}

/// The summed worth of a scope's results.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Sum of the influences.
    pub nats: [f64; GRID],
    /// How many results are in the sum.
    pub results: u32,
}

impl Evidence {
    /// Of no result.
    pub(crate) const NONE: Self = Self { nats: [0.0; GRID], results: 0 };

    /// Adds one result.
    pub fn add(&mut self, influence: &Influence) {
        for (sum, nats) in self.nats.iter_mut().zip(influence.0) {
            *sum += nats;
        }
        self.results += 1;
    }

    /// Takes one result out that was added before.
    pub fn subtract(&mut self, influence: &Influence) {
        for (sum, nats) in self.nats.iter_mut().zip(influence.0) {
            *sum -= nats;
        }
        self.results = self.results.saturating_sub(1);
    }

    /// Adds the results of another, none of which are in it.
    pub(crate) fn join(&mut self, other: &Self) {
        for (sum, nats) in self.nats.iter_mut().zip(other.nats) {
            *sum += nats;
        }
        self.results += other.results;
    }

    /// The same without the results of another, all of which are in it.
    pub(crate) fn without(&self, other: &Self) -> Self {
        Self {
            nats: std::array::from_fn(|g| self.nats[g] - other.nats[g]),
            results: self.results - other.results,
        }
    }

    /// `log Σ prior · e^nats − cost`: how much shorter the world is told with a fault here than without, in nats.
    pub fn gain(&self, cost: f64) -> f64 {
        let top = halved(self.nats, |a, b| if b > a { b } else { a });
        let mut below = self.nats;
        for nats in &mut below {
            *nats = (*nats - top).max(LOST);
        }
        let mut shares = nats::exp(below);
        shares.iter_mut().zip(PRIOR).for_each(|(share, prior)| *share *= prior);
        top + halved(shares, |a, b| a + b).ln() - cost
    }

    /// What [`Self::gain`] lies between at no cost: the likeliest strength is at least as probable beforehand as the least probable
    /// one is, and all together are no more than 1.
    pub(crate) fn gain_within(&self) -> (f64, f64) {
        let top = halved(self.nats, |a, b| if b > a { b } else { a });
        (top + LEAST_PRIOR_NATS, top)
    }

    /// The posterior mean of the fault's strength, 0 to 1.
    pub fn strength(&self) -> f64 {
        let top = self.nats.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: [f64; GRID] = std::array::from_fn(|g| PRIOR[g] * (self.nats[g] - top).exp());
        let sum: f64 = weights.iter().sum();
        weights.iter().zip(STRENGTHS).map(|(weight, strength)| weight * strength).sum::<f64>() / sum
    }
}

/// One number made of all, two halves at a time, which do not wait for each other.
fn halved(mut all: [f64; GRID], of_two: impl Fn(f64, f64) -> f64) -> f64 {
    for half in [4, 2, 1] {
        for place in 0..half {
            all[place] = of_two(all[place], all[place + half]);
        }
    }
    all[0]
}
const _: () = assert!(GRID == 8);

/// The weight of each of `repeats` results of one agent.
pub(crate) fn repeat_weight(repeats: u32) -> f64 {
    1.0 / (1.0 + f64::from(repeats.saturating_sub(1)) * REPEAT_CORRELATION)
}

/// How likely what an agent says is when it is so `likely` by itself, as far as agents are believed.
fn believed(likely: f64) -> f64 {
    (1.0 - CONTAMINATION) * likely + CONTAMINATION / 2.0
}

/// How likely `y` is for each chance to fail.
fn likelihood<const N: usize>(y: f64, chances: [f64; N]) -> [f64; N] {
    let works = chances.map(|q| 1.0 - q);
    if y >= 1.0 {
        return chances.map(believed);
    }
    if y <= 0.0 {
        return works.map(believed);
    }
    let (fails, works) = (nats::ln(chances), nats::ln(works));
    let both = std::array::from_fn(|n| y * fails[n] + (1.0 - y) * works[n]);
    nats::exp(both).map(believed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_result_is_worth_what_the_method_says() {
        let worth = |y| Influence::new(y, 0.02, 1.0).0[GRID - 1];
        assert!((worth(1.0) - 3.50).abs() < 0.02, "{}", worth(1.0));
        assert!((worth(0.0) + 3.63).abs() < 0.1, "{}", worth(0.0));
    }

    #[test]
    fn the_series_is_the_logarithm() {
        let successes = Successes::new();
        for n in 0..1_000 {
            let baseline = f64::from(n) * 1e-4;
            let (got, want) = (successes.influence(baseline, 0.7), Influence::new(0.0, baseline, 0.7));
            let apart = got.0.iter().zip(want.0).map(|(got, want)| (got - want).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-7, "{baseline}: {apart}");
        }
    }

    #[test]
    fn subtracting_undoes_adding() {
        let (a, b) = (Influence::new(1.0, 0.02, 1.0), Influence::new(0.0, 0.1, 0.5));
        let mut sum = Evidence::default();
        sum.add(&a);
        let before = sum;
        sum.add(&b);
        sum.subtract(&b);
        assert_eq!(sum.results, before.results);
        for (got, want) in sum.nats.iter().zip(before.nats) {
            assert!((got - want).abs() < 1e-12);
        }
    }

    #[test]
    fn three_hard_failures_pay_for_everybody_and_two_do_not_pay_for_a_pair() {
        let failing = Influence::new(1.0, 0.02, 1.0);
        let mut sum = Evidence::default();
        sum.add(&failing);
        sum.add(&failing);
        assert!(sum.gain(8.5) < 0.0);
        sum.add(&failing);
        assert!(sum.gain(3.0) > 4.0);
        assert!(sum.strength() > 0.8);
    }
}
