use parallax_model::CheckId;

use super::*;

const S: Duration = Duration::from_secs(1);

/// The last moment before another.
fn before(moment: Duration) -> Duration {
    moment.saturating_sub(Duration::from_nanos(1))
}

fn target(text: &str) -> Target {
    text.parse().expect("a target")
}

fn schedule(max_in_flight: usize) -> Schedule {
    Schedule::new("a1".parse().expect("an id"), max_in_flight)
}

fn assigned(text: &str, interval: Duration) -> Assigned {
    Assigned { target: target(text), interval, owner: Owner::Stranger }
}

fn asked(text: &str, number: u128, expires: Duration) -> Asked {
    let request = ProbeRequest { check: Some(CheckId(number)), ..ProbeRequest::new(target(text)) };
    Asked { request, owner: Owner::Stranger, expires }
}

/// Runs until `end`; every probe takes `lasts`. Says what was done when.
fn run(schedule: &mut Schedule, end: Duration, lasts: Duration) -> Vec<(Duration, Next)> {
    let mut log = Vec::new();
    let mut running: VecDeque<(Duration, ProbeRequest)> = VecDeque::new();
    let mut now = schedule.called;
    loop {
        while running.front().is_some_and(|(ends, _)| *ends <= now) {
            let (_, request) = running.pop_front().expect("just seen");
            schedule.ended(&request);
        }
        while let Some(next) = schedule.next(now) {
            if let Next::Probe(request) = &next {
                running.push_back((now + lasts, request.clone()));
            }
            log.push((now, next));
        }
        let wake = [schedule.wake_at(), running.front().map(|(ends, _)| *ends)].into_iter().flatten().min();
        now = match wake {
            Some(wake) if wake <= end => wake.max(now),
            _ => break,
        };
    }
    for (_, request) in &running {
        schedule.ended(request);
    }
    log
}

fn probes(log: &[(Duration, Next)]) -> usize {
    log.iter().filter(|(_, next)| matches!(next, Next::Probe(_))).count()
}

#[test]
fn ticks_are_the_first_of_the_grid_not_before_now() {
    let cases = [
        (0, 10, 0, 0),
        (3, 10, 0, 3),
        (3, 10, 3, 3),
        (3, 10, 4, 13),
        (3, 10, 12, 13),
        (3, 10, 13, 13),
        (9, 10, 100, 109),
    ];
    for (offset, interval, now, tick) in cases {
        assert_eq!(next_tick(S * offset, S * interval, S * now), S * tick, "{offset} {interval} {now}");
    }
}

#[test]
fn targets_are_spread_over_their_interval() {
    let mut schedule = schedule(1_000);
    let set = (0..1_000).map(|n| assigned(&format!("https://s{n}.example/"), S * 15)).collect();
    assert_eq!(schedule.set(set, Duration::ZERO), 0);
    let log = run(&mut schedule, before(S * 15), S);
    assert_eq!(probes(&log), 1_000);
    for second in 0..15 {
        let started = log.iter().filter(|(at, _)| at.as_secs() == second).count();
        assert!((40..=95).contains(&started), "{started} in second {second}, 67 expected");
    }
    let again = run(&mut schedule, before(S * 30), S);
    let shifted: Vec<_> = log.into_iter().map(|(at, next)| (at + S * 15, next)).collect();
    assert!(again == shifted, "the same again, one interval later");
}

#[test]
fn another_agent_has_another_place() {
    let mut other = Schedule::new("a2".parse().expect("an id"), 9);
    let mut this = schedule(9);
    for schedule in [&mut this, &mut other] {
        schedule.set(vec![assigned("https://a.example/", S * 60)], Duration::ZERO);
    }
    assert_ne!(this.wake_at(), other.wake_at());
}

#[test]
fn a_reset_keeps_the_grid_and_drops_what_is_not_named() {
    let mut schedule = schedule(9);
    schedule.set(
        vec![assigned("https://a.example/", S * 60), assigned("https://b.example/", S * 60)],
        Duration::ZERO,
    );
    let before = schedule.slots[&target("https://a.example/")].tick;
    schedule.reset(vec![assigned("https://a.example/", S * 60)], before / 2);
    assert_eq!(schedule.slots.len(), 1);
    assert_eq!(schedule.wake_at(), Some(before));
    assert!(!schedule.unset(&target("https://a.example/")));
    assert_eq!(schedule.wake_at(), None);
}

#[test]
fn what_is_on_its_way_during_a_change_is_not_doubled() {
    let same = || vec![assigned("https://a.example/", S)];
    for change in [Schedule::reset, Schedule::set] {
        let mut schedule = schedule(9);
        schedule.set(same(), Duration::ZERO);
        let tick = schedule.wake_at().expect("a tick");
        let Some(Next::Probe(request)) = schedule.next(tick) else { panic!("a probe") };
        change(&mut schedule, same(), tick);
        assert_eq!(schedule.next(tick + S * 2), None, "the first has not ended");
        schedule.ended(&request);
        assert!(schedule.next(tick + S * 4).is_some());
    }
}

#[test]
fn sleeping_through_many_ticks_makes_one_probe() {
    let mut schedule = schedule(9);
    schedule.set(vec![assigned("https://a.example/", S * 10)], Duration::ZERO);
    let woken = S * 8 * 3_600;
    let expected = ProbeRequest::new(target("https://a.example/"));
    assert_eq!(schedule.next(woken), Some(Next::Probe(expected)));
    assert_eq!(schedule.next(woken), None);
    let next = schedule.wake_at().expect("a next one");
    assert!(next > woken && next <= woken + S * 10, "{next:?}");
}

