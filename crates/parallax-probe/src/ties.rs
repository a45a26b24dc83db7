//! Tie-breakers: what else is asked once a failure is confirmed, to tell apart causes that look alike.
//!
//! Which questions a kind of failure deserves stands in [`TABLE`]; [`choose`] picks those that can be asked here, at most
//! [`MAX_EXTRA_REQUESTS`] of them to the site itself; the rest of the file asks them, all at once and within [`TIES_DEADLINE`].
//! Nobody outside can ask for one: they follow from what was seen, and go through the policy as every probe does.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parallax_model::{
    ConnectFailure, DnsFacts, DnsFailure, FailureKind, Family, Host, HttpFailure, Outcome, Party, Path, Port,
    ProbeResult, Scheme, Target, TieBreakers, UnixMicros,
};
use tokio::time::Instant;

use crate::connect::{MAX_CONNECT_TRIES, connect};
use crate::dns::{PublicResolver, Question, ResolverChoice};
use crate::progress::{Progress, StageFailure};
use crate::{ProbeRequest, Prober};

#[cfg(test)]
mod tests;

/// Most extra requests or connections to a site after one failure.
pub const MAX_EXTRA_REQUESTS: usize = 2;
/// How long all questions after one failure may take together; an answer that comes later counts as none.
pub const TIES_DEADLINE: Duration = Duration::from_secs(5);
/// A path that needs no application: nearly every site answers it, be it with 404, and nobody minds a robot that asks for it.
const STATIC_PATH: &str = "/robots.txt";

/// What a failure looks like, as far as the choice of questions goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symptom {
    /// The name lookup failed.
    Lookup,
    /// Nobody answered the TCP connection.
    ConnectSilent,
    /// The TCP connection was refused, cut or had no way.
    ConnectFailed,
    /// The TLS handshake failed.
    Tls,
    /// HTTP/3 failed.
    Quic,
    /// A gateway or an origin answered 500, 502, 503 or 504.
    ServerError,
    /// Another 5xx.
    OtherServerError,
    /// The exchange broke off or took too long.
    Exchange,
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// The zone's own servers: is the address still given?
    Authority,
    /// Another address of the name, of the same family where there is one, else of the other.
    AnotherAddress,
    /// The same without HTTP/3.
    WithoutH3,
    /// A path that needs no application.
    StaticPath,
    /// The other usual port.
    OtherPort,
    /// Another resolver.
    AnotherResolver,
}

/// What is asked after which failure, the most telling first.
const TABLE: [(Symptom, &[Ask]); 8] = [
    (Symptom::Lookup, &[Ask::AnotherResolver]),
    (Symptom::ConnectSilent, &[Ask::Authority, Ask::AnotherAddress, Ask::OtherPort]),
    (Symptom::ConnectFailed, &[Ask::Authority, Ask::AnotherAddress]),
    (Symptom::Tls, &[Ask::Authority, Ask::AnotherAddress]),
    (Symptom::Quic, &[Ask::WithoutH3]),
    (Symptom::ServerError, &[Ask::Authority, Ask::StaticPath, Ask::AnotherAddress]),
    (Symptom::OtherServerError, &[Ask::Authority, Ask::AnotherAddress]),
    (Symptom::Exchange, &[Ask::Authority, Ask::AnotherAddress]),
];

impl Symptom {
    /// `None` where no further question would tell anything.
    fn of(kind: FailureKind) -> Option<Self> {
        Some(match kind {
            FailureKind::Dns(DnsFailure::Bogus | DnsFailure::Loop) => return None,
            FailureKind::Dns(_) => Self::Lookup,
            FailureKind::Connect(ConnectFailure::Timeout) => Self::ConnectSilent,
            FailureKind::Connect(_) => Self::ConnectFailed,
            FailureKind::Tls(_) => Self::Tls,
            FailureKind::Quic(_) => Self::Quic,
            FailureKind::Http(HttpFailure::Status(code)) => match code.get() {
                500 | 502 | 503 | 504 => Self::ServerError,
                505.. => Self::OtherServerError,
                _ => return None,
            },
            FailureKind::Http(HttpFailure::Timeout | HttpFailure::Reset | HttpFailure::Protocol) => {
                Self::Exchange
            }
            FailureKind::Http(_) | FailureKind::Blocked(_) | FailureKind::Agent(_) => return None,
        })
    }
}

