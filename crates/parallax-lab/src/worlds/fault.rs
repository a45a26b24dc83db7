//! What is broken: kinds of worlds, and faults drawn for a panel.

use std::net::{IpAddr, Ipv4Addr};

use parallax_diagnose::{WorldAgent, WorldResult};
use parallax_model::{Attribute, CauseKind, Family, NetworkKind, Protocol, Scope, Verdict};

use super::chance::Chance;
use super::panel::{Agent, Panel};
use super::params::Params;
use super::story::{Harm, STORIES, Spot, Story};

/// The address that a name had before it moved; never one of the site's current ones.
pub const OLD_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
/// Draws of a scope before a kind of fault is given up for a panel.
const TRIES: usize = 60;
/// A scope of more than this share of the agents is everybody by another name.
const MOST_SHARE: f64 = 0.6;
/// Names that differ by fewer agents than this say the same.
const LEFT_OUT: usize = 2;
/// A site is down when this share of probes fails twice.
const DOWN_TWICE: f64 = 0.65;
/// Share of resolver caches that still hold the old answer after a move: the networks' own, and the public ones.
const STALE_CACHES: (f64, f64) = (0.35, 0.15);

/// Kinds of worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named as what is broken")]
pub enum Kind {
    Healthy,
    Down,
    Flaky,
    Asn,
    Region,
    Country,
    Pop,
    V6,
    H3,
    Resolver,
    Address,
    OldAddress,
    AsnRegion,
    AsnFamily,
    AsnProtocol,
    RegionFamily,
    RegionProtocol,
    PopProtocol,
    CountryNetwork,
    AnyPair,
    Two,
    SlowAll,
    SlowPart,
    RefusesAll,
    RefusesHosting,
    RefusesCountry,
    FewAgents,
}

/// Kinds in parts of equal weight; the first six are the mix of the reference measurements, the last is what those left out.
pub const MIX: [&[Kind]; 7] = [
    &[Kind::Healthy],
    &[Kind::Down],
    &[Kind::Flaky],
    &[
        Kind::Asn,
        Kind::Region,
        Kind::Country,
        Kind::Pop,
        Kind::V6,
        Kind::H3,
        Kind::Resolver,
        Kind::Address,
        Kind::OldAddress,
    ],
    &[
        Kind::AsnRegion,
        Kind::AsnFamily,
        Kind::AsnProtocol,
        Kind::RegionFamily,
        Kind::RegionProtocol,
        Kind::PopProtocol,
        Kind::CountryNetwork,
        Kind::AnyPair,
    ],
    &[Kind::Two],
    &[
        Kind::SlowAll,
        Kind::SlowPart,
        Kind::RefusesAll,
        Kind::RefusesHosting,
        Kind::RefusesCountry,
        Kind::FewAgents,
    ],
];

/// Parts of the mix that the reference numbers were measured on.
const PLAIN_PARTS: usize = 6;

impl Kind {
    /// The kind of the `index`-th world of a batch: the parts take turns, and within a part the kinds do.
    pub fn turn(index: u32) -> Self {
        let index = index as usize;
        let part = MIX[index % MIX.len()];
        part[index / MIX.len() % part.len()]
    }

    /// The same for worlds of [`Params::reference`].
    pub fn plain_turn(index: u32) -> Self {
        let index = index as usize;
        let part = MIX[index % PLAIN_PARTS];
        let kinds = part.iter().copied().filter(|kind| *kind != Self::AnyPair);
        kinds.clone().nth(index / PLAIN_PARTS % kinds.count()).unwrap_or(Self::Healthy)
    }

    /// What should be said of such a world when it can be seen.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Healthy | Self::FewAgents => Verdict::Up,
            Self::Down => Verdict::Down,
            Self::Flaky => Verdict::Flaky,
            Self::SlowAll | Self::SlowPart => Verdict::Degraded,
            Self::RefusesAll | Self::RefusesHosting | Self::RefusesCountry => Verdict::Blocked,
            _ => Verdict::Partial,
        }
    }

    /// Whether some are hit and others are not, so that there is a scope to find.
    pub const fn is_partial(self) -> bool {
        !matches!(
            self,
            Self::Healthy | Self::FewAgents | Self::Down | Self::Flaky | Self::SlowAll | Self::RefusesAll
        )
    }
}

