//! The network the agent stands in: what it must never probe, whoever asks (threats.md T3).
//!
//! A volunteer's phones and printers often have global IPv6 addresses, which no list of special addresses covers. So the agent
//! refuses its on-link prefixes, its gateways, its resolvers and the /56 around each of its own global IPv6 addresses. What the
//! kernel and the resolver's configuration say is read once, when the agent starts; a network that changes later is not followed,
//! and the public IPv4 address in front of a NAT is not known here.
//!
//! Reading is a thin shell; what the lines mean is pure. Where the files are absent (not Linux) nothing is added.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Most ranges that are taken from one file; a machine with more routes than this is a router, not a vantage point.
const MAX_RANGES: usize = 1_024;
/// Households and offices are given at least this much; addresses within it are neighbours (RFC 6177).
const SITE_PREFIX: u8 = 56;
/// On-link prefixes shorter than this are not a local network but a point-to-point link's view of the world.
const SHORTEST_ON_LINK: u8 = 8;

/// Every range of this machine's own network.
pub(crate) fn ranges() -> Vec<IpNet> {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let mut ranges = routes_v4(&read("/proc/self/net/route"));
    ranges.extend(routes_v6(&read("/proc/self/net/ipv6_route")));
    ranges.extend(addresses_v6(&read("/proc/self/net/if_inet6")));
    ranges.extend(resolvers(&read("/etc/resolv.conf")));
    ranges
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
fn site_of(address: Ipv6Addr, length: u8) -> Option<IpNet> {
    let global = address.segments()[0] & 0xe000 == 0x2000;
    let length = if global { length.min(SITE_PREFIX) } else { length };
    Ipv6Net::new(address, length).ok().map(|net| IpNet::V6(net.trunc()))
}

fn hex_v6(text: &str) -> Option<Ipv6Addr> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from)).flatten()
}

#[cfg(test)]
mod tests {
    use parallax_model::{Host, Port};
    use parallax_policy::Policy;

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
    fn resolvers_are_read() {
        let text = "# comment\nnameserver 192.0.2.53\nnameserver 2001:db8::53%eth0\nsearch example.com\nnameserver\n";
        assert_eq!(texts(resolvers(text)), ["192.0.2.53/32", "2001:db8::53/128"]);
    }

    #[test]
    fn a_neighbour_with_a_global_address_is_refused() {
        let own = addresses_v6("2a0000000001000200000000000000aa 02 40 00 80 eth0\n");
        let policy = Policy::public().refusing_ranges(own);
        let host: Host = "printer.example.com".parse().expect("a host");
        let port = Port::new(443).expect("not zero");
        let vet = |address: &str| policy.vet(&host, port, &[address.parse().expect("an address")]).is_ok();
        assert!(!vet("2a00:0:1:2::1"), "the same network");
        assert!(!vet("2a00:0:1:ff::1"), "the same site");
        assert!(vet("2a00:0:1:100::1"), "another site");
    }
}
