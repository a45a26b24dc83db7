//! What to do about it: for who wants to visit the site, and for who runs it. Chosen by verdict, failure and cause; every line is a
//! message, and what was measured (a VPN, the time left of an old DNS answer) is said as measured.

use parallax_model::{
    CauseKind, ConnectFailure, Diagnosis, DnsFailure, FailureKind, HttpFailure, Scope, TlsFailure, Verdict,
};

use super::board::Board;
use super::{sentence, when};
use crate::say::Lang;

/// Steps for both, and where to read on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Advice {
    pub(crate) visitor: Vec<String>,
    pub(crate) owner: Vec<String>,
    /// Address and title of a guide page.
    pub(crate) learn: Option<(String, String)>,
}

/// Messages for the visitor and for the owner.
type Keys = (Vec<&'static str>, Vec<&'static str>);

/// The advice for what a board shows; `None` while nothing is known.
pub(crate) fn advise(t: Lang, board: &Board) -> Option<Advice> {
    let diagnosis = board.diagnosis.as_ref()?;
    let failure = board.commonest_failure().map(|(kind, _)| kind);
    let (visitor, owner) = keys(diagnosis, failure);
    let texts = |keys: Vec<&'static str>| keys.into_iter().map(|key| t.text(key)).collect();
    let mut advice =
        Advice { visitor: texts(visitor), owner: texts(owner), learn: guide(t, diagnosis, failure) };
    advice.visitor.extend(dns_wait(t, board, diagnosis));
    advice.visitor.extend(vpn(t, board, diagnosis));
    Some(advice)
}

fn keys(diagnosis: &Diagnosis, failure: Option<FailureKind>) -> Keys {
    let (mut visitor, mut owner) = match diagnosis.verdict {
        Verdict::Up => return up(),
        Verdict::Unknown => return (vec!["do-unknown"], vec!["own-unknown"]),
        Verdict::Blocked => return (vec!["do-blocked"], vec!["own-blocked-allow", "own-blocked-rules"]),
        Verdict::Degraded => (vec!["do-slow"], vec!["own-slow"]),
        Verdict::Flaky => (vec!["do-flaky"], vec!["own-flaky"]),
        Verdict::Down => (vec!["do-down"], vec!["own-down"]),
        Verdict::Partial => {
            let (for_visitor, for_owner) = partial(diagnosis.scopes.first());
            (vec![for_visitor], vec![for_owner])
        }
    };
    if let Some((for_visitor, for_owner)) = failure.and_then(by_failure) {
        visitor.push(for_visitor);
        owner.push(for_owner);
    }
    owner.extend(diagnosis.cause.as_ref().and_then(|cause| by_cause(cause.kind)));
    visitor.push("do-contact");
    (visitor, owner)
}

/// What helps whom a site fails for alone, in the order of what costs least.
pub(crate) const ONLY_YOU: [&str; 7] =
    ["only-reload", "only-browser", "only-vpn-off", "only-mobile", "only-router", "only-dns", "only-tell"];

fn up() -> Keys {
    let mut visitor = vec!["do-up"];
    visitor.extend(ONLY_YOU);
    (visitor, vec!["own-up"])
}

fn partial(scope: Option<&Scope>) -> (&'static str, &'static str) {
    let Some(scope) = scope else { return ("do-some", "own-some") };
    if scope.pop.is_some() {
        ("do-pop", "own-pop")
    } else if scope.asn.is_some() {
        ("do-isp", "own-isp")
    } else if scope.family.is_some() {
        ("do-family", "own-family")
    } else if scope.protocol.is_some() {
        ("do-protocol", "own-protocol")
    } else if scope.address.is_some() {
        ("do-address", "own-address")
    } else if scope.resolver.is_some() {
        ("do-resolver", "own-resolver")
    } else {
        ("do-region", "own-region")
    }
}

