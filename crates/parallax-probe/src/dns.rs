//! The name lookup: who is asked, what the answer holds, and what each error means.
//!
//! Nothing is remembered between two lookups: a probe measures the resolver as a visitor meets it.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::{Either, select};
use hickory_net::NetError;
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use parallax_model::{DnsFacts, DnsFailure, FailureKind, Family, Host, Micros};
use tokio::time::Instant;

use crate::progress::StageFailure;
use crate::rules::ZoneResolver;
use crate::settings::{ProberError, ProberSettings, ResolverSetting};

pub(crate) mod direct;
#[cfg(test)]
pub(crate) mod fake;
mod https;
pub(crate) mod public;
mod reading;
mod runtime;
pub(crate) mod sinkhole;
#[cfg(test)]
mod tests;

pub use public::{NamedResolver, PublicResolver, ResolverChoice};
pub(crate) use reading::read;
use reading::{failed, join};
use runtime::Connecting;

/// What results call the agent's own resolver.
pub(crate) const OWN_RESOLVER: &str = "isp";
/// Most names of a CNAME chain; a longer one counts as one without end.
pub(crate) const MAX_CNAMES: usize = 8;
/// Once one family has answered, how long the other is waited for.
const OTHER_FAMILY_WAIT: Duration = Duration::from_millis(500);
/// Once the addresses are there, how long the HTTPS record is waited for.
const HTTPS_WAIT: Duration = Duration::from_millis(100);
/// Questions to one server before giving up, the first included.
const ATTEMPTS: u32 = 2;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) host: &'a Host,
    /// One family, or both with IPv4 first in the answer.
    pub(crate) family: Option<Family>,
    pub(crate) resolver: ResolverChoice,
    /// Whether the HTTPS record is asked for too.
    pub(crate) https: bool,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) facts: DnsFacts,
    /// Whether an HTTPS record says that the host speaks HTTP/3 on port 443.
    pub(crate) h3: bool,
    /// How long the addresses took; the HTTPS record may have taken a little longer.
    pub(crate) took: Micros,
}

/// The resolvers of a prober.
pub(crate) struct Names {
    own: ArcSwap<Asked>,
    zones: Vec<(ZoneResolver, Arc<Asked>)>,
    public: Vec<(PublicResolver, Arc<Asked>)>,
    deadline: Duration,
}

/// One resolver and what results call it.
struct Asked {
    resolver: Resolver<Connecting>,
    name: Arc<str>,
}

impl Names {
    pub(crate) fn new(settings: &ProberSettings) -> Result<Self, ProberError> {
        let own = ArcSwap::from_pointee(Asked::own(settings)?);
        let mut zones = settings
            .zones
            .iter()
            .map(|zone| {
                let config = servers(&[zone.addr], settings);
                let name = zone.name.clone().unwrap_or_else(|| OWN_RESOLVER.into());
                Ok((zone.clone(), Arc::new(Asked::new(name, config, settings)?)))
            })
            .collect::<Result<Vec<_>, ProberError>>()?;
        zones.sort_by_key(|(zone, _)| std::cmp::Reverse(zone.zone.as_str().len()));
        let public = settings.public_resolvers.iter().filter(|named| !named.addrs.is_empty());
        let public = public
            .map(|named| {
                let config = servers(&named.addrs, settings);
                Ok((named.which, Arc::new(Asked::new(named.name(), config, settings)?)))
            })
            .collect::<Result<Vec<_>, ProberError>>()?;
        Ok(Self { own, zones, public, deadline: settings.deadlines.dns })
    }

    /// Puts the own resolver of these settings in the place of the one before; lookups on their way go on with that one.
    pub(crate) fn follow(&self, settings: &ProberSettings) -> Result<(), ProberError> {
        self.own.store(Arc::new(Asked::own(settings)?));
        Ok(())
    }

    /// Asks the own resolver for the addresses of a name: of one family, or of both with IPv4 first in the answer.
    pub(crate) async fn ask(&self, host: &Host, family: Option<Family>) -> Result<DnsFacts, StageFailure> {
        let question = Question { host, family, resolver: ResolverChoice::Own, https: false };
        self.look_up(&question).await.map(|answer| answer.facts)
    }

