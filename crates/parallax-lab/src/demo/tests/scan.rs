//! A small priced noisy-OR scan over what the agents saw, one scope deep: is the declared scope the one that explains it best?
//!
//! Independent of the product's diagnosis on purpose: this tests the demonstration's layout, not the method.

use std::collections::BTreeSet;

use parallax_model::{Attribute, Scope};

use super::Row;

/// Fault strengths that are tried, all equally likely.
const STRENGTHS: [f64; 8] = [0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92, 0.985];
/// How often an agent fails when the site is well.
const BACKGROUND: f64 = 0.02;
/// Share of results that say nothing.
const CONTAMINATION: f64 = 0.02;
/// By how many nats the declared scope must lead all that cover other agents.
const LEAD: f64 = 1.0;

const SINGLES: [Attribute; 7] = [
    Attribute::Asn,
    Attribute::Region,
    Attribute::Country,
    Attribute::Pop,
    Attribute::Address,
    Attribute::Resolver,
    Attribute::Network,
];

fn value(row: &Row<'_>, attribute: Attribute) -> Option<Scope> {
    let v = &row.agent.vantage;
    let nobody = Scope::default();
    let scope = match attribute {
        Attribute::Asn => Scope { asn: v.asn, ..nobody },
        Attribute::Region => Scope { region: v.region.clone(), ..nobody },
        Attribute::Country => Scope { country: v.country.clone(), ..nobody },
        Attribute::Pop => Scope { pop: row.pop.clone(), ..nobody },
        Attribute::Address => Scope { address: Some(row.address), ..nobody },
        Attribute::Resolver => Scope { resolver: Some(row.agent.resolver.clone()), ..nobody },
        Attribute::Network => Scope { network: Some(v.network), ..nobody },
        _ => return None,
    };
    scope.validate().ok().map(|()| scope)
}

fn both(a: &Scope, b: &Scope) -> Scope {
    Scope {
        asn: a.asn.or(b.asn),
        region: a.region.clone().or_else(|| b.region.clone()),
        country: a.country.clone().or_else(|| b.country.clone()),
        pop: a.pop.clone().or_else(|| b.pop.clone()),
        address: a.address.or(b.address),
        resolver: a.resolver.clone().or_else(|| b.resolver.clone()),
        network: a.network.or(b.network),
        ..Scope::default()
    }
}

/// All scopes that somebody is in, by the attributes they name.
fn kinds(rows: &[Row<'_>]) -> Vec<BTreeSet<Scope>> {
    let mut kinds = vec![BTreeSet::from([Scope::everybody()])];
    for (i, a) in SINGLES.iter().enumerate() {
        kinds.push(rows.iter().filter_map(|row| value(row, *a)).collect());
        for b in &SINGLES[i + 1..] {
            let pair = |row| Some(both(&value(row, *a)?, &value(row, *b)?));
            kinds.push(rows.iter().filter_map(pair).collect());
        }
    }
    kinds
}

fn price(scope: &Scope, live: usize) -> f64 {
    let of_kind = match scope.attributes().as_slice() {
        [Attribute::All] => 3.0,
        [Attribute::Asn | Attribute::Pop] => 3.3,
        [Attribute::Region | Attribute::Address] => 3.6,
        [Attribute::Country] => 4.0,
        [_] => 4.2,
        _ => 5.0,
    };
    of_kind + (live as f64).ln()
}

fn gain(rows: &[Row<'_>], scope: &Scope) -> f64 {
    let likelihood = |failed: bool, q: f64| {
        let p = if failed { q } else { 1.0 - q };
        ((1.0 - CONTAMINATION) * p + CONTAMINATION / 2.0).ln()
    };
    let evidence = STRENGTHS.map(|strength| {
        let q = 1.0 - (1.0 - BACKGROUND) * (1.0 - strength);
        let covered = rows.iter().filter(|row| row.covered_by(scope));
        covered.map(|row| likelihood(row.failed(), q) - likelihood(row.failed(), BACKGROUND)).sum::<f64>()
    });
    let best = evidence.into_iter().fold(f64::MIN, f64::max);
    best + (evidence.iter().map(|e| (e - best).exp()).sum::<f64>() / STRENGTHS.len() as f64).ln()
}

/// Checks that the declared scope wins, and by [`LEAD`] over every scope that covers other agents.
pub(super) fn assert_found(name: &str, rows: &[Row<'_>], declared: &[Scope]) {
    let members = |scope: &Scope| -> Vec<usize> {
        rows.iter().enumerate().filter(|(_, row)| row.covered_by(scope)).map(|(i, _)| i).collect()
    };
    let mut scored = Vec::new();
    for kind in kinds(rows) {
        let live: Vec<&Scope> = kind
            .iter()
            .filter(|scope| members(scope).len() >= 3)
            .filter(|scope| rows.iter().filter(|row| row.covered_by(scope) && row.failed()).count() >= 2)
            .collect();
        for scope in &live {
            scored.push((gain(rows, scope) - price(scope, live.len()), (*scope).clone()));
        }
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some(declared) = declared.first() else {
        assert!(scored.iter().all(|(gain, _)| *gain < 0.0), "{name}: {scored:?}");
        return;
    };
    let (won, best) = &scored[0];
    assert_eq!(best, declared, "{name}: {:?}", &scored[..scored.len().min(4)]);
    let rival = scored.iter().find(|(_, scope)| members(scope) != members(declared));
    if let Some((second, scope)) = rival {
        println!("{name}: {won:.2} nats, next {second:.2} {scope:?}");
        assert!(won - second >= LEAD, "{name}: {won:.2} against {second:.2} of {scope:?}");
    }
}
