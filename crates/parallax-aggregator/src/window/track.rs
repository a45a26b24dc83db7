//! One agent's past with one target: a cell of the window, in one piece of memory but for its marks and habits.

use std::sync::Arc;
use std::time::Duration;

use parallax_diagnose::{WorldOutcome, WorldResult};
use parallax_model::{AgentId, FailureKind, NetworkKind, Scope, StatusCode, UnixMicros, Vantage};
use parallax_proto::batch::Results;

use super::learnt::{Reader, Ways, Writer};
use super::marks::{Mark, Marked, Marks};
use super::memory::{Habits, Same};
use super::rows::KeptRow;
use super::seen::{Look, Looks, Rest, Rounds, Seen};
use super::told_result;

/// How many results of one agent count at once: three rounds (diagnosis.md 5.10).
pub(crate) const ROUNDS: usize = 3;
/// How long a good answer says which way an agent takes (diagnosis.md 5.1): a connection that never stood shows no PoP.
const WAY_KEPT: Duration = Duration::from_hours(24);
/// Strength of the belief that an agent fails rarely, in results.
const BASELINE_STRENGTH: f64 = 20.0;
/// Share of failures believed before anything was seen.
const BASELINE_MEAN: f64 = 0.02;
/// Results after which an agent's history is halved, so that it can change.
const BASELINE_MEMORY: f32 = 2_000.0;
/// How many times to the first byte the usual one is the median of.
const USUAL_SAMPLES: u8 = 15;
/// A 4xx is a failure where so many good answers before it …
const KNOWN_GOOD: f32 = 10.0;
/// … had another kind of status but for this share.
const SELDOM: f32 = 0.1;

/// The way an agent's last good answer took.
#[derive(Debug, Clone)]
struct Way {
    at: UnixMicros,
    look: Arc<Look>,
}

impl Way {
    fn of(seen: &Seen) -> Self {
        Self { at: seen.at, look: Arc::clone(&seen.look) }
    }

    fn pop(&self) -> Option<parallax_model::Pop> {
        self.look.pop().cloned()
    }

    /// Fills in what a failure came too early to show.
    fn fill(&self, now: UnixMicros, result: &mut WorldResult) {
        if now.since(self.at) > u64::try_from(WAY_KEPT.as_micros()).unwrap_or(u64::MAX) {
            return;
        }
        result.pop = result.pop.take().or_else(|| self.pop());
        result.protocol = result.protocol.or(self.look.protocol);
    }
}

/// The last few times to the first byte of good answers, each to twelve binary digits.
#[derive(Debug, Clone, Default)]
struct FirstBytes {
    coarse: [u16; USUAL_SAMPLES as usize],
    /// How many there are, and where the next one goes.
    count: u8,
    next: u8,
}

impl FirstBytes {
    fn push(&mut self, us: u32) {
        self.coarse[usize::from(self.next)] = coarse(us);
        self.next = (self.next + 1) % USUAL_SAMPLES;
        self.count = (self.count + 1).min(USUAL_SAMPLES);
    }

    /// Writes them, oldest first.
    fn keep(&self, kept: &mut Writer<'_>) {
        kept.number(self.count.into());
        let first = if self.count < USUAL_SAMPLES { 0 } else { self.next };
        let (later, earlier) = self.coarse[..usize::from(self.count)].split_at(usize::from(first));
        earlier.iter().chain(later).for_each(|us| kept.bytes(&us.to_le_bytes()));
    }

    fn read(kept: &mut Reader<'_>) -> Option<Self> {
        let count = u8::try_from(kept.number()?).ok().filter(|count| *count <= USUAL_SAMPLES)?;
        let mut read = Self { count, next: count % USUAL_SAMPLES, ..Self::default() };
        let bytes = kept.bytes(2 * usize::from(count))?;
        for (sample, us) in read.coarse.iter_mut().zip(bytes.chunks_exact(2)) {
            *sample = u16::from_le_bytes([us[0], us[1]]);
        }
        Some(read)
    }

