//! What an operator adds to the rules that are built in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use parallax_model::Host;

use crate::nat64::NAT64_LENGTHS;
use crate::{OPT_OUT_LABEL, Reason, Refusal};

/// Why a list of names is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameList {
    /// Our own page, API, aggregator and beacons.
    Own,
    /// Names the operator does not probe.
    Blocked,
    /// Sites that asked not to be probed.
    OptedOut,
}

/// What may be probed. [`Policy::public`] is what everybody gets; the methods below only tighten it, save
/// [`Policy::allowing`], which is an operator's own decision on their own machine.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    allowed: Vec<IpNet>,
    local: Vec<IpNet>,
    pub(crate) nat64: Vec<Ipv6Net>,
    names: BTreeMap<Box<str>, NameList>,
}

impl Policy {
    /// Public addresses, port 80 of `http` and port 443 of `https`.
    pub fn public() -> Self {
        Self::default()
    }

    /// The public policy, with address and port rules lifted for addresses in `ranges` (`--allow-cidr`): such an address may
    /// be typed with any port, and a name that resolves inside may be connected to on any port. Names are judged as ever.
    pub fn allowing(ranges: Vec<IpNet>) -> Self {
        Self { allowed: ranges, ..Self::default() }
    }

    /// Refuses each host and every name below it. A host that stands on two lists keeps the later one.
    #[must_use]
    pub fn refusing(mut self, list: NameList, hosts: impl IntoIterator<Item = Host>) -> Self {
        self.names.extend(hosts.into_iter().map(|host| (host.as_str().into(), list)));
        self
    }

    /// Refuses the agent's own network: interfaces and on-link prefixes, gateways, resolvers, public address. Ranges given to
    /// [`Policy::allowing`] stay allowed, for an operator named them by hand.
    #[must_use]
    pub fn refusing_ranges(mut self, ranges: impl IntoIterator<Item = IpNet>) -> Self {
        self.local.extend(ranges);
        self
    }

    /// Reads answers under this network's own NAT64 prefixes (RFC 7050, RFC 8781) as the IPv4 addresses they stand for.
    /// Prefixes of a length other than 32, 40, 48, 56, 64 and 96 mean nothing (RFC 6052) and are left out.
    #[must_use]
    pub fn with_nat64(mut self, prefixes: impl IntoIterator<Item = Ipv6Net>) -> Self {
        let known = |net: &Ipv6Net| NAT64_LENGTHS.contains(&net.prefix_len());
        self.nat64.extend(prefixes.into_iter().filter(known));
        self
    }

    pub(crate) fn allows_range(&self, ip: IpAddr) -> bool {
        self.allowed.iter().any(|net| net.contains(&ip))
    }

    /// Whether any port may be named, because the addresses decide later.
    pub(crate) fn allows_some_range(&self) -> bool {
        !self.allowed.is_empty()
    }

    pub(crate) fn is_local(&self, ip: IpAddr) -> bool {
        self.local.iter().any(|net| net.contains(&ip))
    }

    /// Whether the owner of `host`, or of a name above it, asked not to be probed.
    pub fn is_opted_out(&self, host: &Host) -> bool {
        self.check_lists(host.as_str()).is_err_and(|refusal| refusal.reason() == Reason::OptedOut)
    }

    /// Refuses `host` when it, or a name above it, stands on a list.
    pub(crate) fn check_lists(&self, host: &str) -> Result<(), Refusal> {
        let mut names_above =
            std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, above)| above));
        let Some((name, list)) = names_above.find_map(|name| self.names.get_key_value(name)) else {
            return Ok(());
        };
        Err(match list {
            NameList::Own => Refusal::about(
                Reason::SelfTarget,
                name,
                "is this service itself, which does not probe itself: see its own status page.",
            ),
            NameList::Blocked => Refusal::about(
                Reason::Blocklisted,
                name,
                "is not probed, by decision of this service's operator: type another site.",
            ),
            NameList::OptedOut => Refusal::about(
                Reason::OptedOut,
                name,
                format!(
                    "is not tested because its owner asked for that with a DNS record at {OPT_OUT_LABEL}.{name}: type another site."
                ),
            ),
        })
    }
}
