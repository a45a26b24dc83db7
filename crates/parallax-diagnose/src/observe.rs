//! First step: results in canonical order, without duplicates, each with its place and weight; and what was set aside, and why.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use parallax_model::{
    AgentFailure, BeaconState, BlockedFailure, FailureKind, Family, HttpFailure, IspName, NetworkKind,
    RetryOutcome, Scope,
};
use serde::{Deserialize, Serialize};

use crate::evidence::repeat_weight;
use crate::world::{
    Change, Elsewhere, World, WorldAgent, WorldOutcome, WorldReports, WorldResult, WorldVisitor,
};

/// Results that began longer ago say nothing about now.
const STALE_MS: u64 = 15 * 60 * 1000;
/// Age at which a result weighs half of the newest one.
const HALF_LIFE_MS: f64 = 5.0 * 60.0 * 1000.0;
/// How often an agent of which no history is known fails by itself.
const USUAL_BASELINE: f64 = 0.02;
/// No agent is believed to fail less often by itself.
const LEAST_BASELINE: f64 = 0.004;
/// No agent is believed to fail more often by itself.
const MOST_BASELINE: f64 = 0.98;
/// A failure whose retry worked counts as this much of a failure.
const SOFT: f64 = 0.3;
/// Slow is more than this many times the agent's usual time to first byte …
const SLOW_TIMES: f64 = 3.0;
/// … and more than this many milliseconds.
const SLOW_MS: f64 = 2_000.0;

/// What one probe means for the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// It works.
    Ok,
    /// It failed, and worked at once on a new connection.
    Soft(FailureKind),
    /// It failed.
    Failed(FailureKind),
    /// It refused us: not an outage.
    Blocked(FailureKind),
}

/// The three questions that are asked of the results, each with its own scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Does it fail?
    Failing,
    /// Does it refuse us?
    Blocked,
    /// Is it slow?
    Slow,
}

/// One usable result, its place and its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The result as it came.
    pub result: WorldResult,
    /// Every attribute value that is known of it, the agent's and the result's; what a failed result lacks is filled from
    /// the same agent's last good one.
    pub place: Scope,
    /// The name of its network.
    pub isp: Option<IspName>,
    /// What it means.
    pub seen: Seen,
    /// Whether it was slow; `None` when its usual time is not known or nothing answered.
    pub slow: Option<bool>,
    /// How often this agent fails by itself, 0 to 1.
    pub baseline: f64,
    /// 1 for a fresh single result, less for repeats and older ones.
    pub weight: f64,
}

impl Observation {
    /// What it says to one question: 1 yes, 0 no, `None` nothing.
    pub fn says(&self, channel: Channel) -> Option<f64> {
        match (channel, self.seen) {
            (Channel::Failing, Seen::Ok) | (Channel::Blocked, Seen::Ok | Seen::Soft(_)) => Some(0.0),
            (Channel::Failing, Seen::Soft(_)) => Some(SOFT),
            (Channel::Failing, Seen::Failed(_)) | (Channel::Blocked, Seen::Blocked(_)) => Some(1.0),
            (Channel::Failing, Seen::Blocked(_)) | (Channel::Blocked, Seen::Failed(_)) => None,
            (Channel::Slow, _) => self.slow.map(|slow| if slow { 1.0 } else { 0.0 }),
        }
    }

    /// What went wrong, if something did.
    pub fn kind(&self) -> Option<FailureKind> {
        match self.seen {
            Seen::Ok => None,
            Seen::Soft(kind) | Seen::Failed(kind) | Seen::Blocked(kind) => Some(kind),
        }
    }
}

/// Agents that were asked and whose results are not used, by reason. Each agent counts once, under the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SetAside {
    /// Their own line is broken: beacon failed, or they say so.
    pub own_line: u32,
    /// Their policy, or the address's, forbids the probe.
    pub policy: u32,
    /// They had no room for it.
    pub overloaded: u32,
    /// All they said is too old.
    pub stale: u32,
    /// They did not answer.
    pub silent: u32,
}

