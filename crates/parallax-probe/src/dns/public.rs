//! The public resolvers a probe may be told to ask. They are fixed here: nobody who asks for a check names a resolver, so no
//! probe can be turned against one (a reflection, or a scan for open resolvers).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// The port of resolvers (RFC 1035, 4.2).
const DNS_PORT: u16 = 53;

/// A public resolver that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicResolver {
    /// 1.1.1.1 of Cloudflare.
    Cloudflare,
    /// 8.8.8.8 of Google.
    Google,
    /// 9.9.9.9 of Quad9, which answers `dns-nxdomain` for names it takes for harmful.
    Quad9,
}

impl PublicResolver {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Cloudflare, Self::Google, Self::Quad9];

    /// What results call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloudflare => "cloudflare",
            Self::Google => "google",
            Self::Quad9 => "quad9",
        }
    }

    /// Its addresses, as its operator publishes them, IPv4 first.
    fn addresses(self) -> [IpAddr; 2] {
        let (v4, v6) = match self {
            Self::Cloudflare => {
                (Ipv4Addr::new(1, 1, 1, 1), Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111))
            }
            Self::Google => {
                (Ipv4Addr::new(8, 8, 8, 8), Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888))
            }
            Self::Quad9 => (Ipv4Addr::new(9, 9, 9, 9), Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe)),
        };
        [v4.into(), v6.into()]
    }
}

impl std::fmt::Display for PublicResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who is asked for the addresses of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ResolverChoice {
    /// Whoever the prober asks by itself: the zone's resolver by rule, else its own.
    #[default]
    Own,
    /// A public one. Names of a zone that is asked elsewhere by rule are still asked there.
    Public(PublicResolver),
}

/// A public resolver and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedResolver {
    /// Which one.
    pub which: PublicResolver,
    /// Where it listens, for UDP and TCP.
    pub addrs: Vec<SocketAddr>,
}

impl NamedResolver {
    /// All of them, where their operators say.
    pub fn built_in() -> Vec<Self> {
        let named = |which: PublicResolver| Self {
            which,
            addrs: which.addresses().map(|ip| SocketAddr::new(ip, DNS_PORT)).to_vec(),
        };
        PublicResolver::ALL.map(named).to_vec()
    }

    pub(super) fn name(&self) -> Arc<str> {
        self.which.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_stand_where_their_operators_say() {
        let all: Vec<String> = NamedResolver::built_in()
            .iter()
            .map(|r| format!("{} {} {}", r.which, r.addrs[0], r.addrs[1]))
            .collect();
        assert_eq!(
            all,
            [
                "cloudflare 1.1.1.1:53 [2606:4700:4700::1111]:53",
                "google 8.8.8.8:53 [2001:4860:4860::8888]:53",
                "quad9 9.9.9.9:53 [2620:fe::fe]:53",
            ]
        );
    }
}
