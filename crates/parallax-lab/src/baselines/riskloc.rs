//! `RiskLoc` (Kalander 2022, arXiv 2205.10004): leaves are parted in two by a cut-off on their deviation from the forecast; a
//! combination of values is a root cause when the abnormal part weighs most in it (high risk) and its leaves did not all move by
//! the same ratio (low risk). Layer by layer, largest explanatory power first, until little is left to explain.

use std::collections::BTreeMap;

use parallax_model::Scope;

use super::table::{Table, attributes};
use crate::worlds::fault::part;

/// Risk from which a combination is a root cause.
const RISK: f64 = 0.5;
/// Share of the change that a root cause must explain.
const EXPLAINS: f64 = 0.02;
/// Extreme deviations on each side that do not set the cut-off.
const OUTLIERS: usize = 5;
/// Attributes that are combined at most.
const LAYERS: usize = 2;
/// Root causes that are named at most.
const MOST: usize = 5;

#[derive(Debug, Clone)]
struct Leaf {
    row: usize,
    real: f64,
    forecast: f64,
    deviation: f64,
    abnormal: bool,
    weight: f64,
    power: f64,
}

pub(super) fn locate(table: &Table) -> Vec<Scope> {
    let mut leaves = leaves(table);
    let change = |leaves: &[Leaf]| -> f64 { leaves.iter().filter(|l| l.abnormal).map(|l| l.power).sum() };
    if change(&leaves) < 0.0 {
        for leaf in &mut leaves {
            leaf.power = -leaf.power;
        }
    }
    let least = change(&leaves) * EXPLAINS;
    let mut found = Vec::new();
    while found.len() < MOST && change(&leaves) >= least && change(&leaves) > 0.0 {
        let Some((combination, values)) = search(table, &leaves, least) else { break };
        let first = leaves.iter().find(|l| values_of(table, l, &combination) == values);
        let named: Vec<_> = combination.iter().map(|n| attributes()[*n]).collect();
        found.extend(first.and_then(|l| part(&table.rows[l.row].place, &named)));
        leaves.retain(|l| values_of(table, l, &combination) != values);
    }
    found
}

fn leaves(table: &Table) -> Vec<Leaf> {
    let missing: f64 = table.rows.iter().map(|r| r.successes - r.forecast).sum();
    let mut leaves: Vec<Leaf> = table
        .rows
        .iter()
        .enumerate()
        .map(|(row, r)| Leaf {
            row,
            real: r.successes,
            forecast: r.forecast,
            deviation: deviation(r.forecast, r.successes),
            abnormal: false,
            weight: 0.0,
            power: (r.successes - r.forecast) / missing,
        })
        .collect();
    let cut = cut_off(&leaves);
    for leaf in &mut leaves {
        leaf.abnormal = if cut >= 0.0 { leaf.deviation > cut } else { leaf.deviation < cut };
        let distance = if leaf.abnormal { leaf.deviation } else { cut - leaf.deviation };
        leaf.weight = distance.abs().min(1.0);
    }
    leaves
}

fn deviation(forecast: f64, real: f64) -> f64 {
    if forecast + real == 0.0 { 0.0 } else { 2.0 * (forecast - real) / (forecast + real) }
}

/// The mirror of the nearer end of the deviations, outliers left out.
fn cut_off(leaves: &[Leaf]) -> f64 {
    let mut all: Vec<f64> = leaves.iter().map(|l| l.deviation).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    let Some(last) = all.len().checked_sub(1) else { return 0.0 };
    let (low, high) = (all[OUTLIERS.min(last)], all[last.saturating_sub(OUTLIERS)]);
    if low.abs() <= high.abs() { -low } else { -high }
}

/// The combination of values with the largest explanatory power among those that are risky enough, in the first layer that has one.
fn search(table: &Table, leaves: &[Leaf], least: f64) -> Option<(Vec<usize>, Vec<u32>)> {
    for layer in 1..=LAYERS {
        let mut best: Option<(f64, Vec<usize>, Vec<u32>)> = None;
        for combination in combinations(layer) {
            let mut groups: BTreeMap<Vec<u32>, Vec<&Leaf>> = BTreeMap::new();
            for leaf in leaves {
                groups.entry(values_of(table, leaf, &combination)).or_default().push(leaf);
            }
            let power = |group: &[&Leaf]| group.iter().map(|l| l.power).sum::<f64>();
            let known = best.as_ref().map_or(least, |(most, _, _)| *most);
            let risky = groups
                .into_iter()
                .filter(|(values, group)| !values.contains(&0) && group.iter().any(|l| l.abnormal))
                .map(|(values, group)| (power(&group), values, group))
                .filter(|(power, _, group)| *power > known && risk(group) >= RISK)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((power, values, _)) = risky {
                best = Some((power, combination, values));
            }
        }
        if let Some((_, combination, values)) = best {
            return Some((combination, values));
        }
    }
    None
}

fn combinations(layer: usize) -> Vec<Vec<usize>> {
    let count = attributes().len();
    match layer {
        1 => (0..count).map(|n| vec![n]).collect(),
        _ => (0..count).flat_map(|a| (a + 1..count).map(move |b| vec![a, b])).collect(),
    }
}

fn values_of(table: &Table, leaf: &Leaf, combination: &[usize]) -> Vec<u32> {
    combination.iter().map(|n| table.rows[leaf.row].values[*n]).collect()
}

fn risk(group: &[&Leaf]) -> f64 {
    let weight = |abnormal| group.iter().filter(|l| l.abnormal == abnormal).map(|l| l.weight).sum::<f64>();
    let (abnormal, normal) = (weight(true), weight(false) + 1.0);
    abnormal / (abnormal + normal) - low_risk(group)
}

/// How far the leaves are from having moved by one ratio, against how far they moved.
fn low_risk(group: &[&Leaf]) -> f64 {
    let seen: Vec<&&Leaf> = group.iter().filter(|l| l.real != 0.0 && l.forecast != 0.0).collect();
    let real: f64 = seen.iter().map(|l| l.real).sum();
    let forecast: f64 = seen.iter().map(|l| l.forecast).sum();
    let moved: f64 = seen.iter().map(|l| l.deviation.abs()).sum();
    if moved == 0.0 {
        return 0.0;
    }
    let apart: f64 = seen.iter().map(|l| deviation(l.forecast * real / forecast, l.real).abs()).sum();
    apart / moved
}
