//! Keeps a session open: connects, renews the certificate, comes back after every end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{Epoch, ProbeResult, Seq, UnixMicros, Vantage};
use parallax_proto::address_from_wire;
use parallax_proto::v1::agent::agent_service_client::AgentServiceClient;
use parallax_proto::v1::agent::{RenewRequest, Welcome};
use parallax_runtime::{Clock, Rng};
use rand::Rng as _;
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::agent::LinkState;
use crate::backoff;
use crate::config::SourceSection;
use crate::dial::{DialError, dial};
use crate::identity::{DataDir, Identity, IdentityError};
use crate::runner::Order;
use crate::session::{End, Sent, Session, SessionError};
use crate::spool::Spool;
use crate::tls::{AggregatorVerifier, Trust, client_config};

/// The part of a certificate's life after which it is renewed, in hundredths.
const RENEW_AT_PERCENT: std::ops::Range<i64> = 70..90;
/// Shortest time between two tries to renew.
const RENEW_GAP: Duration = Duration::from_mins(10);
/// How long the aggregator may take to renew.
const RENEW_DEADLINE: Duration = Duration::from_secs(15);
/// A session that lasted this long makes earlier failures forgotten.
const STABLE: Duration = Duration::from_secs(30);
/// How often a result may be refused before it is set aside.
const MAX_REFUSALS: u32 = 3;
/// Batches that are remembered as those among which something was refused.
const MAX_SUSPECTS: usize = 32;

/// Where the aggregator is and how it is reached.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) aggregator: String,
    pub(crate) source: SourceSection,
    pub(crate) declared: Vantage,
    /// Where connections that need no network are handed to.
    #[cfg(test)]
    pub(crate) lines: Option<mpsc::Sender<tokio::io::DuplexStream>>,
}

/// The task that keeps the session.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) place: Place,
    pub(crate) dir: DataDir,
    pub(crate) identity: Identity,
    pub(crate) spool: Spool,
    pub(crate) orders: mpsc::Sender<Order>,
    /// What probes for checks have seen so far.
    pub(crate) so_far: broadcast::Sender<Arc<ProbeResult>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Rng,
    pub(crate) state: watch::Sender<LinkState>,
    /// Where the aggregator says that it sees us.
    pub(crate) seen: watch::Sender<Option<IpAddr>>,
    pub(crate) history: History,
}

/// What earlier connections taught.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Failures in a row.
    failures: u32,
    /// The result that was refused last, and how often.
    refused: Option<(Epoch, Seq, u32)>,
    /// What was on its way then.
    careful: Vec<Sent>,
    /// The certificate was not accepted: renew before anything else.
    unauthenticated: bool,
    renew_tried: Option<Instant>,
    /// Whether it was said that the agent is not wanted.
    revoked: bool,
}

/// Why one connection ended.
#[derive(Debug, Error)]
enum LinkError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("renewing the certificate")]
    Renew(#[source] Box<tonic::Status>),
    #[error("the aggregator did not renew the certificate in time")]
    RenewLate,
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("setting up TLS")]
    Tls(#[from] rustls::Error),
}

