//! Every site as every agent sees it, over real sockets.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use http::Method;
use parallax_model::Asn;

use super::dns::{SERIAL, STALE_TTL_S, TTL_S, stale_ttl_left};
use super::sites::turned_away;
use super::*;
use crate::visitor::{Seen, Visitor, ip, question};

mod scan;

/// What one agent saw of one site.
pub(super) struct Row<'a> {
    pub(super) agent: &'a DemoAgent,
    pub(super) address: IpAddr,
    pub(super) pop: Option<Pop>,
    seen: Seen,
}

impl Row<'_> {
    pub(super) fn failed(&self) -> bool {
        self.seen.status() != Some(200)
    }

    pub(super) fn covered_by(&self, scope: &Scope) -> bool {
        let v = &self.agent.vantage;
        let within = |wanted: bool, has: bool| !wanted || has;
        within(scope.asn.is_some(), scope.asn == v.asn)
            && within(scope.region.is_some(), scope.region == v.region)
            && within(scope.country.is_some(), scope.country == v.country)
            && within(scope.network.is_some(), scope.network == Some(v.network))
            && within(scope.pop.is_some(), scope.pop == self.pop)
            && within(scope.address.is_some(), scope.address == Some(self.address))
            && within(scope.resolver.is_some(), scope.resolver.as_ref() == Some(&self.agent.resolver))
    }
}

fn port(world: &DemoWorld, host: &str, scheme: u16) -> u16 {
    let rule = format!("{host}:{scheme}::");
    let port = world.connect_to.iter().find_map(|r| r.strip_prefix(&rule));
    port.expect("every site has a rule").parse().unwrap()
}

async fn quick_lab() -> DemoLab {
    DemoLab::start(DemoOptions { overload_step: Duration::ZERO }).await.unwrap()
}

fn visitor(world: &DemoWorld, agent: &DemoAgent) -> Visitor {
    Visitor::new(agent.source, &world.ca_pem, "h2")
}

async fn look<'a>(world: &DemoWorld, site: &DemoSite, agent: &'a DemoAgent) -> Row<'a> {
    let visitor = visitor(world, agent);
    let host = site.target.host.as_str();
    let address = visitor.address(world.resolver, host).await;
    let seen = visitor.secure(SocketAddr::from((address, port(world, host, 443))), host).await;
    let pop = seen.header("x-served-by").map(|cache| cache.rsplit('-').next().unwrap().parse().unwrap());
    Row { agent, address: ip(address), pop, seen }
}

/// What the affected see, per site.
fn symptom(site: &str, seen: &Seen) -> bool {
    let body = seen.body();
    match site {
        "shop.demo" => {
            seen.status() == Some(502)
                && seen.header("server") == Some("nginx/1.26.2")
                && body.contains("<center>nginx/1.26.2</center>")
        }
        "video.demo" => {
            let status = seen.header("proxy-status").unwrap_or_default();
            seen.status() == Some(504)
                && status.starts_with("edge-fra.riverlight.example; error=connection_timeout")
        }
        "bank.demo" => matches!(seen, Seen::Broken(ErrorKind::ConnectionRefused)),
        "news.demo" => {
            seen.status() == Some(502)
                && seen.header("server").is_none()
                && body.contains("incomplete response")
        }
        "closed.demo" => seen.status() == Some(503) && seen.header("retry-after") == Some("7200"),
        "guard.demo" => seen.status() == Some(403) && seen.header("cf-mitigated") == Some("challenge"),
        "games.demo" => matches!(seen, Seen::Broken(ErrorKind::ConnectionReset)),
        _ => false,
    }
}

#[tokio::test]
async fn every_site_fails_for_exactly_those_it_says() {
    let lab = quick_lab().await;
    let world = lab.world();
    for site in world.sites.iter().filter(|site| site.verdict != Verdict::Flaky) {
        let name = site.target.host.as_str();
        let mut rows = Vec::new();
        for agent in &world.agents {
            rows.push(look(world, site, agent).await);
        }
        let failed: Vec<&AgentId> = rows.iter().filter(|r| r.failed()).map(|r| &r.agent.name).collect();
        let covered = rows.iter().filter(|r| site.scopes.iter().any(|s| r.covered_by(s)));
        assert_eq!(failed, covered.map(|r| &r.agent.name).collect::<Vec<_>>(), "{name}: scope");
        assert_eq!(failed, site.affected.iter().collect::<Vec<_>>(), "{name}: affected");
        for row in rows.iter().filter(|r| r.failed()) {
            assert!(symptom(name, &row.seen), "{name} from {}: {:?}", row.agent.name, row.seen);
        }
        if site.verdict != Verdict::Up {
            assert!(failed.len() >= 4, "{name}: {failed:?}");
        }
        scan::assert_found(name, &rows, &site.scopes);
    }
    lab.stop().await;
}

