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
    let unsure = (5, Verdict::Down, 0.9, None);
    let (course, changes) = after_up(&[unsure, (10, Verdict::Up, 0.95, None)]);
    assert_eq!((course.said().map(|d| d.verdict), changes.len()), (Some(Verdict::Up), 0));
    let (_, changes) = after_up(&[unsure, (25, Verdict::Down, 0.9, None)]);
    assert_eq!(changes, [(25, false, 1)]);
    let (course, changes) = after_up(&[(5, Verdict::Down, 0.995, None)]);
    assert_eq!(changes, [(5, false, 1)]);
    assert_eq!(course.since(), UnixMicros(0).plus_secs(5));
}

#[test]
fn a_part_is_said_at_once_when_it_is_no_chance_and_not_before() {
    let mut course = Course::new("example.com".parse().expect("a host"), None);
    let mut find = |s: i64, found: Diagnosis| {
        course
            .find(found, UnixMicros(0).plus_secs(s), RECOVER, || IncidentId(1))
            .map(|i| i.opened_at.as_secs())
    };
    for s in [0, 5] {
        assert_eq!(find(s, diagnosis(Verdict::Up, 0.95, None)), None);
    }
    // However long it is found, and however sure its name is: another round is missing.
    let chance =
        Diagnosis { missing: vec!["another round".to_owned()], ..diagnosis(Verdict::Partial, 0.95, Some(1)) };
    for s in [10, 40, 70, 100] {
        assert_eq!(find(s, chance.clone()), None);
    }
    assert_eq!(find(110, diagnosis(Verdict::Up, 0.95, None)), None);
    // Two names explain it equally well, but something is broken.
    assert_eq!(find(120, diagnosis(Verdict::Partial, 0.5, Some(1))), Some(120));
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
    let old = (170, Verdict::Down, 1.0, None);
    let (course, changes) = play(&[down, old, (180, Verdict::Up, 1.0, None), (210, Verdict::Up, 1.0, None)]);
    assert_eq!(changes, [(0, false, 1), (210, true, 2)]);
    assert!(course.open_incident().is_none());
}

#[test]
fn no_incident_is_shorter_than_three_minutes() {
    let ups = (1..30).map(|n| (n * 10, Verdict::Up, 1.0, None));
    let events: Vec<_> = std::iter::once((0, Verdict::Down, 0.99, None)).chain(ups).collect();
    let (_, changes) = play(&events);
    assert_eq!(changes, [(0, false, 1), (180, true, 2)]);
}

#[test]
fn not_knowing_closes_nothing_and_a_relapse_is_the_same_incident() {
    let (course, changes) = play(&[
        (0, Verdict::Down, 0.99, None),
        (10, Verdict::Unknown, 0.0, None),
        (40, Verdict::Unknown, 0.0, None),
        (50, Verdict::Up, 0.9, None),
        (230, Verdict::Up, 0.9, None),
        (240, Verdict::Down, 0.99, None),
    ]);
    assert_eq!(changes, [(0, false, 1), (230, true, 2), (240, false, 3)]);
    assert_eq!(course.open_incident().map(|i| i.id), Some(IncidentId(1)));
}

#[test]
fn a_change_of_scope_is_a_step() {
    let (_, changes) = play(&[(0, Verdict::Partial, 0.99, Some(1)), (5, Verdict::Partial, 0.99, Some(2))]);
    assert_eq!(changes, [(0, false, 1), (5, false, 2)]);
}

#[test]
fn a_scope_that_widens_to_everybody_is_the_same_incident() {
    let (course, changes) = play(&[
        (0, Verdict::Partial, 0.9, Some(1)),
        (30, Verdict::Down, 0.95, None),
        (49, Verdict::Down, 0.95, None),
        (50, Verdict::Down, 0.95, None),
    ]);
    assert_eq!(changes, [(0, false, 1), (50, false, 2)], "not before it was found for 20 s");
    let incident = course.open_incident().expect("one lasts");
    assert_eq!(
        (incident.id, incident.opened_at, incident.worst()),
        (IncidentId(1), UnixMicros(0), Verdict::Down)
    );
}

#[test]
fn what_comes_and_goes_for_one_look_changes_nothing() {
    let looks = (0..40).map(|n| if n % 2 == 0 { Verdict::Partial } else { Verdict::Up });
    let up = [(-10, Verdict::Up, 1.0, None), (-5, Verdict::Up, 1.0, None)];
    let looks = looks.zip(0..).map(|(verdict, n)| (n * 15, verdict, 0.9, None));
    let (course, changes) = play(&up.into_iter().chain(looks).collect::<Vec<_>>());
    assert_eq!((course.said().map(|d| d.verdict), changes), (Some(Verdict::Up), Vec::new()));
}

/// Two targets of one site, each with its course; what one makes of the incident the other takes up.
struct Pair {
    courses: [Course; 2],
    incident: Option<Incident>,
}

impl Pair {
    fn new() -> Self {
        let course = || Course::new("example.com".parse().expect("a host"), None);
        Self { courses: [course(), course()], incident: None }
    }

    fn find(&mut self, which: usize, s: i64, verdict: Verdict) -> Option<(IncidentId, bool)> {
        let others_troubled = self.courses[1 - which].is_troubled();
        let course = &mut self.courses[which];
        course.share(self.incident.clone(), others_troubled);
        let now = UnixMicros(0).plus_secs(s);
        let id = || IncidentId(u128::from(s.unsigned_abs()));
        let changed = course.find(diagnosis(verdict, 0.995, None), now, RECOVER, id)?;
        self.incident = Some(changed.clone());
        Some((changed.id, changed.closed_at.is_some()))
    }
}

