//! The results that share a value, or a pair of values: what they say together, and which of them are the same.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use parallax_model::Attribute;

use super::sums::{Sum, Sums};
use super::{
    Candidate, Candidates, EVERYBODY_COST, MAX_CANDIDATES, MAX_GROUPS, MOST_APART, Name, SAME_COVERAGE,
    Template, Values,
};
use crate::column::Mix;
use crate::members::{self, Lists, Sets};
use crate::observe::count;
use crate::probes::Probes;
use crate::scan::NEGLIGIBLE;

/// Groups of no more rows than this are the same only when they have the very same rows: one row is more than the tolerance.
const EXACT: u32 = 18;
const _: () = assert!((EXACT as f64) < SAME_COVERAGE * (EXACT + 1) as f64);

/// So many of the best are searched whatever they have in common with the best one; on training worlds no answer depends on the
/// others that [`drop_shadows`] leaves out.
const NEAREST: usize = 32;

/// One group of rows.
#[derive(Debug, Clone)]
struct Group {
    attributes: &'static [Attribute],
    cost: f64,
    sum: Sum,
}

impl Group {
    const fn size(&self) -> u32 {
        self.sum.evidence.results
    }

    const fn name(&self) -> Name {
        Name { attributes: self.attributes, example: self.sum.example }
    }

    fn gain(&self) -> f64 {
        self.sum.evidence.gain(self.cost)
    }

    /// What [`Self::gain`] lies between, told without its exponentials.
    fn gain_within(&self) -> (f64, f64) {
        let (least, most) = self.sum.evidence.gain_within();
        (least - self.cost, most - self.cost)
    }
}

/// The live groups, those of one template together.
pub(super) struct Groups {
    list: Vec<Group>,
    /// Where the groups of each template begin.
    templates: Vec<usize>,
}

impl Groups {
    /// Only the group of everybody.
    pub(super) fn everybody(sum: Sum) -> Self {
        let everybody = Group { attributes: Name::EVERYBODY.attributes, cost: EVERYBODY_COST, sum };
        Self { list: vec![everybody], templates: vec![0] }
    }

    /// Adds the live groups of these templates.
    pub(super) fn add_all(&mut self, templates: &[Template], sums: &mut Sums<'_>) {
        for template in templates {
            self.add(template, sums);
        }
    }

    fn add(&mut self, template: &Template, sums: &mut Sums<'_>) {
        let mut live = sums.live(template);
        if live.is_empty() {
            return;
        }
        if live.len() > MAX_GROUPS {
            live.sort_by_key(|sum| std::cmp::Reverse(sum.failing));
            live.truncate(MAX_GROUPS);
        }
        self.templates.push(self.list.len());
        let cost = template.price + (live.len() as f64).ln();
        let group = |sum| Group { attributes: template.attributes, cost, sum };
        self.list.extend(live.into_iter().map(group));
    }

