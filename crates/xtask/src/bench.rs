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
use crate::workspace::{cargo, root};

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
            say("cargo xtask bench diagnose    verdicts, scopes and causes on simulated worlds");
            Ok(())
        }
        Some(Bench::Probe { json }) => probe(json.as_deref()).await,
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
