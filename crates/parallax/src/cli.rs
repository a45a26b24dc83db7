//! The command line: what can be asked, with examples. It parses and refuses; it does nothing.

mod keeping;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use parallax_runtime::{ExitCode, LogFormat};

pub(crate) use self::keeping::{DataAction, DataOptions, DataPlace};

/// Is it down for everyone, or just for you? Parallax looks from many places and says who is affected, and why.
#[derive(Debug, Parser)]
#[command(name = "parallax", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Start here: `parallax up --demo` runs everything on this machine, with sites that break on purpose.\n\
    Exit codes: 0 fine, 1 failed, 64 wrong usage, 65 bad input, 69 unavailable, 75 data in use, 78 bad configuration."
)]
pub(crate) struct Cli {
    /// What is logged, and from what level on: `info`, `warn,parallax_agent=debug`.
    #[arg(
        long,
        global = true,
        env = "PARALLAX_LOG",
        default_value = "warn",
        value_name = "FILTER",
        hide_short_help = true
    )]
    pub log: String,
    /// How log lines look.
    #[arg(
        long,
        global = true,
        env = "PARALLAX_LOG_FORMAT",
        default_value = "text",
        value_enum,
        hide_short_help = true
    )]
    pub log_format: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
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

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything on this machine: aggregator, page, and agents.
    Up(UpOptions),
    /// Run an aggregator for agents elsewhere.
    Aggregator(AggregatorOptions),
    /// Copy the page into plain files, for a second host that serves them when this one is down.
    Snapshot(SnapshotOptions),
    /// Ask whether a site is down for everyone or just for you.
    Check(CheckOptions),
    /// Probe one URL from here, without an aggregator.
    Probe(ProbeOptions),
    /// Say who wrote an HTTP response and why, from `curl -i` text on standard input.
    Explain(ExplainOptions),
    /// Say who is affected and why, from results on standard input.
    Diagnose(LinesOptions),
    /// Say what an input means as a target, or why it may not be probed.
    Target(TargetOptions),
    /// Make enrolment tokens for agents.
    Token(TokenOptions),
    /// List agents, or end one's identity.
    Agents(AgentsOptions),
    /// Watch sites, or stop watching them.
    Targets(TargetsOptions),
    /// List incidents, or show one.
    Incidents(IncidentsOptions),
    /// Look after what is kept: its size, backups, damage.
    Data(DataOptions),
}

/// Options of `up`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  parallax up                     one agent, here; open the printed address\n  \
    parallax up --demo              thirty agents and nine sites that break on purpose, no Internet needed\n  \
    parallax up --demo --allow-cidr 127.0.0.0/8    let the demo's agents probe your own servers on loopback"
)]
pub(crate) struct UpOptions {
    /// Add sites that break on purpose and agents that stand for regions and ISPs, all on loopback.
    #[arg(long)]
    pub demo: bool,
    /// Where the page, REST and gRPC are served.
    #[arg(long, env = "PARALLAX_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Where agents connect.
    #[arg(
        long,
        env = "PARALLAX_AGENTS_LISTEN",
        default_value = "127.0.0.1:8443",
        value_name = "ADDRESS:PORT"
    )]
    pub agents_listen: SocketAddr,
    /// Where everything is kept [default: data, or data/demo with --demo].
    #[arg(long, env = "PARALLAX_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Range that may be probed although it is not public, on any port; may be given more than once.
    #[arg(long, value_name = "CIDR")]
    pub allow_cidr: Vec<IpNet>,
    /// How many agents run here, without --demo.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=64), value_name = "N")]
    pub agents: u16,
}

/// Options of `aggregator`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  parallax aggregator --config /etc/parallax/aggregator.toml\n  \
    parallax aggregator --config aggregator.toml --check-config")]
pub(crate) struct AggregatorOptions {
    /// The configuration, TOML. PARALLAX_ variables override it: PARALLAX_LISTEN, PARALLAX_DATA_DIR.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read the configuration, say everything that is wrong with it, and end.
    #[arg(long)]
    pub check_config: bool,
}

