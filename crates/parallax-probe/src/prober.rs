//! The prober: one attempt on one target, hop by hop, under one deadline.

use std::net::SocketAddr;

use parallax_model::{
    AgentFailure, BlockedFailure, CheckId, DnsFacts, FailureKind, Family, Host, HttpFailure, MAX_REDIRECTS,
    Party, Port, ProbeResult, Protocol, Target, UnixMicros,
};
use parallax_policy::{Reason, Refusal, VettedAddr};

use crate::care::Beacons;
use crate::connect::has_route;
use crate::dns::Names;
use crate::hop::{Hop, HopEnd};
use crate::progress::{Progress, Stage, StageFailure};
use crate::redirect::{self, of_redirect};
use crate::settings::{ProberError, ProberSettings};
use crate::tls::Tls;

#[cfg(test)]
mod tests;

/// What to probe and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest {
    /// What is probed.
    pub target: Target,
    /// The check that asks for it; `None` when it is scheduled.
    pub check: Option<CheckId>,
    /// The IP family to use; `None` uses IPv6 where this machine has a route for it, else IPv4.
    pub family: Option<Family>,
    /// The HTTP version to speak; `None` lets ALPN choose between HTTP/2 and HTTP/1.1.
    pub protocol: Option<Protocol>,
}

impl ProbeRequest {
    /// A scheduled probe of a target, over whatever family and protocol work.
    pub const fn new(target: Target) -> Self {
        Self { target, check: None, family: None, protocol: None }
    }
}

/// Probes targets. It holds no connection and no answer between two probes; sharing one between tasks is fine.
#[derive(Debug)]
pub struct Prober {
    pub(crate) settings: ProberSettings,
    pub(crate) beacons: Beacons,
    names: Names,
    tls: Tls,
}

impl Prober {
    /// Reads the system's resolver where the settings ask for it, and the root certificates.
    pub fn new(settings: ProberSettings) -> Result<Self, ProberError> {
        Ok(Self {
            names: Names::new(&settings)?,
            tls: Tls::new(&settings.extra_roots)?,
            beacons: Beacons::default(),
            settings,
        })
    }

    /// One attempt, without retry and without asking a beacon. Ends within [`Deadlines::whole`](crate::Deadlines::whole).
    pub async fn probe(&self, request: &ProbeRequest, now: UnixMicros) -> ProbeResult {
        let mut progress = Progress::new(request, now);
        let walk = self.walk(request, &mut progress);
        let ended = match tokio::time::timeout(self.settings.deadlines.whole, walk).await {
            Ok(ended) => ended,
            Err(_) => Err(progress.out_of_time()),
        };
        progress.finish(ended)
    }

    /// Follows redirects until a hop answers for good.
    async fn walk(&self, request: &ProbeRequest, progress: &mut Progress) -> Result<(), StageFailure> {
        if request.protocol == Some(Protocol::H3) {
            return Err(forbidden().said("HTTP/3 is not spoken by this prober"));
        }
        let mut seen = vec![request.target.clone()];
        if let Err(refusal) = self.settings.policy.check_target(&request.target) {
            return Err(refused(&refusal));
        }
        let mut target = request.target.clone();
        loop {
            let ended = self.hop(request, &target, progress).await;
            let ended = if seen.len() == 1 { ended } else { ended.map_err(of_redirect) };
            let HopEnd::Elsewhere { status, location } = ended? else { return Ok(()) };
            let next = redirect::resolve(&self.settings.policy, &target, &location);
            if let Some(to) = next.target()
                && progress.result.redirects.len() < MAX_REDIRECTS
            {
                progress.result.redirects.push(parallax_model::Redirect { status, to: to.clone() });
            }
            let next = next.allowed()?;
            if seen.contains(&next) || seen.len() > MAX_REDIRECTS {
                return Err(StageFailure::new(FailureKind::Http(HttpFailure::RedirectLoop), Party::Target));
            }
            seen.push(next.clone());
            target = next;
            progress.next_hop(request.family);
        }
    }

    async fn hop(
        &self,
        request: &ProbeRequest,
        target: &Target,
        progress: &mut Progress,
    ) -> Result<HopEnd, StageFailure> {
        let (host, port) = self.place(target);
        progress.result.dns = self.addresses(&host, port, request.family, progress).await?;
        self.check_aliases(&progress.result.dns)?;
        let vetted = self.vet(&host, port, request.family, &progress.result.dns)?;
        let hop = Hop { target, forced: request.protocol, settings: &self.settings, tls: &self.tls };
        hop.run(&vetted, progress).await
    }

