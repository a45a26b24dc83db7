//! Pages made once for everybody: kept as bytes, with their compressed forms, until what they show has changed.
//!
//! A page that was made is good as long as the snapshot behind it is the same, and for [`FRESH`] at most, because pages say how old
//! things are. Only whole HTML pages without a query are kept; nothing on them may depend on who asks (see `routes`).
//!
//! A page that is kept is looked for before the router ([`KeptPages`]): it needs neither routes nor layers, its answer is ready in
//! every coding, with every header the layers would add.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body as _;
use parallax_model::UnixMicros;

use crate::compress::{self, Coding};
use crate::state::{App, Shared};
use crate::{headers, indexing, outputs};

/// How long a page may be shown although nothing changed.
pub(crate) const FRESH: Duration = Duration::from_secs(5);
/// Bytes of pages that are kept, uncompressed; compressed forms add a third at most.
const MAX_KEPT_BYTES: usize = 32 * 1024 * 1024;
/// Pages that are kept.
const MAX_KEPT: usize = 4_096;
/// Pages that are made at the same time: others wait for one of these (threat T60).
const FLIGHTS: usize = 32;

/// The pages that are kept.
#[derive(Debug)]
pub(crate) struct Pages {
    kept: Mutex<Shelf>,
    /// One for each of a few groups of addresses: who holds it makes the page, the others of the group wait for it.
    flights: [tokio::sync::Mutex<()>; FLIGHTS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shelf {
    pages: HashMap<Box<str>, Arc<Kept>>,
    bytes: usize,
}

impl Shelf {
    fn is_full_for(&self, page: &Kept) -> bool {
        self.bytes + page.plain.len() > MAX_KEPT_BYTES || self.pages.len() >= MAX_KEPT
    }
}

/// One page as it is sent.
#[derive(Debug)]
struct Kept {
    version: u64,
    made: UnixMicros,
    tag: String,
    /// Everything but the coding, the length and the tag.
    head: HeaderMap,
    plain: Bytes,
    /// By [`Coding`].
    ready: [OnceLock<Ready>; Coding::ALL.len()],
}

/// A page in one coding, with all that is said before it.
#[derive(Debug)]
struct Ready {
    tag: String,
    whole: HeaderMap,
    unchanged: HeaderMap,
    bytes: Bytes,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            flights: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl Pages {
    fn find(&self, path: &str, version: u64, now: UnixMicros) -> Option<Arc<Kept>> {
        let held = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let page = held.pages.get(path)?;
        (page.version == version && Duration::from_micros(now.since(page.made)) < FRESH)
            .then(|| Arc::clone(page))
    }

    /// The page as it was lately, for who comes while it is made anew.
    fn find_stale(&self, path: &str, now: UnixMicros) -> Option<Arc<Kept>> {
        let held = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let page = held.pages.get(path)?;
        (Duration::from_micros(now.since(page.made)) < FRESH).then(|| Arc::clone(page))
    }

    fn keep(&self, path: &str, page: &Arc<Kept>) {
        let mut held = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_full_for(page) {
            held.pages.retain(|_, other| other.version == page.version);
            held.bytes = held.pages.values().map(|other| other.plain.len()).sum();
        }
        if held.is_full_for(page) {
            *held = Shelf::default();
        }
        held.bytes += page.plain.len();
        if let Some(before) = held.pages.insert(path.into(), Arc::clone(page)) {
            held.bytes -= before.plain.len();
        }
    }

    fn flight(&self, path: &str) -> &tokio::sync::Mutex<()> {
        let n = usize::try_from(self.hasher.hash_one(path) % FLIGHTS as u64).unwrap_or(0);
        &self.flights[n]
    }
}

impl Kept {
    async fn of(response: Response, version: u64, made: UnixMicros) -> Result<Self, Response> {
        let (head, body) = response.into_parts();
        let plain = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                tracing::error!(%error, "a page could not be read");
                return Err(Response::from_parts(head, Body::empty()));
            }
        };
        let mut head = head.headers;
        let tag = head.remove(header::ETAG).and_then(|tag| tag.to_str().ok().map(str::to_owned));
        head.remove(header::CONTENT_LENGTH);
        head.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers::add(&mut head);
        let tag = tag.unwrap_or_default();
        Ok(Self { version, made, tag, head, plain, ready: Default::default() })
    }

    /// The page in a coding; what cannot be compressed goes out as it is.
    fn ready(&self, wanted: Coding) -> &Ready {
        self.ready[wanted as usize].get_or_init(|| {
            let small = match wanted {
                Coding::Identity => Bytes::new(),
                Coding::Brotli => compress::brotli(&self.plain, compress::QUICK),
                Coding::Gzip => compress::gzip(&self.plain),
            };
            let (coding, bytes) =
                if small.is_empty() { (Coding::Identity, self.plain.clone()) } else { (wanted, small) };
            Ready::new(self, coding, bytes)
        })
    }

    fn answer(&self, method: &Method, request: &HeaderMap) -> Response<Full<Bytes>> {
        let ready = self.ready(Coding::wanted(request));
        let mut response = Response::new(Full::default());
        if !self.tag.is_empty() && names(request, &ready.tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = ready.unchanged.clone();
            return response;
        }
        if *method != Method::HEAD {
            *response.body_mut() = Full::new(ready.bytes.clone());
        }
        *response.headers_mut() = ready.whole.clone();
        response
    }
}

impl Ready {
    fn new(page: &Kept, coding: Coding, bytes: Bytes) -> Self {
        let tag = compress::tag_of(&page.tag, coding);
        let mut whole = page.head.clone();
        if let Ok(tag) = HeaderValue::try_from(&tag) {
            whole.insert(header::ETAG, tag);
        }
        let mut unchanged = whole.clone();
        unchanged.remove(header::CONTENT_TYPE);
        if let Some(name) = coding.name() {
            whole.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        whole.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        Self { tag, whole, unchanged, bytes }
    }
}

/// Whether `If-None-Match` names this tag (RFC 9110, 13.1.2).
fn names(request: &HeaderMap, tag: &str) -> bool {
    let lines = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
}

/// Whether a page at this address is the same for everybody, by its first part (after the language).
fn is_shared(path: &str) -> bool {
    let path = match path.strip_prefix("/de") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    };
    if outputs::is_one(path) {
        return false;
    }
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next(), parts.next()) {
        (
            None | Some("" | "s" | "outages" | "network" | "i" | "learn" | "about" | "status" | "privacy"),
            _,
        ) => true,
        // The documentation; what it documents is not for people.
        (Some("api"), version) => version.is_none(),
        _ => false,
    }
}

