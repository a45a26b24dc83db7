//! The name lookup: who is asked, what the answer holds, and what each error means.
//!
//! Nothing is remembered between two lookups: a probe measures the resolver as a visitor meets it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::{DnsError, NetError};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use parallax_model::{DnsFacts, DnsFailure, FailureKind, Family, Host, MAX_ADDRESSES, Party};

use crate::progress::StageFailure;
use crate::rules::ZoneResolver;
use crate::settings::{ProberError, ProberSettings, ResolverSetting};

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

/// What results call the agent's own resolver.
const OWN_RESOLVER: &str = "isp";
/// Most names of a CNAME chain that a result keeps.
const MAX_CNAMES: usize = 16;
/// Once one family has answered, how long the other is waited for.
const OTHER_FAMILY_WAIT: Duration = Duration::from_millis(500);
/// Questions to one server before giving up, the first included.
const ATTEMPTS: u32 = 2;

/// The resolvers of a prober.
pub(crate) struct Names {
    own: Asked,
    zones: Vec<(ZoneResolver, Asked)>,
    deadline: Duration,
}

/// One resolver and what results call it.
struct Asked {
    resolver: TokioResolver,
    name: Arc<str>,
}

impl Names {
    pub(crate) fn new(settings: &ProberSettings) -> Result<Self, ProberError> {
        let (name, config): (Arc<str>, _) = match &settings.resolver {
            ResolverSetting::System => (OWN_RESOLVER.into(), system_config(settings)?),
            ResolverSetting::Servers { name, addrs } if addrs.is_empty() => {
                return Err(ProberError::NoServer { name: name.clone() });
            }
            ResolverSetting::Servers { name, addrs } => (name.clone(), servers(addrs, settings)),
        };
        let own = Asked::new(name, config, settings)?;
        let mut zones = settings
            .zones
            .iter()
            .map(|zone| {
                let config = servers(&[zone.addr], settings);
                let name = zone.name.clone().unwrap_or_else(|| OWN_RESOLVER.into());
                Ok((zone.clone(), Asked::new(name, config, settings)?))
            })
            .collect::<Result<Vec<_>, ProberError>>()?;
        zones.sort_by_key(|(zone, _)| std::cmp::Reverse(zone.zone.as_str().len()));
        Ok(Self { own, zones, deadline: settings.deadlines.dns })
    }

    /// Asks for the addresses of a name: of one family, or of both with IPv4 first in the answer.
    pub(crate) async fn ask(&self, host: &Host, family: Option<Family>) -> Result<DnsFacts, StageFailure> {
        let asked =
            self.zones.iter().find(|(zone, _)| zone.holds(host)).map_or(&self.own, |(_, asked)| asked);
        let answer = match tokio::time::timeout(self.deadline, asked.ask(host, family)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(failed(DnsFailure::Timeout)),
        };
        Ok(DnsFacts { resolver: Some(asked.name.clone()), ..answer })
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names")
            .field("own", &self.own.name)
            .field("zones", &self.zones.len())
            .finish_non_exhaustive()
    }
}

impl Asked {
    fn new(name: Arc<str>, config: ResolverConfig, settings: &ProberSettings) -> Result<Self, ProberError> {
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        set_options(builder.options_mut(), settings);
        match builder.build() {
            Ok(resolver) => Ok(Self { resolver, name }),
            Err(source) => Err(ProberError::Resolver { name, source: source.into() }),
        }
    }