#[tokio::test]
async fn an_overloaded_site_turns_away_about_half_of_everybodys_requests() {
    let lab = quick_lab().await;
    let world = lab.world();
    let host = "tickets.demo";
    let mut refused = 0;
    for (index, agent) in world.agents.iter().enumerate() {
        let visitor = visitor(world, agent);
        let to = SocketAddr::from((visitor.address(world.resolver, host).await, port(world, host, 443)));
        let mut own = 0;
        for nth in 0..8 {
            let seen = visitor.secure(to, host).await;
            let expected = if turned_away(index, nth) { 503 } else { 200 };
            assert_eq!(seen.status(), Some(expected), "{} request {nth}", agent.name);
            if expected == 503 {
                assert_eq!(seen.header("retry-after"), Some("5"));
                own += 1;
            }
        }
        assert!((1..=7).contains(&own), "{}: {own} of 8", agent.name);
        refused += own;
    }
    let all = world.agents.len() * 8;
    assert!((all * 4 / 10..=all * 6 / 10).contains(&refused), "{refused} of {all}");
    lab.stop().await;
}

#[tokio::test]
async fn the_resolver_answers_by_who_asks() {
    let lab = quick_lab().await;
    let world = lab.world();
    let mut answers: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for agent in &world.agents {
        for host in ["bank.demo", "video.demo", "fine.demo"] {
            let address = visitor(world, agent).address(world.resolver, host).await;
            answers.insert((host, agent.name.as_str()), address.to_string());
        }
    }
    for (host, agent, address) in [
        ("bank.demo", "fernhill-london", "127.80.4.1"),
        ("bank.demo", "fernhill-frankfurt", "127.80.4.2"),
        ("bank.demo", "kestrel-buenosaires", "127.80.4.1"),
        ("bank.demo", "norrlight-london", "127.80.4.2"),
        ("video.demo", "kestrel-mumbai", "127.80.3.1"),
        ("video.demo", "meridian-warsaw", "127.80.3.2"),
        ("video.demo", "bluewater-seattle", "127.80.3.3"),
        ("video.demo", "norrlight-seattle", "127.80.3.4"),
        ("fine.demo", "openfield-london", "127.80.1.1"),
    ] {
        assert_eq!(answers[&(host, agent)], address, "{host} for {agent}");
    }
    let stranger = Visitor::new(Ipv4Addr::LOCALHOST, &world.ca_pem, "h2");
    assert_eq!(stranger.address(world.resolver, "bank.demo").await.to_string(), "127.80.4.2");
    assert_eq!(stranger.address(world.resolver, "video.demo").await.to_string(), "127.80.3.2");
    lab.stop().await;
}

#[tokio::test]
async fn the_resolver_answers_every_kind_of_question() {
    let lab = quick_lab().await;
    let world = lab.world();
    let london = visitor(world, &world.agents[0]);
    for (name, kind, code, answers, authorities) in [
        ("shop.demo", RecordType::A, ResponseCode::NoError, 1, 0),
        ("SHOP.demo", RecordType::A, ResponseCode::NoError, 1, 0),
        ("shop.demo", RecordType::AAAA, ResponseCode::NoError, 0, 1),
        ("shop.demo", RecordType::HTTPS, ResponseCode::NoError, 0, 1),
        ("demo", RecordType::SOA, ResponseCode::NoError, 1, 0),
        ("demo", RecordType::NS, ResponseCode::NoError, 1, 0),
        ("demo", RecordType::A, ResponseCode::NoError, 0, 1),
        ("ns.demo", RecordType::A, ResponseCode::NoError, 1, 0),
        ("gone.demo", RecordType::A, ResponseCode::NXDomain, 0, 1),
        ("a.shop.demo", RecordType::A, ResponseCode::NXDomain, 0, 1),
        ("example.com", RecordType::A, ResponseCode::Refused, 0, 0),
        ("xdemo", RecordType::A, ResponseCode::Refused, 0, 0),
    ] {
        let asked = question(name, kind);
        for reply in [london.ask(world.resolver, &asked).await, london.ask_tcp(world.resolver, &asked).await]
        {
            let got = (reply.metadata.response_code, reply.answers.len(), reply.authorities.len());
            assert_eq!(got, (code, answers, authorities), "{name} {kind}");
            assert_eq!(reply.metadata.id, asked.metadata.id, "{name} {kind}");
        }
    }
    lab.stop().await;
}

