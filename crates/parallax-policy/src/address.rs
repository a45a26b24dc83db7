//! Which addresses may be connected to.
//!
//! The shape is an allow-list: IPv4 unicast and IPv6 2000::/3, less every row of the registries. An IPv4 address inside an
//! IPv6 address is judged too, for a packet to the one may end at the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use crate::registry::REGISTRY;
use crate::{Policy, Reason, Refusal};

/// How we came by an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A person typed it, or a redirect named it.
    Typed,
    /// A resolver answered it. Only then may it stand for an IPv4 address behind NAT64: on a line without IPv4 the
    /// resolver makes it up from the site's A record (DNS64, RFC 6147).
    Resolved,
}

/// Why an address is not connected to: the registered name of its block, and the IPv4 address that it hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Special {
    name: &'static str,
    hidden: Option<Ipv4Addr>,
}

/// Every IPv6 address made by NAT64 under the well-known prefix (RFC 6052).
const NAT64_WELL_KNOWN: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// Local-use NAT64 (RFC 8215).
const NAT64_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48);
/// All that IANA has given out for global unicast (RFC 4291, 2.4 with the IPv6 Global Unicast registry).
const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

impl Policy {
    /// Judges one address. Ranges the operator allowed come first, then the agent's own network, then the registries.
    pub(crate) fn judge_address(&self, ip: IpAddr, origin: Origin) -> Result<(), Refusal> {
        if self.allows_range(ip) {
            return Ok(());
        }
        let hidden = match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => self.embedded(v6),
        };
        if self.is_local(ip) || hidden.is_some_and(|v4| self.is_local(IpAddr::V4(v4))) {
            return Err(Refusal::about(
                Reason::LocalNetwork,
                ip,
                "belongs to the network that the probe itself stands in, which is never probed from there.",
            ));
        }
        match self.special(ip, origin) {
            None => Ok(()),
            Some(special) => Err(Refusal::about(Reason::IpSpecial, ip, special.predicate())),
        }
    }

    fn special(&self, ip: IpAddr, origin: Origin) -> Option<Special> {
        match ip {
            IpAddr::V4(v4) => special_v4(v4),
            IpAddr::V6(v6) => {
                let hidden = self.embedded(v6);
                if let Some(v4) = self.nat64_v4(v6) {
                    return match origin {
                        Origin::Typed => Some(Special { name: "IPv4-IPv6 Translat.", hidden }),
                        Origin::Resolved => {
                            special_v4(v4).map(|special| Special { hidden: Some(v4), ..special })
                        }
                    };
                }
                special_v6(v6).map(|special| Special { hidden, ..special }).or_else(|| {
                    let v4 = hidden?;
                    special_v4(v4).map(|special| Special { hidden: Some(v4), ..special })
                })
            }
        }
    }

    /// The IPv4 address behind the well-known NAT64 prefix or one of this network's own.
    fn nat64_v4(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        std::iter::once(&NAT64_WELL_KNOWN)
            .chain(&self.nat64)
            .find(|net| net.contains(&v6))
            .and_then(|net| nat64_suffix(v6, net.prefix_len()))
    }

    fn embedded(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.nat64_v4(v6).or_else(|| embedded_v4(v6))
    }
}

impl Special {
    fn predicate(self) -> String {
        let name = self.name;
        match self.hidden {
            None => format!(
                "is not an address of the public Internet ({name}), so only its own network could say whether it works: type a \
                 public host name."
            ),
            Some(v4) => {
                format!(
                    "stands for the IPv4 address {v4} ({name}), which is not probed in disguise: type the site's name."
                )
            }
        }
    }
}

fn special_v4(v4: Ipv4Addr) -> Option<Special> {
    let blocks = REGISTRY.v4.iter().filter(|(net, _)| net.contains(&v4));
    let (_, name) = blocks.max_by_key(|(net, _)| net.prefix_len())?;
    Some(Special { name, hidden: None })
}

fn special_v6(v6: Ipv6Addr) -> Option<Special> {
    let blocks = REGISTRY.v6.iter().filter(|(net, _)| net.contains(&v6));
    match blocks.max_by_key(|(net, _)| net.prefix_len()) {
        Some((_, name)) => Some(Special { name, hidden: None }),
        None if GLOBAL_UNICAST.contains(&v6) => None,
        None => Some(Special { name: "outside 2000::/3", hidden: None }),
    }
}

/// The IPv4 address that an IPv6 address carries by one of the known forms: mapped, compatible, translated, NAT64 (both
/// prefixes), 6to4, Teredo (its client) and ISATAP. Says nothing about whether either may be connected to.
pub fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let tail = Ipv4Addr::from(((u32::from(s[6])) << 16) | u32::from(s[7]));
    if NAT64_WELL_KNOWN.contains(&v6) {
        return Some(tail);
    }
    if NAT64_LOCAL.contains(&v6) {
        // RFC 6052 puts the IPv4 address elsewhere for a /48; people who type these write it at the end.
        let inner = nat64_suffix(v6, 48).filter(|v4| !v4.is_unspecified());
        return Some(inner.unwrap_or(tail));
    }
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0x2002, high, low, ..] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        // RFC 4380: the client's address with every bit turned over.
        [0x2001, 0, _, _, _, _, high, low] => {
            Some(Ipv4Addr::from(!((u32::from(high) << 16) | u32::from(low))))
        }
        // Compatible and mapped, translated, ISATAP (RFC 5214: the 0x200 bit says that the IPv4 address is thought unique).
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(tail),
        _ => None,
    }
}

/// The IPv4 address in an address made under a NAT64 prefix of `prefix_len` bits (RFC 6052, 2.2: bits 64 to 71 are skipped).
fn nat64_suffix(v6: Ipv6Addr, prefix_len: u8) -> Option<Ipv4Addr> {
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
mod tests;
