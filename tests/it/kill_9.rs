//! What was acked is kept: the aggregator is killed with SIGKILL again and again while an agent sends, and in the end every
//! result it ever acked is in its store, once, as it was sent. The agent is killed the same way ([`agent`]).
//!
//! `PARALLAX_KILL_ROUNDS` says how often, for the long run of `cargo xtask soak kill`.

pub(crate) mod agent;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, bail, ensure};
use parallax_agent::{AGGREGATOR_NAME, AgentConfig, enroll};
use parallax_model::{BeaconState, Micros, Outcome, Phases, ProbeResult, StatusCode, Target, UnixMicros};
use parallax_proto::batch::{Known, encode, message, read};
use parallax_proto::v1::admin::CreateTokenRequest;
use parallax_proto::v1::admin::admin_service_client::AdminServiceClient;
use parallax_proto::v1::agent::agent_service_client::AgentServiceClient;
use parallax_proto::v1::agent::session_request::Message as Out;
use parallax_proto::v1::agent::session_response::Message as In;
use parallax_proto::v1::agent::{Hello, SessionRequest, SessionResponse};
use parallax_runtime::{Clock as _, SystemClock};
use parallax_store::{JournalEntry, Store};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Streaming};

use crate::support::api::Api;
use crate::support::program::{Program, command};

/// How often it is killed when nothing else is said.
const KILLS: u64 = 20;
/// How often it is said how far it is.
const SAID_EVERY: u64 = 50;
/// The agent's name.
const AGENT: &str = "kill-nine";
/// The life of its spool.
const EPOCH: u64 = 7;
/// Between the beginnings of two results, in microseconds: what a batch of any size keeps exactly.
const STEP_US: i64 = 10_000;
/// Batches on their way without an ack, as many as Welcome allows.
const IN_FLIGHT: usize = 8;
/// How long an ack may take.
const ACK_DEADLINE: Duration = Duration::from_secs(10);

/// An agent of our own that writes down every ack.
struct Agent {
    tls: ClientTlsConfig,
    /// When its first result began; every other is so many steps later as its seq says.
    began: i64,
    /// Everything up to here was acked.
    acked: u64,
}

/// One open stream.
struct Session {
    out: mpsc::Sender<SessionRequest>,
    inbound: Streaming<SessionResponse>,
    /// Last seq sent over it.
    sent: u64,
    /// Last seqs of the batches on their way.
    in_flight: Vec<u64>,
}

