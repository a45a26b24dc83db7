use std::collections::BTreeSet;

use parallax_diagnose::is_bad;
use parallax_model::{Asn, Diagnosis, Failure, FailureKind, HttpFailure, Outcome, Party, Verdict};
use parallax_proto::v1::agent::session_response::Message;
use parallax_runtime::{Lifecycle, ManualClock};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::read::{NetworkState, OurSide};
use crate::window::tests::result;

const REGIONS: [&str; 5] = ["eu-west", "eu-central", "us-east", "us-west", "ap-south"];

/// Sixty agents: two in each of six networks and five regions.
fn agents() -> Vec<(AgentId, Arc<Vantage>)> {
    let one = |n: u32| {
        let (asn, region) = (1 + n / 2 % 6, REGIONS[n as usize / 12]);
        let vantage = Vantage { asn: Some(Asn(asn)), region: region.parse().ok(), ..Vantage::default() };
        (format!("a{n}").parse().expect("an id"), Arc::new(vantage))
    };
    (0..60).map(one).collect()
}

/// What came of a check.
struct Ended {
    took: Duration,
    asked: BTreeSet<AgentId>,
    said: Diagnosis,
    /// Every verdict: how many had answered by then, and what was said.
    words: Vec<(usize, String)>,
}

/// What an agent sees, and after how long; `None` when it never answers.
type Sees = Option<(u16, Duration)>;

/// A check of a site by all agents, of which each sees what `sees` says of its place.
async fn check(
    agents: Vec<(AgentId, Arc<Vantage>)>,
    network: NetworkState,
    sees: fn(&Vantage) -> Sees,
) -> Ended {
    check_of_patient_ones(agents, network, sees, Duration::MAX).await
}

/// The same by agents that say after `patience` that nothing has come.
async fn check_of_patient_ones(
    agents: Vec<(AgentId, Arc<Vantage>)>,
    network: NetworkState,
    sees: fn(&Vantage) -> Sees,
    patience: Duration,
) -> Ended {
    let lifecycle = Lifecycle::new();
    let (sessions, snapshot) = (Sessions::default(), Snapshot::default());
    snapshot.publish_network(network);
    let clock = Arc::new(ManualClock::at(1_000_000_000));
    let around = Surroundings { sessions: sessions.clone(), clock, tasks: lifecycle.tasks(), snapshot };
    let (ended, _kept) = mpsc::channel(8);
    let checks = Checks::new(around, parallax_runtime::seeded(7), ended);
    let mut answering = JoinSet::new();
    for (agent, vantage) in agents {
        let (outbox, mut inbox) = mpsc::channel(8);
        let seat = sessions.join(&agent, Arc::clone(&vantage), "1".to_owned(), outbox).expect("not revoked");
        let checks = checks.clone();
        answering.spawn(async move {
            let _seat = seat;
            while let Some(Ok(asked)) = inbox.recv().await {
                let (Some(Message::ProbeNow(now)), Some((status, after))) = (asked.message, sees(&vantage))
                else {
                    continue;
                };
                let id = u128::from_be_bytes(now.check_id.as_ref().try_into().expect("sixteen bytes"));
                tokio::time::sleep(after.min(patience)).await;
                if after > patience {
                    checks.deliver_so_far(CheckId(id), &agent, &vantage, silence());
                    tokio::time::sleep(after.saturating_sub(patience)).await;
                }
                checks.deliver(CheckId(id), &agent, &vantage, &result(status));
            }
        });
    }
    let start = Instant::now();
    let target: Target = "https://example.com/".parse().expect("canonical");
    let mut events = checks.start(target, &Near::default()).expect("nothing is busy");
    let (mut asked, mut said) = (BTreeSet::new(), None);
    let (mut answered, mut words) = (0, Vec::new());
    loop {
        match events.next().await.expect("a check says when it is over").as_ref() {
            CheckEvent::Started { panel, .. } => asked.extend(panel.iter().map(|m| m.agent.clone())),
            CheckEvent::SoFar(_) => {}
            CheckEvent::Row(row) => {
                answered += 1;
                asked.insert(row.agent.clone());
            }
            CheckEvent::Verdict(verdict) => {
                words.push((answered, verdict.sentence.clone()));
                said = Some(verdict.as_ref().clone());
            }
            CheckEvent::Done { .. } => break,
        }
    }
    Ended { took: start.elapsed(), asked, said: said.expect("something is said"), words }
}

/// What an agent says that has waited for an answer in vain so far.
fn silence() -> ProbeResult {
    let kind = FailureKind::Http(HttpFailure::Timeout);
    let outcome = Outcome::Failed(Failure { kind, party: Party::Target });
    ProbeResult::new("https://example.com/".parse().expect("canonical"), UnixMicros(0), outcome)
}

