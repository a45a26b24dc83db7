//! The scopes that could explain what fails: every attribute value and a short list of pairs, each with its price.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

use parallax_model::{Attribute, FailureKind, Scope};

use crate::evidence::{Evidence, Influence};
use crate::observe::count;

/// A candidate has results of at least so many agents …
const LIVE_AGENTS: u32 = 3;
/// … of which so many fail.
const LIVE_FAILING: u32 = 2;
/// Candidates beyond this many, by falling gain, are not searched.
const MAX_CANDIDATES: usize = 512;
/// Pairs of values beyond this many are numbered by those that occur.
const MAX_DENSE: usize = 1 << 16;
/// Two candidates whose results overlap by this much (Jaccard) cannot be told apart.
const SAME_COVERAGE: f64 = 0.95;

/// Price of everybody, in nats.
pub(crate) const EVERYBODY_COST: f64 = 3.0;
const SINGLE_COST: f64 = 4.0 - std::f64::consts::LN_2;
const PAIR_COST: f64 = 5.0;

/// One way to name a scope: the attributes it sets and its price in nats above the base price.
struct Template {
    attributes: &'static [Attribute],
    price: f64,
}

const fn single(attributes: &'static [Attribute], price: f64) -> Template {
    Template { attributes, price: SINGLE_COST + price }
}

const fn pair(attributes: &'static [Attribute]) -> Template {
    Template { attributes, price: PAIR_COST }
}

/// Dearer attributes fail less often by themselves. Among equal prices the earlier template gives the name.
const TEMPLATES: &[Template] = &[
    single(&[Attribute::Asn], 0.0),
    single(&[Attribute::Pop], 0.0),
    single(&[Attribute::Region], 0.3),
    single(&[Attribute::Family], 0.3),
    single(&[Attribute::Address], 0.3),
    single(&[Attribute::Country], 0.7),
    single(&[Attribute::Protocol], 0.7),
    single(&[Attribute::Network], 0.7),
    single(&[Attribute::Resolver], 0.9),
    pair(&[Attribute::Asn, Attribute::Region]),
    pair(&[Attribute::Asn, Attribute::Country]),
    pair(&[Attribute::Asn, Attribute::Family]),
    pair(&[Attribute::Asn, Attribute::Pop]),
    pair(&[Attribute::Asn, Attribute::Protocol]),
    pair(&[Attribute::Asn, Attribute::Resolver]),
    pair(&[Attribute::Pop, Attribute::Protocol]),
    pair(&[Attribute::Pop, Attribute::Family]),
    pair(&[Attribute::Region, Attribute::Family]),
    pair(&[Attribute::Region, Attribute::Protocol]),
    pair(&[Attribute::Region, Attribute::Address]),
    pair(&[Attribute::Pop, Attribute::Address]),
    pair(&[Attribute::Family, Attribute::Protocol]),
    pair(&[Attribute::Country, Attribute::Network]),
];

/// One result as the search sees it.
pub(crate) struct Probe<'a> {
    pub(crate) place: &'a Scope,
    /// Its row in [`Columns`].
    pub(crate) row: usize,
    /// Number of its agent; probes of one agent stand together.
    pub(crate) agent: u32,
    pub(crate) y: f64,
    pub(crate) weight: f64,
    /// What went wrong, for those that fail.
    pub(crate) kind: Option<FailureKind>,
    pub(crate) influence: Influence,
}

/// Which probes, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Members(Vec<u64>);

impl Members {
    pub(crate) fn none(probes: usize) -> Self {
        Self(vec![0; probes.div_ceil(64)])
    }

    pub(crate) fn insert(&mut self, probe: usize) {
        self.0[probe / 64] |= 1 << (probe % 64);
    }

    pub(crate) fn contains(&self, probe: usize) -> bool {
        self.0[probe / 64] >> (probe % 64) & 1 == 1
    }

