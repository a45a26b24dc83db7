//! The scopes that could explain what fails: every attribute value and every pair of values, each with its price.

use parallax_model::{Attribute, Scope};

use crate::evidence::Evidence;
use crate::look::Looks;
use crate::members::{self, Lists, Sets};
use crate::place::part;
use crate::probes::Probes;

mod group;
mod quiet;
mod sums;
mod values;

use group::Groups;
pub(crate) use quiet::Quiet;
use sums::Sums;
use values::Values;

/// A candidate has results of at least so many agents …
const LIVE_AGENTS: u32 = 3;
/// … of which so many fail.
const LIVE_FAILING: u32 = 2;
/// Candidates beyond this many, by falling gain, are not searched.
const MAX_CANDIDATES: usize = 192;
/// Scopes of one template beyond this many, by falling number of failing agents, are no candidates.
const MAX_GROUPS: usize = 1024;
/// Pairs of values beyond this many are numbered by those that occur.
const MAX_DENSE: usize = 1 << 16;
/// Two candidates whose results overlap by this much (Jaccard) cannot be told apart.
const SAME_COVERAGE: f64 = 0.95;
/// Two such differ in at most this share of the sum of their sizes.
const MOST_APART: f64 = (1.0 - SAME_COVERAGE) / (1.0 + SAME_COVERAGE);

/// Price of everybody, in nats.
pub(crate) const EVERYBODY_COST: f64 = 3.0;
const SINGLE_COST: f64 = 4.0 - std::f64::consts::LN_2;
const PAIR_COST: f64 = 5.0;
/// What a pair that no known kind of fault hits costs more.
const ODD_COST: f64 = 2.0;
/// … and so many must fail there: fewer are never published.
const ODD_FAILING: u32 = 3;

/// One way to name a scope: the attributes it sets, its price in nats above the base price, and how many agents at least must fail.
struct Template {
    attributes: &'static [Attribute],
    price: f64,
    failing: u32,
}

const fn single(attributes: &'static [Attribute], price: f64) -> Template {
    Template { attributes, price: SINGLE_COST + price, failing: LIVE_FAILING }
}

const fn pair(attributes: &'static [Attribute]) -> Template {
    Template { attributes, price: PAIR_COST, failing: LIVE_FAILING }
}

/// A pair that no known kind of fault hits. They are many, and each is improbable: at the price of the others they hide those.
const fn odd(attributes: &'static [Attribute]) -> Template {
    Template { attributes, price: PAIR_COST + ODD_COST, failing: ODD_FAILING }
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
    odd(&[Attribute::Asn, Attribute::Address]),
    odd(&[Attribute::Region, Attribute::Country]),
    odd(&[Attribute::Region, Attribute::Pop]),
    odd(&[Attribute::Region, Attribute::Resolver]),
    odd(&[Attribute::Region, Attribute::Network]),
    odd(&[Attribute::Country, Attribute::Pop]),
    odd(&[Attribute::Country, Attribute::Family]),
    odd(&[Attribute::Country, Attribute::Address]),
    odd(&[Attribute::Country, Attribute::Protocol]),
    odd(&[Attribute::Country, Attribute::Resolver]),
    odd(&[Attribute::Pop, Attribute::Resolver]),
    odd(&[Attribute::Pop, Attribute::Network]),
    odd(&[Attribute::Family, Attribute::Resolver]),
    odd(&[Attribute::Family, Attribute::Network]),
    odd(&[Attribute::Address, Attribute::Protocol]),
    odd(&[Attribute::Address, Attribute::Resolver]),
    odd(&[Attribute::Address, Attribute::Network]),
    odd(&[Attribute::Protocol, Attribute::Resolver]),
    odd(&[Attribute::Protocol, Attribute::Network]),
    odd(&[Attribute::Resolver, Attribute::Network]),
];

/// So many of the templates, the first, are of one attribute.
const SINGLES: usize = 9;
/// Where everybody explains so many nats more than any one value does, no pair of values is looked at.
const FAR_AHEAD: f64 = 30.0;
const _: () =
    assert!(TEMPLATES[SINGLES - 1].attributes.len() == 1 && TEMPLATES[SINGLES].attributes.len() == 2);

/// A scope by the attributes that it sets and one of the probes in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    attributes: &'static [Attribute],
    example: u32,
}

impl Name {
    const EVERYBODY: Self = Self { attributes: &[Attribute::All], example: 0 };

    fn is_odd(self) -> bool {
        TEMPLATES
            .iter()
            .any(|template| template.attributes == self.attributes && template.failing == ODD_FAILING)
    }

