//! A site whose HTTP/3 is silent, and a network that carries no UDP.

use parallax_model::{Failure, Party, Target};

use super::*;

/// A site that answers over TCP and is silent over UDP, or not there at all.
struct Deaf {
    site: Site,
    _silent: UdpSocket,
}

impl Deaf {
    async fn new(bench: &Bench) -> Self {
        let site = Site::secure(bench.authority.server(NAME, 2020, 2090)).await;
        let silent = UdpSocket::bind(site.addr).await.expect("the port");
        Self { site, _silent: silent }
    }

    fn target(&self) -> Target {
        self.site.named(Scheme::Https)
    }
}

async fn settled(prober: &Prober, target: Target) -> ProbeResult {
    let mut result = prober.probe(&h3(target), NOW).await;
    prober.settle_udp(&mut result, NOW).await;
    result
}

fn party(result: &ProbeResult) -> Option<Party> {
    match result.outcome {
        Outcome::Ok => None,
        Outcome::Failed(Failure { party, .. }) => Some(party),
    }
}

fn rules(deaf: &Deaf, others: &[&H3Site]) -> Vec<crate::ResolveRule> {
    others.iter().map(|site| site.rule()).chain([deaf.site.rule()]).collect()
}

#[tokio::test]
async fn where_no_udp_gets_through_the_question_does_not_arise() {
    let bench = Bench::new();
    let deaf = Deaf::new(&bench).await;
    let settings = ProberSettings { resolve: rules(&deaf, &[]), ..hasty(bench.settings(&[deaf.site.addr])) };
    let result = settled(&prober(settings), deaf.target()).await;
    assert_eq!((kind(&result).as_str(), party(&result)), ("quic-timeout", Some(Party::AccessNetwork)));
    assert!(result.outcome.is_not_applicable());
    assert_eq!(result.tie_breakers.without_h3_ok, Some(true));
}

#[tokio::test]
async fn a_beacon_or_an_earlier_answer_shows_that_udp_gets_through() {
    let bench = Bench::new();
    let deaf = Deaf::new(&bench).await;
    let good = H3Site::answering(HERE, bench.server(), head(200, &[]), "hello");
    let settings =
        || ProberSettings { resolve: rules(&deaf, &[&good]), ..hasty(bench.settings(&[deaf.site.addr])) };
    let with_beacon = prober(ProberSettings { beacons: vec![good.named()], ..settings() });
    let result = settled(&with_beacon, deaf.target()).await;
    assert_eq!((kind(&result).as_str(), party(&result)), ("quic-timeout", Some(Party::Unknown)));
    assert_eq!(good.accepted(), 1);
    let with_history = prober(settings());
    assert!(!with_history.udp_path_works(parallax_model::Family::V4).await);
    assert_eq!(with_history.probe(&h3(good.named()), NOW).await.outcome, Outcome::Ok);
    assert!(with_history.udp_path_works(parallax_model::Family::V4).await);
    assert!(!with_history.udp_path_works(parallax_model::Family::V6).await);
    let result = settled(&with_history, deaf.target()).await;
    assert_eq!((party(&result), result.tie_breakers.without_h3_ok), (Some(Party::Unknown), Some(true)));
}

#[tokio::test]
async fn a_beacon_that_fell_silent_outweighs_an_earlier_answer() {
    let bench = Bench::new();
    let deaf = Deaf::new(&bench).await;
    let other = H3Site::answering(HERE, bench.server(), head(200, &[]), "hello");
    let beacon = H3Site::answering(HERE, bench.server(), head(200, &[]), "hello");
    let prober = prober(ProberSettings {
        resolve: rules(&deaf, &[&other, &beacon]),
        beacons: vec![beacon.named()],
        ..hasty(bench.settings(&[deaf.site.addr]))
    });
    assert!(prober.udp_path_works(parallax_model::Family::V4).await);
    drop(beacon);
    assert_eq!(prober.probe(&h3(other.named()), NOW).await.outcome, Outcome::Ok);
    assert!(!prober.udp_path_works(parallax_model::Family::V4).await);
}

#[tokio::test]
async fn a_site_that_is_gone_over_tcp_too_is_not_excused() {
    let bench = Bench::new();
    let silent = UdpSocket::bind((HERE, 0)).await.expect("a port");
    let addr = silent.local_addr().expect("an address");
    let result = settled(&prober(hasty(bench.settings(&[addr]))), at(addr)).await;
    assert_eq!((party(&result), result.tie_breakers.without_h3_ok), (Some(Party::Unknown), Some(false)));
    assert!(!result.outcome.is_not_applicable());
}

#[tokio::test]
async fn a_silent_quic_beacon_says_nothing_about_tcp() {
    let bench = Bench::new();
    let deaf = Deaf::new(&bench).await;
    let settings = ProberSettings {
        resolve: rules(&deaf, &[]),
        beacons: vec![deaf.target()],
        ..hasty(bench.settings(&[deaf.site.addr]))
    };
    let prober = prober(settings);
    assert!(!prober.udp_path_works(parallax_model::Family::V4).await);
    assert_eq!(prober.beacon(parallax_model::Family::V4).await, parallax_model::BeaconState::Ok);
}