    /// Where to connect to for a target: itself, unless a `--connect-to` rule leads elsewhere.
    fn place(&self, target: &Target) -> (Host, Port) {
        let mut rules = self.settings.connect_to.iter();
        rules
            .find_map(|rule| rule.apply(&target.host, target.port))
            .unwrap_or_else(|| (target.host.clone(), target.port))
    }

    /// The addresses of a host: itself, by a rule, or by asking.
    async fn addresses(
        &self,
        host: &Host,
        port: Port,
        family: Option<Family>,
        progress: &mut Progress,
    ) -> Result<DnsFacts, StageFailure> {
        let known = match host.ip() {
            Some(ip) => Some(vec![ip]),
            None => self
                .settings
                .resolve
                .iter()
                .find(|rule| rule.fits(host, port))
                .map(|rule| rule.addresses.clone()),
        };
        if let Some(addresses) = known {
            return Ok(DnsFacts { addresses, ..DnsFacts::default() });
        }
        progress.begin(Stage::Dns);
        let facts = Box::pin(self.names.ask(host, family)).await;
        progress.end();
        facts
    }

    /// A name may lead through one whose owner asked to be left alone, or through our own. That an alias is no public name
    /// does not matter: only the addresses are connected to.
    fn check_aliases(&self, dns: &DnsFacts) -> Result<(), StageFailure> {
        let aliases = dns.cnames.iter().filter_map(|alias| alias.to_ascii_lowercase().parse::<Host>().ok());
        for alias in aliases {
            match self.settings.policy.check_host(&alias) {
                Err(refusal)
                    if matches!(
                        refusal.reason(),
                        Reason::OptedOut | Reason::SelfTarget | Reason::Blocklisted
                    ) =>
                {
                    return Err(forbidden().said(&refusal.to_string()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks the policy about every address of the answer, then puts those of a usable family in the order they are tried.
    fn vet(
        &self,
        host: &Host,
        port: Port,
        family: Option<Family>,
        dns: &DnsFacts,
    ) -> Result<Vec<VettedAddr>, StageFailure> {
        let vetted = self.settings.policy.vet(host, port, &dns.addresses).map_err(|refusal| {
            StageFailure::new(FailureKind::Blocked(BlockedFailure::Address), Party::Target)
                .said(&refusal.to_string())
        })?;
        let of = |family: Family| {
            vetted.iter().filter(move |v| Family::of(v.socket_addr().ip()) == family).copied()
        };
        let v6_first = || of(Family::V6).next().is_some_and(|v6| self.speaks_v6(v6.socket_addr()));
        let ordered: Vec<VettedAddr> = match family {
            Some(family) => of(family).collect(),
            None if v6_first() => alternate(of(Family::V6), of(Family::V4)),
            None => of(Family::V4).chain(of(Family::V6)).collect(),
        };
        if ordered.is_empty() {
            let none = FailureKind::Dns(parallax_model::DnsFailure::Nodata);
            return Err(StageFailure::new(none, Party::Target));
        }
        Ok(ordered)
    }

    /// Whether IPv6 is worth trying first: a source address or a route is there, and nobody tied us to IPv4.
    fn speaks_v6(&self, addr: SocketAddr) -> bool {
        let settings = &self.settings;
        settings.source_v6.is_some() || (settings.source_v4.is_none() && has_route(addr))
    }
}

/// One of each in turn, so that a family that does not work costs one try and not all of them.
fn alternate<T>(first: impl Iterator<Item = T>, second: impl Iterator<Item = T>) -> Vec<T> {
    let (mut first, mut second) = (first.fuse(), second.fuse());
    let mut out = Vec::new();
    loop {
        let before = out.len();
        out.extend(first.next());
        out.extend(second.next());
        if out.len() == before {
            return out;
        }
    }
}

fn forbidden() -> StageFailure {
    StageFailure::new(FailureKind::Agent(AgentFailure::Policy), Party::Agent)
}

/// A target that policy does not let us ask for at all.
fn refused(refusal: &Refusal) -> StageFailure {
    let address = refusal.reason() == Reason::IpSpecial || refusal.reason() == Reason::LocalNetwork;
    let failure = if address {
        StageFailure::new(FailureKind::Blocked(BlockedFailure::Address), Party::Target)
    } else {
        forbidden()
    };
    failure.said(&refusal.to_string())
}
