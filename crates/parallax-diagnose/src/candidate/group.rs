//! The results that share a value, or a pair of values: what they say together, and which of them are the same.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;

use parallax_model::Attribute;

use super::{
    Candidate, Candidates, EVERYBODY_COST, LIVE_AGENTS, MAX_CANDIDATES, MOST_APART, Name, SAME_COVERAGE,
    TEMPLATES, Template, distinct,
};
use crate::column::Mix;
use crate::evidence::Evidence;
use crate::members::{self, Sets};
use crate::observe::count;
use crate::probes::Probes;

/// Groups of no more rows than this are the same only when they have the very same rows: one row is more than the tolerance.
const EXACT: u32 = 18;
const _: () = assert!((EXACT as f64) < SAME_COVERAGE * (EXACT + 1) as f64);

/// All groups together have at most so many times the rows: one template's have each once.
const MOST_ROWS: usize = 1 + TEMPLATES.len();

/// One group of rows.
#[derive(Debug, Clone)]
struct Group {
    attributes: &'static [Attribute],
    cost: f64,
    evidence: Evidence,
    /// What any of its rows explain, at most, before its price.
    ceiling: f64,
    /// Where its rows begin among all groups' rows.
    start: u32,
    /// Its rows as bits, folded into one word: two groups differ in at least as many rows as here in bits.
    signature: u64,
}

impl Group {
    const fn size(&self) -> u32 {
        self.evidence.results
    }
}

/// The live groups, those of one template together.
pub(super) struct Groups {
    list: Vec<Group>,
    /// Where the groups of each template begin.
    templates: Vec<usize>,
    /// The rows of every group, in their order.
    rows: Vec<u32>,
    /// Where the next row of each group stands that is being filled, by their number from 1.
    ends: Vec<u32>,
}

impl Groups {
    /// Only the group of everybody.
    pub(super) fn everybody(probes: &Probes<'_>, ceiling: f64) -> Self {
        let mut rows: Vec<u32> = Vec::with_capacity(probes.rows() * MOST_ROWS);
        rows.extend(members::each(&probes.all).map(count));
        let mut groups = Self { list: Vec::new(), templates: vec![0], rows, ends: Vec::new() };
        let attributes = Name::EVERYBODY.attributes;
        let everybody = groups.summed_up(attributes, 0..probes.count, ceiling, probes);
        groups.list.push(Group { cost: EVERYBODY_COST, ..everybody });
        groups
    }

    /// What these of the rows say together.
    fn summed_up(
        &self,
        attributes: &'static [Attribute],
        rows: Range<u32>,
        ceiling: f64,
        probes: &Probes<'_>,
    ) -> Group {
        let mut group = Group {
            attributes,
            cost: 0.0,
            evidence: Evidence::NONE,
            ceiling,
            start: rows.start,
            signature: 0,
        };
        for row in &self.rows[rows.start as usize..rows.end as usize] {
            group.evidence.add(&probes.influences[*row as usize]);
            group.signature ^= 1 << (row % 64);
        }
        group
    }

    /// Adds the live groups of a template, of which the ceilings are known: the rows in them, and the group of each of those from 1.
    pub(super) fn add(
        &mut self,
        template: &Template,
        ceilings: impl ExactSizeIterator<Item = f64>,
        hits: &[(u32, u32)],
        probes: &Probes<'_>,
    ) {
        let (first, start) = (self.list.len(), count(self.rows.len()));
        self.rows.resize(self.rows.len() + hits.len(), 0);
        self.ends.clear();
        self.ends.resize(ceilings.len() + 1, 0);
        for (_, place) in hits {
            self.ends[*place as usize] += 1;
        }
        let mut end = start;
        for group in &mut self.ends {
            end += *group;
            *group = end - *group;
        }
        for (row, place) in hits {
            let end = &mut self.ends[*place as usize];
            self.rows[*end as usize] = *row;
            *end += 1;
        }
        for (place, ceiling) in (1..).zip(ceilings) {
            let rows = self.ends[place - 1]..self.ends[place];
            let group = self.summed_up(template.attributes, rows, ceiling, probes);
            if self.agents(&group, probes) >= LIVE_AGENTS {
                self.list.push(group);
            }
        }
        let live = self.list.len();
        if live > first {
            let cost = template.price + ((live - first) as f64).ln();
            self.list[first..].iter_mut().for_each(|group| group.cost = cost);
            self.templates.push(first);
        }
    }

    /// How much more everybody explains than the best group, in nats.
    pub(super) fn lead_of_everybody(&self) -> f64 {
        let mut gains = self.list.iter().map(|group| group.evidence.gain(group.cost));
        let everybody = gains.next().unwrap_or(0.0);
        everybody - gains.fold(0.0, f64::max)
    }

    /// How many agents are in a group.
    fn agents(&self, group: &Group, probes: &Probes<'_>) -> u32 {
        if probes.columns.lone {
            return group.size();
        }
        distinct(self.rows(group).iter().map(|row| *row as usize), &probes.columns.agents)
    }

    fn rows(&self, group: &Group) -> &[u32] {
        &self.rows[group.start as usize..][..group.size() as usize]
    }

    fn name(&self, group: &Group) -> Name {
        Name { attributes: group.attributes, example: self.rows(group).first().copied().unwrap_or(0) }
    }

