//! The demonstration's sites: what happens to whom, and what should be said about it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parallax_model::{Asn, CauseKind, NetworkKind, Region, Scope, Target, Verdict};

use super::agents::{BLUEWATER, FERNHILL, KESTREL, NORRLIGHT, PLACES, Place, Resolver, index_of, place_of};
use super::cdn::{self, PopCode};
use super::dns::ZONE;
use super::pages;
use crate::serve::{Asked, Greeting, Reply, Script};

/// The region where [`Plot::Intercepted`] happens.
const INTERCEPTED_REGION: &str = "us-east";
/// After how many requests of one asker an overloaded site is quick again.
const OVERLOAD_CYCLE: u32 = 16;

/// What happens at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plot {
    /// It works.
    Works,
    /// It works, over plain HTTP too, and says nothing but that.
    Beacon,
    /// Its gateway cannot reach the server it keeps for one provider's customers.
    ProviderCutOff,
    /// One PoP of its CDN cannot reach it.
    PopDown,
    /// It moved, and some providers' resolvers still send people to where nobody listens any more.
    Moved,
    /// Its program is gone.
    Crashed,
    /// It has more work than it can do: about every second request is turned away, the others are slow.
    Overloaded,
    /// It is closed for work, and says so.
    Closed,
    /// Its guard asks whoever comes from a data centre to prove to be human.
    Guarded,
    /// A box in one provider's network in one region resets connections to it.
    Intercepted,
}

/// One site of the demonstration.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its name in front of the zone.
    pub(super) name: &'static str,
    /// The third octet of its addresses.
    octet: u8,
    pub(super) plot: Plot,
    /// What it shows, in one line.
    pub(super) shows: &'static str,
}

const fn plan(name: &'static str, octet: u8, plot: Plot, shows: &'static str) -> Plan {
    Plan { name, octet, plot, shows }
}

/// Every name of the zone that has an address.
pub(super) static PLANS: [Plan; 10] = [
    plan("fine", 1, Plot::Works, "works for everybody"),
    plan("shop", 2, Plot::ProviderCutOff, "customers of one provider get 502 from its gateway"),
    plan("video", 3, Plot::PopDown, "one PoP of its CDN answers 504, the other three work"),
    plan("bank", 4, Plot::Moved, "moved; resolvers of two providers still give the old address"),
    plan("news", 5, Plot::Crashed, "down for everybody: 502"),
    plan("tickets", 6, Plot::Overloaded, "overloaded: every second request gets 503, the others are slow"),
    plan("closed", 7, Plot::Closed, "closed for maintenance: 503 and a time to come back"),
    plan("guard", 8, Plot::Guarded, "challenges visitors from data centres, not a fault"),
    plan("games", 9, Plot::Intercepted, "connections of one provider's customers in one region are reset"),
    plan("beacon", 10, Plot::Beacon, "always works: tells an agent that its own line does"),
];

impl Plan {
    /// `https://name.demo/`.
    pub(super) fn target(&self) -> Target {
        let host = format!("{}.{ZONE}", self.name).parse().expect("names of the table are hosts");
        Target::site_default(host)
    }

    /// The addresses at which it listens.
    pub(super) fn serving(&self) -> Vec<Ipv4Addr> {
        match self.plot {
            Plot::PopDown => PopCode::ALL.map(PopCode::address).to_vec(),
            Plot::Moved => vec![Ipv4Addr::new(127, 80, self.octet, 2)],
            _ => vec![Ipv4Addr::new(127, 80, self.octet, 1)],
        }
    }

    /// The address it left behind, where connecting is refused.
    pub(super) fn left_behind(&self) -> Option<Ipv4Addr> {
        (self.plot == Plot::Moved).then(|| Ipv4Addr::new(127, 80, self.octet, 1))
    }

    /// The address an up-to-date resolver tells `asker`.
    pub(super) fn address(&self, asker: IpAddr) -> Ipv4Addr {
        match self.plot {
            Plot::PopDown => cdn::pop_for(asker).address(),
            _ => self.serving()[0],
        }
    }

    /// The old address, where `asker`'s resolver still has it.
    pub(super) fn stale_address(&self, asker: IpAddr) -> Option<Ipv4Addr> {
        let place = place_of(asker).filter(|place| keeps_old_answers(place))?;
        self.left_behind().filter(|_| self.affects(place))
    }

    /// Whether whoever stands there does not get a good answer; for an overloaded site: now and then.
    pub(super) fn affects(&self, place: &Place) -> bool {
        match self.plot {
            Plot::Works | Plot::Beacon => false,
            Plot::ProviderCutOff => *place.provider == NORRLIGHT,
            Plot::PopDown => place.pop == cdn::FAILING,
            Plot::Moved => keeps_old_answers(place),
            Plot::Crashed | Plot::Overloaded | Plot::Closed => true,
            Plot::Guarded => place.network == NetworkKind::Hosting,
            Plot::Intercepted => *place.provider == BLUEWATER && place.region() == INTERCEPTED_REGION,
        }
    }

    /// What should be said about it.
    pub(super) fn verdict(&self) -> Verdict {
        match self.plot {
            Plot::Works | Plot::Beacon => Verdict::Up,
            Plot::ProviderCutOff | Plot::PopDown | Plot::Moved | Plot::Intercepted => Verdict::Partial,
            Plot::Crashed | Plot::Closed => Verdict::Down,
            Plot::Overloaded => Verdict::Flaky,
            Plot::Guarded => Verdict::Blocked,
        }
    }

