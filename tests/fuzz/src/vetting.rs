//! What a resolver answered: the addresses a probe would connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use parallax_model::{Host, Port};
use parallax_policy::{MAX_ANSWERS, Policy, embedded_v4};

use super::text::{MAX_SENTENCE_BYTES, assert_plain};

/// Reads bytes as a resolver's answer: a byte of 4 or any other, then so many bytes of an address, again and again. Either every
/// address may be connected to, or none is; and nothing private hides in one that may.
pub fn vetting(bytes: &[u8]) {
    let policy = Policy::public();
    let host: Host = "site.example.org".parse().expect("a name");
    let answers = addresses(bytes);
    let judged = &answers[..answers.len().min(MAX_ANSWERS)];
    let port = Port::new(443).expect("a port");
    let alone = |ip: IpAddr| policy.vet(&host, port, &[ip]).is_ok();
    match policy.vet(&host, port, &answers) {
        Ok(vetted) => {
            assert_eq!(vetted.len(), judged.len(), "an address was left out silently");
            for (address, ip) in vetted.iter().zip(judged) {
                assert_eq!(
                    address.socket_addr(),
                    SocketAddr::new(*ip, 443),
                    "another address than the answer's"
                );
                assert_open(*ip);
                let typed = policy.check_host(&Host::from(*ip)).is_ok();
                // Only a resolver may make up an address behind NAT64.
                assert!(typed || is_nat64(*ip), "{ip}: may be connected to but not typed");
            }
        }
        Err(refusal) => {
            assert_plain("a refusal", &refusal.to_string(), MAX_SENTENCE_BYTES);
            assert!(
                !judged.iter().all(|ip| alone(*ip)),
                "{judged:?}: each may be connected to, all together not"
            );
        }
    }
    let odd = Port::new(8_443).expect("a port");
    assert!(judged.is_empty() || policy.vet(&host, odd, &answers).is_err(), "a port that is not probed");
}

/// Written apart from the policy on purpose: what must never be met, in the standard library's words.
pub(super) fn assert_open(ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => assert_open_v4(v4),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            let private = v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || (s[0], s[1]) == (0x2001, 0xdb8);
            assert!(!private, "{v6} may be connected to");
            if let Some(v4) = v6.to_ipv4_mapped().or_else(|| embedded_v4(v6)) {
                assert_open_v4(v4);
            }
        }
    }
}

fn assert_open_v4(v4: Ipv4Addr) {
    let [a, b, ..] = v4.octets();
    let private = v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b));
    assert!(!private, "{v4} may be connected to");
}

fn is_nat64(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0])
}

fn addresses(mut bytes: &[u8]) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        if *kind == 4 {
            let Some((v4, rest)) = rest.split_first_chunk::<4>() else { break };
            addresses.push(IpAddr::V4(Ipv4Addr::from(*v4)));
            bytes = rest;
        } else {
            let Some((v6, rest)) = rest.split_first_chunk::<16>() else { break };
            addresses.push(IpAddr::V6(Ipv6Addr::from(*v6)));
            bytes = rest;
        }
    }
    addresses
}
