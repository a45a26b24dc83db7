//! The recent past of one target: each agent's last few results, and what is usual for that agent.
//!
//! Pure: moments come in. A window turns into a [`World`] for diagnosis and into rows for pages. Silence is not failure: an agent
//! that sends nothing leaves the window, it does not fail in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parallax_diagnose::{World, WorldAgent, WorldReports, WorldResult};
use parallax_model::{AgentId, NetworkKind, Pop, ProbeResult, Protocol, ReportCounts, UnixMicros, Vantage};

use crate::read::CheckRow;
use crate::reported::Reported;

/// How many results of one agent count at once: three rounds (diagnosis.md 5.10).
const ROUNDS: usize = 3;
/// How long a good answer says which way an agent takes (diagnosis.md 5.1): a connection that never stood shows no PoP.
const WAY_KEPT: Duration = Duration::from_hours(24);
/// Results older than this never count, however long the interval.
const MAX_AGE: Duration = Duration::from_mins(15);
/// A target's window reaches back three intervals, but at least this far, so that checks of unwatched sites stay a while.
const MIN_AGE: Duration = Duration::from_mins(2);
/// Strength of the belief that an agent fails rarely, in results.
const BASELINE_STRENGTH: f64 = 20.0;
/// Share of failures believed before anything was seen.
const BASELINE_MEAN: f64 = 0.02;
/// Results after which an agent's history is halved, so that it can change.
const BASELINE_MEMORY: f64 = 2_000.0;
/// How many times to the first byte the usual one is the median of.
const USUAL_SAMPLES: usize = 15;

/// Agents that are connected, with their places.
pub(crate) type Connected = [(AgentId, Arc<Vantage>)];

/// One result in a window.
#[derive(Debug, Clone)]
struct Seen {
    at: UnixMicros,
    result: Arc<ProbeResult>,
}

/// One agent's past with one target.
#[derive(Debug, Clone)]
struct Track {
    vantage: Arc<Vantage>,
    recent: VecDeque<Seen>,
    /// Of `recent`, how many at the end were not yet counted into the baseline.
    unsettled: usize,
    fails: f64,
    total: f64,
    first_bytes_us: VecDeque<u32>,
    last_good: Option<Way>,
}

/// The way an agent's last good answer took.
#[derive(Debug, Clone)]
struct Way {
    at: UnixMicros,
    pop: Option<Pop>,
    protocol: Option<Protocol>,
}

impl Way {
    fn of(at: UnixMicros, result: &ProbeResult) -> Self {
        let pop = result.emitter.as_ref().and_then(|emitter| emitter.pop.clone());
        Self { at, pop, protocol: result.protocol }
    }

    /// Fills in what a failure came too early to show.
    fn fill(&self, now: UnixMicros, result: &mut WorldResult) {
        if now.since(self.at) > u64::try_from(WAY_KEPT.as_micros()).unwrap_or(u64::MAX) {
            return;
        }
        result.pop = result.pop.take().or_else(|| self.pop.clone());
        result.protocol = result.protocol.or(self.protocol);
    }
}

impl Track {
    fn fail_rate(&self) -> f64 {
        let prior = BASELINE_MEAN * BASELINE_STRENGTH;
        (self.fails + prior) / (self.total + BASELINE_STRENGTH)
    }

    fn usual_first_byte_ms(&self) -> Option<f64> {
        // Three at least: one slow first answer is not what is usual.
        if self.first_bytes_us.len() < 3 {
            return None;
        }
        let mut sorted: Vec<u32> = self.first_bytes_us.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map(|us| f64::from(*us) / 1_000.0)
    }

    fn settle(&mut self, up: bool) {
        let fresh = self.recent.len().saturating_sub(self.unsettled);
        if up {
            for seen in self.recent.iter().skip(fresh) {
                self.total += 1.0;
                self.fails += f64::from(u8::from(!seen.result.outcome.is_ok()));
                if let (true, Some(us)) = (seen.result.outcome.is_ok(), seen.result.phases.first_byte) {
                    self.first_bytes_us.push_back(us.0);
                }
            }
            while self.first_bytes_us.len() > USUAL_SAMPLES {
                self.first_bytes_us.pop_front();
            }
            if self.total > BASELINE_MEMORY {
                self.total /= 2.0;
                self.fails /= 2.0;
            }
        }
        self.unsettled = 0;
    }
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

