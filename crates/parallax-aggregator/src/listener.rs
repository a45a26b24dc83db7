//! The agents' listener: TLS 1.3 with the aggregator's own authority, client certificates asked for but checked call by call, because
//! enrolling agents have none yet.
//!
//! 1. Whoever has not shown a certificate is a stranger, from the first packet to the end of its connection. Strangers have a bounded
//!    number of places ([`Crowd`]); when they are taken, the address with the most loses its oldest. A silent one is gone soon anyway.
//! 2. Handshakes cost the most, and a herd wants all of them at once: they begin at a steady pace, in the order in which the first
//!    messages came. Whoever is connected already is served meanwhile. Who is sent away from the queue comes back by its own backoff.
//! 3. An identity has a few connections; one more ends its oldest.
//! 4. Errors of `accept` (no file descriptors left) cost a stranger its place and slow the loop down; they never end it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parallax_model::{AgentId, UnixMicros};
use parallax_runtime::Tasks;
use rustls::server::{Acceptor, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::authority::{Authority, SERVER_CERTIFICATE_S, ServerIdentity, agent_of};
use crate::connection::AgentConnection;
use crate::core::Core;
use crate::crowd::{Crowd, Place, neighbours};
use crate::lapsed::LapsedVerifier;
use crate::start::StartError;

/// How long a stranger may take for its first message.
const HELLO_DEADLINE: Duration = Duration::from_secs(5);
/// Longest TLS handshake after that and after its turn.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Between the beginnings of two handshakes: 250 a second are about a tenth of a core.
const HANDSHAKE_EVERY: Duration = Duration::from_millis(4);
/// Handshakes that may begin at the same moment after a quiet while.
const HANDSHAKE_BURST: u32 = 64;
/// How long a connection without a certificate lasts: enrolling is one call.
const STRANGER_LIFE: Duration = Duration::from_secs(20);
/// Most connections of one identity: one is in use, and those it lost may not have been noticed yet.
const MAX_CONNECTIONS_EACH: usize = 4;
/// How often it is looked whether our own certificate grows old. A clock that was wrong at the start is set right some time.
const LOOK_AT_CERTIFICATE_EVERY: Duration = Duration::from_mins(1);
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

/// The TLS settings of the agents' listener, with the aggregator's own certificate while it is fresh.
#[derive(Debug)]
pub(crate) struct OwnTls {
    settings: ArcSwap<ServerConfig>,
    made_at: AtomicI64,
}

impl OwnTls {
    /// Settings with a certificate that is made now.
    pub(crate) fn new(authority: &Authority, now: UnixMicros, serial: [u8; 16]) -> Result<Self, StartError> {
        let settings = settings(authority, authority.server_identity(now, serial)?)?;
        Ok(Self { settings: ArcSwap::new(settings), made_at: AtomicI64::new(now.as_secs()) })
    }

    /// Makes the certificate anew when it is time, for the handshakes from now on.
    fn renew_when_due(&self, core: &Core) -> Result<(), StartError> {
        if self.is_due(core.now()) {
            let new = Self::new(&core.authority, core.now(), core.serial())?;
            self.made_at.store(new.made_at.into_inner(), Ordering::Relaxed);
            self.settings.store(new.settings.into_inner());
            tracing::info!("the certificate that agents are shown is renewed");
        }
        Ok(())
    }

    fn is_due(&self, now: UnixMicros) -> bool {
        now.as_secs() >= self.made_at.load(Ordering::Relaxed) + SERVER_CERTIFICATE_S * 2 / 3
    }
}

/// Keeps the certificate fresh until the soft signal.
pub(crate) async fn keep_fresh(tls: Arc<OwnTls>, core: Arc<Core>) {
    let soft = core.tasks.soft().clone();
    loop {
        if let Err(error) = tls.renew_when_due(&core) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the certificate that agents are shown cannot be renewed"
            );
        }
        tokio::select! {
            () = sleep(LOOK_AT_CERTIFICATE_EVERY) => {}
            () = soft.cancelled() => return,
        }
    }
}

