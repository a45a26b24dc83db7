//! Rows summed up by the values they share, in two steps: what shares many values first, and of those sums what shares one or two.
//!
//! Each of the templates divides all rows anew, and to sum every row for each of them would be most of what a scan costs. Rows that
//! share the values of several attributes stay together in all templates of those, and are far fewer.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use parallax_model::Attribute;

use super::{LIVE_AGENTS, MAX_DENSE, Template, Values};
use crate::column::Mix;
use crate::evidence::Evidence;
use crate::look::Looks;
use crate::members;
use crate::observe::count;
use crate::probes::Probes;

/// Attributes of which few values occur together: what shares a way to the site, and what shares a place.
const JOINTS: &[&[Attribute]] = &[
    &[Attribute::Family, Attribute::Protocol, Attribute::Network, Attribute::Resolver, Attribute::Address],
    // An address has one family.
    &[Attribute::Region, Attribute::Country, Attribute::Pop, Attribute::Family, Attribute::Address],
    &[Attribute::Region, Attribute::Country, Attribute::Pop, Attribute::Protocol],
    &[Attribute::Region, Attribute::Country, Attribute::Pop, Attribute::Network],
    &[Attribute::Region, Attribute::Country, Attribute::Pop, Attribute::Resolver],
    &[Attribute::Asn, Attribute::Region, Attribute::Country],
    &[Attribute::Asn, Attribute::Family, Attribute::Protocol],
    &[Attribute::Asn, Attribute::Pop, Attribute::Address],
];

/// What most joints begin with.
const PLACE: &[Attribute] = &[Attribute::Region, Attribute::Country, Attribute::Pop];

/// So few rows are soon counted, and in most scopes of two attributes too few fail.
const FEW_FAILING: usize = 128;

/// What some rows say together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) evidence: Evidence,
    /// How many of the rows fail.
    pub(super) failing: u32,
    /// One of the rows.
    pub(super) example: u32,
    /// What any of the rows explain, at most, in nats.
    pub(super) ceiling: f64,
    /// As much of that as the look of the failures makes.
    pub(super) look: f64,
    /// The rows as bits, folded into one word: two sums differ in at least as many rows as here in bits.
    pub(super) signature: u64,
    /// A number that two sums share only when they are of the same rows: one in 2^64 of others would.
    pub(super) rows: u64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.evidence.join(&other.evidence);
        self.failing += other.failing;
        self.example = other.example;
        self.ceiling += other.ceiling;
        self.look += other.look;
        self.signature ^= other.signature;
        self.rows = self.rows.wrapping_add(other.rows);
    }
}

/// Sums the rows of one scan.
pub(super) struct Sums<'a> {
    probes: &'a Probes<'a>,
    values: &'a Values,
    /// The most that each hint explains, in nats, and as much of it as its look makes.
    ceilings: Vec<(f64, f64)>,
    /// The sums of each joint, once they are wanted.
    joints: [Vec<Sum>; JOINTS.len()],
    keys: Keys,
    /// The keys of every row by its [`PLACE`], once they are wanted.
    places: Option<Keys>,
    /// Every row's number, spread over 64 bits.
    mixed: Vec<u64>,
}

impl<'a> Sums<'a> {
    pub(super) fn new(probes: &'a Probes<'a>, looks: &Looks, values: &'a Values) -> Self {
        let most = |row: usize| {
            let look = looks.most(row, &probes.columns.weights);
            (probes.influences[row].most() + look, look)
        };
        let ceilings = probes.hints.iter().map(|row| most(*row as usize)).collect();
        let mixed = (0..count(probes.rows())).map(mixed).collect();
        Self {
            probes,
            values,
            ceilings,
            joints: Default::default(),
            keys: Keys::default(),
            places: None,
            mixed,
        }
    }

    /// What everybody says.
    pub(super) fn everybody(&self) -> Sum {
        let all = || members::each(&self.probes.all);
        Sum {
            evidence: self.probes.evidence(all()),
            failing: count(self.probes.failing.len()),
            example: 0,
            ceiling: self.ceilings.iter().map(|(ceiling, _)| ceiling).sum(),
            look: self.ceilings.iter().map(|(_, look)| look).sum(),
            signature: self.probes.all.iter().fold(0, |signature, word| signature ^ word),
            rows: all().fold(0, |rows, row| rows.wrapping_add(self.mixed[row])),
        }
    }