    /// Size of the intersection over size of the union.
    fn jaccard(&self, a: &Group, b: &Group) -> f64 {
        let (mut rows, mut others) = (self.rows(a), self.rows(b));
        let mut both = 0;
        while let ([row, rest @ ..], [other, other_rest @ ..]) = (rows, others) {
            both += u32::from(row == other);
            if row <= other {
                rows = rest;
            }
            if other <= row {
                others = other_rest;
            }
        }
        f64::from(both) / f64::from(a.size() + b.size() - both)
    }

    /// The groups by price, those of one price by the names of their attributes.
    fn by_price(&self) -> impl Iterator<Item = &Group> {
        let ends = self.templates.iter().skip(1).copied().chain([self.list.len()]);
        let mut templates: Vec<&[Group]> =
            self.templates.iter().zip(ends).map(|(first, end)| &self.list[*first..end]).collect();
        templates.sort_by(|a, b| {
            a[0].cost.total_cmp(&b[0].cost).then_with(|| a[0].attributes.cmp(b[0].attributes))
        });
        templates.into_iter().flatten()
    }

    /// Merges groups of one coverage under the cheapest name: the kept groups, and the other names of each.
    fn merged(&self) -> (Vec<&Group>, Vec<(usize, Name)>) {
        let mut known = BySize::of(&self.list);
        let mut small: HashMap<&[u32], usize, BuildHasherDefault<Mix>> = HashMap::default();
        let mut kept: Vec<&Group> = Vec::with_capacity(self.list.len());
        let mut aliases = Vec::new();
        for group in self.by_price() {
            let rows = self.rows(group);
            let is_same = |place: usize| {
                rows == self.rows(kept[place]) || self.jaccard(group, kept[place]) >= SAME_COVERAGE
            };
            let place = if group.size() <= EXACT {
                *small.entry(rows).or_insert(kept.len())
            } else {
                known.find(group, is_same).unwrap_or(kept.len())
            };
            if place < kept.len() {
                aliases.push((place, self.name(group)));
                continue;
            }
            if group.size() > EXACT {
                known.insert(group, place);
            }
            kept.push(group);
        }
        (kept, aliases)
    }

    /// Says what each coverage explains.
    pub(super) fn into_candidates(self, live: bool, probes: &Probes<'_>) -> Candidates {
        let (kept, aliases) = self.merged();
        let mut order: Vec<(f64, usize)> =
            kept.iter().map(|group| group.evidence.gain(group.cost)).zip(0..).collect();
        let scope = |place: usize| self.name(kept[place]).scope(probes);
        let first = order.iter().position(|(_, place)| self.name(kept[*place]).is_everybody());
        order.swap(0, first.unwrap_or(0));
        order[1..].sort_unstable_by(|(gain, place), (other_gain, other)| {
            other_gain.total_cmp(gain).then_with(|| scope(*place).cmp(&scope(*other)))
        });
        order.truncate(MAX_CANDIDATES);
        let mut sets = Sets::new(probes.rows(), order.len());
        for (set, (_, place)) in order.iter().enumerate() {
            self.rows(kept[*place]).iter().for_each(|row| sets.insert(set, *row as usize));
        }
        let candidate = |(gain, coverage): (f64, usize)| {
            let group = kept[coverage];
            let (cost, ceiling) = (group.cost, group.ceiling - group.cost);
            Candidate { name: self.name(group), cost, evidence: group.evidence, gain, ceiling, coverage }
        };
        Candidates { list: order.into_iter().map(candidate).collect(), sets, live, aliases }
    }
}

/// Kept groups by size, so that those that may be the same are found soon.
struct BySize {
    /// Where the groups of each size begin.
    starts: Vec<usize>,
    /// How many of each size there are.
    lengths: Vec<usize>,
    /// Signature and place among the kept.
    groups: Vec<(u64, usize)>,
}

impl BySize {
    /// None yet, with room for all of these.
    fn of(all: &[Group]) -> Self {
        let largest = all.iter().map(Group::size).max().unwrap_or(0) as usize;
        let mut starts = vec![0; largest + 2];
        for group in all {
            starts[group.size() as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Self { starts, lengths: vec![0; largest + 1], groups: vec![(0, 0); all.len()] }
    }

    fn insert(&mut self, group: &Group, place: usize) {
        let size = group.size() as usize;
        self.groups[self.starts[size] + self.lengths[size]] = (group.signature, place);
        self.lengths[size] += 1;
    }

    /// The first kept group that is the same, among those whose size and signature allow it.
    fn find(&self, group: &Group, is_same: impl Fn(usize) -> bool) -> Option<usize> {
        let size = f64::from(group.size());
        let may_be_of = |other: &usize| {
            let other = *other as f64;
            size.min(other) >= SAME_COVERAGE * size.max(other)
        };
        let mut first: Option<usize> = None;
        let smaller = (0..group.size() as usize).rev().take_while(may_be_of);
        let larger = (group.size() as usize..self.lengths.len()).take_while(may_be_of);
        for other in smaller.chain(larger) {
            let most_apart = MOST_APART * (size + other as f64) + 1e-9;
            for (signature, place) in &self.groups[self.starts[other]..][..self.lengths[other]] {
                let may_be = f64::from((group.signature ^ signature).count_ones()) <= most_apart;
                if may_be && first.is_none_or(|first| *place < first) && is_same(*place) {
                    first = Some(*place);
                }
            }
        }
        first
    }
}
