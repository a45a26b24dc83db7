//! Between wire and model, one function a direction and type: what a probe saw here, what is said of it in [`said`]. Absent optional parts are empty strings or zeros on the wire.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use parallax_model as model;
use parallax_model::{
    AgentFailure, BlockedFailure, ConnectFailure, DnsFailure, FailureKind, HttpFailure, Micros, Outcome,
    Party, QuicFailure, StatusCode, TlsFailure, UnixMicros,
};

use crate::WireError;
use crate::v1::types;

mod said;

pub use said::{
    diagnosis_from_wire, diagnosis_to_wire, incident_from_wire, incident_to_wire, scope_from_wire,
    scope_to_wire,
};

/// Both directions between a model vocabulary and the wire enum with the same member names.
macro_rules! wire_words {
    ($to:ident, $from:ident, $model:ident, $wire:ident, { $($member:ident),+ $(,)? }) => {
        pub(crate) const fn $to(word: model::$model) -> types::$wire {
            match word { $(model::$model::$member => types::$wire::$member),+ }
        }

        pub(crate) fn $from(number: i32) -> Option<model::$model> {
            match types::$wire::try_from(number).ok()? {
                types::$wire::Unspecified => None,
                $(types::$wire::$member => Some(model::$model::$member)),+
            }
        }
    };
}

wire_words!(scheme_to_wire, scheme_from_wire, Scheme, Scheme, { Http, Https });
wire_words!(http_version_to_wire, http_version_from_wire, Protocol, Protocol, { H1, H2, H3 });
wire_words!(ip_family_to_wire, ip_family_from_wire, Family, Family, { V4, V6 });
wire_words!(party_to_wire, party_from_wire, Party, Party, { Target, Resolver, AccessNetwork, Agent, Unknown });
wire_words!(layer_to_wire, layer_from_wire, Layer, Layer, { Edge, Gateway, Origin, Middlebox, Unknown });
wire_words!(retry_to_wire, retry_from_wire, RetryOutcome, RetryOutcome, { Ok, Fail });
wire_words!(beacon_to_wire, beacon_from_wire, BeaconState, BeaconState, { Ok, Failed, Untested });
wire_words!(h3_advert_to_wire, h3_advert_from_wire, H3Advert, H3Advert, { AltSvc, HttpsRecord });
wire_words!(network_to_wire, network_from_wire, NetworkKind, NetworkKind, { Home, Mobile, Hosting, Unknown });
wire_words!(continent_to_wire, continent_from_wire, Continent, Continent, {
    Africa, Antarctica, Asia, Europe, NorthAmerica, Oceania, SouthAmerica
});
wire_words!(verdict_to_wire, verdict_from_wire, Verdict, Verdict, { Up, Down, Partial, Degraded, Flaky, Blocked, Unknown });
wire_words!(visitor_to_wire, visitor_from_wire, VisitorVerdict, VisitorVerdict, { JustYou, YourIsp, Affected, NotAffected, Unknown });
wire_words!(cause_to_wire, cause_from_wire, CauseKind, CauseKind, {
    Overload, Network, Firewall, Misconfiguration, DnsChange, Tls, CdnEdge, OriginCrash, Maintenance
});
wire_words!(category_word_to_wire, category_word_from_wire, ReportCategory, ReportCategory, {
    CannotBeFound, TooSlow, ErrorPage, NotSecure, LoadsBroken, LogIn, AppOnly, Payment, Other
});
wire_words!(page_to_wire, page_from_wire, PageKind, PageKind, { DefaultPage, Maintenance, Parked, WrongHost });
wire_words!(disagreement_word_to_wire, disagreement_word_from_wire, Disagreement, Disagreement, { PeopleOnly, TestersOnly });

/// The wire number of a disagreement.
pub const fn disagreement_to_wire(disagreement: model::Disagreement) -> i32 {
    disagreement_word_to_wire(disagreement) as i32
}

/// Reads a disagreement; `None` for one this build does not know.
pub fn disagreement_from_wire(disagreement: i32) -> Option<model::Disagreement> {
    disagreement_word_from_wire(disagreement)
}

