use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use parallax_model::{Outcome, Protocol, Scheme};
use parallax_policy::Policy;
use tokio::net::TcpListener;

use super::*;
use crate::test_site::h3::rule;
use crate::test_site::{Authority, NAME, NOW, Site, prober, settings, target};
use crate::{ProberSettings, ResolverSetting};

/// A site on 127.0.0.1 under its name, with 127.0.0.8, where nobody listens, and `::1`, where somebody hangs up.
async fn three_addresses() -> (Site, TcpListener, ProberSettings) {
    let authority = Authority::new("ours");
    let site = Site::secure(authority.server(NAME, 2020, 2090)).await;
    let port = site.addr.port();
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.expect("the port");
    let dead = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 8).into(), port);
    let loopback = ["127.0.0.0/8", "::1/128"].map(|range| range.parse().expect("a range"));
    let settings = ProberSettings {
        policy: Policy::allowing(loopback.to_vec()).into(),
        extra_roots: vec![authority.root.clone()],
        resolve: vec![rule(&[dead, site.addr, v6.local_addr().expect("an address")])],
        ..settings()
    };
    (site, v6, settings)
}

fn seen(results: &[ProbeResult]) -> Vec<(Option<IpAddr>, String)> {
    let mut seen: Vec<_> = results.iter().map(|r| (r.address, r.outcome.to_string())).collect();
    seen.sort();
    seen
}

#[tokio::test]
async fn every_address_has_a_result_of_its_own() {
    let (site, v6, settings) = three_addresses().await;
    let hanging_up = async {
        loop {
            drop(v6.accept().await);
        }
    };
    let prober = prober(settings);
    let request = ProbeRequest::new(site.named(Scheme::Https));
    let probing = prober.probe_each_address(&request, NOW, 32);
    let results = tokio::select! {
        results = probing => results,
        () = hanging_up => panic!("it never ends"),
    };
    let ip = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
    let expected = [
        (ip("127.0.0.1"), "ok".to_owned()),
        (ip("127.0.0.8"), "connect-refused".to_owned()),
        (ip("::1"), "tls-reset".to_owned()),
    ];
    assert_eq!(seen(&results), expected);
    for result in &results {
        assert_eq!(result.dns.addresses.len(), 3, "{result:?}");
        assert_eq!(result.family, result.address.map(Family::of));
    }
    assert_eq!(prober.probe_each_address(&request, NOW, 2).await.len(), 2);
    let v4 = ProbeRequest { family: Some(Family::V4), ..request };
    assert_eq!(seen(&prober.probe_each_address(&v4, NOW, 32).await), expected[..2]);
}

#[tokio::test]
async fn one_address_can_be_asked_alone() {
    let (site, _v6, settings) = three_addresses().await;
    let prober = prober(settings);
    let request = ProbeRequest::new(site.named(Scheme::Https));
    let here = prober.probe_address(&request, site.addr.ip()).await;
    assert_eq!((here.outcome, here.address), (Outcome::Ok, Some(site.addr.ip())), "{here:?}");
    assert_eq!(here.protocol, Some(Protocol::H2));
    let dead = prober.probe_address(&request, [127, 0, 0, 8].into()).await;
    assert_eq!(dead.outcome.to_string(), "connect-refused");
    let forbidden = prober.probe_address(&request, [10, 0, 0, 1].into()).await;
    assert_eq!((forbidden.outcome.to_string().as_str(), forbidden.address), ("blocked-address", None));
    assert_eq!(site.accepted(), 1);
}

#[tokio::test]
async fn one_address_asked_alone_is_sent_one_request() {
    let home = "HTTP/1.1 302 Found\r\nlocation: /home\r\ncontent-length: 0\r\n\r\n";
    let site = Site::answering(home).await;
    let request = ProbeRequest::new(target(&format!("http://{NAME}:{}/", site.addr.port())));
    let result = prober(settings()).probe_address(&request, site.addr.ip()).await;
    assert_eq!((result.outcome, result.redirects.len(), site.accepted()), (Outcome::Ok, 0, 1), "{result:?}");
    assert_eq!(result.status.map(parallax_model::StatusCode::get), Some(302));
}

#[tokio::test]
async fn a_redirect_on_the_same_host_stays_on_the_address() {
    let home = "HTTP/1.1 302 Found\r\nlocation: /home\r\ncontent-length: 0\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let site = Site::answering_in_turn(vec![home.into(), ok.into()]).await;
    let port = site.addr.port();
    // Nobody listens at the second address, so a hop that went there would fail.
    let both = [site.addr, ([127, 0, 0, 8], port).into()];
    let settings = ProberSettings { resolve: vec![rule(&both)], ..settings() };
    let request = ProbeRequest::new(target(&format!("http://{NAME}:{port}/")));
    let results = prober(settings).probe_each_address(&request, NOW, 32).await;
    let ended: Vec<(String, usize)> =
        results.iter().map(|r| (r.outcome.to_string(), r.redirects.len())).collect();
    assert_eq!(ended, [("ok".to_owned(), 1), ("connect-refused".to_owned(), 0)]);
}

#[tokio::test]
async fn where_there_is_no_address_the_one_result_says_why() {
    let server = crate::dns::fake::Server::new().await;
    let settings = ProberSettings { resolver: server.setting(), ..settings() };
    assert!(matches!(settings.resolver, ResolverSetting::Servers { .. }));
    let prober = prober(settings);
    for (url, expected) in [
        ("https://nowhere.site-under-test.com/", "dns-nxdomain"),
        ("https://both.site-under-test.com/", "blocked-address"),
        ("https://10.0.0.1/", "blocked-address"),
    ] {
        let results = prober.probe_each_address(&ProbeRequest::new(target(url)), NOW, 32).await;
        assert_eq!(seen(&results), [(None, expected.to_owned())], "{url}");
    }
}
