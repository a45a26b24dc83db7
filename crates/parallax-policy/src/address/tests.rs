use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use parallax_model::Port;
use proptest::prelude::*;

use super::*;
use crate::registry::REGISTRY;

fn allowed(ip: IpAddr, origin: Origin) -> bool {
    Policy::public().judge_address(ip, origin).is_ok()
}

/// First and last address of each block.
type Ranges = Vec<(u128, u128)>;

/// The registries as numbers: written apart from the code under test, which asks `ipnet`.
fn ranges() -> (Ranges, Ranges) {
    let v4 = REGISTRY.v4.iter().map(|(net, _)| {
        let first = u128::from(u32::from(net.addr()));
        (first, first + (1_u128 << (32 - net.prefix_len())) - 1)
    });
    let v6 = REGISTRY.v6.iter().map(|(net, _)| {
        let first = u128::from(net.addr());
        (first, first | (u128::MAX.checked_shr(u32::from(net.prefix_len())).unwrap_or(0)))
    });
    (v4.collect(), v6.collect())
}

fn inside(ranges: &[(u128, u128)], n: u128) -> bool {
    ranges.iter().any(|&(first, last)| (first..=last).contains(&n))
}

#[test]
fn every_v4_block_begins_and_ends_where_its_row_says() {
    let (v4, _) = ranges();
    for &(first, last) in &v4 {
        for n in [Some(first), Some(last), first.checked_sub(1), Some(last + 1)].into_iter().flatten() {
            let Ok(n32) = u32::try_from(n) else { continue };
            let ip = IpAddr::V4(Ipv4Addr::from(n32));
            assert_eq!(allowed(ip, Origin::Typed), !inside(&v4, n), "{ip}");
            assert_eq!(allowed(ip, Origin::Resolved), !inside(&v4, n), "{ip}");
        }
        assert!(inside(&v4, first) && inside(&v4, last));
    }
}

#[test]
fn every_v6_block_begins_and_ends_where_its_row_says() {
    let (_, v6) = ranges();
    for &(first, last) in &v6 {
        for n in [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
            let ip = IpAddr::V6(Ipv6Addr::from(n));
            let global = n >> 125 == 1;
            assert_eq!(allowed(ip, Origin::Typed), global && !inside(&v6, n), "{ip}");
        }
    }
}

#[test]
fn each_disguise_shows_its_ipv4_address() {
    let hidden = [
        ("127.0.0.1", "7f00:1", "80ff:fffe"),
        ("10.0.0.1", "a00:1", "f5ff:fffe"),
        ("169.254.169.254", "a9fe:a9fe", "5601:5601"),
        ("100.100.100.200", "6464:64c8", "9b9b:9b37"),
        ("8.8.8.8", "808:808", "f7f7:f7f7"),
    ];
    for (v4, hex, inverted) in hidden {
        let v4: Ipv4Addr = v4.parse().unwrap();
        for text in [
            format!("::ffff:{hex}"),
            format!("::{hex}"),
            format!("::ffff:0:{hex}"),
            format!("64:ff9b::{hex}"),
            format!("64:ff9b:1::{hex}"),
            format!("2002:{hex}::1"),
            format!("2001:0:4136:e378:8000:63bf:{inverted}"),
            format!("2a00:1450:1:2:0:5efe:{hex}"),
            format!("2a00:1450:1:2:200:5efe:{hex}"),
        ] {
            let v6: Ipv6Addr = text.parse().unwrap();
            assert_eq!(embedded_v4(v6), Some(v4), "{v6}");
            let isatap = text.contains("5efe");
            let public = v4 == Ipv4Addr::new(8, 8, 8, 8);
            assert_eq!(allowed(v6.into(), Origin::Typed), isatap && public, "{v6} typed");
            let from_dns64 = text.starts_with("64:ff9b::");
            assert_eq!(
                allowed(v6.into(), Origin::Resolved),
                (isatap || from_dns64) && public,
                "{v6} resolved"
            );
        }
    }
    for plain in ["2606:4700:4700::1111", "::1", "::", "2a00::5efe:1"] {
        assert_eq!(embedded_v4(plain.parse().unwrap()), None, "{plain}");
    }
}

#[test]
fn a_networks_own_nat64_prefix_is_read_at_each_length() {
    // RFC 6052, section 2.4, with 2a00:db8 in the place of 2001:db8, which is refused anyway.
    for (prefix, address) in [
        ("2a00:db8::/32", "2a00:db8:c000:221::"),
        ("2a00:db8:100::/40", "2a00:db8:1c0:2:21::"),
        ("2a00:db8:122::/48", "2a00:db8:122:c000:2:2100::"),
        ("2a00:db8:122:300::/56", "2a00:db8:122:3c0:0:221::"),
        ("2a00:db8:122:344::/64", "2a00:db8:122:344:c0:2:2100::"),
        ("2a00:db8:122:344::/96", "2a00:db8:122:344::c000:221"),
    ] {
        let policy = Policy::public().with_nat64([prefix.parse().unwrap()]);
        let v6: Ipv6Addr = address.parse().unwrap();
        assert_eq!(policy.nat64_v4(v6), Some(Ipv4Addr::new(192, 0, 2, 33)), "{address}");
        let refusal = policy.judge_address(v6.into(), Origin::Resolved).unwrap_err();
        assert_eq!(refusal.reason(), Reason::IpSpecial, "192.0.2.33 is documentation");
        assert!(allowed(v6.into(), Origin::Resolved), "without the prefix it is an address like others");
    }
}

