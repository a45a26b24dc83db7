//! Second step: three scans (failing, blocked, slow) and how much of the world they stand on.

use parallax_model::{Attribute, Confidence, Scope};
use serde::{Deserialize, Serialize};

use crate::column::Columns;
use crate::observe::{Channel, Observation, Observations, Seen, count};
use crate::rules::{fails_firmly, works_so_far};
use crate::scan::Question;
use crate::tally::Distinct;

/// An agent that fails more often than this by itself shows nothing by a retry that works.
const STEADY_BASELINE: f64 = 0.1;
/// How often a second try passes after a failure of an agent's own.
const OWN_RETRY_PASSES: f64 = 0.5;

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
    /// Failing ones outside the network that has most of them.
    pub failing_elsewhere: u32,
    /// Failing ones of the largest network of which nine in ten or more fail.
    pub whole_network: u32,
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
    /// Who is in it and in no finding before it.
    pub beyond: Tally,
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
    /// The scopes of that next one; empty when it is that nothing is wrong.
    pub second: Vec<Scope>,
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
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Variation {
    /// Agents that fail at least once.
    pub failing: u32,
    /// Of those, the ones that also get through: in another round, or at once on a new connection.
    pub varying: u32,
    /// Of the failing ones, those with more than one result.
    pub repeated: u32,
    /// How many would get through at another try if agents failed by themselves only.
    pub by_themselves: f64,
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
    /// Does it refuse us? Only counted where what fails is the verdict already: nothing is found then, and everyone is outside.
    pub blocked: Scan,
    /// Is it slow? Only asked where nothing else is the verdict already; empty elsewhere.
    pub slow: Scan,
}

/// Second step: what fails, refuses or is slow, for whom.
pub fn analyse(observations: &Observations<'_>) -> Analysis {
    let columns = Columns::of(&observations.usable);
    let ask = |channel| Question::of(observations, channel, &columns);
    let blocked = ask(Channel::Blocked);
    let mut analysis = Analysis {
        failing: ask(Channel::Failing).scan(),
        blocked: blocked.counted(),
        ..agents(observations, &columns)
    };
    if !fails_firmly(&analysis) {
        analysis.blocked = blocked.scan();
        if works_so_far(&analysis) {
            analysis.slow = ask(Channel::Slow).scan();
        }
    }
    analysis
}

/// What is told agent by agent: who reaches the site, and whether those who fail do so always.
fn agents(observations: &Observations<'_>, columns: &Columns) -> Analysis {
    let region = columns.column(Attribute::Region);
    let mut regions = Distinct::below(region.values);
    let mut networks = vec![0_u32; columns.most_networks()];
    let (mut answered, mut healthy, mut wavering, mut row) = (0, 0, 0, 0);
    let mut variation = Variation::default();
    for results in observations.usable.chunk_by(|a, b| a.agent == b.agent) {
        let saw = Saw::of(results);
        answered += 1;
        if 2 * (saw.passed + saw.soft) >= count(results.len()) {
            healthy += 1;
            regions.insert(region.ids[row] as usize);
            networks[columns.networks[row] as usize] += 1;
        }
        if results[0].baseline <= STEADY_BASELINE {
            wavering += u32::from(saw.soft > 0);
            variation.add(&saw, results);
        }
        row += results.len();
    }
    let coverage = Coverage {
        asked: observations.asked,
        answered,
        healthy,
        healthy_networks: count(networks.iter().filter(|agents| **agents > 0).count()),
        healthy_regions: regions.count_known(),
        healthy_elsewhere: healthy - networks.iter().copied().max().unwrap_or(0),
    };
    Analysis { coverage, wavering, variation, ..Analysis::default() }
}

/// How many of one agent's results say what.
#[derive(Default)]
struct Saw {
    passed: u32,
    soft: u32,
    failed: u32,
}

impl Saw {
    fn of(results: &[Observation<'_>]) -> Self {
        let mut saw = Self::default();
        for observation in results {
            match observation.seen {
                Seen::Ok => saw.passed += 1,
                Seen::Soft(_) => saw.soft += 1,
                Seen::Failed(_) => saw.failed += 1,
                Seen::Blocked(_) => {}
            }
        }
        saw
    }
}

impl Variation {
    /// Adds an agent that is steady by itself.
    fn add(&mut self, saw: &Saw, results: &[Observation<'_>]) {
        let fails = saw.failed + saw.soft > 0;
        self.by_themselves += OWN_RETRY_PASSES * results[0].baseline * results.len() as f64;
        self.failing += u32::from(fails);
        self.varying += u32::from(saw.soft > 0 || saw.failed > 0 && saw.passed > 0);
        self.repeated += u32::from(fails && results.len() > 1);
    }
}
