//! `cargo xtask bench store`: how long a site's history of 24 hours takes to read, with 10,000 sites × 100 agents in the store and
//! their results coming in, and how many bytes all of it is beside what the formula says.
//!
//! The day is filled as it comes, two hours of all sites a commit, which is some pages of each site: so they lie as far from each other
//! as a running store leaves them. Then sites are read in a random order, while raw results are appended as fast as that many agents send them and minutes are added.
//!
//! Before that: how many bytes a raw result is, as it came and in a block.

mod blocks;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Parser;
use parallax_lab::load::Mix;
use parallax_model::{AgentId, Epoch, Host, Micros, Seq, UnixMicros};
use parallax_proto::batch::{encode, pack};
use parallax_store::{Expected, JournalBatch, Load, MinuteRow, Store, status};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// 2026-01-01T00:00:00Z, the start of the day that is filled.
const DAY: UnixMicros = UnixMicros(1_767_225_600_000_000);
const MINUTES: i64 = 24 * 60;
/// Minutes that one commit fills.
const A_COMMIT: i64 = 120;
/// Results of a batch.
const BATCH: u32 = 1_000;
/// How long every agent waits between two probes of a site.
const INTERVAL: Duration = Duration::from_secs(30);
/// The goal.
const GOAL: Duration = Duration::from_millis(20);

/// How long a site's history takes to read.
#[derive(Debug, Parser)]
struct Cli {
    /// Sites in the store.
    #[arg(long, default_value_t = 10_000)]
    sites: u32,
    /// Agents that probe each of them every 30 s.
    #[arg(long, default_value_t = 100)]
    agents: u32,
    /// Sizes of batches whose raw results are joined into blocks.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100, 10])]
    batches: Vec<usize>,
    /// Histories that are read; with 0 only blocks are made.
    #[arg(long, default_value_t = 5_000)]
    reads: u32,
    /// Where the store is made; it goes away afterwards.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also write the numbers here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// `cargo bench` says this to every program it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.context("the runtime").and_then(|runtime| runtime.block_on(measure(&cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("bench store: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: std::fmt::Arguments<'_>) {
    // A reader who has gone away is no reason to stop measuring.
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let mut joined = Vec::new();
    for size in &cli.batches {
        let blocks = blocks::measure(*size).await?;
        say(format_args!("{blocks}"));
        joined.push(blocks);
    }
    if cli.reads == 0 {
        return Ok(());
    }
    let dir = cli.dir.as_ref().map_or_else(tempfile::tempdir, tempfile::tempdir_in)?;
    let store = Store::open(dir.path())?;
    let began = Instant::now();
    fill(&store, cli.sites).await?;
    let rows = u64::from(cli.sites) * MINUTES.unsigned_abs();
    let filled = began.elapsed();
    say(format_args!("{} sites, a day of minutes: {rows} rows in {:.0} s", cli.sites, filled.as_secs_f64()));
    let idle = read(&store, cli).await?;
    tell("nothing else going on", &idle);
    let live = live(&store, cli).await?;
    let results_per_s = f64::from(cli.sites * cli.agents) / INTERVAL.as_secs_f64();
    tell(&format!("{results_per_s:.0} results a second and all sites' minutes coming in"), &live);
    store.close().await?;
    let sizes = sizes(dir.path(), cli, rows)?;
    let p99 = |times: &[Duration]| quantile(times, 0.99).as_secs_f64() * 1e3;
    let reached = if p99(&live) <= GOAL.as_secs_f64() * 1e3 { "reached" } else { "SHORT" };
    say(format_args!("history of 24 h, p99 under load: {:.2} ms, wanted <= 20 ms: {reached}", p99(&live)));
    if let Some(file) = &cli.json {
        let numbers = json!({
            "sites": cli.sites, "agents": cli.agents, "rows": rows, "fill_s": filled.as_secs_f64(),
            "p50_ms": quantile(&live, 0.5).as_secs_f64() * 1e3, "p99_ms": p99(&live), "idle_p99_ms": p99(&idle),
            "raw": joined, "bytes_per_minute_row": sizes.0, "expected_bytes_per_minute_row": sizes.1,
        });
        std::fs::write(file, serde_json::to_string_pretty(&numbers)?).context("writing the numbers")?;
    }
    Ok(())
}

fn host(n: u32) -> anyhow::Result<Host> {
    Ok(format!("site-{n:05}.example").parse()?)
}

