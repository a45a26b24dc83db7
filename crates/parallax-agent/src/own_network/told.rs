//! What the system says about its network: its files, and what their lines mean.
//!
//! Reading is a thin shell around pure functions. A machine without IPv6 or without a `resolv.conf` has no such file; one whose own
//! IPv4 network cannot be read (not Linux, a sealed container) is an error, never an empty network.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Most ranges that are taken from one file; a machine with more routes than this is a router, not a vantage point.
const MAX_RANGES: usize = 1_024;
/// Households and offices are given at least this much; addresses within it are neighbours (RFC 6177).
const SITE_PREFIX: u8 = 56;
/// On-link prefixes shorter than this are not a local network but a point-to-point link's view of the world.
const SHORTEST_ON_LINK: u8 = 8;
/// Most bytes that are read of one file: a thousand routes are a tenth of it.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The network as the system knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// Every range that belongs to it.
    pub(super) ranges: BTreeSet<IpNet>,
    /// Whom the machine asks for names, first things first; among the ranges, too.
    pub(super) resolvers: Vec<IpNet>,
    /// Whether there is a way out over IPv6.
    pub(super) speaks_v6: bool,
}

impl Told {
    /// Reads what the system says now.
    pub(super) fn read() -> Result<Self, OwnNetworkError> {
        let routes_v6 = optional("/proc/self/net/ipv6_route")?;
        let mut ranges = BTreeSet::new();
        ranges.extend(routes_v4(&text("/proc/self/net/route")?));
        ranges.extend(addresses_v4(&text("/proc/self/net/fib_trie")?));
        ranges.extend(self::routes_v6(&routes_v6));
        ranges.extend(addresses_v6(&optional("/proc/self/net/if_inet6")?));
        let resolvers = resolvers(&optional("/etc/resolv.conf")?);
        ranges.extend(&resolvers);
        Ok(Self { ranges, resolvers, speaks_v6: has_default_v6(&routes_v6) })
    }
}

/// What the system does not tell of the agent's own network.
#[derive(Debug, thiserror::Error)]
#[error("reading the agent's own network from {path}")]
pub struct OwnNetworkError {
    path: &'static str,
    source: io::Error,
}

/// What a file holds.
fn text(path: &'static str) -> Result<String, OwnNetworkError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    read.map_err(|source| OwnNetworkError { path, source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a file holds that not every machine has; nothing where it is absent.
fn optional(path: &'static str) -> Result<String, OwnNetworkError> {
    match text(path) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// `/proc/self/net/route`: destination, gateway and mask as hexadecimal in the machine's byte order.
fn routes_v4(text: &str) -> Vec<IpNet> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let address = |at: usize| {
            let hex = fields.get(at)?;
            u32::from_str_radix(hex, 16).ok().map(|n| Ipv4Addr::from(n.to_ne_bytes()))
        };
        let (destination, gateway, mask) = (address(1)?, address(2)?, address(7)?);
        if !gateway.is_unspecified() {
            return Some(IpNet::from(IpAddr::V4(gateway)));
        }
        let net = Ipv4Net::with_netmask(destination, mask).ok()?;
        (net.prefix_len() >= SHORTEST_ON_LINK).then_some(IpNet::V4(net.trunc()))
    };
    text.lines().skip(1).filter_map(route).take(MAX_RANGES).collect()
}

/// `/proc/self/net/fib_trie`: an address on one line, what it is on the next. The machine's own are `/32 host LOCAL`; on a
/// point-to-point link no route tells them.
fn addresses_v4(text: &str) -> Vec<IpNet> {
    let mut address = None;
    let mut own = Vec::new();
    for line in text.lines() {
        if let Some(leaf) = line.trim_start().strip_prefix("|-- ") {
            address = leaf.parse::<Ipv4Addr>().ok();
        } else if line.trim() == "/32 host LOCAL" && own.len() < MAX_RANGES {
            own.extend(address.map(|ip| IpNet::from(IpAddr::V4(ip))));
        }
    }
    own
}

/// `/proc/self/net/ipv6_route`: destination and its length, source and its length, next hop, all hexadecimal.
fn routes_v6(text: &str) -> Vec<IpNet> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (destination, length) = (hex_v6(fields.first()?)?, u8::from_str_radix(fields.get(1)?, 16).ok()?);
        let next_hop = hex_v6(fields.get(4)?)?;
        if !next_hop.is_unspecified() {
            return Some(IpNet::from(IpAddr::V6(next_hop)));
        }
        (length >= SHORTEST_ON_LINK).then(|| site_of(destination, length)).flatten()
    };
    text.lines().filter_map(route).take(MAX_RANGES).collect()
}