    async fn ask(&self, host: &Host, family: Option<Family>) -> Result<DnsFacts, StageFailure> {
        let name = Name::from_ascii(host.as_str()).map(|mut name| {
            name.set_fqdn(true);
            name
        });
        let name = name.map_err(|e| failed(DnsFailure::Nxdomain).told(&e))?;
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
        let v4 = std::pin::pin!(self.resolver.lookup(name.clone(), RecordType::A));
        let v6 = std::pin::pin!(self.resolver.lookup(name, RecordType::AAAA));
        let (first, other) = match futures_util::future::select(v4, v6).await {
            futures_util::future::Either::Left((first, other)) => {
                let other = wait_for(first.is_ok(), other).await;
                return std::iter::once(first).chain(other).collect();
            }
            futures_util::future::Either::Right((first, other)) => {
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

/// Puts the answers together. One that holds addresses counts more than any error; of errors the most telling is kept.
fn join(answers: &[Result<Lookup, NetError>]) -> Result<DnsFacts, StageFailure> {
    let mut facts = DnsFacts::default();
    for lookup in answers.iter().flatten() {
        read(lookup, &mut facts);
    }
    if !facts.addresses.is_empty() {
        return Ok(facts);
    }
    let worst = answers.iter().filter_map(|answer| answer.as_ref().err()).map(classify);
    let worst = worst.min_by_key(|f| match f.failure.kind {
        FailureKind::Dns(DnsFailure::Bogus | DnsFailure::Nxdomain | DnsFailure::Loop) => 0,
        FailureKind::Dns(DnsFailure::Servfail | DnsFailure::Refused) => 1,
        FailureKind::Dns(DnsFailure::Timeout) => 2,
        _ => 3,
    });
    Err(worst.unwrap_or_else(|| failed(DnsFailure::Nodata)))
}

/// Takes addresses, aliases and the smallest TTL out of an answer.
fn read(lookup: &Lookup, facts: &mut DnsFacts) {
    for record in lookup.answers() {
        let ip: IpAddr = match &record.data {
            RData::A(a) => a.0.into(),
            RData::AAAA(aaaa) => aaaa.0.into(),
            RData::CNAME(alias) => {
                let alias = alias.0.to_ascii();
                let alias: Arc<str> = alias.trim_end_matches('.').into();
                if facts.cnames.len() < MAX_CNAMES && !facts.cnames.contains(&alias) {
                    facts.cnames.push(alias);
                }
                facts.ttl_left_s = Some(facts.ttl_left_s.map_or(record.ttl, |ttl| ttl.min(record.ttl)));
                continue;
            }
            _ => continue,
        };
        facts.ttl_left_s = Some(facts.ttl_left_s.map_or(record.ttl, |ttl| ttl.min(record.ttl)));
        if facts.addresses.len() < MAX_ADDRESSES && !facts.addresses.contains(&ip) {
            facts.addresses.push(ip);
        }
    }
}

/// What a resolver's error means.
fn classify(error: &NetError) -> StageFailure {
    let kind = match error {
        NetError::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => DnsFailure::Refused,
        NetError::Timeout | NetError::NoConnections | NetError::Busy | NetError::Io(_) => DnsFailure::Timeout,
        NetError::Dns(DnsError::DnssecBogus) => DnsFailure::Bogus,
        NetError::Dns(DnsError::ResponseCode(code)) => of_code(*code),
        NetError::Dns(DnsError::NoRecordsFound(none)) => of_code(none.response_code),
        _ => DnsFailure::Servfail,
    };
    let known = matches!(error, NetError::Timeout | NetError::Dns(_));
    if known { failed(kind) } else { failed(kind).told(error) }
}

/// What a response code without addresses means (RFC 1035, 4.1.1; RFC 2308, 2).
fn of_code(code: ResponseCode) -> DnsFailure {
    match code {
        ResponseCode::NXDomain => DnsFailure::Nxdomain,
        ResponseCode::NoError => DnsFailure::Nodata,
        ResponseCode::Refused => DnsFailure::Refused,
        _ => DnsFailure::Servfail,
    }
}

/// A failed lookup. That a name does not exist is the name's own affair; all else is the resolver's until a beacon says more.
fn failed(kind: DnsFailure) -> StageFailure {
    let party = match kind {
        DnsFailure::Nxdomain | DnsFailure::Nodata | DnsFailure::Bogus | DnsFailure::Loop => Party::Target,
        DnsFailure::Servfail | DnsFailure::Refused | DnsFailure::Timeout => Party::Resolver,
    };
    StageFailure::new(FailureKind::Dns(kind), party)
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

fn bind_address(server: IpAddr, settings: &ProberSettings) -> Option<SocketAddr> {
    settings.source(Family::of(server)).map(|ip| SocketAddr::new(ip, 0))
}

fn set_options(options: &mut ResolverOpts, settings: &ProberSettings) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = usize::try_from(ATTEMPTS - 1).unwrap_or(1);
    options.timeout = settings.deadlines.dns / ATTEMPTS;
    options.preserve_intermediates = true;
}
