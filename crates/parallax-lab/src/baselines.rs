//! What others do with the same results, in our own words: rules that uptime tools use, counts as outage pages use them, and two
//! published localisers. Each reads the same [`World`] as the diagnosis and answers with a [`Guess`].
//!
//! Where a method leaves something open, it gets the choice that serves it best here: results of agents whose own line is down are
//! taken out for all; the localisers, which answer something to every world, stand behind an alarm, are told when most of
//! everything fails, are fed success counts with the agents' histories as forecast, and search no deeper than faults go.

use parallax_diagnose::World;
use parallax_model::{Scope, Verdict};

mod adtributor;
mod riskloc;
mod table;
mod votes;

use table::Table;

/// Alarm of the localisers: so many standard deviations fewer successes than forecast.
const ALARM: f64 = 3.0;
/// Beyond this share of failing results it is everybody.
const MOST: f64 = 0.5;

/// What a baseline says.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// Its verdict.
    pub verdict: Verdict,
    /// Whom it concerns; empty when the method names nobody.
    pub scopes: Vec<Scope>,
}

impl Guess {
    fn up() -> Self {
        Self { verdict: Verdict::Up, scopes: Vec::new() }
    }

    fn down() -> Self {
        Self { verdict: Verdict::Down, scopes: vec![Scope::everybody()] }
    }

    fn partial(scopes: Vec<Scope>) -> Self {
        Self { verdict: Verdict::Partial, scopes }
    }
}

/// The methods that are measured beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Down when more than half of the agents fail.
    Majority,
    /// Down when two of three agents, drawn at random in different regions, fail.
    TwoOfThree,
    /// Something is wrong when a tenth of the agents fail; down when half do.
    TenPercent,
    /// Every attribute value of which half of the agents fail.
    HalfOfValue,
    /// Down from ten problem reports on.
    ReportCount,
    /// Down from three times the usual number of problem reports on.
    ReportTimes,
    /// Adtributor (Bhagwan et al., NSDI 2014).
    Adtributor,
    /// `RiskLoc` (Kalander 2022, arXiv 2205.10004).
    RiskLoc,
}

impl Baseline {
    /// Every method.
    pub const ALL: [Self; 8] = [
        Self::Majority,
        Self::TwoOfThree,
        Self::TenPercent,
        Self::HalfOfValue,
        Self::ReportCount,
        Self::ReportTimes,
        Self::Adtributor,
        Self::RiskLoc,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::TwoOfThree => "2 of 3 locations",
            Self::TenPercent => "10 % threshold",
            Self::HalfOfValue => "any value >= 50 %",
            Self::ReportCount => "reports >= 10",
            Self::ReportTimes => "reports >= 3 x usual",
            Self::Adtributor => "Adtributor",
            Self::RiskLoc => "RiskLoc",
        }
    }

    /// What it says of a world.
    pub fn guess(self, world: &World) -> Guess {
        self.of_table(world, &Table::of(world))
    }

    /// What each of these says of a world; what they share is worked out once.
    pub fn guesses(methods: &[Self], world: &World) -> Vec<Guess> {
        let table = Table::of(world);
        methods.iter().map(|method| method.of_table(world, &table)).collect()
    }

    fn of_table(self, world: &World, table: &Table) -> Guess {
        match self {
            Self::Majority => votes::majority(table),
            Self::TwoOfThree => votes::two_of_three(table, &world.id),
            Self::TenPercent => votes::ten_percent(table),
            Self::HalfOfValue => votes::half_of_value(table),
            Self::ReportCount => votes::report_count(world.reports.as_ref()),
            Self::ReportTimes => votes::report_times(world.reports.as_ref()),
            Self::Adtributor => alarmed(table, adtributor::locate),
            Self::RiskLoc => alarmed(table, riskloc::locate),
        }
    }
}

/// A localiser behind an alarm on the total.
fn alarmed(table: &Table, locate: fn(&Table) -> Vec<Scope>) -> Guess {
    let rows = &table.rows;
    let lacking: f64 = rows.iter().map(|r| r.forecast - r.successes).sum();
    let variance: f64 = rows.iter().map(|r| r.forecast * (1.0 - r.forecast / r.results)).sum();
    if lacking < ALARM * variance.max(1.0).sqrt() {
        return Guess::up();
    }
    let results: f64 = rows.iter().map(|r| r.results).sum();
    let successes: f64 = rows.iter().map(|r| r.successes).sum();
    if results - successes > MOST * results {
        return Guess::down();
    }
    Guess::partial(locate(table))
}

#[cfg(test)]
mod tests;
