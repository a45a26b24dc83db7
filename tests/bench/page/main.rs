//! `cargo xtask bench page`: what the pages weigh, cost and take, on the demo with its real agents.
//!
//! The demo runs on one core and whatever asks it on the other; nginx serves the same bytes on the same core, in turns with it. The
//! browser's part is done by `tests/browser/measure.mjs` and `lighthouse.mjs`, in the system's Chromium.

mod browser;
mod demo;
mod http;
mod readers;
mod report;
mod speed;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use crate::demo::Demo;
use crate::report::{Report, say};

/// What the pages weigh, cost and take, on the demo with its real agents.
#[derive(Debug, Parser)]
struct Cli {
    /// The program `parallax`, as it is shipped.
    #[arg(long)]
    parallax: PathBuf,
    /// nginx, which serves the same bytes; without it our rate stands alone.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// wrk, which asks.
    #[arg(long)]
    wrk: Option<PathBuf>,
    /// The folder of the browser's scripts.
    #[arg(long)]
    browser: Option<PathBuf>,
    /// How many times a site is typed, each with and without scripts.
    #[arg(long, default_value_t = 50)]
    runs: u32,
    /// Only these parts.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Also write the numbers here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// `cargo bench` says this to every program it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Requests a second beside nginx, CPU time a request.
    Speed,
    /// Readers of events, idle and stuck.
    Readers,
    /// Bytes, requests, shifts, and how soon a verdict is seen.
    Browser,
    /// Lighthouse, as a phone and as a desktop.
    Lighthouse,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.context("starting a runtime").and_then(|runtime| runtime.block_on(measure(&cli)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("bench page: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let wanted = |part| cli.only.is_empty() || cli.only.contains(&part);
    let mut report = Report::default();
    if wanted(Part::Speed) || wanted(Part::Readers) {
        let demo = Demo::start(&cli.parallax, Some(demo::SERVER_CORE)).await?;
        if wanted(Part::Speed) {
            if let Some(wrk) = &cli.wrk {
                speed::measure(&demo, wrk, cli.nginx.as_deref(), &mut report).await?;
            } else {
                say("the rate is left out: wrk is not installed");
            }
        }
        if wanted(Part::Readers) {
            readers::measure(&demo, cli.wrk.as_deref(), &mut report).await?;
        }
    }
    if wanted(Part::Browser) || wanted(Part::Lighthouse) {
        if let Some(folder) = &cli.browser {
            let demo = Demo::start(&cli.parallax, None).await?;
            if wanted(Part::Browser) {
                browser::measure(&demo, folder, cli.runs, &mut report).await?;
            }
            if wanted(Part::Lighthouse) {
                browser::lighthouse(&demo, folder, &mut report).await?;
            }
        } else {
            say("the browser is left out: its scripts' folder was not named");
        }
    }
    say(&report);
    if let Some(file) = &cli.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
