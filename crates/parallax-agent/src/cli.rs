//! The command line of `parallax-agent`: its words, and what its errors mean as exit codes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use parallax_agent::{AgentConfig, AgentError, EnrollError, IdentityError};
use parallax_runtime::config::{ConfigErrors, load};
use parallax_runtime::{ExitCode, LogFormat};
use serde::Serialize;

/// Probes sites from where it stands and streams what it sees to a Parallax aggregator.
#[derive(Debug, Parser)]
#[command(name = "parallax-agent", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What is logged, e.g. `info` or `info,parallax_agent=debug`
    #[arg(long, global = true, default_value = "info", env = "PARALLAX_LOG", value_name = "FILTER")]
    pub(crate) log: String,
    /// How it is logged
    #[arg(long, global = true, default_value = "text", env = "PARALLAX_LOG_FORMAT")]
    pub(crate) log_format: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  parallax-agent enroll --aggregator agents.example.net:8443 --token plx1.… --data-dir /var/lib/parallax-agent
  parallax-agent run --aggregator agents.example.net:8443 --data-dir /var/lib/parallax-agent
  parallax-agent run --config /etc/parallax/agent.toml --check-config

Exit codes: 0 ended as asked, 1 failed, 64 wrong usage, 65 wrong token, 69 aggregator not reachable,
75 data directory in use, 78 wrong configuration or not enrolled.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Trades a one-time token for an identity in the data directory
    Enroll {
        #[command(flatten)]
        settings: Settings,
        /// The token that `parallax token create` printed
        #[arg(long, env = "PARALLAX_TOKEN", hide_env_values = true)]
        token: String,
    },
    /// Runs until SIGTERM or SIGINT
    Run {
        #[command(flatten)]
        settings: Settings,
        /// Says whether the configuration is good, and ends
        #[arg(long)]
        check_config: bool,
    },
}

/// Where the configuration comes from: a file, `PARALLAX_*` variables, these flags; the later wins.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// A TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args, Serialize)]
struct Flags {
    /// Where the aggregator listens for agents
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregator: Option<String>,
    /// Where key, certificate and unsent results are kept
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
}

impl Settings {
    /// The whole configuration.
    pub(crate) fn load(&self) -> Result<AgentConfig, ConfigErrors> {
        load(self.config.as_deref(), &self.flags)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

/// The exit code that an error stands for.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<ConfigErrors>() {
        return ExitCode::BadConfig;
    }
    match (error.downcast_ref::<EnrollError>(), error.downcast_ref::<AgentError>()) {
        (Some(EnrollError::Token(_)), _) => ExitCode::BadInput,
        (Some(EnrollError::Refused(status)), _) if status.code() == tonic::Code::Unauthenticated => {
            ExitCode::BadInput
        }
        (Some(EnrollError::Dial(_) | EnrollError::Refused(_) | EnrollError::Late), _) => {
            ExitCode::Unavailable
        }
        (Some(EnrollError::Identity(IdentityError::InUse(_))), _)
        | (_, Some(AgentError::Identity(IdentityError::InUse(_)))) => ExitCode::InUse,
        (_, Some(AgentError::Config(_) | AgentError::NotEnrolled)) => ExitCode::BadConfig,
        _ => ExitCode::Failed,
    }
}
