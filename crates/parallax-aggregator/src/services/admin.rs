//! `AdminService`: every call needs the operator's key.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::{AgentId, Target};
use parallax_policy::Policy;
use parallax_proto::v1::admin::admin_service_server::AdminService;
use parallax_proto::v1::admin::{
    AddTargetRequest, AddTargetResponse, Agent, CreateTokenRequest, CreateTokenResponse, ListAgentsRequest,
    ListAgentsResponse, ListTargetsRequest, ListTargetsResponse, RemoveTargetRequest, RemoveTargetResponse,
    RevokeAgentRequest, RevokeAgentResponse, WatchedTarget,
};
use parallax_proto::{target_to_wire, vantage_to_wire};
use parallax_store::AgentRecord;
use tonic::{Request, Response, Status};

use super::refused;
use crate::authority::sha256;
use crate::config::{DEFAULT_INTERVAL_MS, MAX_INTERVAL_MS, MIN_INTERVAL_MS};
use crate::core::{Core, store_failed};
use crate::opt_outs::Wish;

/// Life of a token that names none, in seconds: a day.
const TOKEN_S: u32 = 24 * 3_600;
/// Longest life of a token, in seconds: seven days.
const MAX_TOKEN_S: u32 = 7 * 24 * 3_600;

/// The operator's work over the core.
#[derive(Debug)]
pub(super) struct Admin(pub(super) Arc<Core>);

impl Admin {
    /// Compares hashes, so that the time it takes tells nothing about the key.
    fn authorize<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let given = request.metadata().get("authorization").and_then(|v| v.to_str().ok());
        let key = given.and_then(|v| v.strip_prefix("Bearer ")).map(|k| sha256(k.as_bytes()));
        if key == Some(self.0.operator_key) {
            Ok(())
        } else {
            Err(Status::unauthenticated(
                "the operator's key is needed: `authorization: Bearer <key>`, kept in the data directory",
            ))
        }
    }

    fn target(policy: &Policy, typed: &str) -> Result<Target, Status> {
        policy.parse_target(typed).map(|p| p.target).map_err(|r| Status::invalid_argument(r.to_string()))
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<CreateTokenResponse>, Status> {
        self.authorize(&request)?;
        let request = request.into_inner();
        let agent: AgentId = if request.agent_id.is_empty() {
            self.0.new_agent_id()
        } else {
            request
                .agent_id
                .parse()
                .map_err(|e: parallax_model::IdError| Status::invalid_argument(e.to_string()))?
        };
        if self.0.sessions.is_revoked(&agent) {
            return Err(Status::failed_precondition(format!(
                "{agent} was revoked, which is for good; enrol the machine under another name"
            )));
        }
        let lifetime_s = if request.lifetime_s == 0 { TOKEN_S } else { request.lifetime_s.min(MAX_TOKEN_S) };
        let token = self.0.create_token(agent.clone(), Duration::from_secs(u64::from(lifetime_s))).await;
        let (token, expires_at) = token.map_err(|e| store_failed("create a token", &e))?;
        Ok(Response::new(CreateTokenResponse {
            token,
            agent_id: agent.to_string(),
            expires_at_us: expires_at.0,
            agents_port: u32::from(self.0.agents_port),
        }))
    }

    async fn list_agents(
        &self,
        request: Request<ListAgentsRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        self.authorize(&request)?;
        let agents = self.0.store.agents().await.map_err(|e| store_failed("list agents", &e))?;
        let agent = |a: &AgentRecord| Agent {
            agent_id: a.agent.to_string(),
            vantage: Some(vantage_to_wire(&a.vantage)),
            declared: Some(vantage_to_wire(&a.declared)),
            online: self.0.sessions.session(&a.agent).is_some(),
            revoked: a.revoked_at.is_some(),
            enrolled_at_us: a.enrolled_at.0,
            last_heard_us: a.last_heard.map_or(0, |t| t.0),
            version: a.version.clone(),
            results: a.results,
        };
        Ok(Response::new(ListAgentsResponse { agents: agents.iter().map(agent).collect() }))
    }

    async fn revoke_agent(
        &self,
        request: Request<RevokeAgentRequest>,
    ) -> Result<Response<RevokeAgentResponse>, Status> {
        self.authorize(&request)?;
        let agent: AgentId = request
            .into_inner()
            .agent_id
            .parse()
            .map_err(|e: parallax_model::IdError| Status::invalid_argument(e.to_string()))?;
        let known = self.0.revoke(&agent).await.map_err(|e| store_failed("revoke an agent", &e))?;
        if known {
            tracing::info!(agent.id = %agent, "an agent was revoked");
            Ok(Response::new(RevokeAgentResponse {}))
        } else {
            Err(Status::not_found(format!("there is no agent {agent}")))
        }
    }

    async fn add_target(
        &self,
        request: Request<AddTargetRequest>,
    ) -> Result<Response<AddTargetResponse>, Status> {
        self.authorize(&request)?;
        let request = request.into_inner();
        let target = Self::target(&self.0.policy(), &request.site)?;
        self.0.ask_owner(&target.host, Wish::Operators).await.map_err(|busy| refused(&busy.into()))?;
        // What its owner says may be known only now.
        let target = Self::target(&self.0.policy(), &request.site)?;
        let interval_ms = if request.interval_ms == 0 { DEFAULT_INTERVAL_MS } else { request.interval_ms };
        if !(MIN_INTERVAL_MS..=MAX_INTERVAL_MS).contains(&interval_ms) {
            return Err(Status::invalid_argument(format!(
                "interval_ms must be {MIN_INTERVAL_MS} to {MAX_INTERVAL_MS}, got {interval_ms}"
            )));
        }
        let watched = self.0.watch(target.clone(), Duration::from_millis(u64::from(interval_ms))).await;
        watched.map_err(|e| store_failed("add a target", &e))?;
        Ok(Response::new(AddTargetResponse { target: Some(target_to_wire(&target)) }))
    }

    async fn remove_target(
        &self,
        request: Request<RemoveTargetRequest>,
    ) -> Result<Response<RemoveTargetResponse>, Status> {
        self.authorize(&request)?;
        let target = Self::target(self.0.opt_outs.usual_policy(), &request.into_inner().site)?;
        let removed = self.0.unwatch(&target).await.map_err(|e| store_failed("remove a target", &e))?;
        Ok(Response::new(RemoveTargetResponse { removed }))
    }

    async fn list_targets(
        &self,
        request: Request<ListTargetsRequest>,
    ) -> Result<Response<ListTargetsResponse>, Status> {
        self.authorize(&request)?;
        let watched = |(target, w): (&Target, &crate::core::Watched)| WatchedTarget {
            target: Some(target_to_wire(target)),
            interval_ms: u32::try_from(w.interval.as_millis()).unwrap_or(u32::MAX),
            added_at_us: w.added_at.0,
        };
        Ok(Response::new(ListTargetsResponse { targets: self.0.watched().iter().map(watched).collect() }))
    }
}
