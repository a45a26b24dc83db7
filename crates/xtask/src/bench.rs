//! `cargo xtask bench`: builds a measuring program as it is shipped, brings the peers it is measured beside, runs it.
//!
//! What is measured, and how, is the measuring programs' affair (`tests/bench`); BENCHMARKS.md keeps what they print.

mod peers;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::child::{self, BUILD_DEADLINE, say};
use crate::needs;
use crate::workspace::{cargo, find, root};

/// The package of the measuring programs.
const BENCHES: &str = "tests";

/// How long one bench may run: the longest, with its 200 days of simulated sites, takes about ten minutes on two idle cores.
const BENCH_DEADLINE: Duration = Duration::from_mins(45);

/// The benches there are.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// One probe: CPU time, memory, and phases against known delays; beside curl and prometheus-blackbox-exporter.
    Probe {
        /// Also write the numbers to this file, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Ingest: CPU time and bytes per result under thousands of agents; beside PostgreSQL's COPY and Prometheus's remote write.
    Ingest {
        /// What the measuring program is told: `--streams 1,100 --results 1000000 --json FILE`; `-- --help` says all.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// The pages on the demo: bytes, Lighthouse, how soon a verdict is seen, requests a second beside nginx, readers of events.
    Page {
        /// What the measuring program is told: `--only speed --runs 50 --json FILE`; `-- --help` says all.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// The store: a site's history of 24 hours, with 10,000 sites × 100 agents in it; bytes beside the formula.
    Store {
        /// What the measuring program is told: `--sites 10000 --reads 5000 --json FILE`; `-- --help` says all.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// The restart: ready again after a kill, with ten million results in the store.
    Restart {
        /// What the measuring program is told: `--worlds 1000x100 --results 10000000 --json FILE`; `-- --help` says all.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// The diagnosis: verdicts, scopes, causes, incidents and their cost on simulated worlds, beside other methods.
    Diagnose {
        /// What the measuring program is told: `--worlds 300 --seed 0 --json FILE`; `-- --help` says all.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
}

/// Runs one bench; without a name, says which there are.
pub(crate) async fn run(bench: Option<Bench>) -> anyhow::Result<()> {
    match bench {
        None => {
            say("cargo xtask bench probe       one probe: CPU time, memory, phases against known delays");
            say(
                "cargo xtask bench ingest      results into the aggregator: CPU time and bytes, under thousands of agents",
            );
            say(
                "cargo xtask bench page        the pages: weight, Lighthouse, first verdict, rate beside nginx",
            );
            say(
                "cargo xtask bench store       a site's history of 24 hours out of a full store; bytes beside the formula",
            );
            say("cargo xtask bench restart     from a kill to ready, with ten million results in the store");
            say("cargo xtask bench diagnose    verdicts, scopes and causes on simulated worlds");
            Ok(())
        }
        Some(Bench::Probe { json }) => probe(json.as_deref()).await,
        Some(Bench::Ingest { options }) => ingest(options).await,
        Some(Bench::Page { options }) => page(options).await,
        Some(Bench::Store { options }) => measure("store", from_here(options)?).await,
        Some(Bench::Restart { options }) => restart(options).await,
        Some(Bench::Diagnose { options }) => measure("diagnose", from_here(options)?).await,
    }
}

async fn probe(json: Option<&Path>) -> anyhow::Result<()> {
    let mut options: Vec<OsString> = Vec::new();
    if let Some(program) = peers::blackbox().await? {
        options.extend(["--blackbox".into(), program.into_os_string()]);
    }
    peers::curl().await?;
    if let Some(file) = json {
        options.extend(["--json".into(), file.as_os_str().to_owned()]);
    }
    measure("probe", from_here(options)?).await
}

/// Results into the aggregator.
pub(crate) async fn ingest(options: Vec<OsString>) -> anyhow::Result<()> {
    let program = "parallax";
    // The whole workspace is named so that dependencies are built with the features they are shipped with.
    let ours = ["build", "--release", "--workspace", "--bin", program, "--bin", "parallax-agent"];
    child::run(cargo(&ours), BUILD_DEADLINE).await?;
    let mut all = vec!["--parallax".into(), root().join("target/release").join(program).into_os_string()];
    if let Some(program) = peers::prometheus().await? {
        all.extend(["--prometheus".into(), program.into_os_string()]);
    }
    if let Some(programs) = peers::postgres().await? {
        all.extend(["--postgres".into(), programs.into_os_string()]);
    }
    all.extend(from_here(options)?);
    measure("ingest", all).await
}

async fn page(options: Vec<OsString>) -> anyhow::Result<()> {
    needs::install().await?;
    let mut all: Vec<OsString> = vec!["--browser".into(), root().join("tests/browser").into_os_string()];
    for (flag, program) in [("--wrk", peers::wrk().await?), ("--nginx", find("nginx"))] {
        all.extend(program.map(|program| [flag.into(), program.into_os_string()]).into_iter().flatten());
    }
    // Like the bench itself: with the features the whole workspace has.
    let ours = ["build", "--release", "--workspace", "--bin", "parallax"];
    child::run(cargo(&ours), BUILD_DEADLINE).await?;
    all.extend(["--parallax".into(), root().join("target/release/parallax").into_os_string()]);
    all.extend(options);
    measure("page", from_here(all)?).await
}

async fn restart(options: Vec<OsString>) -> anyhow::Result<()> {
    let program = "parallax";
    child::run(cargo(&["build", "--release", "--workspace", "--bin", program]), BUILD_DEADLINE).await?;
    let mut all = vec!["--parallax".into(), root().join("target/release").join(program).into_os_string()];
    all.extend(from_here(options)?);
    measure("restart", all).await
}

/// The measuring program runs in its package's folder, not in ours: the file it is told to write is named in full.
fn from_here(mut options: Vec<OsString>) -> anyhow::Result<Vec<OsString>> {
    if let Some(file) =
        options.iter().position(|option| option == "--json").and_then(|n| options.get_mut(n + 1))
    {
        let whole = std::path::absolute(&*file).with_context(|| format!("finding {}", file.display()))?;
        *file = whole.into_os_string();
    }
    Ok(options)
}

/// Builds a measuring program and runs it, in its package's folder as cargo would. Cargo itself might wait for another one's lock.
async fn measure(bench: &str, options: Vec<OsString>) -> anyhow::Result<()> {
    let mut command = Command::new(build(bench).await?);
    command.args(options).current_dir(root().join(BENCHES));
    child::run(command, BENCH_DEADLINE).await
}

/// Builds a measuring program and says where it is.
async fn build(bench: &str) -> anyhow::Result<PathBuf> {
    // The whole workspace is named so that dependencies are built with the features they are shipped with.
    let args =
        ["bench", "--workspace", "--bench", bench, "--no-run", "--message-format=json-render-diagnostics"];
    say(format_args!("    $ cargo {}", args.join(" ")));
    let mut command = cargo(&args);
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let built = timeout(BUILD_DEADLINE, command.output()).await.context("cargo took too long")?;
    let built = built.context("starting cargo")?;
    ensure!(built.status.success(), "building the bench {bench}: {}", built.status);
    let messages = String::from_utf8(built.stdout).context("cargo wrote no text")?;
    executable(&messages, bench).with_context(|| format!("cargo does not say where the bench {bench} is"))
}

/// Where cargo put a bench, as its JSON messages say.
fn executable(messages: &str, bench: &str) -> Option<PathBuf> {
    let said = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut benches =
        said.filter(|said| said["target"]["name"] == bench && said["target"]["kind"][0] == "bench");
    benches.find_map(|said| Some(said["executable"].as_str()?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_that_of_the_bench_and_of_nothing_named_alike() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"probe"},"executable":"/lib"}
{"reason":"compiler-artifact","target":{"kind":["bench"],"name":"other"},"executable":"/other"}
no JSON
{"reason":"compiler-artifact","target":{"kind":["bench"],"name":"probe"},"executable":"/probe-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "probe"), Some("/probe-1".into()));
        assert_eq!(executable(messages, "none"), None);
    }
}
