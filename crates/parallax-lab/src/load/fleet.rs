//! Thousands of agents in one process, as an aggregator meets them: each with its own certificate, connection and stream.
//!
//! They do not probe: what they send was made and encoded before, so that they cost little beside the aggregator on the same
//! machine. Each keeps as many batches on their way as it is allowed, and stops when it has sent its share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::AgentId;
use parallax_proto::v1::agent::agent_service_client::AgentServiceClient;
use parallax_proto::v1::agent::session_request::Message as Up;
use parallax_proto::v1::agent::session_response::Message as Down;
use parallax_proto::v1::agent::{Hello, ResultBatch, SessionRequest, SessionResponse};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{ClientTlsConfig, Endpoint};
use tonic::{Status, Streaming};

use crate::load::vouch::{VouchError, Voucher};

/// Agents that shake hands at the same time.
const CONNECTING: usize = 64;
/// How long one agent may take to stand, handshake and welcome together.
const WELCOME_DEADLINE: Duration = Duration::from_mins(1);
/// How long the aggregator may take to answer anything.
const SILENCE: Duration = Duration::from_mins(1);
/// Messages on their way from an agent's task into its stream.
const OUTBOX: usize = 16;
/// Batches that an agent has on their way that floods the aggregator: more than streams and connections hold.
pub const FLOOD: usize = 1_000;
/// The spool's life all these agents are in.
pub const EPOCH: u64 = 1;

