//! One request and its answer, with every size bounded.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HOST, LOCATION, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parallax_model::{
    AgentFailure, BodyFacts, FailureKind, HttpFailure, Micros, Party, Protocol, StatusCode, TlsFailure,
};
use ring::digest::{Context, SHA256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::guard::{Guarded, Moments};
use crate::hop::Hop;
use crate::progress::{Progress, Stage, StageFailure};

/// Most bytes of a body that are read.
pub const MAX_BODY_BYTES: usize = 64 * 1_024;
/// Most bytes of an answer's head.
pub const MAX_HEADER_BYTES: usize = 32 * 1_024;
/// Most header lines of an answer.
pub const MAX_HEADER_LINES: usize = 100;
/// Most informational answers (1xx) before the final one.
pub const MAX_INFORMATIONAL: usize = 5;
/// How much of a body's beginning is held, for the time of one probe, to recognise error pages.
const PREFIX_BYTES: usize = 8 * 1_024;
/// Room left before the end of the whole probe, so that a slow body ends here and not there.
const BODY_MARGIN: Duration = Duration::from_millis(200);

/// An answer, as much of it as was read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Set when the answer asks to go elsewhere; then no body was read.
    pub(crate) location: Option<Vec<u8>>,
    pub(crate) body: BodySeen,
}

/// What is known of a body.
#[derive(Debug)]
pub(crate) struct BodySeen {
    pub(crate) facts: BodyFacts,
    pub(crate) prefix: Vec<u8>,
}

/// Sends the request over a fresh connection and reads the answer.
pub(crate) async fn exchange<S>(
    stream: S,
    protocol: Protocol,
    hop: &Hop<'_>,
    progress: &mut Progress,
) -> Result<Answer, StageFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    progress.result.protocol = Some(protocol);
    let informational = Arc::new(AtomicUsize::new(0));
    let mut request = request(protocol, hop)?.map(|()| Empty::<Bytes>::new());
    let count = Arc::clone(&informational);
    hyper::ext::on_informational(&mut request, move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let moments = Moments::default();
    let io = TokioIo::new(Guarded::new(stream, protocol, moments.clone()));
    progress.begin(Stage::FirstByte);
    let limit = hop.settings.deadlines.first_byte;
    if protocol == Protocol::H2 {
        let tasks = Tasks::default();
        let _end = EndTasks(tasks.clone());
        let mut builder = hyper::client::conn::http2::Builder::new(tasks.clone());
        builder
            .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
            .initial_stream_window_size(u32::try_from(MAX_BODY_BYTES).ok())
            .initial_connection_window_size(u32::try_from(MAX_BODY_BYTES).ok())
            .max_concurrent_reset_streams(1);
        let work = async {
            let (mut sender, connection) = builder.handshake(io).await?;
            Ok((
                Connection::new(connection, informational),
                async move { sender.send_request(request).await },
            ))
        };
        converse(work, limit, hop, progress, &moments).await
    } else {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(MAX_HEADER_BYTES).max_headers(MAX_HEADER_LINES);
        let work = async {
            let (mut sender, connection) = builder.handshake(io).await?;
            Ok((
                Connection::new(connection, informational),
                async move { sender.send_request(request).await },
            ))
        };
        converse(work, limit, hop, progress, &moments).await
    }
}

/// The one request we send: GET, no cookies, no compression.
pub(crate) fn request(protocol: Protocol, hop: &Hop<'_>) -> Result<Request<()>, StageFailure> {
    let unsendable = || StageFailure::new(FailureKind::Agent(AgentFailure::Policy), Party::Agent);
    let target = hop.target;
    let authority = target.authority();
    let mut request = Request::new(());
    let headers = request.headers_mut();
    let uri = if protocol == Protocol::H1 {
        headers.insert(HOST, HeaderValue::try_from(authority).map_err(|e| unsendable().told(&e))?);
        Uri::builder().path_and_query(target.path.as_str()).build()
    } else {
        Uri::builder()
            .scheme(target.scheme.as_str())
            .authority(authority)
            .path_and_query(target.path.as_str())
            .build()
    };
    headers.insert(USER_AGENT, hop.settings.user_agent.clone());
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    *request.uri_mut() = uri.map_err(|e| unsendable().told(&e))?;
    Ok(request)
}

