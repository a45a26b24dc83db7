//! First step: results in canonical order, without duplicates, each with its place and weight; and what was set aside, and why.

use std::cmp::Ordering;

use parallax_model::{
    AgentFailure, AgentId, BeaconState, BlockedFailure, FailureKind, Family, HttpFailure, IspName,
    NetworkKind, RetryOutcome,
};
use serde::{Deserialize, Serialize};

use crate::evidence::repeat_weight;
use crate::place::Place;
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
pub(crate) const SOFT: f64 = 0.3;
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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observation<'a> {
    /// The result as it came.
    pub result: &'a WorldResult,
    /// Every attribute value that is known of it, the agent's and the result's; what a failed result lacks is filled from
    /// the same agent's last good one.
    pub place: Place<'a>,
    /// The name of its network.
    pub isp: Option<&'a IspName>,
    /// What it means.
    pub seen: Seen,
    /// Whether it was slow; `None` when its usual time is not known or nothing answered.
    pub slow: Option<bool>,
    /// How often this agent fails by itself, 0 to 1.
    pub baseline: f64,
    /// 1 for a fresh single result, less for repeats and older ones.
    pub weight: f64,
    /// Number of its agent, from 1; the observations of one agent stand together.
    #[serde(skip)]
    pub(crate) agent: u32,
}

impl Observation<'_> {
    /// What it says to one question: 1 yes, 0 no, `None` nothing.
    #[inline]
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

/// What was seen, ready to be weighed; it borrows from the world it was seen in.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Observations<'a> {
    /// Agents that were asked.
    pub asked: u32,
    /// Usable results in canonical order.
    pub usable: Vec<Observation<'a>>,
    /// Why the other agents' results are not used.
    pub set_aside: SetAside,
    /// What visitors reported.
    pub reports: Option<&'a WorldReports>,
    /// The visitor who asks.
    pub visitor: Option<&'a WorldVisitor>,
    /// Changes that were noticed.
    pub changes: Vec<Change>,
    /// How other targets fare.
    pub elsewhere: Option<Elsewhere>,
}

/// First step. Results of agents that the world does not list are left out.
pub fn observe(world: &World) -> Observations<'_> {
    let mut observations = Observations {
        usable: Vec::with_capacity(world.results.len()),
        reports: world.reports.as_ref(),
        visitor: world.visitor.as_ref(),
        changes: world.changes.clone(),
        elsewhere: world.elsewhere,
        ..Observations::default()
    };
    observations.changes.sort_by(|a, b| a.what.cmp(&b.what).then(a.ago_s.total_cmp(&b.ago_s)));
    let agents = by_name(world.agents.iter().map(|agent| &agent.agent));
    let results = by_name(world.results.iter().map(|result| &result.agent));
    let mut results = results.chunk_by(Named::same).peekable();
    let mut of_agent = Vec::new();
    for same in agents.chunk_by(Named::same) {
        observations.asked += 1;
        // The last of two agents of one name is the one that counts.
        let agent = &world.agents[same[same.len() - 1].index];
        while results.next_if(|theirs| theirs[0].by_name(&same[0]).is_lt()).is_some() {}
        let Some(theirs) = results.next_if(|theirs| theirs[0].same(&same[0])) else {
            observations.set_aside.silent += 1;
            continue;
        };
        of_agent.clear();
        of_agent.extend(theirs.iter().map(|named| &world.results[named.index]));
        match keep_usable(&mut of_agent) {
            Ok(()) => place_results(agent, observations.asked, &of_agent, &mut observations.usable),
            Err(reason) => *reason.counter(&mut observations.set_aside) += 1,
        }
    }
    fade(&mut observations.usable);
    observations
}

/// The name of an agent as numbers, which compare fast, and where in its list it stands.
#[derive(Debug, Clone, Copy)]
struct Named<'a> {
    first: u128,
    /// What does not fit into the number.
    rest: Option<&'a str>,
    index: usize,
}

impl<'a> Named<'a> {
    fn new(index: usize, agent: &'a AgentId) -> Self {
        const FIRST: usize = size_of::<u128>();
        let name = agent.as_str();
        let bytes = name.as_bytes();
        let first = match (bytes.first_chunk::<FIRST>(), bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), ..) => u128::from_be_bytes(*first),
            // The last eight bytes without those that the first eight have too.
            (_, Some(head), Some(tail)) => {
                let tail = u128::from(u64::from_be_bytes(*tail)) << (8 * (FIRST - bytes.len()));
                u128::from(u64::from_be_bytes(*head)) << 64 | tail & u128::from(u64::MAX)
            }
            _ => {
                let short = bytes.iter().fold(0_u64, |first, byte| first << 8 | u64::from(*byte));
                u128::from(short) << (8 * (FIRST - bytes.len()))
            }
        };
        Self { first, rest: name.get(FIRST..).filter(|rest| !rest.is_empty()), index }
    }

    /// Names have no byte 0, so that this is their order.
    fn by_name(&self, other: &Self) -> Ordering {
        self.first.cmp(&other.first).then_with(|| self.rest.cmp(&other.rest))
    }

    fn same(&self, other: &Self) -> bool {
        self.by_name(other).is_eq()
    }
}

