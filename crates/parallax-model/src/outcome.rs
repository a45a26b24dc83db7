//! How a probe ended: ok, or one failure kind of a closed list, with whose failure it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::UnknownWord;
use crate::word::{canonical_text, words};

/// A number that is no HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not an HTTP status (100 to 599)")]
pub struct StatusCodeError(pub u16);

/// An HTTP status from 100 to 599 (RFC 9110, 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StatusCode(u16);

impl StatusCode {
    /// Checks the range.
    pub const fn new(code: u16) -> Result<Self, StatusCodeError> {
        if code < 100 || code > 599 { Err(StatusCodeError(code)) } else { Ok(Self(code)) }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The name of a status that people meet in an outage; `None` for the others. RFC 9110, 15; RFC 6585; RFC 7725; Cloudflare's
    /// own names for 520 to 526, which no RFC knows.
    pub const fn reason(self) -> Option<&'static str> {
        Some(match self.0 {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            406 => "Not Acceptable",
            410 => "Gone",
            421 => "Misdirected Request",
            429 => "Too Many Requests",
            451 => "Unavailable For Legal Reasons",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            520 => "Web Server Returned an Unknown Error",
            521 => "Web Server Is Down",
            522 => "Connection Timed Out",
            523 => "Origin Is Unreachable",
            524 => "A Timeout Occurred",
            525 => "SSL Handshake Failed",
            526 => "Invalid SSL Certificate",
            _ => return None,
        })
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for StatusCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u16::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

words! {
    /// Whose failure it is.
    pub enum Party ("party") {
        /// The target's.
        Target = "target",
        /// The resolver's.
        Resolver = "resolver",
        /// The network between the agent and the rest.
        AccessNetwork = "access-network",
        /// The agent's own: its line or its machine.
        Agent = "agent",
        /// Cannot be told.
        Unknown = "unknown",
    }
}

words! {
    /// Failures of the name lookup.
    pub enum DnsFailure ("dns failure") {
        /// The name does not exist (RFC 8020).
        Nxdomain = "dns-nxdomain",
        /// The name exists without an address of the wanted family (RFC 2308, 2.2).
        Nodata = "dns-nodata",
        /// The resolver failed.
        Servfail = "dns-servfail",
        /// The resolver refused.
        Refused = "dns-refused",
        /// No answer in time.
        Timeout = "dns-timeout",
        /// DNSSEC says the answer is forged or stale.
        Bogus = "dns-bogus",
        /// A CNAME chain without end.
        Loop = "dns-loop",
    }
}

words! {
    /// Failures of the TCP connection.
    pub enum ConnectFailure ("connect failure") {
        /// Answered with RST.
        Refused = "connect-refused",
        /// No answer in time.
        Timeout = "connect-timeout",
        /// No route.
        Unreachable = "connect-unreachable",
        /// Cut while connecting.
        Reset = "connect-reset",
    }
}

words! {
    /// Failures of the TLS handshake.
    pub enum TlsFailure ("tls failure") {
        /// The certificate has ended.
        Expired = "tls-expired",
        /// The certificate has not begun.
        NotYetValid = "tls-not-yet-valid",
        /// The certificate is for another name.
        NameMismatch = "tls-name-mismatch",
        /// No chain to a trusted root.
        Untrusted = "tls-untrusted",
        /// The certificate signed itself.
        SelfSigned = "tls-self-signed",
        /// The certificate was revoked.
        Revoked = "tls-revoked",
        /// No common version or cipher, or a broken peer.
        Handshake = "tls-handshake",
        /// No answer in time.
        Timeout = "tls-timeout",
        /// Cut during the handshake.
        Reset = "tls-reset",
    }
}

words! {
    /// Failures of QUIC.
    pub enum QuicFailure ("quic failure") {
        /// No answer in time.
        Timeout = "quic-timeout",
        /// The handshake failed.
        Handshake = "quic-handshake",
        /// The peer closed the connection.
        Closed = "quic-closed",
    }
}

words! {
    /// Answers that keep us out without the site being down.
    pub enum BlockedFailure ("blocked failure") {
        /// Policy refuses the address or port.
        Address = "blocked-address",
        /// A bot check.
        Challenge = "blocked-challenge",
        /// A filter's page instead of the site's.
        BlockPage = "blocked-block-page",
        /// For legal reasons (RFC 7725).
        Legal = "blocked-legal",
    }
}

words! {
    /// Failures on the agent's side.
    pub enum AgentFailure ("agent failure") {
        /// Its own line does not work: its beacons fail too.
        Offline = "agent-offline",
        /// Its policy forbids the probe.
        Policy = "agent-policy",
        /// It had no room for the probe in time.
        Overloaded = "agent-overloaded",
    }
}

/// Failures of the HTTP exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpFailure {
    /// A status that counts as failure; spelled `http-502`.
    Status(StatusCode),
    /// No answer in time.
    Timeout,
    /// Cut before the answer was complete.
    Reset,
    /// Not HTTP, or against its rules.
    Protocol,
    /// Headers over the limits.
    TooLarge,
    /// More than five redirects, or a circle.
    RedirectLoop,
    /// A redirect to where policy forbids.
    RedirectBlocked,
}

/// What went wrong. The list is closed: what is not in it is told as the nearest kind with a scrubbed detail text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// Name lookup.
    Dns(DnsFailure),
    /// TCP.
    Connect(ConnectFailure),
    /// TLS.
    Tls(TlsFailure),
    /// QUIC.
    Quic(QuicFailure),
    /// HTTP.
    Http(HttpFailure),
    /// Kept out.
    Blocked(BlockedFailure),
    /// Our side.
    Agent(AgentFailure),
}

