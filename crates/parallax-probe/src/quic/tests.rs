use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{H3Advert, Outcome, ProbeResult, Protocol, Scheme, StatusCode};
use parallax_policy::Policy;
use tokio::net::UdpSocket;

use crate::test_site::h3::{H3Site, head, quic, quic_speaking, rule};
use crate::test_site::{Authority, NAME, NOW, Site, prober, self_signed, settings, target};
use crate::{Deadlines, MAX_BODY_BYTES, ProbeRequest, Prober, ProberSettings};

mod hostile;
mod paths;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The one authority of a test, and settings that trust it and know the way.
struct Bench {
    authority: Authority,
}

impl Bench {
    fn new() -> Self {
        Self { authority: Authority::new("ours") }
    }

    fn server(&self) -> quinn::ServerConfig {
        quic(self.authority.server(NAME, 2020, 2090))
    }

    fn settings(&self, addrs: &[SocketAddr]) -> ProberSettings {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|range| range.parse().expect("a range"));
        ProberSettings {
            policy: Policy::allowing(loopback.to_vec()).into(),
            extra_roots: vec![self.authority.root.clone()],
            resolve: vec![rule(addrs)],
            ..settings()
        }
    }

    fn prober(&self, addrs: &[SocketAddr]) -> Prober {
        prober(self.settings(addrs))
    }

    async fn probe(&self, site: &H3Site) -> ProbeResult {
        self.prober(&[site.addr]).probe(&h3(site.named()), NOW).await
    }
}

fn h3(target: parallax_model::Target) -> ProbeRequest {
    ProbeRequest { protocol: Some(Protocol::H3), ..ProbeRequest::new(target) }
}

/// Patience for what never comes.
fn hasty(settings: ProberSettings) -> ProberSettings {
    let deadlines = Deadlines {
        connect: Duration::from_millis(100),
        tls: Duration::from_millis(100),
        first_byte: Duration::from_millis(300),
        ..Deadlines::default()
    };
    ProberSettings { deadlines, ..settings }
}

fn kind(result: &ProbeResult) -> String {
    result.outcome.to_string()
}

#[tokio::test]
async fn a_page_over_http_3_is_ok_with_its_phases() {
    let bench = Bench::new();
    for ip in [HERE, Ipv6Addr::LOCALHOST.into()] {
        let site = H3Site::answering(ip, bench.server(), head(200, &[("server", "nginx")]), "hello");
        let result = bench.probe(&site).await;
        assert_eq!(result.outcome, Outcome::Ok, "{result:?}");
        assert_eq!(result.status.map(StatusCode::get), Some(200));
        assert_eq!((result.protocol, result.address), (Some(Protocol::H3), Some(ip)));
        assert_eq!(result.h3_advert, None);
        let phases = result.phases;
        assert!(phases.connect.is_none() && phases.tls.is_some(), "{phases:?}");
        assert!(phases.first_byte.is_some() && phases.body.is_some(), "{phases:?}");
        assert_eq!(result.body.map(|b| (b.length, b.truncated)), Some((5, false)));
        assert_eq!(&*result.emitter.expect("an emitter").name, "nginx");
        let tls = result.tls.expect("facts");
        assert_eq!((&*tls.version, tls.alpn.as_deref()), ("TLSv1.3", Some("h3")));
        assert_eq!(tls.names.iter().map(|n| &**n).collect::<Vec<_>>(), [NAME]);
        let expected = format!(
            "GET https://{NAME}:{}/\nuser-agent: parallax/{} (+https://parallax.invalid/probes)\naccept: */*\naccept-encoding: identity\n",
            site.addr.port(),
            env!("CARGO_PKG_VERSION"),
        );
        assert_eq!(site.requests(), [expected]);
    }
}

#[tokio::test]
async fn statuses_redirects_and_adverts_are_as_over_tcp() {
    let bench = Bench::new();
    let bad = head(502, &[("retry-after", "30"), ("server", "nginx")]);
    let site = H3Site::answering(HERE, bench.server(), bad, "<html><head><title>502 Bad Gateway</title>");
    let result = bench.probe(&site).await;
    assert_eq!((kind(&result).as_str(), result.retry_after_s), ("http-502", Some(30)));
    let circle = head(302, &[("location", "/")]);
    let site = H3Site::answering(HERE, bench.server(), circle, "");
    assert_eq!(kind(&bench.probe(&site).await), "http-redirect-loop");
    let elsewhere = head(200, &[("alt-svc", "h3=\":1\"")]);
    let site = H3Site::answering(HERE, bench.server(), elsewhere, "");
    let result = bench.probe(&site).await;
    assert_eq!((result.outcome, result.h3_advert), (Outcome::Ok, None));
}

