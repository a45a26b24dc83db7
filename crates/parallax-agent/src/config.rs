//! An agent's configuration. Everything an agent may be allowed beyond the public Internet stands here and nowhere else: no
//! message of an aggregator changes it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use parallax_model::{Target, Vantage};
use parallax_policy::Policy;
use parallax_probe::{ProberSettings, ResolverSetting};
use parallax_runtime::config::{ConfigErrors, Section};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

/// Public services that are asked when a probe fails, to learn whether our own line works. They exist to be asked so: the
/// connectivity checks of browsers and phones, on four networks, over HTTP and HTTPS, IPv4 and IPv6.
pub const DEFAULT_BEACONS: [&str; 4] = [
    "http://detectportal.firefox.com/success.txt",
    "https://www.google.com/generate_204",
    "http://connectivitycheck.gstatic.com/generate_204",
    "https://one.one.one.one/",
];
/// Largest spool that can be configured, in bytes: 16 GiB.
const MAX_SPOOL_BYTES: u64 = 16 << 30;
/// Smallest spool that can be configured, in bytes: 64 KiB.
const MIN_SPOOL_BYTES: u64 = 64 << 10;
/// Most probes at the same time that can be configured.
const MAX_IN_FLIGHT: u32 = 4_096;

/// The whole configuration of one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// Where the aggregator listens for agents: `host:port`, IPv6 addresses in brackets.
    pub aggregator: String,
    /// Where key, certificate and spool are kept. One running agent a directory.
    pub data_dir: PathBuf,
    /// Where packets leave from.
    pub source: SourceSection,
    /// Where the operator says the agent stands: shown as declared, never used for a verdict.
    pub declared: Vantage,
    /// How probes are made.
    pub probe: ProbeSection,
    /// What the agent allows itself.
    pub limits: LimitsSection,
}

/// Where packets leave from; unset lets the system choose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSection {
    /// Source address of everything over IPv4.
    pub v4: Option<Ipv4Addr>,
    /// Source address of everything over IPv6.
    pub v6: Option<Ipv6Addr>,
}

/// How probes are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSection {
    /// Ranges that may be probed although they are not public, on any port.
    pub allow_cidr: Vec<IpNet>,
    /// `HOST1:PORT1:HOST2:PORT2` as curl's `--connect-to`.
    pub connect_to: Vec<String>,
    /// `HOST:PORT:ADDRESS` as curl's `--resolve`.
    pub resolve: Vec<String>,
    /// `ZONE=ADDRESS:PORT`: names of this zone are asked there.
    pub zones: Vec<String>,
    /// A PEM file with certificates that are trusted beside the web's.
    pub ca: Option<PathBuf>,
    /// The same as text.
    pub ca_pem: Option<String>,
    /// Targets that tell whether our own line works; an empty list turns the question off.
    pub beacons: Vec<String>,
    /// Who is asked for addresses; unset asks the system's own resolver and, about a name that it cannot find, a public one too.
    pub resolver: Option<ResolverSection>,
    /// What we call ourselves, with a page that owners of sites can read.
    pub user_agent: Option<String>,
}

/// Resolvers to ask instead of the system's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolverSection {
    /// What results call them.
    pub name: String,
    /// Where they listen.
    pub addrs: Vec<SocketAddr>,
}

/// How freely an agent meets machines that are not its operator's. What each level allows is compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// On somebody's own line: one probe a second, five at a time, one in ten seconds to the same host or address, 200 MB a
    /// day.
    #[default]
    Home,
    /// On a machine that an operator keeps for this: one probe a second to the same host and ten to the same address, and
    /// otherwise what `max_in_flight` and the agent's own pace allow.
    Operator,
}

/// What the agent allows itself, within what is compiled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// How freely it meets machines that are not its operator's.
    pub level: Level,
    /// Probes at the same time.
    pub max_in_flight: u32,
    /// Bytes of results that are kept until the aggregator has them.
    pub spool_bytes: u64,
    /// How long results are kept, in hours.
    pub spool_hours: u32,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            aggregator: String::new(),
            data_dir: PathBuf::from("parallax-agent-data"),
            source: SourceSection::default(),
            declared: Vantage::default(),
            probe: ProbeSection::default(),
            limits: LimitsSection::default(),
        }
    }
}