/// What was seen, ready to be weighed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observations {
    /// Agents that were asked.
    pub asked: u32,
    /// Usable results in canonical order.
    pub usable: Vec<Observation>,
    /// Why the other agents' results are not used.
    pub set_aside: SetAside,
    /// What visitors reported.
    pub reports: Option<WorldReports>,
    /// The visitor who asks.
    pub visitor: Option<WorldVisitor>,
    /// Changes that were noticed.
    pub changes: Vec<Change>,
    /// How other targets fare.
    pub elsewhere: Option<Elsewhere>,
}

/// First step. Results of agents that the world does not list are left out.
pub fn observe(world: &World) -> Observations {
    let agents: BTreeMap<&str, &WorldAgent> = world.agents.iter().map(|a| (a.agent.as_str(), a)).collect();
    let mut by_agent: BTreeMap<&str, Vec<&WorldResult>> = BTreeMap::new();
    for result in &world.results {
        if agents.contains_key(result.agent.as_str()) {
            by_agent.entry(result.agent.as_str()).or_default().push(result);
        }
    }
    let mut set_aside = SetAside {
        silent: count(agents.keys().filter(|name| !by_agent.contains_key(*name)).count()),
        ..SetAside::default()
    };
    let mut usable = Vec::with_capacity(world.results.len());
    for (name, results) in &by_agent {
        match usable_results(results) {
            Ok(results) => usable.extend(place_results(agents[name], &results)),
            Err(reason) => *reason.counter(&mut set_aside) += 1,
        }
    }
    fade(&mut usable);
    let mut changes = world.changes.clone();
    changes.sort_by(|a, b| a.what.cmp(&b.what).then(a.ago_s.total_cmp(&b.ago_s)));
    Observations {
        asked: count(agents.len()),
        usable,
        set_aside,
        reports: world.reports.clone(),
        visitor: world.visitor.clone(),
        changes,
        elsewhere: world.elsewhere,
    }
}

#[derive(Debug, Clone, Copy)]
enum Unusable {
    OwnLine,
    Policy,
    Overloaded,
    Stale,
}

impl Unusable {
    fn counter(self, set_aside: &mut SetAside) -> &mut u32 {
        match self {
            Self::OwnLine => &mut set_aside.own_line,
            Self::Policy => &mut set_aside.policy,
            Self::Overloaded => &mut set_aside.overloaded,
            Self::Stale => &mut set_aside.stale,
        }
    }
}

/// One agent's distinct results that say something about the site, in canonical order; or why there are none.
fn usable_results<'a>(results: &[&'a WorldResult]) -> Result<Vec<&'a WorldResult>, Unusable> {
    let fresh: Vec<&WorldResult> =
        results.iter().copied().filter(|r| r.age_ms.unwrap_or(0) <= STALE_MS).collect();
    if fresh.is_empty() {
        return Err(Unusable::Stale);
    }
    if fresh.iter().any(|r| r.beacon == Some(BeaconState::Failed)) {
        return Err(Unusable::OwnLine);
    }
    let mut about_site: Vec<&WorldResult> = fresh.iter().copied().filter(|r| !is_ours(r)).collect();
    if !about_site.is_empty() {
        about_site.sort_by(canonical_order);
        about_site.dedup();
        return Ok(about_site);
    }
    let says = |kind| fresh.iter().any(|r| r.outcome == WorldOutcome::Failed(kind));
    Err(if says(FailureKind::Agent(AgentFailure::Offline)) {
        Unusable::OwnLine
    } else if says(FailureKind::Agent(AgentFailure::Overloaded)) {
        Unusable::Overloaded
    } else {
        Unusable::Policy
    })
}

/// Whether the result is about our side and says nothing of the site.
fn is_ours(result: &WorldResult) -> bool {
    matches!(
        result.outcome,
        WorldOutcome::Failed(
            FailureKind::Agent(_)
                | FailureKind::Blocked(BlockedFailure::Address)
                | FailureKind::Http(HttpFailure::RedirectBlocked)
        )
    )
}

