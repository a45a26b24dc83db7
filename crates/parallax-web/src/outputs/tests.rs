//! What stands beside the pages, made from made-up sites.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::sample::{FakeReadSide, hostile_site};
use crate::{WebState, router};

fn app() -> Router {
    let mut state = WebState::new(Arc::new(FakeReadSide::new(Duration::ZERO)));
    state.base_url = Some("https://parallax.example".to_owned());
    router(state)
}

async fn send(app: &Router, mut request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let peer: SocketAddr = "192.0.2.7:4000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

async fn get(app: &Router, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    send(app, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn text(app: &Router, path: &str) -> String {
    let (status, _, body) = get(app, path).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    String::from_utf8(body).unwrap()
}

async fn json(app: &Router, path: &str) -> Value {
    serde_json::from_str(&text(app, path).await).unwrap()
}

const EVERYTHING: [(&str, &str); 19] = [
    ("/outages.atom", "application/atom+xml; charset=utf-8"),
    ("/outages.json", "application/json"),
    ("/network/isp/64501/feed.atom", "application/atom+xml; charset=utf-8"),
    ("/network/isp/AS64501/feed.atom", "application/atom+xml; charset=utf-8"),
    ("/network/region/eu-west/feed.atom", "application/atom+xml; charset=utf-8"),
    ("/s/videohub.example/feed.atom", "application/atom+xml; charset=utf-8"),
    ("/s/videohub.example/incidents.ics", "text/calendar; charset=utf-8"),
    ("/s/videohub.example/og.png", "image/png"),
    ("/s/videohub.example/badge.svg", "image/svg+xml"),
    ("/s/videohub.example/badge.json", "application/json"),
    ("/s/videohub.example/embed", "text/html; charset=utf-8"),
    ("/s/videohub.example/api/v2/summary.json", "application/json"),
    ("/s/videohub.example/api/v2/status.json", "application/json"),
    ("/s/videohub.example/api/v2/components.json", "application/json"),
    ("/s/videohub.example/api/v2/incidents.json", "application/json"),
    ("/s/videohub.example/api/v2/incidents/unresolved.json", "application/json"),
    ("/s/videohub.example/api/v2/scheduled-maintenances.json", "application/json"),
    ("/s/videohub.example/api/v2/scheduled-maintenances/upcoming.json", "application/json"),
    ("/s/videohub.example/api/v2/scheduled-maintenances/active.json", "application/json"),
];

#[tokio::test]
async fn everything_has_its_type_its_tag_and_is_not_sent_twice() {
    let app = app();
    for (path, kind) in EVERYTHING {
        let (status, headers, body) = get(&app, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers["content-type"], kind, "{path}");
        assert_eq!(headers["cache-control"], "public, max-age=60", "{path}");
        assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
        assert!(headers.contains_key("ratelimit-remaining") && !body.is_empty(), "{path}");
        for coding in ["", "br", "gzip"] {
            let ask = |tag: Option<&str>| {
                let request = Request::get(path).header("accept-encoding", coding);
                let request = tag.iter().fold(request, |r, tag| r.header("if-none-match", *tag));
                request.body(Body::empty()).unwrap()
            };
            let (_, headers, _) = send(&app, ask(None)).await;
            let tag = headers["etag"].to_str().unwrap().to_owned();
            let (status, headers, body) = send(&app, ask(Some(&tag))).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{path} in {coding:?}");
            assert!(headers.contains_key("etag"), "{path}");
        }
    }
    for path in [
        "/s/nobody-asked.example/og.png",
        "/s/127.0.0.1/badge.svg",
        "/network/isp/x/feed.atom",
        "/s/videohub.example/api/v2/x",
    ] {
        let (status, ..) = get(&app, path).await;
        assert!(status.is_client_error(), "{path}: {status}");
    }
}

#[tokio::test]
async fn feeds_tell_every_change_once_and_newest_first() {
    let app = app();
    for path in ["/outages.atom", "/s/games.example/feed.atom"] {
        let feed: atom_syndication::Feed = text(&app, path).await.parse().unwrap();
        assert!(feed.id.starts_with("tag:parallax,2026:"), "{path}");
        assert_eq!(feed.links[0].href, format!("https://parallax.example{path}"));
        assert!(!feed.entries.is_empty() && feed.entries.len() <= super::feed::MAX_ENTRIES, "{path}");
        assert!(feed.entries.windows(2).all(|pair| pair[0].updated >= pair[1].updated), "{path}");
        assert_eq!(feed.updated, feed.entries[0].updated, "{path}");
        let mut ids: Vec<&str> = feed.entries.iter().map(|entry| entry.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), feed.entries.len(), "{path}: ids");
        let link = &feed.entries[0].links[0].href;
        let path = link.strip_prefix("https://parallax.example").unwrap();
        assert_eq!(get(&app, path).await.0, StatusCode::OK, "{link}");
    }
    let none: atom_syndication::Feed = text(&app, "/network/isp/65000/feed.atom").await.parse().unwrap();
    let all: atom_syndication::Feed = text(&app, "/outages.atom").await.parse().unwrap();
    assert!(none.entries.len() < all.entries.len(), "what does not concern a provider is not in its feed");
}

#[tokio::test]
async fn status_pages_words_are_used_and_nothing_unseen_is_called_operational() {
    let app = app();
    for (host, indicator) in
        [("videohub.example", "major"), ("bank-north.example", "critical"), ("news.example", "none")]
    {
        let summary = json(&app, &format!("/s/{host}/api/v2/summary.json")).await;
        assert_eq!(summary["status"]["indicator"], indicator, "{host}");
        let components = summary["components"].as_array().unwrap();
        let groups = components.iter().filter(|c| c["group"] == true).count();
        assert_eq!(groups, 2, "{host}");
        let mut positions: Vec<i64> = components.iter().map(|c| c["position"].as_i64().unwrap()).collect();
        positions.dedup();
        assert_eq!(positions.len(), components.len(), "{host}");
        for component in components {
            let known = ["operational", "degraded_performance", "partial_outage", "major_outage"];
            assert!(known.contains(&component["status"].as_str().unwrap()), "{component}");
            let seen = &component["parallax"]["seen"];
            assert!(*seen != false || component["status"] != "operational", "{component}");
        }
    }
    let open = json(&app, "/s/videohub.example/api/v2/incidents/unresolved.json").await;
    let incident = &open["incidents"][0];
    assert_eq!(incident["resolved_at"], Value::Null);
    assert_eq!(incident["incident_updates"][0]["status"], incident["status"]);
    let all = json(&app, "/s/games.example/api/v2/incidents.json").await;
    assert!(
        all["incidents"].as_array().unwrap().iter().all(|i| i["shortlink"].as_str().unwrap().contains("/i/"))
    );
}

#[tokio::test]
async fn what_strangers_wrote_is_only_text_in_every_output() {
    let site = hostile_site("\"><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\u{1b}[31m");
    let app = router(WebState::new(Arc::new(FakeReadSide::with_sites(vec![site], Duration::ZERO))));
    let sites = json(&app, "/api/v1/sites").await;
    let host = sites["sites"][0]["host"].as_str().unwrap().to_owned();
    for what in ["feed.atom", "incidents.ics", "badge.svg", "embed", "api/v2/summary.json"] {
        let (status, headers, body) = get(&app, &format!("/s/{host}/{what}")).await;
        let text = String::from_utf8(body).unwrap();
        assert_eq!(status, StatusCode::OK, "{what}");
        // A calendar and JSON are no markup, and are never taken for it.
        let markup = !matches!(what, "incidents.ics" | "api/v2/summary.json");
        assert!(!markup || !text.contains("<script") && !text.contains("<img"), "{what}: {text}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{what}");
        assert!(!text.chars().any(|c| c.is_control() && !"\r\n".contains(c)), "{what}: {text:?}");
    }
}

#[tokio::test]
async fn the_calendar_is_one_with_an_event_an_incident() {
    let text = text(&app(), "/s/games.example/incidents.ics").await;
    assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"), "{text}");
    assert_eq!(text.matches("BEGIN:VEVENT").count(), text.matches("DTSTART:").count());
    assert!(text.contains("DTEND:") && text.contains("UID:"), "{text}");
}

#[tokio::test]
async fn only_the_frame_may_be_framed() {
    let app = app();
    for (path, framed) in [("/s/videohub.example/embed", true), ("/s/videohub.example", false)] {
        let (_, headers, _) = get(&app, path).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert_eq!(policy.contains("frame-ancestors *"), framed, "{path}");
        assert!(policy.starts_with("default-src 'none'"), "{path}");
    }
}

#[tokio::test]
async fn search_engines_are_told_what_is_for_them() {
    let app = app();
    for (path, hidden) in [
        ("/", false),
        ("/s/videohub.example", false),
        ("/s/nobody-asked.example", true),
        ("/s/nobody-asked.example/badge.svg", true),
        ("/api", false),
        ("/api/v1/sites", true),
        ("/c/0", true),
    ] {
        let (_, headers, _) = get(&app, path).await;
        assert_eq!(headers.contains_key("x-robots-tag"), hidden, "{path}");
    }
    let map = text(&app, "/sitemap.xml").await;
    assert!(map.contains("<loc>https://parallax.example/s/videohub.example</loc><lastmod>2026-"), "{map}");
    assert!(text(&app, "/robots.txt").await.contains("Sitemap: https://parallax.example/sitemap.xml"));
}

#[tokio::test]
async fn a_page_is_made_once_and_goes_out_as_it_is_wanted() {
    let app = app();
    let (_, plain, body) = get(&app, "/s/videohub.example").await;
    assert_eq!(plain["vary"], "accept-encoding");
    for (coding, suffix) in [("br", "-br\""), ("gzip", "-gz\"")] {
        let request = |tag: &str| {
            let request = Request::get("/s/videohub.example").header("accept-encoding", coding);
            request.header("if-none-match", tag).body(Body::empty()).unwrap()
        };
        let (status, headers, small) = send(&app, request("\"other\"")).await;
        assert_eq!((status, &headers["content-encoding"]), (StatusCode::OK, &coding.parse().unwrap()));
        assert!(small.len() * 2 < body.len(), "{} of {} bytes", small.len(), body.len());
        let tag = headers["etag"].to_str().unwrap();
        assert!(tag.ends_with(suffix), "{tag}");
        let (status, ..) = send(&app, request(tag)).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED);
    }
    let (status, headers, nothing) =
        send(&app, Request::head("/s/videohub.example").body(Body::empty()).unwrap()).await;
    assert_eq!((status, nothing.len()), (StatusCode::OK, 0));
    assert_eq!(headers["content-length"], body.len().to_string().as_str());
}

#[tokio::test]
async fn who_asks_too_often_is_told_before_and_then_refused() {
    let app = app();
    for n in 0..30 {
        let request = Request::post("/api/v1/checks").header("content-type", "application/json");
        let (status, headers, _) =
            send(&app, request.body("{\"site\":\"fine.example\"}".into()).unwrap()).await;
        assert!(status.is_success(), "{n}: {status}");
        assert_eq!(headers["ratelimit-remaining"], (29 - n).to_string().as_str());
    }
    let request = Request::post("/api/v1/checks").header("content-type", "application/json");
    let (status, headers, body) =
        send(&app, request.body("{\"site\":\"fine.example\"}".into()).unwrap()).await;
    assert_eq!(
        (status, headers["ratelimit-remaining"].to_str().unwrap()),
        (StatusCode::TOO_MANY_REQUESTS, "0")
    );
    assert!(headers.contains_key("retry-after"));
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["error"]["code"].is_string());
    assert_eq!(get(&app, "/").await.0, StatusCode::OK, "pages are not counted");
}
