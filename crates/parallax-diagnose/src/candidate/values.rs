//! The rows that share a value, as sets: those that share two values are in both sets.

use parallax_model::Attribute;

use super::{LIVE_FAILING, MAX_DENSE};
use crate::members::Sets;
use crate::probes::Probes;

/// Of every attribute the rows that have each of its values. Values in which too few agents fail have no set of their own: with them
/// no scope is live. So there are at most half as many sets as failing rows.
#[derive(Default)]
pub(super) struct Values(Vec<OneAttribute>);

/// The rows of each value of one attribute.
struct OneAttribute {
    /// The number of each row's set; 0 is that of all whose value has none of its own, and of all who say nothing. Empty when there
    /// are none.
    ids: Vec<u32>,
    /// How many sets there are.
    live: usize,
    sets: Sets,
    /// The same of the rows that speak for a fault, by their place among those: they are few, and are asked for most.
    hints: Sets,
}

impl Values {
    pub(super) fn of(probes: &Probes<'_>) -> Self {
        Self(Attribute::ALL.iter().map(|attribute| OneAttribute::of(probes, *attribute)).collect())
    }

    /// The number of each row's value, 0 where no scope with it is live; and one more than the largest.
    pub(super) fn ids(&self, attribute: Attribute) -> (&[u32], usize) {
        let OneAttribute { ids, live, .. } = &self.0[attribute as usize];
        (ids, *live)
    }

    /// Whether no scope of these attributes is live, for one of them has no such value.
    pub(super) fn are_dead(&self, attributes: &[Attribute]) -> bool {
        attributes.iter().any(|attribute| self.ids(*attribute).1 <= 1)
    }

    /// The numbers of the scopes of one attribute or two; `None` when there are too many.
    pub(super) fn keys(&self, attributes: &[Attribute]) -> Option<ScopeKeys<'_>> {
        let of = |place: usize| attributes.get(place).map(|attribute| self.ids(*attribute));
        let ((first, live), second) = (of(0)?, of(1));
        let room = live * second.map_or(1, |(_, live)| live);
        (room <= MAX_DENSE).then_some(ScopeKeys { first, second, room })
    }

    /// Two sets (or the same one twice), of which the rows are in both that share these attributes with this one.
    pub(super) fn like<'a>(
        &'a self,
        row: u32,
        attributes: &[Attribute],
        probes: &'a Probes<'_>,
    ) -> (&'a [u64], &'a [u64]) {
        if attributes == [Attribute::All] {
            return (&probes.all, &probes.all);
        }
        self.pair(row, attributes, |attribute| &attribute.sets)
    }

    /// The same of the rows that speak for a fault, by their place among those.
    pub(super) fn hints_like(&self, row: u32, attributes: &[Attribute]) -> (&[u64], &[u64]) {
        self.pair(row, attributes, |attribute| &attribute.hints)
    }

    fn pair<'a>(
        &'a self,
        row: u32,
        attributes: &[Attribute],
        sets: impl Fn(&'a OneAttribute) -> &'a Sets,
    ) -> (&'a [u64], &'a [u64]) {
        let set = |attribute: Attribute| {
            let attribute = &self.0[attribute as usize];
            sets(attribute).of(attribute.ids[row as usize] as usize)
        };
        match attributes {
            [first, second] => (set(*first), set(*second)),
            [one] => (set(*one), set(*one)),
            _ => (&[], &[]),
        }
    }
}

/// The numbers of the scopes of one attribute or two, by row; 0 where no scope is live.
pub(super) struct ScopeKeys<'a> {
    first: &'a [u32],
    second: Option<(&'a [u32], usize)>,
    /// One more than the largest.
    pub(super) room: usize,
}

impl ScopeKeys<'_> {
    pub(super) fn at(&self, row: usize) -> usize {
        let first = self.first[row] as usize;
        match self.second {
            None => first,
            Some((ids, live)) if first != 0 && ids[row] != 0 => first * live + ids[row] as usize,
            Some(_) => 0,
        }
    }
}

impl OneAttribute {
    fn of(probes: &Probes<'_>, attribute: Attribute) -> Self {
        let (column, agents) = (probes.columns.column(attribute), &probes.columns.agents);
        if attribute == Attribute::All {
            return Self { ids: Vec::new(), live: 0, sets: Sets::default(), hints: Sets::default() };
        }
        let mut numbers = vec![0; column.values];
        // Of each value how many agents fail, and the last of them.
        let mut fails = vec![(0, 0); column.values];
        let mut last = 0;
        for row in probes.failing.iter().map(|row| *row as usize) {
            let id = column.ids[row] as usize;
            let (failing, agent) = &mut fails[id];
            *failing += u32::from(*agent != agents[row]);
            *agent = agents[row];
            if *failing >= LIVE_FAILING && id != 0 && numbers[id] == 0 {
                last += 1;
                numbers[id] = last;
            }
        }
        let live = last as usize + 1;
        if live == 1 {
            return Self { ids: Vec::new(), live, sets: Sets::default(), hints: Sets::default() };
        }
        let number = |(id, heard): (&u32, &u32)| numbers[(id & heard) as usize];
        let ids: Vec<u32> = column.ids.iter().zip(&probes.heard).map(number).collect();
        let sets = Sets::by_number(&ids, live);
        let mut hints = Sets::new(probes.hints.len(), live);
        for (place, row) in probes.hints.iter().enumerate() {
            hints.insert(ids[*row as usize] as usize, place);
        }
        Self { ids, live, sets, hints }
    }
}
