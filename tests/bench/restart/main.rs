//! `cargo xtask bench restart`: how long the aggregator takes from its start until it is ready, with ten million results in its store,
//! after it was killed.
//!
//! The program is the one that is shipped, in a process of its own. Its store is filled before, directly: agents that each sent their
//! rounds over all sites, up to this moment; every site watched, minutes written up to the last whole one, nothing folded in that a
//! killed process would not have. Ready is when `/readyz` says so.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Parser;
use parallax_lab::load::Mix;
use parallax_model::{AgentId, Epoch, Seq, Target, UnixMicros, Vantage};
use parallax_proto::batch::{Known, encode, pack, read};
use parallax_runtime::{Clock as _, SystemClock};
use parallax_store::{Heard, JournalBatch, MinuteRow, Store, TargetRecord, TokenRecord};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Results of a batch at most. Each is of another site, so that nothing repeats in a batch: the dearest there are to read.
const BATCH: usize = 250;
/// How often every agent probes every site.
const INTERVAL: Duration = Duration::from_secs(30);
/// Different agents' views that the batches are made of.
const VIEWS: u64 = 4;
/// Batches on their way to the store at once.
const AT_ONCE: usize = 64;
/// How long a start may take before it is given up.
const DEADLINE: Duration = Duration::from_mins(5);
/// The goal.
const GOAL: Duration = Duration::from_secs(5);

