//! Connecting to the aggregator: name, TCP from the configured source address, TLS, HTTP/2.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use crate::config::{SourceSection, split_authority};
use parallax_proto::AGGREGATOR_NAME;

/// How long finding the aggregator's addresses may take.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(5);
/// How long one address may take to answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long the handshakes of TLS and HTTP/2 may take, each.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Most addresses that are tried.
const MAX_ADDRESSES: usize = 8;
/// How often HTTP/2 asks whether the peer is there, also while nothing else is said.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it waits for the answer.
const KEEPALIVE_DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no connection to the aggregator.
#[derive(Debug, Error)]
pub enum DialError {
    /// The configured text is no `host:port`.
    #[error("the aggregator {0:?} is not HOST:PORT")]
    Authority(String),
    /// The name has no address.
    #[error("finding the addresses of {host}")]
    Resolve {
        /// The name.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// No address answers.
    #[error("connecting to {address}")]
    Connect {
        /// The last that was tried.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The TLS handshake failed: the aggregator's certificate is not the right one, or it does not want ours.
    #[error("the TLS handshake with {address}")]
    Tls {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The HTTP/2 handshake failed.
    #[error("the HTTP/2 handshake with the aggregator")]
    Http2(#[source] tonic::transport::Error),
}

/// Opens one connection.
pub(crate) async fn dial(
    aggregator: &str,
    source: &SourceSection,
    tls: Arc<ClientConfig>,
) -> Result<Channel, DialError> {
    let (host, port) =
        split_authority(aggregator).ok_or_else(|| DialError::Authority(aggregator.to_owned()))?;
    let addresses = addresses_of(host, port).await?;
    let (tcp, address) = connect(&addresses, source).await?;
    let tls = handshake(tcp, tls).await.map_err(|source| DialError::Tls { address, source })?;
    channel_over(tls).await.map_err(DialError::Http2)
}

/// HTTP/2 over a connection that is open already. The channel is good for that one connection: when it ends, every call fails.
pub(crate) async fn channel_over<T>(io: T) -> Result<Channel, tonic::transport::Error>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let once = Mutex::new(Some(TokioIo::new(io)));
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let io = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        std::future::ready(io.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    });
    // TLS is done by us, below HTTP/2, so the scheme is the plain one.
    Endpoint::from_shared(format!("http://{AGGREGATOR_NAME}"))?
        .connect_timeout(HANDSHAKE_DEADLINE)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_DEADLINE)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
}

#[expect(
    clippy::disallowed_methods,
    reason = "the aggregator's own name is asked of the system's resolver, as every program here does"
)]
async fn addresses_of(host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |source| DialError::Resolve { host: host.to_owned(), source };
    let lookup = timeout(RESOLVE_DEADLINE, tokio::net::lookup_host((host, port))).await;
    let found = lookup.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
    let found: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
    if found.is_empty() { Err(failed(io::ErrorKind::NotFound.into())) } else { Ok(found) }
}

/// The first address that answers.
async fn connect(
    addresses: &[SocketAddr],
    source: &SourceSection,
) -> Result<(TcpStream, SocketAddr), DialError> {
    let mut last = None;
    for address in addresses {
        let opened = timeout(CONNECT_DEADLINE, connect_one(*address, source)).await;
        match opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(tcp) => return Ok((tcp, *address)),
            Err(source) => last = Some(DialError::Connect { address: *address, source }),
        }
    }
    Err(last.unwrap_or_else(|| DialError::Authority(String::new())))
}

async fn connect_one(address: SocketAddr, source: &SourceSection) -> io::Result<TcpStream> {
    let (socket, from) = match address {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, source.v4.map(IpAddr::V4)),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, source.v6.map(IpAddr::V6)),
    };
    if let Some(ip) = from {
        socket.bind(SocketAddr::new(ip, 0))?;
    }
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

async fn handshake(tcp: TcpStream, tls: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(AGGREGATOR_NAME).map_err(io::Error::other)?;
    let opened = timeout(HANDSHAKE_DEADLINE, TlsConnector::from(tls).connect(name, tcp)).await;
    opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
