//! Becoming an agent: a one-time token and a key made here, traded for a certificate.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::IdError;
use parallax_proto::v1::agent::EnrollRequest;
use parallax_proto::v1::agent::agent_service_client::AgentServiceClient;
use parallax_runtime::Clock;
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tokio::time::timeout;

use crate::config::AgentConfig;
use crate::dial::{DialError, dial};
use crate::identity::{DataDir, Identity, IdentityError, certificate_request};
use crate::tls::{AggregatorVerifier, Trust, client_config};
use parallax_proto::{EnrollToken, TokenError};

#[cfg(test)]
mod tests;

/// How long the aggregator may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// Why an agent could not enrol.
#[derive(Debug, Error)]
pub enum EnrollError {
    /// The token is not one.
    #[error("reading the token")]
    Token(#[from] TokenError),
    /// The data directory, or what is in it.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// TLS cannot be set up.
    #[error("setting up TLS")]
    Tls(#[from] rustls::Error),
    /// No connection to the aggregator, or not to the right one.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The aggregator said no.
    #[error("the aggregator refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
    /// The aggregator did not answer in time.
    #[error("the aggregator did not answer within {} s", ANSWER_DEADLINE.as_secs())]
    Late,
    /// The answer holds no agent id.
    #[error("reading the name that the aggregator gave")]
    Answer(#[from] IdError),
}

/// Whether the data directory holds an identity already.
pub fn is_enrolled(config: &AgentConfig) -> bool {
    DataDir::new(&config.data_dir).is_enrolled()
}

/// Trades a token for an identity, which is kept in the data directory: `key.pem`, `chain.pem`, `ca.pem`, `agent-id`. An identity
/// that was there before is replaced. When it fails halfway it can be called again: the key that was made is used again, so the
/// aggregator gives the same answer for the same token.
pub async fn enroll(config: &AgentConfig, token: &str, clock: Arc<dyn Clock>) -> Result<(), EnrollError> {
    let token: EnrollToken = token.parse()?;
    let dir = DataDir::new(&config.data_dir);
    let _lock = dir.lock()?;
    let key = dir.pending_key()?;
    let request = EnrollRequest { token: token.reveal(), csr_der: certificate_request(&key)?.into() };

    let verifier = AggregatorVerifier::new(Trust::Pin(token.ca_sha256()));
    let tls = client_config(Arc::clone(&verifier), None, clock)?;
    let channel = dial(&config.aggregator, &config.source, tls).await?;
    let answer = timeout(ANSWER_DEADLINE, AgentServiceClient::new(channel).enroll(request)).await;
    let answer = answer.map_err(|_| EnrollError::Late)?;
    let answer = answer.map_err(|status| EnrollError::Refused(Box::new(status)))?.into_inner();

    let chain = answer.chain_der.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    let ca = verifier.met().cloned().ok_or(IdentityError::Chain)?;
    let identity = Identity::new(answer.agent_id.parse()?, key, chain, ca)?;
    dir.adopt(&identity)?;
    tracing::info!(agent.id = %identity.id, "enrolled");
    Ok(())
}
