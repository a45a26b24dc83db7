use std::sync::Arc;

use parallax_model::{BeaconState, RetryOutcome};

use super::*;
use crate::dns::fake::{MOVED, SERIAL, Server, ZONE};
use crate::test_site::{NOW, Site, prober, settings, target};
use crate::{MAX_AUTHORITY_QUESTIONS, ProberSettings};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const BAD: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

/// What is asked about a failure at 192.0.2.1, in short.
fn chosen(kind: &str, url: &str, addresses: &[&str], asked: Option<Family>) -> Vec<String> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
    let target = target(url);
    let seen = Confirmed {
        kind: kind.parse().expect(kind),
        target: &target,
        used: (!kind.starts_with("dns-")).then(|| ip("192.0.2.1")),
        addresses: &addresses,
        resolved: target.host.ip().is_none(),
        asked,
        second: Some(PublicResolver::Google),
    };
    let short = |tie: Tie| match tie {
        Tie::Authority(ip) => format!("authority of {ip}"),
        Tie::Address(ip) => ip.to_string(),
        Tie::Family(family) => family.to_string(),
        Tie::WithoutH3 => "without h3".into(),
        Tie::StaticPath => "static path".into(),
        Tie::OtherPort(_, port) => format!("port {port}"),
        Tie::Resolver(which) => which.to_string(),
    };
    choose(&seen).into_iter().map(short).collect()
}

#[test]
fn every_kind_of_failure_gets_the_questions_that_tell_its_causes_apart() {
    let (name, v4) = ("https://www.example.com/", ["192.0.2.1", "192.0.2.2"]);
    let authority = "authority of 192.0.2.1";
    for (kind, expected) in [
        ("connect-timeout", vec![authority, "port 80"]),
        ("connect-refused", vec![authority]),
        ("connect-reset", vec![authority]),
        ("connect-unreachable", vec![authority]),
        ("tls-expired", vec![authority, "192.0.2.2"]),
        ("tls-reset", vec![authority, "192.0.2.2"]),
        ("quic-timeout", vec!["without h3"]),
        ("quic-handshake", vec!["without h3"]),
        ("http-500", vec![authority, "static path", "192.0.2.2"]),
        ("http-502", vec![authority, "static path", "192.0.2.2"]),
        ("http-503", vec![authority, "static path", "192.0.2.2"]),
        ("http-504", vec![authority, "static path", "192.0.2.2"]),
        ("http-522", vec![authority, "192.0.2.2"]),
        ("http-timeout", vec![authority, "192.0.2.2"]),
        ("http-reset", vec![authority, "192.0.2.2"]),
        ("dns-servfail", vec!["google"]),
        ("dns-nxdomain", vec!["google"]),
        ("dns-bogus", vec![]),
        ("http-404", vec![]),
        ("http-redirect-loop", vec![]),
        ("blocked-challenge", vec![]),
        ("agent-overloaded", vec![]),
    ] {
        assert_eq!(chosen(kind, name, &v4, None), expected, "{kind}");
    }
}

#[test]
fn another_address_is_one_that_was_not_tried() {
    let name = "https://www.example.com/";
    let (one, other_family) = ("192.0.2.1", "2001:db8::1");
    let five = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"];
    let authority = "authority of 192.0.2.1";
    let refused = "connect-refused";
    assert_eq!(chosen("tls-reset", name, &[one], None), [authority]);
    assert_eq!(chosen("tls-reset", name, &[one, other_family], None), [authority, "IPv6"]);
    assert_eq!(chosen("tls-reset", name, &[one], Some(Family::V4)), [authority, "IPv6"]);
    assert_eq!(chosen(refused, name, &five, None), [authority, "192.0.2.5"]);
    assert_eq!(chosen(refused, name, &[one, other_family], None), [authority]);
    assert_eq!(chosen(refused, name, &[one], Some(Family::V4)), [authority, "IPv6"]);
}

#[test]
fn what_cannot_be_asked_is_left_out() {
    let none: [&str; 0] = [];
    assert_eq!(chosen("tls-reset", "https://192.0.2.1/", &["192.0.2.1"], None), none);
    assert_eq!(chosen("connect-timeout", "http://192.0.2.1/", &["192.0.2.1"], None), ["port 443"]);
    assert_eq!(chosen("connect-timeout", "http://192.0.2.1:8080/", &["192.0.2.1"], None), none);
    assert_eq!(chosen("http-502", "https://192.0.2.1/robots.txt", &["192.0.2.1"], None), none);
}