fn by_failure(kind: FailureKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        FailureKind::Dns(DnsFailure::Nxdomain) => ("do-nxdomain", "own-nxdomain"),
        FailureKind::Dns(DnsFailure::Bogus | DnsFailure::Servfail) => ("do-servfail", "own-servfail"),
        FailureKind::Dns(DnsFailure::Timeout) => ("do-wait", "own-dns-timeout"),
        FailureKind::Connect(ConnectFailure::Refused) => ("do-wait", "own-refused"),
        FailureKind::Connect(ConnectFailure::Reset) => ("do-filter", "own-reset"),
        FailureKind::Connect(_) => ("do-network", "own-connect"),
        FailureKind::Tls(TlsFailure::Reset | TlsFailure::Timeout) => ("do-filter", "own-tls-reset"),
        FailureKind::Tls(TlsFailure::Expired | TlsFailure::NotYetValid) => ("do-expired", "own-expired"),
        FailureKind::Tls(_) => ("do-certificate", "own-certificate"),
        FailureKind::Quic(_) => ("do-protocol", "own-quic"),
        FailureKind::Http(HttpFailure::Status(code)) => match code.get() {
            500 => ("do-later", "own-500"),
            502 => ("do-minute", "own-502"),
            503 => ("do-503", "own-503"),
            504 => ("do-504", "own-504"),
            520..=527 => ("do-wait", "own-52x"),
            429 => ("do-429", "own-429"),
            _ => return None,
        },
        FailureKind::Http(HttpFailure::RedirectLoop) => ("do-loop", "own-loop"),
        FailureKind::Http(_) => ("do-minute", "own-cut"),
        FailureKind::Dns(_) | FailureKind::Blocked(_) | FailureKind::Agent(_) => return None,
    })
}

fn by_cause(kind: CauseKind) -> Option<&'static str> {
    Some(match kind {
        CauseKind::Overload => "own-cause-overload",
        CauseKind::Network => "own-cause-network",
        CauseKind::Firewall => "own-cause-firewall",
        CauseKind::Misconfiguration => "own-cause-misconfiguration",
        CauseKind::DnsChange => "own-cause-dns-change",
        CauseKind::CdnEdge => "own-cause-cdn-edge",
        CauseKind::OriginCrash => "own-cause-origin-crash",
        CauseKind::Maintenance => "own-cause-maintenance",
        CauseKind::Tls => return None,
    })
}

/// How long an old answer may still be given: the longest time left of those whose address is no longer current, else, when the
/// name moved, of those that fail.
fn dns_wait(t: Lang, board: &Board, diagnosis: &Diagnosis) -> Option<String> {
    let moved = diagnosis.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::DnsChange);
    let stale = board.rows.iter().filter(|row| {
        let old = row.result.tie_breakers.address_current == Some(false);
        old || (moved && !row.result.outcome.is_ok())
    });
    let left = stale.filter_map(|row| row.result.dns.ttl_left_s).max()?;
    Some(t.with("do-dns-wait").s("left", when::span(t, u64::from(left) * 1_000_000)).text())
}

/// Whether another way in would help, as the testers measured it: it would where only some networks or places fail.
fn vpn(t: Lang, board: &Board, diagnosis: &Diagnosis) -> Option<String> {
    let works = board.rows.iter().filter(|row| row.result.outcome.is_ok()).count();
    match diagnosis.verdict {
        Verdict::Down => {
            let networks = distinct(board.rows.iter().filter_map(|row| row.vantage.asn));
            Some(t.with("do-vpn-useless").n("networks", networks).text())
        }
        Verdict::Partial if works > 0 => {
            let scope = diagnosis.scopes.first()?;
            let by_place = scope.asn.is_some()
                || scope.region.is_some()
                || scope.country.is_some()
                || scope.pop.is_some()
                || scope.network.is_some();
            let who = sentence::people(t, scope, &sentence::Names::of_rows(&board.rows));
            by_place.then(|| t.with("do-vpn-helps").n("works", works).s("who", who).text())
        }
        _ => None,
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<std::collections::BTreeSet<T>>().len()
}

/// The guide page for what was found.
fn guide(t: Lang, diagnosis: &Diagnosis, failure: Option<FailureKind>) -> Option<(String, String)> {
    let code;
    let slug = match (diagnosis.verdict, failure) {
        (Verdict::Up, _) => "only-you",
        (Verdict::Unknown, _) => return None,
        (Verdict::Blocked, _) => "blocked",
        _ if diagnosis.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::DnsChange) => "dns-change",
        (_, Some(FailureKind::Tls(k))) if !matches!(k, TlsFailure::Reset | TlsFailure::Timeout) => "tls",
        (_, Some(FailureKind::Http(HttpFailure::Status(status)))) => {
            code = status.to_string();
            if !t.has(&format!("learn-{code}-what")) {
                return None;
            }
            &code
        }
        _ => return None,
    };
    Some((format!("{}/learn/{slug}", t.base()), t.text(&format!("learn-{slug}-link"))))
}
