//! Many batches put together, target by target: a board that takes up all of them finds each target once, and has its window at hand
//! for all its rows. Pure, and independent of any board: made wherever there is a thread to spare.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use parallax_bus::Published;
use parallax_model::Target;

/// Batches with their rows sorted by target; those of one target in the order in which they were given.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    batches: Vec<Published>,
    /// Row numbers: those of a place beside each other.
    rows: Vec<u32>,
    /// Those of one target beside each other.
    places: Vec<Place>,
}

/// Where one target's rows of one batch are.
#[derive(Debug, Clone, Copy)]
struct Place {
    target: u32,
    batch: u32,
    begin: u32,
    end: u32,
}

impl Gathered {
    /// Puts batches together, at most `u32::MAX` results.
    pub(crate) fn new(batches: Vec<Published>) -> Self {
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        let mut targets: HashMap<&Target, u32, RandomState> = HashMap::default();
        for (batch, published) in (0..).zip(&batches) {
            for seen in published.results.by_target().iter() {
                let Some(target) = seen.rows.first().and_then(|row| published.results.target(*row as usize))
                else {
                    continue;
                };
                let next = length(targets.len());
                let target = *targets.entry(target).or_insert(next);
                let begin = length(rows.len());
                rows.extend_from_slice(seen.rows);
                places.push(Place { target, batch, begin, end: length(rows.len()) });
            }
        }
        places.sort_by_key(|place| place.target);
        Self { batches, rows, places }
    }

    /// What was put together.
    pub(crate) fn batches(&self) -> &[Published] {
        &self.batches
    }

    /// The targets, each with its rows: the number of a batch, and the rows' numbers in it.
    pub(super) fn by_target(&self) -> impl Iterator<Item = (&Target, impl Iterator<Item = (usize, &[u32])>)> {
        self.places.chunk_by(|a, b| a.target == b.target).filter_map(|places| {
            let (batch, rows) = self.rows_of(*places.first()?)?;
            let target = self.batches.get(batch)?.results.target(*rows.first()? as usize)?;
            Some((target, places.iter().filter_map(|place| self.rows_of(*place))))
        })
    }

    fn rows_of(&self, place: Place) -> Option<(usize, &[u32])> {
        Some((place.batch as usize, self.rows.get(place.begin as usize..place.end as usize)?))
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use parallax_model::{BeaconState, CheckId, ProbeResult, UnixMicros};
    use parallax_proto::batch::{Known, Results, encode};

    use super::super::Board;
    use super::*;
    use crate::window::tests::result;

    const WATCHED: [&str; 3] = ["https://a.example/", "https://b.example/", "https://b.example/page"];
    const ASKED: &str = "https://asked.example/";
    const UNASKED: &str = "https://unasked.example/";

    fn at(s: i64) -> UnixMicros {
        UnixMicros(0).plus_secs(s)
    }

    /// What agent number `n` sends in this round: each target twice, its first site a check's question now and then, and what lay in
    /// its spool for long when `waited_s` is not 0.
    fn batch(n: u32, round: i64, waited_s: u32) -> Published {
        let one = |(place, target): (usize, &str)| {
            let status = if (place + n as usize).is_multiple_of(4) { 502 } else { 200 };
            let asked = target == ASKED && round > 1;
            ProbeResult {
                target: target.parse().expect("canonical"),
                check: asked.then_some(CheckId(7)),
                started_at: at(10_000 + 30 * round + i64::try_from(place).expect("small")),
                beacon: if n == 3 && round == 4 { BeaconState::Failed } else { BeaconState::Ok },
                ..result(status).as_ref().clone()
            }
        };
        let targets = WATCHED.into_iter().chain([ASKED, UNASKED]);
        let results: Vec<ProbeResult> = targets.clone().chain(targets).enumerate().map(one).collect();
        let mut columns = encode(&results);
        columns.waited_s = waited_s;
        Published {
            agent: format!("a{n}").parse().expect("an id"),
            vantage: Arc::default(),
            received_at: at(10_005 + 30 * round),
            results: Arc::new(Results::new(columns, &Known::default()).expect("it travels")),
        }
    }

    fn board() -> Board {
        let mut board = Board::default();
        for target in WATCHED {
            board.watch(&target.parse().expect("canonical"), Duration::from_secs(30), at(0));
        }
        board
    }

    /// Everything that results leave on a board, in words.
    fn told(board: &mut Board) -> Vec<String> {
        let entry = |(target, entry): (&Target, &crate::board::Entry)| {
            let cells: Vec<_> = entry.window.newest().collect();
            format!("{target} {:?} {} {cells:?}", entry.touched, entry.dirty)
        };
        let mut told: Vec<String> = board.entries.iter().map(entry).collect();
        told.sort_unstable();
        told.push(format!("{:?} {} {:?}", board.lines, board.unasked, board.cells));
        told.extend(board.take_minutes(at(20_000), true).iter().map(|minute| format!("{minute:?}")));
        told
    }

    #[test]
    fn batches_together_leave_on_a_board_what_they_leave_one_by_one() {
        let mut batches: Vec<Published> =
            (0..6).flat_map(|round| (0..5).map(move |n| batch(n, round, 0))).collect();
        // One that came twice, one that comes after later ones, and one that was away for an hour.
        batches.push(batches[7].clone());
        batches.swap(2, 20);
        batches.push(batch(4, 5, 3_600));
        let count = |batch: &Published| batch.received_at >= at(10_065);
        let mut one_by_one = board();
        for batch in &batches {
            one_by_one.add(batch, count(batch));
        }
        let told_of_each = told(&mut one_by_one);
        assert_eq!(one_by_one.entries.len(), 4);
        assert_eq!((one_by_one.cells.taken(), one_by_one.unasked), (20, 34));
        for sizes in [batches.len(), 1, 7, 20] {
            let mut together = board();
            for some in batches.chunks(sizes) {
                together.add_all(&Gathered::new(some.to_vec()), count);
            }
            assert_eq!(told(&mut together), told_of_each, "{sizes} at once");
        }
    }
}