#[tokio::test]
async fn an_advert_of_the_same_place_is_noted() {
    let bench = Bench::new();
    let site = Site::secure(bench.authority.server(NAME, 2020, 2090)).await;
    let prober = bench.prober(&[site.addr]);
    for protocol in [None, Some(Protocol::H1)] {
        let request = ProbeRequest { protocol, ..ProbeRequest::new(site.named(Scheme::Https)) };
        let result = prober.probe(&request, NOW).await;
        assert_eq!((result.outcome, result.h3_advert), (Outcome::Ok, Some(H3Advert::AltSvc)), "{result:?}");
    }
}

#[tokio::test]
async fn certificates_are_refused_as_over_tcp() {
    let bench = Bench::new();
    let stranger = Authority::new("somebody's");
    let cases = [
        (bench.authority.server(NAME, 2010, 2012), "tls-expired"),
        (bench.authority.server(NAME, 2080, 2090), "tls-not-yet-valid"),
        (bench.authority.server("other.site-under-test.com", 2020, 2090), "tls-name-mismatch"),
        (self_signed(NAME), "tls-self-signed"),
        (stranger.server(NAME, 2020, 2090), "tls-untrusted"),
    ];
    for (config, expected) in cases {
        let site = H3Site::answering(HERE, quic(config), head(200, &[]), "");
        let result = bench.probe(&site).await;
        assert_eq!(kind(&result), expected, "{result:?}");
        assert_eq!(result.protocol, Some(Protocol::H3));
        assert!(result.tls.is_some_and(|tls| tls.names.len() == 1), "{expected}");
        assert!(result.phases.tls.is_some() && result.phases.first_byte.is_none(), "{expected}");
        let detail = result.detail.expect("a detail");
        assert!(!detail.contains("site-under-test"), "{detail}");
    }
}

#[tokio::test]
async fn handshakes_fail_in_their_own_kind() {
    let bench = Bench::new();
    let other = quic_speaking(bench.authority.server(NAME, 2020, 2090), b"hq-interop");
    let site = H3Site::raw(HERE, other, |connection| async move { drop(connection.closed().await) });
    let result = bench.probe(&site).await;
    assert_eq!(kind(&result), "tls-handshake", "{result:?}");
    let refusing = refusing(&bench);
    let result = bench.prober(&[refusing.0]).probe(&h3(at(refusing.0)), NOW).await;
    assert_eq!(kind(&result), "quic-handshake", "{result:?}");
    let silent = UdpSocket::bind((HERE, 0)).await.expect("a port");
    let addr = silent.local_addr().expect("an address");
    let result = prober(hasty(bench.settings(&[addr]))).probe(&h3(at(addr)), NOW).await;
    assert_eq!((kind(&result).as_str(), result.detail), ("quic-timeout", None));
    assert!(result.phases.tls.expect("a handshake").0 >= 200_000);
    drop(silent);
    let result = bench.prober(&[addr]).probe(&h3(at(addr)), NOW).await;
    let told = result.detail.as_deref();
    assert_eq!((kind(&result).as_str(), told), ("quic-timeout", Some("no program takes UDP there")));
}

fn at(addr: SocketAddr) -> parallax_model::Target {
    target(&format!("https://{NAME}:{}/", addr.port()))
}

/// A server that refuses every connection in QUIC's own words.
fn refusing(bench: &Bench) -> (SocketAddr, tokio::task::JoinSet<()>) {
    let endpoint = quinn::Endpoint::server(bench.server(), (HERE, 0).into()).expect("a port");
    let addr = endpoint.local_addr().expect("an address");
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            incoming.refuse();
        }
    });
    (addr, serving)
}

#[tokio::test]
async fn a_silent_address_leaves_time_for_the_next() {
    let bench = Bench::new();
    let site = H3Site::answering(HERE, bench.server(), head(200, &[]), "hello");
    let other = SocketAddr::new([127, 0, 0, 9].into(), site.addr.port());
    let settings = hasty(bench.settings(&[other, site.addr]));
    let silent = UdpSocket::bind(other).await.expect("the port");
    let result = prober(settings).probe(&h3(site.named()), NOW).await;
    assert_eq!((result.outcome, result.address), (Outcome::Ok, Some(HERE)), "{result:?}");
    let told = result.detail.expect("a detail");
    assert_eq!(&*told, "IPv4 address 1 of 2 quic-timeout, IPv4 address 2 of 2 answered");
    drop(silent);
}

#[tokio::test]
async fn http_3_is_for_https_alone() {
    let bench = Bench::new();
    for url in [format!("http://{NAME}/"), format!("https://{NAME}:80/")] {
        let loopback: Vec<_> = vec!["0.0.0.0/0".parse().expect("a range")];
        let settings = ProberSettings {
            policy: Policy::allowing(loopback).into(),
            ..bench.settings(&[SocketAddr::new(HERE, 443)])
        };
        let result = prober(settings).probe(&h3(target(&url)), NOW).await;
        assert_eq!(kind(&result), "agent-policy", "{url}: {result:?}");
    }
}