    /// The live sums of a template: of rows that share the values of its attributes, of enough agents, of which enough fail.
    pub(super) fn live(&mut self, template: &Template) -> Vec<Sum> {
        if !self.may_be_live(template) {
            return Vec::new();
        }
        let mut sums = self.by(template.attributes);
        sums.retain(|sum| self.is_live(sum, template));
        sums
    }

    /// Whether enough rows fail together in any scope of a template; where many fail it is not asked, for then they nearly always do.
    fn may_be_live(&self, template: &Template) -> bool {
        if self.values.are_dead(template.attributes) {
            return false;
        }
        let failing = &self.probes.failing;
        let keys = self.values.keys(template.attributes).filter(|_| failing.len() <= FEW_FAILING);
        let Some(keys) = keys else { return true };
        let mut counts = vec![0_u32; keys.room];
        failing.iter().any(|row| {
            let key = keys.at(*row as usize);
            counts[key] += 1;
            key != 0 && counts[key] >= template.failing
        })
    }

    fn is_live(&self, sum: &Sum, template: &Template) -> bool {
        let has_value = |attribute: &Attribute| self.values.ids(*attribute).0[sum.example as usize] != 0;
        if sum.failing < template.failing
            || sum.evidence.results < LIVE_AGENTS
            || !template.attributes.iter().all(has_value)
        {
            return false;
        }
        // Where no agent has two rows, rows are agents.
        let (a, b) = self.values.like(sum.example, template.attributes, self.probes);
        let rows = || members::both(a, b);
        let fails = |row: &usize| self.probes.says[*row] >= 0.5;
        let columns = self.probes.columns;
        columns.lone
            || columns.are_of(LIVE_AGENTS, rows()) && columns.are_of(template.failing, rows().filter(fails))
    }

    /// What the rows say that share the values of these attributes; also those of which a value is missing or not live.
    fn by(&mut self, attributes: &[Attribute]) -> Vec<Sum> {
        let is_in = |joint: &&[Attribute]| attributes.iter().all(|wanted| joint.contains(wanted));
        let Some(joint) = JOINTS.iter().position(is_in) else { return self.of_rows(attributes) };
        if self.joints[joint].is_empty() {
            self.joints[joint] = self.of_rows(JOINTS[joint]);
        }
        let joint_sums = std::mem::take(&mut self.joints[joint]);
        self.keys.reset(joint_sums.len());
        for attribute in attributes {
            let (ids, live) = self.values.ids(*attribute);
            self.keys.split(joint_sums.iter().map(|sum| ids[sum.example as usize]), live);
        }
        let mut sums = vec![Sum::default(); self.keys.compact()];
        for (sum, key) in joint_sums.iter().zip(&self.keys.of_rows) {
            sums[*key as usize].add(sum);
        }
        self.joints[joint] = joint_sums;
        sums
    }

    fn of_rows(&mut self, attributes: &[Attribute]) -> Vec<Sum> {
        let probes = self.probes;
        let rest = if let Some(rest) = attributes.strip_prefix(PLACE) {
            let places = self.places.get_or_insert_with(|| Keys::of(PLACE, self.values, probes.rows()));
            self.keys.clone_from(places);
            rest
        } else {
            self.keys.reset(probes.rows());
            attributes
        };
        self.keys.split_by(rest, self.values);
        let mut sums = vec![Sum::default(); self.keys.compact()];
        // All are of one length, which spares a check of each.
        let rows = probes.rows();
        let (keys, influences) = (&self.keys.of_rows[..rows], &probes.influences[..rows]);
        let mixed = &self.mixed[..rows];
        for (row, example) in (0..rows).zip(0..count(rows)) {
            let sum = &mut sums[keys[row] as usize];
            sum.evidence.add(&influences[row]);
            sum.signature ^= 1 << (row % 64);
            sum.rows = sum.rows.wrapping_add(mixed[row]);
            sum.example = example;
        }
        for (row, (ceiling, look)) in probes.hints.iter().zip(&self.ceilings) {
            let sum = &mut sums[self.keys.of_rows[*row as usize] as usize];
            sum.ceiling += ceiling;
            sum.look += look;
            sum.failing += u32::from(probes.says[*row as usize] >= 0.5);
        }
        sums
    }
}

/// The key of each row, all below `room`.
#[derive(Default, Clone)]
struct Keys {
    of_rows: Vec<u32>,
    room: usize,
    /// Scratch: a number for each key, from 1.
    numbers: Vec<u32>,
}