#[test]
fn a_claim_to_translate_opens_no_special_block() {
    let cases = [
        // What translates, an address under it that stands for 8.8.8.8, whether it may be connected to.
        ("64:ff9b:1::/96", "64:ff9b:1::808:808", true),
        ("64:ff9b:1:aa::/96", "64:ff9b:1:aa::808:808", true),
        ("64:ff9b:1::/96", "64:ff9b:1::a00:1", false),
        ("64:ff9b:1:aa::/96", "64:ff9b:1:bb::808:808", false),
        ("2a00:64::/96", "2a00:64::808:808", true),
        ("2a00:64::/64", "2a00:64::5efe:a00:1", false),
        ("fd00:ec2::/96", "fd00:ec2::808:808", false),
        ("fe80::/96", "fe80::808:808", false),
        ("::/96", "::808:808", false),
        ("::ffff:0:0/96", "::ffff:808:808", false),
        ("2001:db8::/96", "2001:db8::808:808", false),
        ("2002::/32", "2002:0:808:808::", false),
        ("4000::/96", "4000::808:808", false),
    ];
    for (prefix, address, expected) in cases {
        let policy = Policy::public().with_nat64([prefix.parse().unwrap()]);
        let judged = policy.judge_address(address.parse().unwrap(), Origin::Resolved);
        assert_eq!(judged.is_ok(), expected, "{address} where {prefix} translates: {judged:?}");
        assert!(policy.judge_address(address.parse().unwrap(), Origin::Typed).is_err(), "{address} typed");
    }
}

#[test]
fn local_ranges_are_refused_also_in_disguise() {
    let local: Vec<IpNet> = vec!["8.8.8.0/24".parse().unwrap(), "2a00:1:2:300::/56".parse().unwrap()];
    let policy = Policy::public().refusing_ranges(local);
    for ip in ["8.8.8.8", "2a00:1:2:3ff::1", "64:ff9b::808:808"] {
        let refusal = policy.judge_address(ip.parse().unwrap(), Origin::Resolved).unwrap_err();
        assert_eq!(refusal.code(), crate::Code::BlockedLocal, "{ip}");
    }
    assert_eq!(policy.judge_address("8.8.4.4".parse().unwrap(), Origin::Resolved), Ok(()));
}

/// Addresses of all kinds: random ones alone would hardly ever meet a special form.
fn any_v6() -> impl Strategy<Value = Ipv6Addr> {
    let heads = proptest::sample::select(vec![
        "::",
        "::ffff:0:0",
        "::ffff:0:0:0",
        "64:ff9b::",
        "64:ff9b:1::",
        "2002::",
        "2001::",
        "2a00:1:2:3:0:5efe::",
        "2a00:1:2:3:200:5efe::",
        "2606:4700::",
        "fc00::",
        "ff02::",
        "3fff::",
    ]);
    (heads, any::<u128>(), proptest::sample::select(vec![16_u32, 32, 48, 64, 96])).prop_map(
        |(head, noise, kept)| {
            let head = u128::from(head.parse::<Ipv6Addr>().unwrap());
            Ipv6Addr::from(head | (noise >> kept))
        },
    )
}

proptest! {
    #[test]
    fn what_is_allowed_hides_nothing_forbidden(v6 in any_v6(), typed in any::<bool>()) {
        let origin = if typed { Origin::Typed } else { Origin::Resolved };
        if allowed(v6.into(), origin) && let Some(v4) = embedded_v4(v6) {
            prop_assert!(allowed(v4.into(), origin), "{v6} hides {v4}");
        }
    }

    #[test]
    fn random_addresses_are_judged_as_the_rows_say(v4 in any::<u32>(), v6 in any::<u128>()) {
        let (ranges4, ranges6) = ranges();
        let ip = IpAddr::V4(v4.into());
        prop_assert_eq!(allowed(ip, Origin::Resolved), !inside(&ranges4, v4.into()));
        let global = (v6 >> 3) | (1 << 125);
        let ip = Ipv6Addr::from(global);
        if embedded_v4(ip).is_none() {
            prop_assert_eq!(allowed(ip.into(), Origin::Resolved), !inside(&ranges6, global));
        }
    }

    #[test]
    fn only_two_ports_are_reached(port in 1_u16..) {
        let host = "example.com".parse().unwrap();
        let vetted = Policy::public().vet(&host, Port::new(port).unwrap(), &["1.1.1.1".parse().unwrap()]);
        prop_assert_eq!(vetted.is_ok(), port == 80 || port == 443);
    }
}
