//! Rules of thumb: shares of agents, and counts of reports.

use std::collections::BTreeMap;

use parallax_diagnose::WorldReports;
use parallax_model::Scope;

use super::Guess;
use super::table::{Table, attributes};
use crate::worlds::chance::Chance;
use crate::worlds::fault::part;

/// Locations that are asked at random, and how many of them must fail.
const LOCATIONS: (usize, usize) = (3, 2);
/// Share of failing agents that raises an alarm.
const ALARM_SHARE: f64 = 0.1;
/// A value of fewer agents is not looked at.
const LEAST_AGENTS: usize = 4;
/// Problem reports that make an outage.
const REPORTS: u32 = 10;
/// Times the usual number of problem reports that make an outage …
const TIMES: f64 = 3.0;
/// … but at least this many.
const LEAST_REPORTS: u32 = 3;

pub(super) fn majority(table: &Table) -> Guess {
    if share(table) > 0.5 { Guess::down() } else { Guess::up() }
}

pub(super) fn ten_percent(table: &Table) -> Guess {
    match share(table) {
        share if share > 0.5 => Guess::down(),
        share if share >= ALARM_SHARE => Guess::partial(Vec::new()),
        _ => Guess::up(),
    }
}

/// Three agents in different regions as far as there are any. Which ones depends on nothing but the world's name.
pub(super) fn two_of_three(table: &Table, id: &str) -> Guess {
    let salt = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let chance = &mut Chance::new(salt);
    let mut left = table.voters();
    let (mut asked, mut failing, mut regions) = (0, 0, Vec::new());
    while asked < LOCATIONS.0 && !left.is_empty() {
        let (place, fails) = left.swap_remove(chance.below(left.len()));
        let elsewhere = left.iter().any(|(other, _)| !regions.contains(&other.region));
        if regions.contains(&place.region) && elsewhere {
            continue;
        }
        regions.push(place.region.clone());
        asked += 1;
        failing += usize::from(fails);
    }
    if failing >= LOCATIONS.1 { Guess::down() } else { Guess::up() }
}

/// Names every value of which half of the agents fail, unless half of all do.
pub(super) fn half_of_value(table: &Table) -> Guess {
    if share(table) > 0.5 {
        return Guess::down();
    }
    let mut values: BTreeMap<Scope, (usize, usize)> = BTreeMap::new();
    for (place, fails) in table.voters() {
        for value in attributes().iter().filter_map(|a| part(place, &[*a])) {
            let (agents, failing) = values.entry(value).or_default();
            *agents += 1;
            *failing += usize::from(fails);
        }
    }
    let named =
        values.into_iter().filter(|(_, (agents, failing))| *agents >= LEAST_AGENTS && 2 * failing >= *agents);
    let named: Vec<Scope> = named.map(|(value, _)| value).collect();
    if named.is_empty() { Guess::up() } else { Guess::partial(named) }
}

pub(super) fn report_count(reports: Option<&WorldReports>) -> Guess {
    let many = reports.is_some_and(|r| r.problem >= REPORTS);
    if many { Guess::down() } else { Guess::up() }
}

pub(super) fn report_times(reports: Option<&WorldReports>) -> Guess {
    let many =
        reports.is_some_and(|r| r.problem >= LEAST_REPORTS && f64::from(r.problem) >= TIMES * r.expected);
    if many { Guess::down() } else { Guess::up() }
}

fn share(table: &Table) -> f64 {
    let failing = table.voters().iter().filter(|(_, fails)| *fails).count();
    failing as f64 / table.agents.max(1) as f64
}