/// The wire number of a report category.
pub const fn category_to_wire(category: model::ReportCategory) -> i32 {
    category_word_to_wire(category) as i32
}

/// Reads a report category; `None` for one this build does not know.
pub fn category_from_wire(category: i32) -> Option<model::ReportCategory> {
    category_word_from_wire(category)
}

/// The wire number of an HTTP version.
pub const fn protocol_to_wire(protocol: model::Protocol) -> i32 {
    http_version_to_wire(protocol) as i32
}

/// The wire number of an IP family.
pub const fn family_to_wire(family: model::Family) -> i32 {
    ip_family_to_wire(family) as i32
}

pub(crate) const fn failure_to_wire(kind: FailureKind) -> types::FailureKind {
    use types::FailureKind as W;
    match kind {
        FailureKind::Dns(DnsFailure::Nxdomain) => W::DnsNxdomain,
        FailureKind::Dns(DnsFailure::Nodata) => W::DnsNodata,
        FailureKind::Dns(DnsFailure::Servfail) => W::DnsServfail,
        FailureKind::Dns(DnsFailure::Refused) => W::DnsRefused,
        FailureKind::Dns(DnsFailure::Timeout) => W::DnsTimeout,
        FailureKind::Dns(DnsFailure::Bogus) => W::DnsBogus,
        FailureKind::Dns(DnsFailure::Loop) => W::DnsLoop,
        FailureKind::Connect(ConnectFailure::Refused) => W::ConnectRefused,
        FailureKind::Connect(ConnectFailure::Timeout) => W::ConnectTimeout,
        FailureKind::Connect(ConnectFailure::Unreachable) => W::ConnectUnreachable,
        FailureKind::Connect(ConnectFailure::Reset) => W::ConnectReset,
        FailureKind::Tls(TlsFailure::Expired) => W::TlsExpired,
        FailureKind::Tls(TlsFailure::NotYetValid) => W::TlsNotYetValid,
        FailureKind::Tls(TlsFailure::NameMismatch) => W::TlsNameMismatch,
        FailureKind::Tls(TlsFailure::Untrusted) => W::TlsUntrusted,
        FailureKind::Tls(TlsFailure::SelfSigned) => W::TlsSelfSigned,
        FailureKind::Tls(TlsFailure::Revoked) => W::TlsRevoked,
        FailureKind::Tls(TlsFailure::Handshake) => W::TlsHandshake,
        FailureKind::Tls(TlsFailure::Timeout) => W::TlsTimeout,
        FailureKind::Tls(TlsFailure::Reset) => W::TlsReset,
        FailureKind::Quic(QuicFailure::Timeout) => W::QuicTimeout,
        FailureKind::Quic(QuicFailure::Handshake) => W::QuicHandshake,
        FailureKind::Quic(QuicFailure::Closed) => W::QuicClosed,
        FailureKind::Http(HttpFailure::Status(_)) => W::HttpStatus,
        FailureKind::Http(HttpFailure::Timeout) => W::HttpTimeout,
        FailureKind::Http(HttpFailure::Reset) => W::HttpReset,
        FailureKind::Http(HttpFailure::Protocol) => W::HttpProtocol,
        FailureKind::Http(HttpFailure::TooLarge) => W::HttpTooLarge,
        FailureKind::Http(HttpFailure::RedirectLoop) => W::HttpRedirectLoop,
        FailureKind::Http(HttpFailure::RedirectBlocked) => W::HttpRedirectBlocked,
        FailureKind::Blocked(BlockedFailure::Address) => W::BlockedAddress,
        FailureKind::Blocked(BlockedFailure::Challenge) => W::BlockedChallenge,
        FailureKind::Blocked(BlockedFailure::BlockPage) => W::BlockedBlockPage,
        FailureKind::Blocked(BlockedFailure::Legal) => W::BlockedLegal,
        FailureKind::Agent(AgentFailure::Offline) => W::AgentOffline,
        FailureKind::Agent(AgentFailure::Policy) => W::AgentPolicy,
        FailureKind::Agent(AgentFailure::Overloaded) => W::AgentOverloaded,
    }
}

