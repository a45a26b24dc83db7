//! What was seen, as one value: the input of `parallax diagnose` and of the aggregator's evaluation.
//!
//! The JSON of [`World`] is a contract; unknown keys are errors. Nothing is interpreted here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use parallax_model::{
    AgentId, Asn, BeaconState, Country, FailureKind, Family, IspName, NetworkKind, Outcome, Pop, Protocol,
    Region, RetryOutcome, StatusCode, UnknownWord,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod read;

pub use read::{MAX_RESULTS, WorldError};

/// Everything that is known about one target at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// A name to find the answer by.
    #[serde(default)]
    pub id: String,
    /// Every agent that was asked, whether it answered or not.
    #[serde(default)]
    pub agents: Vec<WorldAgent>,
    /// What they saw, in any order.
    #[serde(default)]
    pub results: Vec<WorldResult>,
    /// What visitors reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports: Option<WorldReports>,
    /// The visitor who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<WorldVisitor>,
    /// Changes of the site that were noticed lately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// How other targets fare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
}

/// An agent and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldAgent {
    /// Its name.
    pub agent: AgentId,
    /// Its network; 0 is read as not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<Asn>,
    /// That network's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isp: Option<IspName>,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Its country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Its kind of line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkKind>,
    /// How often it fails this target while the target is fine, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_rate: Option<f64>,
}

impl WorldAgent {
    /// An agent of which only the name is known.
    pub fn new(agent: AgentId) -> Self {
        Self { agent, asn: None, isp: None, region: None, country: None, network: None, fail_rate: None }
    }
}

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldResult {
    /// Which agent.
    pub agent: AgentId,
    /// How long ago it began, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// Which attempt of that agent, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How it ended.
    pub outcome: WorldOutcome,
    /// The last HTTP status seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusCode>,
    /// The PoP that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop: Option<Pop>,
    /// The address that was connected to, or tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The IP family, 4 or 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// The HTTP version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The resolver that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<String>,
    /// Who wrote the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emitter: Option<String>,
    /// Request sent to first byte, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfb_ms: Option<f64>,
    /// Whether the agent's own line worked.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "beacon_word")]
    pub beacon: Option<BeaconState>,
    /// How the one retry ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryOutcome>,
    /// Request sent to the error, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_ms: Option<f64>,
    /// Seconds of a Retry-After header (RFC 9110, 10.2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<f64>,
    /// This agent's usual `ttfb_ms` for this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfb_usual_ms: Option<f64>,
    /// Whether the address is one the authoritative servers give now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_current: Option<bool>,
    /// Seconds until the resolver must ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_left_s: Option<u32>,
    /// Whether, or which, certificate problem was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_problem: Option<CertProblem>,
    /// Whether a static path works at the same moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_ok: Option<bool>,
    /// Whether another address of the name answered while this one did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_address_ok: Option<bool>,
    /// Whether the other IP family answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_family_ok: Option<bool>,
    /// Whether the host's other usual port (80 or 443) took a TCP connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_port_open: Option<bool>,
    /// Whether HTTP/2 or HTTP/1.1 answered where HTTP/3 did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_h3_ok: Option<bool>,
    /// Serial of the zone's SOA record, as one of its own servers says it (RFC 1035, 3.3.13).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soa_serial: Option<u32>,
    /// What the explainer calls the answer, e.g. `maintenance`, `default-vhost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl WorldResult {
    /// A result of which only agent and outcome are known.
    pub fn new(agent: AgentId, outcome: WorldOutcome) -> Self {
        Self {
            agent,
            age_ms: None,
            attempt: None,
            outcome,
            status: None,
            pop: None,
            address: None,
            family: None,
            protocol: None,
            resolver: None,
            emitter: None,
            ttfb_ms: None,
            beacon: None,
            retry: None,
            error_ms: None,
            retry_after: None,
            ttfb_usual_ms: None,
            address_current: None,
            ttl_left_s: None,
            cert_problem: None,
            static_ok: None,
            other_address_ok: None,
            other_family_ok: None,
            other_port_open: None,
            without_h3_ok: None,
            soa_serial: None,
            kind: None,
        }
    }
}

/// How a result ended. In JSON a failure kind (`http-502`), `ok`, or `http-status` with the number in `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorldOutcome {
    /// The target answered as it should.
    Ok,
    /// It did not.
    Failed(FailureKind),
    /// It answered with a failing status that the result's `status` names.
    HttpStatus,
}

impl From<Outcome> for WorldOutcome {
    fn from(outcome: Outcome) -> Self {
        outcome.kind().map_or(Self::Ok, Self::Failed)
    }
}

impl fmt::Display for WorldOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.pad("ok"),
            Self::Failed(kind) => kind.fmt(f),
            Self::HttpStatus => f.pad("http-status"),
        }
    }
}

impl FromStr for WorldOutcome {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "ok" => Ok(Self::Ok),
            "http-status" => Ok(Self::HttpStatus),
            kind => kind.parse().map(Self::Failed),
        }
    }
}

impl Serialize for WorldOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WorldOutcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A certificate problem: yes, no, or its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CertProblem {
    /// Whether there is one.
    Seen(bool),
    /// Which, e.g. `expired`.
    Named(String),
}

impl CertProblem {
    /// Whether there is a problem.
    pub fn is_problem(&self) -> bool {
        match self {
            Self::Seen(seen) => *seen,
            Self::Named(name) => !matches!(name.as_str(), "" | "none"),
        }
    }
}

/// What visitors reported in the current window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorldReports {
    /// Distinct reporters who say "I have a problem".
    pub problem: u32,
    /// Distinct reporters who say "works for me".
    pub works: u32,
    /// How many problem reports are usual in such a window.
    pub expected: f64,
    /// Whether that is far more than usual, by whoever knows the site's past ([`crate::Usual`]); unsaid, it is judged from the two
    /// numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge: Option<bool>,
    /// Problem reporters by network.
    pub by_asn: BTreeMap<Asn, u32>,
}

/// The visitor who asks, as far as the page can know.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldVisitor {
    /// Their network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<Asn>,
    /// Their country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// The IP family they came over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// What their own browser says about the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<BrowserState>,
    /// Whether their browser reaches our own beacon at the same moment.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "beacon_word")]
    pub beacon: Option<BeaconState>,
}

/// What a visitor's browser says about the site. Its fetch is opaque: `Ok` means that some answer came, 502 included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrowserState {
    /// Some answer came.
    Ok,
    /// The fetch failed.
    Error,
    /// Nothing came in time.
    Timeout,
}

/// A change of the site that was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What changed.
    pub what: ChangeKind,
    /// How many seconds ago.
    pub ago_s: f64,
}

/// What can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A record of the name.
    Dns,
    /// The certificate.
    Certificate,
    /// The site's software.
    Deploy,
    /// The CDN or its settings.
    Cdn,
}

/// Which share of other targets fails now, each 0 to 1; `None` when it was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's keys")]
pub struct Elsewhere {
    /// From the failing network or region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_asn_failing: Option<f64>,
    /// Through the failing PoP or CDN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_pop_failing: Option<f64>,
    /// On the failing host or hoster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_host_failing: Option<f64>,
}

/// The model's word, or `fail`, which older worlds say for `failed`.
fn beacon_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BeaconState>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let word = if text == "fail" { "failed" } else { &text };
    word.parse().map(Some).map_err(serde::de::Error::custom)
}
