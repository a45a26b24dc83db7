use parallax_model::{CheckId, Micros, Outcome, Phases, ProbeResult};
use parallax_proto::target_to_wire;
use parallax_proto::v1::agent::{Assign, Assignment, ProbeNow, ResultBatch};
use parallax_runtime::{ManualClock, seeded};
use tokio::task::JoinSet;

use super::*;
use crate::dial::channel_over;
use crate::fake::{Conversation, Fake, NOW_US, next_session};
use crate::spool::{Bounds, SpoolSettings};

/// Between the beginnings of two results, in microseconds: what a batch of any size keeps.
const STEP_US: i64 = 10_000;

/// An agent's side with a spool of its own.
struct Agent {
    spool: Spool,
    orders: mpsc::Sender<Order>,
    ordered: mpsc::Receiver<Order>,
    so_far: broadcast::Sender<Arc<ProbeResult>>,
    clock: ManualClock,
    stop: CancellationToken,
    renew_at: i64,
    careful: Vec<Sent>,
    _folder: tempfile::TempDir,
}

impl Agent {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(settings(&folder), seeded(1)).await.expect("open");
        Self::with(spool, folder)
    }

    /// With a spool that stands still with a paused clock.
    fn inline(tasks: &mut JoinSet<()>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::with(Spool::open_inline(settings(&folder), seeded(1), tasks), folder)
    }

    fn with(spool: Spool, folder: tempfile::TempDir) -> Self {
        let (orders, ordered) = mpsc::channel(8);
        let clock = ManualClock::at(NOW_US);
        let stop = CancellationToken::new();
        let (so_far, _) = broadcast::channel(8);
        Self {
            spool,
            orders,
            ordered,
            so_far,
            clock,
            stop,
            renew_at: i64::MAX,
            careful: Vec::new(),
            _folder: folder,
        }
    }

    async fn push(&self, numbers: std::ops::RangeInclusive<u32>) {
        for number in numbers {
            self.spool.push(result(number)).await.expect("alive");
        }
    }

    /// Runs one session against the fake while the test plays the aggregator.
    async fn session<T>(&self, fake: &Fake, play: impl Future<Output = T>) -> (Result<End, SessionError>, T) {
        let mut tasks = JoinSet::new();
        let channel = channel_over(fake.serve_in_memory(&mut tasks)).await.expect("HTTP/2");
        let session = Session {
            spool: &self.spool,
            orders: &self.orders,
            so_far: &self.so_far,
            clock: &self.clock,
            declared: &Vantage::default(),
            renew_at: UnixMicros(self.renew_at),
            careful: &self.careful,
            stop: &self.stop,
        };
        tokio::join!(session.run(AgentServiceClient::new(channel), |_| {}), play)
    }
}

fn settings(folder: &tempfile::TempDir) -> SpoolSettings {
    let bounds = Bounds { max_bytes: 16 << 20, max_age: Duration::from_hours(1) };
    SpoolSettings { folder: folder.path().join("spool"), bounds }
}

fn result(number: u32) -> ProbeResult {
    ProbeResult {
        phases: Phases { total: Micros(number), ..Phases::default() },
        ..ProbeResult::new(
            "https://example.com/".parse().expect("a target"),
            UnixMicros(NOW_US + STEP_US * i64::from(number)),
            Outcome::Ok,
        )
    }
}

/// The place of the first result of the next batch, and the numbers in it.
async fn heard(conversation: &mut Conversation) -> (u64, Vec<u32>) {
    let ResultBatch { first_seq, columns, .. } = conversation.results().await;
    let results = batch::decode(&batch::unpack(&columns).expect("columns")).expect("a good batch");
    (first_seq, results.iter().map(|result| result.phases.total.0).collect())
}

fn bye() -> tonic::Status {
    tonic::Status::unavailable("bye")
}

