//! The course of one site: what is said of it over time, with the patience that keeps a page from flickering, and the incidents
//! that come of it.
//!
//! Pure: moments and ids come in.
//!
//! Rules
//! 1. What differs from what is said is first a candidate. It is said when it was found twice, [`CONFIRM`] apart, or at once when
//!    nothing could be told before, or when it is very sure ([`SURE`]) and not a recovery. A first "up" waits [`FIRST_UP`]: probes
//!    that work answer at once, those that fail try again first.
//! 2. A recovery (something bad → up) is said when it was found for `recover_after` without a break.
//! 3. An incident opens when something bad is said, gets a step whenever verdict or scopes change, and closes when up is said.
//! 4. Not knowing ends nothing: an incident stays open while nothing can be told.
//! 5. Something bad within [`REOPEN`] of the last close belongs to the same incident.

use std::time::Duration;

use parallax_model::{Diagnosis, Host, Incident, IncidentId, IncidentStep, Scope, UnixMicros, Verdict};

/// How far apart two findings of the same must be to be said (diagnosis.md 5.10).
pub(crate) const CONFIRM: Duration = Duration::from_secs(20);
/// How long a first "up" waits for failing probes to answer: their retry comes after 1–2 s, beacons after that.
pub(crate) const FIRST_UP: Duration = Duration::from_secs(5);
/// From this confidence on something bad is said at once.
pub(crate) const SURE: f64 = 0.99;
/// A new outbreak within this time of the last close is the same incident.
pub(crate) const REOPEN: Duration = Duration::from_mins(15);
/// Steps kept of one incident; later ones replace the last.
const MAX_STEPS: usize = 200;

/// Whether a verdict is an outage of some kind.
pub(crate) const fn is_bad(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Down | Verdict::Partial | Verdict::Degraded | Verdict::Flaky)
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
pub(crate) struct Course {
    site: Host,
    said: Option<Diagnosis>,
    since: UnixMicros,
    candidate: Option<Candidate>,
    incident: Option<Incident>,
}

impl Course {
    /// A course in which nothing was said yet, with the incident that was last open or closed.
    pub(crate) const fn new(site: Host, incident: Option<Incident>) -> Self {
        Self { site, said: None, since: UnixMicros(0), candidate: None, incident }
    }

    /// Takes up what was said before a restart.
    pub(crate) fn resume(&mut self, said: Diagnosis, since: UnixMicros) {
        self.said = Some(said);
        self.since = since;
    }

    /// What is said.
    pub(crate) const fn said(&self) -> Option<&Diagnosis> {
        self.said.as_ref()
    }

    /// Since when the verdict is what it is.
    pub(crate) const fn since(&self) -> UnixMicros {
        self.since
    }

    /// The incident that lasts.
    pub(crate) fn open_incident(&self) -> Option<&Incident> {
        self.incident.as_ref().filter(|i| i.closed_at.is_none())
    }

    /// Takes what was just found out. Returns the incident if it opened, changed or closed by it.
    pub(crate) fn find(
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
            return None;
        }
        let before = self.said.as_ref().map_or(Verdict::Unknown, |said| said.verdict);
        let from_nothing = before == Verdict::Unknown;
        let patience = match found.verdict {
            Verdict::Unknown if self.said.is_none() => Duration::ZERO,
            Verdict::Up if is_bad(before) || self.open_incident().is_some() => recover_after,
            Verdict::Up if from_nothing => FIRST_UP,
            bad if is_bad(bad) && (from_nothing || found.confidence.get() >= SURE) => Duration::ZERO,
            Verdict::Blocked if from_nothing => Duration::ZERO,
            _ => CONFIRM,
        };
        let first_at = match &self.candidate {
            Some(candidate) if same(&candidate.diagnosis, &found) => candidate.first_at,
            _ => now,
        };
        if now.since(first_at) >= u64::try_from(patience.as_micros()).unwrap_or(u64::MAX) {
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
        if self.said.as_ref().is_none_or(|s| s.verdict != found.verdict) {
            self.since = onset;
        }
        let verdict = found.verdict;
        self.said = Some(found.clone());
        if is_bad(verdict) {
            return Some(self.step(found, now, onset, new_id));
        }
        let incident =
            self.incident.as_mut().filter(|i| i.closed_at.is_none() && verdict != Verdict::Unknown)?;
        incident.closed_at = Some(now);
        push_step(incident, IncidentStep { at: now, diagnosis: found });
        Some(incident.clone())
    }

