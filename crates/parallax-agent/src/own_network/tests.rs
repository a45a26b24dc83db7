use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use parallax_model::{Host, Port};

use super::*;

/// An agent's network that says `ranges`, with nothing read from this machine.
fn own(ranges: &[&str]) -> OwnNetwork {
    let live = LivePolicy::from(Policy::public());
    let base = Policy::public();
    let (told, left, seen) = (Told::default(), VecDeque::new(), VecDeque::new());
    let mut own = OwnNetwork { base, live, told, left, seen, nat64: Vec::new() };
    own.told(says(ranges));
    own
}

fn says(ranges: &[&str]) -> Told {
    let ranges: BTreeSet<IpNet> = ranges.iter().map(|range| range.parse().expect("a range")).collect();
    Told { ranges, speaks_v6: true, ..Told::default() }
}

/// Whether a name that leads to `address` may be probed.
fn reaches(live: &LivePolicy, address: &str) -> bool {
    let host: Host = "printer.example.com".parse().expect("a host");
    let port = Port::new(443).expect("not zero");
    live.current().vet(&host, port, &[address.parse().expect("an address")]).is_ok()
}

#[test]
fn a_neighbour_with_a_global_address_is_refused() {
    let own = own(&["2a00:0:1::/56"]);
    assert!(!reaches(&own.live, "2a00:0:1:2::1"), "the same network");
    assert!(!reaches(&own.live, "2a00:0:1:ff::1"), "the same site");
    assert!(reaches(&own.live, "2a00:0:1:100::1"), "another site");
}

#[test]
fn a_change_of_the_network_is_followed_and_the_old_one_stays_refused() {
    let mut own = own(&["8.8.8.0/24"]);
    assert!(!own.told(says(&["8.8.8.0/24"])), "nothing is new");
    assert!(own.told(says(&["9.9.9.0/24"])));
    let resolvers = vec!["9.9.9.9/32".parse().expect("a range")];
    assert!(own.told(Told { resolvers, ..says(&["9.9.9.0/24"]) }), "another resolver in the same network");
    assert!(!reaches(&own.live, "9.9.9.9"), "where we are");
    assert!(!reaches(&own.live, "8.8.8.8"), "where we were");
    assert!(reaches(&own.live, "1.1.1.1"), "where we never were");
    for n in 0..=u8::try_from(MAX_LEFT).expect("small") {
        own.told(says(&[&format!("11.0.{n}.0/24")]));
    }
    assert_eq!(own.left.len(), MAX_LEFT);
    assert!(reaches(&own.live, "8.8.8.8"), "forgotten after {MAX_LEFT} others");
}

#[test]
fn where_the_aggregator_sees_us_is_refused() {
    let mut own = own(&[]);
    own.seen_from("8.8.8.8".parse().expect("an address"));
    own.seen_from("::ffff:9.9.9.9".parse().expect("an address"));
    own.seen_from("2a00:0:1:2::5".parse().expect("an address"));
    for (address, expected) in [
        ("8.8.8.8", false),
        ("8.8.8.9", true),
        ("9.9.9.9", false),
        ("2a00:0:1:ff::1", false),
        ("2a00:0:1:100::1", true),
        ("64:ff9b::808:808", false),
    ] {
        assert_eq!(reaches(&own.live, address), expected, "{address}");
    }
}

#[test]
fn an_aggregator_that_lies_about_us_can_only_tighten_and_only_a_little() {
    let mut own = own(&["8.8.8.0/24"]);
    for n in 0..1_000_u32 {
        own.seen_from(Ipv4Addr::from(0x0101_0000 + n).into());
    }
    own.seen_from("127.0.0.1".parse().expect("an address"));
    assert_eq!(own.seen.len(), MAX_SEEN);
    for (address, expected) in [
        ("8.8.8.8", false),
        ("127.0.0.1", false),
        ("10.0.0.1", false),
        ("1.1.0.1", true),
        ("1.1.3.231", false),
    ] {
        assert_eq!(reaches(&own.live, address), expected, "{address}");
    }
}

#[test]
fn answers_under_the_networks_nat64_prefix_are_what_they_stand_for() {
    let mut own = own(&[]);
    assert!(reaches(&own.live, "2a00:64::a00:1"), "an address like others");
    own.translated(vec!["2a00:64::/96".parse().expect("a prefix")]);
    assert!(!reaches(&own.live, "2a00:64::a00:1"), "10.0.0.1");
    assert!(reaches(&own.live, "2a00:64::808:808"), "8.8.8.8");
    own.seen_from("8.8.8.8".parse().expect("an address"));
    assert!(!reaches(&own.live, "2a00:64::808:808"), "our own router");
    own.translated(Vec::new());
    assert!(reaches(&own.live, "2a00:64::a00:1"), "another network");
}

#[test]
fn what_the_operator_allowed_stays_allowed() {
    let live = LivePolicy::from(Policy::allowing(vec!["127.0.0.0/8".parse().expect("a range")]));
    let mut own = OwnNetwork::read(live.clone(), Level::Operator).expect("an operator's runs anyhow");
    own.told(says(&["127.0.0.1/32"]));
    own.seen_from("127.0.0.1".parse().expect("an address"));
    assert!(reaches(&live, "127.0.0.1"));
}