/// One fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Whom it hits.
    pub scope: Scope,
    /// Share of their probes that it hits.
    pub strength: f64,
    /// What it looks like.
    pub story: &'static Story,
}

impl Fault {
    /// Why, where that can be known from outside.
    pub const fn cause(&self) -> Option<CauseKind> {
        self.story.cause
    }
}

/// Where a result was seen, as an observer knows it: the agent's place and the result's way.
pub fn seen_at(agent: &WorldAgent, result: &WorldResult) -> Scope {
    Scope {
        all: false,
        asn: agent.asn,
        region: agent.region.clone(),
        country: agent.country.clone(),
        network: agent.network,
        pop: result.pop.clone(),
        family: result.family,
        address: result.address,
        protocol: result.protocol,
        resolver: result.resolver.clone(),
    }
}

/// Whether a place has every value that the scope sets.
pub fn contains(scope: &Scope, place: &Scope) -> bool {
    fn same<T: PartialEq>(wanted: Option<&T>, has: Option<&T>) -> bool {
        wanted.is_none() || wanted == has
    }
    scope.all
        || same(scope.asn.as_ref(), place.asn.as_ref())
            && same(scope.region.as_ref(), place.region.as_ref())
            && same(scope.country.as_ref(), place.country.as_ref())
            && same(scope.pop.as_ref(), place.pop.as_ref())
            && same(scope.family.as_ref(), place.family.as_ref())
            && same(scope.address.as_ref(), place.address.as_ref())
            && same(scope.protocol.as_ref(), place.protocol.as_ref())
            && same(scope.resolver.as_ref(), place.resolver.as_ref())
            && same(scope.network.as_ref(), place.network.as_ref())
}

/// The part of a place that sets only these attributes; `None` when one of them is not known there.
pub fn part(place: &Scope, attributes: &[Attribute]) -> Option<Scope> {
    let mut scope = Scope::default();
    for attribute in attributes {
        match attribute {
            Attribute::All => scope.all = true,
            Attribute::Asn => scope.asn = Some(place.asn?),
            Attribute::Region => scope.region = Some(place.region.clone()?),
            Attribute::Country => scope.country = Some(place.country.clone()?),
            Attribute::Pop => scope.pop = Some(place.pop.clone()?),
            Attribute::Family => scope.family = Some(place.family?),
            Attribute::Address => scope.address = Some(place.address?),
            Attribute::Protocol => scope.protocol = Some(place.protocol?),
            Attribute::Resolver => scope.resolver = Some(place.resolver.clone()?),
            Attribute::Network => scope.network = Some(place.network?),
        }
    }
    Some(scope)
}

/// Draws faults for a panel.
#[derive(Debug)]
pub struct Faults<'a> {
    /// Sizes and strengths.
    pub params: &'a Params,
    /// Whom they can hit; moving a name changes it.
    pub panel: &'a mut Panel,
    /// Where the draws come from.
    pub chance: &'a mut Chance,
}

