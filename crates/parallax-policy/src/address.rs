//! Which addresses may be connected to.
//!
//! The shape is an allow-list: IPv4 unicast and IPv6 2000::/3, less every row of the registries. An IPv4 address inside an
//! IPv6 address is judged too, for a packet to the one may end at the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use crate::nat64::{NAT64_LOCAL, NAT64_WELL_KNOWN, nat64_suffix};
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

/// All that IANA has given out for global unicast (RFC 4291, 2.4 with the IPv6 Global Unicast registry).
const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

impl Policy {
    /// Judges one address. Ranges the operator allowed come first, then the agent's own network, then the registries.
    pub(crate) fn judge_address(&self, ip: IpAddr, origin: Origin) -> Result<(), Refusal> {
        if self.allows_range(ip) {
            return Ok(());
        }
        let mut hidden = self.hidden(ip).into_iter().flatten();
        if self.is_local(ip) || hidden.any(|v4| self.is_local(IpAddr::V4(v4))) {
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
        let v6 = match ip {
            IpAddr::V4(v4) => return special_v4(v4),
            IpAddr::V6(v6) => v6,
        };
        let translated = self.nat64_v4(v6);
        let hidden = translated.or_else(|| embedded_v4(v6));
        if translated.is_some() && origin == Origin::Typed {
            return Some(Special { name: "IPv4-IPv6 Translat.", hidden });
        }
        // Of the special blocks only the two that are meant for translation are lifted by it: whoever answers that a network
        // translates under another special prefix would otherwise open that block.
        let meant = translated.is_some() && (NAT64_WELL_KNOWN.contains(&v6) || NAT64_LOCAL.contains(&v6));
        let block = if meant { None } else { special_v6(v6) };
        block.map(|special| Special { hidden, ..special }).or_else(|| {
            let mut disguised = self.hidden(ip).into_iter().flatten();
            disguised.find_map(|v4| special_v4(v4).map(|special| Special { hidden: Some(v4), ..special }))
        })
    }

    /// The IPv4 addresses that an address may stand for: by translation, and by the other forms.
    fn hidden(&self, ip: IpAddr) -> [Option<Ipv4Addr>; 2] {
        let IpAddr::V6(v6) = ip else { return [None, None] };
        let translated = self.nat64_v4(v6);
        let meant = translated.is_some() && NAT64_LOCAL.contains(&v6);
        [translated, if meant { None } else { embedded_v4(v6) }]
    }

    /// The IPv4 address behind the well-known NAT64 prefix or one of this network's own.
    fn nat64_v4(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        std::iter::once(&NAT64_WELL_KNOWN)
            .chain(&self.nat64)
            .find(|net| net.contains(&v6))
            .and_then(|net| nat64_suffix(v6, net.prefix_len()))
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

#[cfg(test)]
mod tests;
