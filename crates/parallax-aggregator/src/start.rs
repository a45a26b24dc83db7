//! From configuration to a running aggregator.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use parallax_bus::{Publisher, ResultBus};
use parallax_model::{AgentId, UnixMicros};
use parallax_proto::EnrollToken;
use parallax_proto::v1::agent::agent_service_server::AgentServiceServer;
use parallax_runtime::{Clock, Rng, Tasks};
use parallax_store::{Store, StoreError, TokenRecord};
use rand::Rng as _;
use rand::SeedableRng as _;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::admission::Admission;
use crate::authority::{Authority, AuthorityError, CA_FILE, CA_KEY_FILE, sha256, write_private};
use crate::board::Cells;
use crate::checks::{Checks, Surroundings};
use crate::config::AggregatorConfig;
use crate::core::Core;
use crate::evaluation::Evaluation;
use crate::ingest::{HEARTBEAT, Ingest, MAX_MESSAGE_BYTES, Paces, decoded_in_hand};
use crate::limits::Limits;
use crate::listener::{self, Accepted, OwnTls, TlsSetupError, accept};
use crate::opt_outs::OptOuts;
use crate::place::Places;
use crate::reader::{Reader, keep_checks};
use crate::reported::Reports;
use crate::reporter::ReporterKey;
use crate::restore::restore;
use crate::sessions::Sessions;
use crate::snapshot::Snapshot;
use crate::{opt_outs, reported, services, upkeep, vantages};

/// The file in the data directory that holds the operator's key.
pub const OPERATOR_KEY_FILE: &str = "operator.key";
/// Files of the data directory that are needed beside the store: a backup without them could not go on.
pub const KEPT_FILES: [&str; 3] = [OPERATOR_KEY_FILE, CA_KEY_FILE, CA_FILE];
/// Ended checks that wait to be written.
const ENDED_CHECKS: usize = 64;
/// How long an agent's connection may take to answer an HTTP/2 ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 streams one agent's connection may have: a session, a renewal and room to spare.
const MAX_STREAMS: u32 = 16;
/// Bytes an agent may send on a stream that nobody has read yet: two full batches.
const STREAM_WINDOW: u32 = 32 * 1_024;
/// And on all streams of a connection: no less can be asked for (RFC 9113, 6.9.2).
const CONNECTION_WINDOW: u32 = 65_535;
/// Connections of agents that are let in only to be told that there is no room for them.
const TURNED_AWAY: usize = 256;

