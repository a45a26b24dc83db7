//! Where a mistaken or hostile aggregator would send an agent: a million places, the same every time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use parallax_model::{Family, Host, Path, Port, Protocol, Scheme, Target};
use parallax_probe::ProbeRequest;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::names::{self, KINDS};
use super::servers::REDIRECTS;
use super::witness::{FORBIDDEN_V4, FORBIDDEN_V6, TRANSLATING};

/// How many destinations of each kind there are.
pub(super) const PLAN: [(Kind, usize); 12] = [
    (Kind::Edge, 4_000),
    (Kind::SpecialV4, 300_000),
    (Kind::SpecialV6, 250_000),
    (Kind::Disguise, 300_000),
    (Kind::Port, 62_000),
    (Kind::PrivateName, 59_700),
    (Kind::Anywhere, 10_000),
    (Kind::Resolved, 10_000),
    (Kind::Redirected, 3_000),
    (Kind::Hinted, 800),
    (Kind::Quic, 200),
    (Kind::Careful, 300),
];

/// What is wrong with a destination, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The first, the last, the one before and the one after of a special block.
    Edge,
    /// Within a special IPv4 block.
    SpecialV4,
    /// Within a special IPv6 block.
    SpecialV6,
    /// An IPv4 address inside an IPv6 address.
    Disguise,
    /// A public address on a port that is not probed.
    Port,
    /// A name that no public DNS has.
    PrivateName,
    /// A random address, most of them public.
    Anywhere,
    /// A name that resolves to anything.
    Resolved,
    /// A public site that redirects to anything.
    Redirected,
    /// A public site whose DNS records and headers advertise other places.
    Hinted,
    /// The same over HTTP/3.
    Quic,
    /// A name that fails, looked at with care: tried again, its zone's own servers asked, another address tried.
    Careful,
}

impl Kind {
    /// Whether every one of them must be refused before a packet leaves.
    pub(super) const fn all_forbidden(self) -> bool {
        matches!(self, Self::SpecialV4 | Self::SpecialV6 | Self::Port | Self::PrivateName)
    }

    /// Whether somebody answers, so that many are worth being on their way at the same time.
    pub(super) const fn is_slow(self) -> bool {
        matches!(self, Self::Resolved | Self::Redirected | Self::Hinted | Self::Quic | Self::Careful)
    }
}

/// Draws destinations of every kind from one seed.
pub(super) struct Destinations {
    rng: StdRng,
    edges: Vec<IpAddr>,
    drawn: usize,
}

impl Destinations {
    pub(super) fn new(rng: StdRng) -> Self {
        Self { rng, edges: edges(), drawn: 0 }
    }

    /// The next destination of a kind.
    pub(super) fn draw(&mut self, kind: Kind) -> ProbeRequest {
        self.drawn += 1;
        let target = match kind {
            Kind::Edge => self.at(self.edges[self.drawn % self.edges.len()]),
            Kind::SpecialV4 => {
                let v4 = self.special_v4();
                self.at(v4.into())
            }
            Kind::SpecialV6 => {
                let v6 = self.special_v6();
                self.at(v6.into())
            }
            Kind::Disguise => {
                let v6 = self.disguise();
                self.at(v6.into())
            }
            Kind::Port => {
                let public = Ipv4Addr::new(185, 199, 108, self.rng.random());
                let mut target = self.at(public.into());
                target.port = self.unusual_port(target.scheme);
                target
            }
            Kind::PrivateName => {
                let name = names::private(&mut self.rng);
                self.named(name)
            }
            Kind::Anywhere => {
                let ip = if self.rng.random() {
                    Ipv4Addr::from(self.rng.random::<u32>()).into()
                } else {
                    Ipv6Addr::from((self.rng.random::<u128>() >> 3) | (1 << 125)).into()
                };
                self.at(ip)
            }
            Kind::Resolved | Kind::Careful => {
                let kind = KINDS[self.drawn % KINDS.len()];
                self.named(names::of(kind, self.drawn))
            }
            Kind::Redirected => {
                let to = self.drawn % REDIRECTS.len();
                target(
                    Scheme::Http,
                    names::SITE.parse().expect("a host"),
                    &format!("/to/{to}?{}", self.drawn),
                )
            }
            Kind::Hinted | Kind::Quic => target(
                Scheme::Https,
                names::HINTED.parse().expect("a host"),
                &format!("/hint?{}", self.drawn),
            ),
        };
        let family = match (kind, self.drawn / KINDS.len() % 4) {
            (Kind::Resolved, 0) => Some(Family::V4),
            (Kind::Resolved, 1) => Some(Family::V6),
            _ => None,
        };
        let protocol = (kind == Kind::Quic).then_some(Protocol::H3);
        ProbeRequest { family, protocol, ..ProbeRequest::new(target) }
    }