async fn fill(store: &Store, sites: u32) -> anyhow::Result<()> {
    let hosts = (0..sites).map(host).collect::<anyhow::Result<Vec<_>>>()?;
    for block in 0..MINUTES / A_COMMIT {
        let mut all: Vec<MinuteRow> =
            (0..A_COMMIT).flat_map(|minute| rows(&hosts, block * A_COMMIT + minute)).collect();
        all.sort_by(|a, b| a.site.cmp(&b.site));
        store.add_minutes(all).await?;
    }
    Ok(())
}

fn rows(hosts: &[Host], minute: i64) -> Vec<MinuteRow> {
    let row = |(n, site): (u32, &Host)| MinuteRow {
        site: site.clone(),
        minute: DAY.plus_secs(60 * minute),
        results: 200,
        failures: n % 7,
        first_byte: Some(Micros(20_000 + n)),
    };
    (0..).zip(hosts).map(row).collect()
}

/// Reads histories of sites in a random order, one after the other.
async fn read(store: &Store, cli: &Cli) -> anyhow::Result<Vec<Duration>> {
    let mut random = StdRng::seed_from_u64(5);
    let mut times = Vec::new();
    for _ in 0..cli.reads {
        let site = host(random.random_range(0..cli.sites))?;
        let began = Instant::now();
        let minutes = store.minutes(&site, DAY, DAY.plus_secs(86_400)).await?;
        times.push(began.elapsed());
        ensure!(minutes.len() == usize::try_from(MINUTES)?, "{} minutes of {site}", minutes.len());
    }
    Ok(times)
}

/// The same while results come in, and the next minutes of all sites.
async fn live(store: &Store, cli: &Cli) -> anyhow::Result<Vec<Duration>> {
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    let a_second = f64::from(cli.sites * cli.agents) / INTERVAL.as_secs_f64() / f64::from(BATCH);
    tasks.spawn(append(store.clone(), Duration::from_secs_f64(1.0 / a_second), stop.clone()));
    tasks.spawn(add_minutes(store.clone(), cli.sites, stop.clone()));
    let times = read(store, cli).await?;
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.context("the load")??;
    }
    Ok(times)
}

async fn append(store: Store, every: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut mix = Mix::new(7, 100, DAY);
    let columns: Vec<Bytes> = (0..16).map(|_| pack(&encode(&mix.results(BATCH as usize)))).collect();
    let agent: AgentId = "load".parse()?;
    let mut turn = tokio::time::interval(every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for (n, columns) in (0_u64..).zip(columns.iter().cycle()) {
        tokio::select! {
            _ = turn.tick() => {}
            () = stop.cancelled() => break,
        }
        let batch = JournalBatch {
            agent: agent.clone(),
            epoch: Epoch(1),
            first_seq: Seq(1 + n * u64::from(BATCH)),
            count: BATCH,
            received_at: DAY.plus_secs(86_400),
            columns: columns.clone(),
        };
        store.append(batch).await?;
    }
    Ok(())
}

/// Minutes of the next day, each as soon as the last is written: far more than ever come.
async fn add_minutes(store: Store, sites: u32, stop: CancellationToken) -> anyhow::Result<()> {
    let mut slowest = Duration::ZERO;
    let hosts = (0..sites).map(host).collect::<anyhow::Result<Vec<_>>>()?;
    for minute in MINUTES.. {
        let began = Instant::now();
        store.add_minutes(rows(&hosts, minute)).await?;
        slowest = slowest.max(began.elapsed());
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stop.cancelled() => break,
        }
    }
    say(format_args!("one minute of all sites written in at most {:.0} ms", slowest.as_secs_f64() * 1e3));
    Ok(())
}

fn tell(when: &str, times: &[Duration]) {
    let ms = |share| quantile(times, share).as_secs_f64() * 1e3;
    say(format_args!(
        "history of 24 h of one site, {when}: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, most {:.2} ms ({} reads)",
        ms(0.5),
        ms(0.95),
        ms(0.99),
        ms(1.0),
        times.len()
    ));
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length")]
fn quantile(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[at - 1]
}

/// Bytes of a minute of one site as they are, and by the formula.
fn sizes(dir: &std::path::Path, cli: &Cli, rows: u64) -> anyhow::Result<(f64, f64)> {
    let status = status(dir)?;
    let name = host(0)?.as_str().len() as u64;
    let load = Load { sites: u64::from(cli.sites), results_per_s: 0.0, name_bytes: name };
    let by_formula = Expected::of(&load).minutes as f64 / (f64::from(cli.sites) * 43_200.0);
    let file = status.file_bytes as f64 / rows as f64;
    say(format_args!(
        "{} MiB of file, {:.1} bytes a minute of a site; by the formula {by_formula:.1} bytes",
        status.file_bytes >> 20,
        file
    ));
    Ok((file, by_formula))
}