fn settings(authority: &Authority, identity: ServerIdentity) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(LapsedVerifier::new(verifier))
        .with_single_cert(identity.chain, identity.key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// What the server of the agents' calls takes.
pub(crate) type Accepted = mpsc::Receiver<Result<AgentConnection, io::Error>>;

/// Accepts until the soft signal; yields connections whose handshake is done. There is room for so many strangers (no more than are
/// served within eight seconds: an agent gives up after ten), and for so many connections of all identities together.
pub(crate) fn accept(
    listener: TcpListener,
    tls: Arc<OwnTls>,
    (strangers, connections): (usize, usize),
    tasks: &Tasks,
) -> Accepted {
    let (accepted, ready) = mpsc::channel(ACCEPTED);
    let strangers = Crowd::new(strangers, strangers);
    let known = Crowd::new(connections, MAX_CONNECTIONS_EACH);
    let door = Arc::new(Door { tls, accepted, known, next_turn: Mutex::new(Instant::now()) });
    let owner = tasks.clone();
    tasks.spawn_essential("agents-listener", async move {
        loop {
            let (stream, peer) = tokio::select! {
                next = listener.accept() => match next {
                    Ok(next) => next,
                    Err(error) => {
                        tracing::warn!(%error, "accepting agents is paused");
                        strangers.send_one_away();
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                () = owner.soft().cancelled() => return,
            };
            let place = strangers.enter(neighbours(peer.ip()));
            owner.spawn("agent-handshake", Arc::clone(&door).meet(stream, peer, place));
        }
    });
    ready
}

/// Why a stranger did not get in.
#[derive(Debug, Error)]
enum TurnedAway {
    /// Others needed its place.
    #[error("there are too many strangers")]
    Crowd,
    /// It took too long.
    #[error("it did not {0} in time")]
    Late(&'static str),
    /// It speaks something else, or its certificate is not accepted.
    #[error("the TLS handshake failed")]
    Tls(#[from] io::Error),
}

impl TurnedAway {
    const fn word(&self) -> &'static str {
        match self {
            Self::Crowd => "crowd",
            Self::Late(_) => "late",
            Self::Tls(_) => "tls",
        }
    }
}

/// What the handshakes share.
struct Door {
    tls: Arc<OwnTls>,
    accepted: mpsc::Sender<Result<AgentConnection, io::Error>>,
    known: Crowd<AgentId>,
    /// When the next handshake may begin. Who waits for it waits in the order of coming.
    next_turn: Mutex<Instant>,
}

impl Door {
    async fn meet(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Place<IpAddr>) {
        let met = tokio::select! {
            met = self.shake_hands(stream) => met,
            () = place.must_be_left() => Err(TurnedAway::Crowd),
        };
        match met {
            Ok(tls) => {
                let connection = self.connection(tls, place);
                // The server stops taking connections only when the process ends.
                drop(self.accepted.send(Ok(connection)).await);
            }
            Err(why) => {
                metrics::counter!("parallax_agent_connections_turned_away_total", "reason" => why.word())
                    .increment(1);
                tracing::debug!(%peer, error = &why as &dyn std::error::Error, "a connection was turned away");
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, TurnedAway> {
        stream.set_nodelay(true)?;
        let greeting = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let late = |_| TurnedAway::Late("begin a TLS handshake");
        let hello = timeout(HELLO_DEADLINE, greeting).await.map_err(late)??;
        self.turn().await;
        let late = |_| TurnedAway::Late("end its TLS handshake");
        let handshake = hello.into_stream(self.tls.settings.load_full());
        Ok(timeout(HANDSHAKE_DEADLINE, handshake).await.map_err(late)??)
    }

    /// Waits until a handshake may begin. Who leaves meanwhile costs those behind it nothing.
    async fn turn(&self) {
        let mut next = self.next_turn.lock().await;
        let now = Instant::now();
        let earliest = now.checked_sub(HANDSHAKE_EVERY * HANDSHAKE_BURST).unwrap_or(now);
        let turn = earliest.max(*next);
        sleep_until(turn).await;
        *next = turn + HANDSHAKE_EVERY;
    }

    /// The connection of who has shaken hands: an identity's, or for a while a stranger's.
    fn connection(&self, tls: TlsStream<TcpStream>, place: Place<IpAddr>) -> AgentConnection {
        let shown = tls.get_ref().1.peer_certificates().and_then(|chain| agent_of(chain.first()?));
        let Some(agent) = shown else {
            let end = async move { drop(timeout(STRANGER_LIFE, place.must_be_left()).await) };
            return AgentConnection::new(tls, Box::pin(end));
        };
        let place = self.known.enter(agent);
        AgentConnection::new(tls, Box::pin(async move { place.must_be_left().await }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMicros = UnixMicros(1_795_000_000_000_000);
    const DAY_S: i64 = 24 * 3_600;

    #[test]
    fn our_own_certificate_is_made_anew_long_before_it_ends() {
        let dir = tempfile::tempdir().expect("a directory");
        let authority = Authority::open(dir.path(), NOW, [1; 16]).expect("an authority");
        let tls = OwnTls::new(&authority, NOW, [2; 16]).expect("settings");
        for (days, due) in [(-1, false), (0, false), (59, false), (60, true), (90, true), (20_000, true)] {
            assert_eq!(tls.is_due(NOW.plus_secs(days * DAY_S)), due, "after {days} days");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn handshakes_begin_at_a_pace_after_a_burst() {
        let dir = tempfile::tempdir().expect("a directory");
        let authority = Authority::open(dir.path(), NOW, [1; 16]).expect("an authority");
        let tls = Arc::new(OwnTls::new(&authority, NOW, [2; 16]).expect("settings"));
        let began = Instant::now();
        let known = Crowd::new(1, 1);
        let door = Door { tls, accepted: mpsc::channel(1).0, known, next_turn: Mutex::new(began) };
        sleep(Duration::from_mins(1)).await;
        let began = Instant::now();
        for _ in 0..HANDSHAKE_BURST {
            door.turn().await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "a few at once");
        for _ in 0..1_000 {
            door.turn().await;
        }
        assert_eq!(began.elapsed().as_secs(), 3, "and a thousand in four seconds");
    }
}
