//! Medians and what lies around them.

use serde::Serialize;

/// What many measurements of one thing come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) p95: f64,
    pub(crate) most: f64,
}

/// Sums up measurements; `None` without any.
pub(crate) fn summary(values: &[f64]) -> Option<Summary> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(Summary {
        count: sorted.len(),
        least: *sorted.first()?,
        median: at(50)?,
        p95: at(95)?,
        most: *sorted.last()?,
    })
}