impl Link {
    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let began = Instant::now();
            let state = self.state.subscribe();
            let ended = tokio::select! {
                ended = self.connection(&stop) => ended,
                // A session ends by itself when it is told to stop; connecting does not.
                () = stopped_before(&stop, state) => return,
            };
            self.state.send_replace(LinkState::Connecting);
            if began.elapsed() >= STABLE {
                self.history.failures = 0;
            }
            let wait = self.wait_after(ended).await;
            tokio::select! {
                () = sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// One connection from dialling to its end.
    async fn connection(&mut self, stop: &CancellationToken) -> Result<End, LinkError> {
        let mut client = AgentServiceClient::new(self.dial().await?);
        let now = UnixMicros(self.clock.now_micros());
        let renew_at = self.renew_at();
        let due = self.history.unauthenticated || now >= renew_at;
        let may = self.history.renew_tried.is_none_or(|tried| tried.elapsed() >= RENEW_GAP);
        if due && may {
            self.history.renew_tried = Some(Instant::now());
            self.renew(&mut client).await?;
            return Ok(End::RenewalDue);
        }
        let session = Session {
            spool: &self.spool,
            orders: &self.orders,
            so_far: &self.so_far,
            clock: &*self.clock,
            declared: &self.place.declared,
            // A renewal that just failed is tried again in a while, from within a session.
            renew_at: if due { now.plus_secs(RENEW_GAP.as_secs().cast_signed()) } else { renew_at },
            careful: &self.history.careful,
            stop,
        };
        let (state, seen, revoked) = (&self.state, &self.seen, &mut self.history.revoked);
        let end = session.run(client, |welcome| {
            tracing::info!(agent.id = %welcome.agent_id, aggregator.version = %welcome.version, "connected");
            *revoked = false;
            tell_seen(seen, welcome);
            state.send_replace(LinkState::Connected);
        });
        Ok(end.await?)
    }

    async fn dial(&self) -> Result<Channel, LinkError> {
        #[cfg(test)]
        if let Some(lines) = &self.place.lines {
            return Ok(crate::simulation::dial(lines).await?);
        }
        let verifier = AggregatorVerifier::new(Trust::Ca(self.identity.ca.clone()));
        let tls = client_config(verifier, Some(self.identity.client()), Arc::clone(&self.clock))?;
        Ok(dial(&self.place.aggregator, &self.place.source, tls).await?)
    }

    /// A moment between 70 and 90 percent of the certificate's life.
    fn renew_at(&mut self) -> UnixMicros {
        let life = self.identity.not_after.0.saturating_sub(self.identity.not_before.0);
        let percent = self.rng.random_range(RENEW_AT_PERCENT);
        self.identity.not_before.plus_micros(life / 100 * percent)
    }

    async fn renew(&mut self, client: &mut AgentServiceClient<Channel>) -> Result<(), LinkError> {
        let request = RenewRequest { csr_der: self.identity.request()?.into() };
        let answer = timeout(RENEW_DEADLINE, client.renew(request)).await;
        let answer = answer.map_err(|_| LinkError::RenewLate)?.map_err(|status| match status.code() {
            tonic::Code::PermissionDenied => SessionError::Revoked(Box::new(status)).into(),
            _ => LinkError::Renew(Box::new(status)),
        })?;
        let chain =
            answer.into_inner().chain_der.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        self.identity.renewed(chain, &self.dir)?;
        self.history.unauthenticated = false;
        tracing::info!(not_after_s = self.identity.not_after.as_secs(), "the certificate is renewed");
        Ok(())
    }

    /// Learns from how a connection ended; how long to wait before the next.
    async fn wait_after(&mut self, ended: Result<End, LinkError>) -> Duration {
        match ended {
            Ok(End::Stopped | End::RenewalDue) => return Duration::ZERO,
            Ok(End::Drained(asked)) => return backoff::after_drain(asked, &mut self.rng),
            Err(LinkError::Session(SessionError::Revoked(status))) => {
                self.state.send_replace(LinkState::Revoked);
                if !std::mem::replace(&mut self.history.revoked, true) {
                    tracing::error!(
                        reason = status.message(),
                        "the aggregator does not want this agent; asking again after an hour"
                    );
                }
                return backoff::after_revocation(&mut self.rng);
            }
            Err(LinkError::Session(SessionError::Refused(sent, status))) => {
                tracing::warn!(
                    batches = sent.len(),
                    reason = status.message(),
                    "the aggregator refuses what it is sent"
                );
                self.refused(sent).await;
            }
            Err(error) => {
                let unauthenticated = matches!(error, LinkError::Session(SessionError::Unauthenticated(_)));
                self.history.unauthenticated |= unauthenticated;
                tracing::warn!(
                    error = chain_of(&error),
                    failures = self.history.failures + 1,
                    "no session with the aggregator"
                );
            }
        }
        self.history.failures = self.history.failures.saturating_add(1);
        backoff::after_failures(self.history.failures, &mut self.rng)
    }

    /// Something on its way was refused. The next session sends all of it one by one, which finds the one; that is set aside when
    /// it is refused again and again.
    async fn refused(&mut self, sent: Vec<Sent>) {
        let Some(Sent { epoch, first, .. }) = sent.first().copied() else { return };
        let before = self.history.refused.filter(|(e, seq, _)| (*e, *seq) == (epoch, first));
        let times = before.map_or(1, |(_, _, times)| times + 1);
        self.history.refused = Some((epoch, first, times));
        // One by one, only one was on its way: the others are still to be looked at.
        self.history.careful.retain(|suspect| !sent.contains(suspect));
        self.history.careful.extend(sent);
        self.history.careful.truncate(MAX_SUSPECTS);
        if times >= MAX_REFUSALS {
            self.history.refused = None;
            self.history.careful.clear();
            if self.spool.take_refused(epoch, first).await != Ok(true) {
                tracing::warn!(seq = first.0, "the refused result is not in the spool any more");
            }
        }
    }
}

/// Tells our own network where the aggregator sees us, when that has changed.
fn tell_seen(seen: &watch::Sender<Option<IpAddr>>, welcome: &Welcome) {
    match address_from_wire("welcome.seen_address", &welcome.seen_address) {
        Ok(Some(ip)) => {
            seen.send_if_modified(|before| before.replace(ip) != Some(ip));
        }
        // An aggregator of an earlier version says nothing.
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "where the aggregator sees us cannot be read"),
    }
}

/// Ends when the agent is to stop while no session is open.
async fn stopped_before(stop: &CancellationToken, state: watch::Receiver<LinkState>) {
    stop.cancelled().await;
    if *state.borrow() == LinkState::Connected {
        std::future::pending::<()>().await;
    }
}

/// An error and its causes in one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}