/// The outcome of a wire failure with its party and status. A failure kind this build does not know is a failure all the same:
/// it is read as `agent-policy` of party unknown, which no verdict counts against a target.
pub(crate) fn outcome_from_wire(
    failure: i32,
    party: i32,
    status: Option<StatusCode>,
) -> Result<Outcome, WireError> {
    use types::FailureKind as W;
    if failure == 0 {
        return Ok(Outcome::Ok);
    }
    let party = party_from_wire(party).unwrap_or(Party::Unknown);
    let kind = match W::try_from(failure).unwrap_or(W::Unspecified) {
        W::Unspecified => {
            let kind = FailureKind::Agent(AgentFailure::Policy);
            return Ok(Outcome::Failed(model::Failure { kind, party: Party::Unknown }));
        }
        W::DnsNxdomain => FailureKind::Dns(DnsFailure::Nxdomain),
        W::DnsNodata => FailureKind::Dns(DnsFailure::Nodata),
        W::DnsServfail => FailureKind::Dns(DnsFailure::Servfail),
        W::DnsRefused => FailureKind::Dns(DnsFailure::Refused),
        W::DnsTimeout => FailureKind::Dns(DnsFailure::Timeout),
        W::DnsBogus => FailureKind::Dns(DnsFailure::Bogus),
        W::DnsLoop => FailureKind::Dns(DnsFailure::Loop),
        W::ConnectRefused => FailureKind::Connect(ConnectFailure::Refused),
        W::ConnectTimeout => FailureKind::Connect(ConnectFailure::Timeout),
        W::ConnectUnreachable => FailureKind::Connect(ConnectFailure::Unreachable),
        W::ConnectReset => FailureKind::Connect(ConnectFailure::Reset),
        W::TlsExpired => FailureKind::Tls(TlsFailure::Expired),
        W::TlsNotYetValid => FailureKind::Tls(TlsFailure::NotYetValid),
        W::TlsNameMismatch => FailureKind::Tls(TlsFailure::NameMismatch),
        W::TlsUntrusted => FailureKind::Tls(TlsFailure::Untrusted),
        W::TlsSelfSigned => FailureKind::Tls(TlsFailure::SelfSigned),
        W::TlsRevoked => FailureKind::Tls(TlsFailure::Revoked),
        W::TlsHandshake => FailureKind::Tls(TlsFailure::Handshake),
        W::TlsTimeout => FailureKind::Tls(TlsFailure::Timeout),
        W::TlsReset => FailureKind::Tls(TlsFailure::Reset),
        W::QuicTimeout => FailureKind::Quic(QuicFailure::Timeout),
        W::QuicHandshake => FailureKind::Quic(QuicFailure::Handshake),
        W::QuicClosed => FailureKind::Quic(QuicFailure::Closed),
        W::HttpStatus => FailureKind::status(status.ok_or(WireError::Missing("status"))?),
        W::HttpTimeout => FailureKind::Http(HttpFailure::Timeout),
        W::HttpReset => FailureKind::Http(HttpFailure::Reset),
        W::HttpProtocol => FailureKind::Http(HttpFailure::Protocol),
        W::HttpTooLarge => FailureKind::Http(HttpFailure::TooLarge),
        W::HttpRedirectLoop => FailureKind::Http(HttpFailure::RedirectLoop),
        W::HttpRedirectBlocked => FailureKind::Http(HttpFailure::RedirectBlocked),
        W::BlockedAddress => FailureKind::Blocked(BlockedFailure::Address),
        W::BlockedChallenge => FailureKind::Blocked(BlockedFailure::Challenge),
        W::BlockedBlockPage => FailureKind::Blocked(BlockedFailure::BlockPage),
        W::BlockedLegal => FailureKind::Blocked(BlockedFailure::Legal),
        W::AgentOffline => FailureKind::Agent(AgentFailure::Offline),
        W::AgentPolicy => FailureKind::Agent(AgentFailure::Policy),
        W::AgentOverloaded => FailureKind::Agent(AgentFailure::Overloaded),
    };
    Ok(Outcome::Failed(model::Failure { kind, party }))
}