impl FailureKind {
    /// The kind for a failing status.
    pub const fn status(code: StatusCode) -> Self {
        Self::Http(HttpFailure::Status(code))
    }

    /// The spelling without the number of a status: `http-status` for every status.
    pub const fn family_str(self) -> &'static str {
        match self {
            Self::Dns(k) => k.as_str(),
            Self::Connect(k) => k.as_str(),
            Self::Tls(k) => k.as_str(),
            Self::Quic(k) => k.as_str(),
            Self::Blocked(k) => k.as_str(),
            Self::Agent(k) => k.as_str(),
            Self::Http(HttpFailure::Status(_)) => "http-status",
            Self::Http(HttpFailure::Timeout) => "http-timeout",
            Self::Http(HttpFailure::Reset) => "http-reset",
            Self::Http(HttpFailure::Protocol) => "http-protocol",
            Self::Http(HttpFailure::TooLarge) => "http-too-large",
            Self::Http(HttpFailure::RedirectLoop) => "http-redirect-loop",
            Self::Http(HttpFailure::RedirectBlocked) => "http-redirect-blocked",
        }
    }

    /// Whether this kind keeps us out rather than being an outage.
    pub const fn is_blocked(self) -> bool {
        matches!(self, Self::Blocked(_))
    }

    /// Whether this kind is the agent's own and says nothing about the target.
    pub const fn is_agent(self) -> bool {
        matches!(self, Self::Agent(_))
    }

    /// Whether nothing answered in time.
    pub const fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::Dns(DnsFailure::Timeout)
                | Self::Connect(ConnectFailure::Timeout)
                | Self::Tls(TlsFailure::Timeout)
                | Self::Quic(QuicFailure::Timeout)
                | Self::Http(HttpFailure::Timeout)
        )
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(HttpFailure::Status(code)) => write!(f, "http-{code}"),
            other => f.pad(other.family_str()),
        }
    }
}

impl FromStr for FailureKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let unknown = || {
            UnknownWord::new(
                "failure kind",
                text,
                &["dns-…", "connect-…", "tls-…", "quic-…", "http-…", "blocked-…", "agent-…"],
            )
        };
        let (stage, rest) = text.split_once('-').ok_or_else(unknown)?;
        let kind = match stage {
            "dns" => Self::Dns(text.parse().map_err(|_| unknown())?),
            "connect" => Self::Connect(text.parse().map_err(|_| unknown())?),
            "tls" => Self::Tls(text.parse().map_err(|_| unknown())?),
            "quic" => Self::Quic(text.parse().map_err(|_| unknown())?),
            "blocked" => Self::Blocked(text.parse().map_err(|_| unknown())?),
            "agent" => Self::Agent(text.parse().map_err(|_| unknown())?),
            "http" => Self::Http(match rest {
                "timeout" => HttpFailure::Timeout,
                "reset" => HttpFailure::Reset,
                "protocol" => HttpFailure::Protocol,
                "too-large" => HttpFailure::TooLarge,
                "redirect-loop" => HttpFailure::RedirectLoop,
                "redirect-blocked" => HttpFailure::RedirectBlocked,
                digits if digits.len() == 3 => {
                    let code = digits.parse().map_err(|_| unknown())?;
                    HttpFailure::Status(StatusCode::new(code).map_err(|_| unknown())?)
                }
                _ => return Err(unknown()),
            }),
            _ => return Err(unknown()),
        };
        Ok(kind)
    }
}