/// A confirmed failure, as far as it decides what else is asked.
#[derive(Debug, Clone, Copy)]
struct Confirmed<'a> {
    kind: FailureKind,
    /// The target that failed: of several hops the last.
    target: &'a Target,
    /// The address that was connected to.
    used: Option<IpAddr>,
    /// All addresses of the name that are known.
    addresses: &'a [IpAddr],
    /// Whether a resolver gave them.
    resolved: bool,
    /// The family that was asked for.
    asked: Option<Family>,
    /// A resolver for a second opinion.
    second: Option<PublicResolver>,
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tie {
    Authority(IpAddr),
    Address(IpAddr),
    Family(Family),
    WithoutH3,
    StaticPath,
    OtherPort(IpAddr, Port),
    Resolver(PublicResolver),
}

impl Tie {
    /// Whether the site itself gets a request or a connection.
    const fn reaches_the_site(self) -> bool {
        !matches!(self, Self::Authority(_) | Self::Resolver(_))
    }
}

/// The questions that are asked, in the order of the table.
fn choose(seen: &Confirmed<'_>) -> Vec<Tie> {
    let row = Symptom::of(seen.kind).and_then(|symptom| TABLE.iter().find(|(of, _)| *of == symptom));
    let mut requests = 0;
    row.map_or(&[][..], |(_, asks)| asks)
        .iter()
        .filter_map(|ask| seen.tie(*ask))
        .filter(|tie| {
            requests += usize::from(tie.reaches_the_site());
            !tie.reaches_the_site() || requests <= MAX_EXTRA_REQUESTS
        })
        .collect()
}

impl Confirmed<'_> {
    /// The question as it can be asked here; `None` where it cannot.
    fn tie(&self, ask: Ask) -> Option<Tie> {
        match ask {
            Ask::Authority => self.used.filter(|_| self.resolved).map(Tie::Authority),
            Ask::AnotherAddress => self.another_address(),
            Ask::WithoutH3 => Some(Tie::WithoutH3),
            Ask::StaticPath => (self.target.path.as_str() != STATIC_PATH).then_some(Tie::StaticPath),
            Ask::OtherPort => {
                let (http, https) = (Scheme::Http.default_port(), Scheme::Https.default_port());
                let port = self.target.port;
                let other = [(http, https), (https, http)].into_iter().find(|(own, _)| *own == port)?.1;
                self.used.map(|used| Tie::OtherPort(used, other))
            }
            Ask::AnotherResolver => self.second.map(Tie::Resolver),
        }
    }

    /// A failed connection was tried at every known address up to [`MAX_CONNECT_TRIES`]; any later failure at one only.
    fn another_address(&self) -> Option<Tie> {
        let used = self.used?;
        let other_family = match Family::of(used) {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        };
        let by_name = self.resolved && self.asked.is_some();
        if matches!(self.kind, FailureKind::Connect(_)) {
            let untried = self.addresses.len() > MAX_CONNECT_TRIES;
            let last = self.addresses.last().filter(|last| untried && **last != used);
            return last.copied().map(Tie::Address).or_else(|| by_name.then_some(Tie::Family(other_family)));
        }
        let mut others = self.addresses.iter().copied().filter(|ip| *ip != used);
        let same_family = others.clone().find(|ip| Family::of(*ip) != other_family);
        let other = others.any(|ip| Family::of(ip) == other_family);
        same_family.map(Tie::Address).or_else(|| (other || by_name).then_some(Tie::Family(other_family)))
    }
}

/// What the questions had for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Answers {
    pub(crate) ties: TieBreakers,
    /// Whose failure a failed name lookup is, where another resolver told.
    pub(crate) lookup: Option<Party>,
}

