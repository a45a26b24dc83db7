//! Other processes: started, spoken to line by line, measured from outside, ended when they are dropped.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long one answer of a worker may take: the longest task is some seconds long.
const ANSWER_DEADLINE: Duration = Duration::from_mins(2);

/// A process that is measured.
#[derive(Debug)]
pub(crate) struct Process {
    /// Ends with us.
    _child: Child,
    id: u32,
}

/// CPU time of each thread, in nanoseconds.
#[derive(Debug)]
pub(crate) struct CpuTimes(BTreeMap<String, u64>);

/// Memory a process holds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Memory {
    pub(crate) whose: String,
    /// Resident now, in KiB.
    pub(crate) resident_kib: u64,
    /// The most that was ever resident, in KiB.
    pub(crate) most_kib: u64,
}

impl Process {
    pub(crate) fn start(
        mut command: Command,
    ) -> anyhow::Result<(Self, Option<ChildStdin>, Option<ChildStdout>)> {
        let name = command.as_std().get_program().display().to_string();
        let mut child = command.kill_on_drop(true).spawn().with_context(|| format!("starting {name}"))?;
        let id = child.id().with_context(|| format!("{name} ended at once"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Ok((Self { _child: child, id }, stdin, stdout))
    }

    /// What every thread has used until now (`/proc/PID/task/*/schedstat`: nanoseconds, where `stat` has hundredths of a second).
    pub(crate) fn cpu(&self) -> anyhow::Result<CpuTimes> {
        let mut times = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.id)).context("listing threads")? {
            let task = task.context("listing threads")?;
            // A thread may end while we look; one that was there before is missed in `since`.
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            let used = text.split_ascii_whitespace().next().and_then(|used| used.parse().ok());
            let name = task.file_name().to_string_lossy().into_owned();
            times.insert(name, used.context("reading schedstat")?);
        }
        Ok(CpuTimes(times))
    }

    pub(crate) fn memory(&self, whose: &str) -> anyhow::Result<Memory> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id)).context("reading status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("reading status")?;
            let number = line.split_ascii_whitespace().next().context("reading status")?;
            number.parse::<u64>().context("reading status")
        };
        Ok(Memory { whose: whose.to_owned(), resident_kib: field("VmRSS:")?, most_kib: field("VmHWM:")? })
    }
}

impl CpuTimes {
    /// What was used since `before`. Threads that ended in between would be missing from the sum, so that is an error.
    pub(crate) fn since(&self, before: &Self) -> anyhow::Result<Duration> {
        ensure!(before.0.keys().all(|thread| self.0.contains_key(thread)), "a measured thread has ended");
        let sum = |times: &Self| times.0.values().sum::<u64>();
        Ok(Duration::from_nanos(sum(self) - sum(before)))
    }
}

/// This program in another role. It is told JSON lines and answers with one each.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) process: Process,
    role: &'static str,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What a worker writes: what was asked for, or why not.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer<T> {
    Done(T),
    Failed(String),
}

impl Worker {
    pub(crate) fn start(role: &'static str) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command.arg(role).stdin(Stdio::piped()).stdout(Stdio::piped());
        let (process, stdin, stdout) = Process::start(command)?;
        let stdin = stdin.context("a worker has a standard input")?;
        let lines = BufReader::new(stdout.context("a worker has a standard output")?).lines();
        Ok(Self { process, role, stdin, lines })
    }

    pub(crate) async fn tell(&mut self, task: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(task)? + "\n";
        self.stdin.write_all(line.as_bytes()).await.with_context(|| format!("speaking to the {}", self.role))
    }

    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let line = timeout(ANSWER_DEADLINE, self.lines.next_line()).await;
        let line = line.with_context(|| format!("the {} did not answer in time", self.role))??;
        let line = line.with_context(|| format!("the {} ended", self.role))?;
        match serde_json::from_str(&line).with_context(|| format!("reading the {}", self.role))? {
            Answer::Done(done) => Ok(done),
            Answer::Failed(why) => bail!("the {}: {why}", self.role),
        }
    }
}
