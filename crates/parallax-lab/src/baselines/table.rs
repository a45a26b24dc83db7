//! A world as the rows that localisers read: one for each combination of attribute values an agent was seen with.

use std::collections::BTreeMap;

use parallax_diagnose::{World, WorldOutcome};
use parallax_model::{Attribute, BeaconState, Scope};

use crate::worlds::fault::part;
use crate::worlds::seen_at;

/// How often an agent of which no history is known fails.
const USUAL_RATE: f64 = 0.02;

/// Results of one agent at one place.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) agent: usize,
    pub(super) place: Scope,
    pub(super) results: f64,
    pub(super) successes: f64,
    /// Successes that its history lets expect.
    pub(super) forecast: f64,
    /// Number of its value of every attribute, from 1; 0 where the value is not known.
    pub(super) values: Vec<u32>,
}

/// All rows, and how many agents are in them.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) agents: usize,
}

/// The attributes that rows are told apart by.
pub(super) fn attributes() -> &'static [Attribute] {
    &Attribute::ALL[1..]
}

impl Table {
    pub(super) fn of(world: &World) -> Self {
        let numbers: BTreeMap<_, _> = world.agents.iter().zip(0..).map(|(a, n)| (&a.agent, n)).collect();
        let mut by_place: BTreeMap<(usize, Scope), (f64, f64)> = BTreeMap::new();
        for result in &world.results {
            let own_line = result.beacon == Some(BeaconState::Failed);
            let ours = matches!(result.outcome, WorldOutcome::Failed(kind) if kind.is_agent());
            let Some(number) = numbers.get(&result.agent).filter(|_| !own_line && !ours) else { continue };
            let place = seen_at(&world.agents[*number], result);
            let (results, successes) = by_place.entry((*number, place)).or_default();
            *results += 1.0;
            *successes += f64::from(u8::from(result.outcome == WorldOutcome::Ok));
        }
        let row = |((agent, place), (results, successes)): ((usize, Scope), (f64, f64))| {
            let rate = world.agents[agent].fail_rate.unwrap_or(USUAL_RATE);
            let forecast = results * (1.0 - rate);
            Row { agent, place, results, successes, forecast, values: Vec::new() }
        };
        let mut rows: Vec<Row> = by_place.into_iter().map(row).collect();
        number_values(&mut rows);
        let mut agents: Vec<usize> = rows.iter().map(|r| r.agent).collect();
        agents.dedup();
        Self { rows, agents: agents.len() }
    }

    /// Of every agent: where it stands, and whether at least half of its results fail.
    pub(super) fn voters(&self) -> Vec<(&Scope, bool)> {
        let of_agent = self.rows.chunk_by(|a, b| a.agent == b.agent);
        of_agent
            .map(|rows| {
                let results: f64 = rows.iter().map(|r| r.results).sum();
                let successes: f64 = rows.iter().map(|r| r.successes).sum();
                (&rows[0].place, 2.0 * successes <= results)
            })
            .collect()
    }
}

fn number_values(rows: &mut [Row]) {
    for attribute in attributes() {
        let mut known: BTreeMap<Scope, u32> = BTreeMap::new();
        for row in &mut *rows {
            let next = u32::try_from(known.len() + 1).unwrap_or(u32::MAX);
            let number =
                part(&row.place, &[*attribute]).map_or(0, |value| *known.entry(value).or_insert(next));
            row.values.push(number);
        }
    }
}
