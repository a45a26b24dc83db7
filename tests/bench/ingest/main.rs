//! `cargo xtask bench ingest`: what a result costs the aggregator, from a thousand agents' sockets to its journal and its windows, and
//! how many bytes it is; beside PostgreSQL's COPY and Prometheus's remote write.
//!
//! The aggregator is the program as it is shipped, in a process of its own; CPU time is user and system time of that process from
//! /proc. The agents are in this process: real mutual TLS and real gRPC streams, each its own certificate; what they send was encoded
//! before. In the end the aggregator is killed with SIGKILL, and every seq that was acked must be in its journal.

#[path = "../store/blocks.rs"]
mod blocks;
mod cage;
mod columns;
mod flood;
mod postgres;
mod process;
mod prometheus;
mod report;
mod server;
mod watched;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use parallax_lab::load::{Cargo, Fleet, Mix, Voucher};
use parallax_model::{ProbeResult, UnixMicros};
use parallax_proto::batch::{encode, message};
use parallax_runtime::{Clock as _, SystemClock};
use tokio::time::Instant;

use crate::report::{Load, Report, say};
use crate::server::Server;

/// Sites that every agent watches.
const SITES: usize = 100;
/// Different agents' views that the batches are made of.
const VIEWS: u64 = 8;
/// Batches of each view.
const BATCHES_OF_A_VIEW: usize = 4;