impl Prober {
    /// Asks what a confirmed failure deserves.
    pub(crate) async fn break_ties(&self, request: &ProbeRequest, result: &ProbeResult) -> Answers {
        let mut answers = Answers::default();
        let Outcome::Failed(failure) = result.outcome else { return answers };
        let target = result.redirects.last().map_or(&result.target, |redirect| &redirect.to);
        let (host, _) = self.place(target);
        let seen = Confirmed {
            kind: failure.kind,
            target,
            used: result.address,
            addresses: &result.dns.addresses,
            resolved: result.dns.resolver.is_some(),
            asked: request.family,
            second: self.second_opinion(request, &host),
        };
        let until = Instant::now() + TIES_DEADLINE;
        let tie = Asked {
            request,
            target,
            host: &host,
            dns: &result.dns,
            kind: failure.kind,
            used: result.address,
            at_a_pop: result.emitter.as_ref().is_some_and(|emitter| emitter.pop.is_some()),
        };
        let mut asking: FuturesUnordered<_> = choose(&seen)
            .into_iter()
            .map(|question| async move {
                let part = tokio::time::timeout_at(until, Box::pin(self.ask_tie(question, &tie))).await;
                part.unwrap_or_else(|_| too_late(question))
            })
            .collect();
        while let Some(part) = asking.next().await {
            part.add_to(&mut answers);
        }
        answers
    }

    /// Who is asked for a second opinion about a name: nobody, where a public resolver was asked already.
    fn second_opinion(&self, request: &ProbeRequest, host: &Host) -> Option<PublicResolver> {
        let own = request.resolver == ResolverChoice::Own && host.ip().is_none();
        if own { self.names.second_opinion(host) } else { None }
    }

    async fn ask_tie(&self, question: Tie, about: &Asked<'_>) -> Part {
        match question {
            Tie::Authority(used) => self.ask_the_zone(used, about).await,
            Tie::Address(ip) => {
                let request = about.request_again(about.target.clone());
                let works = self.probe_address(&request, ip).await.outcome.is_ok();
                if works { Part::OtherAddress(ip) } else { Part::Nothing }
            }
            Tie::Family(family) => {
                let request =
                    ProbeRequest { family: Some(family), ..about.request_again(about.target.clone()) };
                Part::of_family(self.probe_first_hop(&request).await.outcome)
            }
            Tie::WithoutH3 => {
                let family = about.used.map(Family::of);
                let request = ProbeRequest { family, ..ProbeRequest::new(about.target.clone()) };
                let answered = self.probe_first_hop(&request).await.status.is_some();
                Part::WithoutH3(answered)
            }
            Tie::StaticPath => {
                let Ok(path) = STATIC_PATH.parse::<Path>() else { return Part::Nothing };
                let request = about.request_again(Target { path, ..about.target.clone() });
                let status = self.probe_first_hop(&request).await.status;
                Part::StaticPath(status.is_some_and(|status| status.get() < 500))
            }
            Tie::OtherPort(ip, port) => self.port_opens(ip, port, about).await,
            Tie::Resolver(which) => self.ask_another(which, about).await,
        }
    }

    async fn ask_the_zone(&self, used: IpAddr, about: &Asked<'_>) -> Part {
        match self.authority(about.host, Family::of(used)).await {
            Ok(zone) => {
                let current = zone.still_gives(used, about.dns);
                // A place of a CDN that wrote its name on the answer is one of many, and which one is given depends on who asks.
                let current = current.filter(|current| *current || !about.at_a_pop);
                Part::Authority { current, serial: zone.serial }
            }
            Err(_) => Part::Nothing,
        }
    }

