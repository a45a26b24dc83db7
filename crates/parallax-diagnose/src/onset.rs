//! When a fault began: CUSUM's last zero, with an interval.
//!
//! For every possible start the log-likelihood ratio of what was seen from then on is summed, fault against no fault, over every
//! strength of a fault. The best start is the onset; every start within [`WITHIN_NATS`] of it is possible too. What works just
//! before the first possible start bounds it: the fault began after that.

use parallax_model::{Onset, UnixMicros};

use crate::evidence::{Evidence, Influence};

/// Starts whose sum is this much below the best one are possible too.
const WITHIN_NATS: f64 = 2.0;
/// What one of many results of the same agent is worth beside a single one: they are no independent witnesses.
const REPEATED_WEIGHT: f64 = 0.5;

/// What one result in the scope said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// When it was seen.
    pub at: UnixMicros,
    /// 1 failed, 0 worked, between: partly.
    pub y: f64,
    /// How often its agent fails by itself, 0 to 1.
    pub baseline: f64,
}

/// When the fault began of which these are the trials in its scope, in any order; `None` when they show none.
pub fn onset(mut trials: Vec<Trial>) -> Option<Onset> {
    trials.sort_by(|a, b| a.at.cmp(&b.at).then(a.y.total_cmp(&b.y)).then(a.baseline.total_cmp(&b.baseline)));
    let sums = sums_from(&trials);
    let best = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if best <= 0.0 {
        return None;
    }
    // Of equal sums the last start: nothing before it speaks for the fault.
    let onset = sums.iter().rposition(|sum| *sum >= best)?;
    let first = sums.iter().position(|sum| *sum >= best - WITHIN_NATS)?;
    let last = sums.iter().rposition(|sum| *sum >= best - WITHIN_NATS)?;
    let before = first.checked_sub(1).map_or(first, |before| before);
    Some(Onset { at: trials[onset].at, earliest: trials[before].at, latest: trials[last].at })
}

/// For each trial, what it and all later ones say for a fault, in nats.
fn sums_from(trials: &[Trial]) -> Vec<f64> {
    let mut evidence = Evidence::default();
    let mut sums: Vec<f64> = trials
        .iter()
        .rev()
        .map(|trial| {
            evidence.add(&Influence::new(trial.y, trial.baseline, REPEATED_WEIGHT));
            evidence.gain(0.0)
        })
        .collect();
    sums.reverse();
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(s: i64, y: f64) -> Trial {
        Trial { at: UnixMicros(0).plus_secs(s), y, baseline: 0.02 }
    }

    fn seconds(onset: Option<Onset>) -> Option<(i64, i64, i64)> {
        onset.map(|o| (o.at.as_secs(), o.earliest.as_secs(), o.latest.as_secs()))
    }

    /// Eight agents, each every ten seconds, one of them each second or so; from `start` on they fail at `strength` (in tenths).
    fn stream(start: i64, strength: usize, end: i64) -> Vec<Trial> {
        let fails = |s: i64| s >= start && usize::try_from(s * 7 % 10).is_ok_and(|n| n < strength);
        (0..end).map(|s| trial(s, if fails(s) { 1.0 } else { 0.0 })).collect()
    }

    #[test]
    fn a_sharp_step_is_found_between_its_neighbours() {
        // The last good result is seen at 299 s, the first bad one at 300 s. One result this side or that may be chance.
        assert_eq!(seconds(onset(stream(300, 10, 320))), Some((300, 298, 301)));
    }

    #[test]
    fn a_weak_fault_has_a_wide_interval_that_holds_the_truth() {
        let (at, earliest, latest) = seconds(onset(stream(300, 4, 400))).expect("a fault");
        assert!((earliest..=latest).contains(&300) && (earliest..=latest).contains(&at));
        assert!(latest - earliest < 20, "{earliest} to {latest}");
    }

    #[test]
    fn an_old_failure_that_passed_is_not_the_beginning() {
        let mut trials = stream(300, 10, 320);
        trials.extend([trial(20, 1.0), trial(21, 1.0)]);
        assert_eq!(seconds(onset(trials)), Some((300, 298, 301)));
    }

    #[test]
    fn the_order_of_the_results_changes_nothing() {
        let trials = stream(300, 6, 360);
        let mut turned: Vec<Trial> = trials.iter().rev().copied().collect();
        turned.rotate_left(77);
        assert_eq!(onset(turned), onset(trials));
    }

    #[test]
    fn what_works_has_no_onset() {
        assert_eq!(onset(stream(1_000, 10, 320)), None);
        assert_eq!(onset(Vec::new()), None);
    }

    #[test]
    fn the_first_result_bounds_a_fault_that_was_always_there() {
        assert_eq!(seconds(onset(stream(0, 10, 20))), Some((0, 0, 1)));
    }
}
