//! One agent's past with one target.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parallax_diagnose::{WorldOutcome, WorldResult};
use parallax_model::{
    AgentId, FailureKind, NetworkKind, Pop, ProbeResult, Protocol, Scope, StatusCode, UnixMicros, Vantage,
};

use super::marks::{Mark, Marked, Marks};
use super::memory::Habits;
use super::world_result;
use crate::read::CheckRow;

/// How many results of one agent count at once: three rounds (diagnosis.md 5.10).
pub(crate) const ROUNDS: usize = 3;
/// How long a good answer says which way an agent takes (diagnosis.md 5.1): a connection that never stood shows no PoP.
const WAY_KEPT: Duration = Duration::from_hours(24);
/// Strength of the belief that an agent fails rarely, in results.
const BASELINE_STRENGTH: f64 = 20.0;
/// Share of failures believed before anything was seen.
const BASELINE_MEAN: f64 = 0.02;
/// Results after which an agent's history is halved, so that it can change.
const BASELINE_MEMORY: f64 = 2_000.0;
/// How many times to the first byte the usual one is the median of.
const USUAL_SAMPLES: usize = 15;
/// A 4xx is a failure where so many good answers before it …
const KNOWN_GOOD: f64 = 10.0;
/// … had another kind of status but for this share.
const SELDOM: f64 = 0.1;

/// One result in a window.
#[derive(Debug, Clone)]
struct Seen {
    at: UnixMicros,
    result: Arc<ProbeResult>,
    /// Whether it was counted into the baseline, or never will be.
    settled: bool,
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

/// One agent's past with one target.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    vantage: Arc<Vantage>,
    /// Oldest first.
    recent: VecDeque<Seen>,
    fails: f64,
    total: f64,
    /// Of the good ones among them, those with a 4xx.
    client_errors: f64,
    first_bytes_us: VecDeque<u32>,
    last_good: Option<Way>,
    marks: Marks,
    habits: Habits,
}

impl Track {
    pub(super) fn new(vantage: &Arc<Vantage>) -> Self {
        Self {
            vantage: Arc::clone(vantage),
            recent: VecDeque::with_capacity(ROUNDS + 1),
            fails: 0.0,
            total: 0.0,
            client_errors: 0.0,
            first_bytes_us: VecDeque::new(),
            last_good: None,
            marks: Marks::default(),
            habits: Habits::default(),
        }
    }

    /// Puts a result in its place: by the moment at which it was seen, what came at the same moment by the agent's own clock and
    /// by what it says. The same result again is left out.
    pub(super) fn add(&mut self, vantage: &Arc<Vantage>, at: UnixMicros, result: Arc<ProbeResult>) {
        let order = |seen: &Seen| (seen.at, seen.result.started_at).cmp(&(at, result.started_at));
        let place = self.recent.partition_point(|seen| {
            order(seen).then_with(|| said(&seen.result).cmp(&said(&result))) == std::cmp::Ordering::Less
        });
        if self.recent.get(place).is_some_and(|seen| seen.at == at && seen.result == result) {
            return;
        }
        if place == self.recent.len() {
            self.vantage = Arc::clone(vantage);
        }
        if result.outcome.is_ok() && self.last_good.as_ref().is_none_or(|way| way.at <= at) {
            self.last_good = Some(Way::of(at, &result));
        }
        let failed = self.failure(&result).is_some();
        if let Some(mark) = Mark::of(&result, failed, self.usual_first_byte_ms()) {
            self.marks.add(Marked { at, mark, family: result.family, protocol: result.protocol });
        }
        self.habits.notice(&result, at);
        self.recent.insert(place, Seen { at, result, settled: false });
        if self.recent.len() > ROUNDS {
            self.recent.pop_front();
        }
    }

    /// What went wrong, if something did. A 4xx counts against the agent's own history with the target: where it was always there,
    /// the page is made so (DESIGN 5).
    fn failure(&self, result: &ProbeResult) -> Option<FailureKind> {
        let is_client_error = |code: &StatusCode| (400..500).contains(&code.get());
        let code = result.status.filter(|code| result.outcome.is_ok() && is_client_error(code));
        let good = self.total - self.fails;
        let news = good >= KNOWN_GOOD && self.client_errors < SELDOM * good;
        result.outcome.kind().or_else(|| code.filter(|_| news).map(FailureKind::status))
    }

