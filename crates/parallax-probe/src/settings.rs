//! What a prober is told before it starts. Nothing here can be changed by a server or by an aggregator.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use parallax_model::{Family, Target};
use parallax_policy::LivePolicy;
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use crate::dns::NamedResolver;
use crate::rules::{ConnectTo, ResolveRule, ZoneResolver};

/// Everything a [`Prober`](crate::Prober) is built from.
#[derive(Debug, Clone)]
pub struct ProberSettings {
    /// What may be probed. It is asked anew for every decision.
    pub policy: LivePolicy,
    /// The address IPv4 connections and DNS questions leave from; `None` lets the system choose.
    pub source_v4: Option<Ipv4Addr>,
    /// The address IPv6 connections and DNS questions leave from; `None` lets the system choose.
    pub source_v6: Option<Ipv6Addr>,
    /// Who is asked for addresses.
    pub resolver: ResolverSetting,
    /// The public resolvers that may be asked, at most one of each; without any, no second opinion is asked for.
    pub public_resolvers: Vec<NamedResolver>,
    /// Zones whose names are asked elsewhere; the longest zone that fits wins.
    pub zones: Vec<ZoneResolver>,
    /// Addresses that are used instead of asking, as curl's `--resolve`.
    pub resolve: Vec<ResolveRule>,
    /// Other hosts and ports to connect to, as curl's `--connect-to`; the first that fits wins.
    pub connect_to: Vec<ConnectTo>,
    /// Trusted beside the bundled roots of Mozilla.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Targets that tell whether our own line works.
    pub beacons: Vec<Target>,
    /// How long each phase may take.
    pub deadlines: Deadlines,
    /// What we call ourselves (RFC 9110, 10.1.5).
    pub user_agent: HeaderValue,
}

impl ProberSettings {
    /// The system's resolver, any source address, no rules, no beacons, the deadlines of the design.
    pub fn new(policy: impl Into<LivePolicy>) -> Self {
        Self {
            policy: policy.into(),
            source_v4: None,
            source_v6: None,
            resolver: ResolverSetting::System,
            public_resolvers: NamedResolver::built_in(),
            zones: Vec::new(),
            resolve: Vec::new(),
            connect_to: Vec::new(),
            extra_roots: Vec::new(),
            beacons: Vec::new(),
            deadlines: Deadlines::default(),
            user_agent: default_user_agent(),
        }
    }

    /// The source address for a family, if one is set.
    pub(crate) fn source(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.source_v4.map(IpAddr::V4),
            Family::V6 => self.source_v6.map(IpAddr::V6),
        }
    }
}

/// Who is asked for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolverSetting {
    /// The system's own, as `/etc/resolv.conf` names it. Results call it `isp`.
    System,
    /// These servers, over UDP and TCP.
    Servers {
        /// What results call them.
        name: Arc<str>,
        /// Where they listen.
        addrs: Vec<SocketAddr>,
    },
}

/// How long each phase may take on the monotonic clock. They are enforced from outside, by dropping the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Name lookup.
    pub dns: Duration,
    /// TCP connection, all tries together.
    pub connect: Duration,
    /// TLS handshake. A QUIC handshake is both in one, and has the time of both, all tries together.
    pub tls: Duration,
    /// Request sent to the end of the answer's headers.
    pub first_byte: Duration,
    /// Reading the part of the body that is looked at; running out is no failure.
    pub body: Duration,
    /// The whole probe, redirects included.
    pub whole: Duration,
    /// A probe for a check that has no answer after this time says so, and goes on waiting.
    pub patience: Duration,
}

/// Three SYNs have left by then (after 0, 1 and 3 s; RFC 6298, 2.1 and 5.5), and the answer to the third has had half a second.
const PATIENCE: Duration = Duration::from_millis(3_500);

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            dns: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(5),
            first_byte: Duration::from_secs(10),
            body: Duration::from_secs(5),
            whole: Duration::from_secs(20),
            patience: PATIENCE,
        }
    }
}

/// `parallax/<version> (+https://parallax.invalid/probes)`: who we are and where that is explained. An operator sets its own
/// page here, so that owners of sites can find it.
pub fn default_user_agent() -> HeaderValue {
    HeaderValue::from_static(concat!(
        "parallax/",
        env!("CARGO_PKG_VERSION"),
        " (+https://parallax.invalid/probes)"
    ))
}

/// Why a prober cannot be built.
#[derive(Debug, Error)]
pub enum ProberError {
    /// The system names no resolver.
    #[error("reading which resolver the system uses")]
    SystemResolver(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A resolver cannot be set up.
    #[error("setting up the resolver {name}")]
    Resolver {
        /// What it is called.
        name: Arc<str>,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A list of servers without a server.
    #[error("the resolver {name} has no address")]
    NoServer {
        /// What it is called.
        name: Arc<str>,
    },
    /// One of the extra roots is no certificate.
    #[error("reading extra root certificate number {number}")]
    Root {
        /// Its place in the list, from 1.
        number: usize,
        /// Why not.
        source: rustls::Error,
    },
    /// The TLS library refuses its own settings.
    #[error("setting up TLS")]
    Tls(#[source] rustls::Error),
}
