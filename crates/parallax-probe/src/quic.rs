//! QUIC and HTTP/3: the handshake with a vetted address, and what its errors mean.
//!
//! Everything of one connection belongs to the probe that made it: the socket, the endpoint, the TLS settings, the drivers. No
//! address validation token, no session and no 0-RTT carries over to the next. The socket knows the vetted address and no other
//! ([`socket`]), so neither a preferred address nor a migration can lead anywhere; should the peer's address change all the same,
//! the probe ends.

mod background;
mod exchange;
mod path;
mod socket;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parallax_model::{FailureKind, Family, Party, QuicFailure, TlsFacts, TlsFailure};
use parallax_policy::VettedAddr;
use quinn::crypto::rustls::{HandshakeData, QuicClientConfig};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, NoneTokenStore, TransportConfig,
    TransportErrorCode, VarInt,
};
use rustls::pki_types::CertificateDer;

use self::background::Drivers;
pub(crate) use self::exchange::exchange;
pub(crate) use self::path::UdpPaths;
pub use self::path::{QUIC_BEACON_DEADLINE, UDP_FRESH};
use self::socket::Tied;
use crate::connect::{self, Tries};
use crate::hop::Hop;
use crate::progress::{Progress, Stage, StageFailure};
use crate::tls::{self, Broken, Refusal};

#[cfg(test)]
mod tests;

/// QUIC version 1 (RFC 9000), the only one that is spoken.
const VERSION_1: u32 = 1;
/// Most bytes a peer may send ahead of us reading them, on one stream and on all together.
const RECEIVE_WINDOW: u32 = 128 * 1_024;
/// Streams a server may open: its control stream and two of QPACK (RFC 9114, 6.2), and a few it may want to test us with.
const MAX_UNI_STREAMS: u32 = 8;
/// Most of a request that waits to be acknowledged, in bytes.
const SEND_WINDOW: u64 = 64 * 1_024;
/// Most bytes of a handshake that wait for the piece before them.
const MAX_CRYPTO_BUFFER: usize = 64 * 1_024;
/// Most bytes on the wire until the handshake is done; a chain of certificates may have 64 KiB.
const MAX_HANDSHAKE_WIRE_BYTES: u64 = 256 * 1_024;
/// What a connection is closed with (RFC 9114, 8.1: H3_NO_ERROR).
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// A connection whose handshake is done.
pub(crate) struct Session {
    connection: Connection,
    peer: SocketAddr,
    socket: Arc<Tied>,
    drivers: Drivers,
    // Held so that the endpoint's driver goes on.
    _endpoint: Endpoint,
}

/// Shakes hands with the first address that answers over QUIC, and notes what the handshake showed. Only silence leads to the
/// next address: what an address says, it says for the site.
pub(crate) async fn connect(
    vetted: &[VettedAddr],
    hop: &Hop<'_>,
    progress: &mut Progress,
) -> Result<Session, StageFailure> {
    let deadlines = &hop.settings.deadlines;
    let mut tries = Tries::new(vetted, deadlines.connect + deadlines.tls);
    progress.begin(Stage::Quic);
    while let Some((addr, share)) = tries.next(progress) {
        let family = Family::of(addr.ip());
        match Box::pin(shake_hands(addr, share, hop)).await {
            Ok((session, facts)) => {
                progress.end();
                progress.result.tls = facts;
                hop.udp.note_answer(family);
                tries.answered(progress);
                return Ok(session);
            }
            Err(broken) if is_silence(&broken.failure) => tries.failed(broken.failure),
            Err(broken) => {
                progress.end();
                progress.result.tls = broken.facts;
                if matches!(broken.failure.failure.kind, FailureKind::Quic(_) | FailureKind::Tls(_)) {
                    hop.udp.note_answer(family);
                }
                return Err(broken.failure);
            }
        }
    }
    progress.end();
    Err(tries.end())
}

/// Whether nothing was heard from the address.
fn is_silence(failure: &StageFailure) -> bool {
    matches!(failure.failure.kind, FailureKind::Quic(QuicFailure::Timeout) | FailureKind::Connect(_))
}