impl Keys {
    /// Of rows by their values of these attributes, numbered by those that occur.
    fn of(attributes: &[Attribute], values: &Values, rows: usize) -> Self {
        let mut keys = Self::default();
        keys.reset(rows);
        keys.split_by(attributes, values);
        keys.compact();
        keys
    }

    /// Tells apart what has other values of these attributes.
    fn split_by(&mut self, attributes: &[Attribute], values: &Values) {
        for attribute in attributes {
            let (ids, live) = values.ids(*attribute);
            self.split(ids.iter().copied(), live);
        }
    }

    fn reset(&mut self, rows: usize) {
        self.of_rows.clear();
        self.of_rows.resize(rows, 0);
        self.room = 1;
    }

    /// Tells apart what has other values, which are all below `live`.
    fn split(&mut self, ids: impl Iterator<Item = u32>, live: usize) {
        if live <= 1 {
            return;
        }
        if self.room * live > MAX_DENSE {
            self.compact();
        }
        if self.room * live <= MAX_DENSE {
            let times = count(live);
            self.of_rows.iter_mut().zip(ids).for_each(|(key, id)| *key = *key * times + id);
            self.room *= live;
            return;
        }
        let mut known: HashMap<u64, u32, BuildHasherDefault<Mix>> = HashMap::default();
        for (key, id) in self.of_rows.iter_mut().zip(ids) {
            let next = count(known.len());
            *key = *known.entry(u64::from(*key) << 32 | u64::from(id)).or_insert(next);
        }
        self.room = known.len();
    }

    /// Numbers the keys by those that occur. Returns how many those are.
    fn compact(&mut self) -> usize {
        self.numbers.clear();
        self.numbers.resize(self.room, 0);
        let mut last = 0;
        for key in &mut self.of_rows {
            let number = &mut self.numbers[*key as usize];
            if *number == 0 {
                last += 1;
                *number = last;
            }
            *key = *number - 1;
        }
        self.room = last as usize;
        self.room
    }
}

/// A row's number spread over 64 bits (the finaliser of SplitMix64).
pub(super) const fn mixed(row: u32) -> u64 {
    let word = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
}

#[cfg(test)]
mod tests {
    use parallax_model::Asn;

    use super::*;
    use crate::candidate::TEMPLATES;
    use crate::column::Columns;
    use crate::observe::{Channel, observe};
    use crate::{World, WorldAgent, WorldResult};

    /// Agents of some networks, regions and countries, of which one in three fails; every fifth has three results.
    fn world() -> World {
        let mut world = World::default();
        for n in 0..300_u32 {
            let name: parallax_model::AgentId = format!("a{n}").parse().expect("an agent id");
            world.agents.push(WorldAgent {
                asn: (n % 11 > 0).then_some(Asn(n % 11)),
                region: format!("r{}", n % 7).parse().ok(),
                country: ["DE", "FR", "US"][n as usize % 3].parse().ok(),
                ..WorldAgent::new(name.clone())
            });
            for attempt in 0..if n % 5 == 0 { 3 } else { 1 } {
                let outcome = if n * n % 13 < 5 { "connect-timeout" } else { "ok" };
                world.results.push(WorldResult {
                    attempt: Some(attempt),
                    pop: format!("P{}", n % 4).parse().ok(),
                    ..WorldResult::new(name.clone(), outcome.parse().expect("an outcome"))
                });
            }
        }
        world
    }

    #[test]
    fn a_sum_of_sums_is_that_of_its_rows() {
        let world = world();
        let observations = observe(&world);
        let columns = Columns::of(&observations.usable);
        let mut probes = Probes::of(&observations.usable, &columns, Channel::Failing);
        probes.weigh();
        let looks = Looks::of(&probes);
        let values = Values::of(&probes);
        let mut sums = Sums::new(&probes, &looks, &values);
        let mut found = 0;
        for template in TEMPLATES {
            for sum in sums.live(template) {
                let (a, b) = values.like(sum.example, template.attributes, &probes);
                let rows: Vec<usize> = members::both(a, b).collect();
                let want = probes.evidence(rows.iter().copied());
                assert_eq!(sum.evidence.results, want.results);
                assert!(sum.evidence.nats.iter().zip(want.nats).all(|(got, want)| (got - want).abs() < 1e-9));
                assert_eq!(sum.failing as usize, rows.iter().filter(|row| probes.says[**row] >= 0.5).count());
                found += 1;
            }
        }
        assert_eq!(found, 196);
    }
}