#[tokio::test]
async fn the_zone_itself_knows_where_the_bank_is_now() {
    let lab = quick_lab().await;
    let world = lab.world();
    let london = visitor(world, &world.agents[0]);
    let mut asked = question("bank.demo", RecordType::A);
    let stale = london.ask(world.resolver, &asked).await;
    assert!(!stale.metadata.authoritative);
    assert!((1..=STALE_TTL_S).contains(&stale.answers[0].ttl), "{}", stale.answers[0].ttl);
    asked.metadata.recursion_desired = false;
    let current = london.ask(world.authority, &asked).await;
    assert!(current.metadata.authoritative);
    assert_eq!(current.answers[0].ttl, TTL_S);
    assert!(matches!(&current.answers[0].data, RData::A(a) if a.0.to_string() == "127.80.4.2"));
    let mut serials = Vec::new();
    for recursive in [true, false] {
        let mut asked = question("demo", RecordType::SOA);
        asked.metadata.recursion_desired = recursive;
        let reply = london.ask(world.resolver, &asked).await;
        serials.push(match &reply.answers[0].data {
            RData::SOA(soa) => soa.serial,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(serials, [SERIAL - 1, SERIAL]);
    lab.stop().await;
}

#[test]
fn what_is_left_of_an_old_answer_counts_down_and_starts_over() {
    for (elapsed, left) in [(0, 3_600), (1, 3_599), (3_539, 61), (3_540, 3_600), (5_400, 1_740)] {
        assert_eq!(stale_ttl_left(Duration::from_secs(elapsed)), left, "{elapsed} s");
    }
}

#[tokio::test]
async fn beacons_work_and_plain_sites_redirect() {
    let lab = quick_lab().await;
    let world = lab.world();
    let beacons: Vec<String> = world.beacons.iter().map(ToString::to_string).collect();
    assert_eq!(beacons, ["http://beacon.demo/", "https://beacon.demo/"]);
    for agent in &world.agents {
        let visitor = visitor(world, agent);
        let address = visitor.address(world.resolver, "beacon.demo").await;
        let secure = SocketAddr::from((address, port(world, "beacon.demo", 443)));
        let plain = SocketAddr::from((address, port(world, "beacon.demo", 80)));
        assert_eq!(visitor.secure(secure, "beacon.demo").await.body(), "beacon\n", "{}", agent.name);
        assert_eq!(visitor.plain(plain, "beacon.demo").await.body(), "beacon\n", "{}", agent.name);
    }
    let stranger = Visitor::new(Ipv4Addr::LOCALHOST, &world.ca_pem, "http/1.1");
    for site in &world.sites {
        let host = site.target.host.as_str();
        let address = stranger.address(world.resolver, host).await;
        let seen = stranger.plain(SocketAddr::from((address, port(world, host, 80))), host).await;
        let to = format!("https://{host}/");
        assert_eq!((seen.status(), seen.header("location")), (Some(301), Some(to.as_str())), "{host}");
    }
    lab.stop().await;
}

#[tokio::test]
async fn requests_for_other_sites_and_heads_are_answered_rightly() {
    let lab = quick_lab().await;
    let world = lab.world();
    for alpn in ["h2", "http/1.1"] {
        let visitor = Visitor::new(world.agents[0].source, &world.ca_pem, alpn);
        let address = visitor.address(world.resolver, "fine.demo").await;
        let to = SocketAddr::from((address, port(world, "fine.demo", 443)));
        let (get, head) =
            (visitor.secure(to, "fine.demo").await, visitor.secure_as(to, "fine.demo", Method::HEAD).await);
        assert_eq!(get.header("content-length"), Some(get.body().len().to_string().as_str()), "{alpn}");
        assert_eq!(
            (head.status(), head.header("content-length"), head.body()),
            (Some(200), get.header("content-length"), ""),
            "{alpn}"
        );
        let plain = SocketAddr::from((address, port(world, "fine.demo", 80)));
        assert_eq!(visitor.plain(plain, "other.example").await.status(), Some(421), "{alpn}");
    }
    lab.stop().await;
}

#[tokio::test]
async fn two_labs_stand_side_by_side_and_a_stopped_one_is_gone() {
    let (first, second) = (quick_lab().await, quick_lab().await);
    let gone = SocketAddr::from(([127, 80, 1, 1], port(first.world(), "fine.demo", 443)));
    let world = second.world();
    let visitor = visitor(world, &world.agents[0]);
    first.stop().await;
    let refused = visitor.connect(gone).await.map_err(|error| error.kind());
    assert_eq!(refused.map(drop), Err(ErrorKind::ConnectionRefused));
    let stays = SocketAddr::from(([127, 80, 1, 1], port(world, "fine.demo", 443)));
    assert_eq!(visitor.secure(stays, "fine.demo").await.status(), Some(200));
    second.stop().await;
}

#[tokio::test]
async fn agents_stand_in_many_networks_and_places() {
    let lab = quick_lab().await;
    let world = lab.world();
    let distinct = |of: fn(&DemoAgent) -> String| {
        world.agents.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(distinct(|a| a.name.to_string()), world.agents.len());
    assert_eq!(distinct(|a| a.source.to_string()), world.agents.len());
    assert_eq!(distinct(|a| format!("{:?}", a.vantage.asn)), 7);
    assert_eq!(distinct(|a| format!("{:?}", a.vantage.region)), 6);
    assert_eq!(distinct(|a| format!("{:?}", a.vantage.country)), 10);
    assert_eq!(distinct(|a| format!("{:?}", a.vantage.network)), 3);
    for agent in &world.agents {
        // RFC 5398 keeps these numbers for documentation.
        let documentation = Asn(64_496)..=Asn(64_511);
        assert!(documentation.contains(&agent.vantage.asn.unwrap()), "{}", agent.name);
    }
    for site in &world.sites {
        site.scopes.iter().for_each(|scope| scope.validate().unwrap());
        let address: IpAddr =
            ip(visitor(world, &world.agents[0]).address(world.resolver, site.target.host.as_str()).await);
        assert!(world.allow.iter().any(|net| net.contains(&address)), "{}", site.target);
    }
    lab.stop().await;
}
