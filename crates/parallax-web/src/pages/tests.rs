//! Every page with made-up sites: what must hold for all of them, and what single ones must say.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::sample::{FakeReadSide, hostile_site};
use crate::{WebState, router};

fn app() -> Router {
    router(WebState::new(Arc::new(FakeReadSide::new(Duration::ZERO))))
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

async fn send(app: &Router, mut request: Request<Body>) -> Answer {
    let peer: SocketAddr = "192.0.2.7:4000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn get(app: &Router, path: &str) -> Answer {
    send(app, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(app: &Router, path: &str, form: &str) -> Answer {
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned().into());
    send(app, request.unwrap()).await
}

async fn every_page(app: &Router) -> Vec<(String, Answer)> {
    let check = post(app, "/check", "site=videohub.example").await.header("location").to_owned();
    let up = post(app, "/check", "site=fine.example").await.header("location").to_owned();
    let incident = get(app, "/s/games.example").await.body;
    let at = incident.find("href=\"/i/").unwrap() + 6;
    let incident = incident[at..at + 35].to_owned();
    let mut paths: Vec<String> = [
        "/",
        "/outages",
        "/network",
        "/about",
        "/api",
        "/privacy",
        "/status",
        "/learn",
        "/learn/502",
        "/learn/526",
        "/learn/dns-change",
        "/learn/tls",
        "/learn/blocked",
        "/learn/only-you",
        "/learn/vpn",
        "/network/fernhill-london",
        "/network/nobody",
        "/s/videohub.example/history",
        "/s/%ff",
        "/de/",
        "/de/outages",
        "/de/network",
        "/de/about",
        "/de/learn/502",
        "/de/s/videohub.example",
        "/de/s/videohub.example/history",
        "/de/api",
        "/nothing",
        "/s/bank-north.example",
        "/s/videohub.example",
        "/s/games.example",
        "/s/shop.example",
        "/s/news.example",
        "/s/nobody-asked.example",
        "/s/opted-out.example",
        "/de/s/opted-out.example/history",
        "/s/127.0.0.1",
        "/c/0",
        "/i/0",
    ]
    .map(str::to_owned)
    .into();
    paths.extend([check, up, incident]);
    let mut pages = Vec::new();
    for path in paths {
        let answer = get(app, &path).await;
        pages.push((path, answer));
    }
    pages
}

fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let lead = format!(" {name}=\"");
    html.match_indices(&lead).map(|(at, _)| html[at + lead.len()..].split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn every_page_keeps_the_rules_of_the_house() {
    let app = app();
    for (path, page) in every_page(&app).await {
        let html = &page.body;
        assert_eq!(html.matches("<h1").count(), 1, "{path}: one h1");
        let lang = if path.starts_with("/de") { "de" } else { "en" };
        assert!(html.contains(&format!("<html lang=\"{lang}\" dir=\"ltr\">")), "{path}: lang");
        assert!(!html.contains("learn--") && html.contains(" hreflang=\""), "{path}: languages");
        assert!(!html.contains("<title></title>") && html.contains("<title>"), "{path}: title");
        assert_eq!(html.matches("<main").count(), 1, "{path}: one main");
        assert!(!html.contains(" style=") && !html.contains("<style"), "{path}: inline style");
        assert!(!html.contains(" onclick=") && !html.contains("javascript:"), "{path}: inline script");
        assert_eq!(html.matches("<script").count(), 1, "{path}: one script");
        assert!(html.contains("<script type=\"module\" src=\"/static/live-"), "{path}: from a file");
        let ids = attributes(html, "id");
        assert_eq!(
            ids.iter().collect::<BTreeSet<_>>().len(),
            ids.len(),
            "{path}: ids are told apart: {ids:?}"
        );
        for referred in
            attributes(html, "aria-labelledby").into_iter().chain(attributes(html, "aria-describedby"))
        {
            assert!(ids.contains(&referred), "{path}: {referred} is referred to");
        }
        let own_test = crate::headers::csp_with(&["videohub.example".to_owned()]);
        let policy = match path.as_str() {
            path if path.starts_with("/c/") && page.status == StatusCode::OK => {
                assert!(
                    own_test.contains("connect-src 'self' https://videohub.example http://videohub.example")
                );
                page.header("content-security-policy")
            }
            _ => crate::headers::CSP,
        };
        for (name, expected) in [
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(page.header(name), expected, "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let app = app();
    let mut links = BTreeSet::new();
    for (_, page) in every_page(&app).await {
        let own = |link: &&&str| link.starts_with('/');
        links.extend(attributes(&page.body, "href").iter().filter(own).map(|s| (*s).to_owned()));
        links.extend(attributes(&page.body, "src").iter().filter(own).map(|s| (*s).to_owned()));
    }
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        let path = link.split('#').next().unwrap();
        // Nobody asked about these two yet: their page says so, in every language.
        let unasked = path.ends_with("/s/fine.example") || path.ends_with("/s/nobody-asked.example");
        let expected = if unasked { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(get(&app, path).await.status, expected, "{link}");
    }
}

#[tokio::test]
async fn an_owner_finds_the_way_out_where_our_testers_say_and_where_it_is_taken() {
    let app = app();
    for (base, told) in [("", "its owner asked for that"), ("/de", "darum gebeten")] {
        let named = get(&app, &format!("{base}/probes")).await;
        assert_eq!(named.status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(named.header("location"), format!("{base}/about#owners"));
        let record = "<code>_parallax-optout.example.com. 300 IN TXT &#34;parallax-optout=yes&#34;</code>";
        assert!(get(&app, &format!("{base}/about")).await.body.contains(record), "{base}");
        let refused = post(&app, &format!("{base}/check"), "site=opted-out.example").await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.body.contains(told), "{base}");
        let shown = get(&app, &format!("{base}/s/opted-out.example")).await;
        assert_eq!(shown.status, StatusCode::OK);
        assert!(shown.body.contains(&format!("href=\"{base}/about#owners\"")), "{base}");
    }
}

#[tokio::test]
async fn what_the_stylesheet_names_is_there_and_kept_for_ever() {
    let app = app();
    let home = get(&app, "/").await.body;
    let css = attributes(&home, "href").into_iter().find(|h| h.contains("/site-")).unwrap();
    let css = get(&app, css).await;
    let named: Vec<&str> =
        css.body.match_indices("url(").map(|(at, _)| css.body[at + 4..].split(')').next().unwrap()).collect();
    assert_eq!(named.len(), 4, "{named:?}");
    for name in named.into_iter().filter(|name| !name.starts_with("\"data:") && !name.starts_with("data:")) {
        let file = get(&app, &format!("/static/{name}")).await;
        assert_eq!(
            (file.status, file.header("cache-control")),
            (StatusCode::OK, "public, max-age=31536000, immutable"),
            "{name}"
        );
    }
    assert_eq!(get(&app, "/static/site.css").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn hostile_texts_are_text() {
    let payloads = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' autofocus onfocus=alert(1) '",
        "</textarea></title><svg/onload=alert(1)>",
        "{{7*7}}<!--",
        "evil\u{202e}gpj.exe\u{2066}",
        "bell\u{7}\u{1b}[31mred",
    ];
    for payload in payloads {
        let fake = FakeReadSide::with_sites(vec![hostile_site(payload)], Duration::ZERO);
        let app = router(WebState::new(Arc::new(fake)));
        let check = post(&app, "/check", "site=hostile.example").await.header("location").to_owned();
        let site = get(&app, "/s/hostile.example").await.body;
        let at = site.find("href=\"/i/").unwrap() + 6;
        let incident = site[at..at + 35].to_owned();
        let again = format!("/s/{}", url_escape(payload));
        for path in ["/", "/outages", "/s/hostile.example", &check, &incident, &again] {
            let html = get(&app, path).await.body;
            for raw in [
                "<script>alert",
                "<img src=x",
                "<svg/onload",
                "\u{202e}",
                "\u{2066}",
                "\u{7}",
                "\u{1b}",
                "' autofocus",
                "<!--",
            ] {
                assert!(!html.contains(raw), "{path} shows {raw:?} of {payload:?}");
            }
        }
        let api = get(&app, "/api/v1/sites/hostile.example").await;
        assert_eq!(api.header("content-type"), "application/json");
    }
}

fn url_escape(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, b| {
        write!(out, "%{b:02X}").unwrap();
        out
    })
}

#[tokio::test]
async fn a_check_begins_with_a_post_and_goes_to_its_page() {
    let app = app();
    let answer = post(&app, "/check", "site=videohub.example").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.header("location").starts_with("/c/"));
    assert_eq!(get(&app, "/check").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let page = get(&app, answer.header("location")).await.body;
    for said in [
        "videohub.example is down for people in central Europe",
        "27 of 27 testers answered",
        "504",
        "If you run it",
        "Copy link",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[tokio::test]
async fn what_cannot_be_checked_comes_back_with_the_reason() {
    let app = app();
    let bad = post(&app, "/check", "site=127.0.0.1").await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    for said in [
        "value=\"127.0.0.1\"",
        "aria-invalid=\"true\" aria-describedby=\"site-error\"",
        "private or reserved",
    ] {
        assert!(bad.body.contains(said), "{said}");
    }
    let busy = post(&app, "/check", "site=busy.example").await;
    assert_eq!((busy.status, busy.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "21"));
    let request = Request::post("/check")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .body(Body::from("site=videohub.example"));
    assert_eq!(send(&app, request.unwrap()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_report_is_taken_and_answered_honestly() {
    let app = app();
    for (what, status) in [
        ("what=works", StatusCode::SEE_OTHER),
        ("what=error-page", StatusCode::SEE_OTHER),
        ("what=%3Cb%3E", StatusCode::UNPROCESSABLE_ENTITY),
        ("nothing=1", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(post(&app, "/s/games.example/report", what).await.status, status, "{what}");
    }
    assert!(get(&app, "/s/games.example?report=counted").await.body.contains("your report counts"));
    assert!(get(&app, "/s/games.example?report=seen").await.body.contains("It was not counted"));
    assert!(!get(&app, "/s/games.example?report=x").await.body.contains("class=\"thanks\""));
}

#[tokio::test]
async fn a_page_the_browser_has_is_not_sent_again() {
    let app = app();
    let tag = get(&app, "/about").await.header("etag").to_owned();
    let request = Request::get("/about").header("if-none-match", &tag).body(Body::empty()).unwrap();
    let again = send(&app, request).await;
    assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
}

#[tokio::test]
async fn the_api_says_what_the_pages_say() {
    let app = app();
    let request = Request::post("/api/v1/checks").header("content-type", "application/json");
    let started = send(&app, request.body(Body::from("{\"site\":\"games.example\"}")).unwrap()).await;
    assert_eq!(started.status, StatusCode::CREATED);
    let started: serde_json::Value = serde_json::from_str(&started.body).unwrap();
    let id = started["id"].as_str().unwrap();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let check = json(&get(&app, &format!("/api/v1/checks/{id}")).await.body);
    assert_eq!((&check["state"], &check["answered"]), (&"done".into(), &27.into()));
    assert_eq!(check["diagnosis"]["verdict"], "partial");
    assert_eq!(json(&get(&app, "/api/v1/sites").await.body)["sites"][0]["host"], "bank-north.example");
    assert_eq!(
        json(&get(&app, "/api/v1/sites/games.example/history?hours=1").await.body)["minutes"]
            .as_array()
            .unwrap()
            .len(),
        61
    );
    assert_eq!(
        json(&get(&app, "/api/v1/incidents?open=true").await.body)["incidents"].as_array().unwrap().len(),
        4
    );
    assert_eq!(json(&get(&app, "/api/v1/vantages").await.body)["vantages"].as_array().unwrap().len(), 27);
    let refused = get(&app, "/api/v1/sites/127.0.0.1").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json(&refused.body)["error"]["code"], "PRIVATE_ADDRESS");
    assert_eq!(get(&app, "/api/v1/checks/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_types_a_query_is_told_that_it_is_public() {
    let app = app();
    let check = post(&app, "/check", "site=games.example%3Fq%3D1").await.header("location").to_owned();
    assert!(
        get(&app, &check).await.body.contains("Everything after the ? is sent to the site by every tester")
    );
    let request = Request::post("/api/v1/checks").header("content-type", "application/json");
    let started = send(&app, request.body(Body::from("{\"site\":\"games.example?q=1\"}")).unwrap()).await;
    let note = "The part after '?' is sent to the site by every probe: checks are public.";
    assert_eq!(parsed(&started.body)["notes"], serde_json::json!([note]));
    let check = post(&app, "/check", "site=news.example").await.header("location").to_owned();
    assert!(!get(&app, &check).await.body.contains("Everything after the ?"));
}

#[tokio::test]
async fn events_are_numbered_can_be_resumed_and_end() {
    let app = app();
    let check = post(&app, "/check", "site=videohub.example").await.header("location").to_owned();
    let path = format!("/api/v1{}", check.replace("/c/", "/checks/")) + "/events";
    let all = get(&app, &path).await;
    assert_eq!(all.header("content-type"), "text/event-stream");
    let names: Vec<&str> = all.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["start", "rows", "verdict", "rows", "verdict", "done"]);
    let datas: Vec<&str> = all.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let rows = |at: usize| parsed(datas[at]).as_array().map(Vec::len);
    assert_eq!((rows(1), rows(3)), (Some(4), Some(23)), "who comes late is told of all at once");
    assert!(all.body.len() <= 4 * 1024, "{} bytes", all.body.len());
    // The documentation shows events that are sent.
    let documented = parsed(include_str!("../../../../web/openapi.json"));
    let answer = &documented["paths"]["/api/v1/checks/{id}/events"]["get"]["responses"]["200"]["content"];
    let example = answer["text/event-stream"]["example"].as_str().unwrap();
    let kinds = |stream: &str| -> BTreeSet<String> {
        stream.lines().filter_map(|line| line.strip_prefix("event: ")).map(str::to_owned).collect()
    };
    assert_eq!(kinds(example), kinds(&all.body));
    assert!(
        example.starts_with("event: start\nid: 1\ndata: ")
            && all.body.starts_with("event: start\nid: 1\ndata: ")
    );
    let request = Request::get(&path).header("last-event-id", "27").body(Body::empty()).unwrap();
    let rest = send(&app, request).await.body;
    let ids: Vec<&str> = rest.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["29", "30", "31"]);
}

#[tokio::test(start_paused = true)]
async fn without_script_the_page_streams_to_the_last_verdict() {
    let app = router(WebState::new(Arc::new(FakeReadSide::new(Duration::from_millis(50)))));
    let check = post(&app, "/check", "site=videohub.example").await.header("location").to_owned();
    let page = get(&app, &check).await.body;
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\" content=\"0;url=?live=html\"></noscript>"));
    assert!(page.contains("data-src=\"/api/v1/checks/"));
    let streamed = get(&app, &format!("{check}?live=html")).await.body;
    assert!(streamed.matches("class=\"stage\"").count() >= 2, "verdicts on the way");
    for (at, _) in streamed.match_indices("<div slot=\"verdict\"") {
        let before = streamed[..at].trim_end();
        assert!(
            before.ends_with("</ol>"),
            "a verdict stands beside the rows, not among them: {}",
            &before[before.len() - 60..]
        );
    }
    let first_row = streamed.find("<li><span class=\"st-").unwrap();
    let verdict = streamed.find("is down for people in central Europe").unwrap();
    assert!(first_row < verdict && streamed.trim_end().ends_with("</html>"));
    assert!(!get(&app, &check).await.body.contains("http-equiv=\"refresh\""));
}

fn parsed(body: &str) -> serde_json::Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn programs_are_told_as_json_whoever_refuses() {
    let app = app();
    let cases = [
        ("GET", "/api/v1/nothing", 404, "NOT_FOUND"),
        ("PUT", "/api/v1/sites", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/incidents?limit=many", 400, "BAD_REQUEST"),
        ("GET", "/api/v1/sites/%ff", 400, "BAD_REQUEST"),
    ];
    for (method, path, status, code) in cases {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = send(&app, request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (status, "application/json"),
            "{path}"
        );
        assert_eq!(parsed(&answer.body)["error"]["code"], code, "{path}");
    }
    let crossed = Request::post("/api/v1/checks").header("sec-fetch-site", "cross-site");
    let answer = send(&app, crossed.body(Body::empty()).unwrap()).await;
    assert_eq!(parsed(&answer.body)["error"]["message"], "this can only be sent from our own pages");
}

#[tokio::test]
async fn an_address_of_any_length_is_refused_by_the_policy_and_not_unread() {
    let app = app();
    let longest = format!("site=example.com%2F{}", "%C3%BC".repeat(1_000));
    assert_eq!(post(&app, "/check", &longest).await.status, StatusCode::SEE_OTHER);
    let endless = "a".repeat(1 << 20);
    let answer = post(&app, "/check", &format!("site={endless}")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("is not a website’s address"), "{}", answer.body);
    let request = Request::post("/api/v1/checks").header("content-type", "application/json");
    let body = format!("{{\"site\":\"{endless}\"}}");
    let answer = send(&app, request.body(body.into()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &parsed(&answer.body)["error"]["code"]), (422, &"BAD_HOST".into()));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_not_waited_for() {
    let body = Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    let request = Request::post("/check").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(send(&app(), request.body(body).unwrap()).await.status, StatusCode::REQUEST_TIMEOUT);
}

/// The sentences and numbers of every kind of page as a reader gets them, without markup.
#[tokio::test]
async fn every_view_reads_as_it_did() {
    let app = app();
    for (path, page) in every_page(&app).await {
        let name = path.trim_matches('/').replace(['/', '%', '.'], "_");
        let name = if path.starts_with("/c/") && page.status == StatusCode::OK {
            let host = if page.body.contains("videohub.example") { "videohub" } else { "fine" };
            format!("check_{host}")
        } else if path.starts_with("/i/") && page.status == StatusCode::OK {
            "incident".to_owned()
        } else if name.is_empty() {
            "home".to_owned()
        } else {
            name
        };
        insta::assert_snapshot!(name, text_of(&page.body));
    }
}

/// A page's text: tags become line breaks where they part blocks, and nothing elsewhere.
fn text_of(html: &str) -> String {
    let body = html.split_once("<body>").map_or(html, |(_, body)| body);
    let mut out = String::new();
    for part in body.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if !matches!(name, "b" | "bdi" | "span" | "a" | "time" | "svg" | "use" | "code" | "th" | "td") {
            out.push('\n');
        } else if matches!(name, "th" | "td") {
            out.push('|');
        }
        if let Some((_, label)) = tag.split_once("aria-label=\"").filter(|_| name == "svg") {
            out.extend(["[", label.split('"').next().unwrap_or_default(), "]"]);
        }
        out.push_str(text);
    }
    let lines = out.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "|");
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn german_pages_are_german() {
    let app = app();
    let check = post(&app, "/de/check", "site=videohub.example").await.header("location").to_owned();
    assert!(check.starts_with("/de/c/"), "{check}");
    let page = get(&app, &check).await.body;
    for said in [
        "ist gestört für Menschen in Mitteleuropa",
        "27 von 27 Prüfern haben geantwortet",
        "Wenn Sie sie betreiben",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let refused = post(&app, "/de/check", "site=127.0.0.1").await;
    assert!(refused.body.contains("privat oder reserviert") && refused.body.contains("lang=\"de\""));
    let told = post(&app, "/de/s/games.example/report", "what=x").await;
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(told.body.contains("Diese Meldung war nicht lesbar"));
}

#[tokio::test]
async fn a_visitors_own_test_is_answered_and_not_kept() {
    let app = app();
    let check = post(&app, "/check", "site=fine.example").await.header("location").to_owned();
    let path = format!("{check}/you");
    let fails = post(&app, &path, "site=error&image=error&beacon=ok").await;
    assert_eq!((fails.status, fails.header("cache-control")), (StatusCode::OK, "no-store"));
    assert!(fails.body.contains("whether it is you or your provider we cannot tell"), "{}", fails.body);
    let works = post(&app, &path, "site=ok&image=ok&beacon=ok").await.body;
    assert!(works.contains("Your browser reaches"));
    assert_eq!(post(&app, &path, "site=perhaps").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(get(&app, "/beacon").await.body, "ok\n");
}

#[tokio::test]
async fn the_first_page_fits_its_budget() {
    let app = app();
    let compressed = |text: &str| {
        let mut out = Vec::new();
        let params = brotli::enc::BrotliEncoderParams { quality: 9, ..Default::default() };
        brotli::BrotliCompress(&mut text.as_bytes(), &mut out, &params).unwrap();
        out.len()
    };
    for (path, most) in [("/", 10 * 1024), ("/de/", 10 * 1024), ("/s/videohub.example", 14 * 1024)] {
        let size = compressed(&get(&app, path).await.body);
        assert!(size <= most, "{path}: {size} bytes");
    }
    let script = compressed(include_str!("../../../../web/static/live.js"));
    assert!(script <= 4 * 1024, "the script: {script} bytes");
}