#[tokio::test]
async fn results_flow_in_order_and_never_more_than_allowed() {
    let agent = Agent::new().await;
    let (fake, mut opened) = Fake::new(2040);
    agent.push(1..=5).await;
    let (end, ()) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            let hello = talk.hello().await;
            assert_eq!(
                (hello.oldest_seq, hello.next_seq, hello.gaps.len(), hello.clock_us),
                (1, 6, 0, NOW_US)
            );
            talk.welcome(0, 2, 2).await;
            assert_eq!(heard(&mut talk).await, (1, vec![1, 2]));
            assert_eq!(heard(&mut talk).await, (3, vec![3, 4]));
            // Two are on their way: nothing more comes, but a heartbeat that is asked for does.
            agent.push(6..=7).await;
            while !matches!(talk.hear_all().await, Up::Heartbeat(_)) {}
            let beat = Heartbeat { clock_us: 42, echo_us: 0 };
            talk.say(Down::Heartbeat(beat)).await;
            assert_eq!(talk.hear_all().await, Up::Heartbeat(Heartbeat { clock_us: NOW_US, echo_us: 42 }));
            talk.ack(hello.epoch ^ 1, 4).await;
            talk.ack(hello.epoch, 2).await;
            assert_eq!(heard(&mut talk).await, (5, vec![5, 6]));
            talk.ack(hello.epoch, 6).await;
            assert_eq!(heard(&mut talk).await, (7, vec![7]));
            talk.ack(hello.epoch, 7).await;
            agent.push(8..=8).await;
            assert_eq!(heard(&mut talk).await, (8, vec![8]));
            talk.end(bye()).await;
        })
        .await;
    assert!(matches!(end, Err(SessionError::Stream(_))), "{end:?}");
    assert_eq!(agent.spool.report().await.expect("alive").oldest, Seq(8));
}

#[tokio::test(start_paused = true)]
async fn results_go_together_unless_somebody_waits_for_them() {
    let mut tasks = JoinSet::new();
    let agent = Agent::inline(&mut tasks);
    let (fake, mut opened) = Fake::new(2040);
    let (end, ()) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            let epoch = talk.hello().await.epoch;
            talk.welcome(0, 8, 1_000).await;
            let tenth = GATHER / 10;
            tokio::time::sleep(tenth).await;
            let began = Instant::now();
            agent.push(1..=1).await;
            tokio::time::sleep(tenth).await;
            agent.push(2..=2).await;
            assert_eq!(heard(&mut talk).await, (1, vec![1, 2]));
            assert!((GATHER..GATHER + tenth).contains(&began.elapsed()), "{:?}", began.elapsed());
            talk.ack(epoch, 2).await;

            // Many wait for nothing.
            let began = Instant::now();
            let through = u32::try_from(ENOUGH).expect("few") + 2;
            agent.push(3..=through).await;
            assert_eq!(heard(&mut talk).await, (3, (3..=through).collect()));
            assert!(began.elapsed() < tenth, "{:?}", began.elapsed());
            talk.ack(epoch, through.into()).await;

            // Nor does anything while a check may want it.
            let target = "https://a.example/".parse().expect("a target");
            let probe = ProbeNow {
                check_id: CheckId(7).0.to_be_bytes().to_vec().into(),
                target: Some(target_to_wire(&target)),
                deadline_ms: 10_000,
                ..ProbeNow::default()
            };
            talk.say(Down::ProbeNow(probe)).await;
            tokio::time::sleep(tenth).await;
            for number in through + 1..=through + 2 {
                let began = Instant::now();
                agent.push(number..=number).await;
                assert_eq!(heard(&mut talk).await, (number.into(), vec![number]));
                assert!(began.elapsed() < tenth, "{:?}", began.elapsed());
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
            let began = Instant::now();
            agent.push(1_000..=1_000).await;
            assert_eq!(heard(&mut talk).await, (u64::from(through) + 3, vec![1_000]));
            assert!(began.elapsed() >= GATHER, "nobody waits any more: {:?}", began.elapsed());
            talk.end(bye()).await;
        })
        .await;
    assert!(matches!(end, Err(SessionError::Stream(_))), "{end:?}");
}

