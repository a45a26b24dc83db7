//! What a fifth of all testers, or all of one network, could make us believe by saying the same each time.

use parallax_model::Verdict;

use super::Ruling;
use crate::analyse::{Scan, Tally, Variation};

/// A fifth of all testers may lie; as failures are lost more often than successes, at least one in so many fails then.
const LIARS: u32 = 9;
/// What would happen to liars spread at random with this share …
const LEAST_LIARS: f64 = 0.1;
/// … up to this one …
const MOST_LIARS: f64 = 0.25;
/// … is believed unless it is improbable by so many nats: what a search among all parts may find by chance.
const RANDOM_NATS: f64 = 12.0;
/// A part of which so many fail in so many is more than the densest that such a search finds.
const MOST: (u32, u32) = (3, 5);
/// That so many get through at another try must be improbable by so many nats for those who would by themselves.
const CHANCE_NATS: f64 = 7.0;
/// The same where most were asked more than once: they have more chances.
const CHANCE_NATS_OF_ROUNDS: f64 = 9.0;
/// A part that but one tester of another network speaks for is named where chance explains it less than this.
const LONE_WITNESS: f64 = 0.005;
/// A network of at least so many testers that all fail may lie, or be ill, as a whole …
const WHOLE_NETWORK: u32 = 3;
/// … then a part beyond it is borne by at least so many in other networks …
const ELSEWHERE: u32 = 2;
/// … and one more for so many of that network: some of its testers stand elsewhere than they say.
const MISPLACED: u32 = 15;

/// Whether testers who lie at random places explain about as well what is said of a part as its fault does.
pub(super) fn may_be_spread(ruling: &Ruling<'_>) -> bool {
    let everyone = &ruling.scan.everyone;
    if ruling.verdict != Verdict::Partial || everyone.mostly_failing * LIARS < everyone.agents {
        return false;
    }
    let (failing, agents) = unnamed(ruling);
    let liars = f64::from(everyone.mostly_failing) / f64::from(everyone.agents.max(1));
    let liars = liars.clamp(LEAST_LIARS, MOST_LIARS);
    let inside = (everyone.mostly_failing.saturating_sub(failing), everyone.agents.saturating_sub(agents));
    inside.0 * MOST.1 < inside.1 * MOST.0
        && nats_of_share(inside, liars) + nats_of_share((failing, agents), liars) < RANDOM_NATS
}

/// Who fails, and who there is, in no part that is named.
pub(super) fn unnamed(ruling: &Ruling<'_>) -> (u32, u32) {
    let unnamed = ruling.scan.findings.iter().filter(|finding| !ruling.scopes.contains(&finding.scope));
    let outside = std::iter::once(&ruling.scan.outside).chain(unnamed.map(|finding| &finding.beyond));
    let sum = |sum: (u32, u32), tally: &Tally| (sum.0 + tally.mostly_failing, sum.1 + tally.agents);
    outside.fold((0, 0), sum)
}

/// Whether a fifth may fail each time, and those who get through are no more than would by themselves.
pub(super) fn may_vary_by_chance(variation: &Variation, agents: u32) -> bool {
    let hard = variation.failing.saturating_sub(variation.varying);
    let rounds = 2 * variation.repeated > variation.failing;
    let least = if rounds { CHANCE_NATS_OF_ROUNDS } else { CHANCE_NATS };
    hard * LIARS >= agents && nats_of_count(variation.varying, variation.by_themselves) < least
}

/// Whether a part that names no network is no more than the testers of one that fails as a whole, and those of it who stand elsewhere
/// than they say; or than one network's and a hiccup of somebody else.
pub(super) fn may_be_one_network(scan: &Scan, n: usize) -> bool {
    let (finding, whole) = (&scan.findings[n], scan.everyone.whole_network);
    if finding.scope.asn.is_some() {
        return false;
    }
    if finding.tally.failing_elsewhere < ELSEWHERE && scan.nothing.get() > LONE_WITNESS {
        return true;
    }
    if whole < WHOLE_NETWORK {
        return false;
    }
    let named = scan.findings.iter().any(|other| {
        other.scope.asn.is_some() && other.tally.failing_networks == 1 && other.tally.mostly_failing >= whole
    });
    let elsewhere = if named { finding.beyond.failing_elsewhere } else { finding.tally.failing_elsewhere };
    elsewhere < ELSEWHERE + whole / MISPLACED
}

/// How improbable it is that so many of so many fail when each does so with this chance, in nats (Chernoff's bound).
fn nats_of_share((failing, agents): (u32, u32), chance: f64) -> f64 {
    if agents == 0 {
        return 0.0;
    }
    let share = f64::from(failing) / f64::from(agents);
    let part = |share: f64, chance: f64| if share > 0.0 { share * (share / chance).ln() } else { 0.0 };
    f64::from(agents) * (part(share, chance) + part(1.0 - share, 1.0 - chance))
}

/// How improbable a count is where this many are expected, in nats (Chernoff's bound); nothing for fewer.
fn nats_of_count(count: u32, expected: f64) -> f64 {
    let (count, expected) = (f64::from(count), expected.max(0.1));
    if count > expected { count * (count / expected).ln() - (count - expected) } else { 0.0 }
}

#[cfg(test)]
mod tests;
