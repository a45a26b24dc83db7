//! What one probe saw.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::word::words;
use crate::{CheckId, Emitter, Micros, Outcome, StatusCode, Target, UnixMicros};

/// How many addresses of a name a result keeps.
pub const MAX_ADDRESSES: usize = 32;
/// How many redirects a probe follows (RFC 9110, 15.4 asks for a limit; browsers use 20, we are guests).
pub const MAX_REDIRECTS: usize = 5;
/// Longest detail text of a result, in bytes.
pub const MAX_DETAIL_BYTES: usize = 160;

words! {
    /// The HTTP version that was spoken.
    pub enum Protocol ("protocol") {
        /// HTTP/1.1 (or 1.0).
        H1 = "h1",
        /// HTTP/2.
        H2 = "h2",
        /// HTTP/3.
        H3 = "h3",
    }
}

impl Protocol {
    /// The version as people write it.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::H1 => "HTTP/1.1",
            Self::H2 => "HTTP/2",
            Self::H3 => "HTTP/3",
        }
    }
}

/// An IP family. In JSON it is the number 4 or 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// 4 or 6.
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// `IPv4` or `IPv6`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Family {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Family {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            4 => Ok(Self::V4),
            6 => Ok(Self::V6),
            other => Err(serde::de::Error::custom(format!("family is 4 or 6, got {other}"))),
        }
    }
}

words! {
    /// Whether the agent's own line worked around the probe (the beacon sandwich).
    pub enum BeaconState ("beacon state") {
        /// A beacon of the same family and transport worked.
        Ok = "ok",
        /// None did: the agent's own line is the likely reason.
        Failed = "failed",
        /// Not asked: the probe itself worked.
        Untested = "untested",
    }
}

words! {
    /// How the one retry on a new connection ended.
    pub enum RetryOutcome ("retry outcome") {
        /// It worked the second time.
        Ok = "ok",
        /// It failed again.
        Fail = "fail",
    }
}

words! {
    /// How a site said that it speaks HTTP/3 on the same host and port 443.
    pub enum H3Advert ("HTTP/3 advert") {
        /// By an Alt-Svc header (RFC 7838).
        AltSvc = "alt-svc",
        /// By an HTTPS record (RFC 9460).
        HttpsRecord = "https-record",
    }
}

/// What the extra probes after a failure said: the tie-breakers. A probe makes at most two, so most fields are absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TieBreakers {
    /// Whether the address that was used is among those the name's own servers give now.
    pub address_current: Option<bool>,
    /// Serial of the zone's SOA record, as its own servers say it (RFC 1035, 3.3.13).
    pub soa_serial: Option<u32>,
    /// Another address of the name that answered; the one that was used did not.
    pub other_address: Option<IpAddr>,
    /// Whether the other IP family answered.
    pub other_family_ok: Option<bool>,
    /// Whether HTTP/2 or HTTP/1.1 answered where HTTP/3 did not.
    pub without_h3_ok: Option<bool>,
    /// Whether a path that needs no application (`/robots.txt`) was answered below 500.
    pub static_ok: Option<bool>,
    /// Whether a plain TCP connection to the host's other usual port (80 or 443) stood.
    pub other_port_open: Option<bool>,
}

/// How long each phase took on the monotonic clock; `None` where the probe did not come so far. Phases that were begun are
/// kept when they fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Phases {
    /// Name lookup.
    pub dns: Option<Micros>,
    /// TCP connection.
    pub connect: Option<Micros>,
    /// TLS (or QUIC) handshake.
    pub tls: Option<Micros>,
    /// Request sent to first byte of the answer.
    pub first_byte: Option<Micros>,
    /// End of headers to end of the part of the body that was read.
    pub body: Option<Micros>,
    /// From start to end, waits between the phases included.
    pub total: Micros,
}

