//! A board that ends and begins again, with what was kept of it and without.

use bytes::Bytes;
use parallax_model::{ConnectFailure, Emitter, Failure, Layer, Micros, Outcome, Party};

use super::*;
use crate::window::reach;

type Kept = Vec<(Target, Bytes)>;

fn through_json(breaker: &Breaker) -> Breaker {
    serde_json::from_str(&serde_json::to_string(breaker).expect("it is written")).expect("it is read")
}

impl Play {
    /// Ends at one second and begins again at another, from what was said, what was learnt and the journal's tail.
    fn restart(&mut self, ends: i64, begins: i64, learnt: Kept) {
        let open = self.latest().into_values().filter(|incident| incident.closed_at.is_none()).collect();
        let mut board = Board::new(open, Cells::default());
        for target in &self.targets {
            board.watch(target, Duration::from_secs(10), at(begins));
        }
        for target in &self.targets {
            let entry = &self.board.entries[target];
            let said = entry.course.said().expect("something is said").clone();
            board.resume(target, said, entry.course.since(), at(ends));
        }
        if !learnt.is_empty() {
            board.recall_breaker(through_json(self.board.breaker()));
        }
        assert_eq!(board.recall(learnt, &self.known(), at(begins)), 0);
        let since = at(begins).plus_micros(-i64::try_from(reach(None).as_micros()).expect("minutes"));
        for published in self.came.iter().filter(|published| published.received_at >= since) {
            board.add(published, false);
        }
        self.board = board;
    }

    fn known(&self) -> BTreeMap<AgentId, Arc<Vantage>> {
        self.agents.iter().cloned().collect()
    }

    fn all_are_due(&mut self) {
        self.board.entries.values_mut().for_each(|entry| entry.kept_at = at(0));
    }
}

/// What an agent sees, by its number and the second.
type Sees = fn(usize, i64) -> ProbeResult;

/// When what is wrong begins, when the process ends, when it begins again, and until when it is looked at then.
const BREAKS: i64 = 300;
const ENDS: i64 = 420;
const UNTIL: i64 = 600;

fn slow(_: usize, s: i64) -> ProbeResult {
    let mut seen = result(200).as_ref().clone();
    seen.phases.first_byte = Some(Micros(if s < BREAKS { 20_000 } else { 6_000_000 }));
    seen
}

fn not_found(_: usize, s: i64) -> ProbeResult {
    result(if s < BREAKS { 200 } else { 404 }).as_ref().clone()
}

/// The agents behind one PoP, which are of all networks and regions, cannot connect.
fn pop(agent: usize, s: i64) -> ProbeResult {
    let behind = agent.is_multiple_of(3);
    if behind && s >= BREAKS {
        let timeout = FailureKind::Connect(ConnectFailure::Timeout);
        let failed = Outcome::Failed(Failure { kind: timeout, party: Party::Target });
        return ProbeResult {
            beacon: BeaconState::Ok,
            ..ProbeResult::new(url("https://a.example/"), at(s), failed)
        };
    }
    let pop = if behind { "FRA" } else { "AMS" }.parse().ok();
    let emitter = Emitter { name: "an-edge".into(), layer: Layer::Edge, pop, via: Vec::new() };
    ProbeResult { emitter: Some(emitter), ..result(200).as_ref().clone() }
}

fn one_network(agent: usize, s: i64) -> ProbeResult {
    result(if s >= BREAKS && agent.is_multiple_of(5) { 502 } else { 200 }).as_ref().clone()
}

