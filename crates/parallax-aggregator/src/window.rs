//! The recent past of one target: each agent's last few results, and what is usual for that agent.
//!
//! Pure: moments come in. A window turns into a [`World`] for diagnosis and into rows for pages. Silence is not failure: an agent
//! that sends nothing leaves the window, it does not fail in it. In which order results come, and how often the same one comes,
//! changes nothing: each has its place by the moment at which it was seen.

mod learnt;
mod marks;
mod memory;
mod rows;
mod seen;
mod track;

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use parallax_diagnose::{CertProblem, Trial, World, WorldAgent, WorldReports, WorldResult, covers, onset};
use parallax_model::{
    AgentId, BeaconState, Emitter, FailureKind, Family, Micros, NetworkKind, Onset, Outcome, PageKind,
    ProbeResult, Protocol, ReportCounts, RetryOutcome, Scope, StatusCode, Target, TieBreakers, TlsFailure,
    UnixMicros, Vantage, Verdict,
};
use parallax_proto::batch::Results;

use crate::reported::Reported;
pub(crate) use learnt::{Kept, Known};
pub(crate) use marks::KEPT as ONSET_KEPT;
use marks::Mark;
pub use rows::Rows;
pub(crate) use seen::Seen;
use track::Shared;
pub(crate) use track::{ROUNDS, Track};

/// Results older than this never count, however long the interval.
const MAX_AGE: Duration = Duration::from_mins(15);
/// A target's window reaches back three intervals, but at least this far, so that checks of unwatched sites stay a while.
const MIN_AGE: Duration = Duration::from_mins(2);
/// Intervals a window reaches back: three rounds (diagnosis.md 5.10).
const INTERVALS: u32 = 3;
/// An agent that was not heard for so long is forgotten, with what it was used to.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);
/// How much a failure counts whose retry worked, when the beginning of a fault is looked for.
const WAVERS: f64 = 0.3;

/// How far back results count of a target that is probed this often, or only when asked.
pub(crate) fn reach(interval: Option<Duration>) -> Duration {
    interval.map_or(MIN_AGE, |i| (i * INTERVALS).clamp(MIN_AGE, MAX_AGE))
}

/// What a world has beside the target's own results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// What visitors reported.
    pub reported: &'a Reported,
    /// Agents that are connected, with their places; in the order of the agents.
    pub connected: &'a [(AgentId, Arc<Vantage>)],
    /// Agents that fell silent together with their whole network: they are not asked, and what they said last does not count.
    pub silent: &'a BTreeSet<AgentId>,
}

/// The window of one target: a cell for each agent that sent something of it.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    interval: Option<Duration>,
    // One piece of memory each: the next batch of the agent touches it and nothing of its neighbours.
    #[expect(clippy::vec_box, reason = "a growing vector would move all cells, and waste up to half")]
    tracks: Vec<Box<Track>>,
    /// Places by the agents' hashes.
    places: HashTable<u32>,
    hashes: RandomState,
    /// Places in the order of the agents, made when somebody asks for it.
    order: OnceLock<Vec<u32>>,
    shared: Shared,
    /// Until when results are counted into the baselines.
    settled_at: UnixMicros,
    /// No result in it is older.
    oldest: UnixMicros,
}