    /// Their median, when there are three at least: one slow first answer is not what is usual.
    fn usual_ms(&self) -> Option<f64> {
        let mut sorted = self.coarse;
        let sorted = sorted.get_mut(..usize::from(self.count)).filter(|known| known.len() >= 3)?;
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map(|us| f64::from(fine(*us)) / 1_000.0)
    }
}

/// Digits after the first that is not 0.
const DIGITS: u32 = 11;

/// A number to twelve binary digits; a larger one is never smaller.
fn coarse(number: u32) -> u16 {
    let shift = (u32::BITS - number.leading_zeros()).saturating_sub(DIGITS + 1);
    // At most twenty times 2^11, and twelve digits.
    u16::try_from((shift << DIGITS) + (number >> shift)).unwrap_or(u16::MAX)
}

/// The number that this stands for.
const fn fine(coarse: u16) -> u32 {
    let (shift, digits) = (coarse as u32 >> DIGITS, coarse as u32 & ((1 << DIGITS) - 1));
    if shift == 0 { digits } else { (digits | 1 << DIGITS) << (shift - 1) }
}

/// What the cells of a window share.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    looks: Looks,
    /// What the newest page was.
    digest: Option<Arc<[u8; 32]>>,
    /// Results that were seen until then are in the baselines that were learnt before the process started.
    pub(super) settled_until: UnixMicros,
}

/// What of a cell outlives the process.
#[derive(Debug)]
pub(super) struct Learnt {
    fails: f32,
    total: f32,
    client_errors: f32,
    first_bytes: FirstBytes,
    last_good: Option<Way>,
    heard: UnixMicros,
    habits: Habits,
}

impl Learnt {
    pub(super) const fn heard(&self) -> UnixMicros {
        self.heard
    }

    /// As the past of this agent.
    pub(super) fn of(self, agent: &AgentId, vantage: &Arc<Vantage>) -> Track {
        let Self { fails, total, client_errors, first_bytes, last_good, heard, habits } = self;
        let new = Track::new(agent, vantage);
        Track { fails, total, client_errors, first_bytes, last_good, heard, habits, ..new }
    }
}

/// One agent's past with one target.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    agent: AgentId,
    vantage: Arc<Vantage>,
    recent: Rounds<ROUNDS>,
    /// Of the newest result.
    rest: Rest,
    // Whole numbers and their halves: what 24 bits hold.
    fails: f32,
    total: f32,
    /// Of the good ones among them, those with a 4xx.
    client_errors: f32,
    first_bytes: FirstBytes,
    last_good: Option<Way>,
    /// When the newest result there ever was, was seen.
    heard: UnixMicros,
    marks: Marks,
    habits: Habits,
}

impl Track {
    pub(super) fn new(agent: &AgentId, vantage: &Arc<Vantage>) -> Self {
        Self {
            agent: agent.clone(),
            vantage: Arc::clone(vantage),
            recent: Rounds::default(),
            rest: Rest::default(),
            fails: 0.0,
            total: 0.0,
            client_errors: 0.0,
            first_bytes: FirstBytes::default(),
            last_good: None,
            heard: UnixMicros::default(),
            marks: Marks::default(),
            habits: Habits::default(),
        }
    }

    /// What was learnt before the process started; `None` when it cannot be read.
    pub(super) fn recalled(kept: &mut Reader<'_>, ways: &Ways) -> Option<Learnt> {
        let heard = kept.moment()?;
        let (total, fails, client_errors) = (kept.float()?, kept.float()?, kept.float()?);
        let first_bytes = FirstBytes::read(kept)?;
        let last_good = match kept.number()? {
            0 => None,
            place => Some(Way { at: kept.moment()?, look: Arc::clone(ways.get(place - 1)?) }),
        };
        let habits = Habits::read(kept)?;
        let is_baseline = total.is_finite() && fails >= 0.0 && (0.0..=total - fails).contains(&client_errors);
        is_baseline.then_some(Learnt { fails, total, client_errors, first_bytes, last_good, heard, habits })
    }

    /// Whether there is something to keep.
    pub(super) fn has_learnt(&self) -> bool {
        self.total > 0.0 || self.last_good.is_some() || !self.habits.is_empty()
    }

