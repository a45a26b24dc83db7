//! `cargo xtask bench probe`: what one probe costs and how well it tells the time, beside its peers.
//!
//! This program starts itself twice more: as the sites that are probed (their work is not counted) and as the prober whose CPU
//! time and memory are. The rounds are interleaved, ours and each peer's in turn, so that whatever else the machine does meets all
//! of them. It probes through `parallax-probe` alone; what an agent adds around it is no part of these numbers.

mod bare;
mod blackbox;
mod curl;
mod load;
mod prober;
mod process;
mod report;
mod statistics;
mod timing;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use parallax_runtime::{Clock as _, SystemClock};

use crate::blackbox::Blackbox;
use crate::prober::Setup;
use crate::process::Worker;
use crate::report::{Report, say};
use crate::world::{Timed, World};

/// What one probe costs and how well it tells the time, beside its peers.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    /// Also write the numbers here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The program of prometheus-blackbox-exporter; without it that peer is left out.
    #[arg(long)]
    blackbox: Option<PathBuf>,
    /// How many interleaved rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// `cargo bench` says this to every program it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The sites that are probed.
    #[command(hide = true)]
    Sites,
    /// The prober that is measured.
    #[command(hide = true)]
    Prober {
        /// How many threads it works on; 0 for the one it starts with.
        #[arg(long)]
        workers: Option<usize>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.role {
        None => runtime().and_then(|runtime| runtime.block_on(measure(&cli))),
        Some(Role::Sites) => runtime().and_then(|runtime| runtime.block_on(world::serve())),
        Some(Role::Prober { workers }) => prober::run(workers),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("bench probe: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let mut sites = Worker::start("sites")?;
    let world: World = sites.hear().await?;
    let timed = Timed::start()?;
    let mut prober = Worker::start("prober")?;
    prober.tell(&Setup::new(&world, &timed)).await?;
    let () = prober.hear().await?;
    let peer = if let Some(program) = &cli.blackbox {
        Some(Blackbox::start(program, &world, &timed).await?)
    } else {
        say("blackbox_exporter is left out: no program was named");
        None
    };
    let mut report = Report::new(SystemClock.now_micros(), cli.rounds);
    report.note_version("curl", curl::version().await);
    report.note_version("blackbox_exporter", peer.as_ref().map(|peer| peer.version.clone()));
    report.timing = timing::measure(&timed, &mut prober, peer.as_ref()).await?;
    report.memory.push(prober.process.memory("parallax, idle")?);
    report
        .memory
        .extend(peer.as_ref().map(|peer| peer.process.memory("blackbox_exporter, idle")).transpose()?);
    report.load = load::measure(cli.rounds, &mut prober, peer.as_ref()).await?;
    report.memory.push(prober.process.memory("parallax, after the load")?);
    report.memory.extend(
        peer.as_ref().map(|peer| peer.process.memory("blackbox_exporter, after the load")).transpose()?,
    );
    say(&report);
    if let Some(file) = &cli.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