    /// Asks for the addresses of a name and, in the same breath, for its HTTPS record. The record holds the addresses up by
    /// nothing, and the answer by [`HTTPS_WAIT`] at most.
    pub(crate) async fn look_up(&self, question: &Question<'_>) -> Result<Answer, StageFailure> {
        let asked =
            self.asked(question).ok_or_else(|| failed(DnsFailure::Refused).said("no such resolver"))?;
        let name = name_of(question.host)?;
        let began = Instant::now();
        let mut advert = pin!(async {
            if question.https { Box::pin(asked.advertises_h3(name.clone())).await } else { false }
        });
        let addresses = async {
            match tokio::time::timeout(self.deadline, asked.ask(name.clone(), question.family)).await {
                Ok(answer) => answer.map(|facts| (facts, Micros::from(began.elapsed()))),
                Err(_) => Err(failed(DnsFailure::Timeout)),
            }
        };
        let (facts, took, h3) = match select(pin!(addresses), &mut advert).await {
            Either::Left((addresses, advert)) => {
                let (facts, took) = addresses?;
                (facts, took, tokio::time::timeout(HTTPS_WAIT, advert).await.unwrap_or(false))
            }
            Either::Right((h3, addresses)) => {
                let (facts, took) = addresses.await?;
                (facts, took, h3)
            }
        };
        Ok(Answer { facts: DnsFacts { resolver: Some(asked.name.clone()), ..facts }, h3, took })
    }

    /// The names of a zone's servers, as the resolver for this name knows them; none where the name is no zone's.
    pub(crate) async fn servers_of(&self, zone: &Host) -> Vec<Host> {
        let question = Question { host: zone, family: None, resolver: ResolverChoice::Own, https: false };
        let (Some(asked), Ok(name)) = (self.asked(&question), name_of(zone)) else { return Vec::new() };
        let answer = tokio::time::timeout(self.deadline, asked.resolver.lookup(name.clone(), RecordType::NS));
        let Ok(Ok(lookup)) = answer.await else { return Vec::new() };
        let servers = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::NS(server) if record.name == name => host_of(&server.0),
            _ => None,
        });
        servers.collect()
    }

    /// The rule under which a name is asked elsewhere, if there is one.
    pub(crate) fn zone(&self, host: &Host) -> Option<&ZoneResolver> {
        self.zones.iter().map(|(zone, _)| zone).find(|zone| zone.holds(host))
    }

    /// A public resolver for a second opinion about a name, where there is one to ask: names of a zone by rule are nobody
    /// else's business.
    pub(crate) fn second_opinion(&self, host: &Host) -> Option<PublicResolver> {
        if self.zone(host).is_some() { None } else { self.public.first().map(|(which, _)| *which) }
    }

    fn asked(&self, question: &Question<'_>) -> Option<Arc<Asked>> {
        let by_rule = self.zones.iter().find(|(zone, _)| zone.holds(question.host));
        match (by_rule, question.resolver) {
            (Some((_, asked)), _) => Some(Arc::clone(asked)),
            (None, ResolverChoice::Own) => Some(self.own.load_full()),
            (None, ResolverChoice::Public(which)) => {
                self.public.iter().find(|(known, _)| *known == which).map(|(_, asked)| Arc::clone(asked))
            }
        }
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names")
            .field("own", &self.own.load().name)
            .field("zones", &self.zones.len())
            .field("public", &self.public.len())
            .finish_non_exhaustive()
    }
}

impl Asked {
    /// The agent's own resolver.
    fn own(settings: &ProberSettings) -> Result<Self, ProberError> {
        let (name, config) = match &settings.resolver {
            ResolverSetting::System => (OWN_RESOLVER.into(), system_config(settings)?),
            ResolverSetting::Servers { name, addrs } if addrs.is_empty() => {
                return Err(ProberError::NoServer { name: name.clone() });
            }
            ResolverSetting::Servers { name, addrs } => (name.clone(), servers(addrs, settings)),
        };
        Self::new(name, config, settings)
    }

    fn new(name: Arc<str>, config: ResolverConfig, settings: &ProberSettings) -> Result<Self, ProberError> {
        let mut builder = Resolver::builder_with_config(config, Connecting::default());
        set_options(builder.options_mut(), settings);
        match builder.build() {
            Ok(resolver) => Ok(Self { resolver, name }),
            Err(source) => Err(ProberError::Resolver { name, source: source.into() }),
        }
    }

    async fn ask(&self, name: Name, family: Option<Family>) -> Result<DnsFacts, StageFailure> {
        let answers = match family {
            Some(Family::V4) => vec![self.resolver.lookup(name.clone(), RecordType::A).await],
            Some(Family::V6) => vec![self.resolver.lookup(name.clone(), RecordType::AAAA).await],
            None => self.both(name.clone()).await,
        };
        match join(&answers) {
            Err(none) if none.failure.kind == FailureKind::Dns(DnsFailure::Nodata) => {
                Err(if self.goes_in_circles(name).await { failed(DnsFailure::Loop) } else { none })
            }
            ended => ended,
        }
    }