impl Agent {
    async fn enrolled(program: &Program, data: &Path, own: &Path) -> anyhow::Result<Self> {
        enrol(program, data, own, AGENT).await?;
        let file = |name: &str| fs::read(own.join(name)).with_context(|| name.to_owned());
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(file("ca.pem")?))
            .identity(Identity::from_pem(file("chain.pem")?, file("key.pem")?))
            .domain_name(AGGREGATOR_NAME);
        Ok(Self { tls, began: SystemClock.now_micros() / STEP_US * STEP_US, acked: 0 })
    }

    fn result(&self, seq: u64) -> ProbeResult {
        let host = "kept.example".parse().expect("a host");
        ProbeResult {
            status: StatusCode::new(200).ok(),
            phases: Phases { total: Micros(u32::try_from(seq).expect("few results")), ..Phases::default() },
            beacon: BeaconState::Ok,
            ..ProbeResult::new(
                Target::site_default(host),
                UnixMicros(self.began + STEP_US * i64::try_from(seq).expect("few results")),
                Outcome::Ok,
            )
        }
    }

    /// Opens a stream and begins where the aggregator says it is; it must not be behind what it acked.
    async fn connect(&mut self, at: SocketAddr) -> anyhow::Result<Session> {
        let endpoint = Endpoint::from_shared(format!("https://{at}"))?.tls_config(self.tls.clone())?;
        let channel: Channel = endpoint.connect().await?;
        let (out, requests) = mpsc::channel(2 * IN_FLIGHT);
        let hello = Hello {
            version: "0.0.0".to_owned(),
            epoch: EPOCH,
            oldest_seq: self.acked + 1,
            next_seq: self.acked + 1,
            clock_us: SystemClock.now_micros(),
            ..Hello::default()
        };
        out.send(SessionRequest { message: Some(Out::Hello(hello)) }).await?;
        let stream = AgentServiceClient::new(channel).session(ReceiverStream::new(requests)).await?;
        let mut inbound = stream.into_inner();
        let first = timeout(ACK_DEADLINE, inbound.message()).await??;
        let Some(SessionResponse { message: Some(In::Welcome(welcome)) }) = first else {
            bail!("expected Welcome, found {first:?}");
        };
        ensure!(
            welcome.acked_through_seq >= self.acked,
            "{} was acked, and now it has {} only",
            self.acked,
            welcome.acked_through_seq
        );
        self.acked = welcome.acked_through_seq;
        Ok(Session { out, inbound, sent: self.acked, in_flight: Vec::new() })
    }

    async fn send(&self, session: &mut Session, count: u64) -> anyhow::Result<()> {
        let first_seq = session.sent + 1;
        let results: Vec<ProbeResult> = (first_seq..first_seq + count).map(|seq| self.result(seq)).collect();
        let batch = message(EPOCH, first_seq, &encode(&results));
        session.out.send(SessionRequest { message: Some(Out::Results(batch)) }).await?;
        session.sent += count;
        session.in_flight.push(session.sent);
        Ok(())
    }

    /// Waits for the next ack and writes it down; `None` when the stream has ended.
    async fn next_ack(&mut self, session: &mut Session) -> anyhow::Result<Option<u64>> {
        loop {
            let message = timeout(ACK_DEADLINE, session.inbound.message()).await.context("no ack in time")?;
            match message {
                Ok(Some(SessionResponse { message: Some(In::Ack(ack)) })) => {
                    ensure!(
                        ack.epoch == EPOCH && ack.through_seq <= session.sent,
                        "acked what was not sent: {ack:?}"
                    );
                    self.acked = self.acked.max(ack.through_seq);
                    session.in_flight.retain(|last| *last > ack.through_seq);
                    return Ok(Some(ack.through_seq));
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Ok(None),
            }
        }
    }

    /// Keeps the line full until so many acks came.
    async fn stream(&mut self, session: &mut Session, acks: u64) -> anyhow::Result<()> {
        for n in 0..acks {
            while session.in_flight.len() < IN_FLIGHT {
                // Sizes that never fall on the same borders again, so that batches overlap after a reconnect.
                let count = 1 + (session.sent * 31 + n * 17) % 97;
                self.send(session, count).await?;
            }
            self.next_ack(session).await?.context("the stream ended by itself")?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn every_acked_result_survives_kills_of_the_aggregator() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (data, own) = (dir.path().join("data"), dir.path().join("agent"));
    let mut program = Program::up(&data, &["--agents", "0"]).await?;
    let (page, agents) = (program.page.to_string(), program.agents.to_string());
    let again = ["up", "--listen", &page, "--agents-listen", &agents, "--agents", "0"];
    let mut agent = Agent::enrolled(&program, &data, &own).await?;
    let kills = kills()?;
    for round in 0..kills {
        let mut session = agent.connect(program.agents).await?;
        agent.stream(&mut session, 1 + round * 7 % 13).await?;
        program.kill().await?;
        // An ack that was on its way when it died counts: the agent has it.
        while agent.next_ack(&mut session).await?.is_some() {}
        said(round, kills, "the aggregator");
        program = Program::start(command(&again), &data).await?;
    }
    let mut session = agent.connect(program.agents).await?;
    agent.stream(&mut session, 5).await?;
    while !session.in_flight.is_empty() {
        agent.next_ack(&mut session).await?.context("the stream ended by itself")?;
    }
    drop(session);
    let (status, _) = program.interrupt().await?;
    assert_eq!(status.code(), Some(0), "a clean end");
    let kept = kept(&data, &agent).await?;
    let lost: Vec<u64> = (1..=agent.acked).filter(|seq| !kept.contains(seq)).collect();
    assert!(lost.is_empty(), "{} of {} acked results are lost: {lost:?}", lost.len(), agent.acked);
    println!("{} results acked over {kills} kills of the aggregator: lost 0, there twice 0", agent.acked);
    Ok(())
}

/// How often to kill.
fn kills() -> anyhow::Result<u64> {
    Ok(env::var_os("PARALLAX_KILL_ROUNDS").map_or(Ok(KILLS), |rounds| rounds.to_string_lossy().parse())?)
}

/// Says how far it is, now and then.
fn said(round: u64, kills: u64, whom: &str) {
    if (round + 1).is_multiple_of(SAID_EVERY) {
        println!("{whom} was killed {} times of {kills}", round + 1);
    }
}

/// A request as the operator makes it.
pub(crate) fn by_operator<T>(data: &Path, message: T) -> anyhow::Result<Request<T>> {
    let key = fs::read_to_string(data.join("operator.key"))?;
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", key.trim()).parse()?);
    Ok(request)
}

/// Makes the identity of an agent of this name in `own`.
pub(crate) async fn enrol(program: &Program, data: &Path, own: &Path, name: &str) -> anyhow::Result<()> {
    let request = by_operator(data, CreateTokenRequest { agent_id: name.to_owned(), lifetime_s: 0 })?;
    let api = Api::of(program).await?;
    let token = AdminServiceClient::new(api.channel()).create_token(request).await?.into_inner().token;
    let config = AgentConfig {
        aggregator: program.agents.to_string(),
        data_dir: own.to_owned(),
        ..AgentConfig::default()
    };
    Ok(enroll(&config, &token, Arc::new(SystemClock)).await?)
}

/// Everything in the journal of an aggregator that has ended.
pub(crate) async fn journal(data: &Path) -> anyhow::Result<Vec<JournalEntry>> {
    let store = Store::open(data)?;
    let mut reader = store.journal_since(UnixMicros(0)).await?;
    let mut entries = Vec::new();
    while let Some(page) = reader.next_page().await? {
        ensure!(page.damaged == 0, "{} batches of the journal are damaged", page.damaged);
        entries.extend(page.entries);
    }
    store.close().await?;
    Ok(entries)
}

/// The results of a batch that count, with their seqs.
pub(crate) fn counted(entry: &JournalEntry) -> anyhow::Result<Vec<(u64, ProbeResult)>> {
    let results = read(&entry.batch.columns, entry.batch.count, &Known::default())?;
    Ok((entry.batch.first_seq.0..).zip(results.iter()).skip(entry.skip as usize).collect())
}

/// The seqs in the journal; an error when one is there twice or is not what was sent.
async fn kept(data: &Path, agent: &Agent) -> anyhow::Result<BTreeSet<u64>> {
    let mut kept = BTreeSet::new();
    for entry in journal(data).await? {
        ensure!((entry.batch.agent.as_str(), entry.batch.epoch.0) == (AGENT, EPOCH), "a stranger's batch");
        for (seq, result) in counted(&entry)? {
            let sent = agent.result(seq);
            let same = result.started_at == sent.started_at && result.target == sent.target;
            ensure!(same && result.outcome == sent.outcome, "{seq} is not what was sent: {result:?}");
            ensure!(kept.insert(seq), "{seq} is there twice");
        }
    }
    Ok(kept)
}
