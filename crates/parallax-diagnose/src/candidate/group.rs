//! The results that share a value, or a pair of values: what they say together, and which of them are the same.

use parallax_model::Attribute;

use super::{
    Candidate, Candidates, EVERYBODY_COST, LIVE_AGENTS, MAX_CANDIDATES, MOST_APART, Name, SAME_COVERAGE,
    TEMPLATES, Template, distinct,
};
use crate::evidence::{Evidence, GRID, Influence};
use crate::members::{self, Sets};
use crate::observe::count;
use crate::probes::Probes;

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
    /// Groups that are being summed up, by their number from 1.
    sums: Vec<Sum>,
}

/// A group that is being summed up.
#[derive(Clone, Default)]
#[repr(align(64))]
struct Sum {
    nats: [f64; GRID],
    results: u32,
    /// Where its next row stands among all groups' rows.
    end: u32,
    signature: u64,
}

impl Sum {
    fn add(&mut self, row: u32, influence: &Influence, rows: &mut [u32]) {
        for (sum, nats) in self.nats.iter_mut().zip(influence.0) {
            *sum += nats;
        }
        self.signature ^= 1 << (row % 64);
        rows[self.end as usize] = row;
        self.end += 1;
    }

    fn group(&self, attributes: &'static [Attribute], ceiling: f64) -> Group {
        let evidence = Evidence { nats: self.nats, results: self.results };
        let start = self.end - self.results;
        Group { attributes, cost: 0.0, evidence, ceiling, start, signature: self.signature }
    }
}

impl Groups {
    /// Only the group of everybody.
    pub(super) fn everybody(probes: &Probes<'_>, ceiling: f64) -> Self {
        let mut rows = vec![0; probes.count as usize];
        let mut sum = Sum { results: probes.count, ..Sum::default() };
        for row in members::each(&probes.all) {
            sum.add(count(row), &probes.influences[row], &mut rows);
        }
        let everybody = Group { cost: EVERYBODY_COST, ..sum.group(Name::EVERYBODY.attributes, ceiling) };
        // A group for every few rows of a template is much.
        rows.reserve(probes.rows() * TEMPLATES.len());
        Self { list: vec![everybody], templates: vec![0], rows, sums: Vec::new() }
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
        self.sums.clear();
        self.sums.resize(ceilings.len() + 1, Sum::default());
        for (_, place) in hits {
            self.sums[*place as usize].results += 1;
        }
        let mut end = start;
        for sum in &mut self.sums {
            (sum.end, end) = (end, end + sum.results);
        }
        for (row, place) in hits {
            self.sums[*place as usize].add(*row, &probes.influences[*row as usize], &mut self.rows);
        }
        for (sum, ceiling) in self.sums.iter().skip(1).zip(ceilings) {
            let group = sum.group(template.attributes, ceiling);
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
        let mut kept: Vec<&Group> = Vec::with_capacity(self.list.len());
        let mut aliases = Vec::new();
        for group in self.by_price() {
            let is_same = |place: usize| self.jaccard(group, kept[place]) >= SAME_COVERAGE;
            if let Some(place) = known.find(group, is_same) {
                aliases.push((place, self.name(group)));
            } else {
                known.insert(group, kept.len());
                kept.push(group);
            }
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
