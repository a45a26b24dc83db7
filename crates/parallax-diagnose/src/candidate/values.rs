//! The rows that share a value, as sets: those that share two values are in both sets.

use parallax_model::Attribute;

use super::LIVE_FAILING;
use crate::column::Column;
use crate::members::{self, Sets};
use crate::probes::Probes;

/// Of every attribute the rows that have each of its values. Values in which too few agents fail have no set of their own: with them
/// no scope is live. So there are at most half as many sets as failing rows.
#[derive(Default)]
pub(super) struct Values(Vec<OneAttribute>);

/// The rows of each value of one attribute.
struct OneAttribute {
    /// Number of the set of each value; 0 is that of all values that have none of their own.
    numbers: Vec<u32>,
    sets: Sets,
    /// The rows in every set, one set after the other, where there are so many sets that most have few; and where those of each begin.
    rows: Vec<u32>,
    starts: Vec<usize>,
}

/// From so many sets on most have so few rows that it is faster to go through them than through the words of the set.
const MANY: u32 = 32;

impl Values {
    pub(super) fn of(probes: &Probes<'_>) -> Self {
        Self(Attribute::ALL.iter().map(|attribute| OneAttribute::of(probes, *attribute)).collect())
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
        let set =
            |attribute: Attribute| self.0[attribute as usize].set(probes.columns.column(attribute), row);
        match attributes {
            [first, second] => (set(*first), set(*second)),
            [one] => (set(*one), set(*one)),
            _ => (&[], &[]),
        }
    }

    /// Rows of which those in the set are the same as in both of [`Self::like`], where the rows are known and few.
    pub(super) fn few<'a>(
        &'a self,
        row: u32,
        attributes: &[Attribute],
        probes: &'a Probes<'_>,
    ) -> Option<(&'a [u32], &'a [u64])> {
        let (first, second) = self.like(row, attributes, probes);
        let rows = |place: usize| {
            let attribute = *attributes.get(place)?;
            self.0[attribute as usize].rows(probes.columns.column(attribute), row)
        };
        let few = |rows: &&[u32]| members::is_few(rows.len(), first);
        rows(0).filter(few).map(|rows| (rows, second)).or_else(|| Some((rows(1).filter(few)?, first)))
    }
}

impl OneAttribute {
    fn of(probes: &Probes<'_>, attribute: Attribute) -> Self {
        let (column, agents) = (probes.columns.column(attribute), &probes.columns.agents);
        let mut numbers = vec![0; column.values];
        if attribute == Attribute::All {
            return Self { numbers, sets: Sets::default(), rows: Vec::new(), starts: Vec::new() };
        }
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
        let number = |(id, heard): (&u32, &u32)| numbers[(id & heard) as usize] as usize;
        let all = || column.ids.iter().zip(&probes.heard).map(number);
        let mut sets = Sets::new(probes.rows(), last as usize + 1);
        all().enumerate().for_each(|(row, number)| sets.insert(number, row));
        if last < MANY {
            return Self { numbers, sets, rows: Vec::new(), starts: Vec::new() };
        }
        let (mut rows, mut starts) = (vec![0; probes.rows()], vec![0; last as usize + 2]);
        all().for_each(|number| starts[number + 1] += 1);
        for number in 0..=last as usize {
            starts[number + 1] += starts[number];
        }
        let mut ends = starts.clone();
        for (row, number) in (0..).zip(all()) {
            rows[ends[number]] = row;
            ends[number] += 1;
        }
        Self { numbers, sets, rows, starts }
    }

    fn set(&self, column: &Column, row: u32) -> &[u64] {
        self.sets.of(self.numbers[column.ids[row as usize] as usize] as usize)
    }

    fn rows(&self, column: &Column, row: u32) -> Option<&[u32]> {
        let number = self.numbers[column.ids[row as usize] as usize] as usize;
        Some(&self.rows[*self.starts.get(number)?..*self.starts.get(number + 1)?])
    }
}
