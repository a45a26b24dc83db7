//! Second step: three scans (failing, blocked, slow) and how much of the world they stand on.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{Confidence, Scope};
use serde::{Deserialize, Serialize};

use crate::observe::{Channel, Observation, Observations, Seen, count};
use crate::scan::{network, scan};

/// An agent that fails more often than this by itself shows nothing by a retry that works.
const STEADY_BASELINE: f64 = 0.1;

/// Agents of a part of the world, and who of them fails (or refuses us, or is slow, as the question is).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Agents with results there.
    pub agents: u32,
    /// Of those, the ones that say yes at least once.
    pub failing: u32,
    /// Of those, the ones that say yes at least every second time.
    pub mostly_failing: u32,
    /// Networks of the failing ones; where the ASN is not known, a region counts as one network.
    pub failing_networks: u32,
    /// Known ASNs of the failing ones.
    pub failing_asns: u32,
    /// Regions of the failing ones.
    pub failing_regions: u32,
    /// Share of all weighted results that lie there, 0 to 1.
    pub share: f64,
}

/// A scope that was found, with what it stands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Who.
    pub scope: Scope,
    /// Scopes that cover the same results and cannot be told apart.
    pub same_coverage: Vec<Scope>,
    /// How much it explains beyond the scopes before it, in nats.
    pub gain: f64,
    /// Mean strength of the fault: the share of probes in the scope that it hits, 0 to 1.
    pub strength: f64,
    /// Who is in it.
    pub tally: Tally,
}

/// What one question's scan found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scan {
    /// The smallest set of scopes that explains it, in the order of their gain; empty when nothing does better than chance.
    pub findings: Vec<Finding>,
    /// Whoever says something to the question.
    pub everyone: Tally,
    /// Whoever is in a finding.
    pub covered: Tally,
    /// Whoever is in none.
    pub outside: Tally,
    /// Mean strength over all that the findings cover, 0 to 1.
    pub strength: f64,
    /// Posterior of the answer: of the findings, or of "nothing" when there are none.
    pub confidence: Confidence,
    /// Posterior that nothing is wrong.
    pub nothing: Confidence,
    /// How far the answer is ahead of the next one with another coverage, in nats.
    pub lead: f64,
}

/// How much of the world could be seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Agents that were asked.
    pub asked: u32,
    /// Agents with usable results.
    pub answered: u32,
    /// Agents that reach the site, every second time at least.
    pub healthy: u32,
    /// Networks of the healthy ones; where the ASN is not known, a region counts as one network.
    pub healthy_networks: u32,
    /// Regions of the healthy ones.
    pub healthy_regions: u32,
    /// Healthy agents outside the network that has most of them.
    pub healthy_elsewhere: u32,
}

/// Agents that fail and are steady by themselves, and whether they fail always: what comes and goes does so for one agent too,
/// while one that lies, or is cut off, says the same each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Variation {
    /// Agents that fail at least once.
    pub failing: u32,
    /// Of those, the ones that also get through: in another round, or at once on a new connection.
    pub varying: u32,
    /// Of the failing ones, those with more than one result.
    pub repeated: u32,
}

/// What the results say, before any rule is applied.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Analysis {
    /// How much could be seen.
    pub coverage: Coverage,
    /// Agents that are steady by themselves and whose probe failed and worked at once on a new connection.
    pub wavering: u32,
    /// Whether the failing ones fail always.
    pub variation: Variation,
    /// Does it fail?
    pub failing: Scan,
    /// Does it refuse us?
    pub blocked: Scan,
    /// Is it slow?
    pub slow: Scan,
}

/// Second step: what fails, refuses or is slow, for whom.
pub fn analyse(observations: &Observations) -> Analysis {
    let mut by_agent: BTreeMap<&str, Vec<&Observation>> = BTreeMap::new();
    for observation in &observations.usable {
        by_agent.entry(observation.result.agent.as_str()).or_default().push(observation);
    }
    let works = |o: &&&Observation| matches!(o.seen, Seen::Ok | Seen::Soft(_));
    let healthy: Vec<&Observation> = by_agent
        .values()
        .filter(|results| 2 * results.iter().filter(works).count() >= results.len())
        .map(|results| results[0])
        .collect();
    let wavers = |results: &&Vec<&Observation>| {
        results.iter().any(|o| matches!(o.seen, Seen::Soft(_)) && o.baseline <= STEADY_BASELINE)
    };
    let columns = OnceCell::new();
    Analysis {
        coverage: Coverage {
            asked: observations.asked,
            answered: count(by_agent.len()),
            healthy: count(healthy.len()),
            healthy_networks: distinct(healthy.iter().map(|o| network(&o.place))),
            healthy_regions: distinct(healthy.iter().filter_map(|o| o.place.region.as_ref())),
            healthy_elsewhere: elsewhere(&healthy),
        },
        variation: variation(by_agent.values()),
        wavering: count(by_agent.values().filter(wavers).count()),
        failing: scan(observations, Channel::Failing, &columns),
        blocked: scan(observations, Channel::Blocked, &columns),
        slow: scan(observations, Channel::Slow, &columns),
    }
}

/// Agents outside the network that has most of them.
fn elsewhere(agents: &[&Observation]) -> u32 {
    let mut sizes = BTreeMap::new();
    for agent in agents {
        *sizes.entry(network(&agent.place)).or_insert(0_usize) += 1;
    }
    count(agents.len() - sizes.values().max().copied().unwrap_or(0))
}

fn variation<'a>(agents: impl Iterator<Item = &'a Vec<&'a Observation>>) -> Variation {
    let mut sum = Variation::default();
    for results in agents.filter(|results| results[0].baseline <= STEADY_BASELINE) {
        let failed = results.iter().any(|o| matches!(o.seen, Seen::Failed(_)));
        let soft = results.iter().any(|o| matches!(o.seen, Seen::Soft(_)));
        let passed = results.iter().any(|o| o.seen == Seen::Ok);
        sum.failing += u32::from(failed || soft);
        sum.varying += u32::from(soft || failed && passed);
        sum.repeated += u32::from((failed || soft) && results.len() > 1);
    }
    sum
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> u32 {
    count(values.collect::<BTreeSet<T>>().len())
}