/// In the order of names; those of one name in the order in which they came.
fn by_name<'a>(names: impl Iterator<Item = &'a AgentId>) -> Vec<Named<'a>> {
    let mut sorted: Vec<Named<'a>> =
        names.enumerate().map(|(index, agent)| Named::new(index, agent)).collect();
    sorted.sort_unstable_by(|a, b| a.by_name(b).then(a.index.cmp(&b.index)));
    sorted
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

/// Keeps one agent's distinct results that say something about the site, in canonical order; or says why there are none.
fn keep_usable(results: &mut Vec<&WorldResult>) -> Result<(), Unusable> {
    if let [only] = results.as_slice()
        && only.age_ms.unwrap_or(0) <= STALE_MS
        && only.beacon != Some(BeaconState::Failed)
        && !is_ours(only)
    {
        return Ok(());
    }
    results.retain(|r| r.age_ms.unwrap_or(0) <= STALE_MS);
    if results.is_empty() {
        return Err(Unusable::Stale);
    }
    if results.iter().any(|r| r.beacon == Some(BeaconState::Failed)) {
        return Err(Unusable::OwnLine);
    }
    if results.iter().any(|r| !is_ours(r)) {
        results.retain(|r| !is_ours(r));
        into_canonical_order(results);
        return Ok(());
    }
    let says = |kind| results.iter().any(|r| r.outcome == WorldOutcome::Failed(kind));
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

/// Orders results without regard to the order they came in, and drops those that are the same in everything.
fn into_canonical_order(results: &mut Vec<&WorldResult>) {
    let key = |r: &&WorldResult| (r.attempt.unwrap_or(0), r.age_ms.unwrap_or(0));
    results.sort_by_key(key);
    for tied in results.chunk_by_mut(|a, b| key(a) == key(b)) {
        if tied.windows(2).any(|pair| pair[0] != pair[1]) {
            tied.sort_by_cached_key(|r| format!("{r:?}"));
        }
    }
    results.dedup();
}

fn place_results<'a>(
    agent: &'a WorldAgent,
    number: u32,
    results: &[&'a WorldResult],
    placed: &mut Vec<Observation<'a>>,
) {
    let weight = repeat_weight(count(results.len()));
    let baseline = agent.fail_rate.unwrap_or(USUAL_BASELINE).clamp(LEAST_BASELINE, MOST_BASELINE);
    for result in results.iter().copied() {
        let seen = seen(result);
        let mut place = place(agent, result);
        if seen != Seen::Ok && results.len() > 1 {
            fill_from_last_good(&mut place, results);
        }
        placed.push(Observation {
            result,
            place,
            isp: agent.isp.as_ref(),
            seen,
            slow: slow(result, seen),
            baseline,
            weight,
            agent: number,
        });
    }
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
    Some(is_slow(ttfb, usual))
}

/// Whether a time to first byte is slow for an agent that usually waits so long, both in milliseconds.
pub fn is_slow(ttfb_ms: f64, usual_ms: f64) -> bool {
    ttfb_ms > SLOW_TIMES * usual_ms && ttfb_ms > SLOW_MS
}

fn place<'a>(agent: &'a WorldAgent, result: &'a WorldResult) -> Place<'a> {
    Place {
        asn: agent.asn.filter(|asn| asn.0 != 0),
        region: agent.region.as_ref(),
        country: agent.country.as_ref(),
        pop: result.pop.as_ref(),
        family: result.family.or_else(|| result.address.map(Family::of)),
        address: result.address,
        protocol: result.protocol,
        resolver: result.resolver.as_deref(),
        network: agent.network.filter(|network| *network != NetworkKind::Unknown),
    }
}

/// A failure may end before PoP, address or resolver are known; the same agent's newest good result of the same family tells.
fn fill_from_last_good<'a>(place: &mut Place<'a>, results: &[&'a WorldResult]) {
    let good = |r: &&&'a WorldResult| {
        let family = r.family.or_else(|| r.address.map(Family::of));
        r.outcome == WorldOutcome::Ok && (place.family.is_none() || family == place.family)
    };
    let newest = results.iter().filter(good).min_by_key(|r| r.age_ms.unwrap_or(0));
    let Some(newest) = newest else { return };
    if place.address.is_none() || place.address == newest.address {
        place.pop = place.pop.or(newest.pop.as_ref());
    }
    place.address = place.address.or(newest.address);
    place.resolver = place.resolver.or(newest.resolver.as_deref());
}

/// Older results weigh less than the newest one.
fn fade(usable: &mut [Observation<'_>]) {
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