pub(crate) fn status_from_wire(status: u32) -> Result<Option<StatusCode>, WireError> {
    if status == 0 {
        return Ok(None);
    }
    let code = u16::try_from(status).map_err(|_| WireError::invalid("status", status))?;
    StatusCode::new(code).map(Some).map_err(|e| WireError::invalid("status", e))
}

/// Four or sixteen bytes, network order.
pub fn address_to_wire(ip: IpAddr) -> Bytes {
    match ip {
        IpAddr::V4(v4) => Bytes::copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => Bytes::copy_from_slice(&v6.octets()),
    }
}

/// Reads 4 or 16 bytes; no bytes are no address.
pub fn address_from_wire(field: &'static str, bytes: &[u8]) -> Result<Option<IpAddr>, WireError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(Some(IpAddr::from(v4)));
    }
    let v6 = <[u8; 16]>::try_from(bytes).map_err(|_| {
        WireError::invalid(field, format_args!("an address has 4 or 16 bytes, got {}", bytes.len()))
    })?;
    Ok(Some(IpAddr::from(v6)))
}

/// Reads the 16 bytes of a check's id.
pub fn check_id_from_wire(bytes: &[u8]) -> Result<model::CheckId, WireError> {
    let id =
        <[u8; 16]>::try_from(bytes).map_err(|_| WireError::invalid("check_id", "a check id has 16 bytes"))?;
    Ok(model::CheckId(u128::from_be_bytes(id)))
}

/// Writes a target.
pub fn target_to_wire(target: &model::Target) -> types::Target {
    types::Target {
        scheme: scheme_to_wire(target.scheme) as i32,
        host: target.host.as_str().to_owned(),
        port: u32::from(target.port.get()),
        path: target.path.as_str().to_owned(),
    }
}

/// Reads a target; its shape is checked, not whether it may be probed.
pub fn target_from_wire(target: Option<&types::Target>) -> Result<model::Target, WireError> {
    let target = target.ok_or(WireError::Missing("target"))?;
    let port = u16::try_from(target.port).ok().and_then(model::Port::new);
    Ok(model::Target {
        scheme: scheme_from_wire(target.scheme).ok_or(WireError::Missing("target.scheme"))?,
        host: target.host.parse().map_err(|e| WireError::invalid("target.host", e))?,
        port: port.ok_or_else(|| WireError::invalid("target.port", target.port))?,
        path: target.path.parse().map_err(|e| WireError::invalid("target.path", e))?,
    })
}

/// Writes a vantage.
pub fn vantage_to_wire(vantage: &model::Vantage) -> types::Vantage {
    let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
    types::Vantage {
        continent: vantage.continent.map_or(0, |c| continent_to_wire(c) as i32),
        region: text(vantage.region.as_ref().map(model::Region::as_str)),
        country: text(vantage.country.as_ref().map(model::Country::as_str)),
        city: text(vantage.city.as_deref()),
        asn: vantage.asn.map_or(0, |a| a.0),
        isp: text(vantage.isp.as_ref().map(model::IspName::as_str)),
        network: network_to_wire(vantage.network) as i32,
        families: vantage.families.iter().map(|f| family_to_wire(*f)).collect(),
    }
}

/// Reads a vantage; what is not known stays unknown.
pub fn vantage_from_wire(vantage: &types::Vantage) -> Result<model::Vantage, WireError> {
    Ok(model::Vantage {
        continent: continent_from_wire(vantage.continent),
        region: optional("vantage.region", &vantage.region)?,
        country: optional("vantage.country", &vantage.country)?,
        city: city_from_wire(&vantage.city),
        asn: (vantage.asn != 0).then_some(model::Asn(vantage.asn)),
        isp: optional("vantage.isp", &unturned(&vantage.isp))?,
        network: network_from_wire(vantage.network).unwrap_or_default(),
        families: families_from_wire(&vantage.families),
    })
}