impl Faults<'_> {
    /// The faults of a kind of world. `None` when the panel cannot have one: its site has one address, or a group is too small.
    pub fn of(&mut self, kind: Kind) -> Option<Vec<Fault>> {
        match kind {
            Kind::Healthy | Kind::FewAgents => Some(Vec::new()),
            Kind::Two => self.two(),
            _ => Some(vec![self.one(kind)?]),
        }
    }

    /// One fault of one kind.
    pub fn one(&mut self, kind: Kind) -> Option<Fault> {
        let drawn = *self.chance.one_of(&self.params.strengths);
        let (spot, harm) = spot_and_harm(kind);
        let strength = match kind {
            // What half of the probes escape comes and goes; these words are meant for more than that.
            Kind::Down | Kind::RefusesAll | Kind::SlowAll => drawn.max(self.params.strengths[1]),
            Kind::Flaky => self.chance.between(self.params.flaky_strength.0, self.params.flaky_strength.1),
            _ => drawn,
        };
        let scope = self.scope(kind, spot)?;
        let story = self.story(spot, harm, kind)?;
        let strength = if kind == Kind::Down { strength.max(down_strength(story)) } else { strength };
        Some(Fault { scope, strength, story })
    }

    /// A story that fits.
    pub fn story(&mut self, spot: Spot, harm: Harm, kind: Kind) -> Option<&'static Story> {
        let cdn = self.panel.site.cdn;
        let comes_and_goes = |story: &Story| kind != Kind::Flaky || story.strength.0 < 0.5;
        let fits = |story: &&Story| {
            story.harm == harm
                && story.spots.contains(&spot)
                && story.cdn.is_none_or(|wanted| wanted == cdn)
                && comes_and_goes(story)
        };
        let fitting: Vec<&'static Story> = STORIES.iter().filter(fits).collect();
        (!fitting.is_empty()).then(|| *self.chance.one_of(&fitting))
    }

    /// Whom a fault of this kind hits.
    pub fn scope(&mut self, kind: Kind, spot: Spot) -> Option<Scope> {
        if spot == Spot::All {
            return Some(Scope::everybody());
        }
        if kind == Kind::OldAddress {
            return self.move_name();
        }
        for _ in 0..TRIES {
            let attributes = self.attributes(kind);
            let somebody = self.chance.one_of(&self.panel.agents);
            let Some(scope) = part(&somebody.place, &attributes) else { continue };
            let meant = match kind {
                Kind::V6 => scope.family == Some(Family::V6),
                Kind::H3 => scope.protocol == Some(Protocol::H3),
                Kind::RefusesHosting => scope.network == Some(NetworkKind::Hosting),
                // The network's own resolver is as many resolvers as there are networks.
                Kind::Resolver => scope.resolver.as_deref() != Some("isp"),
                _ => true,
            };
            if meant && self.is_a_group(&scope) {
                return Some(scope);
            }
        }
        None
    }

    fn attributes(&mut self, kind: Kind) -> Vec<Attribute> {
        use Attribute::{Address, Asn, Country, Network, Pop, Region, Resolver};
        match kind {
            Kind::Asn => vec![Asn],
            Kind::Region => vec![Region],
            Kind::SlowPart => vec![*self.chance.one_of(&[Asn, Region])],
            Kind::Country | Kind::RefusesCountry => vec![Country],
            Kind::Pop => vec![Pop],
            Kind::V6 => vec![Attribute::Family],
            Kind::H3 => vec![Attribute::Protocol],
            Kind::Resolver => vec![Resolver],
            Kind::Address => vec![Address],
            Kind::RefusesHosting => vec![Network],
            Kind::AsnRegion => vec![Asn, Region],
            Kind::AsnFamily => vec![Asn, Attribute::Family],
            Kind::AsnProtocol => vec![Asn, Attribute::Protocol],
            Kind::RegionFamily => vec![Region, Attribute::Family],
            Kind::RegionProtocol => vec![Region, Attribute::Protocol],
            Kind::PopProtocol => vec![Pop, Attribute::Protocol],
            Kind::CountryNetwork => vec![Country, Network],
            _ => {
                let all = &Attribute::ALL[1..];
                let first = self.chance.below(all.len());
                let second = (first + 1 + self.chance.below(all.len() - 1)) % all.len();
                vec![all[first.min(second)], all[first.max(second)]]
            }
        }
    }

    /// Large enough to be seen, small enough to be a part, and no other scope by another name.
    fn is_a_group(&self, scope: &Scope) -> bool {
        let agents = &self.panel.agents;
        let members = agents.iter().filter(|a| contains(scope, &a.place)).count();
        members >= self.params.least_agents
            && members as f64 <= MOST_SHARE * agents.len() as f64
            && self.has_one_name(scope, None)
    }

    /// Whether no other name, as short or shorter, says the same: of a group that has two names nobody could tell which one broke.
    /// Beside another fault, what that one covers tells nothing.
    fn has_one_name(&self, scope: &Scope, beside: Option<&Scope>) -> bool {
        let covered = |place: &Scope| beside.is_some_and(|other| contains(other, place));
        let open: Vec<&Scope> = self.panel.agents.iter().map(|a| &a.place).filter(|p| !covered(p)).collect();
        let members: Vec<&Scope> = open.iter().copied().filter(|place| contains(scope, place)).collect();
        let words = scope.attributes().len();
        // A name that leaves out fewer members than this has one of the first of them.
        let some = members.iter().take(LEFT_OUT);
        let mut names = some.flat_map(|place| names(words).filter_map(|attributes| part(place, &attributes)));
        names.all(|name| {
            let differs = |place: &&&Scope| contains(&name, place) != contains(scope, place);
            name == *scope || open.iter().filter(differs).take(LEFT_OUT).count() >= LEFT_OUT
        })
    }

    /// The site moves; some resolvers have not heard. Their users go to the old address.
    fn move_name(&mut self) -> Option<Scope> {
        let mut fresh = std::collections::BTreeMap::new();
        for agent in &mut self.panel.agents {
            let own = agent.place.resolver.as_deref() == Some("isp");
            let cache = (agent.place.resolver.clone(), agent.place.asn.filter(|_| own));
            let share = if own { STALE_CACHES.0 } else { STALE_CACHES.1 };
            if *fresh.entry(cache).or_insert_with(|| self.chance.happens(share)) {
                agent.place.address = Some(OLD_ADDRESS);
                agent.place.family = Some(Family::V4);
                agent.place.pop = None;
            }
        }
        let scope = Scope { address: Some(OLD_ADDRESS), ..Scope::default() };
        self.is_a_group(&scope).then_some(scope)
    }

    /// Two faults of different kinds, neither inside the other.
    fn two(&mut self) -> Option<Vec<Fault>> {
        let odd = |kind: &Kind| *kind == Kind::OldAddress || self.params.plain && *kind == Kind::AnyPair;
        let kinds: Vec<Kind> = MIX[3].iter().chain(MIX[4]).copied().filter(|kind| !odd(kind)).collect();
        for _ in 0..TRIES {
            let (first, second) = (*self.chance.one_of(&kinds), *self.chance.one_of(&kinds));
            let (Some(a), Some(b)) = (self.one(first), self.one(second)) else { continue };
            let alone = |one: &Scope, other: &Scope| {
                let only = |agent: &&Agent| contains(one, &agent.place) && !contains(other, &agent.place);
                self.panel.agents.iter().filter(only).count() >= self.params.least_agents
            };
            let told_apart =
                |one: &Scope, other: &Scope| alone(one, other) && self.has_one_name(one, Some(other));
            if first != second && told_apart(&a.scope, &b.scope) && told_apart(&b.scope, &a.scope) {
                return Some(vec![a, b]);
            }
        }
        None
    }
}