    /// The union of these.
    pub(crate) fn union<'a>(probes: usize, sets: impl Iterator<Item = &'a Self>) -> Self {
        let mut all = Self::none(probes);
        for set in sets {
            for (mine, theirs) in all.0.iter_mut().zip(&set.0) {
                *mine |= theirs;
            }
        }
        all
    }

    /// How many are in both.
    pub(crate) fn shared(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(mine, theirs)| (mine & theirs).count_ones()).sum()
    }

    /// Those in both, or those in this one alone.
    pub(crate) fn beside<'a>(&'a self, other: &'a Self, both: bool) -> impl Iterator<Item = usize> + 'a {
        let flip = if both { 0 } else { u64::MAX };
        let words = self.0.iter().zip(&other.0).enumerate();
        words.flat_map(move |(place, (mine, theirs))| bits(mine & (theirs ^ flip), place))
    }

    /// Those in this one and among `wanted`, without the covered ones.
    pub(crate) fn beyond<'a>(
        &'a self,
        covered: &'a Self,
        wanted: &'a Self,
    ) -> impl Iterator<Item = usize> + 'a {
        let words = self.0.iter().zip(&covered.0).zip(&wanted.0).enumerate();
        words.flat_map(|(place, ((mine, theirs), wanted))| bits(mine & !theirs & wanted, place))
    }

    /// Size of the intersection over size of the union; two empty sets are the same.
    pub(crate) fn jaccard(&self, other: &Self) -> f64 {
        overlap(self.0.iter().zip(&other.0).map(|(mine, theirs)| (*mine, *theirs)))
    }

    /// The same for the union of some sets and another one.
    pub(crate) fn jaccard_of_union(sets: &[&Self], other: &Self) -> f64 {
        let union = |place: usize| sets.iter().fold(0, |sum, set| sum | set.0[place]);
        overlap(other.0.iter().enumerate().map(|(place, theirs)| (union(place), *theirs)))
    }
}

/// The members that one word holds.
fn bits(mut left: u64, place: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (left != 0).then(|| {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            place * 64 + bit
        })
    })
}

fn overlap(words: impl Iterator<Item = (u64, u64)>) -> f64 {
    let (mut both, mut either) = (0, 0);
    for (mine, theirs) in words {
        both += (mine & theirs).count_ones();
        either += (mine | theirs).count_ones();
    }
    if either == 0 { 1.0 } else { f64::from(both) / f64::from(either) }
}

/// A scope that may be published, with the results in it.
pub(crate) struct Candidate {
    pub(crate) scope: Scope,
    /// Other names of the same coverage, cheapest first.
    pub(crate) aliases: Vec<Scope>,
    pub(crate) cost: f64,
    pub(crate) probes: Vec<usize>,
    pub(crate) members: Members,
    pub(crate) evidence: Evidence,
    /// What all its results explain.
    pub(crate) gain: f64,
    /// Whether enough agents saw it to publish it.
    pub(crate) live: bool,
}

impl Candidate {
    fn new(scope: Scope, cost: f64, members: Vec<usize>, probes: &[Probe<'_>]) -> Self {
        let mut set = Members::none(probes.len());
        let mut evidence = Evidence::default();
        for member in &members {
            set.insert(*member);
            evidence.add(&probes[*member].influence);
        }
        let live = is_live(&members, probes);
        let gain = evidence.gain(cost);
        Self { scope, aliases: Vec::new(), cost, probes: members, members: set, evidence, gain, live }
    }
}

/// Everybody first, then every live scope, with those that cannot be told apart merged under the cheapest name.
pub(crate) fn candidates<'a>(probes: &[Probe<'_>], columns: impl FnOnce() -> &'a Columns) -> Vec<Candidate> {
    let everybody = Candidate::new(Scope::everybody(), EVERYBODY_COST, (0..probes.len()).collect(), probes);
    if !everybody.live {
        return vec![everybody];
    }
    let columns = columns();
    let mut live = vec![everybody];
    for template in TEMPLATES {
        let groups = columns.groups(template.attributes, probes);
        let cost = template.price + (groups.len().max(1) as f64).ln();
        for members in groups {
            let scope = part(probes[members[0]].place, template.attributes);
            live.push(Candidate::new(scope, cost, members, probes));
        }
    }
    merge(live)
}