/// Options of `snapshot`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  parallax snapshot /srv/copy\n  \
    parallax snapshot /srv/copy --from http://10.0.0.5:8080 --live https://parallax.example    every five minutes, from cron")]
pub(crate) struct SnapshotOptions {
    /// The folder the files go to; what is there of an earlier copy is replaced, file by file.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Where the page is asked for.
    #[arg(long, env = "PARALLAX_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub from: String,
    /// The address people know the page by; what is not copied is linked there [default: the same as --from].
    #[arg(long, value_name = "URL")]
    pub live: Option<String>,
}

/// Where the aggregator is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerOption {
    /// The aggregator's address.
    #[arg(long, env = "PARALLAX_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub server: String,
}

/// How a probe from here is made.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ProbeSettings {
    /// Only IPv4.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Only IPv6.
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Only this HTTP version; 3 is spoken over QUIC, to https alone.
    #[arg(long, value_name = "VERSION", value_parser = ["1.1", "2", "3"])]
    pub http: Option<String>,
    /// Use this address for a host and port, as curl's --resolve.
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    pub resolve: Vec<String>,
    /// Connect elsewhere than the URL says, as curl's --connect-to.
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2")]
    pub connect_to: Vec<String>,
    /// PEM file with certificates to trust beside the web's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Range that may be probed although it is not public, on any port.
    #[arg(long, value_name = "CIDR")]
    pub allow_cidr: Vec<IpNet>,
    /// Give up after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub timeout: u64,
}

/// Options of `check`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  parallax check example.com\n  parallax check shop.demo --json        with `parallax up --demo` running\n  \
    parallax check example.com --watch     ask again every minute until ^C"
)]
pub(crate) struct CheckOptions {
    /// A site: a host, or a URL with http or https.
    pub site: String,
    /// Where the aggregator is.
    #[command(flatten)]
    pub server: ServerOption,
    /// One JSON object a line instead of text.
    #[arg(long)]
    pub json: bool,
    /// Ask again whenever a new answer can be had.
    #[arg(long)]
    pub watch: bool,
    /// How the probe from here is made.
    #[command(flatten)]
    pub probe: ProbeSettings,
}

/// Options of `probe`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  parallax probe https://example.com/\n  parallax probe example.com -6 --http 1.1\n  \
    parallax probe example.com --http 3            over QUIC, where UDP gets through\n  \
    parallax probe example.com --every-address     one line for each address of the name\n  \
    parallax probe http://127.0.0.1:8000/ --allow-cidr 127.0.0.0/8 --json"
)]
pub(crate) struct ProbeOptions {
    /// A URL, or a host.
    pub url: String,
    /// One JSON object instead of text; with --every-address one a line.
    #[arg(long)]
    pub json: bool,
    /// Probe each address of the name instead of one: a line for each, and which family works.
    #[arg(long)]
    pub every_address: bool,
    /// How it is made.
    #[command(flatten)]
    pub probe: ProbeSettings,
}

/// Options of `explain`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  curl -si https://example.com/ | parallax explain\n  parallax explain --jsonl < responses.jsonl\n\n\
    With --jsonl each line is {\"id\",\"status\",\"headers\",\"body_prefix\"}; the answer is\n\
    {\"id\",\"kind\",\"emitter\",\"layer\",\"pop\",\"via\",\"cause\",\"confidence\",\"evidence\"}, in order."
)]
pub(crate) struct ExplainOptions {
    /// One JSON object a line, in and out.
    #[arg(long)]
    pub jsonl: bool,
    /// One JSON object instead of text.
    #[arg(long, conflicts_with = "jsonl")]
    pub json: bool,
}