#[test]
fn one_host_is_met_once_a_second_by_strangers_and_at_will_by_its_operator() {
    for (owner, expected) in [(Owner::Stranger, 10), (Owner::Operator, 100)] {
        let mut schedule = schedule(1_000);
        let set = (0..100).map(|n| Assigned { owner, ..assigned(&format!("https://a.example/{n}"), S * 60) });
        schedule.set(set.collect(), Duration::ZERO);
        schedule.set(vec![assigned("https://b.example/", S)], Duration::ZERO);
        let ours = |next: &Next| matches!(next, Next::Probe(r) if r.target.host.as_str() == "a.example");
        let log: Vec<_> = run(&mut schedule, before(S * 60), S / 10);
        let times: Vec<_> = log.iter().filter(|(_, next)| ours(next)).map(|(at, _)| *at).collect();
        assert!(times.len() >= expected, "{owner:?}: {}", times.len());
        let closest = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).min().expect("many");
        assert_eq!(closest >= HOST_GAP, owner == Owner::Stranger, "{owner:?}: {closest:?}");
    }
}

#[test]
fn a_flood_of_checks_meets_a_host_once_a_second() {
    let mut schedule = schedule(1_000);
    schedule.set(vec![assigned("https://a.example/", S)], Duration::ZERO);
    for number in 0..MAX_ASKED as u128 {
        schedule.ask(asked("https://a.example/", number, S * 10)).expect("room");
    }
    let over = asked("https://a.example/", 999, S * 10);
    assert_eq!(schedule.ask(over.clone()), Err(over));
    let log = run(&mut schedule, S * 10, S / 10);
    let started = probes(&log);
    assert!((10..=12).contains(&started), "{started}");
    let given_up = |check: bool| {
        log.iter().filter(|(_, next)| matches!(next, Next::GiveUp(r) if r.check.is_some() == check)).count()
    };
    assert_eq!(given_up(true), MAX_ASKED - 10, "ten seconds, ten checks");
}

#[test]
fn checks_go_first_and_do_not_wait_for_the_schedule() {
    let mut schedule = schedule(9);
    schedule.set(vec![assigned("https://a.example/", S * 10)], Duration::ZERO);
    let tick = schedule.wake_at().expect("a tick");
    schedule.ask(asked("https://b.example/", 1, tick + S)).expect("room");
    schedule.ask(asked("https://a.example/", 2, tick + S)).expect("room");
    let order: Vec<_> = std::iter::from_fn(|| schedule.next(tick)).collect();
    let names: Vec<_> = order
        .iter()
        .map(|next| match next {
            Next::Probe(request) => (request.target.host.as_str(), request.check.is_some()),
            Next::GiveUp(_) => ("given up", false),
        })
        .collect();
    assert_eq!(names, [("b.example", true), ("a.example", true)]);
    assert_eq!(schedule.wake_at(), Some(tick + HOST_GAP), "the scheduled one waits for the check");
    assert_eq!(
        schedule.next(tick + HOST_GAP),
        Some(Next::Probe(ProbeRequest::new(target("https://a.example/"))))
    );
}

#[test]
fn no_more_than_allowed_at_the_same_time_and_what_waits_too_long_is_said() {
    let mut schedule = schedule(2);
    let set = (0..4).map(|n| assigned(&format!("https://s{n}.example/"), S * 10)).collect();
    schedule.set(set, Duration::ZERO);
    schedule.ask(asked("https://c.example/", 1, S * 30)).expect("room");
    let log = run(&mut schedule, S * 19, S * 1_000);
    let started: Vec<_> = log.iter().filter(|(_, next)| matches!(next, Next::Probe(_))).collect();
    assert_eq!(started.len(), 2);
    assert_eq!(started[0].0, Duration::ZERO, "the check");
    let given_up: Vec<_> = log.iter().filter(|(_, next)| matches!(next, Next::GiveUp(_))).collect();
    assert!(!given_up.is_empty() && given_up.iter().all(|(at, _)| *at >= S * 10), "{given_up:?}");
}

#[test]
fn a_probe_that_outlasts_its_interval_is_not_doubled() {
    let mut schedule = schedule(9);
    schedule.set(vec![assigned("https://a.example/", S * 2)], Duration::ZERO);
    let log = run(&mut schedule, S * 20, S * 9);
    assert_eq!(probes(&log), log.len(), "nothing is given up");
    let times: Vec<_> = log.iter().map(|(at, _)| *at).collect();
    assert!(times.windows(2).all(|pair| pair[1] >= pair[0] + S * 9), "{times:?}");
}

#[test]
fn all_probes_together_keep_the_pace() {
    let mut schedule = schedule(10_000);
    for number in 0..MAX_ASKED as u128 {
        schedule.ask(asked(&format!("https://s{number}.example/"), number, S * 30)).expect("room");
    }
    let log = run(&mut schedule, S * 30, S);
    assert_eq!(log.iter().filter(|(at, _)| at.is_zero()).count(), BURST as usize);
    let last = log.last().expect("many").0;
    assert_eq!(last, S / MAX_PROBES_PER_SECOND * (256 - BURST));
    assert_eq!(probes(&log), 256);
}

#[test]
fn too_many_targets_are_refused_and_intervals_kept_in_bounds() {
    let mut schedule = schedule(9);
    let set =
        (0..=MAX_TARGETS).map(|n| assigned(&format!("https://s{n}.example/"), Duration::ZERO)).collect();
    assert_eq!(schedule.reset(set, Duration::ZERO), 1);
    assert_eq!(schedule.slots.len(), MAX_TARGETS);
    assert!(schedule.slots.values().all(|slot| slot.interval == MIN_INTERVAL));
    schedule.reset(vec![assigned("https://a.example/", Duration::MAX)], Duration::ZERO);
    assert_eq!(schedule.slots[&target("https://a.example/")].interval, MAX_INTERVAL);
}
