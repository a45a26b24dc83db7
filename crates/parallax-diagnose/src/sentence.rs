//! The words: headlines for visitors, lines for operators. Says what people see, then where; never names a culprit.

use parallax_model::{
    Asn, ConnectFailure, DnsFailure, FailureKind, Host, HttpFailure, NetworkKind, Scope, TlsFailure, Verdict,
};

use crate::observe::{Observation, Observations};
use crate::rules::Ruling;

/// Longest headline, in characters.
const MAX_HEADLINE: usize = 90;
/// A host is never shortened below so many characters.
const LEAST_HOST: usize = 12;
/// A posterior from which a headline says "is" instead of "looks".
const SAYS_IS: f64 = 0.9;

/// The names that sentences use.
pub(crate) struct Names<'a> {
    host: Option<&'a Host>,
    /// Results that say how networks are called.
    usable: &'a [Observation<'a>],
}

impl<'a> Names<'a> {
    pub(crate) fn new(host: Option<&'a Host>, observations: &'a Observations<'_>) -> Self {
        Self { host, usable: &observations.usable }
    }

    /// The site, when it is named.
    pub(crate) fn host(&self) -> Option<&Host> {
        self.host
    }

    /// A headline about the site: `make` gets its name at the start of a sentence.
    pub(crate) fn headline(&self, make: impl Fn(&str) -> String) -> String {
        let Some(host) = self.host else { return cut(make("The site")) };
        let whole = make(host.as_str());
        let over = whole.chars().count().saturating_sub(MAX_HEADLINE);
        if over == 0 {
            return whole;
        }
        // The end of a name says whose it is, so the beginning goes.
        let length = host.as_str().chars().count();
        let keep = length.saturating_sub(over + 1).max(LEAST_HOST.min(length));
        let tail: String = host.as_str().chars().skip(length - keep).collect();
        cut(make(&format!("…{tail}")))
    }

    /// The customers' name for a network.
    pub(crate) fn isp(&self, asn: Asn) -> String {
        let named = self.usable.iter().filter(|o| o.place.asn == Some(asn)).find_map(|o| o.isp);
        named.map_or_else(|| asn.to_string(), |name| name.as_str().to_owned())
    }

    /// What the verdict says to a visitor.
    pub(crate) fn verdict(&self, ruling: &Ruling<'_>, stale: bool) -> String {
        let is = if ruling.confidence.get() >= SAYS_IS { "is" } else { "looks" };
        let everyone = ruling.scopes.iter().any(|scope| scope.all);
        match ruling.verdict {
            Verdict::Up => self.headline(|host| format!("{host} is up everywhere we looked")),
            Verdict::Down => self.headline(|host| format!("{host} {is} down for everyone we asked")),
            Verdict::Flaky => self.headline(flaky),
            Verdict::Degraded if everyone => self.headline(|host| format!("{host} works but is slow")),
            Verdict::Degraded => {
                let who = self.groups(&ruling.scopes);
                self.headline(|host| format!("{host} works but is slow for {who}"))
            }
            Verdict::Blocked if everyone => {
                self.headline(|host| format!("We cannot see {}: it refuses our testers", inside(host)))
            }
            Verdict::Blocked => {
                let who = self.groups(&ruling.scopes);
                self.headline(|host| format!("{host} refuses {who}; elsewhere it works"))
            }
            Verdict::Partial if stale => {
                self.headline(|host| format!("Some people still get {}'s old address", inside(host)))
            }
            Verdict::Partial => self.partial(&ruling.scopes, is),
            Verdict::Unknown => "We cannot tell".to_owned(),
        }
    }

    fn partial(&self, scopes: &[Scope], is: &str) -> String {
        let [scope] = scopes else {
            let who = self.groups(scopes);
            return self.headline(|host| format!("{host} {is} down for some people: {who}"));
        };
        let only = scope.attributes().len() == 1;
        self.headline(|host| match (only, scope) {
            (true, Scope { pop: Some(pop), .. }) => format!("{host} fails through one CDN site: {pop}"),
            (true, Scope { family: Some(family), .. }) => format!("{host} fails over {family} only"),
            (true, Scope { protocol: Some(protocol), .. }) => {
                format!("{host} fails over {} only", protocol.in_words())
            }
            (true, Scope { address: Some(address), .. }) => {
                format!("{host} fails at one of its addresses: {address}")
            }
            _ => format!("{host} {is} down for {}", self.people(scope)),
        })
    }

    fn groups(&self, scopes: &[Scope]) -> String {
        let groups: Vec<String> = scopes.iter().map(|scope| self.people(scope)).collect();
        groups.join(", ")
    }

