//! The program under test, as a process: started, asked to end, killed, never left behind.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

/// How long a start may take until the address is said: a start rebuilds its windows from what is kept.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a clean end may take.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// How long a command that answers and ends may take: a check ends after 20 s whatever happens.
const COMMAND_DEADLINE: Duration = Duration::from_mins(1);
/// What Linux counts processor time in, towards programs.
const MS_PER_TICK: u64 = 10;
/// How many lines of a log a failure shows.
const LOG_LINES: usize = 60;

/// The binary: `PARALLAX_BIN`, else the one built beside this test.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = env::var_os("PARALLAX_BIN") {
        return path.into();
    }
    let here = env::current_exe().expect("a test knows its own path");
    let profile = here.ancestors().nth(2).expect("a test lies in <profile>/deps");
    let binary = profile.join("parallax");
    assert!(binary.is_file(), "{} is missing: cargo build --workspace", binary.display());
    binary
}

/// `parallax` running as a server.
pub(crate) struct Program {
    child: Child,
    /// Where the page, REST and gRPC are.
    pub(crate) page: SocketAddr,
    /// Where agents connect.
    pub(crate) agents: SocketAddr,
    log: PathBuf,
    // Held so that the program's standard output stays open.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// `parallax up` with these options, kept in `dir`, on ports the system picks.
    pub(crate) async fn up(dir: &Path, options: &[&str]) -> anyhow::Result<Self> {
        let mut args = vec!["up", "--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0"];
        args.extend(options);
        Self::start(command(&args), dir).await
    }

    /// Starts a prepared command with its data in `dir` and waits until it is up.
    pub(crate) async fn start(mut command: Command, dir: &Path) -> anyhow::Result<Self> {
        command.arg("--data-dir").arg(dir);
        Self::launch(command, dir).await
    }

    /// `parallax aggregator` kept in `dir`, on ports the system picks, with this beside it in its configuration.
    pub(crate) async fn aggregator(dir: &Path, config: &str) -> anyhow::Result<Self> {
        let file = dir.with_extension("toml");
        let own = format!(
            "data_dir = \"{}\"\nlisten = \"127.0.0.1:0\"\nagents_listen = \"127.0.0.1:0\"\nallow_cidr = [\"127.0.0.0/8\"]\n",
            dir.display()
        );
        fs::write(&file, own + config)?;
        let mut command = command(&["aggregator", "--config"]);
        command.arg(file);
        Self::launch(command, dir).await
    }

    async fn launch(mut command: Command, dir: &Path) -> anyhow::Result<Self> {
        let log = dir.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        command.env("PARALLAX_LOG", "info").kill_on_drop(true);
        let mut child = command.spawn().context("starting parallax")?;
        let stdout = child.stdout.take().context("it has no standard output")?;
        let mut stdout = BufReader::new(stdout).lines();
        let Ok(Ok((page, agents))) = timeout(START_DEADLINE, addresses(&mut stdout)).await else {
            bail!("not up within {} s:\n{}", START_DEADLINE.as_secs(), tail(&log));
        };
        Ok(Self { child, page, agents, log, _stdout: stdout })
    }

    /// The aggregator's address as clients name it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.page)
    }

    /// ^C, and how it ended after how long.
    pub(crate) async fn interrupt(&mut self) -> anyhow::Result<(ExitStatus, Duration)> {
        let start = Instant::now();
        self.signal(Signal::INT)?;
        let ended = timeout(STOP_DEADLINE, self.child.wait()).await;
        let status =
            ended.with_context(|| format!("still there {} s after ^C", STOP_DEADLINE.as_secs()))??;
        Ok((status, start.elapsed()))
    }

    /// SIGKILL: no chance to say goodbye.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().await?;
        Ok(())
    }

    /// How much processor time it took so far.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let id = self.child.id().context("it has ended already")?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The program's name, in brackets, may hold anything; user and system time are the 12th and 13th word after it.
        let (_, rest) = stat.rsplit_once(')').context("a name in brackets")?;
        let ticks: u64 = rest.split_whitespace().skip(11).take(2).map(|n| n.parse().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * MS_PER_TICK))
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.child.id().context("it has ended already")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("a process has a number")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- the end of {}:\n{}", self.log.display(), tail(&self.log));
        }
    }
}

/// `parallax` with arguments.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args);
    command
}

/// Runs a command that answers and ends.
pub(crate) async fn ask(args: &[&str]) -> anyhow::Result<Output> {
    ask_with(command(args), "").await
}

/// Runs a prepared command that reads `input` and answers.
pub(crate) async fn ask_with(mut command: Command, input: &str) -> anyhow::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("starting a command")?;
    let mut stdin = child.stdin.take().context("it has no standard input")?;
    let written = async move {
        // A command that refuses its arguments does not read.
        drop(stdin.write_all(input.as_bytes()).await);
    };
    let answered = async { tokio::join!(written, child.wait_with_output()).1 };
    Ok(timeout(COMMAND_DEADLINE, answered).await.context("the command does not end")??)
}

/// Both addresses, from the two lines a start says.
async fn addresses(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let mut page = None;
    while let Some(line) = lines.next_line().await? {
        if let Some(url) = line.strip_prefix("Parallax is up: http://") {
            page = Some(url.trim_end_matches('/').parse()?);
        } else if let (Some(page), Some((_, rest))) = (page, line.split_once("Agents connect to ")) {
            let agents = rest.split_whitespace().next().unwrap_or_default().trim_end_matches('.');
            return Ok((page, agents.parse()?));
        }
    }
    bail!("it ended before it was up")
}

fn tail(log: impl AsRef<OsStr>) -> String {
    let text = fs::read_to_string(Path::new(log.as_ref())).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
