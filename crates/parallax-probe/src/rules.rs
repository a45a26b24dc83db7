//! Rules that lead a probe elsewhere: curl's `--resolve` and `--connect-to`, and resolvers for single zones.
//!
//! They say where to go, never that it is allowed: what they lead to goes through the policy as everything else.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use parallax_model::{Host, Port};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Most addresses one `--resolve` rule may give.
pub(crate) const MAX_RULE_ADDRESSES: usize = parallax_model::MAX_ADDRESSES;
/// Longest name a zone's resolver may be called by in results, in bytes.
const MAX_RESOLVER_NAME: usize = 32;

/// Why a text is not a rule; the sentence shows the right form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    /// Not a `--resolve` rule.
    #[error(
        "{0:?} is not HOST:PORT:ADDRESS, for example example.com:443:192.0.2.1 or example.com:443:[2001:db8::1]"
    )]
    Resolve(String),
    /// Not a `--connect-to` rule.
    #[error(
        "{0:?} is not HOST1:PORT1:HOST2:PORT2, for example example.com:443:backend.example:8443; any part may be empty"
    )]
    ConnectTo(String),
    /// Not a zone's resolver.
    #[error(
        "{0:?} is not ZONE=ADDRESS:PORT or ZONE=ADDRESS:PORT,NAME or ZONE=ADDRESS:PORT,NAME,AUTHORITY:PORT, for example \
         demo.example=127.0.0.1:5353"
    )]
    Zone(String),
}

/// Cuts a rule's text so that an error stays readable.
fn shown(text: &str) -> String {
    text.chars().take(160).collect()
}

/// `HOST:PORT:ADDRESS[,ADDRESS…]`: these addresses, without asking a resolver. IPv6 addresses may stand in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveRule {
    /// The host whose addresses are given.
    pub host: Host,
    /// The port the rule is for.
    pub port: Port,
    /// The addresses, 1 to [`MAX_ADDRESSES`](parallax_model::MAX_ADDRESSES).
    pub addresses: Vec<IpAddr>,
}

impl ResolveRule {
    /// Whether the rule speaks about this host and port.
    pub fn fits(&self, host: &Host, port: Port) -> bool {
        self.host == *host && self.port == port
    }
}

impl FromStr for ResolveRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Resolve(shown(text));
        let (host, rest) = split_host(text).ok_or_else(wrong)?;
        let (port, rest) = rest.split_once(':').ok_or_else(wrong)?;
        let addresses = rest.split(',').map(parse_ip).collect::<Option<Vec<IpAddr>>>().ok_or_else(wrong)?;
        if addresses.len() > MAX_RULE_ADDRESSES {
            return Err(wrong());
        }
        Ok(Self {
            host: parse_host(host).ok_or_else(wrong)?,
            port: parse_port(port).ok_or_else(wrong)?,
            addresses,
        })
    }
}

impl fmt::Display for ResolveRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", Bracketed(&self.host), self.port)?;
        for (i, ip) in self.addresses.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}", Bracketed(&Host::from(*ip)))?;
        }
        Ok(())
    }
}

/// `HOST1:PORT1:HOST2:PORT2`: what goes to the first pair is connected to the second, with the name of the first in TLS and in
/// the request. An empty part on the left fits everything, an empty part on the right changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectTo {
    /// The host of the URL; `None` fits every host.
    pub from_host: Option<Host>,
    /// The port of the URL; `None` fits every port.
    pub from_port: Option<Port>,
    /// The host to connect to; `None` keeps the URL's.
    pub to_host: Option<Host>,
    /// The port to connect to; `None` keeps the URL's.
    pub to_port: Option<Port>,
}

impl ConnectTo {
    /// Where to connect to, when the rule speaks about this host and port.
    pub fn apply(&self, host: &Host, port: Port) -> Option<(Host, Port)> {
        let host_fits = self.from_host.as_ref().is_none_or(|from| from == host);
        let port_fits = self.from_port.is_none_or(|from| from == port);
        (host_fits && port_fits)
            .then(|| (self.to_host.clone().unwrap_or_else(|| host.clone()), self.to_port.unwrap_or(port)))
    }
}