    /// Adds a result that was received at `at`; one that is not applicable says nothing and is left out.
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
        let track = self.tracks.entry(agent).or_insert_with(|| Track {
            vantage: Arc::clone(vantage),
            recent: VecDeque::with_capacity(ROUNDS + 1),
            unsettled: 0,
            fails: 0.0,
            total: 0.0,
            first_bytes_us: VecDeque::new(),
            last_good: None,
        });
        track.vantage = Arc::clone(vantage);
        if result.outcome.is_ok() {
            track.last_good = Some(Way::of(at, &result));
        }
        track.recent.push_back(Seen { at, result });
        track.unsettled += 1;
        if track.recent.len() > ROUNDS {
            track.recent.pop_front();
            track.unsettled = track.unsettled.min(ROUNDS);
        }
    }

    /// How far back results count.
    fn reach(&self) -> Duration {
        self.interval.map_or(MIN_AGE, |i| (i * 3).clamp(MIN_AGE, MAX_AGE))
    }

    /// Drops results that are too old. Returns whether any was.
    pub(crate) fn expire(&mut self, now: UnixMicros) -> bool {
        let reach = u64::try_from(self.reach().as_micros()).unwrap_or(u64::MAX);
        let mut dropped = false;
        for track in self.tracks.values_mut() {
            while track.recent.front().is_some_and(|s| now.since(s.at) > reach) {
                track.recent.pop_front();
                track.unsettled = track.unsettled.min(track.recent.len());
                dropped = true;
            }
        }
        dropped
    }

    /// Whether no result is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.tracks.values().all(|t| t.recent.is_empty())
    }

    /// Counts the results since the last call into the agents' baselines, if the target was up meanwhile.
    pub(crate) fn settle(&mut self, up: bool) {
        self.tracks.values_mut().for_each(|t| t.settle(up));
    }

    /// What diagnosis is asked about. Of a watched target every connected agent was asked; those who have not answered are named
    /// in the world without results.
    pub(crate) fn world(&self, now: UnixMicros, reported: &Reported, connected: &Connected) -> World {
        let mut world = World::default();
        let silent = |agent: &AgentId| self.tracks.get(agent).is_none_or(|t| t.recent.is_empty());
        if self.interval.is_some() {
            let asked = connected.iter().filter(|(agent, _)| silent(agent));
            world.agents.extend(asked.map(|(agent, vantage)| world_agent(agent, vantage)));
        }
        for (agent, track) in self.tracks.iter().filter(|(_, t)| !t.recent.is_empty()) {
            let mut known = world_agent(agent, &track.vantage);
            known.fail_rate = Some(track.fail_rate());
            world.agents.push(known);
            let usual = track.usual_first_byte_ms();
            for (attempt, seen) in (1..).zip(&track.recent) {
                let mut result = world_result(agent, &seen.result, Duration::from_micros(now.since(seen.at)));
                if let Some(way) = track.last_good.as_ref().filter(|_| !seen.result.outcome.is_ok()) {
                    way.fill(now, &mut result);
                }
                result.attempt = Some(attempt);
                result.ttfb_usual_ms = usual;
                world.results.push(result);
            }
        }
        let counts = reported.counts;
        if counts != ReportCounts::default() {
            world.reports = Some(WorldReports {
                problem: counts.problem,
                works: counts.works,
                expected: counts.expected,
                surge: Some(counts.surge),
                by_asn: reported.by_asn.clone(),
            });
        }
        world
    }

    /// Every agent's latest result, with its age.
    pub(crate) fn rows(&self, now: UnixMicros) -> Vec<CheckRow> {
        let latest = |(agent, track): (&AgentId, &Track)| {
            let seen = track.recent.back()?;
            Some(CheckRow {
                agent: agent.clone(),
                vantage: track.vantage.as_ref().clone(),
                result: seen.result.as_ref().clone(),
                after: Duration::from_micros(now.since(seen.at)),
            })
        };
        self.tracks.iter().filter_map(latest).collect()
    }
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
        error_ms: if failed { first_byte_ms } else { None },
        retry_after: seen.retry_after_s.map(f64::from),
        ttl_left_s: seen.dns.ttl_left_s,
        ..WorldResult::new(agent.clone(), seen.outcome.into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use parallax_model::{BeaconState, Failure, FailureKind, Micros, Outcome, Party, Phases, StatusCode};

    use super::*;

    /// A result of `https://example.com/` that is ok or failed with `status`.
    pub(crate) fn result(status: u16) -> Arc<ProbeResult> {
        let code = StatusCode::new(status).expect("in range");
        let failed = Outcome::Failed(Failure { kind: FailureKind::status(code), party: Party::Target });
        Arc::new(ProbeResult {
            status: Some(code),
            phases: Phases { first_byte: Some(Micros(20_000)), total: Micros(30_000), ..Phases::default() },
            beacon: BeaconState::Ok,
            ..ProbeResult::new(
                "https://example.com/".parse().expect("canonical"),
                UnixMicros(0),
                if status >= 500 { failed } else { Outcome::Ok },
            )
        })
    }

    fn window() -> (Window, AgentId, Arc<Vantage>) {
        (Window::new(Some(Duration::from_secs(10))), "a".parse().expect("an id"), Arc::default())
    }

    #[test]
    fn three_rounds_count() {
        let (mut window, agent, vantage) = window();
        for s in 0..5 {
            window.add(agent.clone(), &vantage, UnixMicros(0).plus_secs(s), result(200));
        }
        let world = window.world(UnixMicros(0).plus_secs(5), &Reported::default(), &[]);
        let ages: Vec<_> = world.results.iter().filter_map(|r| r.age_ms).collect();
        assert_eq!(ages, [3_000, 2_000, 1_000]);
    }

    #[test]
    fn old_results_leave_and_silence_is_no_failure() {
        let (mut window, agent, vantage) = window();
        window.add(agent, &vantage, UnixMicros(0), result(502));
        assert!(!window.expire(UnixMicros(0).plus_secs(120)));
        assert!(window.expire(UnixMicros(0).plus_secs(121)));
        assert!(window.is_empty());
        assert_eq!(window.world(UnixMicros(0).plus_secs(121), &Reported::default(), &[]).agents, []);
    }

    #[test]
    fn only_results_of_good_times_make_the_baseline() {
        let (mut window, agent, vantage) = window();
        let rate = |w: &Window| w.world(UnixMicros(0), &Reported::default(), &[]).agents[0].fail_rate;
        window.add(agent.clone(), &vantage, UnixMicros(0), result(502));
        window.settle(false);
        assert_eq!(rate(&window), Some(0.02));
        window.add(agent, &vantage, UnixMicros(0), result(502));
        window.settle(true);
        assert_eq!(rate(&window), Some(1.4 / 21.0));
    }

    #[test]
    fn a_failure_is_told_the_way_the_agents_last_good_answer_took() {
        let vantage = Arc::new(Vantage::default());
        let agent: AgentId = "a1".parse().expect("an id");
        let mut window = Window::new(Some(Duration::from_secs(15)));
        let mut good = (*result(200)).clone();
        good.emitter = Some(parallax_model::Emitter {
            name: "an-edge".into(),
            layer: parallax_model::Layer::Edge,
            pop: "FRA".parse().ok(),
            via: Vec::new(),
        });
        good.protocol = Some(Protocol::H2);
        window.add(agent.clone(), &vantage, UnixMicros(0), Arc::new(good));
        window.add(agent, &vantage, UnixMicros(0).plus_secs(15), result(502));
        let ways = |now_s: i64| -> Vec<(Option<String>, Option<Protocol>)> {
            let world = window.world(UnixMicros(0).plus_secs(now_s), &Reported::default(), &[]);
            world.results.iter().map(|r| (r.pop.as_ref().map(ToString::to_string), r.protocol)).collect()
        };
        let known = (Some("FRA".to_owned()), Some(Protocol::H2));
        assert_eq!(ways(20), [known.clone(), known.clone()]);
        assert_eq!(ways(24 * 3_600 + 1), [known, (None, None)]);
    }
}