impl Window {
    /// An empty window of a target that is probed every `interval`, or only when asked.
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self {
            interval,
            tracks: Vec::new(),
            places: HashTable::new(),
            hashes: RandomState::default(),
            order: OnceLock::new(),
            shared: Shared::default(),
            settled_at: UnixMicros::default(),
            oldest: UnixMicros(i64::MAX),
        }
    }

    /// Says how often the target is probed from now on.
    pub(crate) const fn set_interval(&mut self, interval: Option<Duration>) {
        self.interval = interval;
    }

    /// How often the target is probed.
    pub(crate) const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// How many cells it has.
    pub(crate) const fn cells(&self) -> usize {
        self.tracks.len()
    }

    /// Which cell is this agent's.
    pub(crate) fn cell_of(&self, agent: &AgentId) -> Option<usize> {
        let is = |place: &u32| self.tracks.get(*place as usize).is_some_and(|track| track.agent() == agent);
        self.places.find(self.hashes.hash_one(agent), is).map(|place| *place as usize)
    }

    /// A cell for an agent that has none.
    pub(crate) fn open(&mut self, agent: &AgentId, vantage: &Arc<Vantage>) -> usize {
        self.take_in(Box::new(Track::new(agent, vantage)));
        self.tracks.len() - 1
    }

    fn take_in(&mut self, track: Box<Track>) {
        self.order.take();
        let hash = |place: &u32| self.hashes.hash_one(self.tracks[*place as usize].agent());
        let place = u32::try_from(self.tracks.len()).unwrap_or(u32::MAX);
        self.places.insert_unique(self.hashes.hash_one(track.agent()), place, hash);
        self.tracks.push(track);
    }

    /// Adds a row of a batch to a cell of this window, as it was seen at `at`.
    pub(crate) fn add_row(
        &mut self,
        cell: usize,
        vantage: &Arc<Vantage>,
        at: UnixMicros,
        row: (&Results, usize),
    ) {
        let Some(track) = self.tracks.get_mut(cell) else {
            return;
        };
        track.add(vantage, at, row, &mut self.shared);
        self.oldest = self.oldest.min(at);
    }

    /// Takes the cell away whose agent was not heard for longest.
    pub(crate) fn close_longest_unheard(&mut self) {
        let unheard = self.tracks.iter().min_by(|a, b| (a.heard(), a.agent()).cmp(&(b.heard(), b.agent())));
        if let Some(agent) = unheard.map(|track| track.agent().clone()) {
            self.keep(|track| *track.agent() != agent);
        }
    }

    /// Forgets agents that were not heard for long. Returns how many.
    pub(crate) fn forget(&mut self, now: UnixMicros) -> usize {
        let kept = u64::try_from(FORGOTTEN_AFTER.as_micros()).unwrap_or(u64::MAX);
        let before = self.tracks.len();
        if self.tracks.iter().any(|track| now.since(track.heard()) > kept) {
            self.keep(|track| now.since(track.heard()) <= kept);
        }
        before - self.tracks.len()
    }

    fn keep(&mut self, wanted: impl Fn(&Track) -> bool) {
        self.tracks.retain(|track| wanted(track));
        self.tracks.shrink_to_fit();
        self.order.take();
        let hash = |place: &u32| self.hashes.hash_one(self.tracks[*place as usize].agent());
        self.places = HashTable::with_capacity(self.tracks.len());
        for place in 0..self.count() {
            self.places.insert_unique(hash(&place), place, hash);
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.tracks.len()).unwrap_or(u32::MAX)
    }

    /// How far back results count.
    fn reach(&self) -> Duration {
        reach(self.interval)
    }

    /// Drops results that are too old. Returns whether any was.
    pub(crate) fn expire(&mut self, now: UnixMicros) -> bool {
        let reach = u64::try_from(self.reach().as_micros()).unwrap_or(u64::MAX);
        if now.since(self.oldest) <= reach {
            return false;
        }
        let mut dropped = false;
        for track in &mut self.tracks {
            dropped |= track.expire(now, reach);
        }
        self.oldest =
            self.tracks.iter().filter_map(|track| track.oldest()).min().unwrap_or(UnixMicros(i64::MAX));
        dropped
    }

    /// Whether no result is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.tracks.iter().all(|track| track.is_empty())
    }

    /// Counts the results since the last call into the agents' baselines, if the target was up meanwhile.
    pub(crate) fn settle(&mut self, up: bool, now: UnixMicros) {
        self.settled_at = now;
        self.tracks.iter_mut().for_each(|t| t.settle(up));
    }

    /// The cells in the order of their agents.
    fn in_order(&self) -> impl Iterator<Item = &Track> {
        let order = self.order.get_or_init(|| {
            let mut order: Vec<u32> = (0..self.count()).collect();
            order.sort_unstable_by_key(|place| self.tracks[*place as usize].agent());
            order
        });
        order.iter().filter_map(|place| self.tracks.get(*place as usize)).map(Box::as_ref)
    }

    fn track(&self, agent: &AgentId) -> Option<&Track> {
        self.tracks.get(self.cell_of(agent)?).map(Box::as_ref)
    }

    /// What diagnosis is asked about. Of a watched target every connected agent was asked; those who have not answered are named
    /// in the world without results.
    pub(crate) fn world(&self, now: UnixMicros, around: &Around<'_>) -> World {
        let mut world = World::default();
        world.agents.reserve(self.tracks.len());
        world.results.reserve(self.tracks.len() * ROUNDS);
        if self.interval.is_some() {
            let asked = self.unheard(around.connected);
            world.agents.extend(asked.map(|(agent, vantage)| world_agent(agent, vantage)));
        }
        for track in self.newest().filter(|track| !around.silent.contains(track.agent())) {
            let mut known = world_agent(track.agent(), track.vantage());
            known.fail_rate = Some(track.fail_rate());
            world.agents.push(known);
            world.results.extend(track.results(now));
        }
        let counts = around.reported.counts;
        if counts != ReportCounts::default() {
            world.reports = Some(WorldReports {
                problem: counts.problem,
                works: counts.works,
                expected: counts.expected,
                surge: Some(counts.surge),
                by_asn: around.reported.by_asn.clone(),
            });
        }
        let there = self.tracks.iter().filter(|track| !track.is_empty());
        world.changes = memory::changes(there.map(|track| track.habits()), now);
        world
    }

    /// Those of these agents, which are in their order, that have no result in it.
    fn unheard<'a>(
        &self,
        connected: &'a [(AgentId, Arc<Vantage>)],
    ) -> impl Iterator<Item = &'a (AgentId, Arc<Vantage>)> {
        // Both are in the same order: a look-up of each agent would cost more than all else.
        let mut heard = self.newest().map(Track::agent).peekable();
        connected.iter().filter(move |(agent, _)| {
            while heard.next_if(|heard| *heard < agent).is_some() {}
            heard.peek().is_none_or(|heard| *heard != agent)
        })
    }

    /// When the fault of these scopes began, not before `earliest`; [`ONSET_KEPT`] is how far back it can be told.
    pub(crate) fn onset(&self, verdict: Verdict, scopes: &[Scope], earliest: UnixMicros) -> Option<Onset> {
        let mut trials = Vec::new();
        for track in self.in_order() {
            let place_now = track.place();
            let inside = |marked: &marks::Marked| {
                let protocol = marked.protocol.or(place_now.protocol);
                let place = Scope { family: marked.family, protocol, ..place_now.clone() };
                marked.at >= earliest && scopes.iter().any(|scope| covers(scope, &place))
            };
            let baseline = track.fail_rate();
            let trial = |m: marks::Marked| Some(Trial { at: m.at, y: says(m.mark, verdict)?, baseline });
            trials.extend(track.marks().filter(inside).filter_map(trial));
        }
        onset(trials)
    }

    /// Agents that answer now, and of those the ones whose newest answer is a failure.
    pub(crate) fn tally(&self, silent: &BTreeSet<AgentId>) -> (usize, usize) {
        let heard = self.tracks.iter().filter(|track| !silent.contains(track.agent()));
        let newest = heard.filter_map(|track| track.newest_mark());
        newest.fold((0, 0), |(all, failing), mark| (all + 1, failing + usize::from(mark == Mark::Fails)))
    }

    /// Agents whose newest answer is a failure.
    pub(crate) fn failing(&self) -> impl Iterator<Item = &AgentId> {
        self.tracks.iter().filter(|track| track.fails()).map(|track| track.agent())
    }

    /// Whether this agent's newest answer is a good one.
    pub(crate) fn works_for(&self, agent: &AgentId) -> bool {
        let newest = self.track(agent).and_then(Track::newest_mark);
        matches!(newest, Some(Mark::Works | Mark::Slow))
    }

    /// Every agent that has a result, in the order of the agents.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Track> {
        self.in_order().filter(|track| !track.is_empty())
    }

    /// Every agent's latest result of `target`, with its age.
    pub(crate) fn rows(&self, target: &Target, now: UnixMicros) -> Rows {
        Rows::new(target.clone(), now, self.in_order().filter_map(Track::row).collect())
    }
}