/// What the name lookup said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DnsFacts {
    /// Every address of the name, at most [`MAX_ADDRESSES`], in the order of the answer.
    pub addresses: Vec<IpAddr>,
    /// The names between the asked one and the addresses.
    pub cnames: Vec<Arc<str>>,
    /// Seconds until the answer must be asked for again: the smallest TTL of the answer.
    pub ttl_left_s: Option<u32>,
    /// Which resolver answered: `isp` (the agent's own) or the name of a public one.
    pub resolver: Option<Arc<str>>,
}

/// What the TLS handshake showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: Arc<str>,
    /// Protocol chosen by ALPN.
    pub alpn: Option<Arc<str>>,
    /// Subject of the leaf, cut.
    pub subject: Arc<str>,
    /// Issuer of the leaf, cut.
    pub issuer: Arc<str>,
    /// When the leaf ends.
    pub not_after: UnixMicros,
    /// Names of the leaf, at most eight.
    pub names: Vec<Arc<str>>,
}

words! {
    /// What a page says that is not the site's own.
    pub enum PageKind ("page kind") {
        /// The web server's own page: nothing is set up under this name.
        DefaultPage = "default-page",
        /// The site says that it is under maintenance.
        Maintenance = "maintenance",
        /// The name is for sale or waits for a site.
        Parked = "parked",
        /// The server says that it does not serve this name.
        WrongHost = "wrong-host",
    }
}

/// What is kept of a body: never its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyFacts {
    /// Bytes read, at most 65,536.
    pub length: u32,
    /// SHA-256 of the bytes read; `None` when it was left out on the way, because the page was another one at every visit.
    pub sha256: Option<[u8; 32]>,
    /// Whether there was more.
    pub truncated: bool,
    /// What the page says, when it is not the site's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageKind>,
}

/// One redirect that was followed, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The status that asked for it.
    pub status: StatusCode,
    /// Where it led.
    pub to: Target,
}

/// What one probe saw. Identity and place of the agent are not in it: they come from the agent's certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeResult {
    /// What was probed.
    pub target: Target,
    /// The check that asked for it; `None` when it was scheduled.
    pub check: Option<CheckId>,
    /// When it began, by the agent's wall clock.
    pub started_at: UnixMicros,
    /// How it ended.
    pub outcome: Outcome,
    /// The last status seen.
    pub status: Option<StatusCode>,
    /// How long each phase took.
    pub phases: Phases,
    /// The address that was connected to, or tried last.
    pub address: Option<IpAddr>,
    /// The family of that address, or the one that was asked for.
    pub family: Option<Family>,
    /// The HTTP version spoken.
    pub protocol: Option<Protocol>,
    /// Who wrote the answer.
    pub emitter: Option<Emitter>,
    /// What the name lookup said.
    pub dns: DnsFacts,
    /// What the handshake showed.
    pub tls: Option<TlsFacts>,
    /// What was read.
    pub body: Option<BodyFacts>,
    /// The way there.
    pub redirects: Vec<Redirect>,
    /// Seconds of a Retry-After header.
    pub retry_after_s: Option<u32>,
    /// How the retry ended, when there was one.
    pub retry: Option<RetryOutcome>,
    /// Whether the agent's own line worked.
    pub beacon: BeaconState,
    /// How the site said that it speaks HTTP/3, if it did.
    pub h3_advert: Option<H3Advert>,
    /// What the extra probes after a failure said.
    pub tie_breakers: TieBreakers,
    /// What else there is to say, scrubbed of addresses and control characters, at most [`MAX_DETAIL_BYTES`].
    pub detail: Option<Arc<str>>,
}

impl ProbeResult {
    /// A result of which only this is known; everything else is absent, the beacon untested, the phases zero.
    pub fn new(target: Target, started_at: UnixMicros, outcome: Outcome) -> Self {
        Self {
            target,
            check: None,
            started_at,
            outcome,
            status: None,
            phases: Phases::default(),
            address: None,
            family: None,
            protocol: None,
            emitter: None,
            dns: DnsFacts::default(),
            tls: None,
            body: None,
            redirects: Vec::new(),
            retry_after_s: None,
            retry: None,
            beacon: BeaconState::Untested,
            h3_advert: None,
            tie_breakers: TieBreakers::default(),
            detail: None,
        }
    }
}
