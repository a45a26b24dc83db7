//! The aggregator's own configuration, one section of the program's.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnet::IpNet;
use parallax_runtime::config::{ConfigErrors, Section};
use serde::{Deserialize, Serialize};

use crate::limits::{Limits, memory};
use crate::place::Place;

/// Shortest interval a target may be watched at, in milliseconds.
pub(crate) const MIN_INTERVAL_MS: u32 = 1_000;
/// Longest one: a day.
pub(crate) const MAX_INTERVAL_MS: u32 = 86_400_000;
/// Interval of a target that names none.
pub const DEFAULT_INTERVAL_MS: u32 = 30_000;

/// A target to watch from the start on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSection {
    /// A site as a person types it.
    pub site: String,
    /// How often, in milliseconds.
    #[serde(default = "default_interval")]
    pub interval_ms: u32,
}

const fn default_interval() -> u32 {
    DEFAULT_INTERVAL_MS
}

/// How often owners' records are asked for when nothing is said, in milliseconds.
const OPT_OUT_EVERY_MS: u32 = 120_000;
/// Often enough that what an owner writes counts within five minutes, a slow round included. The least is for tests: every known zone's
/// servers are asked each time.
const OPT_OUT_EVERY_MS_RANGE: RangeInclusive<u32> = 100..=150_000;

/// How owners who do not want to be tested are heard: by a TXT record of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptOutSection {
    /// Resolvers that are asked for the records; the system's when there are none.
    pub resolvers: Vec<SocketAddr>,
    /// How often the records of known sites are asked for again, in milliseconds: 100 to 150,000.
    pub every_ms: u32,
}

impl Default for OptOutSection {
    fn default() -> Self {
        Self { resolvers: Vec::new(), every_ms: OPT_OUT_EVERY_MS }
    }
}

/// The aggregator's section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AggregatorConfig {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where the page, REST and the public gRPC are served.
    pub listen: SocketAddr,
    /// Where agents connect, over mutual TLS.
    pub agents_listen: SocketAddr,
    /// The address people reach the page under, e.g. `https://parallax.example`: for links in feeds, share cards and the sitemap.
    pub public_url: Option<String>,
    /// Proxies in front of the page: ranges whose `Forwarded` or `X-Forwarded-For` is believed. Nobody's by default.
    pub trusted_proxies: Vec<IpNet>,
    /// Most MiB of the store's pages; beyond it the oldest raw results go before their time. 0 for no limit.
    pub store_limit_mib: u64,
    /// MiB of memory the aggregator may take: how many agents, windows and visitors it takes on follows from it, and what is beyond is
    /// refused. 0 for what the system gives: the control group's limit, or the machine's memory.
    pub memory_mib: u64,
    /// Most MiB of the windows, in which each agent has a cell for each target that it probes. When they are full, further agents of
    /// a target count in history only. 0 for their part of the memory.
    pub window_limit_mib: u64,
    /// Ranges the address and port policy is lifted for. For labs and inner networks; leave it empty on the Internet.
    pub allow_cidr: Vec<IpNet>,
    /// Names that are ours and never probed.
    pub own_names: Vec<String>,
    /// How owners who do not want to be tested are heard.
    pub opt_out: OptOutSection,
    /// Where addresses are: corrections and private ranges.
    pub place: Vec<Place>,
    /// What to watch from the start on, beside what was added over the API.
    pub target: Vec<TargetSection>,
}

impl Default for AggregatorConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            agents_listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            public_url: None,
            trusted_proxies: Vec::new(),
            store_limit_mib: parallax_store::DEFAULT_LIMIT_BYTES / (1024 * 1024),
            memory_mib: 0,
            window_limit_mib: 0,
            allow_cidr: Vec::new(),
            own_names: Vec::new(),
            opt_out: OptOutSection::default(),
            place: Vec::new(),
            target: Vec::new(),
        }
    }
}

impl AggregatorConfig {
    /// What may be taken on under this configuration. Asks the system for the memory unless it is configured.
    pub(crate) fn limits(&self) -> Limits {
        let memory =
            if self.memory_mib == 0 { memory() } else { self.memory_mib.saturating_mul(1024 * 1024) };
        let limits = Limits::of(memory);
        if self.window_limit_mib == 0 { limits } else { limits.with_windows_of(self.window_limit_mib) }
    }

    /// What may be probed under this configuration.
    pub fn policy(&self) -> parallax_policy::Policy {
        let own = self.own_names.iter().filter_map(|n| n.parse().ok());
        parallax_policy::Policy::allowing(self.allow_cidr.clone())
            .refusing(parallax_policy::NameList::Own, own)
    }
}

/// Whether an address can stand before every path: scheme and host, perhaps a port.
fn is_base_url(url: &str) -> bool {
    let bare = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = bare.map(|bare| bare.trim_end_matches('/'));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '"', '<', '>']))
}

impl Section for AggregatorConfig {
    fn validate(&self, prefix: &str, errors: &mut ConfigErrors) {
        if self.data_dir.as_os_str().is_empty() {
            errors.push(format_args!("{prefix}data_dir"), "must name a directory");
        }
        if self.listen == self.agents_listen && self.listen.port() != 0 {
            errors.push(
                format_args!("{prefix}agents_listen"),
                "must differ from `listen`: agents have a port of their own",
            );
        }
        if let Some(url) = self.public_url.as_deref().filter(|url| !is_base_url(url)) {
            let text = format!("must be `https://` or `http://` and a host, without a path, got `{url}`");
            errors.push(format_args!("{prefix}public_url"), text);
        }
        for (n, name) in self.own_names.iter().enumerate() {
            if let Err(error) = name.parse::<parallax_model::Host>() {
                errors.push(format_args!("{prefix}own_names[{n}]"), error);
            }
        }
        if !OPT_OUT_EVERY_MS_RANGE.contains(&self.opt_out.every_ms) {
            let (least, most) = OPT_OUT_EVERY_MS_RANGE.into_inner();
            let text = format!("must be {least} to {most}, got {}", self.opt_out.every_ms);
            errors.push(format_args!("{prefix}opt_out.every_ms"), text);
        }
        let policy = self.policy();
        for (n, target) in self.target.iter().enumerate() {
            if let Err(refusal) = policy.parse_target(&target.site) {
                errors.push(format_args!("{prefix}target[{n}].site"), refusal);
            }
            if !(MIN_INTERVAL_MS..=MAX_INTERVAL_MS).contains(&target.interval_ms) {
                let text =
                    format!("must be {MIN_INTERVAL_MS} to {MAX_INTERVAL_MS}, got {}", target.interval_ms);
                errors.push(format_args!("{prefix}target[{n}].interval_ms"), text);
            }
        }
    }
}