/// Waits for the head of the answer, then reads as much of the body as is wanted.
async fn converse<W, C, R>(
    work: W,
    limit: Duration,
    hop: &Hop<'_>,
    progress: &mut Progress,
    moments: &Moments,
) -> Result<Answer, StageFailure>
where
    W: Future<Output = hyper::Result<(Connection<C>, R)>>,
    C: Future<Output = hyper::Result<()>>,
    R: Future<Output = hyper::Result<http::Response<Incoming>>>,
{
    let head = async {
        let (mut connection, response) = work.await.map_err(|e| classify(&e))?;
        match connection.drive(response).await? {
            Ok(response) => Ok((connection, response)),
            Err(error) => Err(connection.why(&error)),
        }
    };
    let (mut connection, response) = match tokio::time::timeout(limit, head).await {
        Ok(head) => head?,
        Err(_) => return Err(failed(HttpFailure::Timeout, Party::Target)),
    };
    progress.end();
    if let Some(took) = moments.first_byte() {
        progress.result.phases.first_byte = Some(Micros::from(took));
    }
    let (parts, body) = response.into_parts();
    let mut begun = Begun::new(parts, progress)?;
    let Some(until) = begun.read_until(hop, progress) else { return Ok(begun.led_elsewhere()) };
    progress.begin(Stage::Body);
    let ended = tokio::time::timeout_at(until, begun.reading.read(&mut connection, body)).await;
    progress.end();
    begun.end(ended.ok())
}

/// An answer whose head passed the limits.
pub(crate) struct Begun {
    status: StatusCode,
    headers: HeaderMap,
    location: Option<Vec<u8>>,
    /// The body, for whoever reads it.
    pub(crate) reading: Reading,
}

impl Begun {
    /// Checks the head and notes the status.
    pub(crate) fn new(parts: http::response::Parts, progress: &mut Progress) -> Result<Self, StageFailure> {
        let status = check_head(parts.status, &parts.headers)?;
        progress.result.status = Some(status);
        let location = redirect_of(status, &parts.headers);
        let reading = Reading::new(parts.version, &parts.headers);
        Ok(Self { status, headers: parts.headers, location, reading })
    }

    /// Until when the body may be read; `None` when the answer leads elsewhere and its body says nothing.
    pub(crate) fn read_until(&self, hop: &Hop<'_>, progress: &Progress) -> Option<Instant> {
        let whole_end = progress.began() + hop.settings.deadlines.whole.saturating_sub(BODY_MARGIN);
        let until = (Instant::now() + hop.settings.deadlines.body).min(whole_end);
        self.location.is_none().then_some(until)
    }

    /// The length the head promises, where a body may follow (RFC 9110, 6.4.1 and 8.6).
    pub(crate) fn promised(&self) -> Option<u64> {
        let bare = matches!(self.status.get(), 204 | 304);
        let length = self.headers.get(CONTENT_LENGTH).filter(|_| !bare)?;
        length.to_str().ok()?.parse().ok()
    }

    /// The answer without its body.
    pub(crate) fn led_elsewhere(self) -> Answer {
        let Self { status, headers, location, reading } = self;
        Answer { status, headers, location, body: reading.seen() }
    }

    /// The answer with what was read of the body; `None` when time ran out over it.
    pub(crate) fn end(mut self, read: Option<Result<(), StageFailure>>) -> Result<Answer, StageFailure> {
        match read {
            Some(Err(failure)) if self.status.get() < 400 => return Err(failure),
            Some(Ok(())) => {}
            // A failing status says more than how its page broke off; and slowness after a good one is no failure.
            Some(Err(_)) | None => self.reading.truncated = true,
        }
        Ok(self.led_elsewhere())
    }
}

/// Refuses heads that are over the limits or no HTTP.
fn check_head(status: http::StatusCode, headers: &HeaderMap) -> Result<StatusCode, StageFailure> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > MAX_HEADER_LINES || bytes > MAX_HEADER_BYTES {
        return Err(failed(HttpFailure::TooLarge, Party::Target));
    }
    match StatusCode::new(status.as_u16()) {
        Ok(code) if code.get() >= 200 => Ok(code),
        _ => Err(failed(HttpFailure::Protocol, Party::Target).said("the status is none of HTTP's")),
    }
}

/// The `Location` of an answer that asks to go elsewhere (RFC 9110, 15.4).
fn redirect_of(status: StatusCode, headers: &HeaderMap) -> Option<Vec<u8>> {
    let asks = matches!(status.get(), 301 | 302 | 303 | 307 | 308);
    if asks { headers.get(LOCATION).map(|value| value.as_bytes().to_vec()) } else { None }
}

/// A connection that is worked on only while we wait for something of it, so that dropping the wait ends it.
struct Connection<C> {
    /// Gone with the connection: while it lives, hyper lets a request wait for an answer that cannot come.
    driver: Option<Pin<Box<C>>>,
    /// How the connection ended, when that was an error.
    broken: Option<hyper::Error>,
    informational: Arc<AtomicUsize>,
}

impl<C: Future<Output = hyper::Result<()>>> Connection<C> {
    fn new(driver: C, informational: Arc<AtomicUsize>) -> Self {
        Self { driver: Some(Box::pin(driver)), broken: None, informational }
    }

