//! The prober: one attempt on one target, hop by hop, under one deadline.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use parallax_model::{
    AgentFailure, BlockedFailure, CheckId, DnsFacts, FailureKind, Family, H3Advert, Host, HttpFailure,
    MAX_REDIRECTS, Party, Port, ProbeResult, Protocol, Scheme, Target, UnixMicros,
};
use parallax_policy::{Reason, Refusal, VettedAddr};

use self::each::Pin;
use crate::care::Beacons;
use crate::connect::has_route;
use crate::dns::{Names, Question, ResolverChoice};
use crate::hop::{Hop, HopEnd};
use crate::progress::{Progress, Reached, Stage, StageFailure};
use crate::quic::UdpPaths;
use crate::redirect::{self, of_redirect};
use crate::settings::{ProberError, ProberSettings, ResolverSetting};
use crate::tls::Tls;

#[cfg(test)]
mod tests;

mod each;

pub use self::each::MAX_ADDRESSES_AT_ONCE;

/// What to probe and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest {
    /// What is probed.
    pub target: Target,
    /// The check that asks for it; `None` when it is scheduled.
    pub check: Option<CheckId>,
    /// The IP family to use; `None` uses IPv6 where this machine has a route for it, else IPv4.
    pub family: Option<Family>,
    /// The HTTP version to speak; `None` lets ALPN choose between HTTP/2 and HTTP/1.1. HTTP/3 is spoken to https alone.
    pub protocol: Option<Protocol>,
    /// Who is asked for the addresses.
    pub resolver: ResolverChoice,
}

impl ProbeRequest {
    /// A scheduled probe of a target, over whatever family and protocol work.
    pub const fn new(target: Target) -> Self {
        Self { target, check: None, family: None, protocol: None, resolver: ResolverChoice::Own }
    }
}

/// Probes targets. It holds no connection and no answer between two probes; sharing one between tasks is fine.
#[derive(Debug)]
pub struct Prober {
    pub(crate) settings: ProberSettings,
    pub(crate) beacons: Beacons,
    pub(crate) udp: UdpPaths,
    pub(crate) names: Names,
    pub(crate) tls: Tls,
}

/// Whether a probe goes where an answer leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follow {
    /// At most [`MAX_REDIRECTS`] times.
    Redirects,
    /// Never.
    Nothing,
}

impl Prober {
    /// Reads the system's resolver where the settings ask for it, and the root certificates.
    pub fn new(settings: ProberSettings) -> Result<Self, ProberError> {
        Ok(Self {
            names: Names::new(&settings)?,
            tls: Tls::new(&settings.extra_roots)?,
            beacons: Beacons::default(),
            udp: UdpPaths::default(),
            settings,
        })
    }

    /// Reads anew which resolver the system uses, where the settings ask for it. When that fails, the one before stays.
    pub fn follow_system_resolver(&self) -> Result<(), ProberError> {
        match self.settings.resolver {
            ResolverSetting::System => self.names.follow(&self.settings),
            ResolverSetting::Servers { .. } => Ok(()),
        }
    }

    /// One attempt, without retry and without asking a beacon. Ends within [`Deadlines::whole`](crate::Deadlines::whole).
    pub async fn probe(&self, request: &ProbeRequest, now: UnixMicros) -> ProbeResult {
        self.attempt(request, None, Follow::Redirects, now).await
    }

    /// One request and no more: an answer that leads elsewhere is the answer.
    pub(crate) async fn probe_first_hop(&self, request: &ProbeRequest) -> ProbeResult {
        self.attempt(request, None, Follow::Nothing, UnixMicros::default()).await
    }

    async fn attempt(
        &self,
        request: &ProbeRequest,
        pin: Option<&Pin>,
        follow: Follow,
        now: UnixMicros,
    ) -> ProbeResult {
        self.make(request, pin, follow, Progress::new(request, now)).await
    }

    /// As [`Prober::probe`], with somebody who looks on.
    pub(crate) async fn probe_watched(
        &self,
        request: &ProbeRequest,
        now: UnixMicros,
        reached: &Reached,
    ) -> ProbeResult {
        let progress = Progress::new(request, now).watched(reached.clone());
        self.make(request, None, Follow::Redirects, progress).await
    }

    async fn make(
        &self,
        request: &ProbeRequest,
        pin: Option<&Pin>,
        follow: Follow,
        mut progress: Progress,
    ) -> ProbeResult {
        let walk = self.walk(request, pin, follow, &mut progress);
        let ended = match tokio::time::timeout(self.settings.deadlines.whole, walk).await {
            Ok(ended) => ended,
            Err(_) => Err(progress.out_of_time()),
        };
        progress.finish(ended)
    }

    /// The IPv6 addresses that the agent's own resolver answers for a name, none when it has none; `None` when the resolver did
    /// not answer. Nothing is vetted and nothing may be connected to: a network tells its NAT64 prefix so (RFC 7050).
    pub async fn ask_v6(&self, host: &Host) -> Option<Vec<Ipv6Addr>> {
        match self.names.ask(host, Some(Family::V6)).await {
            Ok(facts) => Some(facts.addresses.iter().filter_map(|ip| as_v6(*ip)).collect()),
            Err(failure) => (failure.failure.party == Party::Target).then(Vec::new),
        }
    }

