//! Where agents come in: enrolment, renewal, and the stream of results.
//!
//! Identity is the certificate of the connection and place is its address; no message is believed about either.

mod backlog;
mod pace;
mod talk;

use std::pin::Pin;
use std::sync::Arc;

use parallax_bus::Publisher;
use parallax_model::AgentId;
use parallax_proto::EnrollToken;
use parallax_proto::v1::agent::agent_service_server::AgentService;
use parallax_proto::v1::agent::{
    EnrollRequest, EnrollResponse, RenewRequest, RenewResponse, SessionRequest, SessionResponse,
};
use parallax_store::RedeemError;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Request, Response, Status, Streaming};

use crate::authority::{RequestedKey, agent_of, sha256};
use crate::core::{Core, store_failed};
use crate::lapsed::has_lapsed;
use crate::sessions::OUTBOX;

pub(crate) use pace::Paces;
pub(crate) use talk::{HEARTBEAT, MAX_MESSAGE_BYTES, decoded_in_hand};
use talk::{Shared, Talk};

/// The gRPC service for agents.
#[derive(Debug, Clone)]
pub(crate) struct Ingest {
    core: Arc<Core>,
    bus: Publisher,
    shared: Arc<Shared>,
}

impl Ingest {
    /// A service that writes to the core's store and publishes to `bus`.
    pub(crate) fn new(core: Arc<Core>, bus: Publisher) -> Self {
        Self { bus, shared: Arc::new(Shared::new(&core.limits)), core }
    }
}

type TlsInfo = TlsConnectInfo<TcpConnectInfo>;

fn connection<T>(request: &Request<T>) -> Result<&TlsInfo, Status> {
    request.extensions().get().ok_or_else(|| Status::internal("this service is spoken to over TLS"))
}

/// Who is on the other side, by the connection's certificate.
fn identity<T>(request: &Request<T>) -> Result<(AgentId, CertificateDer<'static>), Status> {
    let leaf = connection(request)?.peer_certs().and_then(|chain| chain.first().cloned());
    leaf.and_then(|leaf| Some((agent_of(&leaf)?, leaf)))
        .ok_or_else(|| Status::unauthenticated("an agent's certificate is needed; enrol with a token first"))
}

#[tonic::async_trait]
impl AgentService for Ingest {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionResponse, Status>> + Send>>;

    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        let request = request.into_inner();
        let key =
            RequestedKey::from_csr(&request.csr_der).map_err(|e| Status::invalid_argument(e.to_string()))?;
        // One answer for every bad token: whoever guesses learns nothing.
        let refused =
            || Status::unauthenticated("the token is unknown, used or has expired; ask for a new one");
        // Whether the token's pin is ours is not asked: the secret decides.
        let token: EnrollToken = request.token.parse().map_err(|_| refused())?;
        let hash = sha256(&token.secret());
        let now = self.core.now();
        let redeemed =
            self.core.store.redeem_token(hash, key.fingerprint(), now).await.map_err(|e| match e {
                RedeemError::Refused(why) => {
                    tracing::info!(%why, "an enrolment was refused");
                    refused()
                }
                RedeemError::Store(error) => store_failed("redeem a token", &error),
            })?;
        let agent = redeemed.agent;
        let chain = self.certify(&agent, &key)?;
        tracing::info!(agent.id = %agent, "an agent was enrolled");
        Ok(Response::new(EnrollResponse { agent_id: agent.to_string(), chain_der: chain }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let (agent, leaf) = identity(&request)?;
        if self.core.sessions.is_revoked(&agent) {
            return Err(Status::permission_denied("this agent's identity was revoked"));
        }
        let mut pace = self.core.paces.of(&agent, Instant::now());
        while let Some(until) = pace.wait(Instant::now()) {
            tokio::time::sleep_until(until).await;
        }
        pace.take(0, Instant::now());
        let key = RequestedKey::from_csr(&request.into_inner().csr_der)
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        if has_lapsed(&leaf, self.core.now()) && !key.is_of(&leaf) {
            return Err(Status::unauthenticated(
                "the certificate has ended and the request is for another key; enrol with a new token",
            ));
        }
        let chain = self.certify(&agent, &key)?;
        tracing::info!(agent.id = %agent, "an agent's certificate was renewed");
        Ok(Response::new(RenewResponse { chain_der: chain }))
    }

    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (agent, leaf) = identity(&request)?;
        if self.core.sessions.is_revoked(&agent) {
            return Err(Status::permission_denied("this agent's identity was revoked"));
        }
        if has_lapsed(&leaf, self.core.now()) {
            return Err(Status::unauthenticated("the certificate has ended; renew it"));
        }
        let admitted = self.core.admission.enter(&agent)?;
        let peer = connection(&request)?
            .get_ref()
            .remote_addr()
            .ok_or_else(|| Status::internal("the peer has no address"))?;
        let vantage = Arc::new(self.core.places.of(peer.ip()));
        let (outbox, stream) = mpsc::channel(OUTBOX);
        let talk = Talk::new(self, (agent, vantage, peer.ip()), outbox, admitted);
        self.core.tasks.spawn("agent-session", talk.run(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl Ingest {
    fn certify(&self, agent: &AgentId, key: &RequestedKey) -> Result<Vec<bytes::Bytes>, Status> {
        let chain = self.core.authority.certify_agent(agent, key, self.core.now(), self.core.serial()).map_err(|error| {
            tracing::error!(agent.id = %agent, error = &error as &dyn std::error::Error, "an agent's certificate cannot be made");
            Status::internal("the certificate cannot be made; the aggregator's log says why")
        })?;
        Ok(chain.into_iter().map(|c| bytes::Bytes::copy_from_slice(&c)).collect())
    }
}
