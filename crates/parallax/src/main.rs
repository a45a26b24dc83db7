//! The program `parallax`: it composes the rooms of the house and talks to people. What it composes is made elsewhere.

#![forbid(unsafe_code)]

mod answer;
mod check;
mod cli;
mod client;
mod compose;
mod demo;
mod keeping;
mod lines;
mod operator;
mod probe;
mod snapshot;
mod term;
mod up;
mod words;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command};
use mimalloc::MiMalloc;

/// What a thread that takes results in makes, the one that evaluates lets go: with the C library's allocator each waits for the other.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::refused(&error),
    };
    parallax_runtime::init_logging(&cli.log, cli.log_format.into());
    // Only the first provider counts; every part of the program uses this one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return term::failed(
                &format!("the runtime cannot start: {error}"),
                parallax_runtime::ExitCode::Failed,
            )
            .into();
        }
    };
    runtime.block_on(run(cli.command)).into()
}

async fn run(command: Command) -> parallax_runtime::ExitCode {
    match command {
        Command::Up(options) => up::up(options).await,
        Command::Aggregator(options) => up::aggregator(options).await,
        Command::Snapshot(options) => snapshot::snapshot(options).await,
        Command::Check(options) => check::check(options).await,
        Command::Probe(options) => probe::probe(options).await,
        Command::Explain(options) => lines::explain(&options),
        Command::Diagnose(options) => lines::diagnose(&options),
        Command::Target(options) => lines::target(&options),
        Command::Token(options) => operator::token(options).await,
        Command::Agents(options) => operator::agents(options).await,
        Command::Targets(options) => operator::targets(options).await,
        Command::Incidents(options) => operator::incidents(options).await,
        Command::Data(options) => keeping::data(&options).await,
    }
}