#[test]
fn two_targets_of_a_site_have_one_incident_that_ends_with_the_last() {
    let mut pair = Pair::new();
    assert_eq!(pair.find(0, 1, Verdict::Down), Some((IncidentId(1), false)));
    assert_eq!(pair.find(1, 5, Verdict::Partial), Some((IncidentId(1), false)), "no second one");
    assert_eq!(pair.find(0, 200, Verdict::Up), None);
    assert_eq!(pair.find(0, 240, Verdict::Up), None, "the other one is still down");
    assert_eq!(pair.courses[0].said().map(|d| d.verdict), Some(Verdict::Up));
    assert_eq!(pair.find(1, 300, Verdict::Up), None);
    assert_eq!(pair.find(1, 330, Verdict::Up), Some((IncidentId(1), true)));
    assert_eq!(pair.incident.as_ref().map(|i| i.steps.len()), Some(3));
    assert_eq!(pair.find(1, 340, Verdict::Down), Some((IncidentId(1), false)), "a relapse");
    // The target that is down is watched no more: the other one ends what lasts.
    pair.courses[1] = Course::new("example.com".parse().expect("a host"), None);
    assert_eq!(pair.find(0, 350, Verdict::Up), Some((IncidentId(1), true)));
}

#[test]
fn what_opens_keeps_its_first_onset() {
    let (mut course, _) = play(&[(100, Verdict::Down, 0.995, None)]);
    let at = |s| UnixMicros(0).plus_secs(s);
    let onset = Onset { at: at(70), earliest: at(60), latest: at(80) };
    let placed = course.place_onset(onset).map(|i| (i.opened_at, i.onset));
    assert_eq!(placed, Some((at(70), Some(onset))));
    assert!(course.place_onset(Onset { at: at(90), ..onset }).is_none());
}

#[test]
fn while_our_side_is_broken_nothing_is_said_and_what_just_opened_is_taken_back() {
    let reason = || Diagnosis::unknown("our own side has a problem", Vec::new());
    let at = |s| UnixMicros(0).plus_secs(s);
    let (mut young, _) = play(&[(0, Verdict::Down, 0.995, None)]);
    let closed = young.suspend(reason(), at(60), Duration::from_mins(2)).expect("it is taken back");
    assert_eq!((closed.closed_at, closed.steps.len()), (Some(at(60)), 2));
    assert_eq!(young.said().map(|d| d.verdict), Some(Verdict::Unknown));
    let (mut old, _) = play(&[(0, Verdict::Down, 0.995, None)]);
    assert_eq!(old.suspend(reason(), at(600), Duration::from_mins(2)), None);
    assert_eq!(old.open_incident().map(|i| i.id), Some(IncidentId(1)), "an old one stays open");
    let again = old.find(diagnosis(Verdict::Down, 0.995, None), at(700), RECOVER, || IncidentId(9));
    assert_eq!(again.map(|i| i.id), Some(IncidentId(1)), "and goes on");
}

#[test]
fn what_breaks_three_times_an_hour_is_flaky_until_it_holds() {
    let mut events = Vec::new();
    for outbreak in 0..3 {
        let start = outbreak * 200;
        events.extend([(start, Verdict::Down, 0.995, None), (start + 10, Verdict::Up, 1.0, None)]);
        events.push((start + 190, Verdict::Up, 1.0, None));
    }
    // Said as flaky from the third outbreak on, at 400 s, and held for ten minutes, whatever is found between.
    let (course, changes) = play(&events);
    assert_eq!(course.said().map(|d| d.verdict), Some(Verdict::Flaky));
    assert_eq!(course.said().map(|d| d.sentence.as_str()), Some("example.com comes and goes"));
    assert_eq!(changes.last(), Some(&(400, false, 5)));
    let mut longer = events.clone();
    longer.extend([
        (700, Verdict::Down, 0.995, None),
        (710, Verdict::Up, 1.0, None),
        (990, Verdict::Up, 1.0, None),
    ]);
    assert_eq!(play(&longer).0.said().map(|d| d.verdict), Some(Verdict::Flaky), "held");
    longer.extend([(1_001, Verdict::Up, 1.0, None), (1_100, Verdict::Up, 1.0, None)]);
    assert_eq!(play(&longer).0.said().map(|d| d.verdict), Some(Verdict::Up), "over");
    let mut lasting = events;
    lasting.extend([(700, Verdict::Down, 0.995, None), (880, Verdict::Down, 0.995, None)]);
    assert_eq!(play(&lasting).0.said().map(|d| d.verdict), Some(Verdict::Down), "an outage that lasts");
}

#[test]
fn what_is_unlikely_is_not_said_however_long_it_is_found() {
    let up = [(-5, Verdict::Up, 0.95, None), (0, Verdict::Up, 0.95, None)];
    let found = |confidence| (0..30).map(move |n| (10 + n * 10, Verdict::Down, confidence, None));
    let after_up = |confidence| play(&up.into_iter().chain(found(confidence)).collect::<Vec<_>>()).1;
    assert_eq!(after_up(0.79), []);
    assert_eq!(after_up(0.8), [(30, false, 1)]);
}
