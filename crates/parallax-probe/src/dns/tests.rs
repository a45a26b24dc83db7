use super::fake::{Server, ZONE};
use super::*;
use crate::settings::Deadlines;
use crate::test_site::settings;

fn names(server: &Server) -> Names {
    let deadlines = Deadlines { dns: Duration::from_millis(900), ..Deadlines::default() };
    Names::new(&ProberSettings { resolver: server.setting(), deadlines, ..settings() }).expect("resolvers")
}

fn host(label: &str) -> Host {
    format!("{label}.{ZONE}").parse().expect("a host")
}

#[tokio::test]
async fn answers_are_read_whole() {
    let server = Server::new().await;
    let names = names(&server);
    let both = names.ask(&host("both"), None).await.expect("addresses");
    let v4: IpAddr = [192, 0, 2, 7].into();
    let v6: IpAddr = "2001:db8::7".parse().expect("an address");
    assert_eq!(both.addresses, [v4, v6]);
    assert_eq!((both.ttl_left_s, both.resolver.as_deref()), (Some(60), Some("fake")));
    let only = names.ask(&host("both"), Some(Family::V6)).await.expect("addresses");
    assert_eq!(only.addresses, [v6]);
    let alias = names.ask(&host("alias"), None).await.expect("addresses");
    assert_eq!(alias.addresses, [v4]);
    assert_eq!(alias.cnames.iter().map(|c| &**c).collect::<Vec<_>>(), [format!("both.{ZONE}")]);
    assert_eq!(alias.ttl_left_s, Some(20));
    let half = names.ask(&host("onlyv4"), None).await.expect("the other family is not waited for");
    assert_eq!(half.addresses, [v4]);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let server = Server::new().await;
    let names = names(&server);
    for (label, expected, party) in [
        ("nowhere", "dns-nxdomain", Party::Target),
        ("nodata", "dns-nodata", Party::Target),
        ("servfail", "dns-servfail", Party::Resolver),
        ("refused", "dns-refused", Party::Resolver),
        ("silent", "dns-timeout", Party::Resolver),
        ("ring", "dns-loop", Party::Target),
    ] {
        let failure = names.ask(&host(label), None).await.expect_err(label).failure;
        assert_eq!((failure.kind.to_string().as_str(), failure.party), (expected, party), "{label}");
    }
}

#[tokio::test]
async fn names_of_a_zone_are_asked_there() {
    let server = Server::new().await;
    let zone = ZoneResolver { zone: ZONE.parse().expect("a zone"), addr: server.addr, name: None };
    let names = Names::new(&ProberSettings { zones: vec![zone], ..settings() }).expect("resolvers");
    let facts = names.ask(&host("both"), Some(Family::V4)).await.expect("addresses");
    assert_eq!((facts.addresses.len(), facts.resolver.as_deref()), (1, Some("isp")));
}

#[test]
fn a_list_of_no_servers_is_an_error() {
    let resolver = ResolverSetting::Servers { name: "none".into(), addrs: Vec::new() };
    let error = Names::new(&ProberSettings { resolver, ..settings() }).expect_err("no server");
    assert_eq!(error.to_string(), "the resolver none has no address");
}