/// Why the aggregator cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data directory's store.
    #[error("the store")]
    Store(#[from] StoreError),
    /// The agents' authority.
    #[error("the agents' authority")]
    Authority(#[from] AuthorityError),
    /// TLS for agents.
    #[error("the agents' TLS")]
    Tls(#[from] TlsSetupError),
    /// gRPC reflection.
    #[error("gRPC reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The operator's key.
    #[error("the operator's key in {}", path.display())]
    OperatorKey {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the aggregator is given.
#[derive(Debug)]
pub struct AggregatorParts {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids, tokens and serials; must be seeded by the operating system outside tests.
    pub rng: Rng,
    /// Who owns the tasks.
    pub tasks: Tasks,
    /// Where agents connect; bound by the caller, who can say which flag changes the port.
    pub agents_listener: TcpListener,
}

/// A running aggregator.
#[derive(Debug, Clone)]
pub struct Aggregator {
    core: Arc<Core>,
    reader: Reader,
    routes: Routes,
}

impl Aggregator {
    /// Starts everything but the public listener, whose routes it makes.
    pub async fn start(config: &AggregatorConfig, parts: AggregatorParts) -> Result<Self, StartError> {
        let AggregatorParts { clock, mut rng, tasks, agents_listener } = parts;
        // Opening waits for the disk; it happens once, before anything else runs.
        let store = Store::open(&config.data_dir)?;
        store.limit_size(config.store_limit_mib.saturating_mul(1024 * 1024));
        let now = UnixMicros(clock.now_micros());
        let authority = Authority::open(&config.data_dir, now, rng.random())?;
        let operator_key = operator_key(config.data_dir.join(OPERATOR_KEY_FILE), &mut rng)?;
        let tls = Arc::new(OwnTls::new(&authority, now, rng.random())?);
        let sessions = Sessions::default();
        for agent in store.agents().await?.into_iter().filter(|a| a.revoked_at.is_some()) {
            sessions.revoke(&agent.agent);
        }
        let limits = config.limits();
        limits.announce();
        let (ended, ended_checks) = mpsc::channel(ENDED_CHECKS);
        let snapshot = Snapshot::default();
        let around = Surroundings {
            sessions: sessions.clone(),
            clock: Arc::clone(&clock),
            tasks: tasks.clone(),
            snapshot: snapshot.clone(),
        };
        let core = Arc::new(Core {
            checks: Checks::new(around, Rng::from_rng(&mut rng), ended),
            store,
            authority,
            sessions,
            limits,
            admission: Admission::new(limits.agents),
            paces: Paces::default(),
            places: Places::new(config.place.clone()),
            opt_outs: OptOuts::open(config.policy(), &config.opt_out, config.data_dir.clone(), now),
            snapshot,
            clock,
            tasks: tasks.clone(),
            agents_port: agents_listener.local_addr().map_or(0, |a| a.port()),
            operator_key,
            reporter_key: ReporterKey::new(Rng::from_rng(&mut rng), now),
            schedule: Mutex::default(),
            crowd: Mutex::default(),
            reports: Reports::default(),
            report_budget: Mutex::default(),
            rng: Mutex::new(rng),
            vantages_dirty: tokio::sync::Notify::new(),
            schedule_dirty: tokio::sync::Notify::new(),
        });
        schedule(&core, config).await?;
        vantages::publish(&core).await?;
        let publisher = evaluate(&core).await?;
        let room = (limits.strangers, limits.agents + TURNED_AWAY);
        serve_agents(&core, publisher, accept(agents_listener, Arc::clone(&tls), room, &tasks));
        tasks.spawn_essential("agents-certificate", listener::keep_fresh(tls, Arc::clone(&core)));
        tasks.spawn_essential("checks-keeper", keep_checks(Arc::clone(&core), ended_checks));
        tasks.spawn_essential("vantages", vantages::keep_fresh(Arc::clone(&core)));
        tasks.spawn_essential("store", watch_store(Arc::clone(&core)));
        tasks.spawn_essential("store-upkeep", upkeep::keep_up(Arc::clone(&core)));
        tasks.spawn_essential("opt-outs", opt_outs::keep_asking(Arc::clone(&core)));
        tasks.spawn_essential("reports", reported::keep_counting(Arc::clone(&core)));
        let reader = Reader::new(Arc::clone(&core));
        let routes = services::routes(&core, &reader)?;
        Ok(Self { core, reader, routes })
    }

    /// What pages and APIs read from.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// What it takes on at most.
    pub fn limits(&self) -> Limits {
        self.core.limits
    }

    /// The public gRPC services, to be served beside the pages.
    pub fn grpc_routes(&self) -> Routes {
        self.routes.clone()
    }

    /// Makes a one-time enrolment token, for agents that start with the aggregator.
    pub async fn create_token(&self, agent: AgentId, lifetime: Duration) -> Result<String, StoreError> {
        self.core.create_token(agent, lifetime).await.map(|(token, _)| token)
    }

    /// Watches a target from now on.
    pub async fn watch(&self, target: parallax_model::Target, interval: Duration) -> Result<(), StoreError> {
        self.core.watch(target, interval).await
    }

    /// What is wrong with the store while it goes on serving, in words for an operator; `None` when nothing is.
    pub fn store_trouble(&self) -> Option<String> {
        self.core.store.trouble()
    }

    /// Closes the store after every task has ended: what was written is checkpointed.
    pub async fn close(self) {
        let Self { core, .. } = self;
        if let Err(error) = core.store.clone().close().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the store did not close cleanly; it recovers at the next start"
            );
        }
    }
}

impl Core {
    /// Makes a one-time token for an agent; only its hash is kept.
    pub(crate) async fn create_token(
        &self,
        agent: AgentId,
        lifetime: Duration,
    ) -> Result<(String, UnixMicros), StoreError> {
        let secret: [u8; 32] = crate::core::lock(&self.rng).random();
        let now = self.now();
        let expires_at = now.plus_micros(i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX));
        let record = TokenRecord { hash: sha256(&secret), agent, created_at: now, expires_at };
        self.store.create_token(record).await?;
        Ok((EnrollToken::new(secret, self.authority.pin()).reveal(), expires_at))
    }

    /// A made-up agent id.
    pub(crate) fn new_agent_id(&self) -> AgentId {
        let n: u32 = crate::core::lock(&self.rng).random();
        format!("agent-{n:08x}").parse().expect("eight hexadecimal digits after a word are an agent id")
    }
}

/// The operator's key, made at the first start; only its hash stays in memory.
fn operator_key(path: PathBuf, rng: &mut Rng) -> Result<[u8; 32], StartError> {
    if !path.exists() {
        let secret: [u8; 32] = rng.random();
        write_private(&path, BASE64URL_NOPAD.encode(&secret).as_bytes())?;
    }
    let text = std::fs::read_to_string(&path).map_err(|source| StartError::OperatorKey { path, source })?;
    Ok(sha256(text.trim().as_bytes()))
}

/// What was watched before, and what the configuration names.
async fn schedule(core: &Arc<Core>, config: &AggregatorConfig) -> Result<(), StoreError> {
    for record in core.store.targets().await? {
        let watched = crate::core::Watched { interval: record.interval, added_at: record.added_at };
        crate::core::lock(&core.schedule).insert(record.target, watched);
    }
    for section in &config.target {
        // Validation has parsed it before.
        if let Ok(parsed) = core.opt_outs.usual_policy().parse_target(&section.site) {
            core.watch(parsed.target, Duration::from_millis(u64::from(section.interval_ms))).await?;
        }
    }
    Ok(())
}

async fn evaluate(core: &Arc<Core>) -> Result<Publisher, StoreError> {
    let board = restore(core, Cells::of(core.limits.cells)).await?;
    let on_the_bus = core.limits.decoded - decoded_in_hand(core.limits.decoded);
    let (publisher, subscriber) = ResultBus::with_capacity(on_the_bus).split();
    core.tasks.spawn_essential("evaluation", Evaluation::new(Arc::clone(core), board, subscriber).run());
    Ok(publisher)
}

fn serve_agents(core: &Arc<Core>, publisher: Publisher, accepted: Accepted) {
    let ingest = AgentServiceServer::new(Ingest::new(Arc::clone(core), publisher))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let soft = core.tasks.soft().clone();
    let server = Server::builder()
        .http2_keepalive_interval(Some(HEARTBEAT))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(ingest)
        .serve_with_incoming_shutdown(tokio_stream::wrappers::ReceiverStream::new(accepted), async move {
            soft.cancelled().await;
        });
    core.tasks.spawn_essential("agents-grpc", async move {
        if let Err(error) = server.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the agents' gRPC server failed");
        }
    });
}

/// A store that broke takes no more writes: the process ends, and the next start recovers from what is on disk.
async fn watch_store(core: Arc<Core>) {
    let soft = core.tasks.soft().clone();
    tokio::select! {
        error = core.store.broken() => {
            tracing::error!(error = &error as &dyn std::error::Error, "the store is broken; stopping");
        }
        () = soft.cancelled() => {}
    }
}
