//! Adtributor (Bhagwan et al., NSDI 2014): one attribute at a time. Of each attribute, the values that are most surprising (their
//! share of the total moved, by Jensen and Shannon) are taken until they explain the change; the attribute whose values surprise
//! most is the answer.

use parallax_model::Scope;

use super::table::{Table, attributes};
use crate::worlds::fault::part;

/// A value must explain this share of the change to be taken.
const VALUE_EXPLAINS: f64 = 0.1;
/// Values of one attribute must explain this share together.
const ATTRIBUTE_EXPLAINS: f64 = 0.67;

struct Value {
    scope: Option<Scope>,
    actual: f64,
    forecast: f64,
}

pub(super) fn locate(table: &Table) -> Vec<Scope> {
    let actual: f64 = table.rows.iter().map(|r| r.successes).sum();
    let forecast: f64 = table.rows.iter().map(|r| r.forecast).sum();
    let mut best: Option<(f64, Vec<Scope>)> = None;
    for n in 0..attributes().len() {
        let Some((surprise, scopes)) = explain(values(table, n), actual, forecast) else { continue };
        if best.as_ref().is_none_or(|(most, _)| surprise > *most) {
            best = Some((surprise, scopes));
        }
    }
    best.map(|(_, scopes)| scopes).unwrap_or_default()
}

fn values(table: &Table, attribute: usize) -> Vec<Value> {
    let count = table.rows.iter().map(|r| r.values[attribute]).max().unwrap_or(0) as usize + 1;
    let mut values: Vec<Value> =
        (0..count).map(|_| Value { scope: None, actual: 0.0, forecast: 0.0 }).collect();
    for row in &table.rows {
        let value = &mut values[row.values[attribute] as usize];
        value.scope = part(&row.place, &[attributes()[attribute]]);
        value.actual += row.successes;
        value.forecast += row.forecast;
    }
    values
}

/// How much the values that explain the change surprise; `None` when they do not explain enough of it.
fn explain(values: Vec<Value>, actual: f64, forecast: f64) -> Option<(f64, Vec<Scope>)> {
    let mut ranked: Vec<(f64, f64, Option<Scope>)> = values
        .into_iter()
        .map(|v| {
            let surprise = surprise(v.forecast / forecast, v.actual / actual.max(1e-9));
            (surprise, (v.actual - v.forecast) / (actual - forecast), v.scope)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut explained, mut total, mut scopes) = (0.0, 0.0, Vec::new());
    for (surprise, power, scope) in ranked.into_iter().filter(|(_, power, _)| *power > VALUE_EXPLAINS) {
        explained += power;
        total += surprise;
        scopes.extend(scope);
        if explained > ATTRIBUTE_EXPLAINS {
            return (!scopes.is_empty()).then_some((total, scopes));
        }
    }
    None
}

/// One value's part of the Jensen-Shannon divergence between forecast and actual shares.
fn surprise(p: f64, q: f64) -> f64 {
    let term = |x: f64| if x > 0.0 { x * (2.0 * x / (p + q)).ln() } else { 0.0 };
    0.5 * (term(p) + term(q))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_its_share_does_not_surprise() {
        assert!(surprise(0.3, 0.3).abs() < 1e-12);
        assert!((surprise(0.5, 0.0) - 0.5 * 0.5 * 2.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn values_are_taken_until_the_change_is_explained() {
        let value = |actual, forecast| Value {
            scope: Some(Scope { resolver: Some(format!("{actual}")), ..Scope::default() }),
            actual,
            forecast,
        };
        let (_, scopes) = explain(vec![value(10.0, 10.0), value(2.0, 10.0), value(9.0, 10.0)], 21.0, 30.0)
            .expect("one value explains 8 of 9");
        assert_eq!(scopes.len(), 1);
        assert_eq!(scopes[0].resolver.as_deref(), Some("2"));
        assert!(explain((0..20).map(|_| value(9.0, 10.0)).collect(), 180.0, 200.0).is_none());
    }
}
