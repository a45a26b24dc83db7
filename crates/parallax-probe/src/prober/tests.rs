use std::time::Duration;

use parallax_model::{BeaconState, Failure, Outcome, Scheme, StatusCode};
use parallax_policy::Policy;
use ring::digest::{SHA256, digest};

use super::*;
use crate::settings::Deadlines;
use crate::test_site::{Authority, NAME, NOW, Site, prober, self_signed, settings, target};
use crate::{MAX_BODY_BYTES, ProberSettings};

async fn probe(settings: ProberSettings, target: Target) -> ProbeResult {
    prober(settings).probe(&ProbeRequest::new(target), NOW).await
}

fn kind(result: &ProbeResult) -> String {
    result.outcome.to_string()
}

#[tokio::test]
async fn a_plain_page_is_ok_with_its_phases() {
    let site = Site::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nserver: nginx\r\n\r\nhello").await;
    let result = probe(settings(), site.target()).await;
    assert_eq!(result.outcome, Outcome::Ok);
    assert_eq!(result.started_at, NOW);
    assert_eq!(result.status.map(StatusCode::get), Some(200));
    assert_eq!(result.protocol, Some(Protocol::H1));
    assert_eq!((result.address, result.family), (Some(site.addr.ip()), Some(Family::V4)));
    let phases = result.phases;
    assert!(phases.dns.is_none() && phases.tls.is_none(), "{phases:?}");
    assert!(phases.connect.is_some() && phases.first_byte.is_some() && phases.body.is_some(), "{phases:?}");
    assert!(phases.total >= phases.first_byte.expect("a first byte"));
    let body = result.body.expect("a body");
    assert_eq!((body.length, body.truncated), (5, false));
    assert_eq!(body.sha256.expect("hashed"), digest(&SHA256, b"hello").as_ref());
    assert_eq!(&*result.emitter.expect("an emitter").name, "nginx");
    assert_eq!(result.beacon, BeaconState::Untested);
    let expected = format!(
        "GET / HTTP/1.1\r\nhost: {}\r\nuser-agent: parallax/{} (+https://parallax.invalid/probes)\r\naccept: */*\r\naccept-encoding: identity\r\n\r\n",
        site.addr,
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(site.requests(), [expected]);
}

#[tokio::test]
async fn alpn_chooses_http_2_and_a_wish_for_http_1_is_kept() {
    let authority = Authority::new("ours");
    let site = Site::secure(authority.server(NAME, 2020, 2090)).await;
    let settings = ProberSettings {
        extra_roots: vec![authority.root.clone()],
        resolve: vec![site.rule()],
        ..settings()
    };
    let prober = prober(settings);
    for (wish, expected, alpn) in [
        (None, Protocol::H2, "h2"),
        (Some(Protocol::H2), Protocol::H2, "h2"),
        (Some(Protocol::H1), Protocol::H1, "http/1.1"),
    ] {
        let request = ProbeRequest { protocol: wish, ..ProbeRequest::new(site.named(Scheme::Https)) };
        let result = prober.probe(&request, NOW).await;
        assert_eq!(result.outcome, Outcome::Ok, "{result:?}");
        assert_eq!(result.protocol, Some(expected));
        assert!(result.phases.tls.is_some());
        assert_eq!(result.body.map(|b| b.length), Some(5));
        let tls = result.tls.expect("facts");
        assert_eq!((&*tls.version, tls.alpn.as_deref()), ("TLSv1.3", Some(alpn)));
        assert_eq!(tls.names.iter().map(|n| &**n).collect::<Vec<_>>(), [NAME]);
        assert_eq!(tls.not_after.as_secs(), 3_786_912_000);
    }
}

#[tokio::test]
async fn a_gateways_502_is_told_with_its_writer() {
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.29.1</center>\r\n</body>\r\n</html>\r\n";
    let answer = format!(
        "HTTP/1.1 502 Bad Gateway\r\nretry-after: 30\r\ncontent-length: {}\r\n\r\n{page}",
        page.len()
    );
    let site = Site::answering(answer).await;
    let result = probe(settings(), site.target()).await;
    assert_eq!(kind(&result), "http-502");
    assert_eq!(result.status.map(StatusCode::get), Some(502));
    assert_eq!(result.retry_after_s, Some(30));
    let emitter = result.emitter.expect("an emitter");
    assert_eq!((&*emitter.name, emitter.layer), ("nginx", parallax_model::Layer::Gateway));
}

#[tokio::test]
async fn a_date_to_come_back_at_counts_from_now() {
    // The tests begin at 22:13:20.
    let site = Site::answering(
        "HTTP/1.1 503 X\r\nretry-after: Tue, 14 Nov 2023 22:14:00 GMT\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let result = probe(settings(), site.target()).await;
    assert_eq!((kind(&result).as_str(), result.retry_after_s), ("http-503", Some(40)));
}

#[tokio::test]
async fn statuses_are_judged() {
    for (status, expected, party) in [
        (204, "ok", None),
        (304, "ok", None),
        (404, "ok", None),
        (403, "blocked-challenge", Some(Party::Target)),
        (406, "blocked-challenge", Some(Party::Target)),
        (429, "blocked-challenge", Some(Party::Target)),
        (451, "blocked-legal", Some(Party::Target)),
        (500, "http-500", Some(Party::Target)),
        (522, "http-522", Some(Party::Target)),
    ] {
        let site = Site::answering(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n")).await;
        let result = probe(settings(), site.target()).await;
        assert_eq!(kind(&result), expected, "{status}");
        assert_eq!(result.status.map(StatusCode::get), Some(status));
        let told = match result.outcome {
            Outcome::Ok => None,
            Outcome::Failed(Failure { party, .. }) => Some(party),
        };
        assert_eq!(told, party, "{status}");
    }
}

#[tokio::test]
async fn hostile_answers_end_in_their_own_kind() {
    let many_lines = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(120));
    let long_line = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(64 * 1_024));
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "http-reset"),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(), "http-protocol"),
        ("binary", vec![0, 1, 2, 3, 255, 254], "http-protocol"),
        ("many header lines", many_lines.into(), "http-too-large"),
        ("a long header line", long_line.into(), "http-too-large"),
        ("endless hints", hints.into(), "http-protocol"),
        ("status 999", b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n".to_vec(), "http-protocol"),
        ("HTTP/9.9", b"HTTP/9.9 200 OK\r\n\r\n".to_vec(), "http-protocol"),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(),
            "http-protocol",
        ),
        ("a negative length", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".to_vec(), "http-protocol"),
        (
            "a bad chunk",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n".to_vec(),
            "http-protocol",
        ),
        ("cut short", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec(), "http-reset"),
        ("a failing page cut short", b"HTTP/1.1 503 X\r\ncontent-length: 10\r\n\r\nabc".to_vec(), "http-503"),
        ("ended by closing", b"HTTP/1.0 200 OK\r\n\r\nabc".to_vec(), "ok"),
    ];
    for (what, answer, expected) in cases {
        let site = Site::answering(answer).await;
        let result = probe(settings(), site.target()).await;
        assert_eq!(kind(&result), expected, "{what}: {result:?}");
        assert!(result.phases.first_byte.is_some(), "{what}");
    }
}

