use parallax_model::CheckId;

use super::*;
use crate::config::Level;

/// The gap between two probes of a stranger's host where an operator keeps the machine.
const HOST_GAP: Duration = Manners::of(Level::Operator).host_gap;

const S: Duration = Duration::from_secs(1);

/// The last moment before another.
fn before(moment: Duration) -> Duration {
    moment.saturating_sub(Duration::from_nanos(1))
}

fn target(text: &str) -> Target {
    text.parse().expect("a target")
}

fn schedule(max_in_flight: usize) -> Schedule {
    Schedule::new("a1".parse().expect("an id"), max_in_flight, Manners::of(Level::Operator))
}

/// The schedule of an agent on somebody's own line.
fn at_home() -> Schedule {
    Schedule::new("a1".parse().expect("an id"), 256, Manners::of(Level::Home))
}

/// A stranger's probe that has ended.
fn ended(request: &ProbeRequest, address: Option<IpAddr>, bytes: u64) -> Ended {
    Ended { request: request.clone(), owner: Owner::Stranger, address, bytes, ways: None }
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
    run_to(schedule, end, lasts, |_| None)
}

/// The same where hosts have addresses. Every probe reads 64 KiB.
fn run_to(
    schedule: &mut Schedule,
    end: Duration,
    lasts: Duration,
    address: impl Fn(&Host) -> Option<IpAddr>,
) -> Vec<(Duration, Next)> {
    let ended = |request: &ProbeRequest| ended(request, address(&request.target.host), 65_536);
    let mut log = Vec::new();
    let mut running: VecDeque<(Duration, ProbeRequest)> = VecDeque::new();
    let mut now = schedule.called;
    loop {
        while running.front().is_some_and(|(ends, _)| *ends <= now) {
            let (_, request) = running.pop_front().expect("just seen");
            schedule.ended(ended(&request), now);
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
        schedule.ended(ended(request), now);
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
    let mut other = Schedule::new("a2".parse().expect("an id"), 9, Manners::of(Level::Operator));
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
        schedule.ended(ended(&request, None, 0), tick + S * 3);
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
fn a_share_stretches_strangers_and_not_what_is_the_operators() {
    for (owner, expected) in [(Owner::Stranger, 5), (Owner::Operator, 60)] {
        let mut schedule = schedule(9);
        schedule.set(vec![Assigned { owner, ..assigned("https://a.example/", S * 10) }], Duration::ZERO);
        schedule.share(S * 120, Duration::ZERO);
        assert_eq!(probes(&run(&mut schedule, before(S * 600), S)), expected, "{owner:?}");
        // What comes later is stretched as well, and nothing is when the crowd has gone.
        schedule.set(vec![Assigned { owner, ..assigned("https://a.example/", S * 20) }], S * 600);
        let stretched = if owner == Owner::Stranger { 5 } else { 30 };
        assert_eq!(probes(&run(&mut schedule, before(S * 1_200), S)), stretched, "{owner:?}");
        schedule.share(Duration::ZERO, S * 1_200);
        assert_eq!(probes(&run(&mut schedule, before(S * 1_800), S)), 30, "{owner:?}");
    }
}

/// 128 agents with the share of 128: 32 a minute on the whole.
#[test]
fn many_agents_together_keep_to_what_one_site_may_get() {
    let mut minutes = [0_usize; 40];
    for agent in 0..128 {
        let id = format!("agent-{agent}").parse().expect("an id");
        let mut schedule = Schedule::new(id, 9, Manners::of(Level::Operator));
        schedule.share(S * 240, Duration::ZERO);
        schedule.set(vec![assigned("https://a.example/", S * 30)], Duration::ZERO);
        for (at, _) in run(&mut schedule, before(S * 2_400), S) {
            minutes[usize::try_from(at.as_secs() / 60).expect("few")] += 1;
        }
    }
    assert_eq!(minutes.iter().sum::<usize>(), 1_280);
    assert_eq!(minutes.iter().max(), Some(&36));
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

/// Every second of `0..seconds`, `each` more checks come in, each for a host that no other names.
fn flood(schedule: &mut Schedule, seconds: u32, each: u32, lasts: Duration) -> Vec<(Duration, Next)> {
    let mut log = Vec::new();
    for second in 0..seconds {
        for n in 0..each {
            let number = u128::from(second * each + n);
            // What does not fit any more is given up by the caller.
            drop(schedule.ask(asked(&format!("https://s{number}.example/"), number, S * (second + 10))));
        }
        log.extend(run(schedule, before(S * (second + 1)), lasts));
    }
    log
}

#[test]
fn at_home_a_flood_of_checks_starts_one_probe_a_second() {
    let log = flood(&mut at_home(), 60, 1_000, S / 2);
    let times: Vec<_> =
        log.iter().filter(|(_, next)| matches!(next, Next::Probe(_))).map(|(at, _)| *at).collect();
    assert_eq!(times.iter().filter(|at| at.is_zero()).count(), 5, "the burst");
    assert!((60..=64).contains(&times.len()), "{} in a minute", times.len());
    assert!(times[5..].windows(2).all(|pair| pair[1].saturating_sub(pair[0]) >= S), "{times:?}");
}

#[test]
fn at_home_five_probes_run_at_the_same_time() {
    for (lasts, expected) in [(S * 1_000, 5..=5), (S * 10, 30..=30)] {
        let mut schedule = at_home();
        for number in 0..200 {
            schedule.ask(asked(&format!("https://s{number}.example/"), number, S * 1_000)).expect("room");
        }
        let log = run(&mut schedule, before(S * 60), lasts);
        assert!(expected.contains(&probes(&log)), "{}", probes(&log));
    }
}

#[test]
fn at_home_a_host_and_an_address_are_met_once_in_ten_seconds() {
    let one: IpAddr = "192.0.2.1".parse().expect("an address");
    for (what, names, path) in [("one host", 1, true), ("one address", 20, false)] {
        let mut schedule = at_home();
        let set = (0..20)
            .map(|n| assigned(&format!("https://s{}.example/{n}", if path { 0 } else { n % names }), S));
        schedule.set(set.collect(), Duration::ZERO);
        // The names are strange at first: each is met once until its address is known.
        let began = S * 60;
        run_to(&mut schedule, began, S / 10, |_| Some(one));
        let log = run_to(&mut schedule, began + S * 100, S / 10, |_| Some(one));
        let times: Vec<_> =
            log.iter().filter(|(_, n)| matches!(n, Next::Probe(_))).map(|(at, _)| *at).collect();
        assert!((8..=10).contains(&times.len()), "{what}: {times:?}");
        assert!(times.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) >= S * 10), "{what}: {times:?}");
    }
}

#[test]
fn at_home_checks_of_one_address_under_many_names_are_ten_seconds_apart() {
    let one: IpAddr = "192.0.2.1".parse().expect("an address");
    let mut schedule = at_home();
    let ask = |schedule: &mut Schedule, name: &str, number, now| {
        schedule.ask(asked(&format!("https://{name}.example/"), number, now + S * 60)).expect("room");
    };
    for (name, number) in [("a", 1), ("b", 2)] {
        ask(&mut schedule, name, number, Duration::ZERO);
    }
    run_to(&mut schedule, S, S / 10, |_| Some(one));
    for (name, number) in [("a", 3), ("b", 4)] {
        ask(&mut schedule, name, number, S);
    }
    let log = run_to(&mut schedule, S * 40, S / 10, |_| Some(one));
    let times: Vec<_> = log.iter().map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 2);
    assert!(times[0] >= S * 10 && times[1].saturating_sub(times[0]) >= S * 10, "{times:?}");
}

#[test]
fn at_home_a_day_has_two_hundred_megabytes() {
    let mut schedule = at_home();
    let set = (0..1_000).map(|n| assigned(&format!("https://s{n}.example/"), S * 600)).collect();
    schedule.set(set, Duration::ZERO);
    let log = run(&mut schedule, S * 86_400, S / 10);
    let bytes = probes(&log) as u64 * (65_536 + 8_192);
    assert!((190_000_000..=201_000_000).contains(&bytes), "{bytes}");
}

#[test]
fn an_operators_own_machines_are_met_at_will_at_home_too() {
    let mut schedule = at_home();
    let set = (0..1_000)
        .map(|n| Assigned { owner: Owner::Operator, ..assigned(&format!("https://s{n}.example/"), S * 15) });
    schedule.set(set.collect(), Duration::ZERO);
    assert_eq!(probes(&run(&mut schedule, before(S * 15), S)), 1_000);
}

#[test]
fn an_operators_agent_keeps_up_with_a_thousand_targets_of_strangers() {
    let mut schedule = schedule(256);
    let address = |host: &Host| {
        let n: u8 = host.as_str().bytes().fold(0, u8::wrapping_add);
        Some(IpAddr::from([192, 0, 2, n]))
    };
    let set = (0..1_000).map(|n| assigned(&format!("https://s{n}.example/"), S * 15)).collect();
    schedule.set(set, Duration::ZERO);
    let log = run_to(&mut schedule, before(S * 60), S / 10, address);
    assert_eq!(log.len(), probes(&log), "nothing is given up");
    assert!((3_950..=4_000).contains(&log.len()), "{}", log.len());
}

#[test]
fn other_ways_take_turns_with_the_usual_one() {
    let mut schedule = schedule(8);
    schedule.set(vec![assigned("https://a.example.com/", 10 * S)], Duration::ZERO);
    let mut taken = Vec::new();
    for round in 1..=9_u32 {
        let now = 10 * S * round;
        let Some(Next::Probe(request)) = schedule.next(now) else { panic!("due in round {round}") };
        // The first good answer shows both other ways; a failure later forgets neither.
        let ways = (round == 1).then_some(Ways { h3: true, v4: true });
        schedule.ended(Ended { ways, ..ended(&request, None, 0) }, now);
        taken.push((request.protocol, request.family));
    }
    let (usual, h3, v4) = ((None, None), (Some(Protocol::H3), None), (None, Some(Family::V4)));
    assert_eq!(taken, [usual, h3, usual, v4, usual, h3, usual, v4, usual]);
}

#[test]
fn only_a_good_answer_of_the_usual_way_shows_others() {
    let request = ProbeRequest::new(target("https://a.example.com/"));
    let answer = ProbeResult {
        family: Some(Family::V6),
        h3_advert: Some(parallax_model::H3Advert::AltSvc),
        dns: parallax_model::DnsFacts {
            addresses: vec![
                "2001:db8::1".parse().expect("an address"),
                "192.0.2.1".parse().expect("an address"),
            ],
            ..parallax_model::DnsFacts::default()
        },
        ..ProbeResult::new(request.target.clone(), parallax_model::UnixMicros(0), Outcome::Ok)
    };
    assert_eq!(Ways::shown(&request, &answer), Some(Ways { h3: true, v4: true }));
    let met_by_v4 = ProbeResult { family: Some(Family::V4), ..answer.clone() };
    assert_eq!(Ways::shown(&request, &met_by_v4), Some(Ways { h3: true, v4: false }));
    let over_h3 = ProbeRequest { protocol: Some(Protocol::H3), ..request.clone() };
    assert_eq!(Ways::shown(&over_h3, &answer), None);
    let failure = parallax_model::Failure {
        kind: parallax_model::FailureKind::Http(parallax_model::HttpFailure::Timeout),
        party: parallax_model::Party::Target,
    };
    let failed = ProbeResult { outcome: Outcome::Failed(failure), ..answer };
    assert_eq!(Ways::shown(&request, &failed), None);
}