    /// Writes what the next start reads.
    pub(super) fn keep(&self, kept: &mut Writer<'_>, ways: &mut Ways) {
        kept.moment(self.heard);
        for number in [self.total, self.fails, self.client_errors] {
            kept.float(number);
        }
        self.first_bytes.keep(kept);
        match &self.last_good {
            None => kept.number(0),
            Some(way) => {
                kept.number(ways.place(&way.look) + 1);
                kept.moment(way.at);
            }
        }
        self.habits.keep(kept);
    }

    /// Whose past it is.
    pub(crate) const fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// When its newest result was seen, however long ago.
    pub(super) const fn heard(&self) -> UnixMicros {
        self.heard
    }

    /// Puts a row of a batch in its place: by the moment at which it was seen, what came at the same moment by the agent's own clock
    /// and by what it says. The same result again is left out.
    pub(super) fn add(
        &mut self,
        vantage: &Arc<Vantage>,
        at: UnixMicros,
        (results, row): (&Results, usize),
        shared: &mut Shared,
    ) {
        let known = self.recent.iter().rev().find(|known| known.look.is_of(results, row));
        let look = known.map_or_else(|| shared.looks.of(results, row), |known| Arc::clone(&known.look));
        let mut seen = Seen::of(results, row, at, look);
        seen.settled = at <= shared.settled_until;
        let newest = self.recent.newest();
        let is_newest = newest.is_none_or(|newest| newest.order() < seen.order());
        let place = if is_newest {
            self.recent.len()
        } else {
            self.recent.iter().take_while(|known| known.order() < seen.order()).count()
        };
        if self.recent.get(place).is_some_and(|known| known.is(&seen)) {
            return;
        }
        let same = newest.filter(|_| is_newest).map(|newest| Same::of(&seen, newest));
        self.habits.notice(&seen, same.unwrap_or_default());
        if is_newest {
            if !Arc::ptr_eq(&self.vantage, vantage) {
                self.vantage = Arc::clone(vantage);
            }
            self.rest = Rest::of(results, row, &mut shared.digest);
        }
        if seen.outcome.is_ok() && self.last_good.as_ref().is_none_or(|way| way.at <= at) {
            self.last_good = Some(Way::of(&seen));
        }
        let failed = self.failure(&seen).is_some();
        if let Some(mark) = Mark::of(&seen, failed, || self.first_bytes.usual_ms()) {
            self.marks.add(Marked { at, mark, family: seen.family, protocol: seen.protocol });
        }
        self.heard = self.heard.max(at);
        self.recent.insert(place, seen);
    }

    /// What went wrong, if something did. A 4xx counts against the agent's own history with the target: where it was always there,
    /// the page is made so (DESIGN 5).
    fn failure(&self, seen: &Seen) -> Option<FailureKind> {
        let is_client_error = |code: &StatusCode| (400..500).contains(&code.get());
        let code = seen.status.filter(|code| seen.outcome.is_ok() && is_client_error(code));
        let good = self.total - self.fails;
        let news = good >= KNOWN_GOOD && self.client_errors < SELDOM * good;
        seen.outcome.kind().or_else(|| code.filter(|_| news).map(FailureKind::status))
    }

    /// Drops what is older than `reach`, in microseconds. Returns whether anything was.
    pub(super) fn expire(&mut self, now: UnixMicros, reach: u64) -> bool {
        let mut dropped = false;
        while self.recent.oldest().is_some_and(|seen| now.since(seen.at) > reach) {
            self.recent.drop_oldest();
            dropped = true;
        }
        self.marks.expire(now);
        if dropped && self.is_empty() {
            self.rest = Rest::default();
        }
        dropped
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.recent.oldest().is_none()
    }

    /// When the oldest of its results was seen.
    pub(super) fn oldest(&self) -> Option<UnixMicros> {
        self.recent.oldest().map(|seen| seen.at)
    }

    /// Where the agent stands.
    pub(crate) const fn vantage(&self) -> &Arc<Vantage> {
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
        let newest = self.recent.newest()?;
        Mark::of(newest, self.failure(newest).is_some(), || None)
    }