impl FromStr for ConnectTo {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::ConnectTo(shown(text));
        let (from_host, rest) = split_host(text).ok_or_else(wrong)?;
        let (from_port, rest) = rest.split_once(':').ok_or_else(wrong)?;
        let (to_host, to_port) = split_host(rest).ok_or_else(wrong)?;
        Ok(Self {
            from_host: optional(from_host, parse_host).ok_or_else(wrong)?,
            from_port: optional(from_port, parse_port).ok_or_else(wrong)?,
            to_host: optional(to_host, parse_host).ok_or_else(wrong)?,
            to_port: optional(to_port, parse_port).ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |h: &Option<Host>| h.as_ref().map(|h| Bracketed(h).to_string()).unwrap_or_default();
        let port = |p: Option<Port>| p.map(|p| p.to_string()).unwrap_or_default();
        write!(
            f,
            "{}:{}:{}:{}",
            host(&self.from_host),
            port(self.from_port),
            host(&self.to_host),
            port(self.to_port)
        )
    }
}

/// `ZONE=ADDRESS:PORT[,NAME[,AUTHORITY:PORT]]`: names in this zone, and the zone's own name, are asked there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneResolver {
    /// The zone's name.
    pub zone: Host,
    /// Where its server listens.
    pub addr: SocketAddr,
    /// What results call it; unset, it is called as the agent's own resolver is.
    pub name: Option<Arc<str>>,
    /// Where the zone's own server listens; unset, it is looked for as for every other zone.
    pub authority: Option<SocketAddr>,
}

impl ZoneResolver {
    /// Whether a name is the zone's own or below it.
    pub fn holds(&self, host: &Host) -> bool {
        let (host, zone) = (host.as_str(), self.zone.as_str());
        host.strip_suffix(zone).is_some_and(|left| left.is_empty() || left.ends_with('.'))
    }
}

impl FromStr for ZoneResolver {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Zone(shown(text));
        let (zone, addr) = text.split_once('=').ok_or_else(wrong)?;
        let zone = parse_host(zone).filter(|zone| zone.ip().is_none()).ok_or_else(wrong)?;
        let (addr, name) = addr.split_once(',').map_or((addr, None), |(addr, name)| (addr, Some(name)));
        let (name, authority) = match name.and_then(|name| name.split_once(',')) {
            Some((name, authority)) => (Some(name), Some(authority)),
            None => (name, None),
        };
        let authority = authority.map(|a| a.parse().map_err(|_| wrong())).transpose()?;
        let sayable = |n: &str| {
            (1..=MAX_RESOLVER_NAME).contains(&n.len())
                && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !name.is_none_or(sayable) {
            return Err(wrong());
        }
        Ok(Self { zone, addr: addr.parse().map_err(|_| wrong())?, name: name.map(Into::into), authority })
    }
}

impl fmt::Display for ZoneResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.zone, self.addr)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, ",{name}"))?;
        match (&self.name, self.authority) {
            (_, None) => Ok(()),
            (Some(_), Some(authority)) => write!(f, ",{authority}"),
            (None, Some(authority)) => write!(f, ",{},{authority}", crate::dns::OWN_RESOLVER),
        }
    }
}

/// A host as it stands before a port: IPv6 in brackets.
struct Bracketed<'a>(&'a Host);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.ip() {
            Some(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// Splits `host:rest` or `[v6]:rest`.
fn split_host(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']')?;
            Some((host, rest.strip_prefix(':')?))
        }
        None => text.split_once(':'),
    }
}

fn parse_host(text: &str) -> Option<Host> {
    text.to_ascii_lowercase().parse().ok()
}

fn parse_port(text: &str) -> Option<Port> {
    text.parse().ok().and_then(Port::new)
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// An empty text is "not said"; anything else must parse.
#[expect(clippy::option_option, reason = "outer: was it right; inner: was it said")]
fn optional<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}