/// Orders results without regard to the order they came in; results that are the same in everything come to stand together.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that sort_by asks for")]
fn canonical_order(a: &&WorldResult, b: &&WorldResult) -> Ordering {
    let key = |r: &WorldResult| (r.attempt.unwrap_or(0), r.age_ms.unwrap_or(0));
    key(a).cmp(&key(b)).then_with(|| format!("{a:?}").cmp(&format!("{b:?}")))
}

fn place_results(agent: &WorldAgent, results: &[&WorldResult]) -> Vec<Observation> {
    let weight = repeat_weight(count(results.len()));
    let baseline = agent.fail_rate.unwrap_or(USUAL_BASELINE).clamp(LEAST_BASELINE, MOST_BASELINE);
    let mut placed = Vec::with_capacity(results.len());
    for result in results {
        let seen = seen(result);
        let mut place = place(agent, result);
        if seen != Seen::Ok {
            fill_from_last_good(&mut place, results);
        }
        placed.push(Observation {
            result: (*result).clone(),
            place,
            isp: agent.isp.clone(),
            seen,
            slow: slow(result, seen),
            baseline,
            weight,
        });
    }
    placed
}

fn seen(result: &WorldResult) -> Seen {
    let kind = match result.outcome {
        WorldOutcome::Ok => return Seen::Ok,
        WorldOutcome::Failed(kind) => kind,
        WorldOutcome::HttpStatus => match result.status {
            Some(code) => FailureKind::status(code),
            None => FailureKind::Http(HttpFailure::Protocol),
        },
    };
    if refuses(kind) {
        Seen::Blocked(kind)
    } else if result.retry == Some(RetryOutcome::Ok) {
        Seen::Soft(kind)
    } else {
        Seen::Failed(kind)
    }
}

/// Whether a failure is a refusal and no outage: a filter's page, a bot check, or a status of policy (RFC 9110, 15.5; 6585; 7725).
fn refuses(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Http(HttpFailure::Status(code)) => matches!(code.get(), 403 | 406 | 429 | 451),
        other => other.is_blocked(),
    }
}

fn slow(result: &WorldResult, seen: Seen) -> Option<bool> {
    let (Seen::Ok | Seen::Soft(_)) = seen else { return None };
    let (ttfb, usual) = (result.ttfb_ms?, result.ttfb_usual_ms?);
    Some(ttfb > SLOW_TIMES * usual && ttfb > SLOW_MS)
}

fn place(agent: &WorldAgent, result: &WorldResult) -> Scope {
    Scope {
        all: false,
        asn: agent.asn.filter(|asn| asn.0 != 0),
        region: agent.region.clone(),
        country: agent.country.clone(),
        pop: result.pop.clone(),
        family: result.family.or_else(|| result.address.map(Family::of)),
        address: result.address,
        protocol: result.protocol,
        resolver: result.resolver.clone(),
        network: agent.network.filter(|network| *network != NetworkKind::Unknown),
    }
}

/// A failure may end before PoP, address or resolver are known; the same agent's newest good result of the same family tells.
fn fill_from_last_good(place: &mut Scope, results: &[&WorldResult]) {
    let good = |r: &&&WorldResult| {
        let family = r.family.or_else(|| r.address.map(Family::of));
        r.outcome == WorldOutcome::Ok && (place.family.is_none() || family == place.family)
    };
    let newest = results.iter().filter(good).min_by_key(|r| r.age_ms.unwrap_or(0));
    let Some(newest) = newest else { return };
    if place.address.is_none() || place.address == newest.address {
        place.pop = place.pop.take().or_else(|| newest.pop.clone());
    }
    place.address = place.address.or(newest.address);
    place.resolver = place.resolver.take().or_else(|| newest.resolver.clone());
}

/// Older results weigh less than the newest one.
fn fade(usable: &mut [Observation]) {
    let newest = usable.iter().map(|o| o.result.age_ms.unwrap_or(0)).min().unwrap_or(0);
    for observation in usable {
        let age = observation.result.age_ms.unwrap_or(0) - newest;
        observation.weight *= (-(age as f64) / HALF_LIFE_MS).exp2();
    }
}

/// A length as a count; worlds are bounded far below 2^32.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