    /// Its newest result.
    pub(crate) fn newest(&self) -> Option<&Seen> {
        self.recent.newest()
    }

    /// Whether its newest result is a failure of the site.
    pub(crate) fn fails(&self) -> bool {
        self.newest_mark() == Some(Mark::Fails)
    }

    /// What is known of its place and its way.
    pub(super) fn place(&self) -> Scope {
        let newest = self.newest();
        let pop = newest.and_then(|seen| seen.emitter.as_ref()?.pop.clone());
        Scope {
            asn: self.vantage.asn,
            region: self.vantage.region.clone(),
            country: self.vantage.country.clone(),
            network: Some(self.vantage.network).filter(|kind| *kind != NetworkKind::Unknown),
            pop: pop.or_else(|| self.last_good.as_ref()?.pop()),
            address: newest.and_then(|seen| seen.address),
            protocol: self.last_good.as_ref().and_then(|way| way.look.protocol),
            resolver: newest.and_then(|seen| Some(seen.resolver()?.to_owned())),
            ..Scope::default()
        }
    }

    pub(super) fn fail_rate(&self) -> f64 {
        let prior = BASELINE_MEAN * BASELINE_STRENGTH;
        (f64::from(self.fails) + prior) / (f64::from(self.total) + BASELINE_STRENGTH)
    }

    pub(super) fn settle(&mut self, up: bool) {
        for seen in self.recent.iter_mut() {
            let settled = std::mem::replace(&mut seen.settled, true);
            if settled || !up {
                continue;
            }
            self.total += 1.0;
            if !seen.outcome.is_ok() {
                self.fails += 1.0;
                continue;
            }
            self.client_errors += f32::from(u8::from(seen.status.is_some_and(|code| code.get() >= 400)));
            if let Some(us) = seen.first_byte() {
                self.first_bytes.push(us.0);
            }
        }
        if self.total > BASELINE_MEMORY {
            self.total /= 2.0;
            self.fails /= 2.0;
            self.client_errors /= 2.0;
        }
    }

    /// Its results as diagnosis knows them, oldest first.
    pub(super) fn results(&self, now: UnixMicros) -> impl Iterator<Item = WorldResult> {
        let usual = self.first_bytes.usual_ms();
        let one = move |(attempt, seen): (u32, &Seen)| {
            let age = Duration::from_micros(now.since(seen.at));
            let mut result = told_result(&self.agent, seen.into(), age);
            if let Some(kind) = self.failure(seen) {
                result.outcome = WorldOutcome::Failed(kind);
            }
            if let Some(way) = self.last_good.as_ref().filter(|_| result.outcome != WorldOutcome::Ok) {
                way.fill(now, &mut result);
            }
            result.attempt = Some(attempt);
            result.ttfb_usual_ms = usual;
            result
        };
        (1..).zip(self.recent.iter()).map(one)
    }

    /// Its newest result, to be made a row when somebody asks.
    pub(super) fn row(&self) -> Option<KeptRow> {
        let seen = self.recent.newest()?;
        Some(KeptRow {
            agent: self.agent.clone(),
            vantage: Arc::clone(&self.vantage),
            rest: self.rest.clone(),
            seen: seen.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_without_marks_takes_so_much() {
        assert!(size_of::<Track>() <= 384, "{}", size_of::<Track>());
    }

    #[test]
    fn twelve_digits_of_a_time_are_kept() {
        let table = [(0, 0), (1, 1), (2_047, 2_047), (4_095, 4_095), (4_097, 4_096), (20_000, 20_000)];
        for (us, kept) in table.into_iter().chain([(1_234_567, 1_234_432), (u32::MAX, 4_293_918_720)]) {
            assert_eq!(fine(coarse(us)), kept, "{us}");
        }
        let mut before = 0;
        for us in (0..10_000_000).step_by(37) {
            let now = coarse(us);
            assert!(now >= before && fine(now) <= us && us - fine(now) <= us >> 11, "{us}");
            before = now;
        }
    }
}