/// One handshake with one address, within `limit`.
async fn shake_hands(
    addr: SocketAddr,
    limit: Duration,
    hop: &Hop<'_>,
) -> Result<(Session, Option<TlsFacts>), Broken> {
    let source = hop.settings.source(Family::of(addr.ip()));
    let socket = Arc::new(Tied::open(source, addr).map_err(|error| connect::classify(&error))?);
    let mut drivers = Drivers::new();
    let endpoint = endpoint(socket.clone(), &drivers).map_err(|error| connect::classify(&error))?;
    let (settings, refusal) = hop.tls.quic();
    let settings = client(settings, hop.settings.deadlines.whole)
        .map_err(|error| failed(QuicFailure::Handshake, Party::Agent).told(&error))?;
    let host = &hop.target.host;
    let name = host.ip().map_or_else(|| host.as_str().to_owned(), |ip| ip.to_string());
    let mut connecting = endpoint.connect_with(settings, addr, &name).map_err(|error| match error {
        quinn::ConnectError::InvalidServerName(_) => tls::failed(TlsFailure::NameMismatch, Party::Target),
        error => failed(QuicFailure::Handshake, Party::Agent).told(&error),
    })?;
    let shaking = poll_fn(|cx| {
        drivers.poll(cx);
        if socket.was_refused() {
            let refused = failed(QuicFailure::Timeout, Party::Unknown);
            return Poll::Ready(Err(refused.said("no program takes UDP there")));
        }
        if socket.received() > MAX_HANDSHAKE_WIRE_BYTES {
            let flooded = failed(QuicFailure::Handshake, Party::Target);
            return Poll::Ready(Err(flooded.said("too many bytes before the end of the handshake")));
        }
        std::pin::Pin::new(&mut connecting).poll(cx).map(Ok)
    });
    let shaken = tokio::time::timeout(limit, shaking).await;
    match shaken {
        Ok(Ok(Ok(connection))) => {
            let facts = facts_of(&connection);
            Ok((Session { connection, peer: addr, socket, drivers, _endpoint: endpoint }, facts))
        }
        Ok(Ok(Err(error))) => Err(classify(&error, &refusal)),
        Ok(Err(failure)) => Err(failure.into()),
        Err(_) => {
            // Says goodbye to a peer that may only be slow.
            drop(connecting);
            once(&mut drivers).await;
            Err(failed(QuicFailure::Timeout, Party::Unknown).into())
        }
    }
}

/// An endpoint for one connection.
fn endpoint(socket: Arc<Tied>, drivers: &Drivers) -> std::io::Result<Endpoint> {
    let mut config = EndpointConfig::default();
    config.supported_versions(vec![VERSION_1]);
    Endpoint::new_with_abstract_socket(config, None, socket, drivers.runtime())
}

/// The settings of one connection: little memory, no datagrams, nothing remembered.
fn client(
    tls: rustls::ClientConfig,
    idle: Duration,
) -> Result<ClientConfig, quinn::crypto::rustls::NoInitialCipherSuite> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(MAX_UNI_STREAMS))
        .stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .send_window(SEND_WINDOW)
        .crypto_buffer_size(MAX_CRYPTO_BUFFER)
        .max_idle_timeout(idle.try_into().ok())
        .keep_alive_interval(None)
        .mtu_discovery_config(None)
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0);
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.version(VERSION_1).token_store(Arc::new(NoneTokenStore)).transport_config(Arc::new(transport));
    Ok(config)
}

impl Session {
    /// Works on the connection until `wanted` is there, or the peer is no longer where it was.
    async fn drive<F: Future>(&mut self, wanted: F) -> Result<F::Output, StageFailure> {
        let mut wanted = std::pin::pin!(wanted);
        poll_fn(|cx| {
            if let Err(moved) = self.work(cx) {
                return Poll::Ready(Err(moved));
            }
            wanted.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Works on the connection as far as it comes now.
    fn work(&mut self, cx: &mut std::task::Context<'_>) -> Result<(), StageFailure> {
        self.drivers.poll(cx);
        if self.connection.remote_address() == self.peer {
            Ok(())
        } else {
            Err(failed(QuicFailure::Closed, Party::Target).said("the server moved to another address"))
        }
    }

    /// Bytes received so far, packet headers and all.
    fn received(&self) -> u64 {
        self.socket.received()
    }

    /// Tells the peer that we are done. What is lost on the way is not said again.
    async fn close(mut self) {
        self.connection.close(NO_ERROR, b"");
        once(&mut self.drivers).await;
    }
}

/// Lets the drivers work once, so that they send what they have.
async fn once(drivers: &mut Drivers) {
    poll_fn(|cx| {
        drivers.poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// What the handshake showed. QUIC is TLS 1.3 (RFC 9001, 4.2).
fn facts_of(connection: &Connection) -> Option<TlsFacts> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let alpn = connection
        .handshake_data()
        .and_then(|said| said.downcast::<HandshakeData>().ok())
        .and_then(|said| said.protocol);
    tls::facts_of_session(Some(&chain), "TLSv1.3", alpn.as_deref())
}

fn failed(kind: QuicFailure, party: Party) -> StageFailure {
    StageFailure::new(FailureKind::Quic(kind), party)
}

/// What a failed handshake means: what TLS has to say is said as without QUIC.
fn classify(error: &ConnectionError, refusal: &Refusal) -> Broken {
    if let Some(refused) = refusal.take() {
        return tls::classify_tls(&refused);
    }
    let code = match error {
        ConnectionError::TransportError(error) => Some(error.code),
        ConnectionError::ConnectionClosed(close) => Some(close.error_code),
        _ => None,
    };
    let failure = match error {
        _ if code.is_some_and(is_alert) => tls::failed(TlsFailure::Handshake, Party::Target).told(error),
        ConnectionError::TimedOut => failed(QuicFailure::Timeout, Party::Unknown),
        ConnectionError::ApplicationClosed(_) | ConnectionError::Reset => {
            failed(QuicFailure::Closed, Party::Target).told(error)
        }
        ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => {
            failed(QuicFailure::Handshake, Party::Agent).told(error)
        }
        ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_) => failed(QuicFailure::Handshake, Party::Target).told(error),
    };
    failure.into()
}

/// Whether a code of QUIC is an alert of TLS (RFC 9001, 4.8).
fn is_alert(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}
