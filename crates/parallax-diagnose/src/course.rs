//! The course of one site: what is said of it over time, with the patience that keeps a page from flickering, and the incidents
//! that come of it.
//!
//! Pure: moments and ids come in. What was found at one moment is `judge`'s; who is told of an incident is the aggregator's.
//!
//! Rules
//! 1. What differs from what is said is first a candidate. It is said when it was found twice, [`CONFIRM`] apart, or at once when
//!    nothing could be told before, when it is the first bad thing and of a part, or when it is very sure ([`SURE`]) and not a
//!    recovery. A first "up" waits [`FIRST_UP`]: probes that work answer at once, those that fail try again first.
//! 2. A recovery (something bad → up) is said when it was found for `recover_after` without a break, and not within [`MIN_LIFE`] of
//!    the incident's beginning.
//! 3. An incident opens when something bad is said, gets a step whenever verdict or scopes change, and closes when up is said. A
//!    scope that widens, to everybody at last, is the same incident.
//! 4. Not knowing ends nothing: an incident stays open while nothing can be told.
//! 5. Something bad within [`REOPEN`] of the last close belongs to the same incident. Targets of one site share it ([`Course::share`]):
//!    it opens with the first and closes with the last.
//! 6. Something bad is said only when nothing is missing to say it (what is not known is in [`Diagnosis::missing`]), and while it is
//!    likely ([`SAYABLE`]) if it is of everybody. Of a part chance must be out of the question: how sure its name is, is another matter.
//! 7. What breaks [`FLAPS`] times within [`FLAP_MEMORY`] comes and goes: "flaky" is said and held for ten minutes, the next time for
//!    twenty, then forty. Only an outage that lasts [`STEADY`] without a break is said meanwhile.
//! 8. While our own side is broken nothing is known ([`Course::suspend`]): what opened only a moment before is taken back.

use std::collections::VecDeque;
use std::time::Duration;

use parallax_model::{
    Diagnosis, Host, Incident, IncidentId, IncidentStep, Onset, Scope, UnixMicros, Verdict,
};
use serde::{Deserialize, Serialize};

/// How far apart two findings of the same must be to be said (diagnosis.md 5.10).
pub const CONFIRM: Duration = Duration::from_secs(20);
/// How long a first "up" waits for failing probes to answer: their retry comes after 1–2 s, beacons after that.
pub const FIRST_UP: Duration = Duration::from_secs(5);
/// From this confidence on something bad is said at once.
pub const SURE: f64 = 0.99;
/// Below this confidence nothing bad is said of everybody, however long it is found: noise that lasts looks like that.
pub const SAYABLE: f64 = 0.8;
/// A new outbreak within this time of the last close is the same incident.
pub const REOPEN: Duration = Duration::from_mins(15);
/// No incident closes sooner after its beginning.
pub const MIN_LIFE: Duration = Duration::from_mins(3);
/// Steps kept of one incident; later ones replace the last.
const MAX_STEPS: usize = 200;

/// So many outbreaks make a site flaky …
pub const FLAPS: usize = 3;
/// … within this time (diagnosis.md 5.10).
pub const FLAP_MEMORY: Duration = Duration::from_hours(1);
/// How long "flaky" is held at first; twice as long each time it has to be said again, up to four times.
const FLAP_HOLD: Duration = Duration::from_mins(10);
/// An outage of a flaky site that lasts this long is said as what it is.
pub const STEADY: Duration = Duration::from_mins(3);

/// Whether a verdict is an outage of some kind.
pub const fn is_bad(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Down | Verdict::Partial | Verdict::Degraded | Verdict::Flaky)
}

/// Whether something bad is more than chance.
fn is_sayable(found: &Diagnosis) -> bool {
    is_sure(found) || found.missing.is_empty() && found.confidence.get() >= SAYABLE
}

/// Whether something bad is said of a part, for which chance must be out of the question: it is looked for at thousands of moments
/// a day.
fn is_sure(found: &Diagnosis) -> bool {
    let of_part = !found.scopes.is_empty() && found.scopes.iter().all(|scope| !scope.all);
    of_part && found.missing.is_empty()
}

fn same(a: &Diagnosis, b: &Diagnosis) -> bool {
    let sorted = |scopes: &[Scope]| {
        let mut scopes = scopes.to_vec();
        scopes.sort();
        scopes
    };
    a.verdict == b.verdict && sorted(&a.scopes) == sorted(&b.scopes)
}

#[derive(Debug, Clone)]
struct Candidate {
    diagnosis: Diagnosis,
    first_at: UnixMicros,
}

/// What is said of one site.
#[derive(Debug, Clone)]
pub struct Course {
    site: Host,
    said: Option<Diagnosis>,
    since: UnixMicros,
    candidate: Option<Candidate>,
    incident: Option<Incident>,
    /// Whether something bad was said and no end of it since.
    troubled: bool,
    /// Whether another target of the site is in trouble.
    others_troubled: bool,
    /// Whether nothing bad is said newly for now.
    doubted: bool,
    /// When the incident began to last: opened, or opened again.
    open_since: UnixMicros,
    flaps: Flaps,
}