    /// About whom.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        let nobody = Scope::default();
        let scope = match self.plot {
            Plot::Works | Plot::Beacon => return Vec::new(),
            Plot::ProviderCutOff => Scope { asn: Some(Asn(NORRLIGHT.asn)), ..nobody },
            Plot::PopDown => Scope { pop: Some(cdn::FAILING.pop()), ..nobody },
            Plot::Moved => Scope { address: self.left_behind().map(IpAddr::V4), ..nobody },
            Plot::Crashed | Plot::Overloaded | Plot::Closed => Scope::everybody(),
            Plot::Guarded => Scope { network: Some(NetworkKind::Hosting), ..nobody },
            Plot::Intercepted => Scope {
                asn: Some(Asn(BLUEWATER.asn)),
                region: Some(INTERCEPTED_REGION.parse::<Region>().expect("it is a region of the table")),
                ..nobody
            },
        };
        vec![scope]
    }

    /// Why, where it can be told from outside.
    pub(super) fn cause(&self) -> Option<CauseKind> {
        match self.plot {
            // A reset inside one network may be a filter's or a broken router's: nobody outside can tell.
            Plot::Works | Plot::Beacon | Plot::Intercepted => None,
            Plot::ProviderCutOff => Some(CauseKind::Network),
            Plot::PopDown => Some(CauseKind::CdnEdge),
            Plot::Moved => Some(CauseKind::DnsChange),
            Plot::Crashed => Some(CauseKind::OriginCrash),
            Plot::Overloaded => Some(CauseKind::Overload),
            Plot::Closed => Some(CauseKind::Maintenance),
            Plot::Guarded => Some(CauseKind::Firewall),
        }
    }
}

/// Whether the place's resolver is one of those that still know where the bank was.
fn keeps_old_answers(place: &Place) -> bool {
    place.resolver == Resolver::Isp && [&FERNHILL, &KESTREL].contains(&place.provider)
}

/// How many requests each asker has made: one count per place, and one for all strangers together.
#[derive(Debug)]
pub(super) struct Visits([AtomicU64; PLACES.len() + 1]);

impl Visits {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Who asks, as a number, and for the how manieth time, from zero.
    fn count(&self, peer: IpAddr) -> (usize, u64) {
        let asker = index_of(peer).unwrap_or(PLACES.len());
        (asker, self.0[asker].fetch_add(1, Ordering::Relaxed))
    }
}

/// Whether an overloaded site turns away an asker's `nth` request. About half are; the same ones in each run.
pub(super) fn turned_away(asker: usize, nth: u64) -> bool {
    let mut bits = (asker as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(nth + 1);
    // splitmix64's finaliser: neighbours in, unrelated bits out.
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)).is_multiple_of(2)
}

/// A site at one of its addresses.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    plan: &'static Plan,
    /// The PoP that stands at the address.
    pop: Option<PopCode>,
    visits: Arc<Visits>,
    overload_step: Duration,
}

impl Stage {
    pub(super) fn new(plan: &'static Plan, visits: Arc<Visits>, overload_step: Duration) -> Self {
        Self { plan, pop: None, visits, overload_step }
    }

    /// The same site at `address`.
    pub(super) fn at(&self, address: Ipv4Addr) -> Self {
        let pop = PopCode::ALL.into_iter().find(|pop| pop.address() == address);
        Self { pop, ..self.clone() }
    }

    fn affects(&self, peer: IpAddr) -> bool {
        match (self.plan.plot, self.pop) {
            (Plot::PopDown, Some(pop)) => pop == cdn::FAILING,
            // A stranger stands nowhere and sees what everybody sees.
            (Plot::Crashed | Plot::Overloaded | Plot::Closed, _) => true,
            _ => place_of(peer).is_some_and(|place| self.plan.affects(place)),
        }
    }

    fn overloaded(&self, peer: IpAddr) -> Reply {
        let (asker, nth) = self.visits.count(peer);
        if turned_away(asker, nth) {
            return pages::envoy_overflow().after(self.overload_step);
        }
        let queue = u32::try_from(nth % u64::from(OVERLOAD_CYCLE)).expect("a remainder of a u32 is one");
        pages::works(self.plan.plot, None).after(self.overload_step * (queue + 1))
    }
}

impl Script for Stage {
    fn greet(&self, peer: IpAddr) -> Greeting {
        if self.plan.plot == Plot::Intercepted && self.affects(peer) {
            Greeting::ResetAfterHello
        } else {
            Greeting::Serve
        }
    }

    fn reply(&self, asked: &Asked) -> Reply {
        let target = self.plan.target();
        if !asked.host.eq_ignore_ascii_case(target.host.as_str()) {
            return pages::misdirected();
        }
        if !asked.secure && self.plan.plot != Plot::Beacon {
            return pages::to_https(&target, &asked.path, self.plan.plot);
        }
        if self.plan.plot == Plot::Overloaded {
            return self.overloaded(asked.peer);
        }
        if !self.affects(asked.peer) {
            return pages::works(self.plan.plot, self.pop);
        }
        match self.plan.plot {
            Plot::ProviderCutOff => pages::nginx_502(),
            Plot::PopDown => pages::edge_504(),
            Plot::Crashed => pages::haproxy_502(),
            Plot::Closed => pages::maintenance(),
            Plot::Guarded => pages::challenge(),
            // Those who are affected never come as far as a request, or nobody is.
            Plot::Works | Plot::Beacon | Plot::Moved | Plot::Overloaded | Plot::Intercepted => {
                pages::works(self.plan.plot, self.pop)
            }
        }
    }
}
