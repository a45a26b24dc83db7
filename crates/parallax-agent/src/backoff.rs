//! How long to wait before the next connection: pure functions of how often it failed and a random number.
//!
//! The first tries come soon, so that an aggregator that only restarts is missed for less than a second. After them every wait is
//! drawn from its whole range ("full jitter"), so that agents that lost their aggregator together do not come back together.

use std::ops::Range;
use std::time::Duration;

use parallax_runtime::Rng;
use rand::Rng as _;

/// Tries that come soon.
const SOON_TRIES: u32 = 3;
/// The wait before each of them.
const SOON: Range<Duration> = Duration::from_millis(100)..Duration::from_millis(500);
/// Shortest wait after them.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest wait of the first one after them; doubled with each.
const FIRST_CEILING: Duration = Duration::from_mins(1);
/// No wait is longer, except after a revocation: two of them, and a try between them that nobody answers, are less than five minutes. So
/// an agent is back by then although its first try failed when the aggregator had just returned.
pub(crate) const LONGEST: Duration = Duration::from_mins(2);
/// The wait of an agent that is not wanted.
const REVOKED: Range<Duration> = Duration::from_hours(1)..Duration::from_hours(2);

/// The wait after `failures` failures in a row, 1 or more.
pub(crate) fn after_failures(failures: u32, rng: &mut Rng) -> Duration {
    rng.random_range(range(failures))
}

/// The wait after a revocation.
pub(crate) fn after_revocation(rng: &mut Rng) -> Duration {
    rng.random_range(REVOKED)
}

/// The wait that an aggregator asked for, and up to half as much again.
pub(crate) fn after_drain(asked: Duration, rng: &mut Rng) -> Duration {
    let asked = asked.min(LONGEST);
    asked + rng.random_range(Duration::ZERO..(asked / 2).max(SOON.start))
}

fn range(failures: u32) -> Range<Duration> {
    match failures.checked_sub(SOON_TRIES + 1) {
        None => SOON,
        Some(doublings) => SHORTEST..(FIRST_CEILING * 2_u32.pow(doublings.min(8))).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_two_minutes() {
        let cases = [
            (1, 100, 500),
            (3, 100, 500),
            (4, 1_000, 60_000),
            (5, 1_000, 120_000),
            (6, 1_000, 120_000),
            (u32::MAX, 1_000, 120_000),
        ];
        for (failures, from, to) in cases {
            let expected = Duration::from_millis(from)..Duration::from_millis(to);
            assert_eq!(range(failures), expected, "{failures}");
        }
    }

    #[test]
    fn waits_are_drawn_from_the_whole_range() {
        let mut rng = parallax_runtime::seeded(1);
        let waits: Vec<_> = (0..1_000).map(|_| after_failures(4, &mut rng)).collect();
        assert!(waits.iter().any(|wait| wait.as_secs() < 5) && waits.iter().any(|wait| wait.as_secs() >= 55));
        for asked in [Duration::ZERO, Duration::from_secs(10), Duration::MAX] {
            let wait = after_drain(asked, &mut rng);
            assert!(wait >= asked.min(LONGEST) && wait <= LONGEST * 3 / 2, "{wait:?}");
        }
    }
}
