use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use parallax_model::{AgentFailure, BlockedFailure, FailureKind, Outcome, ProbeResult, Target};
use parallax_proto::v1::agent::session_response::Message as Down;
use parallax_proto::v1::agent::{Assign, Assignment, ProbeNow};
use parallax_proto::{batch, target_to_wire};
use parallax_runtime::{Lifecycle, ManualClock, seeded};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::enroll::enroll;
use crate::fake::{Conversation, Fake, NOW_US, next_session};
use parallax_proto::AGGREGATOR_NAME;

/// An enrolled agent's surroundings.
struct Stage {
    config: AgentConfig,
    clock: Arc<dyn Clock>,
    fake: Fake,
    opened: mpsc::Receiver<Conversation>,
    tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

async fn stage(enrolled_until: i32) -> Stage {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tasks = JoinSet::new();
    let (fake, opened) = Fake::new(enrolled_until);
    let mut config = AgentConfig { data_dir: folder.path().to_owned(), ..AgentConfig::default() };
    config.aggregator = fake.serve_tls(AGGREGATOR_NAME, &mut tasks).await;
    config.probe.beacons = Vec::new();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW_US));
    enroll(&config, &fake.token().reveal(), Arc::clone(&clock)).await.expect("enrolled");
    Stage { config, clock, fake, opened, tasks, _folder: folder }
}

impl Stage {
    async fn start(&self, lifecycle: &Lifecycle) -> Result<RunningAgent, AgentError> {
        let clock = Arc::clone(&self.clock);
        start(self.config.clone(), AgentParts { clock, rng: seeded(1), tasks: lifecycle.tasks() }).await
    }
}

fn check(number: u128, target: &Target) -> Down {
    Down::ProbeNow(ProbeNow {
        check_id: number.to_be_bytes().to_vec().into(),
        target: Some(target_to_wire(target)),
        family: 0,
        protocol: 0,
        deadline_ms: 10_000,
    })
}

async fn one_result(talk: &mut Conversation) -> ProbeResult {
    let columns = batch::unpack(&talk.results().await.columns).expect("columns");
    let mut results = batch::decode(&columns).expect("a good batch");
    assert_eq!(results.len(), 1);
    results.pop().expect("one")
}

/// Answers every connection with 204.
async fn site(tasks: &mut JoinSet<()>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}/", listener.local_addr().expect("bound")).parse().expect("a target");
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.expect("written");
        }
    });
    target
}

#[tokio::test]
async fn an_agent_probes_what_it_is_told_and_comes_back_after_a_break() {
    let mut stage = stage(2040).await;
    stage.config.probe.allow_cidr = vec!["127.0.0.0/8".parse().expect("a range")];
    let target = site(&mut stage.tasks).await;
    let lifecycle = Lifecycle::new();
    let agent = stage.start(&lifecycle).await.expect("started");
    assert_eq!(agent.id.as_str(), "agent-7");
    assert!(matches!(stage.start(&lifecycle).await, Err(AgentError::Identity(IdentityError::InUse(_)))));

    let mut talk = next_session(&mut stage.opened).await;
    assert!(talk.authenticated);
    let first = talk.hello().await;
    talk.welcome(0, 4, 100).await;
    talk.say(check(5, &target)).await;
    let result = one_result(&mut talk).await;
    assert_eq!(
        (result.check.map(|c| c.0), result.outcome, result.target),
        (Some(5), Outcome::Ok, target.clone())
    );
    drop(talk);

    let mut talk = next_session(&mut stage.opened).await;
    let again = talk.hello().await;
    assert_eq!((again.epoch, again.oldest_seq, again.next_seq), (first.epoch, 1, 2));
    talk.welcome(1, 4, 100).await;
    let set = vec![Assignment { target: Some(target_to_wire(&target)), interval_ms: 1 }];
    talk.say(Down::Assign(Assign { reset: true, set, ..Assign::default() })).await;
    let result = one_result(&mut talk).await;
    assert_eq!((result.check, result.outcome), (None, Outcome::Ok));
    assert_eq!(*agent.link.borrow(), LinkState::Connected);
    talk.ack(first.epoch, 2).await;
    assert_eq!(lifecycle.drain().await, Ok(()));
}

#[tokio::test]
async fn what_policy_forbids_is_answered_and_not_probed() {
    let mut stage = stage(2040).await;
    let lifecycle = Lifecycle::new();
    stage.start(&lifecycle).await.expect("started");
    let mut talk = next_session(&mut stage.opened).await;
    talk.hello().await;
    talk.welcome(0, 4, 100).await;
    let forbidden = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}/", forbidden.local_addr().expect("bound")).parse().expect("a target");
    talk.say(check(6, &target)).await;
    let kind = one_result(&mut talk).await.outcome.kind().expect("a failure");
    let refused = [FailureKind::Agent(AgentFailure::Policy), FailureKind::Blocked(BlockedFailure::Address)];
    assert!(refused.contains(&kind), "{kind}");
    assert!(forbidden.accept().now_or_never().is_none(), "nobody came");
    talk.ack(0, 0).await;
    drop(talk);
    assert_eq!(lifecycle.drain().await, Ok(()));
}

/// Places an agent must never go to, whoever sends it. The first is one where the test would notice.
fn forbidden_targets(noticed: std::net::SocketAddr) -> Vec<Target> {
    let texts = [
        format!("http://{noticed}/"),
        format!("https://localhost:{}/", noticed.port()),
        "http://127.0.0.1/".to_owned(),
        "https://[::1]/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://168.63.129.16/".to_owned(),
        "http://[::ffff:127.0.0.1]/".to_owned(),
        "http://[64:ff9b::7f00:1]/".to_owned(),
        "https://[fd00:ec2::254]/".to_owned(),
        "https://metadata.google.internal/".to_owned(),
        "https://printer/".to_owned(),
        "https://example.com:22/".to_owned(),
    ];
    texts.iter().map(|text| text.parse().expect("a target")).collect()
}

