//! What is probed: scheme, host, port, path, in canonical form.
//!
//! These types check shape only. Whether a target *may* be probed is decided by `parallax-policy`, which is also the only
//! place that turns what a person typed into a [`Target`].

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::word::{canonical_text, words};

words! {
    /// How the target is spoken to.
    pub enum Scheme ("scheme") {
        /// Plain HTTP.
        Http = "http",
        /// HTTP over TLS (or QUIC).
        Https = "https",
    }
}

impl Scheme {
    /// The port a URL of this scheme means when it names none (RFC 9110, 4.2).
    pub const fn default_port(self) -> Port {
        match self {
            Self::Http => Port(80),
            Self::Https => Port(443),
        }
    }
}

/// A TCP or UDP port. Zero is kept out by [`Port::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Port(u16);

impl Port {
    /// `None` for port 0, which cannot be connected to.
    pub const fn new(port: u16) -> Option<Self> {
        if port == 0 { None } else { Some(Self(port)) }
    }

    /// The port's number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let port = u16::deserialize(deserializer)?;
        Self::new(port).ok_or_else(|| serde::de::Error::custom("port 0 cannot be probed"))
    }
}

/// Why a text is not a canonical host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// Nothing there.
    #[error("the host is empty")]
    Empty,
    /// Longer than 253 octets (RFC 1035, 2.3.4, less the root's dot).
    #[error("the host is longer than 253 octets")]
    TooLong,
    /// A label is empty, longer than 63 octets, or starts or ends with a hyphen.
    #[error("the label {0:?} is not 1 to 63 letters, digits, '_' or inner '-'")]
    Label(String),
}

/// A host in canonical form: a lower-case ASCII name without a final dot, or an IP address in its canonical text (IPv6 without
/// brackets).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

impl Host {
    /// Longest name, in octets.
    pub const MAX_BYTES: usize = 253;

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, when the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self(ip.to_string().into())
    }
}

impl FromStr for Host {
    type Err = HostError;

    /// Reads canonical text; upper case, final dots and brackets are errors here.
    fn from_str(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(HostError::TooLong);
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::from(ip));
        }
        for label in text.split('.') {
            let inner = label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
            let edges = !label.starts_with('-') && !label.ends_with('-');
            if label.is_empty() || label.len() > 63 || !inner || !edges {
                return Err(HostError::Label(label.chars().take(80).collect()));
            }
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

canonical_text!(Host);

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// Does not begin with `/`.
    #[error("a path begins with '/'")]
    NoSlash,
    /// Longer than [`Path::MAX_BYTES`].
    #[error("the path is longer than {} bytes", Path::MAX_BYTES)]
    TooLong,
    /// A byte that must be percent-encoded.
    #[error("the path has a character that must be percent-encoded")]
    Character,
}

/// Path and query as they go on the request line: visible ASCII, begins with `/`, no fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<str>);

impl Path {
    /// Longest path with query, in bytes.
    pub const MAX_BYTES: usize = 1_024;

    /// The path `/`.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The text of the path and query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if !text.starts_with('/') {
            return Err(PathError::NoSlash);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(PathError::TooLong);
        }
        if text.bytes().any(|b| !b.is_ascii_graphic() || b == b'#') {
            return Err(PathError::Character);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

canonical_text!(Path);

/// Why a text is not a canonical target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Not `scheme://host[:port]/path`.
    #[error("{0:?} is not scheme://host[:port]/path")]
    Shape(String),
    /// The host is not canonical.
    #[error("target host")]
    Host(#[from] HostError),
    /// The path is not canonical.
    #[error("target path")]
    Path(#[from] PathError),
}

/// What is probed. Two targets are the same target when all four parts are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Whom the name belongs to.
    pub host: Host,
    /// Where it listens.
    pub port: Port,
    /// What is asked for.
    pub path: Path,
}

impl Target {
    /// `https://host/`: what a bare host name means.
    pub fn site_default(host: Host) -> Self {
        Self { scheme: Scheme::Https, host, port: Scheme::Https.default_port(), path: Path::root() }
    }

    /// The host with its port when that is not the scheme's own, as in a `Host:` header; IPv6 in brackets.
    pub fn authority(&self) -> String {
        let host = match self.host.ip() {
            Some(IpAddr::V6(v6)) => format!("[{v6}]"),
            _ => self.host.as_str().to_owned(),
        };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.path)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let shape = || TargetError::Shape(text.chars().take(120).collect());
        let (scheme, rest) = text.split_once("://").ok_or_else(shape)?;
        let scheme: Scheme = scheme.parse().map_err(|_| shape())?;
        let slash = rest.find('/').ok_or_else(shape)?;
        let (authority, path) = rest.split_at(slash);
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']').ok_or_else(shape)?;
                (host, after.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => digits.parse().ok().and_then(Port::new).ok_or_else(shape)?,
        };
        Ok(Self { scheme, host: host.parse()?, port, path: path.parse()? })
    }
}

canonical_text!(Target);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_survive_their_own_text() {
        for text in [
            "https://example.com/",
            "http://example.com/a?b=c",
            "https://example.com:8443/",
            "http://192.0.2.1/",
            "https://[2001:db8::1]/",
            "https://[2001:db8::1]:8443/x",
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn texts_that_are_not_canonical_are_refused() {
        for text in [
            "example.com",
            "https://Example.com/",
            "https://a..b/",
            "https://a.com:0/",
            "https://a.com",
            "ftp://a.com/",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