/// What is said a few minutes after a restart, of whom, and whether the incident lasts. The process is away for so long, and only
/// some of the agents come back.
fn told(sees: Sees, away: i64, comes_back: fn(usize) -> bool, learnt: bool) -> String {
    let mut play = Play::sites(1);
    let run = |play: &mut Play, seconds: std::ops::Range<i64>| {
        for s in seconds {
            play.run_with(s..s + 1, |agent, _| sees(agent, s));
        }
    };
    run(&mut play, 0..ENDS);
    let kept = if learnt { play.board.take_learnt(at(ENDS), true) } else { Vec::new() };
    play.restart(ENDS, ENDS + away, kept);
    let agents = std::mem::take(&mut play.agents).into_iter().enumerate();
    let numbers: Vec<usize> = agents.clone().map(|(n, _)| n).filter(|n| comes_back(*n)).collect();
    play.agents = agents.filter(|(n, _)| comes_back(*n)).map(|(_, agent)| agent).collect();
    for s in ENDS + away..UNTIL + away {
        play.run_with(s..s + 1, |agent, _| sees(numbers[agent], s));
    }
    let diagnosis = play.view("site0.example").diagnosis.clone();
    let scopes = serde_json::to_string(&diagnosis.scopes).expect("scopes");
    let lasts = play.latest().values().filter(|incident| incident.closed_at.is_none()).count();
    format!("{} {} {lasts}", diagnosis.verdict, scopes)
}