/// Whether an answer is a page that may be kept.
fn is_keepable(response: &Response) -> bool {
    let head = response.headers();
    let is = |name: header::HeaderName, value: &str| {
        head.get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| v.starts_with(value))
    };
    response.status() == StatusCode::OK
        && is(header::CONTENT_TYPE, "text/html")
        && !is(header::CACHE_CONTROL, "no-store")
        && !head.contains_key(header::SET_COOKIE)
        && response.body().size_hint().exact().is_some()
}

/// What is kept, for who asks before the router does.
#[derive(Clone)]
pub struct KeptPages(pub(crate) Arc<Shared>);

impl fmt::Debug for KeptPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptPages").finish_non_exhaustive()
    }
}

impl KeptPages {
    /// The answer the router would give, if it would give a page that is kept.
    pub(crate) fn answer<B>(&self, request: &http::Request<B>) -> Option<Response<Full<Bytes>>> {
        let uri = request.uri();
        // What is rare is left to the router, which has words of its own about the length of nothing.
        let reads = match *request.method() {
            Method::GET => true,
            Method::HEAD => !request.headers().contains_key(header::IF_NONE_MATCH),
            _ => false,
        };
        if !reads || uri.query().is_some() {
            return None;
        }
        let version = *self.0.changes.borrow();
        let kept = self.0.pages.find(uri.path(), version, self.0.read.now())?;
        Some(kept.answer(request.method(), request.headers()))
    }
}