#[tokio::test]
async fn what_a_check_has_seen_so_far_is_said_at_once_and_never_in_the_way() {
    let agent = Agent::new().await;
    let (fake, mut opened) = Fake::new(2040);
    let (end, ()) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            talk.hello().await;
            talk.welcome(0, 2, 2).await;
            while !matches!(talk.hear_all().await, Up::Heartbeat(_)) {}
            let seen = ProbeResult { check: Some(CheckId(7)), ..result(1) };
            agent.so_far.send(Arc::new(result(2))).expect("a session listens");
            agent.so_far.send(Arc::new(seen.clone())).expect("a session listens");
            let said = loop {
                if let Up::SoFar(said) = talk.hear_all().await {
                    break said;
                }
            };
            assert_eq!(
                said.check_id,
                CheckId(7).0.to_be_bytes().to_vec(),
                "what is for no check is not said"
            );
            assert_eq!(said.result, Some(result_to_wire(&seen)));
            // More than has room is dropped, and results go all the same.
            for _ in 0..100 {
                agent.so_far.send(Arc::new(seen.clone())).expect("a session listens");
            }
            agent.push(1..=1).await;
            loop {
                if let Up::Results(batch) = talk.hear_all().await {
                    assert_eq!((batch.first_seq, batch.count), (1, 1), "it has no place among the results");
                    break;
                }
            }
            talk.end(bye()).await;
        })
        .await;
    assert!(matches!(end, Err(SessionError::Stream(_))), "{end:?}");
}

#[tokio::test]
async fn after_a_break_results_come_from_where_the_aggregator_has_them() {
    let agent = Agent::new().await;
    let (fake, mut opened) = Fake::new(2040);
    agent.push(1..=6).await;
    let (_, epoch) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            let hello = talk.hello().await;
            talk.welcome(0, 8, 3).await;
            assert_eq!(heard(&mut talk).await, (1, vec![1, 2, 3]));
            assert_eq!(heard(&mut talk).await, (4, vec![4, 5, 6]));
            talk.ack(hello.epoch, 2).await;
            talk.end(bye()).await;
            hello.epoch
        })
        .await;
    let (end, ()) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            let hello = talk.hello().await;
            assert_eq!((hello.epoch, hello.oldest_seq, hello.next_seq), (epoch, 3, 7));
            // More is on the aggregator's disk than it could say before the break.
            talk.welcome(4, 8, 100).await;
            assert_eq!(heard(&mut talk).await, (5, vec![5, 6]));
            talk.end(bye()).await;
        })
        .await;
    assert!(matches!(end, Err(SessionError::Stream(_))), "{end:?}");
}

#[tokio::test]
async fn a_backlog_drains_behind_what_is_new_one_batch_at_a_time() {
    let agent = Agent::new().await;
    let (fake, mut opened) = Fake::new(2040);
    agent.push(1..=2_500).await;
    let (_, ()) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            let newest = talk.hello().await;
            assert_eq!((newest.oldest_seq, newest.next_seq), (1, 501), "two epochs ended before");
            talk.welcome(0, 4, 1_000).await;
            // What was seen last, then one batch of the epoch before it; the other waits for its ack.
            let live = talk.results().await;
            assert_eq!((ends(&live), live.backlog), ((newest.epoch, 2_001, 2_500), false));
            let second = talk.results().await;
            assert!(second.backlog);
            assert_eq!((ends(&second).1, ends(&second).2), (1_001, 2_000));
            agent.push(2_501..=2_503).await;
            assert_eq!(heard(&mut talk).await.1[0], 2_501, "what is new overtakes");
            talk.ack(second.epoch, 1_000).await;
            let mut first = talk.results().await;
            while first.epoch == newest.epoch {
                first = talk.results().await;
            }
            assert_eq!((ends(&first).1, ends(&first).2), (1, 1_000));
            talk.ack(first.epoch, 1_000).await;
            talk.ack(newest.epoch, 503).await;
            agent.push(2_504..=2_504).await;
            assert_eq!(heard(&mut talk).await, (504, vec![2_504]));
            talk.end(bye()).await;
        })
        .await;
    let report = agent.spool.report().await.expect("alive");
    assert_eq!((report.oldest, report.next), (Seq(504), Seq(505)));
}

/// Epoch, and the numbers of the first and the last result.
fn ends(batch: &ResultBatch) -> (u64, u32, u32) {
    let results = batch::decode(&batch::unpack(&batch.columns).expect("columns")).expect("a good batch");
    let number = |result: Option<&ProbeResult>| {
        // By the moment it began: that is exact enough in batches of every size.
        u32::try_from((result.expect("a result").started_at.0 - NOW_US) / STEP_US).expect("small")
    };
    (batch.epoch, number(results.first()), number(results.last()))
}

