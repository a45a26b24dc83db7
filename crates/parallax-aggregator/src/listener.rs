//! The agents' listener: TLS 1.3 with the aggregator's own authority, client certificates asked for but checked call by call, because
//! enrolling agents have none yet.
//!
//! Handshakes run in their own tasks under a deadline, so a silent peer holds up nobody; errors of `accept` (no file descriptors
//! left) slow the loop down and never end it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parallax_runtime::Tasks;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::authority::{Authority, ServerIdentity};
use crate::lapsed::LapsedVerifier;

/// Longest TLS handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Handshakes at the same time; more wait in the kernel's queue.
const MAX_HANDSHAKES: usize = 256;
/// Finished handshakes that wait for the gRPC server to take them.
const ACCEPTED: usize = 64;
/// Pause after `accept` failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the listener's TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsSetupError {
    /// rustls refuses the certificate, the key or the versions.
    #[error("TLS for the agents' listener")]
    Rustls(#[from] rustls::Error),
    /// The authority's certificate cannot be used to check clients.
    #[error("client verification for the agents' listener")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The TLS settings of the agents' listener.
pub(crate) fn acceptor(
    authority: &Authority,
    identity: ServerIdentity,
) -> Result<TlsAcceptor, TlsSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(LapsedVerifier::new(verifier))
        .with_single_cert(identity.chain, identity.key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts until the soft signal; yields connections whose handshake is done.
pub(crate) fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    tasks: &Tasks,
) -> mpsc::Receiver<Result<TlsStream<TcpStream>, std::io::Error>> {
    let (accepted, ready) = mpsc::channel(ACCEPTED);
    let room = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let owner = tasks.clone();
    tasks.spawn_essential("agents-listener", async move {
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let (stream, peer) = tokio::select! {
                next = listener.accept() => match next {
                    Ok(next) => next,
                    Err(error) => {
                        tracing::warn!(%error, "accepting agents is paused");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                () = owner.soft().cancelled() => return,
            };
            let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
            owner.spawn("agent-handshake", async move {
                shake_hands(stream, peer, &acceptor, &accepted).await;
                drop(place);
            });
        }
    });
    ready
}

async fn shake_hands(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: &TlsAcceptor,
    accepted: &mpsc::Sender<Result<TlsStream<TcpStream>, std::io::Error>>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "an agent's connection is gone already");
        return;
    }
    match tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await {
        Ok(Ok(tls)) => {
            // The server stops taking connections only when the process ends.
            drop(accepted.send(Ok(tls)).await);
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "an agent's TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "an agent's TLS handshake took too long"),
    }
}