#[test]
fn no_failure_costs_a_site_more_than_two_requests() {
    for (symptom, asks) in TABLE {
        assert_eq!(TABLE.iter().filter(|(of, _)| *of == symptom).count(), 1, "{symptom:?} stands once");
        assert!(!asks.is_empty(), "{symptom:?}");
    }
    for kind in ["connect-timeout", "tls-reset", "http-502", "http-522", "http-timeout", "quic-timeout"] {
        let ties = chosen(kind, "https://a.example.com/", &["192.0.2.1", "192.0.2.2"], Some(Family::V4));
        let requests = ties.iter().filter(|tie| !tie.starts_with("authority")).count();
        assert!(requests <= MAX_EXTRA_REQUESTS, "{kind}: {ties:?}");
    }
}

#[test]
fn a_lookup_that_fails_elsewhere_too_is_the_zones_failure() {
    let failed = |kind| Err(StageFailure::new(FailureKind::Dns(kind), Party::Resolver));
    for (elsewhere, expected) in [
        (Ok(()), Some(Party::Resolver)),
        (failed(DnsFailure::Servfail), Some(Party::Target)),
        (failed(DnsFailure::Nxdomain), Some(Party::Target)),
        (failed(DnsFailure::Nodata), Some(Party::Target)),
        (failed(DnsFailure::Timeout), None),
        (failed(DnsFailure::Refused), None),
    ] {
        let what = format!("{elsewhere:?}");
        assert_eq!(lookup_party(elsewhere), expected, "{what}");
    }
}

async fn with_care(settings: ProberSettings, target: Target) -> ProbeResult {
    prober(settings).probe_with_care(&ProbeRequest::new(target), NOW, Duration::ZERO).await
}

#[tokio::test]
async fn an_address_that_the_zone_no_longer_gives_is_told_as_such() {
    let (server, beacon) = (Server::new().await, Site::answering(OK).await);
    let site = Site::answering(OK).await;
    let by_zone = ProberSettings { zones: vec![server.zone()], beacons: vec![beacon.target()], ..settings() };
    let url = format!("http://moved.{ZONE}:{}/", site.addr.port());
    let result = with_care(by_zone.clone(), target(&url)).await;
    assert_eq!(result.outcome.to_string(), "connect-refused");
    assert_eq!((result.address, result.retry), (Some(MOVED[0].into()), Some(RetryOutcome::Fail)));
    let expected =
        TieBreakers { address_current: Some(false), soa_serial: Some(SERIAL), ..TieBreakers::default() };
    assert_eq!((result.tie_breakers, result.beacon), (expected, BeaconState::Ok));
    let direct = server.asked().iter().filter(|(_, _, recursion)| !recursion).count();
    assert_eq!(direct, MAX_AUTHORITY_QUESTIONS);
    assert_eq!(site.accepted(), 0);
    let bad = Site::answering(BAD).await;
    let result = with_care(by_zone, target(&format!("http://steady.{ZONE}:{}/", bad.addr.port()))).await;
    assert_eq!(
        (result.tie_breakers.address_current, result.tie_breakers.static_ok),
        (Some(true), Some(false))
    );
}

#[tokio::test]
async fn a_cdns_place_is_not_taken_for_an_old_address() {
    const EDGE: &str = "HTTP/1.1 504 Gateway Timeout\r\nserver: Varnish\r\nvia: 1.1 varnish\r\n\
        x-served-by: cache-fra-rvl8230051-FRA\r\ncontent-length: 0\r\n\r\n";
    let (server, site) = (Server::new().await, Site::answering(EDGE).await);
    let by_zone = ProberSettings { zones: vec![server.zone()], ..settings() };
    let result = with_care(by_zone, target(&format!("http://swung.{ZONE}:{}/", site.addr.port()))).await;
    assert_eq!(result.outcome.to_string(), "http-504");
    assert!(result.emitter.is_some_and(|emitter| emitter.pop.is_some()));
    assert_eq!((result.tie_breakers.address_current, result.tie_breakers.soa_serial), (None, Some(SERIAL)));
}

#[tokio::test]
async fn a_broken_line_asks_nothing_more() {
    let (server, beacon) = (Server::new().await, Site::cutting().await);
    let zones = vec![server.zone()];
    let broken = ProberSettings { zones, beacons: vec![beacon.target()], ..settings() };
    let result = with_care(broken, target(&format!("http://moved.{ZONE}:9/"))).await;
    assert_eq!((result.beacon, result.tie_breakers), (BeaconState::Failed, TieBreakers::default()));
    assert!(server.asked().iter().all(|(_, _, recursion)| *recursion), "{:?}", server.asked());
}

