//! Where an address is: the table that turns an agent's connection address into its vantage.
//!
//! Today the table is what the operator writes (`[[place]]` in the configuration: corrections and private ranges); without an
//! entry the network is "unknown" and everything else works. Databases come in beside it; the operator's entries stay first.

use std::net::IpAddr;

use ipnet::IpNet;
use parallax_model::{Family, Vantage};
use serde::{Deserialize, Serialize};

/// One entry: addresses of `net` stand at `vantage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Which addresses.
    pub net: IpNet,
    /// Where they are.
    pub vantage: Vantage,
}

/// The table; the longest prefix that holds an address decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    // Longest prefix first, so the first hit is the best one. Operators write tens of entries, not thousands.
    entries: Vec<Place>,
}

impl Places {
    /// A table of these entries.
    pub(crate) fn new(mut entries: Vec<Place>) -> Self {
        entries.sort_by_key(|p| std::cmp::Reverse(p.net.prefix_len()));
        Self { entries }
    }

    /// Where this address is; unknown when no entry holds it.
    pub(crate) fn of(&self, ip: IpAddr) -> Vantage {
        let found = self.entries.iter().find(|p| p.net.contains(&ip));
        let mut vantage = found.map(|p| p.vantage.clone()).unwrap_or_default();
        if vantage.families.is_empty() {
            vantage.families.push(Family::of(ip));
        }
        vantage
    }
}

#[cfg(test)]
mod tests {
    use parallax_model::Asn;

    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let place = |net: &str, asn| Place {
            net: net.parse().expect("a network"),
            vantage: Vantage { asn: Some(Asn(asn)), ..Vantage::default() },
        };
        let places =
            Places::new(vec![place("127.0.0.0/8", 1), place("127.64.1.0/24", 2), place("127.64.1.7/32", 3)]);
        let asn = |ip: &str| places.of(ip.parse().expect("an address")).asn.map(|a| a.0);
        assert_eq!(
            [asn("127.0.0.1"), asn("127.64.1.1"), asn("127.64.1.7"), asn("192.0.2.1")],
            [Some(1), Some(2), Some(3), None]
        );
    }
}
