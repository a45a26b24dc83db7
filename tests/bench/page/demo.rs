//! The demo under measurement: started on ports the system picks, watched from outside, ended when dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::http;

/// The core the server runs on.
pub(crate) const SERVER_CORE: u32 = 0;
/// The core of whoever asks it.
pub(crate) const CLIENT_CORE: u32 = 1;
/// Addresses of servers of the bench's own, which the demo's agents may probe.
pub(crate) const OWN_RANGE: &str = "127.77.0.0/16";

/// What `parallax up` says when it is up, before the address.
const UP: &str = "Parallax is up: http://";
/// How long the demo may take until it knows its sites.
const READY_DEADLINE: Duration = Duration::from_mins(2);
/// How many sites it has.
const SITES: usize = 9;

/// A running demo.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) address: SocketAddr,
    id: u32,
    // All of these end with it.
    _child: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
    _kept: TempDir,
}

impl Demo {
    /// Starts it, on one core when one is named, and waits until every site has a verdict.
    pub(crate) async fn start(program: &Path, core: Option<u32>) -> anyhow::Result<Self> {
        let kept = tempfile::tempdir().context("making a folder")?;
        let mut command = pinned(program, core);
        command.args(["up", "--demo", "--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0"]);
        command.args(["--allow-cidr", OWN_RANGE, "--data-dir"]).arg(kept.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let id = child.id().context("the demo ended at once")?;
        let stdout = child.stdout.take().context("the demo has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let address =
            timeout(READY_DEADLINE, address(&mut lines)).await.context("the demo does not start")??;
        let demo = Self { address, id, _child: child, _stdout: lines, _kept: kept };
        demo.ready().await?;
        Ok(demo)
    }

    /// `http://127.0.0.1:4711`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let end = Instant::now() + READY_DEADLINE;
        loop {
            let answer = http::get(self.address, "/api/v1/sites", &[]).await?;
            let list: Value = serde_json::from_slice(&answer.body).context("reading the list of sites")?;
            let known = list["sites"].as_array().into_iter().flatten();
            if known.filter(|site| site["verdict"] != "unknown").count() >= SITES {
                return Ok(());
            }
            ensure!(Instant::now() < end, "the demo does not know its sites");
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// CPU time every thread has used until now.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(self.id)
    }

    /// Memory that is resident now, in KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id)).context("reading status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("reading VmRSS")?;
        line.split_ascii_whitespace().next().and_then(|kib| kib.parse().ok()).context("reading VmRSS")
    }
}

async fn address(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<SocketAddr> {
    while let Some(line) = lines.next_line().await? {
        if let Some(rest) = line.strip_prefix(UP) {
            return rest.trim_end_matches('/').parse().context("reading the demo's address");
        }
    }
    bail!("the demo ended before it was up")
}

/// A program on one core, or wherever the system puts it.
pub(crate) fn pinned(program: &Path, core: Option<u32>) -> Command {
    match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(core.to_string()).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// CPU time of all threads of a process (`/proc/PID/task/*/schedstat`, in nanoseconds). taskset becomes the program it starts.
pub(crate) fn cpu(process: u32) -> anyhow::Result<Duration> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task")).context("listing threads")? {
        // A thread may end while we look.
        let Ok(text) = std::fs::read_to_string(task.context("listing threads")?.path().join("schedstat"))
        else {
            continue;
        };
        let used: u64 =
            text.split_ascii_whitespace().next().and_then(|n| n.parse().ok()).context("reading schedstat")?;
        sum += used;
    }
    Ok(Duration::from_nanos(sum))
}
