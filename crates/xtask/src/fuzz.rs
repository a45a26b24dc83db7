//! The long run of the fuzz targets under `tests/fuzz`: one after the other, each for as long as asked.
//!
//! It needs a nightly compiler and a C++ compiler, and installs cargo-fuzz when that is missing. What it finds and what it has
//! learnt stay under `target/fuzz`; a finding that is kept for good is copied to `tests/fuzz/seeds`, which every test run replays.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use tokio::process::Command;
use tokio::time::interval;

use crate::child::{self, BUILD_DEADLINE, say};
use crate::workspace::{cargo, find, output, root};

/// Where the targets are, a workspace of its own.
const FUZZ_DIR: &str = "tests/fuzz";
/// Where it is built, learns and puts what it finds.
const WORK_DIR: &str = "target/fuzz";
/// How often a running target says how far it is.
const PROGRESS: Duration = Duration::from_secs(15);
/// How long one input may take, in seconds, before it is a finding.
const SLOW_INPUT_S: u32 = 10;
/// How much memory a target may take, in MiB, before it is a finding.
const MEMORY_MIB: u32 = 2_048;
/// Longest input that is tried, in bytes.
const MAX_INPUT_BYTES: u32 = 8_192;
/// How long after its time a target may take to end.
const GRACE: Duration = Duration::from_mins(2);
/// None of our code is unsafe, so there is nothing for a sanitizer to find that a panic would not show, and without one a target
/// runs several times as fast.
const SANITIZER: &str = "none";

/// What to fuzz, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// One target; without, all of them one after the other.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    minutes: u32,
}

/// Runs the targets. An error when one found something, or when they cannot be run.
pub(crate) async fn run(fuzz: Fuzz) -> anyhow::Result<()> {
    let mut build = cargo_fuzz("build");
    build.args(&fuzz.target);
    let targets = wanted(fuzz.target, known()?)?;
    install().await?;
    child::run(build, BUILD_DEADLINE).await?;
    let mut found = Vec::new();
    for target in &targets {
        say(format_args!("==> {target} for {} min", fuzz.minutes));
        found.extend(one(target, fuzz.minutes).await?);
    }
    if found.is_empty() {
        say(format_args!("{} targets ran for {} min each and found nothing", targets.len(), fuzz.minutes));
        return Ok(());
    }
    for file in &found {
        say(format_args!("    found: {}", file.display()));
    }
    say(format_args!(
        "Copy a finding to {FUZZ_DIR}/seeds/<target>/ under a name that says what it is; `cargo test -p parallax-tests fuzz::` shows it."
    ));
    bail!("{} inputs break what must hold", found.len())
}

/// Every target, in the order of their names.
fn known() -> anyhow::Result<BTreeSet<String>> {
    let folder = root().join(FUZZ_DIR).join("fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
    let names =
        entries.map(|entry| Ok(entry?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()));
    names.collect()
}

fn wanted(asked: Option<String>, known: BTreeSet<String>) -> anyhow::Result<Vec<String>> {
    let Some(target) = asked else { return Ok(known.into_iter().collect()) };
    let list = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    ensure!(known.contains(&target), "there is no target {target}; there are {list}");
    Ok(vec![target])
}

async fn install() -> anyhow::Result<()> {
    ensure!(find("c++").is_some(), "libFuzzer is built with a C++ compiler: install g++");
    ensure!(find("rustup").is_some(), "fuzzing needs a nightly compiler, and rustup to choose it");
    let toolchains = output({
        let mut list = Command::new("rustup");
        list.args(["toolchain", "list"]);
        list
    });
    if !toolchains.await?.lines().any(|line| line.starts_with("nightly-")) {
        let mut nightly = Command::new("rustup");
        nightly.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
        child::run(nightly, BUILD_DEADLINE).await?;
    }
    if find("cargo-fuzz").is_none() {
        child::run(cargo(&["install", "cargo-fuzz", "--locked"]), BUILD_DEADLINE).await?;
    }
    Ok(())
}

/// `cargo fuzz` by the nightly compiler. The variables by which our own cargo was chosen would choose it again.
fn cargo_fuzz(task: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz", task, "--fuzz-dir", FUZZ_DIR, "--sanitizer", SANITIZER]);
    command.arg("--target-dir").arg(format!("{WORK_DIR}/build"));
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").current_dir(root());
    command
}

/// Runs one target; what it found.
async fn one(target: &str, minutes: u32) -> anyhow::Result<Vec<PathBuf>> {
    let work = root().join(WORK_DIR);
    let (learnt, findings) = (work.join("corpus").join(target), work.join("found").join(target));
    for folder in [&learnt, &findings] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let before = files(&findings)?;
    let log = work.join(format!("{target}.log"));
    let written = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
    let mut command = cargo_fuzz("run");
    command.arg(target).arg(&learnt).arg(format!("{FUZZ_DIR}/seeds/{target}")).arg("--");
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    command.arg(format!("-max_total_time={}", minutes * 60));
    command.args([format!("-timeout={SLOW_INPUT_S}"), format!("-rss_limit_mb={MEMORY_MIB}")]);
    command.args([format!("-max_len={MAX_INPUT_BYTES}"), "-print_final_stats=1".to_owned()]);
    command.stderr(written);
    let deadline = Duration::from_mins(minutes.into()) + GRACE;
    let ended = tokio::select! {
        ended = child::run(command, deadline) => ended,
        () = tell_progress(&log) => Ok(()),
    };
    say(format_args!("    {}", last_status(&log)));
    let new: Vec<PathBuf> = files(&findings)?.difference(&before).cloned().collect();
    if let (Err(error), true) = (ended, new.is_empty()) {
        return Err(error.context(format!("{} says why", log.display())));
    }
    Ok(new)
}

fn files(folder: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Says every now and then how far a target is; never ends by itself.
async fn tell_progress(log: &Path) {
    let mut tick = interval(PROGRESS);
    tick.tick().await;
    loop {
        tick.tick().await;
        say(format_args!("    {}", last_status(log)));
    }
}

/// libFuzzer's last line with numbers: inputs so far, what they reach, how many a second.
fn last_status(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let status = text.lines().rev().find(|line| line.starts_with('#') && line.contains("cov:"));
    status.map_or_else(
        || "no numbers yet".to_owned(),
        |line| line.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_one_that_is_there() {
        let known = || BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(wanted(None, known()).expect("all"), ["a", "b"]);
        assert_eq!(wanted(Some("b".to_owned()), known()).expect("one"), ["b"]);
        let error = wanted(Some("c".to_owned()), known()).expect_err("none");
        assert_eq!(error.to_string(), "there is no target c; there are a, b");
    }

    #[test]
    fn the_last_line_with_numbers_counts() {
        let log = tempfile::NamedTempFile::new().expect("a file");
        fs::write(
            log.path(),
            "INFO: x\n#2\tINITED cov: 5 ft: 6\n#128\tpulse  cov: 7 ft: 9 exec/s: 64\nDone\n",
        )
        .expect("written");
        assert_eq!(last_status(log.path()), "#128 pulse cov: 7 ft: 9 exec/s: 64");
        assert_eq!(last_status(Path::new("missing")), "no numbers yet");
    }

    #[test]
    fn every_target_has_seeds_and_an_entry_in_the_manifest() {
        let manifest = fs::read_to_string(root().join(FUZZ_DIR).join("Cargo.toml")).expect("the manifest");
        let known = known().expect("targets");
        assert!(!known.is_empty());
        for target in known {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in the manifest");
            assert!(!files(&root().join(FUZZ_DIR).join("seeds").join(&target)).expect("seeds").is_empty());
        }
    }
}
