//! gRPC calls count as what the same requests of pages and REST count as, and their streams are streams.
//!
//! An operator's calls are not counted: they need a key.

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::Kind;
use crate::serve::Peer;
use crate::state::App;

/// The header of a call that ended before its first message, or else of its trailer.
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// What is said of it.
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// RESOURCE_EXHAUSTED.
const EXHAUSTED: HeaderValue = HeaderValue::from_static("8");

/// What a call counts as, and whether it is a stream that stays open. `None` is not counted.
fn of_call(path: &str) -> Option<(Kind, bool)> {
    match path {
        "/parallax.check.v1.CheckService/Check" => Some((Kind::Checks, true)),
        "/parallax.site.v1.SiteService/SubmitReport" => Some((Kind::Reports, false)),
        _ if path.starts_with("/parallax.admin.") => None,
        _ => {
            let method = path.rsplit('/').next().unwrap_or_default();
            Some((Kind::Reads, matches!(method, "Watch" | "WatchSite" | "ServerReflectionInfo")))
        }
    }
}

/// Whether a call was done, or is on its way to be. A check that was refused costs nothing.
fn was_done(kind: Kind, answer: &HeaderMap) -> bool {
    kind != Kind::Checks || answer.get(&STATUS).is_none_or(|status| status == "0")
}

/// Refuses who called too much or holds too many streams, counts what was done, says what is left.
pub(crate) async fn every_call(
    State(app): App,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let Some((kind, stays_open)) = of_call(request.uri().path()) else { return next.run(request).await };
    let left = app.limits.left(kind, peer.ip(), Instant::now());
    if left.remaining == 0 {
        let wait = left.reset.as_secs().max(1);
        let mut refused = exhausted(&format!("your network asks too often; come back in {wait} s"));
        refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        left.tell(refused.headers_mut());
        return refused;
    }
    let slot = if stays_open {
        let Some(slot) = app.streams.take(peer.ip()) else {
            return exhausted("close a stream before you open another");
        };
        Some(slot)
    } else {
        None
    };
    let mut response = next.run(request).await;
    let now = Instant::now();
    if was_done(kind, response.headers()) {
        app.limits.count(kind, peer.ip(), now);
    }
    app.limits.left(kind, peer.ip(), now).tell(response.headers_mut());
    match slot {
        Some(slot) => response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _held = &slot;
                frame
            }))
        }),
        None => response,
    }
}

/// A call that ends at once.
fn exhausted(says: &str) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, EXHAUSTED);
    if let Ok(says) = HeaderValue::try_from(says) {
        headers.insert(MESSAGE, says);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::Router;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;
    use crate::WebState;
    use crate::live::MAX_STREAMS_PER_ADDRESS;
    use crate::sample::FakeReadSide;

    const CHECK: &str = "/parallax.check.v1.CheckService/Check";
    const REPORT: &str = "/parallax.site.v1.SiteService/SubmitReport";
    const WATCH: &str = "/parallax.site.v1.SiteService/WatchSite";
    const ADMIN: &str = "/parallax.admin.v1.AdminService/ListAgents";

    /// Services that answer every call, a check as `check` says.
    fn services(check: &'static str) -> Router {
        let answer = move || async move { [(STATUS, HeaderValue::from_static(check))] };
        let fine = || async { "fine" };
        let grpc = Router::new()
            .route(CHECK, post(answer))
            .route(REPORT, post(fine))
            .route(WATCH, post(fine))
            .route(ADMIN, post(fine));
        let read = Arc::new(FakeReadSide::with_sites(Vec::new(), Duration::ZERO));
        crate::site_with(WebState::new(read), grpc).0
    }

    async fn call(app: &Router, path: &str, from: &str) -> Response {
        let mut request = Request::post(path).body(Body::empty()).unwrap();
        request
            .extensions_mut()
            .insert(ConnectInfo::<Peer>((from.parse::<std::net::IpAddr>().unwrap(), 9).into()));
        app.clone().oneshot(request).await.unwrap()
    }

    fn is_refused(answer: &Response) -> bool {
        answer.headers().get(&STATUS) == Some(&EXHAUSTED)
    }

    #[tokio::test]
    async fn calls_are_counted_like_the_same_requests_of_pages() {
        let app = services("0");
        for n in 0..30 {
            assert!(!is_refused(&call(&app, CHECK, "192.0.2.1").await), "check {n}");
        }
        let refused = call(&app, CHECK, "192.0.2.1").await;
        assert!(is_refused(&refused));
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(refused.headers()["ratelimit-limit"], "30");
        let mut page = Request::post("/check").body(Body::from("site=shop.example")).unwrap();
        page.extensions_mut().insert(ConnectInfo::<Peer>(([192, 0, 2, 1], 9).into()));
        let page = app.clone().oneshot(page).await.unwrap();
        assert_eq!(page.status(), 429, "one limit for both");
        assert!(!is_refused(&call(&app, CHECK, "198.51.100.1").await), "another network");
        assert!(!is_refused(&call(&app, REPORT, "192.0.2.1").await), "counted by itself");
        for n in 0..100 {
            assert!(!is_refused(&call(&app, ADMIN, "192.0.2.1").await), "an operator's call {n}");
        }
    }

    #[tokio::test]
    async fn a_check_that_was_refused_costs_nothing() {
        let app = services("3");
        for _ in 0..100 {
            assert_eq!(call(&app, CHECK, "192.0.2.1").await.headers()[STATUS], "3");
        }
    }

    #[tokio::test]
    async fn a_network_holds_so_many_streams_and_no_more() {
        let app = services("0");
        let mut open = Vec::new();
        for n in 0..MAX_STREAMS_PER_ADDRESS {
            // All of one /64 are one household.
            let answer = call(&app, WATCH, &format!("2001:db8::{}", n + 1)).await;
            assert!(!is_refused(&answer), "stream {n}");
            open.push(answer);
        }
        assert_eq!(MAX_STREAMS_PER_ADDRESS, 6, "threat T59");
        assert!(is_refused(&call(&app, WATCH, "2001:db8::99").await));
        assert!(!is_refused(&call(&app, WATCH, "2001:db8:0:1::1").await), "the neighbours");
        open.pop();
        assert!(!is_refused(&call(&app, WATCH, "2001:db8::99").await), "a place is free again");
    }
}