/// What a mark says to the question that the verdict answers: is it slow, or does it fail?
fn says(mark: Mark, verdict: Verdict) -> Option<f64> {
    if verdict == Verdict::Degraded {
        return match mark {
            Mark::Works => Some(0.0),
            Mark::Slow => Some(1.0),
            Mark::Wavers | Mark::Fails => None,
        };
    }
    Some(match mark {
        Mark::Works | Mark::Slow => 0.0,
        Mark::Wavers => WAVERS,
        Mark::Fails => 1.0,
    })
}

/// An agent as diagnosis knows it.
pub(crate) fn world_agent(agent: &AgentId, vantage: &Vantage) -> WorldAgent {
    WorldAgent {
        asn: vantage.asn,
        isp: vantage.isp.clone(),
        region: vantage.region.clone(),
        country: vantage.country.clone(),
        network: (vantage.network != NetworkKind::Unknown).then_some(vantage.network),
        ..WorldAgent::new(agent.clone())
    }
}

/// What diagnosis asks of a result, wherever it is kept.
#[derive(Debug, Clone, Copy)]
struct Told<'a> {
    outcome: Outcome,
    status: Option<StatusCode>,
    emitter: Option<&'a Emitter>,
    address: Option<std::net::IpAddr>,
    family: Option<Family>,
    protocol: Option<Protocol>,
    resolver: Option<&'a str>,
    ttl_left_s: Option<u32>,
    first_byte: Option<Micros>,
    beacon: BeaconState,
    retry: Option<RetryOutcome>,
    retry_after_s: Option<u32>,
    tie_breakers: TieBreakers,
    page: Option<PageKind>,
}