    /// Follows redirects until a hop answers for good.
    async fn walk(
        &self,
        request: &ProbeRequest,
        pin: Option<&Pin>,
        follow: Follow,
        progress: &mut Progress,
    ) -> Result<(), StageFailure> {
        self.check(request)?;
        let mut seen = vec![request.target.clone()];
        let mut target = request.target.clone();
        loop {
            let ended = self.hop(request, &target, pin, progress).await;
            let ended = if seen.len() == 1 { ended } else { ended.map_err(of_redirect) };
            let HopEnd::Elsewhere { status, location } = ended? else { return Ok(()) };
            if follow == Follow::Nothing {
                return Ok(());
            }
            let next = redirect::resolve(&self.settings.policy.current(), &target, &location);
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

    /// Whether the request may be made at all.
    fn check(&self, request: &ProbeRequest) -> Result<(), StageFailure> {
        let Target { scheme, port, .. } = request.target;
        if request.protocol == Some(Protocol::H3)
            && (scheme != Scheme::Https || port == Scheme::Http.default_port())
        {
            return Err(forbidden().said("HTTP/3 is spoken over https alone, and not on port 80"));
        }
        self.settings.policy.current().check_target(&request.target).map_err(|refusal| refused(&refusal))
    }

    async fn hop(
        &self,
        request: &ProbeRequest,
        target: &Target,
        pin: Option<&Pin>,
        progress: &mut Progress,
    ) -> Result<HopEnd, StageFailure> {
        let pin = pin.filter(|_| target.host == request.target.host);
        let vetted = self.find(request, target, pin, progress).await?;
        let own = is_same_place(target, &request.target);
        let hop = Hop {
            target,
            forced: request.protocol,
            settings: &self.settings,
            tls: &self.tls,
            udp: &self.udp,
            own,
        };
        hop.run(&vetted, progress).await
    }

    /// The addresses to connect to for one hop, in the order they are tried.
    async fn find(
        &self,
        request: &ProbeRequest,
        target: &Target,
        pin: Option<&Pin>,
        progress: &mut Progress,
    ) -> Result<Vec<VettedAddr>, StageFailure> {
        let (host, port) = self.place(target);
        if let Some(pin) = pin {
            progress.result.dns = pin.dns.clone();
            progress.result.h3_advert = progress.result.h3_advert.or(pin.h3_advert);
            let vetted = self.vet(&host, port, None, &pin.dns)?;
            return Ok(vetted.into_iter().filter(|v| v.socket_addr().ip() == pin.address).collect());
        }
        let question = Question {
            host: &host,
            family: request.family,
            resolver: request.resolver,
            https: target.scheme == Scheme::Https
                && port == Scheme::Https.default_port()
                && host == target.host,
        };
        let advert = progress.result.h3_advert;
        progress.result.dns = self.addresses(&question, port, progress).await?;
        if !is_same_place(target, &request.target) {
            progress.result.h3_advert = advert;
        }
        self.check_aliases(&progress.result.dns)?;
        self.vet(&host, port, request.family, &progress.result.dns)
    }

    /// Where to connect to for a target: itself, unless a `--connect-to` rule leads elsewhere.
    pub(crate) fn place(&self, target: &Target) -> (Host, Port) {
        let mut rules = self.settings.connect_to.iter();
        rules
            .find_map(|rule| rule.apply(&target.host, target.port))
            .unwrap_or_else(|| (target.host.clone(), target.port))
    }

    /// The addresses of a host: itself, by a rule, or by asking.
    async fn addresses(
        &self,
        question: &Question<'_>,
        port: Port,
        progress: &mut Progress,
    ) -> Result<DnsFacts, StageFailure> {
        let known = match question.host.ip() {
            Some(ip) => Some(vec![ip]),
            None => self
                .settings
                .resolve
                .iter()
                .find(|rule| rule.fits(question.host, port))
                .map(|rule| rule.addresses.clone()),
        };
        if let Some(addresses) = known {
            return Ok(DnsFacts { addresses, ..DnsFacts::default() });
        }
        progress.begin(Stage::Dns);
        let answer = Box::pin(self.names.look_up(question)).await;
        progress.end();
        let answer = answer?;
        progress.result.phases.dns = Some(answer.took);
        if answer.h3 {
            progress.result.h3_advert = Some(H3Advert::HttpsRecord);
        }
        Ok(answer.facts)
    }

    /// A name may lead through one whose owner asked to be left alone, or through our own. That an alias is no public name
    /// does not matter: only the addresses are connected to.
    fn check_aliases(&self, dns: &DnsFacts) -> Result<(), StageFailure> {
        let aliases = dns.cnames.iter().filter_map(|alias| alias.to_ascii_lowercase().parse::<Host>().ok());
        for alias in aliases {
            match self.settings.policy.current().check_host(&alias) {
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
    pub(crate) fn vet(
        &self,
        host: &Host,
        port: Port,
        family: Option<Family>,
        dns: &DnsFacts,
    ) -> Result<Vec<VettedAddr>, StageFailure> {
        let vetted = self.settings.policy.current().vet(host, port, &dns.addresses).map_err(|refusal| {
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

fn as_v6(ip: IpAddr) -> Option<Ipv6Addr> {
    match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => Some(v6),
    }
}

/// Whether two targets are one server: what is said about HTTP/3 is said about a scheme, a host and a port.
fn is_same_place(a: &Target, b: &Target) -> bool {
    (a.scheme, &a.host, a.port) == (b.scheme, &b.host, b.port)
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