impl Default for ProbeSection {
    fn default() -> Self {
        Self {
            allow_cidr: Vec::new(),
            connect_to: Vec::new(),
            resolve: Vec::new(),
            zones: Vec::new(),
            ca: None,
            ca_pem: None,
            beacons: DEFAULT_BEACONS.map(str::to_owned).to_vec(),
            resolver: None,
            user_agent: None,
        }
    }
}

impl Default for LimitsSection {
    /// The manners of a home; 256 at a time; 256 MiB of results, about a million; a week, as long as the aggregator keeps them itself.
    fn default() -> Self {
        Self { level: Level::Home, max_in_flight: 256, spool_bytes: 256 << 20, spool_hours: 7 * 24 }
    }
}

impl Section for AgentConfig {
    fn validate(&self, prefix: &str, errors: &mut ConfigErrors) {
        let key = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        if split_authority(&self.aggregator).is_none() {
            errors.push(key("aggregator"), "must be HOST:PORT, for example agents.example.net:8443");
        }
        if self.data_dir.as_os_str().is_empty() {
            errors.push(key("data_dir"), "must name a directory");
        }
        self.probe.settings(&key("probe"), errors);
        self.limits.validate(&key("limits"), errors);
    }
}

impl Section for LimitsSection {
    fn validate(&self, prefix: &str, errors: &mut ConfigErrors) {
        if !(1..=MAX_IN_FLIGHT).contains(&self.max_in_flight) {
            errors.push(format_args!("{prefix}.max_in_flight"), format_args!("must be 1 to {MAX_IN_FLIGHT}"));
        }
        if !(MIN_SPOOL_BYTES..=MAX_SPOOL_BYTES).contains(&self.spool_bytes) {
            let problem = format_args!("must be {MIN_SPOOL_BYTES} to {MAX_SPOOL_BYTES}");
            errors.push(format_args!("{prefix}.spool_bytes"), problem);
        }
        if !(1..=24 * 366).contains(&self.spool_hours) {
            errors.push(format_args!("{prefix}.spool_hours"), "must be 1 hour to 366 days");
        }
    }
}

impl AgentConfig {
    /// What the prober is built from; every value that cannot be used is an error.
    pub(crate) fn prober_settings(&self) -> Result<ProberSettings, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut settings = self.probe.settings("probe", &mut errors);
        settings.source_v4 = self.source.v4;
        settings.source_v6 = self.source.v6;
        errors.into_result(settings)
    }
}

impl ProbeSection {
    fn settings(&self, prefix: &str, errors: &mut ConfigErrors) -> ProberSettings {
        let policy = if self.allow_cidr.is_empty() {
            Policy::public()
        } else {
            Policy::allowing(self.allow_cidr.clone())
        };
        let mut settings = ProberSettings::new(policy);
        settings.connect_to = parsed(&self.connect_to, &format!("{prefix}.connect_to"), errors);
        settings.resolve = parsed(&self.resolve, &format!("{prefix}.resolve"), errors);
        settings.zones = parsed(&self.zones, &format!("{prefix}.zones"), errors);
        settings.beacons = parsed::<Target>(&self.beacons, &format!("{prefix}.beacons"), errors);
        settings.extra_roots = self.extra_roots(prefix, errors);
        if let Some(resolver) = &self.resolver {
            if resolver.addrs.is_empty() || resolver.name.is_empty() {
                errors.push(format_args!("{prefix}.resolver"), "needs a name and at least one address");
            }
            settings.resolver = ResolverSetting::Servers {
                name: resolver.name.as_str().into(),
                addrs: resolver.addrs.clone(),
            };
            // Who says whom to ask has said whom not to ask.
            settings.public_resolvers.clear();
        }
        if let Some(text) = &self.user_agent {
            match text.parse() {
                Ok(value) => settings.user_agent = value,
                Err(_) => errors.push(format_args!("{prefix}.user_agent"), "must be visible ASCII"),
            }
        }
        settings
    }