/// How long the aggregator takes to be ready again.
#[derive(Debug, Parser)]
struct Cli {
    /// The program `parallax`, as it is shipped.
    #[arg(long)]
    parallax: PathBuf,
    /// Results in the store.
    #[arg(long, default_value_t = 10_000_000)]
    results: usize,
    /// Worlds: sites × agents.
    #[arg(long, value_delimiter = ',', default_values = ["100x100", "1000x100", "10000x100"])]
    worlds: Vec<World>,
    /// Starts of each world, each after a kill; the slowest counts.
    #[arg(long, default_value_t = 3)]
    starts: usize,
    /// Also write the numbers here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// `cargo bench` says this to every program it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How many sites, each probed by how many agents.
#[derive(Debug, Clone, Copy)]
struct World {
    sites: usize,
    agents: usize,
}

impl FromStr for World {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (sites, agents) = text.split_once('x').ok_or("sites x agents, e.g. 1000x100")?;
        let number = |text: &str| text.parse().map_err(|e| format!("{text}: {e}"));
        Ok(Self { sites: number(sites)?, agents: number(agents)? })
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.context("the runtime").and_then(|runtime| runtime.block_on(measure(&cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("bench restart: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: std::fmt::Arguments<'_>) {
    // A reader who has gone away is no reason to stop measuring.
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let mut numbers = Vec::new();
    for world in &cli.worlds {
        let dir = tempfile::tempdir().context("making a directory")?;
        let data = dir.path().join("data");
        let config = dir.path().join("aggregator.toml");
        std::fs::write(&config, configuration(&data))?;
        // One start to make keys and certificates, which happens once in a life.
        let mut child = start(&cli.parallax, &config).await?.0;
        child.kill().await?;
        fill(&data, *world, cli.results, UnixMicros(SystemClock.now_micros())).await?;
        // One that ends in good order leaves what it has learnt, as one that ran for long would have.
        stop(start(&cli.parallax, &config).await?.0).await?;
        let mut took = Vec::new();
        for _ in 0..cli.starts {
            let (mut child, ready) = start(&cli.parallax, &config).await?;
            let (memory, cpu_s) = (resident_kib(&child)?, cpu_s(&child)?);
            child.kill().await?;
            took.push((ready, cpu_s, memory));
        }
        let slowest = took.iter().map(|(ready, ..)| *ready).max().unwrap_or_default();
        let bytes = std::fs::metadata(data.join("parallax.db"))?.len();
        let reached = if slowest <= GOAL { "reached" } else { "SHORT" };
        say(format_args!(
            "{:>6} sites x {} agents every 30 s, {} results, {} MiB: ready after {} s ({} s of processor time), wanted <= 5 s: {reached}; {} MiB resident",
            world.sites,
            world.agents,
            cli.results,
            bytes >> 20,
            took.iter()
                .map(|(ready, ..)| format!("{:.2}", ready.as_secs_f64()))
                .collect::<Vec<_>>()
                .join(", "),
            took.iter().map(|(_, cpu_s, _)| format!("{cpu_s:.2}")).collect::<Vec<_>>().join(", "),
            took.iter().map(|(.., memory)| memory >> 10).max().unwrap_or_default()
        ));
        numbers.push(json!({
            "sites": world.sites, "agents": world.agents, "results": cli.results, "bytes": bytes,
            "ready_s": took.iter().map(|(ready, ..)| ready.as_secs_f64()).collect::<Vec<_>>(),
            "cpu_s": took.iter().map(|(_, cpu_s, _)| cpu_s).collect::<Vec<_>>(),
        }));
    }
    if let Some(file) = &cli.json {
        std::fs::write(file, serde_json::to_string_pretty(&numbers)?).context("writing the numbers")?;
    }
    Ok(())
}

fn configuration(data: &Path) -> String {
    let data = data.display();
    format!("data_dir = \"{data}\"\nlisten = \"127.0.0.1:0\"\nagents_listen = \"127.0.0.1:0\"\n")
}

/// Starts it and waits until it is ready; how long that took, from the start of the process on.
async fn start(program: &Path, config: &Path) -> anyhow::Result<(Child, Duration)> {
    let mut command = Command::new(program);
    command.arg("--log").arg("warn").arg("aggregator").arg("--config").arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let began = Instant::now();
    let mut child = command.spawn().context("starting parallax")?;
    let mut lines = BufReader::new(child.stdout.take().context("it has a standard output")?).lines();
    let first = timeout(DEADLINE, lines.next_line()).await.context("it does not start")??;
    let first = first.context("it ended before it was ready")?;
    let page =
        first.split("http://").nth(1).context("it says where its page is")?.trim_end_matches('/').to_owned();
    loop {
        let answer = timeout(DEADLINE, ask(&page, "/readyz")).await.context("it does not answer")??;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        ensure!(began.elapsed() < DEADLINE, "it is not ready: {answer}");
    }
    Ok((child, began.elapsed()))
}

async fn ask(page: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(page).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Ends it in good order.
async fn stop(mut child: Child) -> anyhow::Result<()> {
    let id = child.id().context("it ended")?;
    let told = Command::new("kill").arg("-TERM").arg(id.to_string()).status().await.context("kill")?;
    ensure!(told.success(), "it cannot be told to end");
    let ended = timeout(DEADLINE, child.wait()).await.context("it does not end")??;
    ensure!(ended.success(), "it ended with {ended}");
    Ok(())
}

/// What of the processors' time it has used, in seconds.
fn cpu_s(child: &Child) -> anyhow::Result<f64> {
    let id = child.id().context("it ended")?;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let fields = stat.rsplit_once(')').context("a name")?.1.split_ascii_whitespace();
    // The 14th and 15th of all: user and system time, in hundredths.
    let ticks: Vec<u32> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(f64::from(ticks.iter().sum::<u32>()) / 100.0)
}

fn resident_kib(child: &Child) -> anyhow::Result<u64> {
    let id = child.id().context("it ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.split_ascii_whitespace().next().context("no VmHWM")?.parse().context("reading VmHWM")
}

/// Puts so many results into a store, up to `now`.
async fn fill(data: &Path, world: World, results: usize, now: UnixMicros) -> anyhow::Result<()> {
    let store = Store::open(data)?;
    let rounds = results.div_ceil(world.sites * world.agents) as u64;
    let views = views(world.sites)?;
    watch(&store, &views.targets).await?;
    enrol(&store, world.agents, now).await?;
    let mut appends = JoinSet::new();
    for round in 0..rounds {
        let ago = i64::try_from((rounds - round - 1) * INTERVAL.as_secs())?;
        let received_at = now.plus_secs(-ago).plus_micros(-1_000_000);
        for agent in 0..world.agents {
            let mut first = 1 + round * world.sites as u64;
            for (count, columns) in &views.batches[agent % views.batches.len()] {
                let batch = JournalBatch {
                    agent: format!("agent-{agent}").parse::<AgentId>()?,
                    epoch: Epoch(1),
                    first_seq: Seq(first),
                    count: *count,
                    received_at,
                    columns: columns.clone(),
                };
                first += u64::from(*count);
                let store = store.clone();
                appends.spawn(async move { store.append(batch).await.map(drop) });
                if appends.len() >= AT_ONCE {
                    appends.join_next().await.context("an append")???;
                }
            }
        }
    }
    while let Some(appended) = appends.join_next().await {
        appended??;
    }
    let minute = UnixMicros(now.0.div_euclid(60_000_000) * 60_000_000).plus_secs(-60);
    let row = |target: &Target| MinuteRow {
        site: target.host.clone(),
        minute,
        results: 200,
        failures: 0,
        first_byte: None,
    };
    store.add_minutes(views.targets.iter().map(row).collect()).await?;
    Ok(store.close().await?)
}

/// What agents send in one round.
struct Views {
    targets: Vec<Target>,
    /// Of each view the batches of a round, with their counts.
    batches: Vec<Vec<(u32, Bytes)>>,
}

fn views(sites: usize) -> anyhow::Result<Views> {
    let mut views = Views { targets: Vec::new(), batches: Vec::new() };
    for seed in 0..VIEWS {
        let results = Mix::new(seed, sites, UnixMicros(1_767_225_600_000_000)).results(sites);
        if views.targets.is_empty() {
            views.targets = results.iter().map(|result| result.target.clone()).collect();
        }
        let mut batches = Vec::new();
        for part in results.chunks(BATCH) {
            let (count, columns) = (u32::try_from(part.len())?, pack(&encode(part)));
            read(&columns, count, &Known::default()).context("a batch that no agent would send")?;
            batches.push((count, columns));
        }
        views.batches.push(batches);
    }
    Ok(views)
}

/// Agents that were heard, as each must have been before it could send.
async fn enrol(store: &Store, agents: usize, now: UnixMicros) -> anyhow::Result<()> {
    for n in 0..agents {
        let agent: AgentId = format!("agent-{n}").parse()?;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(n as u64).to_le_bytes());
        let expires_at = now.plus_secs(60);
        store.create_token(TokenRecord { hash, agent: agent.clone(), created_at: now, expires_at }).await?;
        store.redeem_token(hash, hash, now).await?;
        let vantage = Vantage::default();
        let version = "0.0.0".to_owned();
        let heard = Heard { agent, at: now, version, declared: vantage.clone(), vantage, results_added: 0 };
        store.heard(vec![heard]).await?;
    }
    Ok(())
}

async fn watch(store: &Store, targets: &[Target]) -> anyhow::Result<()> {
    let mut puts = JoinSet::new();
    for target in targets {
        let record = TargetRecord {
            target: target.clone(),
            interval: INTERVAL,
            added_at: UnixMicros(1_767_225_600_000_000),
        };
        let store = store.clone();
        puts.spawn(async move { store.put_target(record).await });
        if puts.len() >= AT_ONCE {
            puts.join_next().await.context("a target")???;
        }
    }
    while let Some(put) = puts.join_next().await {
        put??;
    }
    Ok(())
}
