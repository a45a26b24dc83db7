//! The results that share a value, or a pair of values: what they say together, and which of them are the same.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use parallax_model::Attribute;

use super::{
    Candidate, Candidates, EVERYBODY_COST, Fails, LIVE_AGENTS, MAX_CANDIDATES, MOST_APART, Name,
    SAME_COVERAGE, Template, Values, distinct,
};
use crate::column::Mix;
use crate::evidence::Evidence;
use crate::look::Looks;
use crate::members::{self, Lists, Sets};
use crate::observe::count;
use crate::probes::Probes;

/// Groups of no more rows than this are the same only when they have the very same rows: one row is more than the tolerance.
const EXACT: u32 = 18;
const _: () = assert!((EXACT as f64) < SAME_COVERAGE * (EXACT + 1) as f64);

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
    /// The rows of every group, in their order; at most so many times all rows as there are templates.
    rows: Lists,
}

impl Groups {
    /// Only the group of everybody.
    pub(super) fn everybody(probes: &Probes<'_>, ceiling: f64) -> Self {
        let mut groups = Self { list: Vec::new(), templates: vec![0], rows: Lists::default() };
        groups.rows.write(probes.all.iter().copied());
        let everybody = groups.summed_up(Name::EVERYBODY.attributes, 0, ceiling, probes);
        let signature = probes.all.iter().fold(0, |signature, word| signature ^ word);
        groups.list.push(Group { cost: EVERYBODY_COST, signature, ..everybody });
        groups
    }

    /// What the rows say together that were written last, from `start` on; their price and signature are not known yet.
    fn summed_up(
        &self,
        attributes: &'static [Attribute],
        start: usize,
        ceiling: f64,
        probes: &Probes<'_>,
    ) -> Group {
        let rows = self.rows.since(start);
        Group {
            attributes,
            cost: 0.0,
            evidence: probes.evidence(rows.iter().map(|row| *row as usize)),
            ceiling,
            start: count(start),
            signature: 0,
        }
    }

    /// Adds the live groups of a template, in which so many fail.
    pub(super) fn add<'f>(
        &mut self,
        template: &Template,
        fails: impl Iterator<Item = &'f Fails>,
        values: &Values,
        probes: &Probes<'_>,
    ) {
        let first = self.list.len();
        for fails in fails {
            let start = self.rows.end();
            let signature = self.write(fails.example, template.attributes, values, probes);
            let group = self.summed_up(template.attributes, start, fails.ceiling, probes);
            let group = Group { signature, ..group };
            if self.agents(&group, probes) >= LIVE_AGENTS {
                self.list.push(group);
            } else {
                self.rows.forget(start);
            }
        }
        let live = self.list.len();
        if live > first {
            let cost = template.price + ((live - first) as f64).ln();
            self.list[first..].iter_mut().for_each(|group| group.cost = cost);
            self.templates.push(first);
        }
    }

    /// Writes the rows that share these attributes with this one. Returns their signature.
    fn write(&mut self, row: u32, attributes: &[Attribute], values: &Values, probes: &Probes<'_>) -> u64 {
        if let Some((rows, set)) = values.few(row, attributes, probes) {
            let start = self.rows.end();
            self.rows.pick(rows, set, true);
            return self.rows.since(start).iter().fold(0, |signature, row| signature ^ 1 << (row % 64));
        }
        let (a, b) = values.like(row, attributes, probes);
        let words = || a.iter().zip(b).map(|(a, b)| a & b);
        self.rows.write(words());
        words().fold(0, |signature, word| signature ^ word)
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
        self.rows.list(group.start, group.size())
    }

    fn name(&self, group: &Group) -> Name {
        Name { attributes: group.attributes, example: self.rows(group).first().copied().unwrap_or(0) }
    }

    /// Size of the intersection over size of the union.
    fn jaccard(&self, a: &Group, b: &Group, values: &Values, probes: &Probes<'_>) -> f64 {
        let sets = |group: &Group| values.like(self.name(group).example, group.attributes, probes);
        let both = members::shared_by_pairs(sets(a), sets(b));
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
    fn merged(&self, values: &Values, probes: &Probes<'_>) -> (Vec<&Group>, Vec<(usize, Name)>) {
        let mut known = BySize::of(&self.list);
        let mut small: HashMap<&[u32], usize, BuildHasherDefault<Mix>> = HashMap::default();
        let mut kept: Vec<&Group> = Vec::with_capacity(self.list.len());
        let mut aliases = Vec::new();
        for group in self.by_price() {
            let rows = self.rows(group);
            let is_same = |place: usize| self.jaccard(group, kept[place], values, probes) >= SAME_COVERAGE;
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
    pub(super) fn into_candidates(
        self,
        live: bool,
        values: &Values,
        probes: &Probes<'_>,
        looks: &Looks,
    ) -> Candidates {
        let (kept, aliases) = self.merged(values, probes);
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
        let (mut list, mut failing) = (Vec::with_capacity(order.len()), Lists::default());
        for (set, (gain, coverage)) in order.into_iter().enumerate() {
            let group = kept[coverage];
            let name = self.name(group);
            sets.fill(set, values.like(name.example, name.attributes, probes));
            let first = failing.end();
            failing.sift((self.rows(group), sets.of(set)), &looks.failing, true);
            list.push(Candidate {
                name,
                cost: group.cost,
                evidence: group.evidence,
                gain,
                ceiling: group.ceiling - group.cost,
                coverage,
                start: group.start,
                failing: (count(first), count(failing.end() - first)),
            });
        }
        Candidates { list, sets, rows: self.rows, failing, live, aliases }
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