    fn step(
        &mut self,
        found: Diagnosis,
        now: UnixMicros,
        onset: UnixMicros,
        new_id: impl FnOnce() -> IncidentId,
    ) -> Incident {
        let reopen = u64::try_from(REOPEN.as_micros()).unwrap_or(u64::MAX);
        let incident = match self.incident.take() {
            Some(mut last) if last.closed_at.is_none_or(|closed| now.since(closed) < reopen) => {
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
mod tests {
    use parallax_model::{Asn, Confidence};

    use super::*;

    const RECOVER: Duration = Duration::from_secs(30);

    fn diagnosis(verdict: Verdict, confidence: f64, asn: Option<u32>) -> Diagnosis {
        let mut d = Diagnosis::unknown("", Vec::new());
        d.verdict = verdict;
        d.confidence = Confidence::new(confidence);
        d.scopes = asn.map(|n| Scope { asn: Some(Asn(n)), ..Scope::default() }).into_iter().collect();
        d
    }

    /// Feeds `(second, verdict, confidence, asn)` and returns what was said and which incidents changed.
    fn play(events: &[(i64, Verdict, f64, Option<u32>)]) -> (Course, Vec<(i64, bool, usize)>) {
        let mut course = Course::new("example.com".parse().expect("a host"), None);
        let mut changes = Vec::new();
        let mut ids = 0;
        for (s, verdict, confidence, asn) in events {
            let now = UnixMicros(0).plus_secs(*s);
            let id = || {
                ids += 1;
                IncidentId(ids)
            };
            if let Some(i) = course.find(diagnosis(*verdict, *confidence, *asn), now, RECOVER, id) {
                changes.push((*s, i.closed_at.is_some(), i.steps.len()));
            }
        }
        (course, changes)
    }

    #[test]
    fn a_first_outage_is_said_at_once() {
        let (course, changes) = play(&[(0, Verdict::Partial, 0.9, Some(1))]);
        assert_eq!(course.said().map(|d| d.verdict), Some(Verdict::Partial));
        assert_eq!(changes, [(0, false, 1)]);
    }

    #[test]
    fn an_unsure_change_waits_and_a_sure_one_does_not() {
        let up = [(-5, Verdict::Up, 0.95, None), (0, Verdict::Up, 0.95, None)];
        let after_up = |events: &[(i64, Verdict, f64, Option<u32>)]| play(&[&up, events].concat());
        let unsure = (5, Verdict::Partial, 0.9, Some(1));
        let (course, changes) = after_up(&[unsure, (10, Verdict::Up, 0.95, None)]);
        assert_eq!((course.said().map(|d| d.verdict), changes.len()), (Some(Verdict::Up), 0));
        let (_, changes) = after_up(&[unsure, (25, Verdict::Partial, 0.9, Some(1))]);
        assert_eq!(changes, [(25, false, 1)]);
        let (course, changes) = after_up(&[(5, Verdict::Down, 0.995, None)]);
        assert_eq!(changes, [(5, false, 1)]);
        assert_eq!(course.since(), UnixMicros(0).plus_secs(5));
    }

    #[test]
    fn a_first_up_waits_for_those_who_fail_late() {
        let (course, _) = play(&[(0, Verdict::Up, 1.0, None)]);
        assert_eq!(course.said(), None);
        let (course, changes) = play(&[(0, Verdict::Up, 1.0, None), (2, Verdict::Partial, 0.9, Some(1))]);
        assert_eq!((course.said().map(|d| d.verdict), changes.len()), (Some(Verdict::Partial), 1));
        let (course, _) = play(&[(0, Verdict::Up, 1.0, None), (5, Verdict::Up, 1.0, None)]);
        assert_eq!(course.said().map(|d| d.verdict), Some(Verdict::Up));
    }

    #[test]
    fn a_recovery_must_last() {
        let down = (0, Verdict::Down, 0.99, None);
        let (_, changes) = play(&[
            down,
            (10, Verdict::Up, 1.0, None),
            (20, Verdict::Down, 1.0, None),
            (30, Verdict::Up, 1.0, None),
        ]);
        assert_eq!(changes, [(0, false, 1)]);
        let (course, changes) = play(&[down, (10, Verdict::Up, 1.0, None), (40, Verdict::Up, 1.0, None)]);
        assert_eq!(changes, [(0, false, 1), (40, true, 2)]);
        assert!(course.open_incident().is_none());
    }

    #[test]
    fn not_knowing_closes_nothing_and_a_relapse_is_the_same_incident() {
        let (course, changes) = play(&[
            (0, Verdict::Down, 0.99, None),
            (10, Verdict::Unknown, 0.0, None),
            (40, Verdict::Unknown, 0.0, None),
            (50, Verdict::Up, 0.9, None),
            (80, Verdict::Up, 0.9, None),
            (90, Verdict::Down, 0.99, None),
        ]);
        assert_eq!(changes, [(0, false, 1), (80, true, 2), (90, false, 3)]);
        assert_eq!(course.open_incident().map(|i| i.id), Some(IncidentId(1)));
    }

    #[test]
    fn a_change_of_scope_is_a_step() {
        let (_, changes) =
            play(&[(0, Verdict::Partial, 0.99, Some(1)), (5, Verdict::Partial, 0.99, Some(2))]);
        assert_eq!(changes, [(0, false, 1), (5, false, 2)]);
    }
}