    /// Works on the connection until `wanted` is there.
    async fn drive<F: Future>(&mut self, wanted: F) -> Result<F::Output, StageFailure> {
        let mut wanted = std::pin::pin!(wanted);
        poll_fn(|cx| {
            // First what is wanted, so that a request leaves in this turn and not in the next.
            if let Poll::Ready(done) = wanted.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if let Some(driver) = &mut self.driver
                && let Poll::Ready(ended) = driver.as_mut().poll(cx)
            {
                self.broken = ended.err();
                self.driver = None;
            }
            if self.informational.load(Ordering::Relaxed) > MAX_INFORMATIONAL {
                let told =
                    failed(HttpFailure::Protocol, Party::Target).said("too many informational answers");
                return Poll::Ready(Err(told));
            }
            wanted.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// What an error of the request means: when it was only given up, what broke the connection says more.
    fn why(&self, error: &hyper::Error) -> StageFailure {
        let given_up = std::error::Error::source(error).and_then(|e| e.downcast_ref::<hyper::Error>());
        let broke = given_up.or(self.broken.as_ref()).filter(|_| error.is_canceled());
        classify(broke.unwrap_or(error))
    }
}

/// A body in the reading.
pub(crate) struct Reading {
    hash: Context,
    length: usize,
    truncated: bool,
    prefix: Vec<u8>,
    /// The body ends where the connection does (RFC 9112, 6.3, rule 8).
    ends_with_connection: bool,
}

impl Reading {
    fn new(version: Version, headers: &HeaderMap) -> Self {
        let ends_with_connection = version <= Version::HTTP_11
            && !headers.contains_key(CONTENT_LENGTH)
            && !headers.contains_key(TRANSFER_ENCODING);
        Self {
            hash: Context::new(&SHA256),
            length: 0,
            truncated: false,
            prefix: Vec::new(),
            ends_with_connection,
        }
    }

    /// Reads to the end, or to [`MAX_BODY_BYTES`].
    async fn read<C>(
        &mut self,
        connection: &mut Connection<C>,
        mut body: Incoming,
    ) -> Result<(), StageFailure>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        loop {
            match connection.drive(body.frame()).await? {
                None => return Ok(()),
                // Many servers close without TLS's goodbye; where closing is the end, that is an end too.
                Some(Err(error)) if self.ends_with_connection && was_cut(&error) => return Ok(()),
                Some(Err(error)) => return Err(classify(&error)),
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    if !self.take(&bytes) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// How many bytes were taken.
    pub(crate) fn length(&self) -> u64 {
        self.length as u64
    }

    /// Takes a piece; false when there is no room for more.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> bool {
        let room = MAX_BODY_BYTES - self.length;
        let taken = &bytes[..bytes.len().min(room)];
        self.hash.update(taken);
        self.length += taken.len();
        let held = PREFIX_BYTES.saturating_sub(self.prefix.len()).min(taken.len());
        self.prefix.extend_from_slice(&taken[..held]);
        self.truncated = bytes.len() > room;
        // When there is just no room left, only the next piece tells whether there was more.
        !self.truncated
    }

    fn seen(self) -> BodySeen {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.finish().as_ref());
        let length = u32::try_from(self.length).unwrap_or(u32::MAX);
        BodySeen {
            facts: BodyFacts { length, sha256: Some(sha256), truncated: self.truncated, page: None },
            prefix: self.prefix,
        }
    }
}

/// Runs what hyper's HTTP/2 needs beside the connection.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// Ends the tasks of an exchange with the exchange. Each task holds a handle to the set it runs in, so dropping the set's own
/// handle would not end them while a peer keeps a connection busy.
struct EndTasks(Tasks);

impl Drop for EndTasks {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.spawn(async {
            task.await;
        });
    }
}

/// A failed exchange.
pub(crate) fn failed(kind: HttpFailure, party: Party) -> StageFailure {
    StageFailure::new(FailureKind::Http(kind), party)
}

/// What hyper's error means.
fn classify(error: &hyper::Error) -> StageFailure {
    if error.is_parse_too_large() {
        return failed(HttpFailure::TooLarge, Party::Target);
    }
    if error.is_parse() {
        return failed(HttpFailure::Protocol, Party::Target).told(error);
    }
    if error.is_timeout() {
        return failed(HttpFailure::Timeout, Party::Target);
    }
    if tells_alert(error) {
        return crate::tls::failed(TlsFailure::Handshake, Party::Target).told(error);
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() || was_cut(error) {
        return failed(HttpFailure::Reset, Party::Unknown);
    }
    failed(HttpFailure::Protocol, Party::Target).told(error)
}

/// Whether the server refused us by an alert after the handshake, as TLS 1.3 does for want of a client certificate.
fn tells_alert(error: &hyper::Error) -> bool {
    let io = std::error::Error::source(error).and_then(|e| e.downcast_ref::<std::io::Error>());
    let tls = io.and_then(std::io::Error::get_ref).and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::AlertReceived(_)))
}

/// Whether the connection ended under the exchange.
fn was_cut(error: &hyper::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(e) = next {
        if let Some(io) = e.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as K;
            return matches!(
                io.kind(),
                K::ConnectionReset
                    | K::ConnectionAborted
                    | K::BrokenPipe
                    | K::UnexpectedEof
                    | K::NotConnected
            );
        }
        next = e.source();
    }
    false
}