/// A city is what an operator declared: cut, and without what moves a cursor.
fn city_from_wire(city: &str) -> Option<String> {
    let plain = unturned(city);
    let shown = plain.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    (!city.is_empty()).then(|| shown.collect())
}

fn families_from_wire(numbers: &[i32]) -> Vec<model::Family> {
    let mut families = Vec::new();
    for family in numbers.iter().filter_map(|number| ip_family_from_wire(*number)) {
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families
}

/// An empty text is nothing; anything else must parse.
fn optional<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, WireError> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|e| WireError::invalid(field, e)) }
}

/// Writes an emitter.
pub fn emitter_to_wire(emitter: &model::Emitter) -> types::Emitter {
    types::Emitter {
        name: emitter.name.as_ref().to_owned(),
        layer: layer_to_wire(emitter.layer) as i32,
        pop: emitter.pop.as_ref().map(|p| p.as_str().to_owned()).unwrap_or_default(),
        via: emitter.via.iter().map(|v| v.as_ref().to_owned()).collect(),
    }
}

pub(crate) fn emitter_from_wire(emitter: &types::Emitter) -> Result<model::Emitter, WireError> {
    Ok(model::Emitter {
        name: short("emitter.name", &emitter.name)?,
        layer: layer_from_wire(emitter.layer).unwrap_or(model::Layer::Unknown),
        pop: optional("emitter.pop", &emitter.pop)?,
        via: texts("emitter.via", &emitter.via)?,
    })
}

/// Longest text from an agent, in bytes; what strangers control (headers, certificate names) ends up in such texts.
const MAX_TEXT_BYTES: usize = 255;
/// Most texts in one list.
const MAX_TEXTS: usize = 16;

/// What turns the reading direction or breaks a line (UAX 9, 3.1) becomes U+FFFD. A stranger may have put it there, a certificate's
/// subject for one, so it is shown rather than refused.
fn unturned(text: &str) -> Cow<'_, str> {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(turns) { text.replace(turns, "\u{fffd}").into() } else { text.into() }
}

/// A text of bounded length without control characters.
fn short(field: &'static str, text: &str) -> Result<Arc<str>, WireError> {
    let text = unturned(text);
    if text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
        return Err(WireError::invalid(field, "longer than 255 bytes, or with control characters"));
    }
    Ok(text.as_ref().into())
}

fn texts(field: &'static str, list: &[String]) -> Result<Vec<Arc<str>>, WireError> {
    if list.len() > MAX_TEXTS {
        return Err(WireError::invalid(field, format_args!("more than {MAX_TEXTS} entries")));
    }
    list.iter().map(|t| short(field, t)).collect()
}

pub(crate) fn dns_to_wire(dns: &model::DnsFacts) -> types::DnsFacts {
    types::DnsFacts {
        addresses: dns.addresses.iter().map(|a| address_to_wire(*a)).collect(),
        cnames: dns.cnames.iter().map(|c| c.as_ref().to_owned()).collect(),
        resolver: dns.resolver.as_deref().unwrap_or_default().to_owned(),
    }
}

pub(crate) fn dns_from_wire(
    dns: &types::DnsFacts,
    ttl_left_s: Option<u32>,
) -> Result<model::DnsFacts, WireError> {
    if dns.addresses.len() > model::MAX_ADDRESSES {
        return Err(WireError::invalid("dns.addresses", "more than 32"));
    }
    let addresses: Result<Vec<_>, _> =
        dns.addresses.iter().map(|a| address_from_wire("dns.addresses", a)).collect();
    Ok(model::DnsFacts {
        addresses: addresses?.into_iter().flatten().collect(),
        cnames: texts("dns.cnames", &dns.cnames)?,
        ttl_left_s,
        resolver: if dns.resolver.is_empty() { None } else { Some(short("dns.resolver", &dns.resolver)?) },
    })
}

pub(crate) fn tls_to_wire(tls: &model::TlsFacts) -> types::TlsFacts {
    types::TlsFacts {
        version: tls.version.as_ref().to_owned(),
        alpn: tls.alpn.as_deref().unwrap_or_default().to_owned(),
        subject: tls.subject.as_ref().to_owned(),
        issuer: tls.issuer.as_ref().to_owned(),
        not_after_us: tls.not_after.0,
        names: tls.names.iter().map(|n| n.as_ref().to_owned()).collect(),
    }
}