/// Why the agents cannot do their work.
#[derive(Debug, Error)]
pub enum FleetError {
    /// An agent has no certificate.
    #[error(transparent)]
    Vouch(#[from] VouchError),
    /// An agent cannot connect.
    #[error("{agent}: connecting")]
    Connect {
        /// Which.
        agent: AgentId,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The aggregator ended the stream, or the call.
    #[error("{agent}: its stream")]
    Stream {
        /// Whose.
        agent: AgentId,
        /// Why.
        source: Box<Status>,
    },
    /// The aggregator said something else than it should, or nothing.
    #[error("{agent}: waited for {what}")]
    Waited {
        /// Which.
        agent: AgentId,
        /// For what.
        what: &'static str,
    },
    /// A task of ours panicked.
    #[error("an agent's task ended")]
    Task(#[from] tokio::task::JoinError),
}

impl FleetError {
    /// Whether the aggregator says that it has as many agents as it can have.
    pub fn is_no_room(&self) -> bool {
        matches!(self, Self::Stream { source, .. } if source.code() == tonic::Code::ResourceExhausted)
    }
}

/// One connected agent.
#[derive(Debug)]
struct Standing {
    agent: AgentId,
    outbox: mpsc::Sender<SessionRequest>,
    inbound: Streaming<SessionResponse>,
    may_be_unacked: usize,
    next_seq: u64,
    acked: u64,
}

/// What the agents send: encoded batches, taken in turn, and how many results each holds.
#[derive(Debug, Clone)]
pub struct Cargo {
    /// Batches of a thousand results or fewer, without their seqs.
    pub batches: Arc<[ResultBatch]>,
    /// Results in each.
    pub results: u64,
}

/// What one agent got acked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckedThrough {
    /// Which.
    pub agent: AgentId,
    /// The last acked seq of [`EPOCH`].
    pub seq: u64,
}

/// An agent that sent, and how long each of its acks took.
type Sent = Result<(Standing, Vec<Duration>), FleetError>;

/// Connected agents.
#[derive(Debug)]
pub struct Fleet {
    agents: Vec<Standing>,
}

impl Fleet {
    /// Connects `count` agents named `load-0` and on, each with a certificate of its own.
    pub async fn connect(
        aggregator: SocketAddr,
        voucher: &Voucher,
        count: usize,
    ) -> Result<Self, FleetError> {
        let agents = Self::stand_all(aggregator, voucher, count).await?;
        Ok(Self { agents: agents.into_iter().collect::<Result<_, _>>()? })
    }

    /// As [`Fleet::connect`], but who is told that there is no room stays away. Returns how many those are.
    pub async fn connect_while_room(
        aggregator: SocketAddr,
        voucher: &Voucher,
        count: usize,
    ) -> Result<(Self, usize), FleetError> {
        let mut agents = Self::stand_all(aggregator, voucher, count).await?;
        agents.retain(|stood| !stood.as_ref().is_err_and(FleetError::is_no_room));
        let refused = count - agents.len();
        Ok((Self { agents: agents.into_iter().collect::<Result<_, _>>()? }, refused))
    }

    async fn stand_all(
        aggregator: SocketAddr,
        voucher: &Voucher,
        count: usize,
    ) -> Result<Vec<Result<Standing, FleetError>>, FleetError> {
        let room = Arc::new(Semaphore::new(CONNECTING));
        let mut joining = JoinSet::new();
        let mut agents = Vec::with_capacity(count);
        for n in 0..count {
            let agent: AgentId = format!("load-{n}").parse().expect("letters, a hyphen and digits");
            let identity = voucher.identity(&agent)?;
            let place = Arc::clone(&room).acquire_owned().await;
            joining.spawn(async move {
                let stood = timeout(WELCOME_DEADLINE, stand(aggregator, agent.clone(), identity)).await;
                drop(place);
                stood.unwrap_or(Err(FleetError::Waited { agent, what: "a welcome" }))
            });
            while let Some(joined) = joining.try_join_next() {
                agents.push(joined?);
            }
        }
        while let Some(joined) = joining.join_next().await {
            agents.push(joined?);
        }
        Ok(agents)
    }

    /// Every agent sends `each` batches and waits until all are acked. Returns how long each ack took, in order of length.
    pub async fn send(&mut self, cargo: &Cargo, each: usize) -> Result<Vec<Duration>, FleetError> {
        let mut sending = JoinSet::new();
        for (n, mut agent) in self.agents.drain(..).enumerate() {
            let cargo = cargo.clone();
            sending.spawn(async move {
                let took = agent.send(&cargo, n, each).await?;
                Ok::<_, FleetError>((agent, took))
            });
        }
        self.gather(sending).await
    }

    /// Every agent sends `each` batches, one in every span of this length, as agents do that see what they see. Returns how long each
    /// ack took, in order of length.
    pub async fn send_paced(
        &mut self,
        cargo: &Cargo,
        each: usize,
        every: Duration,
    ) -> Result<Vec<Duration>, FleetError> {
        let start = Instant::now();
        let count = u32::try_from(self.agents.len()).unwrap_or(u32::MAX);
        let mut sending = JoinSet::new();
        for (n, mut agent) in (0..).zip(self.agents.drain(..)) {
            let cargo = cargo.clone();
            // One after the other, so that they do not wait for each other.
            let first = start + every * n / count;
            sending.spawn(async move {
                let mut took = Vec::with_capacity(each);
                for turn in 0..u32::try_from(each).unwrap_or(u32::MAX) {
                    tokio::time::sleep_until(first + every * turn).await;
                    took.extend(agent.send(&cargo, (n + turn) as usize, 1).await?);
                }
                Ok::<_, FleetError>((agent, took))
            });
        }
        self.gather(sending).await
    }

    /// Takes the agents back, and how long their acks took, in order of length.
    async fn gather(&mut self, mut sending: JoinSet<Sent>) -> Result<Vec<Duration>, FleetError> {
        let mut all = Vec::new();
        while let Some(sent) = sending.join_next().await {
            let (agent, took) = sent??;
            self.agents.push(agent);
            all.extend(took);
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Every agent sends without a break for so long, [`FLOOD`] batches on their way whatever the aggregator allows. Returns how many
    /// batches were acked.
    pub async fn flood(&mut self, cargo: &Cargo, lasts: Duration) -> Result<usize, FleetError> {
        let (until, mut sent) = (Instant::now() + lasts, 0);
        self.allow_unacked(FLOOD);
        while Instant::now() < until {
            sent += self.send(cargo, FLOOD).await?.len();
        }
        Ok(sent)
    }

    /// Takes these agents too.
    pub fn join(&mut self, others: Self) {
        self.agents.extend(others.agents);
    }

    /// One of the agents, as a fleet of its own.
    pub fn split_one(&mut self) -> Option<Self> {
        self.agents.pop().map(|agent| Self { agents: vec![agent] })
    }

    /// Lets every agent have so many batches on their way, whatever the aggregator allows.
    pub fn allow_unacked(&mut self, batches: usize) {
        self.agents.iter_mut().for_each(|agent| agent.may_be_unacked = batches.max(1));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// What was acked so far.
    pub fn acked(&self) -> Vec<AckedThrough> {
        let acked = |a: &Standing| AckedThrough { agent: a.agent.clone(), seq: a.acked };
        self.agents.iter().map(acked).collect()
    }
}

async fn stand(
    aggregator: SocketAddr,
    agent: AgentId,
    identity: ClientTlsConfig,
) -> Result<Standing, FleetError> {
    let connect = |source| FleetError::Connect { agent: agent.clone(), source };
    let ended = |status: Status| FleetError::Stream { agent: agent.clone(), source: Box::new(status) };
    let endpoint = Endpoint::from_shared(format!("https://{aggregator}")).map_err(connect)?;
    let endpoint = endpoint.tls_config(identity).map_err(connect)?.tcp_nodelay(true);
    let channel = endpoint.connect().await.map_err(connect)?;
    let (outbox, outgoing) = mpsc::channel(OUTBOX);
    let hello = Hello { version: "0.0.0".to_owned(), epoch: EPOCH, next_seq: 1, ..Hello::default() };
    // The receiver is at hand and the channel empty.
    drop(outbox.try_send(SessionRequest { message: Some(Up::Hello(hello)) }));
    let session = AgentServiceClient::new(channel).session(ReceiverStream::new(outgoing)).await;
    let mut inbound = session.map_err(ended)?.into_inner();
    let welcome = inbound.message().await.map_err(ended)?;
    let Some(SessionResponse { message: Some(Down::Welcome(welcome)) }) = welcome else {
        return Err(FleetError::Waited { agent, what: "a welcome" });
    };
    let may_be_unacked = welcome.max_unacked_batches.max(1) as usize;
    Ok(Standing { agent, outbox, inbound, may_be_unacked, next_seq: 1, acked: 0 })
}

impl Standing {
    async fn send(&mut self, cargo: &Cargo, first: usize, each: usize) -> Result<Vec<Duration>, FleetError> {
        let mut took = Vec::with_capacity(each);
        // Seq of the last result of each batch on its way, and when it was sent.
        let mut on_their_way = std::collections::VecDeque::with_capacity(self.may_be_unacked);
        let mut sent = 0;
        while sent < each || !on_their_way.is_empty() {
            while sent < each && on_their_way.len() < self.may_be_unacked {
                let mut batch = cargo.batches[(first + sent) % cargo.batches.len()].clone();
                (batch.epoch, batch.first_seq) = (EPOCH, self.next_seq);
                self.next_seq += cargo.results;
                on_their_way.push_back((self.next_seq - 1, Instant::now()));
                let request = SessionRequest { message: Some(Up::Results(batch)) };
                // When the stream has ended, the answer says why.
                drop(self.outbox.send(request).await);
                sent += 1;
            }
            self.acked = self.acked.max(self.next_ack().await?);
            while let Some((_, at)) = on_their_way.pop_front_if(|(seq, _)| *seq <= self.acked) {
                took.push(at.elapsed());
            }
        }
        Ok(took)
    }

    /// What the next ack says; everything else the aggregator says is passed over.
    async fn next_ack(&mut self) -> Result<u64, FleetError> {
        loop {
            let heard = timeout(SILENCE, self.inbound.message()).await;
            let heard = heard.map_err(|_| self.waited())?;
            let ended =
                |status: Status| FleetError::Stream { agent: self.agent.clone(), source: Box::new(status) };
            match heard.map_err(ended)? {
                Some(SessionResponse { message: Some(Down::Ack(ack)) }) => return Ok(ack.through_seq),
                Some(_) => {}
                None => return Err(self.waited()),
            }
        }
    }

    fn waited(&self) -> FleetError {
        FleetError::Waited { agent: self.agent.clone(), what: "an ack" }
    }
}
