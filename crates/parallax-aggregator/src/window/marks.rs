//! What an agent's results of the last half hour were, about two bytes each: when a fault began is looked up here.

use std::time::Duration;

use parallax_diagnose::is_slow;
use parallax_model::{BeaconState, Family, Protocol, RetryOutcome, UnixMicros};

use super::seen::Seen;

/// How far back the beginning of a fault is looked for (diagnosis.md 5.10).
pub(crate) const KEPT: Duration = Duration::from_mins(30);
/// Marks of one agent kept at most; of more the oldest go.
const MAX_MARKS: usize = 256;
/// The unit in which moments are kept, in microseconds.
const TICK_US: i64 = 250_000;
/// What is written of a mark's moment at once, seven bits of it.
const GROUP_BITS: u32 = 7;

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
    pub(super) fn of(seen: &Seen, failed: bool, usual_ms: impl FnOnce() -> Option<f64>) -> Option<Self> {
        if seen.beacon == BeaconState::Failed {
            return None;
        }
        if !failed {
            let ttfb = seen.first_byte().map(parallax_model::Micros::as_millis_f64);
            // Most answers are slow for nobody, and what is usual takes some work.
            let slow = |ms| is_slow(ms, 0.0) && usual_ms().is_some_and(|usual| is_slow(ms, usual));
            let slow = ttfb.is_some_and(slow);
            return Some(if slow { Self::Slow } else { Self::Works });
        }
        let own = seen.outcome.kind().is_some_and(|kind| kind.is_agent() || kind.is_blocked());
        let again = seen.retry == Some(RetryOutcome::Ok);
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
    fn flags(self) -> u8 {
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
        let known = u8::from(self.family.is_some());
        known << 5 | family << 4 | protocol << 2 | self.mark as u8
    }

    fn read(at: UnixMicros, flags: u8) -> Self {
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
        Self { at, mark: Mark::ALL[usize::from(flags & 0b11)], family, protocol }
    }
}

/// A mark's moment in ticks, and what else is known of it.
type Word = (i64, u8);

/// The marks of one agent in the order of their moments. Each is written as its distance from the one before, and its flags only
/// where they differ from that one's.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    last_tick: i64,
    /// All but the first.
    later: Vec<u8>,
    /// Ticks from the first to the last.
    span: u32,
    count: u16,
    first_flags: u8,
    last_flags: u8,
}

impl Marks {
    const fn first(&self) -> Word {
        (self.last_tick - self.span as i64, self.first_flags)
    }

    const fn last(&self) -> Word {
        (self.last_tick, self.last_flags)
    }

    /// Only this one.
    const fn only(&mut self, word: Word) {
        (self.last_tick, self.span, self.count) = (word.0, 0, 1);
        (self.first_flags, self.last_flags) = (word.1, word.1);
    }

    /// Adds a mark in its place. What is older than what is kept of the newest is left out.
    pub(super) fn add(&mut self, marked: Marked) {
        let word = (marked.at.0.div_euclid(TICK_US), marked.flags());
        if self.count == 0 {
            self.only(word);
        } else if word > self.last() {
            self.append(word);
        } else if word < self.last() {
            self.insert(word);
        }
        while usize::from(self.count) > MAX_MARKS || i64::from(self.span) > kept_ticks() {
            self.drop_first();
        }
    }

    fn append(&mut self, word: Word) {
        let after = word.0.abs_diff(self.last_tick);
        let Some(span) = u32::try_from(after).ok().and_then(|after| self.span.checked_add(after)) else {
            // All that came before is too old by far.
            self.later.clear();
            self.only(word);
            return;
        };
        let mut left = after << 1 | u64::from(word.1 != self.last_flags);
        // Little by little: half an hour is a few hundred bytes, and there are many agents.
        if self.later.len() + 8 > self.later.capacity() {
            self.later.reserve_exact(16);
        }
        while left >> GROUP_BITS != 0 {
            self.later.push((left & 0x7f) as u8 | 0x80);
            left >>= GROUP_BITS;
        }
        self.later.push((left & 0x7f) as u8);
        if word.1 != self.last_flags {
            self.later.push(word.1);
        }
        self.span = span;
        (self.last_tick, self.last_flags) = word;
        self.count += 1;
    }

    /// One that came late: all are written anew.
    fn insert(&mut self, word: Word) {
        let mut words: Vec<Word> = self.words().collect();
        let Err(place) = words.binary_search(&word) else { return };
        words.insert(place, word);
        self.later.clear();
        self.only(words[0]);
        words.drain(1..).for_each(|word| self.append(word));
    }

    fn drop_first(&mut self) {
        let mut bytes = self.later.iter();
        let Some(next) = next(&mut bytes, self.first()) else {
            *self = Self::default();
            return;
        };
        let used = self.later.len() - bytes.len();
        self.later.drain(..used);
        self.span = u32::try_from(self.last_tick - next.0).unwrap_or(0);
        self.first_flags = next.1;
        self.count -= 1;
    }

    fn words(&self) -> impl Iterator<Item = Word> {
        let mut bytes = self.later.iter();
        let first = (self.count > 0).then(|| self.first());
        std::iter::successors(first, move |before| next(&mut bytes, *before))
    }

    /// Every mark, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Marked> {
        self.words().map(|(ticks, flags)| Marked::read(UnixMicros(ticks * TICK_US), flags))
    }

    /// Drops what is too old.
    pub(super) fn expire(&mut self, now: UnixMicros) {
        while self.count > 0 && now.since(UnixMicros(self.first().0 * TICK_US)) > kept_us() {
            self.drop_first();
        }
    }
}

/// Reads the word after `before`.
fn next(bytes: &mut std::slice::Iter<'_, u8>, before: Word) -> Option<Word> {
    let (mut read, mut shift) = (0_u64, 0);
    loop {
        let byte = *bytes.next()?;
        read |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += GROUP_BITS;
    }
    let flags = if read & 1 == 1 { *bytes.next()? } else { before.1 };
    Some((before.0 + (read >> 1).cast_signed(), flags))
}

/// A distance beyond this cannot be written, and need not.
fn kept_ticks() -> i64 {
    i64::try_from(kept_us()).unwrap_or(i64::MAX) / TICK_US
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