pub(crate) fn tls_from_wire(tls: &types::TlsFacts) -> Result<model::TlsFacts, WireError> {
    Ok(model::TlsFacts {
        version: short("tls.version", &tls.version)?,
        alpn: if tls.alpn.is_empty() { None } else { Some(short("tls.alpn", &tls.alpn)?) },
        subject: short("tls.subject", &tls.subject)?,
        issuer: short("tls.issuer", &tls.issuer)?,
        not_after: UnixMicros(tls.not_after_us),
        names: texts("tls.names", &tls.names)?,
    })
}

pub(crate) fn body_to_wire(body: &model::BodyFacts) -> types::BodyFacts {
    types::BodyFacts {
        length: body.length,
        sha256: body.sha256.map(|hash| Bytes::copy_from_slice(&hash)).unwrap_or_default(),
        truncated: body.truncated,
        page: body.page.map_or(0, |page| page_to_wire(page) as i32),
    }
}

/// Most bytes of a body that a probe reads.
pub(crate) const MAX_BODY_BYTES: u32 = 65_536;

pub(crate) fn body_from_wire(body: &types::BodyFacts) -> Result<model::BodyFacts, WireError> {
    if body.length > MAX_BODY_BYTES {
        return Err(WireError::invalid("body.length", format_args!("more than {MAX_BODY_BYTES}")));
    }
    let sha256 = match body.sha256.as_ref() {
        [] => None,
        hash => {
            Some(hash.try_into().map_err(|_| WireError::invalid("body.sha256", "needs 32 bytes, or none"))?)
        }
    };
    let page = page_from_wire(body.page);
    Ok(model::BodyFacts { length: body.length, sha256, truncated: body.truncated, page })
}

pub(crate) fn redirects_to_wire(redirects: &[model::Redirect]) -> Vec<types::Redirect> {
    let one = |r: &model::Redirect| types::Redirect {
        status: u32::from(r.status.get()),
        to: Some(target_to_wire(&r.to)),
    };
    redirects.iter().map(one).collect()
}

pub(crate) fn redirects_from_wire(redirects: &[types::Redirect]) -> Result<Vec<model::Redirect>, WireError> {
    if redirects.len() > model::MAX_REDIRECTS {
        return Err(WireError::invalid("redirects", "more than 5"));
    }
    let one = |r: &types::Redirect| {
        let status = status_from_wire(r.status)?.ok_or(WireError::Missing("redirects.status"))?;
        Ok(model::Redirect { status, to: target_from_wire(r.to.as_ref())? })
    };
    redirects.iter().map(one).collect()
}

pub(crate) fn tie_breakers_to_wire(ties: &model::TieBreakers) -> types::TieBreakers {
    types::TieBreakers {
        address_current: ties.address_current,
        soa_serial: ties.soa_serial,
        other_address: ties.other_address.map(address_to_wire).unwrap_or_default(),
        other_family_ok: ties.other_family_ok,
        without_h3_ok: ties.without_h3_ok,
        static_ok: ties.static_ok,
        other_port_open: ties.other_port_open,
    }
}

pub(crate) fn tie_breakers_from_wire(ties: &types::TieBreakers) -> Result<model::TieBreakers, WireError> {
    Ok(model::TieBreakers {
        address_current: ties.address_current,
        soa_serial: ties.soa_serial,
        other_address: address_from_wire("tie_breakers.other_address", &ties.other_address)?,
        other_family_ok: ties.other_family_ok,
        without_h3_ok: ties.without_h3_ok,
        static_ok: ties.static_ok,
        other_port_open: ties.other_port_open,
    })
}

/// Reads a detail text: bounded, without control characters; empty is none.
pub(crate) fn detail_from_wire(detail: &str) -> Result<Option<Arc<str>>, WireError> {
    if detail.len() > model::MAX_DETAIL_BYTES {
        return Err(WireError::invalid(
            "detail",
            format_args!("longer than {} bytes", model::MAX_DETAIL_BYTES),
        ));
    }
    if detail.is_empty() { Ok(None) } else { short("detail", detail).map(Some) }
}