/// What a result costs the aggregator, and how many bytes it is.
#[derive(Debug, Parser)]
struct Cli {
    /// The program `parallax`, as it is shipped.
    #[arg(long)]
    parallax: PathBuf,
    /// The program `prometheus`; without it that peer is left out.
    #[arg(long)]
    prometheus: Option<PathBuf>,
    /// The folder of PostgreSQL's programs; without it that peer is left out.
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// How many agents at once, one run each. One alone is read at its pace: 80,000 results a second.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 5_000])]
    streams: Vec<usize>,
    /// How many results each run sends, at least one batch of each agent.
    #[arg(long, default_value_t = 10_000_000)]
    results: usize,
    /// Also run with these batch sizes, with 100 agents each.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100])]
    batches: Vec<usize>,
    /// How many times each run; the run of median CPU time is told.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Only a part of it.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Let the aggregator have so many MiB of memory and no more, in a control group of its own: it must live through every run.
    #[arg(long)]
    memory_mib: Option<u64>,
    /// Also write the numbers here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// `cargo bench` says this to every program it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The runs with `--streams`: no smaller batches, no peers, nothing about bytes.
    Streams,
    /// What 99 agents feel of one that floods.
    Flood,
    /// What it costs to watch 1,000 sites every 15 seconds, agent and aggregator together.
    Watched,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.context("the runtime").and_then(|runtime| runtime.block_on(measure(&cli)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("bench ingest: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    // Only the first provider counts.
    drop(rustls::crypto::ring::default_provider().install_default());
    match cli.only {
        Some(Part::Flood) => flood::measure(&cli.parallax).await,
        Some(Part::Watched) => watched::measure(&cli.parallax).await,
        Some(Part::Streams) | None => results(cli).await,
    }
}

/// What results cost, whoever sends them, and how many bytes they are.
async fn results(cli: &Cli) -> anyhow::Result<()> {
    let only_streams = cli.only.is_some();
    let mut report = Report::default();
    let columns: Vec<_> = views(1_000).iter().map(|results| encode(results)).collect();
    report.columns = columns::shares(&columns);
    let full = cli.streams.iter().map(|streams| (*streams, 1_000));
    let small = cli.batches.iter().filter(|_| !only_streams).map(|size| (100, *size));
    for (streams, size) in full.chain(small) {
        let mut rounds = Vec::new();
        for _ in 0..cli.rounds.max(1) {
            let load = Box::pin(load(cli, streams, size)).await;
            let load = load.with_context(|| format!("{streams} agents, batches of {size}"))?;
            say(&load);
            rounds.push(load);
        }
        rounds.sort_by(|a, b| a.cpu_ns.total_cmp(&b.cpu_ns));
        report.loads.push(rounds.swap_remove(rounds.len() / 2));
    }
    if only_streams {
        return Ok(());
    }
    for size in [1_000, 100] {
        report.blocks.push(blocks::measure(size).await?);
    }
    if let Some(programs) = &cli.postgres {
        let results = &views(1_000);
        for indexed in [false, true] {
            report.peers.push(Box::pin(postgres::measure(programs, results, indexed)).await?);
        }
    }
    if let Some(program) = &cli.prometheus {
        report.peers.push(Box::pin(prometheus::measure(program)).await?);
    }
    say(&report);
    if let Some(file) = &cli.json {
        std::fs::write(file, serde_json::to_string_pretty(&report)?).context("writing the numbers")?;
    }
    Ok(())
}

/// Batches of results as several agents see them.
fn views(size: usize) -> Vec<Vec<ProbeResult>> {
    let start = UnixMicros(SystemClock.now_micros()).plus_secs(-3_600);
    let of_one = |seed| {
        let mut mix = Mix::new(seed, SITES, start);
        (0..BATCHES_OF_A_VIEW).map(move |_| mix.results(size))
    };
    (0..VIEWS).flat_map(of_one).collect()
}

fn cargo_of(size: usize) -> (Cargo, Vec<String>) {
    let views = views(size);
    let sites: BTreeSet<String> = views.iter().flatten().map(|r| r.target.to_string()).collect();
    let batches: Vec<_> = views.iter().map(|results| message(0, 0, &encode(results))).collect();
    (Cargo { batches: batches.into(), results: size as u64 }, sites.into_iter().collect())
}

/// So many of a hundred took no longer, in milliseconds.
fn quantile_ms(acks: &[Duration], q: usize) -> f64 {
    acks.get(acks.len() * q / 100).map_or(0.0, |d| d.as_secs_f64() * 1e3)
}

async fn load(cli: &Cli, streams: usize, size: usize) -> anyhow::Result<Load> {
    let (cargo, sites) = cargo_of(size);
    let server = Server::start(&cli.parallax, &sites, cli.memory_mib).await?;
    let voucher = Voucher::open(&server.data())?;
    let began = server.process.cpu()?.all();
    let (mut fleet, refused) = Fleet::connect_while_room(server.agents, &voucher, streams).await?;
    anyhow::ensure!(refused == 0 || cli.memory_mib.is_some(), "{refused} agents were refused");
    let streams = fleet.len();
    server.process.idle().await?;
    let connected = server.process.cpu()?.all();
    // Windows of every agent and site are made by its first batch.
    fleet.send(&cargo, 1).await?;
    server.process.settled().await?;
    let (before, evaluating) = (server.process.cpu()?, server.metric(EVALUATION).await?);
    let each = cli.results.div_ceil(streams * size).max(1);
    let start = Instant::now();
    let acks = fleet.send(&cargo, each).await?;
    let took = start.elapsed();
    server.process.idle().await?;
    let cpu = server.process.cpu()?.since(&before);
    let evaluating = server.metric(EVALUATION).await? - evaluating;
    server.process.settled().await?;
    let whole = server.process.cpu()?.since(&before);
    let most_resident_mib = server.process.most_resident_mib()?;
    let sum_mib = server.metric("parallax_memory_sum_bytes").await? / (1024.0 * 1024.0);
    let told = server.metric("parallax_agents_refused_total").await?;
    anyhow::ensure!(
        (told - refused as f64).abs() < 0.5,
        "{refused} agents were refused, and the aggregator says {told}"
    );
    if cli.memory_mib.is_some() {
        anyhow::ensure!(most_resident_mib <= sum_mib, "{most_resident_mib:.0} MiB, documented {sum_mib:.0}");
    }
    let acked = fleet.acked();
    drop(fleet);
    let kept = server.kill_and_check(&acked).await?;
    let sent = (each * streams * size) as f64;
    let ns = |time: Duration| time.as_nanos() as f64 / sent;
    let wire: usize = cargo.batches.iter().map(prost::Message::encoded_len).sum();
    let quantile = |q| quantile_ms(&acks, q);
    Ok(Load {
        streams,
        batch: size,
        results: each * streams * size,
        cpu_ns: ns(cpu.all()),
        system_ns: ns(cpu.system),
        evaluation_ns: evaluating * 1e9 / sent,
        later_ns: ns(whole.all().saturating_sub(cpu.all())),
        threads_ns: cpu.threads.iter().map(|(name, used)| (name.clone(), ns(*used))).collect(),
        per_second: sent / took.as_secs_f64(),
        connect_ms: connected.saturating_sub(began).as_secs_f64() * 1e3 / streams as f64,
        ack_ms: [quantile(50), quantile(99)],
        wire_bytes: wire as f64 / (cargo.batches.len() * size) as f64,
        blob_bytes: kept.blobs as f64 / kept.results as f64,
        file_bytes: kept.file as f64 / kept.results as f64,
        most_resident_mib,
        refused,
        sum_mib,
        checked: acked.len(),
    })
}

/// Seconds that the aggregator has spent on evaluating.
const EVALUATION: &str = "parallax_evaluation_seconds_sum";
