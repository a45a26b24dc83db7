//! What is measured in a run, as the command line says it.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use parallax_lab::worlds::{Params, Purpose, seed};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Verdict, scopes and probabilities of single moments.
    Scopes,
    /// Why.
    Causes,
    /// Hours of one site: what is found, how fast, and how often nothing was the matter.
    Streams,
    /// What lying agents can do.
    Liars,
    /// What it costs.
    Speed,
}

/// What worlds are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Seeds {
    /// Weights, prices and temperatures may be fitted on them.
    Training,
    /// For measuring only.
    Evaluation,
}

/// How well the diagnosis finds out who is affected and why, beside other methods, on simulated worlds.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub(crate) struct Plan {
    /// Worlds of each size, and signatures.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(14..=100_000))]
    pub(crate) worlds: u32,
    /// Batch of seeds; batches share no world.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u32,
    /// Which seeds: those that things may be fitted on, or those that nothing was ever chosen by.
    #[arg(long, value_enum, default_value_t = Seeds::Evaluation)]
    seeds: Seeds,
    /// Draw parameters from wider ranges: weaker faults, more dirt.
    #[arg(long)]
    wide: bool,
    /// Worlds of the plainer mix that the method's reference numbers were measured on.
    #[arg(long, conflicts_with = "wide")]
    reference: bool,
    /// Take from failing results the way of the agent's last good one, which an aggregator with a day's memory tells.
    #[arg(long)]
    forget: bool,
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Also write the numbers here, as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Print so many wrongly answered worlds of each size, one JSON line each.
    #[arg(long, default_value_t = 0)]
    pub(crate) show_wrong: usize,
    /// Of these, only worlds of this kind, e.g. `AsnRegion`.
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Days of healthy sites that are watched.
    #[arg(long, default_value_t = 200)]
    pub(crate) target_days: u32,
    /// Worlds with liars.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) liar_runs: u32,
    /// `cargo bench` says this to every program it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Plan {
    /// Whether a part is wanted.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// The seed of the `n`-th world.
    pub(crate) fn seed(&self, n: u32) -> u64 {
        let purpose = match self.seeds {
            Seeds::Training => Purpose::Training,
            Seeds::Evaluation => Purpose::Evaluation,
        };
        seed(purpose, self.seed, n)
    }

    /// What worlds are like.
    pub(crate) fn params(&self) -> Params {
        let params = match (self.wide, self.reference) {
            (true, _) => Params::wide(),
            (_, true) => Params::reference(),
            _ => Params::default(),
        };
        Params { remembers: if self.forget { 0.0 } else { params.remembers }, ..params }
    }

    /// What the seeds may be used for.
    pub(crate) const fn purpose(&self) -> &'static str {
        match self.seeds {
            Seeds::Training => "training",
            Seeds::Evaluation => "evaluation",
        }
    }
}