/// Writes one result as one message, for readers of the public API. The check's id is left out: the reader asked with it.
pub fn result_to_wire(result: &model::ProbeResult) -> types::ProbeResult {
    let (failure, party) = match result.outcome {
        Outcome::Ok => (0, 0),
        Outcome::Failed(f) => (failure_to_wire(f.kind) as i32, party_to_wire(f.party) as i32),
    };
    let us = |m: Option<Micros>| m.map(|m| m.0);
    let p = result.phases;
    types::ProbeResult {
        target: Some(target_to_wire(&result.target)),
        started_at_us: result.started_at.0,
        failure,
        party,
        status: result.status.map_or(0, |s| u32::from(s.get())),
        phases: Some(types::Phases {
            dns_us: us(p.dns),
            connect_us: us(p.connect),
            tls_us: us(p.tls),
            first_byte_us: us(p.first_byte),
            body_us: us(p.body),
            total_us: p.total.0,
        }),
        address: result.address.map(address_to_wire).unwrap_or_default(),
        family: result.family.map_or(0, family_to_wire),
        protocol: result.protocol.map_or(0, protocol_to_wire),
        emitter: result.emitter.as_ref().map(emitter_to_wire),
        dns: Some(dns_to_wire(&result.dns)),
        ttl_left_s: result.dns.ttl_left_s,
        tls: result.tls.as_ref().map(tls_to_wire),
        body: result.body.as_ref().map(body_to_wire),
        redirects: redirects_to_wire(&result.redirects),
        retry_after_s: result.retry_after_s,
        retry: result.retry.map_or(0, |r| retry_to_wire(r) as i32),
        beacon: beacon_to_wire(result.beacon) as i32,
        detail: result.detail.as_deref().unwrap_or_default().to_owned(),
        h3_advert: result.h3_advert.map_or(0, |a| h3_advert_to_wire(a) as i32),
        tie_breakers: (result.tie_breakers != model::TieBreakers::default())
            .then(|| tie_breakers_to_wire(&result.tie_breakers)),
    }
}

/// Reads one result.
pub fn result_from_wire(r: &types::ProbeResult) -> Result<model::ProbeResult, WireError> {
    let status = status_from_wire(r.status)?;
    let p = r.phases.unwrap_or_default();
    let us = |v: Option<u32>| v.map(Micros);
    Ok(model::ProbeResult {
        target: target_from_wire(r.target.as_ref())?,
        check: None,
        started_at: UnixMicros(r.started_at_us),
        outcome: outcome_from_wire(r.failure, r.party, status)?,
        status,
        phases: model::Phases {
            dns: us(p.dns_us),
            connect: us(p.connect_us),
            tls: us(p.tls_us),
            first_byte: us(p.first_byte_us),
            body: us(p.body_us),
            total: Micros(p.total_us),
        },
        address: address_from_wire("address", &r.address)?,
        family: ip_family_from_wire(r.family),
        protocol: http_version_from_wire(r.protocol),
        emitter: r.emitter.as_ref().map(emitter_from_wire).transpose()?,
        dns: r.dns.as_ref().map(|d| dns_from_wire(d, r.ttl_left_s)).transpose()?.unwrap_or_default(),
        tls: r.tls.as_ref().map(tls_from_wire).transpose()?,
        body: r.body.as_ref().map(body_from_wire).transpose()?,
        redirects: redirects_from_wire(&r.redirects)?,
        retry_after_s: r.retry_after_s,
        retry: retry_from_wire(r.retry),
        beacon: beacon_from_wire(r.beacon).unwrap_or(model::BeaconState::Untested),
        h3_advert: h3_advert_from_wire(r.h3_advert),
        tie_breakers: r.tie_breakers.as_ref().map(tie_breakers_from_wire).transpose()?.unwrap_or_default(),
        detail: detail_from_wire(&r.detail)?,
    })
}