/// What, how it looks, seconds away, who comes back, what is said with nothing learnt, and with what was learnt.
type Case = (&'static str, Sees, i64, fn(usize) -> bool, &'static str, &'static str);

#[test]
fn what_was_learnt_keeps_the_verdict_over_a_restart() {
    let all: fn(usize) -> bool = |_| true;
    let others: fn(usize) -> bool = |n| !n.is_multiple_of(5);
    let cases: [Case; 4] = [
        ("slow", slow, 30, all, "up [] 0", r#"degraded [{"all":true}] 1"#),
        ("not there any more", not_found, 30, all, "up [] 0", r#"down [{"all":true}] 1"#),
        ("one PoP", pop, 300, all, "unknown [] 1", r#"partial [{"pop":"FRA"}] 1"#),
        ("who saw it fail is not back", one_network, 300, others, "up [] 0", "unknown [] 1"),
    ];
    for (what, sees, away, back, without, with) in cases {
        assert_eq!(told(sees, away, back, false), without, "{what}, nothing learnt");
        assert_eq!(told(sees, away, back, true), with, "{what}");
    }
}

/// A play of three sites that has run until something broke with two of them, with all of what there is to learn.
fn troubled() -> Play {
    let mut play = Play::sites(3);
    for s in 0..BREAKS + 60 {
        play.run_with(s..s + 1, |agent, target| {
            let mut seen = match target {
                0 => pop(agent, s),
                1 => one_network(agent, s),
                _ => result(200).as_ref().clone(),
            };
            seen.dns.addresses = vec![[192, 0, 2, if s < BREAKS - 10 { 1 } else { 2 }].into()];
            seen
        });
    }
    play
}

fn bytes(kept: &Kept) -> usize {
    kept.iter().map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn the_state_after_a_restart_is_the_state_before() {
    let mut play = troubled();
    let now = BREAKS + 59;
    let before = play.board.take_learnt(at(now), true);
    assert_eq!((before.len(), bytes(&before) / 60), (3, 68), "three sites with 20 agents each");
    play.restart(now, now, before.clone());
    play.evaluate(now);
    assert_eq!(play.board.take_learnt(at(now), true), [], "nothing is due in the moment it began");
    play.all_are_due();
    assert_eq!(play.board.take_learnt(at(now), true), before);
}

#[test]
fn agents_that_do_not_come_back_say_nothing_and_are_remembered_for_a_day() {
    let mut play = troubled();
    let now = BREAKS + 59;
    let before = play.board.take_learnt(at(now), true);
    play.came.clear();
    // Nobody is back, again and again: what was learnt is kept, and nothing is said of it.
    let mut kept = before.clone();
    for hours in [1, 23, 25] {
        let began = now + hours * 3_600;
        play.restart(now, began, std::mem::take(&mut kept));
        assert_eq!(play.board.cells.taken(), if hours < 24 { 60 } else { 0 });
        play.evaluate(began);
        for target in &play.targets {
            let around = Around { reported: &Arc::default(), connected: &[], silent: &BTreeSet::new() };
            assert_eq!(
                play.board.entries[target].window.world(at(began), &around),
                parallax_diagnose::World::default()
            );
        }
        play.all_are_due();
        kept = play.board.take_learnt(at(began), true);
        let remembered = bytes(&kept) > bytes(&before) / 2;
        assert_eq!(remembered, hours < 24, "{hours} hours: {} of {} bytes", bytes(&kept), bytes(&before));
    }
}

#[test]
fn what_cannot_be_read_costs_what_was_learnt_and_nothing_else() {
    let mut play = troubled();
    let now = BREAKS + 59;
    let (target, good) = play.board.take_learnt(at(now), true).remove(0);
    let other = Bytes::from([&[0x08, 2][..], &good[2..]].concat());
    let cases = [
        ("whole", good.clone(), 0),
        ("nothing", Bytes::new(), 1),
        ("cut off", good.slice(..good.len() - 1), 1),
        ("something else", Bytes::from_static(b"something else"), 1),
        ("another version", other, 1),
    ];
    assert_eq!(good[..2], [0x08, 1], "its version comes first");
    for (what, bytes, unreadable) in cases {
        let mut board = Board::default();
        board.watch(&target, Duration::from_secs(10), at(now));
        assert_eq!(board.recall([(target.clone(), bytes)], &play.known(), at(now)), unreadable, "{what}");
        play.board = board;
        let came = play.came.clone();
        for published in &came {
            play.board.add(published, false);
        }
        play.evaluate(now);
        assert!(play.board.views().contains_key(&target.host), "{what}");
    }
    assert_eq!(
        Board::default().recall([(target, good)], &play.known(), at(now)),
        0,
        "nobody watches it any more"
    );
}

#[test]
fn what_is_learnt_is_kept_a_few_targets_at_a_time() {
    let mut play = Play::sites(3);
    play.run(0..1, |_, _| 200);
    let mut due = |s| play.board.take_learnt(at(s), false).len();
    assert_eq!([due(1), due(2), due(300), due(301)], [3, 0, 0, 3], "what is said is kept soon");
    let mut board = Board::default();
    let vantage = Arc::default();
    for n in 0..40 {
        let target = url(&format!("https://site{n}.example/"));
        board.watch(&target, Duration::from_secs(10), at(n));
        let window = &mut board.entries.get_mut(&target).expect("watched").window;
        for agent in 0..1_000 {
            window.open(&format!("a{agent}").parse().expect("an id"), &vantage);
        }
    }
    let taken: Vec<Vec<Target>> = (0..4)
        .map(|_| board.take_learnt(at(1_000), false).into_iter().map(|(target, _)| target).collect())
        .collect();
    let counts: Vec<usize> = taken.iter().map(Vec::len).collect();
    assert_eq!(counts, [17, 17, 6, 0]);
    assert_eq!(taken[0][0], url("https://site0.example/"), "longest ago first");
}

/// Six of eight sites seem to break at the same moment; a minute and a half later the process ends, and begins again after so long.
fn incidents_when_it_is_us(away: i64, learnt: bool) -> usize {
    let mut play = Play::sites(8);
    play.run(0..BREAKS, |_, _| 200);
    play.run(BREAKS..BREAKS + 90, |_, site| if site < 6 { 502 } else { 200 });
    let ends = BREAKS + 90;
    let kept = if learnt { play.board.take_learnt(at(ends), true) } else { Vec::new() };
    play.restart(ends, ends + away, kept);
    play.evaluate(ends + away);
    play.run(ends + away..ends + away + 120, |_, site| if site < 6 { 502 } else { 200 });
    play.run(ends + away + 120..ends + away + 240, |_, _| 200);
    assert_eq!((play.board.network().our_side, play.verdicts()), (None, BTreeSet::from([Verdict::Up])));
    play.latest().len()
}

#[test]
fn a_problem_of_ours_is_ours_after_a_restart_too() {
    for away in [10, 200] {
        assert_eq!(incidents_when_it_is_us(away, true), 0, "{away} s away");
        assert_eq!(incidents_when_it_is_us(away, false), 6, "{away} s away, nothing learnt");
    }
}