    /// Whether a TCP connection to another port stands. It is closed at once.
    async fn port_opens(&self, ip: IpAddr, port: Port, about: &Asked<'_>) -> Part {
        let (host, port) = self.place(&Target { port, ..about.target.clone() });
        let dns = DnsFacts { addresses: vec![ip], ..about.dns.clone() };
        let Ok(vetted) = self.vet(&host, port, Some(Family::of(ip)), &dns) else { return Part::Nothing };
        let mut progress = Progress::new(about.request, UnixMicros::default());
        Part::OtherPort(connect(&vetted, &self.settings, &mut progress).await.is_ok())
    }

    async fn ask_another(&self, which: PublicResolver, about: &Asked<'_>) -> Part {
        let question = Question {
            host: about.host,
            family: about.request.family,
            resolver: ResolverChoice::Public(which),
            https: false,
        };
        let answer = self.names.look_up(&question).await;
        lookup_party(answer.map(drop)).map_or(Part::Nothing, Part::Lookup)
    }
}

/// What the questions are about.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    request: &'a ProbeRequest,
    target: &'a Target,
    /// The host that was connected to.
    host: &'a Host,
    dns: &'a DnsFacts,
    kind: FailureKind,
    used: Option<IpAddr>,
    /// Whether the answer names the CDN's place it came from.
    at_a_pop: bool,
}

impl Asked<'_> {
    /// The same request for a target of the same site; HTTP/3 is not insisted on.
    fn request_again(&self, target: Target) -> ProbeRequest {
        let quic = matches!(self.kind, FailureKind::Quic(_));
        let protocol = if quic { None } else { self.request.protocol };
        ProbeRequest { target, protocol, check: None, ..self.request.clone() }
    }
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Authority { current: Option<bool>, serial: Option<u32> },
    OtherAddress(IpAddr),
    OtherFamily(bool),
    WithoutH3(bool),
    StaticPath(bool),
    OtherPort(bool),
    Lookup(Party),
}

impl Part {
    /// That the name has no address of the other family, or this machine has no way there, says nothing about the site.
    fn of_family(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::OtherFamily(true),
            Outcome::Failed(failure) => match (failure.kind, failure.party) {
                (FailureKind::Dns(_) | FailureKind::Agent(_), _)
                | (_, Party::AccessNetwork | Party::Agent) => Self::Nothing,
                _ => Self::OtherFamily(false),
            },
        }
    }

    fn add_to(self, answers: &mut Answers) {
        let ties = &mut answers.ties;
        match self {
            Self::Nothing => {}
            Self::Authority { current, serial } => {
                ties.address_current = current;
                ties.soa_serial = serial;
            }
            Self::OtherAddress(ip) => ties.other_address = Some(ip),
            Self::OtherFamily(ok) => ties.other_family_ok = Some(ok),
            Self::WithoutH3(ok) => ties.without_h3_ok = Some(ok),
            Self::StaticPath(ok) => ties.static_ok = Some(ok),
            Self::OtherPort(open) => ties.other_port_open = Some(open),
            Self::Lookup(party) => answers.lookup = Some(party),
        }
    }
}

/// What silence until the deadline says.
const fn too_late(question: Tie) -> Part {
    match question {
        Tie::Authority(_) | Tie::Address(_) | Tie::Resolver(_) => Part::Nothing,
        Tie::Family(_) => Part::OtherFamily(false),
        Tie::WithoutH3 => Part::WithoutH3(false),
        Tie::StaticPath => Part::StaticPath(false),
        Tie::OtherPort(..) => Part::OtherPort(false),
    }
}

/// Whose failure a lookup is that failed at the own resolver, by how another one fared:
///
/// 1. It has addresses: the own resolver's.
/// 2. It knows of no such name or address, or cannot find out either: the zone's, thus the target's.
/// 3. It refuses or says nothing: not told.
fn lookup_party(elsewhere: Result<(), StageFailure>) -> Option<Party> {
    match elsewhere.map_err(|failed| failed.failure.kind) {
        Ok(()) => Some(Party::Resolver),
        Err(FailureKind::Dns(DnsFailure::Refused | DnsFailure::Timeout)) => None,
        Err(FailureKind::Dns(_)) => Some(Party::Target),
        Err(_) => None,
    }
}