#[tokio::test]
async fn a_failure_that_is_over_at_the_retry_asks_nothing_more() {
    let site = Site::answering_in_turn(vec![BAD.into(), OK.into()]).await;
    let result = with_care(settings(), site.target()).await;
    assert_eq!((result.tie_breakers, site.accepted()), (TieBreakers::default(), 2));
}

#[tokio::test]
async fn a_static_path_may_work_where_the_page_does_not() {
    const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let site = Site::answering_paths(&[(STATIC_PATH, NOT_FOUND), ("/", BAD)]).await;
    let result = with_care(settings(), site.target()).await;
    assert_eq!(result.outcome.to_string(), "http-502");
    assert_eq!(result.tie_breakers.static_ok, Some(true));
    let paths: Vec<String> =
        site.requests().iter().map(|head| head.split(' ').nth(1).unwrap_or_default().to_owned()).collect();
    assert_eq!(paths, ["/", "/", STATIC_PATH]);
}

#[tokio::test]
async fn another_address_of_the_name_may_work() {
    let server = Server::new().await;
    let bad = Site::answering(BAD).await;
    let other: std::net::SocketAddr = ([127, 0, 0, 2], bad.addr.port()).into();
    let good = Site::talking_at(other, |mut stream, _| async move {
        crate::test_site::read_head(&mut stream).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, OK.as_bytes()).await;
    })
    .await;
    let by_name = ProberSettings { resolver: server.setting(), ..settings() };
    let result = with_care(by_name, target(&format!("http://pair.{ZONE}:{}/", bad.addr.port()))).await;
    assert_eq!((result.address, result.outcome.to_string().as_str()), (Some(bad.addr.ip()), "http-502"));
    assert_eq!(result.tie_breakers.other_address, Some(other.ip()));
    assert_eq!((bad.accepted(), good.accepted()), (3, 1));
}

#[tokio::test]
async fn the_other_port_and_the_way_without_http_3_are_looked_at() {
    let site = Site::answering(BAD).await;
    let rule = format!("::{}:{}", site.addr.ip(), site.addr.port()).parse().expect("a rule");
    let prober = prober(ProberSettings { connect_to: vec![rule], ..settings() });
    let target = target("http://192.0.2.1/");
    let request = ProbeRequest::new(target.clone());
    let dns = DnsFacts::default();
    let about = Asked {
        request: &request,
        target: &target,
        host: &target.host,
        dns: &dns,
        kind: "quic-timeout".parse().expect("a kind"),
        used: Some(site.addr.ip()),
        at_a_pop: false,
    };
    let port = Port::new(443).expect("not zero");
    assert_eq!(prober.ask_tie(Tie::OtherPort(site.addr.ip(), port), &about).await, Part::OtherPort(true));
    let gone = ip("127.0.0.77");
    assert_eq!(prober.ask_tie(Tie::OtherPort(gone, port), &about).await, Part::OtherPort(false));
    assert_eq!(prober.ask_tie(Tie::OtherPort(ip("10.0.0.1"), port), &about).await, Part::Nothing);
}

#[tokio::test]
async fn a_second_resolver_tells_whose_failure_a_lookup_is() {
    let (own, other) = (Server::new().await, Server::new().await);
    let gone: Arc<str> = "gone".into();
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    let nobody = socket.local_addr().expect("an address");
    drop(socket);
    let unreachable = crate::ResolverSetting::Servers { name: gone, addrs: vec![nobody] };
    let settings = ProberSettings { public_resolvers: vec![other.public()], ..settings() };
    let host = format!("http://both.{ZONE}/");
    let dead = ProberSettings { resolver: unreachable, ..settings.clone() };
    for (settings, url, expected) in [
        (dead, host, ("dns-refused", Party::Resolver)),
        (
            ProberSettings { resolver: own.setting(), ..settings },
            format!("http://servfail.{ZONE}/"),
            ("dns-servfail", Party::Target),
        ),
    ] {
        let result = with_care(settings, target(&url)).await;
        let Outcome::Failed(failure) = result.outcome else { panic!("{result:?}") };
        assert_eq!((failure.kind.to_string().as_str(), failure.party), expected, "{url}");
    }
}
