//! The recent past of one target: each agent's last few results, and what is usual for that agent.
//!
//! Pure: moments come in. A window turns into a [`World`] for diagnosis and into rows for pages. Silence is not failure: an agent
//! that sends nothing leaves the window, it does not fail in it. In which order results come, and how often the same one comes,
//! changes nothing: each has its place by the moment at which it was seen.

mod marks;
mod memory;
mod track;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parallax_diagnose::{CertProblem, Trial, World, WorldAgent, WorldReports, WorldResult, covers, onset};
use parallax_model::{
    AgentId, FailureKind, NetworkKind, Onset, ProbeResult, ReportCounts, Scope, TlsFailure, UnixMicros,
    Vantage, Verdict,
};

use crate::read::CheckRow;
use crate::reported::Reported;
use marks::Mark;
pub(crate) use track::{ROUNDS, Track};

/// Results older than this never count, however long the interval.
const MAX_AGE: Duration = Duration::from_mins(15);
/// A target's window reaches back three intervals, but at least this far, so that checks of unwatched sites stay a while.
const MIN_AGE: Duration = Duration::from_mins(2);
/// Intervals a window reaches back: three rounds (diagnosis.md 5.10).
const INTERVALS: u32 = 3;
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
    /// Agents that are connected, with their places.
    pub connected: &'a [(AgentId, Arc<Vantage>)],
    /// Agents that fell silent together with their whole network: they are not asked, and what they said last does not count.
    pub silent: &'a BTreeSet<AgentId>,
}

/// The window of one target.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    interval: Option<Duration>,
    tracks: BTreeMap<AgentId, Track>,
}

impl Window {
    /// An empty window of a target that is probed every `interval`, or only when asked.
    pub(crate) const fn new(interval: Option<Duration>) -> Self {
        Self { interval, tracks: BTreeMap::new() }
    }

    /// Says how often the target is probed from now on.
    pub(crate) const fn set_interval(&mut self, interval: Option<Duration>) {
        self.interval = interval;
    }

    /// How often the target is probed.
    pub(crate) const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// Adds a result that was seen at `at`; one that is not applicable says nothing and is left out.
    pub(crate) fn add(
        &mut self,
        agent: AgentId,
        vantage: &Arc<Vantage>,
        at: UnixMicros,
        result: Arc<ProbeResult>,
    ) {
        if result.outcome.is_not_applicable() {
            return;
        }
        self.tracks.entry(agent).or_insert_with(|| Track::new(vantage)).add(vantage, at, result);
    }

    /// How far back results count.
    fn reach(&self) -> Duration {
        reach(self.interval)
    }

    /// Drops results that are too old. Returns whether any was.
    pub(crate) fn expire(&mut self, now: UnixMicros) -> bool {
        let reach = u64::try_from(self.reach().as_micros()).unwrap_or(u64::MAX);
        let mut dropped = false;
        for track in self.tracks.values_mut() {
            dropped |= track.expire(now, reach);
        }
        dropped
    }