/// Whether `/proc/self/net/ipv6_route` has a way to everywhere that leads out: not the kernel's own `::/0` on loopback, which
/// is where packets without a route end.
fn has_default_v6(text: &str) -> bool {
    text.lines().any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        fields.get(1) == Some(&"00") && fields.last().is_some_and(|device| *device != "lo")
    })
}

/// `/proc/self/net/if_inet6`: the machine's own addresses.
fn addresses_v6(text: &str) -> Vec<IpNet> {
    let own = |line: &str| site_of(hex_v6(line.split_ascii_whitespace().next()?)?, 128);
    text.lines().filter_map(own).take(MAX_RANGES).collect()
}

/// `resolv.conf(5)`: whom the machine asks for names.
fn resolvers(text: &str) -> Vec<IpNet> {
    let resolver = |line: &str| {
        let address = line.strip_prefix("nameserver")?.split_ascii_whitespace().next()?;
        // A zone such as %eth0 belongs to link-local addresses, which are refused anyway.
        address.split('%').next()?.parse::<IpAddr>().ok().map(IpNet::from)
    };
    text.lines().filter_map(resolver).take(MAX_RANGES).collect()
}

/// The prefix, widened to a whole site's where it is a global one.
pub(super) fn site_of(address: Ipv6Addr, length: u8) -> Option<IpNet> {
    let global = address.segments()[0] & 0xe000 == 0x2000;
    let length = if global { length.min(SITE_PREFIX) } else { length };
    Ipv6Net::new(address, length).ok().map(|net| IpNet::V6(net.trunc()))
}

fn hex_v6(text: &str) -> Option<Ipv6Addr> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ranges: Vec<IpNet>) -> Vec<String> {
        ranges.into_iter().map(|r| r.to_string()).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn on_link_networks_and_gateways_are_read() {
        let text = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
            eth0 00000000 0102A8C0 0003 0 0 0 00000000 0 0 0\n\
            eth0 0002A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n\
            ppp0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n\
            garbage\n";
        assert_eq!(texts(routes_v4(text)), ["192.168.2.1/32", "192.168.2.0/24"]);
    }

    #[test]
    fn a_global_prefix_means_the_whole_site() {
        let zeros = "00000000000000000000000000000000";
        let text = format!(
            "20010db8000100020000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 eth0\n\
             {zeros} 00 {zeros} 00 20010db8000100ff0000000000000001 00000400 00000003 00000000 00000003 eth0\n"
        );
        assert_eq!(texts(routes_v6(&text)), ["2001:db8:1::/56", "2001:db8:1:ff::1/128"]);
        let own = "20010db80001000200000000000000aa 02 40 00 80 eth0\nfe800000000000000000000000000001 03 40 20 80 eth0\n";
        assert_eq!(texts(addresses_v6(own)), ["2001:db8:1::/56", "fe80::1/128"]);
    }

    #[test]
    fn addresses_that_no_route_tells_are_read() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
            \x20    |-- 198.51.100.7\n        /32 host LOCAL\n     |-- 198.51.100.9\n        /32 universe UNICAST\n\
            \x20    |-- 0.0.0.0\n        /0 host LOCAL\n";
        assert_eq!(texts(addresses_v4(text)), ["198.51.100.7/32"]);
    }

    #[test]
    fn only_a_route_that_leads_out_makes_a_line_of_ipv6() {
        let zeros = "00000000000000000000000000000000";
        let route =
            |length: &str, device: &str| format!("{zeros} {length} {zeros} 00 {zeros} 400 3 0 3 {device}\n");
        let cases = [
            (String::new(), false),
            (route("00", "lo"), false),
            (route("40", "eth0"), false),
            (route("40", "eth0") + &route("00", "eth0"), true),
        ];
        for (text, expected) in cases {
            assert_eq!(has_default_v6(&text), expected, "{text}");
        }
    }

    #[test]
    fn what_this_machine_says_is_read() {
        if cfg!(target_os = "linux") {
            let told = Told::read().expect("a machine that tells");
            assert_eq!(told, Told::read().expect("it tells again"), "the same twice");
            let loopback: IpNet = "127.0.0.1/32".parse().expect("a range");
            assert!(told.ranges.contains(&loopback), "{:?}", told.ranges);
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_empty_network() {
        assert_eq!(optional("/proc/self/net/no-such-file").expect("absent"), "");
        let error = text("/proc/self/net/no-such-file").expect_err("absent");
        assert_eq!(error.to_string(), "reading the agent's own network from /proc/self/net/no-such-file");
        assert!(optional("/proc/self").is_err(), "there, and no file");
    }

    #[test]
    fn resolvers_are_read() {
        let text = "# comment\nnameserver 192.0.2.53\nnameserver 2001:db8::53%eth0\nsearch example.com\nnameserver\n";
        assert_eq!(texts(resolvers(text)), ["192.0.2.53/32", "2001:db8::53/128"]);
    }
}