/// The price of a single network, for a scope that is asked about by name.
pub(crate) fn network_cost(live_networks: usize) -> f64 {
    SINGLE_COST + (live_networks.max(1) as f64).ln()
}

fn is_live(members: &[usize], probes: &[Probe<'_>]) -> bool {
    let (mut agents, mut failing) = (0, 0);
    let (mut last_agent, mut last_failing) = (None, None);
    for probe in members.iter().map(|m| &probes[*m]) {
        if last_agent != Some(probe.agent) {
            last_agent = Some(probe.agent);
            agents += 1;
        }
        if probe.y >= 0.5 && last_failing != Some(probe.agent) {
            last_failing = Some(probe.agent);
            failing += 1;
        }
    }
    agents >= LIVE_AGENTS && failing >= LIVE_FAILING
}

/// Merges candidates of one coverage. The order of the result is: everybody, then by falling gain.
fn merge(mut all: Vec<Candidate>) -> Vec<Candidate> {
    all.sort_by(|a, b| {
        a.cost.total_cmp(&b.cost).then_with(|| a.scope.attributes().cmp(&b.scope.attributes()))
    });
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in all {
        let size = candidate.probes.len() as f64;
        let same = kept.iter_mut().find(|other| {
            let other_size = other.probes.len() as f64;
            size.min(other_size) >= SAME_COVERAGE * size.max(other_size)
                && candidate.members.jaccard(&other.members) >= SAME_COVERAGE
        });
        match same {
            Some(other) => other.add_alias(candidate.scope),
            None => kept.push(candidate),
        }
    }
    kept.sort_by(|a, b| {
        (b.scope.all.cmp(&a.scope.all))
            .then_with(|| b.gain.total_cmp(&a.gain))
            .then_with(|| a.scope.cmp(&b.scope))
    });
    kept.truncate(MAX_CANDIDATES);
    kept
}

impl Candidate {
    /// Remembers another name, unless a name we have already says the same in fewer words, or this is everybody.
    fn add_alias(&mut self, scope: Scope) {
        let refines = |known: &Scope| part(&scope, &known.attributes()) == *known;
        if !self.scope.all && !refines(&self.scope) && !self.aliases.iter().any(refines) {
            self.aliases.push(scope);
        }
    }
}

/// A copy of `place` with only these attributes.
pub(crate) fn part(place: &Scope, attributes: &[Attribute]) -> Scope {
    let mut scope = Scope::default();
    for attribute in attributes {
        match attribute {
            Attribute::All => scope.all = place.all,
            Attribute::Asn => scope.asn = place.asn,
            Attribute::Region => scope.region.clone_from(&place.region),
            Attribute::Country => scope.country.clone_from(&place.country),
            Attribute::Pop => scope.pop.clone_from(&place.pop),
            Attribute::Family => scope.family = place.family,
            Attribute::Address => scope.address = place.address,
            Attribute::Protocol => scope.protocol = place.protocol,
            Attribute::Resolver => scope.resolver.clone_from(&place.resolver),
            Attribute::Network => scope.network = place.network,
        }
    }
    scope
}

/// One attribute's value, cheap to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Address(IpAddr),
}

fn value(place: &Scope, attribute: Attribute) -> Option<Value<'_>> {
    match attribute {
        Attribute::All => None,
        Attribute::Asn => place.asn.map(|asn| Value::Number(asn.0)),
        Attribute::Region => place.region.as_ref().map(|region| Value::Text(region.as_str())),
        Attribute::Country => place.country.as_ref().map(|country| Value::Text(country.as_str())),
        Attribute::Pop => place.pop.as_ref().map(|pop| Value::Text(pop.as_str())),
        Attribute::Family => place.family.map(|family| Value::Number(family.number().into())),
        Attribute::Address => place.address.map(Value::Address),
        Attribute::Protocol => place.protocol.map(|protocol| Value::Text(protocol.as_str())),
        Attribute::Resolver => place.resolver.as_deref().map(Value::Text),
        Attribute::Network => place.network.map(|network| Value::Text(network.as_str())),
    }
}

