//! The aggregator of a simulation: it knows each agent by its line, keeps results by place, and acks them after a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parallax_model::UnixMicros;
use parallax_proto::batch;
use parallax_proto::v1::agent::agent_service_server::{AgentService, AgentServiceServer};
use parallax_proto::v1::agent::session_request::Message as Up;
use parallax_proto::v1::agent::session_response::Message as Down;
use parallax_proto::v1::agent::{
    Ack, EnrollRequest, EnrollResponse, Heartbeat, RenewRequest, RenewResponse, ResultBatch, SessionRequest,
    SessionResponse, Welcome,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::{LINE_BYTES, number};
use crate::fake::NOW_US;

/// How long a batch takes to the disk: so long, and longer by its size, so that those of a session that was replaced come late.
const TO_DISK: Duration = Duration::from_millis(20);
/// How long more for each result.
const TO_DISK_EACH: Duration = Duration::from_micros(100);
/// An agent that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// A result that is older than this is not one of now.
const LATE_US: u64 = 60_000_000;
/// Messages that wait to be sent to an agent.
const OUTBOX: usize = 64;
/// Bytes that are carried at a time.
const CARRIED: usize = 16 * 1024;

/// Which way a line is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    pub(super) up: bool,
    pub(super) down: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self { up: true, down: true }
    }
}

/// A result in the journal.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) received: Instant,
    pub(super) taken_for_new: bool,
}

#[derive(Debug, Default)]
struct State {
    journal: Vec<Kept>,
    /// By agent and epoch, the last seq that is kept.
    marks: BTreeMap<(usize, u64), u64>,
    open: BTreeMap<usize, CancellationToken>,
    sessions: BTreeMap<usize, usize>,
}

/// The aggregator, dead or alive; what it keeps outlives it.
#[derive(Debug, Clone)]
pub(super) struct World {
    began: Instant,
    state: Arc<Mutex<State>>,
    alive: watch::Sender<Option<CancellationToken>>,
}

impl World {
    pub(super) fn start(began: Instant) -> Self {
        let alive = watch::channel(Some(CancellationToken::new())).0;
        Self { began, state: Arc::default(), alive }
    }

    pub(super) fn die(&self) {
        if let Some(span) = self.alive.send_replace(None) {
            span.cancel();
        }
    }

    pub(super) fn live(&self) {
        self.alive.send_replace(Some(CancellationToken::new()));
    }

    pub(super) fn kept(&self) -> Vec<Kept> {
        self.state.lock().expect("no panic").journal.clone()
    }

    /// How many sessions each agent had.
    pub(super) fn sessions(&self) -> Vec<usize> {
        self.state.lock().expect("no panic").sessions.values().copied().collect()
    }

    /// Where a process of the agent opens connections.
    pub(super) fn lines(
        &self,
        agent: usize,
        line: watch::Receiver<Lines>,
        tasks: &mut JoinSet<()>,
    ) -> mpsc::Sender<DuplexStream> {
        let (lines, mut opened) = mpsc::channel(4);
        let world = self.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Some(near) = opened.recv().await {
                let Some(span) = world.alive.borrow().clone() else { continue };
                connections.spawn(world.clone().connection(agent, near, line.clone(), span));
                while connections.try_join_next().is_some() {}
            }
        });
        lines
    }

    async fn connection(
        self,
        agent: usize,
        near: DuplexStream,
        line: watch::Receiver<Lines>,
        span: CancellationToken,
    ) {
        let (ours, theirs) = tokio::io::duplex(LINE_BYTES);
        let service = AgentServiceServer::new(Desk { world: self, agent, span: span.clone() });
        let incoming = tokio_stream::iter([Ok::<_, std::io::Error>(ours)]);
        // It ends once the connection is served by a task of its own, which goes with the line.
        if Server::builder().add_service(service).serve_with_incoming(incoming).await.is_err() {
            return;
        }
        let (near_in, near_out) = tokio::io::split(near);
        let (far_in, far_out) = tokio::io::split(theirs);
        tokio::select! {
            () = carry(near_in, far_out, line.clone(), |lines| lines.up) => {}
            () = carry(far_in, near_out, line, |lines| lines.down) => {}
            () = span.cancelled() => {}
        }
    }

    /// Keeps what is new in a batch.
    fn keep(&self, agent: usize, batch: &ResultBatch) -> u64 {
        let received = Instant::now();
        let now = i64::try_from(self.began.elapsed().as_micros()).expect("short");
        let received_at = UnixMicros(NOW_US + now);
        let results =
            batch::read(&batch.columns, batch.count, &batch::Known::default()).expect("a good batch");
        let mut state = self.state.lock().expect("no panic");
        let mark = state.marks.entry((agent, batch.epoch)).or_default();
        let known = *mark;
        *mark = known.max(batch.first_seq + results.len() as u64 - 1);
        let through = *mark;
        for (row, seq) in (0..results.len()).zip(batch.first_seq..) {
            if seq > known {
                let number = number(&results.row(row).target);
                let taken_for_new = received_at.since(results.seen_at(row, received_at)) < LATE_US;
                state.journal.push(Kept { number, received, taken_for_new });
            }
        }
        through
    }
}

