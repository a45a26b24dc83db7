//! How many problem reports of a site are usual at this hour of the week, and whether now is more than that.
//!
//! A mean for each of the 168 hours of a week, learned from up to eight weeks of quarter hours without the site's own incidents, and
//! one dispersion for all of them. Two alarms stand on it: the tail of the negative binomial for a large surge at once, a CUSUM
//! for a small one that lasts (Noufaily and others 2013 for the baseline; Page 1954 for the CUSUM).
//!
//! It counts; what a surge means beside what probes saw is `judge`'s.

use std::collections::BTreeMap;
use std::ops::Range;

/// Seconds of one bin: the quarter hours of the clock, counted from 1970.
pub const QUARTER_S: i64 = 15 * 60;
/// How far back the past is looked at, in quarters: eight weeks.
pub const PAST_QUARTERS: i64 = 8 * 7 * 96;
/// Quarters that the slow alarm looks back from now: a day.
pub const RECENT_QUARTERS: usize = 96;

const HOURS: usize = 7 * 24;
const QUARTERS_AN_HOUR: i64 = 4;
/// Bins that the mean of all hours is worth beside an hour's own.
const SHRINK_BINS: f64 = 24.0;
/// Counts beyond so many times the usual are cut: an outage that nobody knew of must not become usual.
const CUT_TIMES: f64 = 5.0;
/// Counts up to this are never cut: a site that is reported now and then must not become one that never is.
const NEVER_CUT_BELOW: f64 = 3.0;
/// The dispersion's limits: 0.3 is wilder than any site seen, 50 is nearly Poisson.
const DISPERSION: (f64, f64) = (0.3, 50.0);
/// Dispersion while too little is known.
const DISPERSION_AT_FIRST: f64 = 2.0;
/// Means below this are read as this: a site that nobody reports has no certain baseline.
const LEAST_MEAN: f64 = 0.05;
/// How improbable a count must be.
const TAIL: f64 = 1e-5;
/// The surge that the CUSUM looks for: this many times the usual.
const SURGE_TIMES: f64 = 3.0;
/// Most that one quarter moves the CUSUM, in nats.
const STEP_NATS: f64 = 3.0;
/// The CUSUM's alarm, in nats.
const ALARM_NATS: f64 = 9.0;
/// The CUSUM rises no higher, so that the end of a surge is seen soon.
const CEILING_NATS: f64 = 12.0;
/// Fewer reporters than this are no surge, however quiet the site is.
const LEAST_REPORTERS: u32 = 5;
/// The tail is summed over no more counts than this; beyond it the sum is as good as whole.
const MOST_TERMS: u32 = 100_000;

/// A site's past, as counts of problem reports in quarters.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// Reports by quarter; a quarter that is absent had none.
    pub counts: &'a BTreeMap<i64, u32>,
    /// The quarters that are known at all; of more than [`PAST_QUARTERS`] the last are taken.
    pub known: &'a Range<i64>,
    /// Quarters that lie in one of the site's incidents and teach nothing.
    pub incidents: &'a [Range<i64>],
}

/// What is usual for one site.
#[derive(Debug, Clone, PartialEq)]
pub struct Usual {
    /// Mean reports a quarter, for each hour of the week that begins with 1970's first hour.
    means: Box<[f64]>,
    dispersion: f64,
}

/// What the two alarms say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alarm {
    /// Probability of as many reports as now, or more, in a usual quarter.
    pub tail: f64,
    /// The CUSUM, in nats.
    pub cusum: f64,
    /// Whether this is a surge.
    pub surge: bool,
}

impl Usual {
    /// A site of which nothing is known.
    pub fn unknown() -> Self {
        Self { means: vec![LEAST_MEAN; HOURS].into(), dispersion: DISPERSION_AT_FIRST }
    }