    fn extra_roots(&self, prefix: &str, errors: &mut ConfigErrors) -> Vec<CertificateDer<'static>> {
        let mut roots = Vec::new();
        let mut add =
            |key: &str, read: Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error>| match read
            {
                Ok(found) if found.is_empty() => {
                    errors.push(format_args!("{prefix}.{key}"), "holds no certificate");
                }
                Ok(found) => roots.extend(found),
                Err(error) => errors.push(format_args!("{prefix}.{key}"), error),
            };
        if let Some(file) = &self.ca {
            add("ca", CertificateDer::pem_file_iter(file).and_then(Iterator::collect));
        }
        if let Some(text) = &self.ca_pem {
            add("ca_pem", CertificateDer::pem_slice_iter(text.as_bytes()).collect());
        }
        roots
    }
}

fn parsed<T: FromStr>(texts: &[String], key: &str, errors: &mut ConfigErrors) -> Vec<T>
where
    T::Err: std::fmt::Display,
{
    let mut read = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse() {
            Ok(value) => read.push(value),
            Err(error) => errors.push(key, error),
        }
    }
    read
}

/// Host and port of `host:port`; the brackets of an IPv6 address are left out.
pub(crate) fn split_authority(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').filter(|v6| v6.parse::<Ipv6Addr>().is_ok())?,
        None if host.contains(':') => return None,
        None => host,
    };
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(config: &AgentConfig) -> Vec<String> {
        let mut errors = ConfigErrors::default();
        config.validate("", &mut errors);
        errors.lines().to_vec()
    }

    #[test]
    fn authorities_are_split() {
        let cases = [
            ("a.example:8443", Some(("a.example", 8443))),
            ("127.0.0.1:1", Some(("127.0.0.1", 1))),
            ("[::1]:443", Some(("::1", 443))),
            ("::1:443", None),
            ("a.example", None),
            ("a.example:0", None),
            ("a.example:70000", None),
            (":443", None),
            ("[a]:443", None),
        ];
        for (text, expected) in cases {
            assert_eq!(split_authority(text), expected, "{text}");
        }
    }

    #[test]
    fn the_default_needs_only_an_aggregator() {
        let config = AgentConfig::default();
        assert_eq!(
            errors_of(&config),
            ["aggregator: must be HOST:PORT, for example agents.example.net:8443"]
        );
        let named = AgentConfig { aggregator: "a.example:8443".to_owned(), ..config };
        assert_eq!(errors_of(&named), Vec::<String>::new());
        let settings = named.prober_settings().expect("the defaults are good");
        assert_eq!(settings.beacons.len(), DEFAULT_BEACONS.len());
    }

    #[test]
    fn every_bad_value_is_told_by_its_key() {
        let mut config = AgentConfig { aggregator: "a.example:1".to_owned(), ..AgentConfig::default() };
        config.probe.zones = vec!["demo".to_owned()];
        config.probe.resolve = vec!["x".to_owned()];
        config.probe.connect_to = vec!["y".to_owned()];
        config.probe.beacons = vec!["example.com".to_owned()];
        config.probe.ca_pem = Some("nothing here".to_owned());
        config.probe.user_agent = Some("line\nbreak".to_owned());
        config.limits =
            LimitsSection { max_in_flight: 0, spool_bytes: 1, spool_hours: 0, ..LimitsSection::default() };
        let keys: Vec<String> = errors_of(&config)
            .iter()
            .map(|line| line.split(':').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(
            keys,
            [
                "probe.connect_to",
                "probe.resolve",
                "probe.zones",
                "probe.beacons",
                "probe.ca_pem",
                "probe.user_agent",
                "limits.max_in_flight",
                "limits.spool_bytes",
                "limits.spool_hours",
            ]
        );
    }
}