/// How long an agent waits before it says that nothing has come.
const PATIENCE: Duration = Duration::from_millis(3_500);

#[tokio::test(start_paused = true)]
async fn a_dead_site_is_said_to_be_down_before_anybody_gives_up() {
    let sees: fn(&Vantage) -> Sees = |_| Some((504, Duration::from_secs(13)));
    let ended = check_of_patient_ones(agents(), NetworkState::default(), sees, PATIENCE).await;
    let words: Vec<(usize, &str)> = ended.words.iter().map(|(n, said)| (*n, said.as_str())).collect();
    assert_eq!(
        words[..2],
        [
            (0, "No answer yet from 30 of 30 testers about example.com"),
            (0, "example.com looks down for everyone we asked"),
        ],
        "one round: looks"
    );
    let (answered, said) = words[words.len() - 1];
    assert_eq!(said, "example.com is down for everyone we asked", "the second round: is");
    assert!(answered > 0 && words.len() <= 4, "{words:?}");
    assert!(ended.took > Duration::from_secs(13), "an answer could still have come: {:?}", ended.took);
}

#[tokio::test(start_paused = true)]
async fn a_site_that_answers_late_is_not_down_in_the_end() {
    let sees: fn(&Vantage) -> Sees = |_| Some((200, Duration::from_secs(7)));
    let ended = check_of_patient_ones(agents(), NetworkState::default(), sees, PATIENCE).await;
    assert!(ended.words.contains(&(0, "example.com looks down for everyone we asked".to_owned())));
    assert!(!is_bad(ended.said.verdict), "{:?}", ended.words);
    assert!(ended.words.iter().all(|(_, said)| !said.contains(" is down")), "{:?}", ended.words);
}

#[tokio::test(start_paused = true)]
async fn a_few_that_wait_do_not_make_a_site_down() {
    // Those of one network wait for ever; all the others reach it.
    let sees: fn(&Vantage) -> Sees = |v| {
        let after = if v.asn == Some(Asn(3)) { 3_600_000 } else { 100 };
        Some((200, Duration::from_millis(after)))
    };
    let ended = check_of_patient_ones(agents(), NetworkState::default(), sees, PATIENCE).await;
    assert_eq!(ended.said.verdict, Verdict::Partial, "{:?}", ended.words);
    assert_eq!(ended.said.sentence, "example.com looks down for customers of AS3", "{:?}", ended.words);
    assert_eq!(ended.took, run::CHECK_DEADLINE, "they are waited for");
}

/// That status, after a tenth of a second.
#[expect(clippy::unnecessary_wraps, reason = "what an agent sees is nothing now and then")]
fn soon(status: u16) -> Sees {
    Some((status, Duration::from_millis(100)))
}

