//! How good answers are: scopes, verdicts, probabilities, rates, each with an interval.
//!
//! A scope that is named exactly is a hit; a near miss is one false scope and one missed one, as in the literature on localisers
//! (the scorers of Squeeze and `RiskLoc`). [`Hits::alike`] counts a name as a hit when it covers the same agents.

use std::collections::{BTreeMap, BTreeSet};

use parallax_diagnose::World;
use parallax_model::Scope;

use crate::worlds::{contains, seen_at};

mod interval;
mod probability;

pub use interval::{bootstrap, poisson_interval, quantile};
pub use probability::{Forecast, brier, ece, log_loss};

/// Two scopes that cover agents with this overlap (Jaccard) cannot be told apart.
const ALIKE: f64 = 0.9;

/// Scopes that were found, wrongly named, and missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hits {
    /// Named and so.
    pub right: u32,
    /// Named and not so.
    pub wrong: u32,
    /// So and not named.
    pub missed: u32,
}

impl Hits {
    /// By exact name.
    pub fn exact(found: &[Scope], truth: &[Scope]) -> Self {
        Self::matched(found, truth, |a, b| a == b)
    }

    /// By the agents they cover.
    pub fn alike(found: &[Scope], truth: &[Scope], seen: &Coverage) -> Self {
        Self::matched(found, truth, |a, b| {
            a == b || seen.jaccard(std::slice::from_ref(a), std::slice::from_ref(b)) >= ALIKE
        })
    }

    fn matched(found: &[Scope], truth: &[Scope], same: impl Fn(&Scope, &Scope) -> bool) -> Self {
        let mut left: Vec<&Scope> = truth.iter().collect();
        let mut hits = Self::default();
        for scope in found {
            match left.iter().position(|wanted| same(scope, wanted)) {
                Some(place) => {
                    left.swap_remove(place);
                    hits.right += 1;
                }
                None => hits.wrong += 1,
            }
        }
        hits.missed = u32::try_from(left.len()).unwrap_or(u32::MAX);
        hits
    }

    /// Adds another world's.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            right: self.right + other.right,
            wrong: self.wrong + other.wrong,
            missed: self.missed + other.missed,
        }
    }

    /// Share of what was named that is so; 0 when nothing was.
    pub fn precision(self) -> f64 {
        ratio(self.right, self.right + self.wrong)
    }

    /// Share of what is so that was named.
    pub fn recall(self) -> f64 {
        ratio(self.right, self.right + self.missed)
    }

    /// Harmonic mean of both, over all worlds together (micro-averaged).
    pub fn f1(self) -> f64 {
        ratio(2 * self.right, 2 * self.right + self.wrong + self.missed)
    }
}

fn ratio(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}

/// Which agents of a world a scope covers, by what the observer was told.
#[derive(Debug)]
pub struct Coverage {
    places: Vec<(usize, Scope)>,
}

impl Coverage {
    /// The agents that answered, with their places.
    pub fn of(world: &World) -> Self {
        let numbers: BTreeMap<_, _> = world.agents.iter().zip(0..).map(|(a, n)| (&a.agent, n)).collect();
        let place = |result: &parallax_diagnose::WorldResult| {
            let n: usize = *numbers.get(&result.agent)?;
            Some((n, seen_at(&world.agents[n], result)))
        };
        Self { places: world.results.iter().filter_map(place).collect() }
    }

    /// Overlap of the agents that two lists of scopes cover; two that cover nobody are the same.
    pub fn jaccard(&self, a: &[Scope], b: &[Scope]) -> f64 {
        let covered = |scopes: &[Scope]| -> BTreeSet<usize> {
            let inside = |(_, place): &&(usize, Scope)| scopes.iter().any(|s| contains(s, place));
            self.places.iter().filter(inside).map(|(n, _)| *n).collect()
        };
        let (a, b) = (covered(a), covered(b));
        let either = a.union(&b).count();
        if either == 0 { 1.0 } else { a.intersection(&b).count() as f64 / either as f64 }
    }
}

#[cfg(test)]
mod tests {
    use parallax_diagnose::{WorldAgent, WorldOutcome, WorldResult};
    use parallax_model::Asn;

    use super::*;

    fn network(asn: u32) -> Scope {
        Scope { asn: Some(Asn(asn)), ..Scope::default() }
    }

    #[test]
    fn a_near_miss_counts_twice() {
        let hits = Hits::exact(&[network(1), network(2)], &[network(1), network(3)]);
        assert_eq!(hits, Hits { right: 1, wrong: 1, missed: 1 });
        assert!((hits.f1() - 0.5).abs() < 1e-12);
        assert_eq!(Hits::exact(&[], &[]).f1().to_bits(), 0);
        let all = hits.plus(Hits { right: 2, wrong: 0, missed: 1 });
        assert!((all.precision() - 0.75).abs() < 1e-12 && (all.recall() - 0.6).abs() < 1e-12);
    }

    #[test]
    fn another_name_of_the_same_agents_is_alike() {
        let mut world = World::default();
        for n in 0..10_u32 {
            let id: parallax_model::AgentId = format!("a{n}").parse().expect("a name");
            let mut agent = WorldAgent::new(id.clone());
            agent.asn = Some(Asn(n / 5));
            agent.region = (if n < 5 { "eu-west" } else { "us-east" }).parse().ok();
            world.agents.push(agent);
            world.results.push(WorldResult::new(id, WorldOutcome::Ok));
        }
        let seen = Coverage::of(&world);
        let region = Scope { region: "eu-west".parse().ok(), ..Scope::default() };
        assert!((seen.jaccard(std::slice::from_ref(&region), &[network(0)]) - 1.0).abs() < 1e-12);
        assert!((seen.jaccard(&[Scope::everybody()], &[network(0)]) - 0.5).abs() < 1e-12);
        assert_eq!(Hits::alike(std::slice::from_ref(&region), &[network(0)], &seen).right, 1);
        assert_eq!(Hits::exact(&[region], &[network(0)]).right, 0);
    }
}