/// The outbreaks of the last hour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flaps {
    outbreaks: VecDeque<UnixMicros>,
    /// How often "flaky" was said of them.
    held: u32,
    /// Until when it is held.
    until: UnixMicros,
}

impl Flaps {
    /// Notes an outbreak; true when there were too many.
    fn break_out(&mut self, now: UnixMicros) -> bool {
        self.outbreaks.retain(|at| now.since(*at) < micros(FLAP_MEMORY));
        if self.outbreaks.is_empty() {
            self.held = 0;
        }
        if self.outbreaks.len() >= FLAPS {
            self.outbreaks.pop_front();
        }
        self.outbreaks.push_back(now);
        if self.outbreaks.len() < FLAPS {
            return false;
        }
        let hold = FLAP_HOLD * 2_u32.pow(self.held.min(2));
        self.held += 1;
        self.until = now.plus_micros(i64::try_from(hold.as_micros()).unwrap_or(i64::MAX));
        true
    }

    /// How much longer "flaky" is held.
    fn left(&self, now: UnixMicros) -> Duration {
        Duration::from_micros(self.until.since(now))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The same finding of a site that comes and goes.
fn flaky(found: Diagnosis, site: &Host) -> Diagnosis {
    let mut evidence = vec![format!("It broke and came back {FLAPS} times within an hour.")];
    evidence.extend(found.evidence);
    Diagnosis { verdict: Verdict::Flaky, sentence: crate::sentence::comes_and_goes(site), evidence, ..found }
}

impl Course {
    /// A course in which nothing was said yet, with the incident that was last open or closed.
    pub fn new(site: Host, incident: Option<Incident>) -> Self {
        let open_since = incident.as_ref().map_or(UnixMicros(0), |incident| incident.opened_at);
        Self {
            site,
            said: None,
            since: UnixMicros(0),
            candidate: None,
            incident,
            troubled: false,
            others_troubled: false,
            doubted: false,
            open_since,
            flaps: Flaps::default(),
        }
    }

    /// Takes up the site's incident as another target of it left it, and whether one of those is in trouble: then a recovery of
    /// this one ends nothing.
    pub fn share(&mut self, incident: Option<Incident>, others_troubled: bool) {
        self.incident = incident.or_else(|| self.incident.take());
        self.others_troubled = others_troubled;
    }

    /// While it is doubted whether sites break or we do, nothing bad is said newly; it is remembered since when it was found.
    pub const fn doubt(&mut self, doubted: bool) {
        self.doubted = doubted;
    }

    /// Whether something bad was said and no end of it since.
    pub const fn is_troubled(&self) -> bool {
        self.troubled
    }

    /// Says when what has just opened began. An incident that was open before keeps its onset.
    pub fn place_onset(&mut self, onset: Onset) -> Option<&Incident> {
        let incident = self.incident.as_mut().filter(|i| i.onset.is_none())?;
        incident.onset = Some(onset);
        incident.opened_at = incident.opened_at.min(onset.at);
        Some(incident)
    }

    /// Says nothing of the site for now, for a reason that is ours. An incident that opened within `back` is taken back: it closes
    /// with that reason. Returns it.
    pub fn suspend(&mut self, reason: Diagnosis, now: UnixMicros, back: Duration) -> Option<Incident> {
        self.candidate = None;
        if self.said.as_ref().is_none_or(|said| said.verdict != Verdict::Unknown) {
            self.since = now;
        }
        let young = now.since(self.open_since) < micros(back);
        let taken_back = self.incident.as_mut().filter(|i| i.closed_at.is_none() && young).map(|incident| {
            incident.closed_at = Some(now);
            push_step(incident, IncidentStep { at: now, diagnosis: reason.clone() });
            incident.clone()
        });
        self.troubled &= taken_back.is_none();
        self.said = Some(reason);
        taken_back
    }

    /// Takes up what was said before a restart.
    pub fn resume(&mut self, said: Diagnosis, since: UnixMicros) {
        self.troubled = is_bad(said.verdict);
        self.said = Some(said);
        self.since = since;
    }

    /// The outbreaks of the last hour, to be remembered over a restart.
    pub const fn flaps(&self) -> &Flaps {
        &self.flaps
    }

    /// Takes up the outbreaks before a restart.
    pub fn resume_flaps(&mut self, flaps: Flaps) {
        self.flaps = flaps;
    }

    /// What is said.
    pub const fn said(&self) -> Option<&Diagnosis> {
        self.said.as_ref()
    }

    /// Since when the verdict is what it is.
    pub const fn since(&self) -> UnixMicros {
        self.since
    }

    /// The incident that lasts.
    pub fn open_incident(&self) -> Option<&Incident> {
        self.incident.as_ref().filter(|i| i.closed_at.is_none())
    }

    /// The incident that lasts, or the last one that did.
    pub const fn last_incident(&self) -> Option<&Incident> {
        self.incident.as_ref()
    }

    /// Takes what was just found out. Returns the incident if it opened, changed or closed by it.
    pub fn find(
        &mut self,
        found: Diagnosis,
        now: UnixMicros,
        recover_after: Duration,
        new_id: impl FnOnce() -> IncidentId,
    ) -> Option<Incident> {
        if let Some(said) = self.said.as_mut().filter(|said| same(said, &found)) {
            // The same verdict with fresh counts and sentences.
            *said = found;
            self.candidate = None;
            return self.end(now);
        }
        let before = self.said.as_ref().map_or(Verdict::Unknown, |said| said.verdict);
        let from_nothing = before == Verdict::Unknown;
        let held = if before == Verdict::Flaky { self.flaps.left(now) } else { Duration::ZERO };
        // While "flaky" is held, a recovery is watched and not said.
        let young = self.open_incident().is_some() && now.since(self.open_since) < micros(MIN_LIFE);
        let patience = match found.verdict {
            bad if is_bad(bad) && !held.is_zero() => STEADY,
            Verdict::Up if !held.is_zero() || young => Duration::MAX,
            Verdict::Unknown if self.said.is_none() => Duration::ZERO,
            Verdict::Up if is_bad(before) || self.open_incident().is_some() => recover_after,
            Verdict::Up if from_nothing => FIRST_UP,
            bad if is_bad(bad) && (from_nothing || is_sure(&found) && !is_bad(before)) => Duration::ZERO,
            bad if is_bad(bad) && found.confidence.get() >= SURE => Duration::ZERO,
            Verdict::Blocked if from_nothing => Duration::ZERO,
            _ => CONFIRM,
        };
        let first_at = match &self.candidate {
            Some(candidate) if same(&candidate.diagnosis, &found) => candidate.first_at,
            _ => now,
        };
        let doubted = self.doubted && !self.troubled;
        let sayable = !is_bad(found.verdict) || is_sayable(&found) && !doubted;
        if sayable && now.since(first_at) >= micros(patience) {
            return self.say(found, now, first_at, new_id);
        }
        self.candidate = Some(Candidate { diagnosis: found, first_at });
        None
    }

    fn say(
        &mut self,
        found: Diagnosis,
        now: UnixMicros,
        onset: UnixMicros,
        new_id: impl FnOnce() -> IncidentId,
    ) -> Option<Incident> {
        self.candidate = None;
        let before = self.said.as_ref().map_or(Verdict::Unknown, |said| said.verdict);
        // After a time of not knowing an incident that never closed goes on: that is no new outbreak.
        let breaks_out = is_bad(found.verdict) && !is_bad(before) && self.open_incident().is_none();
        let found = if breaks_out && self.flaps.break_out(now) { flaky(found, &self.site) } else { found };
        if self.said.as_ref().is_none_or(|s| s.verdict != found.verdict) {
            self.since = onset;
        }
        let verdict = found.verdict;
        self.said = Some(found.clone());
        if is_bad(verdict) {
            self.troubled = true;
            return Some(self.step(found, now, onset, new_id));
        }
        self.troubled &= verdict == Verdict::Unknown;
        self.end(now)
    }

    /// Closes the incident when nothing of the site is in trouble any more.
    fn end(&mut self, now: UnixMicros) -> Option<Incident> {
        let said =
            self.said.as_ref().filter(|said| !is_bad(said.verdict) && said.verdict != Verdict::Unknown)?;
        let lasts = self.troubled || self.others_troubled;
        let incident = self.incident.as_mut().filter(|i| i.closed_at.is_none() && !lasts)?;
        incident.closed_at = Some(now);
        push_step(incident, IncidentStep { at: now, diagnosis: said.clone() });
        Some(incident.clone())
    }

    fn step(
        &mut self,
        found: Diagnosis,
        now: UnixMicros,
        onset: UnixMicros,
        new_id: impl FnOnce() -> IncidentId,
    ) -> Incident {
        if self.open_incident().is_none() {
            self.open_since = onset;
        }
        let incident = match self.incident.take() {
            Some(mut last) if last.closed_at.is_none_or(|closed| now.since(closed) < micros(REOPEN)) => {
                last.closed_at = None;
                if last.latest().is_none_or(|s| !same(&s.diagnosis, &found)) {
                    push_step(&mut last, IncidentStep { at: now, diagnosis: found });
                }
                last
            }
            _ => Incident {
                id: new_id(),
                site: self.site.clone(),
                opened_at: onset,
                closed_at: None,
                onset: None,
                steps: vec![IncidentStep { at: onset, diagnosis: found }],
            },
        };
        self.incident.insert(incident).clone()
    }
}

fn push_step(incident: &mut Incident, step: IncidentStep) {
    if incident.steps.len() >= MAX_STEPS {
        incident.steps.pop();
    }
    incident.steps.push(step);
}

#[cfg(test)]
mod tests;