    /// Learns from the past.
    pub fn learn(past: Past<'_>) -> Self {
        let mut hours: Vec<Vec<f64>> = vec![Vec::new(); HOURS];
        let first = past.known.start.max(past.known.end - PAST_QUARTERS);
        for quarter in first..past.known.end {
            if !past.incidents.iter().any(|incident| incident.contains(&quarter)) {
                hours[hour(quarter)].push(f64::from(past.counts.get(&quarter).copied().unwrap_or(0)));
            }
        }
        for counts in &mut hours {
            winsorise(counts);
        }
        let bins = hours.iter().map(Vec::len).sum::<usize>();
        if bins == 0 {
            return Self::unknown();
        }
        let overall = hours.iter().flatten().sum::<f64>() / bins as f64;
        let shrunk: Vec<f64> = hours
            .iter()
            .map(|counts| {
                (counts.iter().sum::<f64>() + SHRINK_BINS * overall) / (counts.len() as f64 + SHRINK_BINS)
            })
            .collect();
        let smooth = |h: usize| {
            let (before, after) = (shrunk[(h + HOURS - 1) % HOURS], shrunk[(h + 1) % HOURS]);
            ((before + 2.0 * shrunk[h] + after) / 4.0).max(LEAST_MEAN)
        };
        let means: Box<[f64]> = (0..HOURS).map(smooth).collect();
        let dispersion = dispersion(&hours, &means);
        Self { means, dispersion }
    }

    /// Reports that are usual in a quarter.
    pub fn mean(&self, quarter: i64) -> f64 {
        self.means[hour(quarter)]
    }

    /// What the alarms say: `recent` are counts of whole quarters that end where `now` begins, oldest first, and `reporters` those
    /// of the last fifteen minutes.
    pub fn alarm(&self, now: i64, recent: &[u32], reporters: u32) -> Alarm {
        let recent = &recent[recent.len().saturating_sub(RECENT_QUARTERS)..];
        let first = now - i64::try_from(recent.len()).unwrap_or(0);
        let mut cusum = 0.0_f64;
        for (quarter, count) in (first..).zip(recent.iter().chain(std::iter::once(&reporters))) {
            let step = self.surge_nats(quarter, *count).clamp(-STEP_NATS, STEP_NATS);
            cusum = (cusum + step).clamp(0.0, CEILING_NATS);
        }
        let tail = self.tail(now, reporters);
        let surge = reporters >= LEAST_REPORTERS && (tail < TAIL || cusum > ALARM_NATS);
        Alarm { tail, cusum, surge }
    }

    /// `log NB(y; 3µ) − log NB(y; µ)`.
    fn surge_nats(&self, quarter: i64, count: u32) -> f64 {
        let (r, usual) = (self.dispersion, self.mean(quarter));
        let surged = SURGE_TIMES * usual;
        let per_report = (surged / (r + surged)).ln() - (usual / (r + usual)).ln();
        f64::from(count) * per_report + r * ((r + usual) / (r + surged)).ln()
    }

    /// `P(NB(µ) ≥ y)`.
    fn tail(&self, quarter: i64, count: u32) -> f64 {
        let (r, usual) = (self.dispersion, self.mean(quarter));
        let ratio = usual / (r + usual);
        let mut term = (r * (r / (r + usual)).ln()).exp();
        let mut below = 0.0;
        for k in 0..count.min(MOST_TERMS) {
            below += term;
            term *= (f64::from(k) + r) / f64::from(k + 1) * ratio;
        }
        (1.0 - below).max(0.0)
    }
}

/// The hour of the week of a quarter.
fn hour(quarter: i64) -> usize {
    usize::try_from(quarter.div_euclid(QUARTERS_AN_HOUR).rem_euclid(7 * 24)).unwrap_or(0)
}

/// Cuts what is far above the hour's own usual: a count has no say beyond [`CUT_TIMES`] the mean of the smaller seven eighths.
fn winsorise(counts: &mut [f64]) {
    let mut sorted = counts.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.truncate((sorted.len() * 7).div_ceil(8));
    let mean = sorted.iter().sum::<f64>() / sorted.len().max(1) as f64;
    let cut = CUT_TIMES * mean + NEVER_CUT_BELOW;
    for count in counts {
        *count = count.min(cut);
    }
}

/// The dispersion of all counts around their means: `r = Σµ² / Σ((y−µ)² − µ)`.
fn dispersion(hours: &[Vec<f64>], means: &[f64]) -> f64 {
    let mut squares = 0.0;
    let mut excess = 0.0;
    for (counts, mean) in hours.iter().zip(means) {
        for count in counts {
            squares += mean * mean;
            excess += (count - mean).powi(2) - mean;
        }
    }
    if excess <= 0.0 { DISPERSION.1 } else { (squares / excess).clamp(DISPERSION.0, DISPERSION.1) }
}

#[cfg(test)]
mod tests;