/// Answers from what is kept; makes and keeps what is not.
pub(crate) async fn pages(State(app): App, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || request.uri().query().is_some() || !is_shared(request.uri().path()) {
        let path = request.uri().path().to_owned();
        return marked(&app, &path, next.run(request).await);
    }
    let version = *app.changes.borrow();
    let now = app.read.now();
    if let Some(kept) = app.pages.find(request.uri().path(), version, now) {
        return kept.answer(request.method(), request.headers()).map(Body::new);
    }
    make(&app, request, next, version).await
}

async fn make(app: &Shared, mut request: Request, next: Next, version: u64) -> Response {
    let path = request.uri().path().to_owned();
    let flight = app.pages.flight(&path);
    // Who comes while the page is made gets it as it was a moment ago; where there is none, they wait.
    let _made_here = if let Ok(mine) = flight.try_lock() {
        mine
    } else {
        if let Some(kept) = app.pages.find_stale(&path, app.read.now()) {
            return kept.answer(request.method(), request.headers()).map(Body::new);
        }
        let mine = flight.lock().await;
        if let Some(kept) = app.pages.find(&path, version, app.read.now()) {
            return kept.answer(request.method(), request.headers()).map(Body::new);
        }
        mine
    };
    let asked = request.headers().clone();
    let method = request.method().clone();
    // The page itself, whatever the client has of it and however it wants it.
    *request.method_mut() = Method::GET;
    request.headers_mut().remove(header::IF_NONE_MATCH);
    let made = app.read.now();
    let response = marked(app, &path, next.run(request).await);
    if !is_keepable(&response) {
        return response;
    }
    match Kept::of(response, version, made).await {
        Ok(kept) => {
            let kept = Arc::new(kept);
            app.pages.keep(&path, &kept);
            kept.answer(&method, &asked).map(Body::new)
        }
        Err(response) => response,
    }
}

fn marked(app: &Shared, path: &str, mut response: Response) -> Response {
    if let Some(robots) = indexing::robots(app, path) {
        response.headers_mut().insert("x-robots-tag", robots);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_are_the_same_for_everybody_are_kept() {
        for (path, shared) in [
            ("/", true),
            ("/de/", true),
            ("/de", true),
            ("/s/a.example", true),
            ("/de/s/a.example/history", true),
            ("/outages", true),
            ("/api", true),
            ("/api/v1/sites", false),
            ("/c/abc", false),
            ("/de/c/abc", false),
            ("/s/a.example/badge.svg", false),
            ("/outages.atom", false),
            ("/check", false),
            ("/static/site.css", false),
            ("/design", false),
        ] {
            assert_eq!(is_shared(path), shared, "{path}");
        }
    }

    #[test]
    fn there_is_room_for_so_much_and_no_more() {
        let pages = Pages::default();
        let page = |version| {
            let head = HeaderMap::new();
            let plain = Bytes::from(vec![b'x'; MAX_KEPT_BYTES / 4]);
            let (tag, ready) = (String::new(), Default::default());
            Arc::new(Kept { version, made: UnixMicros(0), tag, head, plain, ready })
        };
        for n in 0..4 {
            pages.keep(&format!("/{n}"), &page(1));
        }
        assert_eq!(pages.kept.lock().unwrap().pages.len(), 4);
        pages.keep("/4", &page(2));
        assert_eq!(pages.kept.lock().unwrap().pages.len(), 1, "what is old goes first");
        for _ in 0..9 {
            pages.keep("/4", &page(2));
        }
        let shelf = pages.kept.lock().unwrap();
        assert_eq!((shelf.pages.len(), shelf.bytes), (1, MAX_KEPT_BYTES / 4), "kept again, counted once");
        drop(shelf);
        assert!(pages.find("/4", 2, UnixMicros(0).plus_secs(4)).is_some());
        assert!(pages.find("/4", 2, UnixMicros(0).plus_secs(5)).is_none(), "too old");
        assert!(pages.find("/4", 3, UnixMicros(0)).is_none(), "something changed");
        assert!(pages.find_stale("/4", UnixMicros(0)).is_some());
    }
}
