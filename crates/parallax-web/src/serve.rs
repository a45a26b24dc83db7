//! The accept loop: HTTP/1.1 and HTTP/2 with prior knowledge on one port, every wait and every count bounded (threats T56, T57).

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{self, Future};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{StatusCode, Version, header};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::{FutureExt as _, TryFutureExt as _};
use http_body_util::{Either, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::cache::KeptPages;
use crate::forwarded::TrustedProxies;
use crate::limits::networks;
use crate::stall::Stalling;

/// Who sent a request: the other end of the connection, or whom a trusted proxy names (with port 0 then). An extension of every
/// request, for `ConnectInfo<Peer>`.
pub type Peer = SocketAddr;

/// Connections at once where nobody says how many; further ones wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 8_192;
/// Connections at once from one address (an IPv6 /64); further ones are closed at once.
pub const MAX_CONNECTIONS_PER_IP: usize = 64;
/// How long a client may take from connecting, or from its last answer on HTTP/1.1, to the end of its next request's headers.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest life of a connection; a stream that lasts longer is taken up again by its client.
pub const CONNECTION_MAX_AGE: Duration = Duration::from_hours(1);
/// Header bytes (and read buffer) of an HTTP/1.1 request.
pub const HTTP1_HEADER_BYTES: usize = 16 * 1024;
/// Header lines of an HTTP/1.1 request.
pub const HTTP1_HEADERS: usize = 64;
/// Requests at once on an HTTP/2 connection.
pub const HTTP2_STREAMS: u32 = 64;
/// Streams reset by the client before they were accepted, before the connection is closed (CVE-2023-44487).
pub const HTTP2_PENDING_RESETS: usize = 20;
/// Streams reset by us for the client's errors, before the connection is closed (CVE-2025-8671).
pub const HTTP2_LOCAL_RESETS: usize = 64;
/// Header list bytes of an HTTP/2 request.
pub const HTTP2_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// How long an HTTP/2 connection may have no request open; HTTP/1.1 has [`HEADER_READ_TIMEOUT`] for it.
pub const HTTP2_IDLE: Duration = Duration::from_mins(1);
/// How often a silent HTTP/2 connection is pinged.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_mins(1);
/// How long a ping may stay unanswered.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long open requests may take after `cancel`; streams end by themselves within it.
pub const GRACE: Duration = Duration::from_secs(2);
/// Rest after a failed accept, so that a full file table is not a busy loop.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` to so many connections at once until `cancel`, then lets open requests end for [`GRACE`] and returns. What `kept` has is answered
/// without the router.
pub async fn serve(
    listener: TcpListener,
    (router, kept): (Router, Option<KeptPages>),
    proxies: TrustedProxies,
    connections_limit: usize,
    cancel: CancellationToken,
) {
    let proxies = Arc::new(proxies);
    let slots = Arc::new(Semaphore::new(connections_limit));
    let crowd = Crowd::default();
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = cancel.cancelled() => break,
            permit = Arc::clone(&slots).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Everybody comes through a proxy: it is not one client.
                let most = if proxies.trusts(peer.ip()) { connections_limit } else { MAX_CONNECTIONS_PER_IP };
                if let Some(seat) = crowd.enter(peer.ip(), most) {
                    let door = Door {
                        peer,
                        proxies: Arc::clone(&proxies),
                        router: router.clone(),
                        kept: kept.clone(),
                    };
                    let door = Arc::new(door);
                    let (held, cancel) = ((permit, seat), cancel.clone());
                    // Made inside: a future that is moved into another one takes its place twice.
                    connections.spawn(async move {
                        converse(stream, door, cancel).await;
                        drop(held);
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::debug!("connections were cut after the grace period");
    }
}

/// What a connection's requests go through.
struct Door {
    peer: SocketAddr,
    proxies: Arc<TrustedProxies>,
    router: Router,
    kept: Option<KeptPages>,
}

/// An answer from memory, or whatever else the router makes.
type Answer = http::Response<Either<Full<Bytes>, Body>>;
type Answered = Result<Answer, Infallible>;

impl Door {
    /// An answer to one request, which is told whose it is. hyper keeps the room of this future for as long as a connection lives, so
    /// what the router needs has a box of its own, which goes with the answer.
    fn answer(&self, mut request: http::Request<Incoming>) -> impl Future<Output = Answered> + use<> {
        if !has_one_host(&request) {
            let refused = (StatusCode::BAD_REQUEST, "an HTTP/1.1 request names one Host\n").into_response();
            return future::ready(Ok(refused.map(Either::Right))).left_future();
        }
        if let Some(kept) = self.kept.as_ref().and_then(|kept| kept.answer(&request)) {
            return future::ready(Ok(kept.map(Either::Left))).left_future();
        }
        let client = self.proxies.client(self.peer.ip(), request.headers());
        let direct = client == self.peer.ip().to_canonical();
        let client = if direct { self.peer } else { SocketAddr::new(client, 0) };
        request.extensions_mut().insert(ConnectInfo::<Peer>(client));
        let answer = self.router.clone().oneshot(request).map_ok(|answer| answer.map(Either::Right));
        answer.boxed().right_future()
    }
}

/// RFC 9112, 3.2: a request of HTTP/1.1 without a Host, or with more than one, is a bad one.
fn has_one_host(request: &http::Request<Incoming>) -> bool {
    request.version() != Version::HTTP_11 || request.headers().get_all(header::HOST).iter().count() == 1
}

/// One connection from its first byte to its end. hyper times only HTTP/1.1 headers, and those only once it knows the version,
/// so the wait for the first request is timed here.
async fn converse(stream: TcpStream, door: Arc<Door>, cancel: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let (heard, rest) = Pulse::new();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let open = heard.request(request.version());
        let answer = door.answer(request);
        async move {
            let answer = answer.await?;
            Ok::<_, Infallible>(match open {
                Some(open) => answer.map(|body| Either::Right(Body::new(Held { body, _open: open }))),
                None => answer,
            })
        }
    });
    let builder = limits();
    // Boxed, because what is pinned here would take its place twice: a waiting reader costs what its buffers cost.
    let mut connection = Box::pin(builder.serve_connection(TokioIo::new(Stalling::new(stream)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        rest = rest.rest() => {
            if rest == Rest::NeverSpoke {
                return;
            }
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = tokio::time::sleep(CONNECTION_MAX_AGE) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended with an error");
    }
}

/// Which requests of a connection are open. Every connection has one, so it is small.
#[derive(Debug, Default)]
struct Pulse {
    /// Requests of HTTP/2 that are open; on HTTP/1.1 one for ever, because hyper itself times what lies between requests.
    open: AtomicU32,
    times_itself: AtomicBool,
    changed: Notify,
}

/// Who waits for a connection to rest. Made with the connection: a request that comes before the wait begins is seen too.
#[derive(Debug)]
struct Resting(Arc<Pulse>);

/// Why a connection rests.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    /// No request came within [`HEADER_READ_TIMEOUT`].
    NeverSpoke,
    /// None was open for [`HTTP2_IDLE`].
    Idle,
}

impl Pulse {
    fn new() -> (Arc<Self>, Resting) {
        let pulse = Arc::new(Self::default());
        (Arc::clone(&pulse), Resting(pulse))
    }

    /// A request has come; it is open until the answer's whole body is sent or given up.
    fn request(self: &Arc<Self>, version: Version) -> Option<Open> {
        if version == Version::HTTP_2 {
            self.opens();
            return Some(Open(Arc::clone(self)));
        }
        if !self.times_itself.swap(true, Ordering::Relaxed) {
            self.opens();
        }
        None
    }

    fn opens(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }
}

impl Resting {
    /// Ends when there is nothing to wait for.
    async fn rest(self) -> Rest {
        let Pulse { open, changed, .. } = &*self.0;
        if tokio::time::timeout(HEADER_READ_TIMEOUT, changed.notified()).await.is_err() {
            return Rest::NeverSpoke;
        }
        loop {
            while open.load(Ordering::Acquire) > 0 {
                changed.notified().await;
            }
            if tokio::time::timeout(HTTP2_IDLE, changed.notified()).await.is_err() {
                return Rest::Idle;
            }
        }
    }
}

/// One open request.
#[derive(Debug)]
struct Open(Arc<Pulse>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

/// An answer's body that keeps its request open.
struct Held {
    body: Either<Full<Bytes>, Body>,
    _open: Open,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn limits() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_headers(HTTP1_HEADERS)
        .max_buf_size(HTTP1_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS)
        .max_local_error_reset_streams(HTTP2_LOCAL_RESETS)
        .max_header_list_size(HTTP2_HEADER_LIST_BYTES)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
}

/// How many connections each network has: an address and the wider networks around it, which may have a few times as many (as
/// [`limits`](crate::limits) counts them), so that who owns a /64 of IPv6 is one client.
#[derive(Debug, Clone, Default)]
struct Crowd(Arc<Mutex<HashMap<(u128, u8), usize>>>);

impl Crowd {
    /// A seat for one more connection of `ip`, unless it, or a network around it, has too many; `most` is what one address may have.
    fn enter(&self, ip: IpAddr, most: usize) -> Option<Seat> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |(bits, width, times): (u128, u8, u32)| {
            let most = most.saturating_mul(usize::try_from(times).unwrap_or(usize::MAX));
            counts.get(&(bits, width)).is_some_and(|count| *count >= most)
        };
        if networks(ip).any(is_full) {
            return None;
        }
        for (bits, width, _) in networks(ip) {
            *counts.entry((bits, width)).or_insert(0) += 1;
        }
        Some(Seat { crowd: self.clone(), ip })
    }
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
struct Seat {
    crowd: Crowd,
    ip: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (bits, width, _) in networks(self.ip) {
            if let Some(count) = counts.get_mut(&(bits, width)) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&(bits, width));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
