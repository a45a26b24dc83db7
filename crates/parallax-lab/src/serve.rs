//! A listener that plays a script: what it does to a connection, and what it answers.
//!
//! HTTP/1.1 and HTTP/2, plain or over TLS. Every wait has an end, every task an owner.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;

use crate::LabError;
use crate::tasks::Tasks;

/// Longest life of one connection, whatever happens on it.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);
/// How long a client may take for its TLS handshake, or for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Streams at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 32;
/// Head of one request, in bytes (the smallest that hyper takes).
const MAX_HEAD_BYTES: usize = 8_192;
/// Connections that may wait to be accepted at one listener.
const BACKLOG: u32 = 256;
/// Tries to find one port that is free everywhere it is wanted.
pub(crate) const PORT_TRIES: usize = 16;
/// Wait after a failed accept: mostly a lack of file descriptors, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is done with a connection before anything is said on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// It is served.
    Serve,
    /// It is reset at once.
    Reset,
    /// It is reset after the client's first words, which over TLS are its ClientHello.
    ResetAfterHello,
    /// Nothing is ever said.
    Silence,
}

/// What a script is asked.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Who asks.
    pub(crate) peer: IpAddr,
    /// Whether over TLS.
    pub(crate) secure: bool,
    /// The name asked for, as the client wrote it, without a port.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
}

/// What a script answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    delay: Duration,
}

impl Reply {
    pub(crate) fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), delay: Duration::ZERO }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub(crate) fn text(self, name: &'static str, value: &'static str) -> Self {
        self.header(HeaderName::from_static(name), HeaderValue::from_static(value))
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// How long the client waits for the first byte.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// How one listener behaves.
pub(crate) trait Script: Send + Sync + 'static {
    /// What is done with a connection of `peer`.
    fn greet(&self, _peer: IpAddr) -> Greeting {
        Greeting::Serve
    }

    /// What is answered.
    fn reply(&self, asked: &Asked) -> Reply;
}

/// One listener with its script.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) script: Arc<dyn Script>,
}

/// Takes a port without listening on it; until [`listen`] is called, connecting to it is refused.
pub(crate) fn reserve(wanted: SocketAddr, what: &str) -> Result<(TcpSocket, SocketAddr), LabError> {
    let bound = || {
        let socket = TcpSocket::new_v4()?;
        socket.bind(wanted)?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    bound().map_err(|source| LabError::Bind { what: what.to_owned(), address: wanted, source })
}

/// Starts to listen on a taken port.
pub(crate) fn listen(socket: TcpSocket, address: SocketAddr, what: &str) -> Result<TcpListener, LabError> {
    socket.listen(BACKLOG).map_err(|source| LabError::Bind { what: what.to_owned(), address, source })
}

/// Takes one port for UDP and TCP.
pub(crate) async fn both_transports(
    at: Ipv4Addr,
    what: &str,
) -> Result<(UdpSocket, TcpListener, SocketAddr), LabError> {
    for _ in 0..PORT_TRIES {
        let (socket, address) = reserve(SocketAddr::from((at, 0)), what)?;
        if let Ok(udp) = UdpSocket::bind(address).await {
            return Ok((udp, listen(socket, address, what)?, address));
        }
    }
    Err(LabError::NoPort { what: what.to_owned(), tries: PORT_TRIES })
}

/// Opens a door: connections are taken until the lab ends.
pub(crate) fn open(door: Door, tasks: &Tasks) {
    let owner = tasks.clone();
    tasks.spawn(async move {
        loop {
            match door.listener.accept().await {
                Ok((stream, peer)) => {
                    // Without it an answer in two writes waits 40 ms for the visitor's delayed ACK, and looks like a slow site.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a visitor is gone already");
                        continue;
                    }
                    let Some(room) = owner.connection().await else { return };
                    let (tls, script, inner) = (door.tls.clone(), Arc::clone(&door.script), owner.clone());
                    owner.spawn(async move {
                        let visit = visit(stream, peer.ip(), tls, script, inner);
                        if tokio::time::timeout(CONNECTION_LIFE, visit).await.is_err() {
                            tracing::debug!("a connection reached the end of its life");
                        }
                        drop(room);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
}

async fn visit(
    mut stream: TcpStream,
    peer: IpAddr,
    tls: Option<TlsAcceptor>,
    script: Arc<dyn Script>,
    tasks: Tasks,
) {
    let greeting = script.greet(peer);
    match greeting {
        Greeting::Serve => {}
        Greeting::Reset => return reset(&stream),
        Greeting::ResetAfterHello => {
            // Whatever of the hello is still unread at the drop makes the kernel send a reset all the same.
            let _ = stream.read(&mut [0; 1_024]).await;
            return reset(&stream);
        }
        Greeting::Silence => return drain(&mut stream).await,
    }
    let Some(tls) = tls else { return speak(stream, peer, false, script, tasks).await };
    match tokio::time::timeout(HEAD_DEADLINE, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, true, script, tasks).await,
        Ok(Err(error)) => tracing::trace!(%error, "a TLS handshake ended"),
        Err(_) => tracing::trace!("a TLS handshake took too long"),
    }
}

/// Makes the close that follows a reset (RST) instead of an orderly end (FIN).
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection could not be made to end in a reset");
    }
}

/// Reads and says nothing until the client gives up.
async fn drain(stream: &mut TcpStream) {
    let mut words = [0; 1_024];
    while matches!(stream.read(&mut words).await, Ok(1..)) {}
}

async fn speak<S>(stream: S, peer: IpAddr, secure: bool, script: Arc<dyn Script>, tasks: Tasks)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, peer, secure, Arc::clone(&script)));
    let mut server = auto::Builder::new(OnTasks(tasks));
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(MAX_HEAD_BYTES);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::trace!(error = %error, "a connection ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: IpAddr,
    secure: bool,
    script: Arc<dyn Script>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let named = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri().authority().map(http::uri::Authority::as_str).or(named).unwrap_or_default();
    let asked = Asked {
        peer,
        secure,
        host: authority.split(':').next().unwrap_or_default().to_owned(),
        path: request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned(),
    };
    let reply = script.reply(&asked);
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    let length = reply.body.len();
    // RFC 9110, 9.3.2: a HEAD's answer has the GET's length and no body.
    let head = request.method() == Method::HEAD;
    let mut response = Response::new(Full::new(if head { Bytes::new() } else { reply.body }));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    if reply.status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(response)
}

/// Lets hyper's own tasks (HTTP/2 streams) belong to the lab.
#[derive(Clone)]
pub(crate) struct OnTasks(pub(crate) Tasks);

impl<F> Executor<F> for OnTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