#[tokio::test]
async fn work_reaches_the_runner() {
    let mut agent = Agent::new().await;
    let (fake, mut opened) = Fake::new(2040);
    let target = "https://a.example/".parse().expect("a target");
    let wire = target_to_wire(&target);
    agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            talk.hello().await;
            talk.welcome(0, 1, 1).await;
            let set = vec![Assignment { target: Some(wire.clone()), interval_ms: 15_000 }];
            talk.say(Down::Assign(Assign { reset: true, set, ..Assign::default() })).await;
            let drain = Drain { reason: "moving".to_owned(), reconnect_after_ms: 1_500 };
            talk.say(Down::Drain(drain)).await;
        })
        .await
        .0
        .map(|end| assert_eq!(end, End::Drained(Duration::from_millis(1_500))))
        .expect("a drain is no failure");
    let Some(Order::Share(Duration::ZERO)) = agent.ordered.recv().await else { panic!("a share") };
    let Some(Order::Reset(set)) = agent.ordered.recv().await else { panic!("a reset") };
    assert_eq!(set, [(target, Duration::from_secs(15))]);
}

#[tokio::test]
async fn every_end_is_told_apart() {
    let agent = Agent::new().await;
    let (fake, mut opened) = Fake::new(2040);
    agent.push(1..=1).await;
    let cases = [
        (tonic::Status::permission_denied("revoked"), "Revoked"),
        (tonic::Status::unauthenticated("expired"), "Unauthenticated"),
        (tonic::Status::invalid_argument("bad"), "Refused([Sent { epoch"),
        (tonic::Status::unavailable("bye"), "Stream"),
    ];
    for (status, expected) in cases {
        let (end, ()) = agent
            .session(&fake, async {
                let mut talk = next_session(&mut opened).await;
                talk.hello().await;
                talk.welcome(0, 1, 1).await;
                heard(&mut talk).await;
                talk.end(status).await;
            })
            .await;
        let end = format!("{:?}", end.expect_err("a failure"));
        assert!(end.starts_with(expected), "{expected}: {end}");
    }
}

#[tokio::test]
async fn after_a_refusal_results_go_one_by_one_up_to_it() {
    let mut agent = Agent::new().await;
    let (fake, mut opened) = Fake::new(2040);
    agent.push(1..=4).await;
    let epoch = agent.spool.report().await.expect("alive").epoch;
    agent.careful = vec![Sent { epoch, first: Seq(1), last: Seq(2) }];
    let (end, ()) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            let epoch = talk.hello().await.epoch;
            talk.welcome(0, 8, 100).await;
            assert_eq!(heard(&mut talk).await, (1, vec![1]));
            talk.ack(epoch, 1).await;
            assert_eq!(heard(&mut talk).await, (2, vec![2]));
            talk.ack(epoch, 2).await;
            assert_eq!(heard(&mut talk).await, (3, vec![3, 4]));
            talk.end(bye()).await;
        })
        .await;
    assert!(matches!(end, Err(SessionError::Stream(_))), "{end:?}");
}

#[tokio::test]
async fn a_stopping_agent_waits_for_the_acks_of_what_it_sent() {
    let agent = Agent::new().await;
    let (fake, mut opened) = Fake::new(2040);
    agent.push(1..=2).await;
    let (end, _talk) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            let epoch = talk.hello().await.epoch;
            talk.welcome(0, 8, 1).await;
            assert_eq!(heard(&mut talk).await, (1, vec![1]));
            agent.stop.cancel();
            assert_eq!(heard(&mut talk).await, (2, vec![2]));
            talk.ack(epoch, 2).await;
            talk
        })
        .await;
    assert!(matches!(end, Ok(End::Stopped)), "{end:?}");
    assert_eq!(agent.spool.report().await.expect("alive").oldest, Seq(0));
}

#[tokio::test]
async fn a_due_renewal_ends_the_session() {
    let agent = Agent { renew_at: NOW_US, ..Agent::new().await };
    let (fake, mut opened) = Fake::new(2040);
    let (end, _talk) = agent
        .session(&fake, async {
            let mut talk = next_session(&mut opened).await;
            talk.hello().await;
            talk.welcome(0, 8, 1).await;
            talk
        })
        .await;
    assert!(matches!(end, Ok(End::RenewalDue)), "{end:?}");
}