/// Every observation's attribute values as small numbers from 1; 0 is "missing", which is never a scope.
pub(crate) struct Columns(Vec<Column>);

struct Column {
    ids: Vec<u32>,
    /// One more than the largest number.
    values: usize,
}

/// So many agents, and failing ones, have one value; agents are counted by their first result.
#[derive(Clone, Copy, Default)]
struct Group {
    agents: u32,
    failing: u32,
    last_agent: u32,
    last_failing: u32,
}

impl Columns {
    pub(crate) fn of(places: &[&Scope]) -> Self {
        Self(Attribute::ALL.iter().map(|attribute| Column::of(places, *attribute)).collect())
    }

    /// The live groups of probes that share a value of every attribute, in the order of their values.
    fn groups(&self, attributes: &[Attribute], probes: &[Probe<'_>]) -> Vec<Vec<usize>> {
        let keys = self.keys(attributes, probes);
        let most = keys.iter().copied().max().map_or(0, |key| key as usize + 1);
        let mut groups = vec![Group::default(); most];
        for (key, probe) in keys.iter().zip(probes) {
            let group = &mut groups[*key as usize];
            // Agents are numbered from 1.
            group.agents += u32::from(group.last_agent != probe.agent);
            group.last_agent = probe.agent;
            if probe.y >= 0.5 {
                group.failing += u32::from(group.last_failing != probe.agent);
                group.last_failing = probe.agent;
            }
        }
        let mut places = vec![None; most];
        let mut live: Vec<Vec<usize>> = Vec::new();
        for (key, group) in groups.iter().enumerate().skip(1) {
            if group.agents >= LIVE_AGENTS && group.failing >= LIVE_FAILING {
                places[key] = Some(live.len());
                live.push(Vec::with_capacity(group.agents as usize));
            }
        }
        for (probe, key) in keys.iter().enumerate() {
            if let Some(place) = places[*key as usize] {
                live[place].push(probe);
            }
        }
        live
    }

    /// One number for every probe's values, from 1; 0 where one is missing.
    fn keys(&self, attributes: &[Attribute], probes: &[Probe<'_>]) -> Vec<u32> {
        let columns = || attributes.iter().map(|attribute| &self.0[*attribute as usize]);
        let key = |probe: &Probe<'_>| {
            columns().try_fold(0_u64, |key, column| {
                let id = column.ids[probe.row];
                (id != 0).then(|| key * column.values as u64 + u64::from(id))
            })
        };
        let room: usize = columns().map(|column| column.values).product();
        if room <= MAX_DENSE {
            let narrow = |key: u64| u32::try_from(key).unwrap_or(0);
            return probes.iter().map(|probe| key(probe).map_or(0, narrow)).collect();
        }
        let wide: Vec<Option<u64>> = probes.iter().map(key).collect();
        let mut known: Vec<u64> = wide.iter().copied().flatten().collect();
        known.sort_unstable();
        known.dedup();
        let place = |key: u64| known.binary_search(&key).map_or(0, |place| count(place + 1));
        wide.into_iter().map(|key| key.map_or(0, place)).collect()
    }
}

impl Column {
    fn of(places: &[&Scope], attribute: Attribute) -> Self {
        let mut known: HashMap<Value<'_>, u32, BuildHasherDefault<Mix>> = HashMap::default();
        let mut ids = Vec::with_capacity(places.len());
        for place in places {
            let next = count(known.len() + 1);
            ids.push(value(place, attribute).map_or(0, |value| *known.entry(value).or_insert(next)));
        }
        Self { ids, values: known.len() + 1 }
    }
}

/// A fast hash for the few values of an attribute. Who chooses values so that they collide gains little: a world has at most
/// [`crate::MAX_RESULTS`] of them.
#[derive(Default)]
struct Mix(u64);

impl Mix {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