    pub(crate) fn is_everybody(self) -> bool {
        self.attributes == Self::EVERYBODY.attributes
    }

    pub(crate) fn scope(self, probes: &Probes<'_>) -> Scope {
        if self.is_everybody() {
            return Scope::everybody();
        }
        probes.place(self.example as usize).part(self.attributes)
    }
}

/// A scope that may be published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) name: Name,
    pub(crate) cost: f64,
    pub(crate) evidence: Evidence,
    /// What all its results explain.
    pub(crate) gain: f64,
    /// What any of its results explain, at most.
    pub(crate) ceiling: f64,
    /// What all its results explain, at most, with the look of its failures.
    pub(crate) most: f64,
    /// Number of its coverage among the aliases.
    coverage: usize,
    /// Where its failing rows begin among all candidates' failing rows, and how many there are.
    failing: (u32, u32),
}

impl Candidate {
    /// How many results are in it.
    pub(crate) const fn size(&self) -> u32 {
        self.evidence.results
    }
}

/// The scopes that a search chooses from: everybody first, then by falling gain; those that cannot be told apart are merged under
/// the cheapest name.
pub(crate) struct Candidates {
    pub(crate) list: Vec<Candidate>,
    /// The rows in each.
    pub(crate) sets: Sets,
    /// Those of them that speak for a fault, by their place among all that do.
    pub(crate) hints: Sets,
    /// Of all that speak for a fault, those that say yes.
    fails: Vec<u64>,
    /// The rows of them that fail, one after the other.
    failing: Lists,
    /// Whether enough agents say something, and fail, to publish any.
    pub(crate) live: bool,
    /// Other names of each coverage, cheapest first.
    aliases: Vec<(usize, Name)>,
}

impl Candidates {
    /// Every live scope of these probes.
    pub(crate) fn of(probes: &Probes<'_>, looks: &Looks) -> Self {
        let agents = |rows: &mut dyn Iterator<Item = usize>| distinct(rows, &probes.columns.agents);
        let live = agents(&mut members::each(&probes.all)) >= LIVE_AGENTS
            && agents(&mut probes.failing.iter().map(|row| *row as usize)) >= LIVE_FAILING;
        let values = if live { Values::of(probes) } else { Values::default() };
        let mut sums = Sums::new(probes, looks, &values);
        let mut groups = Groups::everybody(sums.everybody());
        let (singles, pairs) = TEMPLATES.split_at(SINGLES);
        if live {
            groups.add_all(singles, &mut sums);
            // A pair lies in each of its values, so it leaves open at least what they do.
            if groups.lead_of_everybody() < FAR_AHEAD {
                groups.add_all(pairs, &mut sums);
            }
        }
        groups.into_candidates(live, &values, probes)
    }

    /// Those in one of them that fail, by their place among all that speak for a fault.
    pub(crate) fn fails(&self, index: usize) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.hints.of(index).iter().zip(&self.fails).map(|(hints, fails)| hints & fails)
    }

    /// The rows in one of them that fail.
    pub(crate) fn failing(&self, index: usize) -> &[u32] {
        let (start, length) = self.list[index].failing;
        self.failing.list(start, length)
    }

    /// The other names of a candidate, without those that say the same as another in more words, and without improbable ones. Everybody
    /// has none.
    pub(crate) fn other_names(&self, candidate: &Candidate, probes: &Probes<'_>) -> Vec<Scope> {
        let mut names: Vec<Scope> = Vec::new();
        if candidate.name.is_everybody() {
            return names;
        }
        let own = candidate.name.scope(probes);
        let told = |name: &Name| !name.is_odd() || candidate.name.is_odd();
        let aliases =
            self.aliases.iter().filter(|(coverage, name)| *coverage == candidate.coverage && told(name));
        for alias in aliases.map(|(_, name)| name.scope(probes)) {
            let refines = |known: &Scope| part(&alias, &known.attributes()) == *known;
            if !refines(&own) && !names.iter().any(refines) {
                names.push(alias);
            }
        }
        names
    }
}

/// The price of a single network, for a scope that is asked about by name.
pub(crate) fn network_cost(live_networks: usize) -> f64 {
    SINGLE_COST + (live_networks.max(1) as f64).ln()
}

/// How many agents these rows are of; those of one agent stand together.
fn distinct(rows: impl Iterator<Item = usize>, agents: &[u32]) -> u32 {
    let (mut last, mut sum) = (0, 0);
    for row in rows {
        sum += u32::from(agents[row] != last);
        last = agents[row];
    }
    sum
}