    /// Drops what is older than `reach`, in microseconds. Returns whether anything was.
    pub(super) fn expire(&mut self, now: UnixMicros, reach: u64) -> bool {
        let before = self.recent.len();
        while self.recent.front().is_some_and(|s| now.since(s.at) > reach) {
            self.recent.pop_front();
        }
        self.marks.expire(now);
        self.recent.len() < before
    }

    pub(super) fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// Where the agent stands.
    pub(crate) fn vantage(&self) -> &Arc<Vantage> {
        &self.vantage
    }

    pub(super) const fn habits(&self) -> &Habits {
        &self.habits
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = Marked> {
        self.marks.iter()
    }

    /// What its newest result says about the site.
    pub(super) fn newest_mark(&self) -> Option<Mark> {
        let newest = self.recent.back()?;
        Mark::of(&newest.result, self.failure(&newest.result).is_some(), None)
    }

    /// Its newest result.
    pub(crate) fn newest(&self) -> Option<&ProbeResult> {
        self.recent.back().map(|seen| seen.result.as_ref())
    }

    /// Whether its newest result is a failure of the site.
    pub(crate) fn fails(&self) -> bool {
        self.newest_mark() == Some(Mark::Fails)
    }

    /// What is known of its place and its way.
    pub(super) fn place(&self) -> Scope {
        let newest = self.newest();
        let pop = newest.and_then(|result| result.emitter.as_ref()?.pop.clone());
        Scope {
            asn: self.vantage.asn,
            region: self.vantage.region.clone(),
            country: self.vantage.country.clone(),
            network: Some(self.vantage.network).filter(|kind| *kind != NetworkKind::Unknown),
            pop: pop.or_else(|| self.last_good.as_ref()?.pop.clone()),
            address: newest.and_then(|result| result.address),
            protocol: self.last_good.as_ref().and_then(|way| way.protocol),
            resolver: newest.and_then(|result| Some(result.dns.resolver.as_deref()?.to_owned())),
            ..Scope::default()
        }
    }

    pub(super) fn fail_rate(&self) -> f64 {
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

    pub(super) fn settle(&mut self, up: bool) {
        for seen in &mut self.recent {
            let settled = std::mem::replace(&mut seen.settled, true);
            if settled || !up {
                continue;
            }
            self.total += 1.0;
            if !seen.result.outcome.is_ok() {
                self.fails += 1.0;
                continue;
            }
            self.client_errors +=
                f64::from(u8::from(seen.result.status.is_some_and(|code| code.get() >= 400)));
            if let Some(us) = seen.result.phases.first_byte {
                self.first_bytes_us.push_back(us.0);
            }
        }
        while self.first_bytes_us.len() > USUAL_SAMPLES {
            self.first_bytes_us.pop_front();
        }
        if self.total > BASELINE_MEMORY {
            self.total /= 2.0;
            self.fails /= 2.0;
            self.client_errors /= 2.0;
        }
    }

    /// Its results as diagnosis knows them, oldest first.
    pub(super) fn results(&self, agent: &AgentId, now: UnixMicros) -> Vec<WorldResult> {
        let usual = self.usual_first_byte_ms();
        let one = |(attempt, seen): (u32, &Seen)| {
            let mut result = world_result(agent, &seen.result, Duration::from_micros(now.since(seen.at)));
            if let Some(kind) = self.failure(&seen.result) {
                result.outcome = WorldOutcome::Failed(kind);
            }
            if let Some(way) = self.last_good.as_ref().filter(|_| result.outcome != WorldOutcome::Ok) {
                way.fill(now, &mut result);
            }
            result.attempt = Some(attempt);
            result.ttfb_usual_ms = usual;
            result
        };
        (1..).zip(&self.recent).map(one).collect()
    }

    /// Its newest result as a row, with its age.
    pub(super) fn row(&self, agent: &AgentId, now: UnixMicros) -> Option<CheckRow> {
        let seen = self.recent.back()?;
        Some(CheckRow {
            agent: agent.clone(),
            vantage: self.vantage.as_ref().clone(),
            result: seen.result.as_ref().clone(),
            after: Duration::from_micros(now.since(seen.at)),
        })
    }
}

/// Orders results of one moment.
fn said(result: &ProbeResult) -> impl Ord {
    let outcome = (result.outcome, result.status, result.family, result.protocol);
    (outcome, result.address, result.phases.total, result.beacon, result.check)
}