#[tokio::test(start_paused = true)]
async fn what_the_first_wave_decides_needs_no_second_one() {
    for status in [200, 502] {
        let sees: fn(&Vantage) -> Sees = if status == 200 { |_| soon(200) } else { |_| soon(502) };
        let ended = check(agents(), NetworkState::default(), sees).await;
        assert_eq!(ended.asked.len(), 30, "{}", ended.said.sentence);
        assert_eq!(is_bad(ended.said.verdict), status == 502, "{}", ended.said.sentence);
        assert!(ended.took < Duration::from_secs(1), "{:?}", ended.took);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_open_is_asked_of_some_more_and_never_more_than_a_panel() {
    // Two agents of one network fail, three do not, nobody elsewhere: too few to say for whom.
    let ended = check(agents(), NetworkState::default(), |v| {
        let overseas = v.region.as_ref().is_some_and(|region| region.as_str().starts_with("us"));
        soon(if overseas && v.asn == Some(Asn(3)) { 502 } else { 200 })
    });
    let ended = ended.await;
    assert_eq!(ended.asked.len(), 40, "{}", ended.said.sentence);
    let of_network =
        agents().iter().filter(|(a, v)| v.asn == Some(Asn(3)) && ended.asked.contains(a)).count();
    assert_eq!(of_network, 10, "all of that network were asked in the end");
    assert_eq!(ended.said.verdict, Verdict::Partial, "{}", ended.said.sentence);
}

#[tokio::test(start_paused = true)]
async fn a_single_silent_agent_keeps_nobody_waiting_and_a_silent_network_does() {
    let mut all = agents();
    all.truncate(28);
    let silent = all[5].clone();
    let one = Arc::new(Vantage { asn: Some(Asn(99)), ..silent.1.as_ref().clone() });
    all[5].1 = one;
    let ended =
        check(all, NetworkState::default(), |v| if v.asn == Some(Asn(99)) { None } else { soon(200) });
    let ended = ended.await;
    assert_eq!((ended.said.verdict, ended.took), (Verdict::Up, Duration::from_secs(4)));
    let ended =
        check(agents(), NetworkState::default(), |v| if v.asn == Some(Asn(3)) { None } else { soon(200) });
    assert_eq!(ended.await.took, run::CHECK_DEADLINE, "they may be those that fail");
}

/// What a vantage point sees when one network fails and everyone answers in turn, networks and regions mixed.
fn one_network_fails_in_turn(vantage: &Vantage) -> (u16, Duration) {
    let region = REGIONS
        .iter()
        .zip(0..)
        .find(|(name, _)| vantage.region.as_ref().is_some_and(|r| r.as_str() == **name));
    let (asn, region) = (vantage.asn.map_or(0, |asn| asn.0), region.map_or(0, |(_, n)| n));
    let turn = (region * 6 + asn) * 17 % 31;
    (if asn == 2 { 502 } else { 200 }, Duration::from_millis(20) * turn)
}

#[tokio::test(start_paused = true)]
async fn a_doubt_is_not_taken_back_and_raised_again() {
    let ended = check(agents(), NetworkState::default(), |v| Some(one_network_fails_in_turn(v))).await;
    let words: Vec<(usize, &str)> = ended.words.iter().map(|(n, said)| (*n, said.as_str())).collect();
    assert_eq!(
        words,
        [
            (9, "example.com looks up so far"),
            // With the eleventh answer it would look up again.
            (10, "We cannot tell: 2 of 10 testers fail, too few to say for whom"),
            (23, "example.com is down for customers of AS2"),
            (30, "example.com is down for customers of AS2"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_decided_outage_waits_for_stragglers_for_eight_seconds() {
    let ended = check(agents(), NetworkState::default(), |v| {
        if v.asn == Some(Asn(3)) { None } else { Some((502, Duration::from_secs(3))) }
    });
    let ended = ended.await;
    assert_eq!((ended.said.verdict, ended.took), (Verdict::Down, Duration::from_secs(8)));
}

#[tokio::test(start_paused = true)]
async fn while_our_own_side_is_broken_a_check_says_so() {
    let our_side =
        OurSide { since: UnixMicros(0), sentence: "Our own side has a problem: a test".to_owned() };
    let network = NetworkState { our_side: Some(our_side), notices: Vec::new() };
    let ended = check(agents(), network, |_| soon(502)).await;
    assert_eq!(ended.said.verdict, Verdict::Unknown);
    assert_eq!(ended.said.missing, ["Our own side has a problem: a test"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_whose_task_breaks_off_ends_for_its_readers() {
    let (lifecycle, sessions) = (Lifecycle::new(), Sessions::default());
    let (agent, vantage) = agents().remove(0);
    let (outbox, _inbox) = mpsc::channel(8);
    let _seat = sessions.join(&agent, vantage, "1".to_owned(), outbox).expect("not revoked");
    let around = Surroundings {
        sessions,
        clock: Arc::new(ManualClock::at(1_000_000_000)),
        tasks: lifecycle.tasks(),
        snapshot: Snapshot::default(),
    };
    let checks = Checks::new(around, parallax_runtime::seeded(7), mpsc::channel(1).0);
    let (id, target) = (CheckId(7), "https://example.com/".parse::<Target>().expect("canonical"));
    let (rows, inbox) = mpsc::channel(ROWS);
    let (live, mut reader) = broadcast::channel(EVENTS);
    let check = Check {
        target: target.clone(),
        started_at: UnixMicros(0),
        past: Vec::new(),
        live: Some(live),
        rows,
        met: Vec::new(),
    };
    checks.state().checks.insert(id, check);
    let run = Run::new(checks.clone(), (id, target), (UnixMicros(0), 7), &Near::default());
    // Given up as a panic would: its future is dropped before it is over.
    let mut going = Box::pin(run.go(inbox, true));
    assert!(futures_util::future::poll_immediate(&mut going).await.is_none(), "it waits for its agent");
    drop(going);
    let mut last = None;
    while let Ok(event) = reader.try_recv() {
        last = Some(event);
    }
    assert!(matches!(last.as_deref(), Some(CheckEvent::Done { .. })), "{last:?}");
}

#[tokio::test]
async fn a_second_wave_comes_once_a_minute_at_most() {
    let lifecycle = Lifecycle::new();
    let clock = ManualClock::at(1_000_000_000);
    let around = Surroundings {
        sessions: Sessions::default(),
        clock: Arc::new(clock.clone()),
        tasks: lifecycle.tasks(),
        snapshot: Snapshot::default(),
    };
    let checks = Checks::new(around, parallax_runtime::seeded(7), mpsc::channel(1).0);
    let of = |url: &str| checks.may_ask_again(&url.parse().expect("canonical"));
    assert!(of("https://example.com/"));
    assert!(!of("https://example.com/login"), "the same host and port");
    assert!(of("http://example.com/"));
    clock.advance(60_000_000);
    assert!(of("https://example.com/"));
}