#[tokio::test]
async fn of_a_body_only_the_beginning_is_read_and_nothing_is_unpacked() {
    let mut endless = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
    endless.resize(endless.len() + 4 * MAX_BODY_BYTES, b'x');
    let site = Site::answering(endless).await;
    let result = probe(settings(), site.target()).await;
    assert_eq!(result.outcome, Outcome::Ok);
    let body = result.body.expect("a body");
    assert_eq!((body.length as usize, body.truncated), (MAX_BODY_BYTES, true));
    assert_eq!(body.sha256.expect("hashed"), digest(&SHA256, &vec![b'x'; MAX_BODY_BYTES]).as_ref());
}

#[tokio::test]
async fn silence_ends_at_the_deadline_of_its_phase() {
    let short = Duration::from_millis(60);
    let site = Site::silent().await;
    let deadlines = Deadlines { first_byte: short, tls: short, ..Deadlines::default() };
    let settings = ProberSettings { deadlines, resolve: vec![site.rule()], ..settings() };
    let result = probe(settings.clone(), site.target()).await;
    assert_eq!(kind(&result), "http-timeout");
    assert!(result.phases.first_byte.is_some_and(|t| t.0 >= 60_000), "{result:?}");
    let result = probe(settings.clone(), site.named(Scheme::Https)).await;
    assert_eq!(kind(&result), "tls-timeout");
    assert!(
        result.phases.connect.is_some() && result.phases.tls.is_some_and(|t| t.0 >= 60_000),
        "{result:?}"
    );
    let deadlines = Deadlines { whole: short, ..Deadlines::default() };
    let result = probe(ProberSettings { deadlines, ..settings }, site.target()).await;
    assert_eq!(kind(&result), "http-timeout");
    assert!(result.phases.first_byte.is_some() && result.phases.total.0 < 2_000_000, "{result:?}");
}