impl<'a> From<&'a ProbeResult> for Told<'a> {
    fn from(result: &'a ProbeResult) -> Self {
        Self {
            outcome: result.outcome,
            status: result.status,
            emitter: result.emitter.as_ref(),
            address: result.address,
            family: result.family,
            protocol: result.protocol,
            resolver: result.dns.resolver.as_deref(),
            ttl_left_s: result.dns.ttl_left_s,
            first_byte: result.phases.first_byte,
            beacon: result.beacon,
            retry: result.retry,
            retry_after_s: result.retry_after_s,
            tie_breakers: result.tie_breakers,
            page: result.body.as_ref().and_then(|body| body.page),
        }
    }
}

impl<'a> From<&'a Seen> for Told<'a> {
    fn from(seen: &'a Seen) -> Self {
        Self {
            outcome: seen.outcome,
            status: seen.status,
            emitter: seen.emitter.as_deref(),
            address: seen.address,
            family: seen.family,
            protocol: seen.protocol,
            resolver: seen.resolver(),
            ttl_left_s: seen.ttl_left_s(),
            first_byte: seen.first_byte(),
            beacon: seen.beacon,
            retry: seen.retry,
            retry_after_s: seen.retry_after_s(),
            tie_breakers: seen.tie_breakers(),
            page: seen.page,
        }
    }
}

/// A result as diagnosis knows it.
pub(crate) fn world_result(agent: &AgentId, result: &ProbeResult, age: Duration) -> WorldResult {
    told_result(agent, result.into(), age)
}

fn told_result(agent: &AgentId, told: Told<'_>, age: Duration) -> WorldResult {
    let first_byte_ms = told.first_byte.map(Micros::as_millis_f64);
    let failed = !told.outcome.is_ok();
    WorldResult {
        age_ms: u64::try_from(age.as_millis()).ok(),
        status: told.status,
        pop: told.emitter.and_then(|e| e.pop.clone()),
        address: told.address,
        family: told.family,
        protocol: told.protocol,
        resolver: told.resolver.map(str::to_owned),
        emitter: told.emitter.map(|e| e.name.as_ref().to_owned()),
        ttfb_ms: first_byte_ms,
        beacon: Some(told.beacon),
        retry: told.retry,
        address_current: told.tie_breakers.address_current,
        static_ok: told.tie_breakers.static_ok,
        other_address_ok: told.tie_breakers.other_address.map(|_| true),
        other_family_ok: told.tie_breakers.other_family_ok,
        other_port_open: told.tie_breakers.other_port_open,
        without_h3_ok: told.tie_breakers.without_h3_ok,
        soa_serial: told.tie_breakers.soa_serial,
        cert_problem: told.outcome.kind().and_then(certificate_problem),
        kind: kind(told).map(str::to_owned),
        error_ms: if failed { first_byte_ms } else { None },
        retry_after: told.retry_after_s.map(f64::from),
        ttl_left_s: told.ttl_left_s,
        ..WorldResult::new(agent.clone(), told.outcome.into())
    }
}

/// What is wrong with the certificate, by the failure of the handshake.
fn certificate_problem(kind: FailureKind) -> Option<CertProblem> {
    let FailureKind::Tls(tls) = kind else {
        return None;
    };
    let named = match tls {
        TlsFailure::Expired
        | TlsFailure::NotYetValid
        | TlsFailure::NameMismatch
        | TlsFailure::Untrusted
        | TlsFailure::SelfSigned
        | TlsFailure::Revoked => tls.as_str().trim_start_matches("tls-").to_owned(),
        TlsFailure::Handshake | TlsFailure::Timeout | TlsFailure::Reset => return None,
    };
    Some(CertProblem::Named(named))
}

/// What the answer is in the explainer's words, where it is not the site's own page.
fn kind(told: Told<'_>) -> Option<&'static str> {
    if let Some(page) = told.page {
        return Some(page.as_str());
    }
    // RFC 9110, 15.5.20: the server does not serve this name.
    (told.status.is_some_and(|code| code.get() == 421)).then_some("wrong-host")
}

#[cfg(test)]
pub(crate) mod tests;