/// Options of commands that read lines.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  echo '{\"id\":\"w1\",\"agents\":[{\"agent\":\"a1\"}],\"results\":[{\"agent\":\"a1\",\"outcome\":\"ok\"}]}' \
    | parallax diagnose --jsonl"
)]
pub(crate) struct LinesOptions {
    /// One world a line in, one verdict a line out, in order.
    #[arg(long, required = true)]
    pub jsonl: bool,
}

/// Options of `target`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  parallax target example.com\n  parallax target http://127.0.0.1/\n  parallax target --jsonl < inputs.jsonl\n\n\
    With --jsonl each line is {\"id\",\"input\"}; the answer is {\"id\",\"ok\":true,\"scheme\",\"host\",\"port\",\"path\"}\n\
    or {\"id\",\"ok\":false,\"reason\",\"message\"}, in order."
)]
pub(crate) struct TargetOptions {
    /// An input as a visitor types it.
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    pub input: Option<String>,
    /// One input a line in, one answer a line out.
    #[arg(long)]
    pub jsonl: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
    /// Range that may be probed although it is not public, on any port.
    #[arg(long, value_name = "CIDR")]
    pub allow_cidr: Vec<IpNet>,
}

/// Where the aggregator is and the key to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct OperatorOptions {
    /// Where the aggregator is.
    #[command(flatten)]
    pub server: ServerOption,
    /// The file with the operator's key [default: operator.key in data, else in data/demo].
    #[arg(long, env = "PARALLAX_OPERATOR_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Options of `token`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenOptions {
    /// What to do.
    #[command(subcommand)]
    pub action: TokenAction,
}

/// What can be done with tokens.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TokenAction {
    /// Make a one-time token for an agent; it is shown once.
    Create {
        /// The id the agent will have [default: a made-up one].
        #[arg(long, value_name = "ID")]
        agent: Option<String>,
        /// How many hours it lives, at most 168.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=168))]
        hours: u32,
        /// Where and how.
        #[command(flatten)]
        operator: OperatorOptions,
    },
}

/// Options of `agents`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AgentsOptions {
    /// What to do.
    #[command(subcommand)]
    pub action: AgentsAction,
}

/// What can be done with agents.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum AgentsAction {
    /// Every agent that was ever enrolled.
    List {
        /// Where and how.
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// End an agent's identity at once and for ever.
    Revoke {
        /// Which.
        agent: String,
        /// Where and how.
        #[command(flatten)]
        operator: OperatorOptions,
    },
}

/// Options of `targets`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetsOptions {
    /// What to do.
    #[command(subcommand)]
    pub action: TargetsAction,
}

/// What can be done with watched targets.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TargetsAction {
    /// Every watched target.
    List {
        /// Where and how.
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// Watch a site from now on.
    Add {
        /// A site as a visitor types it.
        site: String,
        /// Seconds between two probes of one agent.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400), value_name = "SECONDS")]
        every: u32,
        /// Where and how.
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// Stop watching a site; its past stays.
    Remove {
        /// A site as a visitor types it.
        site: String,
        /// Where and how.
        #[command(flatten)]
        operator: OperatorOptions,
    },
}

/// Options of `incidents`.
#[derive(Debug, Clone, Args)]
pub(crate) struct IncidentsOptions {
    /// What to do.
    #[command(subcommand)]
    pub action: IncidentsAction,
}

/// What can be done with incidents.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum IncidentsAction {
    /// Newest first.
    List {
        /// Only of this site.
        #[arg(long)]
        site: Option<String>,
        /// Only those that last.
        #[arg(long)]
        open: bool,
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// Where the aggregator is.
        #[command(flatten)]
        server: ServerOption,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// One incident with its course.
    Show {
        /// Its id.
        id: String,
        /// Where the aggregator is.
        #[command(flatten)]
        server: ServerOption,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// Help and version go to standard output and are fine; anything else is wrong usage, 64.
pub(crate) fn refused(error: &clap::Error) -> std::process::ExitCode {
    let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Ok };
    // When even this cannot be written there is nobody to tell.
    drop(error.print());
    code.into()
}