/// Every choice of up to so many attributes.
fn names(words: usize) -> impl Iterator<Item = Vec<Attribute>> {
    let all = &Attribute::ALL[1..];
    let pairs = move |n: usize| all[n + 1..].iter().map(move |second| vec![all[n], *second]);
    let singles = all.iter().map(|one| vec![*one]);
    singles.chain((0..all.len()).flat_map(pairs).filter(move |_| words > 1))
}

/// What most people cannot load even at the second try is down; less than that comes and goes.
fn down_strength(story: &Story) -> f64 {
    (DOWN_TWICE / (1.0 - story.retry_passes)).min(1.0)
}

/// Where to look for a story.
fn spot_and_harm(kind: Kind) -> (Spot, Harm) {
    match kind {
        Kind::Healthy | Kind::FewAgents | Kind::Down | Kind::Flaky => (Spot::All, Harm::Fails),
        Kind::SlowAll => (Spot::All, Harm::Slows),
        Kind::SlowPart => (Spot::Region, Harm::Slows),
        Kind::RefusesAll => (Spot::All, Harm::Refuses),
        Kind::RefusesHosting => (Spot::Hosting, Harm::Refuses),
        Kind::RefusesCountry => (Spot::Country, Harm::Refuses),
        Kind::Asn => (Spot::Asn, Harm::Fails),
        Kind::Region => (Spot::Region, Harm::Fails),
        Kind::Country => (Spot::Country, Harm::Fails),
        Kind::Pop => (Spot::Pop, Harm::Fails),
        Kind::V6 => (Spot::V6, Harm::Fails),
        Kind::H3 => (Spot::H3, Harm::Fails),
        Kind::Resolver => (Spot::Resolver, Harm::Fails),
        Kind::Address => (Spot::Address, Harm::Fails),
        Kind::OldAddress => (Spot::OldAddress, Harm::Fails),
        Kind::AsnRegion => (Spot::AsnRegion, Harm::Fails),
        _ => (Spot::AnyPair, Harm::Fails),
    }
}