#[tokio::test]
async fn a_hostile_aggregator_gets_nothing_forbidden_done() {
    const ORDERED: usize = 3_000;
    let mut stage = stage(2040).await;
    let lifecycle = Lifecycle::new();
    stage.start(&lifecycle).await.expect("started");
    let mut talk = next_session(&mut stage.opened).await;
    talk.hello().await;
    talk.welcome(0, 16, 1_000).await;
    let noticed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let targets = forbidden_targets(noticed.local_addr().expect("bound"));
    let began = tokio::time::Instant::now();
    for number in 0..ORDERED {
        let mut order = check(number as u128, &targets[number % targets.len()]);
        if let Down::ProbeNow(probe) = &mut order {
            probe.deadline_ms = 1_000;
        }
        talk.say(order).await;
    }
    let set =
        targets.iter().map(|t| Assignment { target: Some(target_to_wire(t)), interval_ms: 1 }).collect();
    talk.say(Down::Assign(Assign { reset: true, set, ..Assign::default() })).await;
    let (mut answered, mut judged) = (0, 0);
    while answered < ORDERED {
        let batch = talk.results().await;
        let results = batch::decode(&batch::unpack(&batch.columns).expect("columns")).expect("a good batch");
        talk.ack(batch.epoch, batch.first_seq + results.len() as u64 - 1).await;
        for result in &results {
            let kind = result.outcome.kind().expect("nothing works");
            match kind {
                FailureKind::Blocked(BlockedFailure::Address) | FailureKind::Agent(AgentFailure::Policy) => {
                    judged += 1;
                }
                _ => assert_eq!(kind, FailureKind::Agent(AgentFailure::Overloaded), "{}", result.target),
            }
            assert_eq!(result.address, None, "{} was connected to", result.target);
        }
        answered += results.iter().filter(|result| result.check.is_some()).count();
    }
    let allowed = 5 + began.elapsed().as_secs() + 1;
    assert!((1..=allowed).contains(&judged), "{judged} of {ORDERED} were looked at, {allowed} would be fine");
    assert!(noticed.accept().now_or_never().is_none(), "nobody came");
    drop(talk);
    assert_eq!(lifecycle.drain().await, Ok(()));
}

#[tokio::test]
async fn a_certificate_near_its_end_is_renewed_before_the_session() {
    // The certificate holds from 2025 to the end of 2026, and the clock says December 2026: 96 percent of its life.
    let mut stage = stage(2027).await;
    let year_us = 365 * 86_400 * 1_000_000;
    stage.clock = Arc::new(ManualClock::at(NOW_US + year_us / 2));
    let lifecycle = Lifecycle::new();
    stage.start(&lifecycle).await.expect("started");
    let mut talk = next_session(&mut stage.opened).await;
    talk.hello().await;
    assert_eq!(stage.fake.renewals.load(Ordering::SeqCst), 1);
    let identity = DataDir::new(&stage.config.data_dir).identity().expect("an identity");
    assert_eq!(identity.not_after.as_secs(), 2_208_988_800, "2040-01-01");
    drop(talk);
    assert_eq!(lifecycle.drain().await, Ok(()));
}

#[tokio::test]
async fn an_agent_that_is_not_wanted_says_so_and_stays_away() {
    let mut stage = stage(2040).await;
    let lifecycle = Lifecycle::new();
    let mut agent = stage.start(&lifecycle).await.expect("started");
    let mut talk = next_session(&mut stage.opened).await;
    talk.hello().await;
    talk.end(tonic::Status::permission_denied("revoked")).await;
    let revoked = agent.link.wait_for(|state| *state == LinkState::Revoked);
    tokio::time::timeout(Duration::from_secs(20), revoked).await.expect("in time").expect("alive");
    assert_eq!(lifecycle.drain().await, Ok(()));
}

#[tokio::test]
async fn a_result_that_is_refused_three_times_is_set_aside() {
    let mut stage = stage(2040).await;
    let lifecycle = Lifecycle::new();
    stage.start(&lifecycle).await.expect("started");
    let target: Target = "http://127.0.0.1/".parse().expect("a target");
    for round in 0..3 {
        let mut talk = next_session(&mut stage.opened).await;
        talk.hello().await;
        talk.welcome(0, 4, 100).await;
        if round == 0 {
            talk.say(check(1, &target)).await;
        }
        talk.results().await;
        talk.end(tonic::Status::invalid_argument("poison")).await;
    }
    let mut talk = next_session(&mut stage.opened).await;
    let hello = talk.hello().await;
    assert_eq!((hello.oldest_seq, hello.next_seq, hello.gaps[0].results), (0, 2, 1));
    drop(talk);
    assert_eq!(lifecycle.drain().await, Ok(()));
}

#[tokio::test]
async fn without_an_identity_or_with_a_bad_configuration_nothing_starts() {
    let mut stage = stage(2040).await;
    let lifecycle = Lifecycle::new();
    stage.config.probe.zones = vec!["nonsense".to_owned()];
    assert!(matches!(stage.start(&lifecycle).await, Err(AgentError::Config(_))));
    stage.config.probe.zones.clear();
    stage.config.data_dir = stage.config.data_dir.join("empty");
    assert!(matches!(stage.start(&lifecycle).await, Err(AgentError::NotEnrolled)));
}
