//! The program `parallax-agent`: enrols, or runs one agent until it is told to stop.

#![forbid(unsafe_code)]

mod cli;

use std::io::Write as _;
use std::sync::Arc;

use clap::Parser as _;
use cli::{Cli, Command};
use parallax_agent::{AgentConfig, AgentParts, enroll, start};
use parallax_runtime::{ExitCode, Lifecycle, SystemClock, entropy, init_logging};

fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nowhere is left to say that standard error is closed.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Ok }.into();
        }
    };
    init_logging(&cli.log, cli.log_format.into());
    match dispatch(cli.command) {
        Ok(()) => ExitCode::Ok.into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "parallax-agent: {error:#}");
            cli::exit_code(&error).into()
        }
    }
}

// One thread: an agent waits more than it works, a probe costs less where no task moves between cores, and the spool has a thread of
// its own.
#[tokio::main(flavor = "current_thread")]
async fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Enroll { settings, token } => {
            Ok(enroll(&settings.load()?, &token, Arc::new(SystemClock)).await?)
        }
        Command::Run { settings, check_config: true } => {
            settings.load()?;
            Ok(writeln!(std::io::stdout(), "the configuration is good")?)
        }
        Command::Run { settings, check_config: false } => run(settings.load()?).await,
    }
}

async fn run(config: AgentConfig) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::new();
    let parts = AgentParts { clock: Arc::new(SystemClock), rng: entropy(), tasks: lifecycle.tasks() };
    let agent = start(config, parts).await?;
    tracing::info!(agent.id = %agent.id, version = env!("CARGO_PKG_VERSION"), "running");
    Ok(lifecycle.run().await?)
}
