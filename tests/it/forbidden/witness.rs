//! Who sees every packet that leaves: the kernel, told by rules that share nothing with the policy under test.
//!
//! The ranges are written here by hand, as first and last address, from the texts of the RFCs and of the cloud providers. What is
//! counted is a TCP SYN, and a datagram that is not a server's answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use super::space::Space;

/// IPv4 addresses that no probe may ever meet.
pub(super) const FORBIDDEN_V4: [(&str, &str); 20] = [
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("168.63.129.16", "168.63.129.16"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.31.196.0", "192.31.196.255"),
    ("192.52.193.0", "192.52.193.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("192.175.48.0", "192.175.48.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "255.255.255.255"),
    // The agent's own network in this test: what the aggregator sees, and the LAN.
    ("185.12.64.7", "185.12.64.7"),
    ("185.12.65.0", "185.12.65.255"),
];

/// IPv6 addresses that no probe may ever meet: all but 2000::/3, and of that the special blocks.
pub(super) const FORBIDDEN_V6: [(&str, &str); 9] = [
    // Without 64:ff9b::/96, which is judged by the IPv4 address inside.
    ("::", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("64:ff9b:0:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    // The agent's own /56 in this test.
    ("2a01:4f8:1:200::", "2a01:4f8:1:2ff:ffff:ffff:ffff:ffff"),
];

/// Prefixes under which the last 32 bits are an IPv4 address: NAT64 everywhere, and this test's own.
pub(super) const TRANSLATING: [&str; 2] = ["64:ff9b::", "2a02:898:64::"];
/// Bits 64 to 95 of an ISATAP address.
const ISATAP: [&str; 2] = ["0x5efe", "0x2005efe"];
/// The resolver of the test, which is asked over UDP and belongs to the agent's own network otherwise.
pub(super) const RESOLVER: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);

/// How much of a set a message shows.
const SHOWN_CHARS: usize = 1_000;

/// The counting rules in one namespace.
pub(super) struct Witness<'a> {
    space: &'a Space,
    nft: PathBuf,
}

/// What was seen leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// To where nothing may go.
    pub(super) forbidden: u64,
    /// TCP SYNs to anywhere else.
    pub(super) connects: u64,
    /// Datagrams to anywhere else but the resolver.
    pub(super) datagrams: u64,
    /// Questions to the resolver.
    pub(super) questions: u64,
}

impl<'a> Witness<'a> {
    /// Begins to count.
    pub(super) fn new(space: &'a Space, nft: PathBuf) -> anyhow::Result<Self> {
        space.run(&nft, &["-f", "-"], &rules()).context("the rules")?;
        Ok(Self { space, nft })
    }

    /// What was counted so far.
    pub(super) fn seen(&self) -> anyhow::Result<Seen> {
        let json: Value = serde_json::from_str(&self.list(&["counters"])?)?;
        let counters = json["nftables"].as_array().into_iter().flatten().filter_map(|item| {
            let counter = &item["counter"];
            Some((counter["name"].as_str()?.to_owned(), counter["packets"].as_u64()?))
        });
        let counters: BTreeMap<String, u64> = counters.collect();
        let of = |name: &str| counters.get(name).copied().context("a counter");
        Ok(Seen {
            forbidden: of("forbidden")?,
            connects: of("connects")?,
            datagrams: of("datagrams")?,
            questions: of("questions")?,
        })
    }

    /// The forbidden places that were met, for the message of a failure.
    pub(super) fn caught(&self) -> anyhow::Result<String> {
        let sets = ["caught4", "caught6"].map(|set| self.list(&["set", "inet", "witness", set]));
        let shown = |set: anyhow::Result<String>| Ok(set?.chars().take(SHOWN_CHARS).collect::<String>());
        Ok(sets.map(shown).into_iter().collect::<anyhow::Result<Vec<_>>>()?.join("\n"))
    }

    fn list(&self, what: &[&str]) -> anyhow::Result<String> {
        self.space.run(&self.nft, &[&["-j", "list"], what].concat(), "")
    }
}

/// The rules as nft reads them.
fn rules() -> String {
    let range = |(first, last): &(&str, &str)| format!("{first}-{last}");
    let v4: Vec<String> = FORBIDDEN_V4.iter().map(range).collect();
    let mut v6: Vec<String> = FORBIDDEN_V6.iter().map(range).collect();
    let mut isatap = String::new();
    for (first, last) in FORBIDDEN_V4 {
        let (first, last) = (number(first), number(last));
        for prefix in TRANSLATING {
            let prefix = u128::from(prefix.parse::<Ipv6Addr>().expect("a prefix"));
            let under = |n: u32| Ipv6Addr::from(prefix | u128::from(n));
            v6.push(format!("{}-{}", under(first), under(last)));
        }
        for mark in ISATAP {
            let rule = format!("@nh,256,32 {mark} @nh,288,32 {first:#x}-{last:#x} goto caught");
            writeln!(isatap, "meta nfproto ipv6 {rule}").expect("a String");
        }
    }
    format!(
        "table inet witness {{
            counter forbidden {{ }}
            counter connects {{ }}
            counter datagrams {{ }}
            counter questions {{ }}
            set forbidden4 {{ type ipv4_addr; flags interval; elements = {{ {} }} }}
            set forbidden6 {{ type ipv6_addr; flags interval; elements = {{ {} }} }}
            set caught4 {{ type ipv4_addr; flags dynamic; size 4096; }}
            set caught6 {{ type ipv6_addr; flags dynamic; size 4096; }}
            chain caught {{
                counter name forbidden
                meta nfproto ipv4 update @caught4 {{ ip daddr }}
                meta nfproto ipv6 update @caught6 {{ ip6 daddr }}
            }}
            chain judge {{
                ip daddr {RESOLVER} udp dport 53 counter name questions return
                ip daddr @forbidden4 goto caught
                ip6 daddr @forbidden6 goto caught
                {isatap}
                meta l4proto tcp counter name connects
                meta l4proto udp counter name datagrams
            }}
            chain leaving {{
                type filter hook output priority 0; policy accept;
                meta l4proto tcp tcp flags & (syn | ack) == syn jump judge
                meta l4proto udp udp sport != {{ 53, 443 }} jump judge
            }}
        }}",
        v4.join(", "),
        v6.join(", "),
    )
}

fn number(v4: &str) -> u32 {
    v4.parse::<Ipv4Addr>().expect("an address").into()
}