    /// Whether no result is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.tracks.values().all(Track::is_empty)
    }

    /// Counts the results since the last call into the agents' baselines, if the target was up meanwhile.
    pub(crate) fn settle(&mut self, up: bool) {
        self.tracks.values_mut().for_each(|t| t.settle(up));
    }

    fn tracks<'a>(&'a self, around: &'a Around<'_>) -> impl Iterator<Item = (&'a AgentId, &'a Track)> {
        self.tracks.iter().filter(|(agent, track)| !track.is_empty() && !around.silent.contains(*agent))
    }

    /// What diagnosis is asked about. Of a watched target every connected agent was asked; those who have not answered are named
    /// in the world without results.
    pub(crate) fn world(&self, now: UnixMicros, around: &Around<'_>) -> World {
        let mut world = World::default();
        let unheard = |agent: &AgentId| self.tracks.get(agent).is_none_or(Track::is_empty);
        if self.interval.is_some() {
            let asked = around.connected.iter().filter(|(agent, _)| unheard(agent));
            world.agents.extend(asked.map(|(agent, vantage)| world_agent(agent, vantage)));
        }
        for (agent, track) in self.tracks(around) {
            let mut known = world_agent(agent, track.vantage());
            known.fail_rate = Some(track.fail_rate());
            world.agents.push(known);
            world.results.extend(track.results(agent, now));
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
        world.changes = memory::changes(self.tracks.values().map(Track::habits), now);
        world
    }

    /// When the fault of these scopes began, looked for in the last half hour and not before `earliest`.
    pub(crate) fn onset(&self, verdict: Verdict, scopes: &[Scope], earliest: UnixMicros) -> Option<Onset> {
        let mut trials = Vec::new();
        for track in self.tracks.values() {
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
        let heard = self.tracks.iter().filter(|(agent, _)| !silent.contains(*agent));
        let newest = heard.filter_map(|(_, track)| track.newest_mark());
        newest.fold((0, 0), |(all, failing), mark| (all + 1, failing + usize::from(mark == Mark::Fails)))
    }

    /// Agents whose newest answer is a failure.
    pub(crate) fn failing(&self) -> impl Iterator<Item = &AgentId> {
        self.tracks.iter().filter(|(_, t)| t.newest_mark() == Some(Mark::Fails)).map(|(agent, _)| agent)
    }

    /// Whether this agent's newest answer is a good one.
    pub(crate) fn works_for(&self, agent: &AgentId) -> bool {
        let newest = self.tracks.get(agent).and_then(Track::newest_mark);
        matches!(newest, Some(Mark::Works | Mark::Slow))
    }

    /// Every agent's newest result with its place.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (&AgentId, &Track)> {
        self.tracks.iter().filter(|(_, track)| !track.is_empty())
    }

    /// Every agent's latest result, with its age.
    pub(crate) fn rows(&self, now: UnixMicros) -> Vec<CheckRow> {
        self.tracks.iter().filter_map(|(agent, track)| track.row(agent, now)).collect()
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

/// A result as diagnosis knows it.
pub(crate) fn world_result(agent: &AgentId, seen: &ProbeResult, age: Duration) -> WorldResult {
    let first_byte_ms = seen.phases.first_byte.map(parallax_model::Micros::as_millis_f64);
    let failed = !seen.outcome.is_ok();
    WorldResult {
        age_ms: u64::try_from(age.as_millis()).ok(),
        status: seen.status,
        pop: seen.emitter.as_ref().and_then(|e| e.pop.clone()),
        address: seen.address,
        family: seen.family,
        protocol: seen.protocol,
        resolver: seen.dns.resolver.as_ref().map(|r| r.as_ref().to_owned()),
        emitter: seen.emitter.as_ref().map(|e| e.name.as_ref().to_owned()),
        ttfb_ms: first_byte_ms,
        beacon: Some(seen.beacon),
        retry: seen.retry,
        address_current: seen.tie_breakers.address_current,
        static_ok: seen.tie_breakers.static_ok,
        other_address_ok: seen.tie_breakers.other_address.map(|_| true),
        other_family_ok: seen.tie_breakers.other_family_ok,
        other_port_open: seen.tie_breakers.other_port_open,
        without_h3_ok: seen.tie_breakers.without_h3_ok,
        soa_serial: seen.tie_breakers.soa_serial,
        cert_problem: seen.outcome.kind().and_then(certificate_problem),
        kind: kind(seen).map(str::to_owned),
        error_ms: if failed { first_byte_ms } else { None },
        retry_after: seen.retry_after_s.map(f64::from),
        ttl_left_s: seen.dns.ttl_left_s,
        ..WorldResult::new(agent.clone(), seen.outcome.into())
    }
}

/// What is wrong with the certificate, by the failure of the handshake.
fn certificate_problem(kind: FailureKind) -> Option<CertProblem> {
    let FailureKind::Tls(tls) = kind else { return None };
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
fn kind(seen: &ProbeResult) -> Option<&'static str> {
    if let Some(page) = seen.body.as_ref().and_then(|body| body.page) {
        return Some(page.as_str());
    }
    // RFC 9110, 15.5.20: the server does not serve this name.
    (seen.status.is_some_and(|code| code.get() == 421)).then_some("wrong-host")
}

#[cfg(test)]
pub(crate) mod tests;