    /// Who is in a scope, as people: `customers of Example Net in eu-west`.
    pub(crate) fn people(&self, scope: &Scope) -> String {
        let mut text = match (scope.asn, scope.network) {
            (Some(asn), _) => format!("customers of {}", self.isp(asn)),
            (None, Some(NetworkKind::Home)) => "people on home lines".to_owned(),
            (None, Some(NetworkKind::Mobile)) => "people on mobile networks".to_owned(),
            (None, Some(NetworkKind::Hosting)) => "visitors from data centres".to_owned(),
            (None, _) => "people".to_owned(),
        };
        let parts = [
            scope.region.as_ref().map(|region| format!(" in {}", region.in_words())),
            scope.country.as_ref().map(|country| format!(" in {country}")),
            scope.pop.as_ref().map(|pop| format!(" through {pop}")),
            scope.address.map(|address| format!(" sent to {address}")),
            scope.family.map(|family| format!(" over {family}")),
            scope.protocol.map(|protocol| format!(" over {}", protocol.in_words())),
            scope.resolver.as_ref().map(|resolver| format!(" using the resolver {resolver}")),
        ];
        text.extend(parts.into_iter().flatten());
        text
    }
}

fn flaky(host: &str) -> String {
    format!("{host} comes and goes")
}

/// The headline of a site that comes and goes.
pub(crate) fn comes_and_goes(site: &Host) -> String {
    Names { host: Some(site), usable: &[] }.headline(flaky)
}

/// The HTTP status that a visitor would see.
pub(crate) fn shown_status(observation: &Observation<'_>) -> Option<u16> {
    match observation.kind() {
        Some(FailureKind::Http(HttpFailure::Status(code))) => Some(code.get()),
        _ => observation.result.status.map(parallax_model::StatusCode::get),
    }
}

/// What testers see, after a plural subject: `get 502 Bad Gateway`.
pub(crate) fn happens(kind: FailureKind) -> String {
    let text = match kind {
        FailureKind::Http(HttpFailure::Status(code)) => {
            return match code.reason() {
                None => format!("get {code}"),
                Some(reason) => format!("get {code} {reason}"),
            };
        }
        FailureKind::Dns(DnsFailure::Nxdomain) => "find no such name",
        FailureKind::Dns(DnsFailure::Timeout) => "get no answer from the name servers",
        FailureKind::Dns(_) => "cannot look up the name",
        FailureKind::Connect(ConnectFailure::Refused) => "have their connection refused",
        FailureKind::Connect(ConnectFailure::Timeout) => "get no answer when they connect",
        FailureKind::Connect(ConnectFailure::Unreachable) => "find no route to it",
        FailureKind::Tls(TlsFailure::Expired) => "are shown an expired certificate",
        FailureKind::Tls(TlsFailure::NameMismatch) => "are shown another site's certificate",
        FailureKind::Tls(TlsFailure::Reset)
        | FailureKind::Connect(ConnectFailure::Reset)
        | FailureKind::Http(HttpFailure::Reset) => "are cut off",
        FailureKind::Tls(TlsFailure::Timeout | TlsFailure::Handshake) => "cannot agree on a secure line",
        FailureKind::Tls(_) => "cannot trust its certificate",
        FailureKind::Quic(_) => "fail over QUIC",
        FailureKind::Http(HttpFailure::Timeout) => "wait for an answer in vain",
        FailureKind::Http(HttpFailure::RedirectLoop) => "are sent in circles",
        FailureKind::Http(_) => "get an answer that is broken",
        FailureKind::Blocked(parallax_model::BlockedFailure::Challenge) => "are shown a bot check",
        FailureKind::Blocked(parallax_model::BlockedFailure::Legal) => "are shut out for legal reasons",
        FailureKind::Blocked(_) => "are shown a block page",
        FailureKind::Agent(_) => "could not look",
    };
    text.to_owned()
}

/// A kind for operators: the number of a status, else the kind's own word.
pub(crate) fn code(kind: FailureKind) -> String {
    match kind {
        FailureKind::Http(HttpFailure::Status(code)) => code.to_string(),
        other => other.to_string(),
    }
}

/// The name of the site inside a sentence.
pub(crate) fn inside(name: &str) -> &str {
    if name == "The site" { "the site" } else { name }
}

/// At most [`MAX_HEADLINE`] characters.
fn cut(text: String) -> String {
    if text.chars().count() <= MAX_HEADLINE {
        return text;
    }
    let mut short: String = text.chars().take(MAX_HEADLINE - 1).collect();
    short.push('…');
    short
}