#[tokio::test]
async fn a_slow_body_after_a_good_status_is_ok() {
    let site = Site::talking(|mut stream, _| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        crate::test_site::read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let deadlines = Deadlines { body: Duration::from_millis(60), ..Deadlines::default() };
    let result = probe(ProberSettings { deadlines, ..settings() }, site.target()).await;
    assert_eq!(result.outcome, Outcome::Ok);
    let body = result.body.expect("a body");
    assert_eq!((body.length, body.truncated), (3, true));
}

#[tokio::test]
async fn connections_that_fail_say_how() {
    let cut = Site::cutting().await;
    let settings = ProberSettings { resolve: vec![cut.rule()], ..settings() };
    assert_eq!(kind(&probe(settings.clone(), cut.target()).await), "http-reset");
    assert_eq!(kind(&probe(settings.clone(), cut.named(Scheme::Https)).await), "tls-reset");
    let gone = Site::silent().await.addr;
    // The listener may outlive the site for a moment; its port is closed once its task is gone.
    tokio::task::yield_now().await;
    let result = probe(settings, target(&format!("http://{gone}/"))).await;
    assert_eq!(kind(&result), "connect-refused");
    assert_eq!(result.address, Some(gone.ip()));
    assert!(result.phases.connect.is_some() && result.phases.first_byte.is_none(), "{result:?}");
}

#[tokio::test]
async fn when_one_address_fails_the_next_is_tried_and_the_detail_says_so() {
    let site = Site::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rule = format!("{NAME}:{}:127.0.0.77,127.0.0.1", site.addr.port()).parse().expect("a rule");
    let result = probe(ProberSettings { resolve: vec![rule], ..settings() }, site.named(Scheme::Http)).await;
    assert_eq!(result.outcome, Outcome::Ok);
    assert_eq!(result.address, Some(site.addr.ip()));
    assert_eq!(result.dns.addresses.len(), 2);
    let told = result.detail.expect("a detail");
    assert_eq!(&*told, "IPv4 address 1 of 2 connect-refused, IPv4 address 2 of 2 answered");
}

#[tokio::test]
async fn certificates_are_refused_for_their_own_reason() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let cases = [
        ("tls-expired", ours.server(NAME, 2001, 2002)),
        ("tls-not-yet-valid", ours.server(NAME, 2088, 2090)),
        ("tls-name-mismatch", ours.server("other.site-under-test.com", 2020, 2090)),
        ("tls-untrusted", other.server(NAME, 2020, 2090)),
        ("tls-self-signed", self_signed(NAME)),
    ];
    for (expected, config) in cases {
        let site = Site::secure(config).await;
        let settings =
            ProberSettings { extra_roots: vec![ours.root.clone()], resolve: vec![site.rule()], ..settings() };
        let result = probe(settings, site.named(Scheme::Https)).await;
        assert_eq!(kind(&result), expected, "{result:?}");
        assert!(result.tls.is_some_and(|tls| tls.names.len() == 1), "{expected}");
        let detail = result.detail.expect("a detail");
        assert!(!detail.contains("site-under-test"), "{detail}");
    }
    let talking_http = Site::talking(|mut stream, _| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let _ = stream.read(&mut [0; 512]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let settings = ProberSettings { resolve: vec![talking_http.rule()], ..settings() };
    assert_eq!(kind(&probe(settings, talking_http.named(Scheme::Https)).await), "tls-handshake");
}

#[tokio::test]
async fn redirects_are_followed_and_recorded() {
    let last = Site::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let there = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", last.target());
    let first = Site::answering(there).await;
    let result = probe(settings(), first.target()).await;
    assert_eq!(result.outcome, Outcome::Ok);
    assert_eq!(result.target, first.target());
    assert_eq!(result.redirects.len(), 1);
    assert_eq!((result.redirects[0].status.get(), &result.redirects[0].to), (302, &last.target()));
    assert_eq!(result.status.map(StatusCode::get), Some(200));
}

#[tokio::test]
async fn redirects_that_lead_nowhere_good_are_not_followed() {
    let six: Vec<Vec<u8>> = (1..=9)
        .map(|hop| {
            format!("HTTP/1.1 302 Found\r\nlocation: /{hop}\r\ncontent-length: 0\r\n\r\n").into_bytes()
        })
        .collect();
    let site = Site::answering_in_turn(six).await;
    let result = probe(settings(), site.target()).await;
    assert_eq!((kind(&result).as_str(), result.redirects.len()), ("http-redirect-loop", MAX_REDIRECTS));
    assert_eq!(site.accepted(), MAX_REDIRECTS + 1);
    for (location, expected, connections) in [
        ("/", "http-redirect-loop", 1),
        ("http://169.254.169.254/latest", "http-redirect-blocked", 1),
        ("http://[::1]/", "http-redirect-blocked", 1),
        ("//10.0.0.1/", "http-redirect-blocked", 1),
        ("\\\\10.0.0.1\\x", "http-redirect-blocked", 1),
        ("file:///etc/passwd", "http-redirect-blocked", 1),
        ("gopher://a.site-under-test.com/", "http-redirect-blocked", 1),
        ("javascript:alert(1)", "http-redirect-blocked", 1),
        ("http://user:pass@www.site-under-test.com/", "http-redirect-blocked", 1),
    ] {
        let answer = format!("HTTP/1.1 301 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let site = Site::answering(answer).await;
        let result = probe(settings(), site.target()).await;
        assert_eq!(kind(&result), expected, "{location}: {result:?}");
        assert_eq!(site.accepted(), connections, "{location}");
        assert_eq!(result.status.map(StatusCode::get), Some(301), "{location}");
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_forbidden_address_is_not_connected_to() {
    let site = Site::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rule = format!("{NAME}:443:127.0.0.1").parse().expect("a rule");
    let mixed = format!("{NAME}:443:93.184.215.14,127.0.0.1").parse().expect("a rule");
    let to: crate::ConnectTo = format!("::{}:{}", site.addr.ip(), site.addr.port()).parse().expect("a rule");
    let public = || ProberSettings { policy: Policy::public().into(), ..settings() };
    let name = target(&format!("https://{NAME}/"));
    let cases = [
        ("by a name", ProberSettings { resolve: vec![rule], ..public() }, name.clone(), "blocked-address"),
        (
            "among others",
            ProberSettings { resolve: vec![mixed], ..public() },
            name.clone(),
            "blocked-address",
        ),
        ("by connect-to", ProberSettings { connect_to: vec![to], ..public() }, name, "blocked-address"),
        ("as it stands", public(), target("http://127.0.0.1/"), "blocked-address"),
        ("by its port", public(), target(&format!("http://{NAME}:{}/", site.addr.port())), "agent-policy"),
        ("by a private name", public(), target("http://printer.local/"), "agent-policy"),
    ];
    for (what, settings, target, expected) in cases {
        let result = probe(settings, target).await;
        assert_eq!(kind(&result), expected, "{what}: {result:?}");
        assert!(result.phases.connect.is_none() && result.address.is_none(), "{what}");
        assert!(
            !result.detail.is_some_and(|d| d.contains("127.0.0.1") || d.contains("site-under-test")),
            "{what}"
        );
    }
    assert_eq!(site.accepted(), 0);
}

#[tokio::test]
async fn connect_to_keeps_the_name_and_sources_are_bound() {
    let site = Site::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rule = format!("{NAME}:80:{}:{}", site.addr.ip(), site.addr.port()).parse().expect("a rule");
    let settings =
        ProberSettings { connect_to: vec![rule], source_v4: Some([127, 0, 0, 5].into()), ..settings() };
    let result = probe(settings, target(&format!("http://{NAME}/"))).await;
    assert_eq!(result.outcome, Outcome::Ok, "{result:?}");
    assert!(site.requests()[0].contains(&format!("\r\nhost: {NAME}\r\n")), "{:?}", site.requests());
    assert_eq!(site.peers(), [IpAddr::from([127, 0, 0, 5])]);
}

#[tokio::test]
async fn a_probe_that_ran_out_leaves_no_connection_behind() {
    for protocol in [Protocol::H1, Protocol::H2] {
        let (ended, mut end) = tokio::sync::mpsc::channel(1);
        let site = Site::talking(move |mut stream, _| {
            let ended = ended.clone();
            async move {
                let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await;
                let _ = ended.send(()).await;
            }
        })
        .await;
        let deadlines = Deadlines { first_byte: Duration::from_millis(60), ..Deadlines::default() };
        let prober = prober(ProberSettings { deadlines, ..settings() });
        let request = ProbeRequest { protocol: Some(protocol), ..ProbeRequest::new(site.target()) };
        assert_eq!(kind(&prober.probe(&request, NOW).await), "http-timeout", "{protocol}");
        let gone = tokio::time::timeout(Duration::from_secs(5), end.recv()).await;
        assert_eq!(gone, Ok(Some(())), "{protocol} is still connected");
    }
}

#[tokio::test]
async fn what_is_no_http_2_is_told_so() {
    for (answer, expected) in [("HTTP/1.1 400 Bad Request\r\n\r\n", "http-protocol"), ("", "http-reset")] {
        let site = Site::answering(answer).await;
        let request = ProbeRequest { protocol: Some(Protocol::H2), ..ProbeRequest::new(site.target()) };
        let result = prober(settings()).probe(&request, NOW).await;
        assert_eq!(kind(&result), expected, "{answer:?}: {result:?}");
    }
}

#[test]
fn families_take_turns() {
    assert_eq!(alternate([1, 3, 5].into_iter(), [2].into_iter()), [1, 2, 3, 5]);
    assert_eq!(alternate([].into_iter(), [2, 4].into_iter()), [2, 4]);
}

#[tokio::test]
async fn a_redirect_to_a_filters_page_is_a_block_and_is_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://warning.rt.ru/?id=1\r\ncontent-length: 0\r\n\r\n";
    let site = Site::answering(answer).await;
    let result = probe(settings(), site.target()).await;
    assert_eq!(kind(&result), "blocked-block-page", "{result:?}");
    assert!(result.redirects.is_empty());
    let Outcome::Failed(failure) = result.outcome else { panic!("{result:?}") };
    assert_eq!(failure.party, Party::AccessNetwork);
}