    /// How much more everybody explains than the best group, in nats.
    pub(super) fn lead_of_everybody(&self) -> f64 {
        let mut groups = self.list.iter();
        let everybody = groups.next().map_or(0.0, Group::gain);
        let better = |best: f64, group: &Group| {
            if group.gain_within().1 > best { best.max(group.gain()) } else { best }
        };
        everybody - groups.fold(0.0, better)
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
        // Where the groups of the very same rows are found, or those that they are the same as.
        let mut places: HashMap<u64, usize, BuildHasherDefault<Mix>> =
            HashMap::with_capacity_and_hasher(self.list.len(), BuildHasherDefault::default());
        let mut kept: Vec<&Group> = Vec::with_capacity(self.list.len());
        let mut aliases = Vec::new();
        for group in self.by_price() {
            let next = kept.len();
            let place = *places.entry(group.sum.rows).or_insert_with(|| {
                let is_same = |place: usize| jaccard(group, kept[place], values, probes) >= SAME_COVERAGE;
                if group.size() <= EXACT { next } else { known.find(group, is_same).unwrap_or(next) }
            });
            if place < next {
                aliases.push((place, group.name()));
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
    pub(super) fn into_candidates(self, live: bool, values: &Values, probes: &Probes<'_>) -> Candidates {
        let (kept, aliases) = self.merged(values, probes);
        let least = least_gain(&kept);
        let is_wanted = |group: &Group| group.name().is_everybody() || group.gain_within().1 >= least;
        let wanted = kept.iter().zip(0..).filter(|(group, _)| is_wanted(group));
        let mut order: Vec<(f64, usize)> = wanted.map(|(group, place)| (group.gain(), place)).collect();
        let scope = |place: usize| kept[place].name().scope(probes);
        let first = order.iter().position(|(_, place)| kept[*place].name().is_everybody());
        order.swap(0, first.unwrap_or(0));
        order[1..].sort_unstable_by(|(gain, place), (other_gain, other)| {
            other_gain.total_cmp(gain).then_with(|| scope(*place).cmp(&scope(*other)))
        });
        order.truncate(MAX_CANDIDATES);
        drop_shadows(&mut order, |place: usize| {
            let name = kept[place].name();
            values.hints_like(name.example, name.attributes)
        });
        let (mut sets, mut hints) =
            (Sets::new(probes.rows(), order.len()), Sets::new(probes.hints.len(), order.len()));
        let fails = probes.fails_among_hints();
        let (mut list, mut failing) = (Vec::with_capacity(order.len()), Lists::default());
        for (set, (gain, coverage)) in order.into_iter().enumerate() {
            let group = kept[coverage];
            let name = group.name();
            sets.fill(set, values.like(name.example, name.attributes, probes));
            let first = failing.end();
            if name.is_everybody() {
                (0..probes.hints.len()).for_each(|place| hints.insert(set, place));
            } else {
                hints.fill(set, values.hints_like(name.example, name.attributes));
            }
            failing.write_shared(hints.of(set), &fails, true);
            failing.rename(first, &probes.hints);
            list.push(Candidate {
                name,
                cost: group.cost,
                evidence: group.sum.evidence,
                gain,
                ceiling: group.sum.ceiling - group.cost,
                most: gain + group.sum.look,
                coverage,
                failing: (count(first), count(failing.end() - first)),
            });
        }
        Candidates { list, sets, hints, fails, failing, live, aliases }
    }
}

/// Leaves out what says again what the best scope beside everybody says, for three quarters of its failures are there, and explains so
/// much less that nothing depends on it alone.
fn drop_shadows<'a>(order: &mut Vec<(f64, usize)>, hints: impl Fn(usize) -> (&'a [u64], &'a [u64])) {
    let Some((best, place)) = order.get(1).copied() else { return };
    let of_best = hints(place);
    let mut before = 0;
    order.retain(|(gain, place)| {
        before += 1;
        let is_far = before > 1 + NEAREST && *gain < best - NEGLIGIBLE;
        !is_far || {
            let own = hints(*place);
            4 * members::shared_by_pairs(own, of_best) < 3 * members::shared(own.0, own.1)
        }
    });
}

/// A gain that as many groups surely reach as there may be candidates.
fn least_gain(groups: &[&Group]) -> f64 {
    let mut least: Vec<f64> = groups.iter().map(|group| group.gain_within().0).collect();
    if least.len() <= MAX_CANDIDATES {
        return f64::NEG_INFINITY;
    }
    let (_, least, _) = least.select_nth_unstable_by(MAX_CANDIDATES, |a, b| b.total_cmp(a));
    *least
}

/// Size of the intersection over size of the union.
fn jaccard(a: &Group, b: &Group, values: &Values, probes: &Probes<'_>) -> f64 {
    let sets = |group: &Group| values.like(group.sum.example, group.attributes, probes);
    let both = members::shared_by_pairs(sets(a), sets(b));
    f64::from(both) / f64::from(a.size() + b.size() - both)
}

/// Kept groups by size, so that those that may be the same are found soon.
struct BySize {
    /// Where the groups of each size begin.
    starts: Vec<usize>,
    /// How many of each size there are.
    lengths: Vec<usize>,
    /// Signature and place among the kept; [`usize::MAX`] where none is yet.
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
        Self { starts, lengths: vec![0; largest + 1], groups: vec![(0, usize::MAX); all.len()] }
    }

    fn insert(&mut self, group: &Group, place: usize) {
        let size = group.size() as usize;
        self.groups[self.starts[size] + self.lengths[size]] = (group.sum.signature, place);
        self.lengths[size] += 1;
    }

    /// The first kept group that is the same, among those whose size and signature allow it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes of groups, which are far below 2^32"
    )]
    fn find(&self, group: &Group, is_same: impl Fn(usize) -> bool) -> Option<usize> {
        let size = f64::from(group.size());
        let smallest = (SAME_COVERAGE * size) as usize;
        let largest = ((size / SAME_COVERAGE).ceil() as usize).min(self.lengths.len() - 1);
        let most_apart = (MOST_APART * (size + largest as f64) + 1e-9) as u32;
        let mut first: Option<usize> = None;
        for (signature, place) in &self.groups[self.starts[smallest]..self.starts[largest + 1]] {
            let may_be = (group.sum.signature ^ signature).count_ones() <= most_apart;
            if may_be && *place < first.unwrap_or(usize::MAX) && is_same(*place) {
                first = Some(*place);
            }
        }
        first
    }
}