    /// An address on the port of either scheme.
    fn at(&self, ip: IpAddr) -> Target {
        self.named(ip.into())
    }

    fn named(&self, host: Host) -> Target {
        let scheme = if self.drawn.is_multiple_of(2) { Scheme::Http } else { Scheme::Https };
        target(scheme, host, "/")
    }

    fn special_v4(&mut self) -> Ipv4Addr {
        let (first, last) = FORBIDDEN_V4.choose(&mut self.rng).expect("some");
        let [first, last] =
            [first, last].map(|text| u32::from(text.parse::<Ipv4Addr>().expect("an address")));
        self.rng.random_range(first..=last).into()
    }

    fn special_v6(&mut self) -> Ipv6Addr {
        let (first, last) = FORBIDDEN_V6.choose(&mut self.rng).expect("some");
        let [first, last] =
            [first, last].map(|text| u128::from(text.parse::<Ipv6Addr>().expect("an address")));
        self.rng.random_range(first..=last).into()
    }

    /// A special IPv4 address, or one of the well-known ones, in one of the known forms.
    fn disguise(&mut self) -> Ipv6Addr {
        const WELL_KNOWN: [Ipv4Addr; 5] = [
            Ipv4Addr::LOCALHOST,
            Ipv4Addr::new(10, 0, 0, 1),
            Ipv4Addr::new(169, 254, 169, 254),
            Ipv4Addr::new(100, 100, 100, 200),
            Ipv4Addr::new(8, 8, 8, 8),
        ];
        let v4 = match self.rng.random_range(0..4) {
            0 => *WELL_KNOWN.choose(&mut self.rng).expect("some"),
            _ => self.special_v4(),
        };
        // ISATAP hides its address behind a prefix of its own; all others are refused whatever they hide.
        disguises(v4, self.rng.random())[self.drawn % DISGUISES]
    }

    fn unusual_port(&mut self, scheme: Scheme) -> Port {
        loop {
            let port = match self.rng.random_range(0..4) {
                0 => [22, 25, 53, 80, 443, 6379, 8080, 8443][self.rng.random_range(0..8)],
                _ => self.rng.random(),
            };
            if let Some(port) = Port::new(port).filter(|port| *port != scheme.default_port()) {
                return port;
            }
        }
    }
}

/// How many forms of disguise there are.
const DISGUISES: usize = 11;

/// The forms in which an IPv6 address carries `v4`: compatible, mapped, translated, NAT64 under the well-known prefix, the
/// local-use one in both readings and the network's own, 6to4, Teredo's client, ISATAP of both kinds.
pub(super) fn disguises(v4: Ipv4Addr, noise: u16) -> [Ipv6Addr; DISGUISES] {
    let n = u32::from(v4);
    let [high, low] = [(n >> 16) as u16, (n & 0xffff) as u16];
    let under = |prefix: &str| {
        Ipv6Addr::from(u128::from(prefix.parse::<Ipv6Addr>().expect("a prefix")) | u128::from(n))
    };
    [
        under("::"),
        under("::ffff:0:0"),
        under("::ffff:0:0:0"),
        under(TRANSLATING[0]),
        under(TRANSLATING[1]),
        under("64:ff9b:1::"),
        Ipv6Addr::new(0x64, 0xff9b, 1, high, low >> 8, low << 8, 0, noise),
        Ipv6Addr::new(0x2002, high, low, noise, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, noise, !high, !low),
        Ipv6Addr::new(0x2a00, 0x1450, noise, 2, 0, 0x5efe, high, low),
        Ipv6Addr::new(0x2a00, 0x1450, noise, 2, 0x200, 0x5efe, high, low),
    ]
}

/// The first, the last, the one before and the one after of each block.
fn edges() -> Vec<IpAddr> {
    let mut edges = Vec::new();
    for (first, last) in FORBIDDEN_V4 {
        let [first, last] =
            [first, last].map(|text| u32::from(text.parse::<Ipv4Addr>().expect("an address")));
        let around = [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)];
        edges.extend(around.into_iter().flatten().map(|n| IpAddr::from(Ipv4Addr::from(n))));
    }
    for (first, last) in FORBIDDEN_V6 {
        let [first, last] =
            [first, last].map(|text| u128::from(text.parse::<Ipv6Addr>().expect("an address")));
        let around = [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)];
        edges.extend(around.into_iter().flatten().map(|n| IpAddr::from(Ipv6Addr::from(n))));
    }
    edges
}

fn target(scheme: Scheme, host: Host, path: &str) -> Target {
    let path: Path = path.parse().expect("a path");
    Target { scheme, host, port: scheme.default_port(), path }
}