/// Carries bytes one way while the line is whole.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut line: watch::Receiver<Lines>,
    whole: impl Fn(&Lines) -> bool,
) {
    let mut bytes = vec![0; CARRIED];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let carried = line.wait_for(&whole).await.is_ok() && to.write_all(&bytes[..read]).await.is_ok();
        if !carried {
            return;
        }
    }
    // An end that is not told: the line may be cut.
    let _ = line.wait_for(&whole).await;
}

/// Where one connection of an agent is served.
struct Desk {
    world: World,
    agent: usize,
    span: CancellationToken,
}

#[tonic::async_trait]
impl AgentService for Desk {
    type SessionStream = ReceiverStream<Result<SessionResponse, Status>>;

    async fn enroll(&self, _: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        Err(Status::unimplemented("nobody enrols here"))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        Err(Status::unimplemented("nobody renews here"))
    }

    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (outbox, stream) = mpsc::channel(OUTBOX);
        let talk = Talk { world: self.world.clone(), agent: self.agent, outbox };
        let (inbox, span) = (request.into_inner(), self.span.clone());
        // A batch that is on its way to disk gets there although its session was replaced, and dies with the process.
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            tokio::select! {
                () = talk.run(inbox) => {}
                () = span.cancelled() => {}
            }
        });
        tasks.detach_all();
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

struct Talk {
    world: World,
    agent: usize,
    outbox: mpsc::Sender<Result<SessionResponse, Status>>,
}

impl Talk {
    async fn run(self, mut inbox: Streaming<SessionRequest>) {
        let Ok(Some(SessionRequest { message: Some(Up::Hello(hello)) })) = inbox.message().await else {
            return;
        };
        let replaced = CancellationToken::new();
        let acked = {
            let mut state = self.world.state.lock().expect("no panic");
            *state.sessions.entry(self.agent).or_default() += 1;
            if let Some(older) = state.open.insert(self.agent, replaced.clone()) {
                older.cancel();
            }
            state.marks.get(&(self.agent, hello.epoch)).copied().unwrap_or(0)
        };
        let welcome = Welcome {
            agent_id: format!("agent-{}", self.agent),
            version: "1.2.3".to_owned(),
            acked_through_seq: acked,
            heartbeat_ms: 20_000,
            max_unacked_batches: 8,
            max_batch_results: 1_000,
            ..Welcome::default()
        };
        self.say(Down::Welcome(welcome)).await;
        // One after the other, in the order they came.
        let (queue, mut batches) = mpsc::channel::<ResultBatch>(OUTBOX);
        let (world, agent, outbox) = (self.world.clone(), self.agent, self.outbox.clone());
        let mut to_disk = JoinSet::new();
        to_disk.spawn(async move {
            while let Some(batch) = batches.recv().await {
                keep(&world, agent, &batch, &outbox).await;
            }
        });
        loop {
            let message = tokio::select! {
                message = timeout(SILENCE, inbox.message()) => message,
                () = replaced.cancelled() => break,
            };
            match message {
                Ok(Ok(Some(SessionRequest { message: Some(Up::Results(batch)) }))) => {
                    queue.send(batch).await.expect("it takes all");
                }
                Ok(Ok(Some(SessionRequest { message: Some(Up::Heartbeat(beat)) }))) => {
                    let beat = Heartbeat { clock_us: NOW_US, echo_us: beat.clock_us };
                    self.say(Down::Heartbeat(beat)).await;
                }
                _ => break,
            }
        }
        // What is on its way to disk gets there; nobody waits for its ack.
        drop(queue);
        to_disk.join_all().await;
        let _ = self.outbox.send(Err(Status::aborted("this session is over"))).await;
    }

    async fn say(&self, message: Down) {
        let _ = self.outbox.send(Ok(SessionResponse { message: Some(message) })).await;
    }
}

async fn keep(
    world: &World,
    agent: usize,
    batch: &ResultBatch,
    outbox: &mpsc::Sender<Result<SessionResponse, Status>>,
) {
    sleep(TO_DISK + TO_DISK_EACH * batch.count).await;
    let through_seq = world.keep(agent, batch);
    let ack = Down::Ack(Ack { epoch: batch.epoch, through_seq });
    let _ = outbox.send(Ok(SessionResponse { message: Some(ack) })).await;
}
