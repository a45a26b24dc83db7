//! NAT64: IPv6 addresses that a network makes up for hosts that only have IPv4 (RFC 6052), and how a network is asked for the
//! prefix it makes them under (RFC 7050).

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

/// The name that only has IPv4 addresses: where a resolver answers IPv6 ones for it, they are made up (RFC 7050, 8.2).
pub const NAT64_NAME: &str = "ipv4only.arpa";
/// The IPv4 addresses of [`NAT64_NAME`] (RFC 7050, 8.3).
const NAT64_NAME_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];
/// How long a prefix may be (RFC 6052, 2.2), the usual one first.
pub(crate) const NAT64_LENGTHS: [u8; 6] = [96, 64, 56, 48, 40, 32];
/// Most prefixes that are taken from one answer: a network has one or two.
const MAX_PREFIXES: usize = 8;
/// Every IPv6 address made by NAT64 under the well-known prefix (RFC 6052).
pub(crate) const NAT64_WELL_KNOWN: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// Local-use NAT64 (RFC 8215).
pub(crate) const NAT64_LOCAL: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48);

/// The prefixes of the network whose resolver answered `answers` to a question for the IPv6 addresses of [`NAT64_NAME`]. None
/// where it answered none: then nothing is translated.
pub fn nat64_prefixes(answers: &[Ipv6Addr]) -> Vec<Ipv6Net> {
    let mut prefixes = Vec::new();
    for answer in answers {
        for length in NAT64_LENGTHS {
            let made_up = nat64_suffix(*answer, length).is_some_and(|v4| NAT64_NAME_V4.contains(&v4));
            let prefix = Ipv6Net::new(*answer, length).map(|net| net.trunc());
            if let Some(prefix) = prefix.ok().filter(|net| made_up && !prefixes.contains(net))
                && prefixes.len() < MAX_PREFIXES
            {
                prefixes.push(prefix);
            }
        }
    }
    prefixes
}

/// The IPv4 address in an address made under a NAT64 prefix of `prefix_len` bits (RFC 6052, 2.2: bits 64 to 71 are skipped).
pub(crate) fn nat64_suffix(v6: Ipv6Addr, prefix_len: u8) -> Option<Ipv4Addr> {
    let octets = v6.octets();
    let start = match prefix_len {
        32 | 40 | 48 | 56 | 64 | 96 => usize::from(prefix_len / 8),
        _ => return None,
    };
    let mut v4 = [0; 4];
    let picked = (start..).filter(|at| *at != 8 || prefix_len == 96);
    for (to, at) in v4.iter_mut().zip(picked) {
        *to = *octets.get(at)?;
    }
    Some(v4.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_found_at_each_length() {
        // The addresses of RFC 6052, section 2.4, for 192.0.0.170.
        for (answer, prefix) in [
            ("64:ff9b::c000:aa", "64:ff9b::/96"),
            ("2a00:db8:c000:aa::", "2a00:db8::/32"),
            ("2a00:db8:1c0:0:aa::", "2a00:db8:100::/40"),
            ("2a00:db8:122:c000:0:aa00::", "2a00:db8:122::/48"),
            ("2a00:db8:122:3c0:0:aa::", "2a00:db8:122:300::/56"),
            ("2a00:db8:122:344:c0:0:aa00::", "2a00:db8:122:344::/64"),
            ("2a00:db8:122:344::c000:ab", "2a00:db8:122:344::/96"),
        ] {
            let found = nat64_prefixes(&[answer.parse().expect("an address")]);
            assert_eq!(found, [prefix.parse::<Ipv6Net>().expect("a prefix")], "{answer}");
        }
    }

    #[test]
    fn answers_that_are_not_made_up_show_no_prefix() {
        for answer in ["2606:4700::1", "64:ff9b::808:808", "::", "2a00:db8::c000:ac"] {
            assert_eq!(nat64_prefixes(&[answer.parse().expect("an address")]), [], "{answer}");
        }
        assert_eq!(nat64_prefixes(&[]), []);
    }

    #[test]
    fn both_addresses_of_the_name_show_one_prefix_and_a_flood_shows_few() {
        let answer = |n: u128, tail: u128| Ipv6Addr::from((0x2a00_u128 << 112) | (n << 64) | tail);
        let both = [answer(1, 0xc000_00aa), answer(1, 0xc000_00ab)];
        assert_eq!(nat64_prefixes(&both).len(), 1);
        let many: Vec<Ipv6Addr> = (0..1_000).map(|n| answer(n, 0xc000_00aa)).collect();
        assert_eq!(nat64_prefixes(&many).len(), MAX_PREFIXES);
    }
}
