//! What an agent's results of the last half hour were, a few bytes each: when a fault began is looked up here.

use std::collections::VecDeque;
use std::time::Duration;

use parallax_diagnose::is_slow;
use parallax_model::{BeaconState, Family, ProbeResult, Protocol, RetryOutcome, UnixMicros};

/// How far back the beginning of a fault is looked for (diagnosis.md 5.10).
pub(super) const KEPT: Duration = Duration::from_mins(30);
/// Marks of one agent kept at most; of more the oldest go.
const MAX_MARKS: usize = 256;
/// The unit in which moments are kept, in microseconds.
const TICK_US: i64 = 10_000;
/// Bits of a mark that are not its moment.
const FLAG_BITS: u32 = 6;
/// The longest moment after the first one that a mark can hold, in ticks: seven days.
const MAX_TICKS: i64 = (1 << (u32::BITS - FLAG_BITS)) - 1;

/// What a result says about the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// It works.
    Works,
    /// It works and is slow.
    Slow,
    /// It failed, and worked at once on a new connection.
    Wavers,
    /// It failed.
    Fails,
}

impl Mark {
    /// Of a result, `None` when it says nothing about outages: the agent's own failure, a refusal.
    pub(super) fn of(result: &ProbeResult, failed: bool, usual_ms: Option<f64>) -> Option<Self> {
        if result.beacon == BeaconState::Failed {
            return None;
        }
        if !failed {
            let ttfb = result.phases.first_byte.map(parallax_model::Micros::as_millis_f64);
            let slow = ttfb.zip(usual_ms).is_some_and(|(ttfb, usual)| is_slow(ttfb, usual));
            return Some(if slow { Self::Slow } else { Self::Works });
        }
        let own = result.outcome.kind().is_some_and(|kind| kind.is_agent() || kind.is_blocked());
        let again = result.retry == Some(RetryOutcome::Ok);
        (!own).then_some(if again { Self::Wavers } else { Self::Fails })
    }

    const ALL: [Self; 4] = [Self::Works, Self::Slow, Self::Wavers, Self::Fails];
}

/// One mark with what is known of the way it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) at: UnixMicros,
    pub(super) mark: Mark,
    pub(super) family: Option<Family>,
    pub(super) protocol: Option<Protocol>,
}

impl Marked {
    fn flags(self) -> u32 {
        let family = match self.family {
            None | Some(Family::V4) => 0,
            Some(Family::V6) => 1,
        };
        let protocol = match self.protocol {
            None => 0,
            Some(Protocol::H1) => 1,
            Some(Protocol::H2) => 2,
            Some(Protocol::H3) => 3,
        };
        let known = u32::from(self.family.is_some());
        known << 5 | family << 4 | protocol << 2 | self.mark as u32
    }

    fn read(at: UnixMicros, flags: u32) -> Self {
        let family = match flags >> 4 & 0b11 {
            0b10 => Some(Family::V4),
            0b11 => Some(Family::V6),
            _ => None,
        };
        let protocol = match flags >> 2 & 0b11 {
            1 => Some(Protocol::H1),
            2 => Some(Protocol::H2),
            3 => Some(Protocol::H3),
            _ => None,
        };
        Self { at, mark: Mark::ALL[(flags & 0b11) as usize], family, protocol }
    }
}

/// The marks of one agent in the order of their moments.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    base: UnixMicros,
    marks: VecDeque<u32>,
}

impl Marks {
    /// Adds a mark in its place. What is older than what is kept of the newest is left out.
    pub(super) fn add(&mut self, marked: Marked) {
        let ticks = |base: UnixMicros| (marked.at.0 - base.0).div_euclid(TICK_US);
        if self.marks.is_empty() || !(0..=MAX_TICKS).contains(&ticks(self.base)) {
            self.move_base(marked.at);
        }
        let Ok(ticks) = u32::try_from(ticks(self.base)) else { return };
        if i64::from(ticks) > MAX_TICKS {
            return;
        }
        let word = ticks << FLAG_BITS | marked.flags();
        let place = self.marks.partition_point(|known| *known < word);
        if self.marks.get(place) == Some(&word) {
            return;
        }
        self.marks.insert(place, word);
        if self.marks.len() > MAX_MARKS {
            self.marks.pop_front();
        }
        let newest = self.marks.back().map(|word| self.read(*word).at);
        while let (Some(newest), Some(oldest)) = (newest, self.marks.front()) {
            if newest.since(self.read(*oldest).at) <= kept_us() {
                break;
            }
            self.marks.pop_front();
        }
    }

    /// Makes room for a moment that cannot be told from the base: what lies too far from it goes.
    fn move_base(&mut self, at: UnixMicros) {
        let known: Vec<Marked> = self.iter().filter(|m| m.at.0.abs_diff(at.0) <= kept_us()).collect();
        self.base = at.plus_micros(-i64::try_from(kept_us()).unwrap_or(0));
        self.marks.clear();
        for marked in known {
            let ticks = u32::try_from((marked.at.0 - self.base.0).div_euclid(TICK_US)).unwrap_or(0);
            self.marks.push_back(ticks << FLAG_BITS | marked.flags());
        }
    }

    fn read(&self, word: u32) -> Marked {
        let at = self.base.plus_micros(i64::from(word >> FLAG_BITS) * TICK_US);
        Marked::read(at, word)
    }

    /// Every mark, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Marked> {
        self.marks.iter().map(|word| self.read(*word))
    }

    /// Drops what is too old.
    pub(super) fn expire(&mut self, now: UnixMicros) {
        while self.marks.front().is_some_and(|word| now.since(self.read(*word).at) > kept_us()) {
            self.marks.pop_front();
        }
        if self.marks.is_empty() {
            self.marks = VecDeque::new();
        }
    }
}

fn kept_us() -> u64 {
    u64::try_from(KEPT.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(s: i64, mark: Mark, family: Option<Family>, protocol: Option<Protocol>) -> Marked {
        Marked { at: UnixMicros(1_795_381_123_000_000).plus_secs(s), mark, family, protocol }
    }

    #[test]
    fn marks_come_back_as_they_were_in_the_order_of_their_moments() {
        let all = [
            marked(0, Mark::Works, None, None),
            marked(10, Mark::Slow, Some(Family::V4), Some(Protocol::H1)),
            marked(20, Mark::Wavers, Some(Family::V6), Some(Protocol::H2)),
            marked(30, Mark::Fails, Some(Family::V6), Some(Protocol::H3)),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let mut marks = Marks::default();
            for n in order {
                marks.add(all[n]);
            }
            assert_eq!(marks.iter().collect::<Vec<_>>(), all, "{order:?}");
        }
    }

    #[test]
    fn half_an_hour_is_kept_however_long_it_runs() {
        let mut marks = Marks::default();
        for n in 0..40_000 {
            marks.add(marked(n * 15, Mark::Works, Some(Family::V4), None));
        }
        let ages: Vec<_> = marks.iter().map(|m| m.at).collect();
        assert_eq!(ages.len(), 121);
        assert_eq!(ages.first(), Some(&marked(39_879 * 15, Mark::Works, None, None).at));
        marks.expire(ages[120].plus_secs(1_800 + 1));
        assert_eq!(marks.iter().count(), 0);
    }

    #[test]
    fn no_flood_fills_the_memory() {
        let mut marks = Marks::default();
        for n in 0..10_000 {
            let at = UnixMicros(n * TICK_US);
            marks.add(Marked { at, ..marked(0, Mark::Fails, None, None) });
        }
        assert_eq!(marks.iter().count(), MAX_MARKS);
    }
}
