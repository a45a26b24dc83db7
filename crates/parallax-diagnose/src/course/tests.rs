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
    let (_, changes) = play(&[(0, Verdict::Partial, 0.99, Some(1)), (5, Verdict::Partial, 0.99, Some(2))]);
    assert_eq!(changes, [(0, false, 1), (5, false, 2)]);
}

#[test]
fn what_breaks_three_times_an_hour_is_flaky_until_it_holds() {
    let mut events = Vec::new();
    for outbreak in 0..3 {
        let start = outbreak * 200;
        events.extend([(start, Verdict::Down, 0.995, None), (start + 60, Verdict::Up, 1.0, None)]);
        events.push((start + 100, Verdict::Up, 1.0, None));
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
    let found = |confidence| (0..30).map(move |n| (10 + n * 10, Verdict::Partial, confidence, Some(1)));
    let after_up = |confidence| play(&up.into_iter().chain(found(confidence)).collect::<Vec<_>>()).1;
    assert_eq!(after_up(0.69), []);
    assert_eq!(after_up(0.7), [(30, false, 1)]);
}