#[tokio::test]
async fn nothing_outlives_a_probe() {
    let bench = Bench::new();
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let site = H3Site::raw(HERE, bench.server(), move |connection| {
        let ended = ended.clone();
        async move {
            let reason = connection.closed().await;
            drop(ended.send(reason.to_string()).await);
        }
    });
    let prober = prober(hasty(bench.settings(&[site.addr])));
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let result = prober.probe(&h3(site.named()), NOW).await;
    assert_eq!(kind(&result), "http-timeout", "{result:?}");
    let reason = tokio::time::timeout(Duration::from_secs(5), end.recv()).await.expect("in time");
    assert_eq!(reason.as_deref(), Some("closed by peer: 256"));
    // The site's own: the connection's driver and its talk, until they notice the end.
    let after = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(after() <= before + 2, "{} tasks before, {} after", before, after());
}

#[tokio::test]
async fn dropping_a_probe_ends_its_connection() {
    let bench = Bench::new();
    let silent = UdpSocket::bind((HERE, 0)).await.expect("a port");
    let addr = silent.local_addr().expect("an address");
    let prober = bench.prober(&[addr]);
    let request = h3(at(addr));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut packet = [0; 2_048];
    {
        let mut probing = std::pin::pin!(prober.probe(&request, NOW));
        tokio::select! {
            _ = &mut probing => panic!("nobody answers"),
            heard = silent.recv_from(&mut packet) => drop(heard.expect("a packet")),
        }
        assert_eq!(tasks(), before, "a probe starts no task");
    }
    // Had anything gone on, it would have asked again within the deadline of the handshake.
    let again = tokio::time::timeout(Duration::from_millis(1_500), silent.recv_from(&mut packet)).await;
    assert!(again.is_err(), "somebody still talks");
}

#[tokio::test]
async fn a_preferred_address_is_not_followed() {
    let bench = Bench::new();
    let elsewhere = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 7), 0)).await.expect("a port");
    let SocketAddr::V4(preferred) = elsewhere.local_addr().expect("an address") else { panic!("IPv4") };
    let mut server = bench.server();
    server.preferred_address_v4(Some(SocketAddrV4::new(*preferred.ip(), preferred.port())));
    let site = H3Site::answering(HERE, server, head(200, &[]), "hello");
    let result = bench.probe(&site).await;
    assert_eq!((result.outcome, result.address), (Outcome::Ok, Some(HERE)), "{result:?}");
    let nothing = elsewhere.try_recv(&mut [0; 2_048]).expect_err("no packet");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn the_socket_knows_one_address() {
    let (peer, stranger) = (UdpSocket::bind((HERE, 0)).await, UdpSocket::bind((HERE, 0)).await);
    let (peer, stranger) = (peer.expect("a port"), stranger.expect("a port"));
    let addr = peer.local_addr().expect("an address");
    let tied = Arc::new(super::socket::Tied::open(Some([127, 0, 0, 5].into()), addr).expect("a socket"));
    let here = quinn::AsyncUdpSocket::local_addr(&*tied).expect("an address");
    assert_eq!(here.ip(), IpAddr::from([127, 0, 0, 5]));
    let send = |destination| {
        let transmit = quinn::udp::Transmit {
            destination,
            ecn: None,
            contents: b"ping",
            segment_size: None,
            src_ip: None,
        };
        quinn::AsyncUdpSocket::try_send(&*tied, &transmit)
    };
    send(stranger.local_addr().expect("an address")).expect("swallowed");
    std::future::poll_fn(|cx| {
        let mut poller = quinn::AsyncUdpSocket::create_io_poller(tied.clone());
        poller.as_mut().poll_writable(cx)
    })
    .await
    .expect("writable");
    send(addr).expect("sent");
    let mut packet = [0; 16];
    assert_eq!(peer.recv_from(&mut packet).await.expect("a packet"), (4, here));
    assert!(stranger.try_recv(&mut packet).is_err());
    stranger.send_to(b"evil", here).await.expect("sent");
    peer.send_to(b"pong!", here).await.expect("sent");
    let (mut buffer, mut meta) = ([0; 16], [quinn::udp::RecvMeta::default()]);
    let got = std::future::poll_fn(|cx| {
        let mut bufs = [std::io::IoSliceMut::new(&mut buffer)];
        quinn::AsyncUdpSocket::poll_recv(&*tied, cx, &mut bufs, &mut meta)
    })
    .await;
    assert_eq!((got.expect("a packet"), meta[0].len, meta[0].addr), (1, 5, addr));
    assert_eq!(&buffer[..5], b"pong!");
}
