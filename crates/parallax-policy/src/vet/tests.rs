use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

fn name(text: &str) -> Host {
    text.parse().expect("a host")
}

fn code(policy: &Policy, host: &str, port: Port, answers: &[&str]) -> Option<Code> {
    policy.vet(&name(host), port, &ips(answers)).err().map(|refusal| refusal.code())
}

const HTTPS: Port = parallax_model::Scheme::Https.default_port();

#[test]
fn one_forbidden_answer_refuses_them_all() {
    let policy = Policy::public();
    let cases: [(&[&str], Option<Code>); 9] = [
        (&["1.1.1.1", "2606:4700:4700::1111"], None),
        (&[], None),
        (&["64:ff9b::808:808"], None),
        (&["127.0.0.1"], Some(Code::BlockedAddress)),
        (&["10.0.0.1"], Some(Code::BlockedAddress)),
        (&["::1"], Some(Code::BlockedAddress)),
        (&["1.1.1.1", "10.0.0.1"], Some(Code::BlockedAddress)),
        (&["64:ff9b::a9fe:a9fe"], Some(Code::BlockedAddress)),
        (&["::ffff:8.8.8.8"], Some(Code::BlockedAddress)),
    ];
    for (answers, expected) in cases {
        assert_eq!(code(&policy, "example.com", HTTPS, answers), expected, "{answers:?}");
    }
}

#[test]
fn typed_addresses_are_judged_as_typed() {
    let policy = Policy::public();
    assert_eq!(code(&policy, "127.0.0.1", HTTPS, &["127.0.0.1"]), Some(Code::PrivateAddress));
    assert_eq!(code(&policy, "64:ff9b::808:808", HTTPS, &["64:ff9b::808:808"]), Some(Code::PrivateAddress));
}

#[test]
fn vetted_addresses_keep_order_and_port() {
    let vetted = Policy::public()
        .vet(&name("example.com"), HTTPS, &ips(&["1.1.1.1", "2606:4700:4700::1111"]))
        .expect("both are public");
    let sockets: Vec<String> = vetted.iter().map(|addr| addr.socket_addr().to_string()).collect();
    assert_eq!(sockets, ["1.1.1.1:443", "[2606:4700:4700::1111]:443"]);
}

#[test]
fn answers_beyond_the_limit_are_neither_judged_nor_returned() {
    let mut answers: Vec<IpAddr> = (0..4_000_u32).map(|n| Ipv4Addr::from(0x0101_0000 + n).into()).collect();
    answers[MAX_ANSWERS] = Ipv4Addr::LOCALHOST.into();
    let policy = Policy::public();
    let vetted = policy.vet(&name("example.com"), HTTPS, &answers).expect("the first 32 are public");
    assert_eq!(vetted.len(), MAX_ANSWERS);
    answers[MAX_ANSWERS - 1] = Ipv4Addr::LOCALHOST.into();
    assert!(policy.vet(&name("example.com"), HTTPS, &answers).is_err());
}

#[test]
fn allowed_ranges_lift_address_and_port_for_themselves_only() {
    let policy = Policy::allowing(vec!["127.0.0.0/8".parse().expect("a range")]);
    let high = Port::new(8081).expect("not zero");
    assert_eq!(code(&policy, "site.demo", high, &["127.1.2.3"]), None);
    assert_eq!(code(&policy, "127.1.2.3", high, &["127.1.2.3"]), None);
    assert_eq!(code(&policy, "site.demo", high, &["1.1.1.1"]), Some(Code::PortNotAllowed));
    assert_eq!(code(&policy, "site.demo", high, &["127.1.2.3", "1.1.1.1"]), Some(Code::PortNotAllowed));
    assert_eq!(code(&policy, "site.demo", HTTPS, &["10.0.0.1"]), Some(Code::BlockedAddress));
    assert_eq!(code(&policy, "site.demo", HTTPS, &["::ffff:127.0.0.1"]), Some(Code::BlockedAddress));
}

#[test]
fn the_agents_own_network_is_told_apart() {
    let policy = Policy::public().refusing_ranges(["2a00:1:2:300::/56".parse().expect("a range")]);
    assert_eq!(code(&policy, "example.com", HTTPS, &["2a00:1:2:3ff::1"]), Some(Code::BlockedLocal));
    assert_eq!(code(&policy, "example.com", HTTPS, &["2a00:1:2:400::1"]), None);
}

#[test]
fn name_servers_are_judged_as_sites_are_and_asked_at_their_own_port() {
    let policy = Policy::public().refusing_ranges(["9.9.9.0/24".parse().expect("a range")]);
    let server = name("ns.example.com");
    let vetted = policy.vet_name_server(&server, &ips(&["8.8.8.8", "2606:4700:4700::1111"])).expect("public");
    let sockets: Vec<String> = vetted.iter().map(|addr| addr.socket_addr().to_string()).collect();
    assert_eq!(sockets, ["8.8.8.8:53", "[2606:4700:4700::1111]:53"]);
    let cases: [(&[&str], Reason); 6] = [
        (&["127.0.0.1"], Reason::IpSpecial),
        (&["8.8.8.8", "192.168.1.1"], Reason::IpSpecial),
        (&["169.254.169.254"], Reason::IpSpecial),
        (&["fe80::1"], Reason::IpSpecial),
        (&["64:ff9b::a00:1"], Reason::IpSpecial),
        (&["9.9.9.9"], Reason::LocalNetwork),
    ];
    for (answers, expected) in cases {
        let refused = policy.vet_name_server(&server, &ips(answers)).expect_err("refused");
        assert_eq!(refused.reason(), expected, "{answers:?}");
    }
}
