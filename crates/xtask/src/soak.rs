//! The long runs: what a test does twenty times, hundreds of times, with what it printed.

use std::time::Duration;

use clap::Subcommand;

use crate::workspace::cargo;
use crate::{bench, child};

/// How long one kill of each program may take, with room for a slow machine.
const PER_ROUND: Duration = Duration::from_secs(10);
/// How long one agent of a herd may take.
const PER_AGENT: Duration = Duration::from_secs(2);
/// How long all flips may take: a hundred and seventy thousand, each a store that is opened, read and looked through. On two idle cores
/// they take less than ten minutes.
const FLIPS: Duration = Duration::from_hours(1);
/// How long building and starting may take.
const BEFORE: Duration = Duration::from_mins(40);

/// What is done for long.
#[derive(Debug, Subcommand)]
pub(crate) enum Soak {
    /// Kill the aggregator under load, then an agent, with SIGKILL, again and again: no acked result is lost, none is there twice.
    Kill {
        /// How often each is killed.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        rounds: u32,
    },
    /// Flip every byte of a small store, of its log and of the copy of its schema in turn: it serves the rest and says what it lost.
    Flips,
    /// Let many agents, each with the backlog of an hour, come back to the aggregator in the same moment.
    Herd {
        /// How many.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
        agents: u32,
    },
    /// Load an aggregator that has little memory, in a control group of its own: it is not killed, and nothing acked is lost.
    Memory {
        /// How many MiB it has.
        #[arg(long, default_value_t = 512)]
        mib: u32,
        /// How many agents, each on 100 sites, one run each.
        #[arg(long, default_value = "1000,5000")]
        agents: String,
    },
}

/// Runs it. An error when something that was promised did not hold.
pub(crate) async fn run(soak: Soak) -> anyhow::Result<()> {
    let (tests, variable, number, time) = match soak {
        Soak::Kill { rounds } => ("kill_9::", "PARALLAX_KILL_ROUNDS", rounds, PER_ROUND * rounds * 2),
        Soak::Flips => return flips().await,
        Soak::Memory { mib, agents } => return memory(mib, &agents).await,
        Soak::Herd { agents } => ("herd::", "PARALLAX_HERD_AGENTS", agents, PER_AGENT * agents),
    };
    // All of it as it is shipped: what a debug build costs says nothing about the program.
    let programs = cargo(&["build", "--release", "--bin", "parallax", "--bin", "parallax-agent"]);
    child::run(programs, child::BUILD_DEADLINE).await?;
    let mut soak = cargo(&["test", "--release", "-p", "parallax-tests", "--test", "it", tests]);
    soak.args(["--", "--nocapture", "--test-threads=1"]).env(variable, number.to_string());
    child::run(soak, BEFORE + time).await
}

/// The load is that of the bench; the peers beside it are not of interest here, and it leaves them out.
async fn memory(mib: u32, agents: &str) -> anyhow::Result<()> {
    let options = ["--memory-mib", &mib.to_string(), "--streams", agents, "--only", "streams"];
    bench::ingest(options.map(Into::into).into()).await
}

async fn flips() -> anyhow::Result<()> {
    let mut flips =
        cargo(&["test", "--release", "-p", "parallax-store", "--test", "flips", "--", "--nocapture"]);
    flips.env("PARALLAX_FLIPS", "all");
    child::run(flips, BEFORE + FLIPS).await
}