    async fn advertises_h3(&self, name: Name) -> bool {
        let answer = self.resolver.lookup(name.clone(), RecordType::HTTPS).await;
        answer.is_ok_and(|lookup| https::advertises_h3(&name, lookup.answers()))
    }

    /// Whether the aliases of a name lead back to one of themselves. The resolver library gives up on such a chain as if there
    /// were no address, so the chain is walked once more, alias by alias.
    async fn goes_in_circles(&self, name: Name) -> bool {
        let mut seen = vec![name];
        while seen.len() <= MAX_CNAMES {
            let Some(last) = seen.last() else { return false };
            let Ok(lookup) = self.resolver.lookup(last.clone(), RecordType::CNAME).await else {
                return false;
            };
            let alias = lookup.answers().iter().find_map(|record| match &record.data {
                RData::CNAME(alias) if record.name == *last => Some(alias.0.clone()),
                _ => None,
            });
            match alias {
                None => return false,
                Some(alias) if seen.contains(&alias) => return true,
                Some(alias) => seen.push(alias),
            }
        }
        true
    }

    /// Asks for both families at once. A resolver that swallows one kind of question must not hold up the other.
    async fn both(&self, name: Name) -> Vec<Result<Lookup, NetError>> {
        let v4 = pin!(self.resolver.lookup(name.clone(), RecordType::A));
        let v6 = pin!(self.resolver.lookup(name, RecordType::AAAA));
        let (first, other) = match select(v4, v6).await {
            Either::Left((first, other)) => {
                let other = wait_for(first.is_ok(), other).await;
                return std::iter::once(first).chain(other).collect();
            }
            Either::Right((first, other)) => {
                let other = wait_for(first.is_ok(), other).await;
                (first, other)
            }
        };
        other.into_iter().chain(std::iter::once(first)).collect()
    }
}

/// Waits for the second family: as long as it takes while nothing is known, shortly once there are addresses.
async fn wait_for<F>(have_some: bool, other: F) -> Option<Result<Lookup, NetError>>
where
    F: Future<Output = Result<Lookup, NetError>>,
{
    if have_some { tokio::time::timeout(OTHER_FAMILY_WAIT, other).await.ok() } else { Some(other.await) }
}

/// A host as the resolver library has it: always whole.
pub(crate) fn name_of(host: &Host) -> Result<Name, StageFailure> {
    let name = Name::from_ascii(host.as_str()).map(|mut name| {
        name.set_fqdn(true);
        name
    });
    name.map_err(|e| failed(DnsFailure::Nxdomain).told(&e))
}

/// A name of an answer as a host; `None` when it cannot be one.
pub(crate) fn host_of(name: &Name) -> Option<Host> {
    name.to_ascii()
        .to_ascii_lowercase()
        .trim_end_matches('.')
        .parse()
        .ok()
        .filter(|host: &Host| host.ip().is_none())
}

/// The system's servers, with our source address and without its search list: names here are always whole.
fn system_config(settings: &ProberSettings) -> Result<ResolverConfig, ProberError> {
    let (config, _) = hickory_resolver::system_conf::read_system_conf()
        .map_err(|e| ProberError::SystemResolver(e.into()))?;
    let servers = config.name_servers().iter().cloned().map(|mut server| {
        for connection in &mut server.connections {
            connection.bind_addr = bind_address(server.ip, settings);
        }
        server
    });
    Ok(ResolverConfig::from_parts(None, Vec::new(), servers.collect()))
}

/// Servers at given addresses and ports.
fn servers(addrs: &[SocketAddr], settings: &ProberSettings) -> ResolverConfig {
    let servers = addrs.iter().map(|addr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = addr.port();
            connection.bind_addr = bind_address(addr.ip(), settings);
            connection
        });
        NameServerConfig::new(addr.ip(), true, connections.into())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

pub(crate) fn bind_address(server: IpAddr, settings: &ProberSettings) -> Option<SocketAddr> {
    settings.source(Family::of(server)).map(|ip| SocketAddr::new(ip, 0))
}

fn set_options(options: &mut ResolverOpts, settings: &ProberSettings) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = usize::try_from(ATTEMPTS - 1).unwrap_or(1);
    options.timeout = settings.deadlines.dns / ATTEMPTS;
    options.preserve_intermediates = true;
}