canonical_text!(FailureKind);

/// What went wrong and whose failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Failure {
    /// What.
    pub kind: FailureKind,
    /// Whose.
    pub party: Party,
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The target answered as it should.
    Ok,
    /// It did not.
    Failed(Failure),
}

impl Outcome {
    /// Whether the target answered as it should.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }

    /// What went wrong, if something did.
    pub const fn kind(self) -> Option<FailureKind> {
        match self {
            Self::Ok => None,
            Self::Failed(failure) => Some(failure.kind),
        }
    }
}

impl Outcome {
    /// Whether the question did not arise where it was asked: HTTP/3 over a path that carries no UDP says nothing about the
    /// target, neither well nor ill, and nothing about the agent's line.
    pub const fn is_not_applicable(self) -> bool {
        matches!(
            self,
            Self::Failed(Failure {
                kind: FailureKind::Quic(QuicFailure::Timeout),
                party: Party::AccessNetwork
            })
        )
    }

    /// What the outcome says about the target: a failure that is the agent's own is `agent-offline`, whatever it looked like from
    /// there.
    #[must_use]
    pub const fn about_target(self) -> Self {
        match self {
            Self::Failed(Failure { kind, party: Party::Agent }) if !kind.is_agent() => {
                Self::Failed(Failure { kind: FailureKind::Agent(AgentFailure::Offline), party: Party::Agent })
            }
            outcome => outcome,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.pad("ok"),
            Self::Failed(failure) => failure.kind.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_kind_survives_its_own_text() {
        let mut kinds: Vec<FailureKind> = Vec::new();
        kinds.extend(DnsFailure::ALL.iter().map(|k| FailureKind::Dns(*k)));
        kinds.extend(ConnectFailure::ALL.iter().map(|k| FailureKind::Connect(*k)));
        kinds.extend(TlsFailure::ALL.iter().map(|k| FailureKind::Tls(*k)));
        kinds.extend(QuicFailure::ALL.iter().map(|k| FailureKind::Quic(*k)));
        kinds.extend(BlockedFailure::ALL.iter().map(|k| FailureKind::Blocked(*k)));
        kinds.extend(AgentFailure::ALL.iter().map(|k| FailureKind::Agent(*k)));
        for http in [
            HttpFailure::Timeout,
            HttpFailure::Reset,
            HttpFailure::Protocol,
            HttpFailure::TooLarge,
            HttpFailure::RedirectLoop,
            HttpFailure::RedirectBlocked,
            HttpFailure::Status(StatusCode::new(502).expect("in range")),
        ] {
            kinds.push(FailureKind::Http(http));
        }
        for kind in kinds {
            assert_eq!(kind.to_string().parse::<FailureKind>(), Ok(kind));
        }
    }

    #[test]
    fn words_outside_the_list_are_refused() {
        for text in ["", "http", "http-", "http-99", "http-600", "http-5023", "dns-maybe", "smtp-timeout"] {
            assert!(text.parse::<FailureKind>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_failure_of_the_agent_says_nothing_about_the_target() {
        let failed = |kind, party| Outcome::Failed(Failure { kind, party });
        let nxdomain = FailureKind::Dns(DnsFailure::Nxdomain);
        let offline = failed(FailureKind::Agent(AgentFailure::Offline), Party::Agent);
        assert_eq!(failed(nxdomain, Party::Agent).about_target(), offline);
        assert_eq!(failed(nxdomain, Party::Target).about_target(), failed(nxdomain, Party::Target));
        assert_eq!(Outcome::Ok.about_target(), Outcome::Ok);
    }
}
