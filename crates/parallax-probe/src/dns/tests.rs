use parallax_model::Party;

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

fn question(host: &Host, resolver: ResolverChoice, https: bool) -> Question<'_> {
    Question { host, family: Some(Family::V4), resolver, https }
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
    let large = names.ask(&host("large"), Some(Family::V4)).await.expect("over TCP");
    assert_eq!(large.addresses, [v4]);
}

#[tokio::test]
async fn another_resolver_is_followed_and_a_bad_one_is_not() {
    let (first, second) = (Server::new().await, Server::new().await);
    let names = names(&first);
    let none = ResolverSetting::Servers { name: "none".into(), addrs: Vec::new() };
    assert!(names.follow(&ProberSettings { resolver: none, ..settings() }).is_err());
    names.ask(&host("both"), Some(Family::V4)).await.expect("addresses");
    assert_eq!((first.asked().len(), second.asked().len()), (1, 0), "the one before stays");
    names.follow(&ProberSettings { resolver: second.setting(), ..settings() }).expect("a resolver");
    names.ask(&host("both"), Some(Family::V4)).await.expect("addresses");
    assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
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
        ("chain1", "dns-loop", Party::Target),
        ("all-at-once", "dns-loop", Party::Target),
    ] {
        let failure = names.ask(&host(label), None).await.expect_err(label).failure;
        assert_eq!((failure.kind.to_string().as_str(), failure.party), (expected, party), "{label}");
    }
}

#[tokio::test]
async fn a_resolver_that_is_not_there_refused_and_did_not_time_out() {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let addrs = vec![socket.local_addr().expect("an address")];
    drop(socket);
    let resolver = ResolverSetting::Servers { name: "gone".into(), addrs };
    let names = Names::new(&ProberSettings { resolver, ..settings() }).expect("resolvers");
    let failed = names.ask(&host("both"), None).await.expect_err("nobody listens");
    assert_eq!(failed.failure.kind.to_string(), "dns-refused", "{failed:?}");
}

#[tokio::test]
async fn names_of_a_zone_are_asked_there() {
    let server = Server::new().await;
    let names = Names::new(&ProberSettings { zones: vec![server.zone()], ..settings() }).expect("resolvers");
    let facts = names.ask(&host("both"), Some(Family::V4)).await.expect("addresses");
    assert_eq!((facts.addresses.len(), facts.resolver.as_deref()), (1, Some("fake")));
}

#[tokio::test]
async fn a_public_resolver_is_asked_by_name_and_for_no_name_of_a_zone() {
    let (own, public) = (Server::new().await, Server::new().await);
    let by_name =
        ProberSettings { resolver: own.setting(), public_resolvers: vec![public.public()], ..settings() };
    let names = Names::new(&by_name).expect("resolvers");
    let both = host("both");
    let quad9 = ResolverChoice::Public(PublicResolver::Quad9);
    let answer = names.look_up(&question(&both, quad9, false)).await.expect("addresses");
    assert_eq!(answer.facts.resolver.as_deref(), Some("quad9"));
    assert_eq!((own.asked().len(), public.asked().len()), (0, 1));
    let google = ResolverChoice::Public(PublicResolver::Google);
    let unknown = names.look_up(&question(&both, google, false)).await.expect_err("not listed");
    assert_eq!(unknown.failure.kind.to_string(), "dns-refused");
    assert_eq!(names.second_opinion(&both), Some(PublicResolver::Quad9));
    let names = Names::new(&ProberSettings { zones: vec![own.zone()], ..by_name }).expect("resolvers");
    names.look_up(&question(&both, quad9, false)).await.expect("addresses");
    assert_eq!((own.asked().len(), public.asked().len()), (1, 1));
    assert_eq!(names.second_opinion(&both), None);
}

#[tokio::test]
async fn an_https_record_is_read_beside_the_addresses_and_not_waited_for() {
    let server = Server::new().await;
    let names = names(&server);
    for (label, asked, expected) in [("h3", true, true), ("h3", false, false), ("h3silent", true, false)] {
        let host = host(label);
        let answer = names.look_up(&question(&host, ResolverChoice::Own, asked)).await.expect(label);
        assert_eq!((answer.h3, answer.facts.addresses.len()), (expected, 1), "{label}, asked: {asked}");
        // The hint of the record is nobody's address.
        assert_eq!(answer.facts.addresses, [IpAddr::from([127, 0, 0, 1])], "{label}");
    }
    let silent = host("h3silent");
    let began = Instant::now();
    let answer = names.look_up(&question(&silent, ResolverChoice::Own, true)).await.expect("addresses");
    let all = began.elapsed();
    let waited = all.saturating_sub(Duration::from_micros(answer.took.0.into()));
    assert!(
        waited >= HTTPS_WAIT / 2 && all >= HTTPS_WAIT,
        "the wait is not the addresses': {all:?}, {waited:?}"
    );
    let missing = host("nowhere");
    let failed = names.look_up(&question(&missing, ResolverChoice::Own, true)).await.expect_err("no name");
    assert_eq!(failed.failure.kind.to_string(), "dns-nxdomain");
}

#[test]
fn a_list_of_no_servers_is_an_error() {
    let resolver = ResolverSetting::Servers { name: "none".into(), addrs: Vec::new() };
    let error = Names::new(&ProberSettings { resolver, ..settings() }).expect_err("no server");
    assert_eq!(error.to_string(), "the resolver none has no address");
}
