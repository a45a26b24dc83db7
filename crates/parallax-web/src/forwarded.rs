//! Whose request it is when a proxy passed it on (threat T52).
//!
//! Nobody is believed by default. A proxy whose address is on the operator's list is believed about the one hop before it, and so
//! on from right to left: the first address that is not on the list is the client's. What a client wrote further left is never read.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// Addresses that are read from right to left at most: no sensible chain of proxies is longer.
pub const MAX_HOPS: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed. Loopback and unix sockets are not on the list unless the operator puts them there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// These ranges and no others.
    pub const fn new(ranges: Vec<IpNet>) -> Self {
        Self(ranges)
    }

    /// Whether what `address` says of others is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }

    /// The client of a request that `peer` sent. `Forwarded` (RFC 7239) and `X-Forwarded-For` are both read; when they tell of two
    /// different clients neither is believed.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let listed = self.walk(peer, headers, &X_FORWARDED_FOR, address_of_entry);
        let standard = self.walk(peer, headers, &header::FORWARDED, address_of_element);
        match (listed, standard) {
            (Some(one), Some(other)) if one == other => one,
            (Some(one), None) | (None, Some(one)) => one,
            _ => peer,
        }
    }

    /// From right to left up to the first address that is not trusted; `None` without such a header. An entry that is no address
    /// ends the walk at the proxy that wrote it.
    fn walk(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        name: &HeaderName,
        read: fn(&str) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
        if lines.len() != headers.get_all(name).iter().count() || lines.is_empty() {
            return headers.contains_key(name).then_some(peer);
        }
        let mut last = peer;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MAX_HOPS) {
            let Some(address) = read(entry.trim()) else { return Some(last) };
            last = address;
            if !self.trusts(address) {
                break;
            }
        }
        Some(last)
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`, with or without a zone.
fn address_of_entry(entry: &str) -> Option<IpAddr> {
    let address = match entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let plain =
                port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
            plain.then(|| without_zone(address).parse().ok()).flatten()
        }
        None => without_zone(entry).parse().ok().or_else(|| {
            // Only IPv4 may have a port without brackets.
            entry.parse::<SocketAddr>().ok().map(|address| address.ip()).filter(IpAddr::is_ipv4)
        }),
    };
    address.map(|address: IpAddr| address.to_canonical())
}

fn without_zone(address: &str) -> &str {
    address.split('%').next().unwrap_or(address)
}

/// One element of `Forwarded`: `for=192.0.2.60;proto=http;by=203.0.113.43`, `For="[2001:db8:cafe::17]:4711"`.
fn address_of_element(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named =
        pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim());
    let value = named.next()?;
    // Twice in one element is not allowed, and nobody knows which is meant.
    if named.next().is_some() {
        return None;
    }
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    address_of_entry(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn client(trusted: &[&str], peer: &str, lines: &[(&str, &str)]) -> String {
        let trusted = TrustedProxies::new(trusted.iter().map(|range| range.parse().unwrap()).collect());
        trusted.client(peer.parse().unwrap(), &headers(lines)).to_string()
    }

    const PROXIES: &[&str] = &["10.0.0.0/8", "2001:db8:aa::/48", "127.0.0.1/32"];

    #[test]
    fn nobody_is_believed_unless_listed() {
        let forged = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
        assert_eq!(client(&[], "127.0.0.1", &forged), "127.0.0.1");
        assert_eq!(client(&[], "10.0.0.1", &forged), "10.0.0.1");
        assert_eq!(client(PROXIES, "192.0.2.7", &forged), "192.0.2.7", "a client that plays proxy");
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let hundred = (1..100).map(|n| format!("10.1.1.{n}")).collect::<Vec<_>>().join(", ");
        let hundred = format!("198.51.100.9, {hundred}");
        for (value, expected) in [
            ("198.51.100.1", "198.51.100.1"),
            ("203.0.113.66, 198.51.100.1", "198.51.100.1"),
            ("203.0.113.66, 198.51.100.1, 10.2.2.2", "198.51.100.1"),
            ("198.51.100.1:4711", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("10.2.2.2, 10.3.3.3", "10.2.2.2"),
            ("203.0.113.66, unknown, 10.2.2.2", "10.2.2.2"),
            ("nonsense", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("198.51.100.1, ", "10.0.0.1"),
            ("198.51.100.1:99999", "10.0.0.1"),
            ("[2001:db8::1]x", "10.0.0.1"),
            ("2001:db8::1:443x", "10.0.0.1"),
            (&hundred, "10.1.1.68"),
        ] {
            assert_eq!(client(PROXIES, "10.0.0.1", &[("x-forwarded-for", value)]), expected, "{value:?}");
        }
        let lines = [("x-forwarded-for", "203.0.113.66"), ("x-forwarded-for", "198.51.100.1")];
        assert_eq!(client(PROXIES, "10.0.0.1", &lines), "198.51.100.1", "the last line is the last hop");
        assert_eq!(client(PROXIES, "::ffff:10.0.0.1", &lines), "198.51.100.1", "a mapped peer");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        for (value, expected) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=203.0.113.66, for=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1"),
            ("proto=https;for=\"198.51.100.1:8080\"", "198.51.100.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("for=1.2.3.4;for=5.6.7.8", "10.0.0.1"),
            ("by=198.51.100.1", "10.0.0.1"),
        ] {
            assert_eq!(client(PROXIES, "10.0.0.1", &[("forwarded", value)]), expected, "{value:?}");
        }
    }

    #[test]
    fn headers_that_disagree_are_both_dropped() {
        let agree = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
        assert_eq!(client(PROXIES, "10.0.0.1", &agree), "198.51.100.1");
        let differ = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=203.0.113.66")];
        assert_eq!(client(PROXIES, "10.0.0.1", &differ), "10.0.0.1");
    }
}
