//! What to do about it: for who wants to visit the site, and for who runs it. Chosen by verdict, failure and cause.

use parallax_model::{
    CauseKind, ConnectFailure, Diagnosis, DnsFailure, FailureKind, HttpFailure, Scope, TlsFailure, Verdict,
};
use serde::Serialize;

/// Steps for both, and where to read on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Advice {
    pub(crate) visitor: Vec<&'static str>,
    pub(crate) owner: Vec<&'static str>,
    /// Address and title of a guide page.
    pub(crate) learn: Option<(&'static str, &'static str)>,
}

/// The advice for a diagnosis whose testers mostly meet `failure`.
pub(crate) fn advise(diagnosis: &Diagnosis, failure: Option<FailureKind>) -> Advice {
    let (visitor, owner) = match diagnosis.verdict {
        Verdict::Up => return up(),
        Verdict::Unknown => return unknown(),
        Verdict::Blocked => return blocked(),
        Verdict::Degraded => (
            vec!["Give it time; do not press twice when paying."],
            vec!["Look at the slow phase in the timings below: it says where to begin."],
        ),
        Verdict::Flaky => (
            vec!["Retry after a minute."],
            vec![
                "Look for one bad backend behind the balancer, a restart loop, or a limit reached at peaks.",
            ],
        ),
        Verdict::Down => (
            vec!["It is not you. Waiting is all that helps."],
            vec![
                "Everybody fails the same way: look at the shared parts first (origin, DNS, certificate, account).",
            ],
        ),
        Verdict::Partial => partial(diagnosis.scopes.first()),
    };
    let mut advice = Advice { visitor, owner, learn: failure.and_then(guide) };
    if let Some((for_visitor, for_owner)) = failure.and_then(by_failure) {
        advice.visitor.push(for_visitor);
        advice.owner.push(for_owner);
    }
    if let Some(for_owner) = diagnosis.cause.as_ref().and_then(|cause| by_cause(cause.kind)) {
        advice.owner.push(for_owner);
    }
    advice
}

fn up() -> Advice {
    Advice {
        visitor: vec![
            "If it fails for you, it may be only you. In this order: reload without cache; another browser or a private window; \
             VPN, proxy and ad blocker off; mobile data; restart the router; another DNS resolver.",
            "Tell us what you see: the buttons on the site’s page are there for that.",
        ],
        owner: vec!["Nothing to do. Recent trouble is on the site’s page."],
        learn: None,
    }
}

fn unknown() -> Advice {
    Advice {
        visitor: vec!["Try again in a minute. What is missing is listed below."],
        owner: vec!["We make no guess about your site. The single results below may still help."],
        learn: None,
    }
}

fn blocked() -> Advice {
    Advice {
        visitor: vec!["This is not an outage. Open it yourself, and tell us what you get."],
        owner: vec![
            "To be measured, allow our User-Agent through the bot check.",
            "If only some places are refused, look at rule hits by country and network: is it meant?",
        ],
        learn: None,
    }
}

fn partial(scope: Option<&Scope>) -> (Vec<&'static str>, Vec<&'static str>) {
    let Some(scope) = scope else {
        return (
            vec!["If it fails for you: wait, or use another route (mobile data, VPN)."],
            vec!["Compare what the failing testers share: PoP, transit, DNS answer, firewall rule."],
        );
    };
    if scope.pop.is_some() {
        (
            vec!["Wait; a VPN that leaves somewhere else may help."],
            vec!["Open a ticket with the CDN, naming its site (PoP); steer traffic away from it if you can."],
        )
    } else if scope.asn.is_some() {
        (
            vec![
                "That provider or its route is the likely spot. Try mobile data of another provider; tell yours.",
            ],
            vec![
                "Check blocks of that network’s addresses and the routes between it and you; send it a traceroute.",
            ],
        )
    } else if scope.family.is_some() {
        (
            vec!["If it hangs, turn IPv6 off for a test, or use another network."],
            vec!["Fix that family’s listener, firewall and route, or withdraw its DNS records meanwhile."],
        )
    } else if scope.protocol.is_some() {
        (
            vec!["Another browser may do."],
            vec!["Test that protocol’s listener by itself: UDP 443 and Alt-Svc for HTTP/3, ALPN for HTTP/2."],
        )
    } else if scope.address.is_some() {
        (
            vec!["Retry: your browser may be given another address."],
            vec!["Take the failing address out of the DNS answer until it works."],
        )
    } else if scope.resolver.is_some() {
        (
            vec!["Another DNS resolver gives another answer; yours catches up when its copy runs out."],
            vec!["Keep the old address answering until every copy ran out; compare the answers below."],
        )
    } else {
        (
            vec!["If you are there: wait, or use another route (mobile data, VPN)."],
            vec!["Compare what those places share: PoP, transit, DNS answer, firewall rule."],
        )
    }
}

fn by_failure(kind: FailureKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        FailureKind::Dns(k) => dns(k)?,
        FailureKind::Connect(k) => connect(k),
        FailureKind::Tls(k) => tls(k),
        FailureKind::Quic(_) => ("Another browser may do.", "UDP 443, Alt-Svc and the edge’s HTTP/3."),
        FailureKind::Http(HttpFailure::Status(code)) => status(code.get())?,
        FailureKind::Http(HttpFailure::RedirectLoop) => (
            "Clear the site’s cookies once.",
            "http and https redirecting to each other at CDN and origin; rules for www.",
        ),
        FailureKind::Http(_) => (
            "Retry in a minute.",
            "Resets and timeouts in the proxy’s log; a worker that dies in the middle of an answer.",
        ),
        FailureKind::Blocked(_) | FailureKind::Agent(_) => return None,
    })
}

fn dns(kind: DnsFailure) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        DnsFailure::Nxdomain => (
            "Check the spelling; if it worked yesterday, wait.",
            "In this order: expiry and holds at the registrar; name servers at the parent; is the zone published?",
        ),
        DnsFailure::Bogus | DnsFailure::Servfail => (
            "Wait; do not switch DNS checks off.",
            "DS at the parent against DNSKEY; expired signatures; a half-done key roll; name servers that answer at all.",
        ),
        DnsFailure::Timeout => {
            ("Wait.", "Name servers on UDP and TCP 53, the delegation, a flood against them.")
        }
        _ => return None,
    })
}

fn connect(kind: ConnectFailure) -> (&'static str, &'static str) {
    match kind {
        ConnectFailure::Refused => (
            "Wait.",
            "The machine is there and nothing listens: service crashed or bound to localhost; port; last deploy.",
        ),
        ConnectFailure::Reset => (
            "Another network may do; it can be a filter in your country or office.",
            "A firewall that cuts connections; limits on connections per address.",
        ),
        ConnectFailure::Timeout | ConnectFailure::Unreachable => (
            "Another network may do.",
            "In this order: is the host up; does it listen; security group and firewall; the route to its prefix.",
        ),
    }
}

fn tls(kind: TlsFailure) -> (&'static str, &'static str) {
    match kind {
        TlsFailure::Reset | TlsFailure::Timeout => (
            "Another network may do; it can be a filter in your country or office.",
            "Something cuts the line as soon as the name is spoken: a filter if it is one country or provider, else WAF or TLS stack.",
        ),
        TlsFailure::Expired | TlsFailure::NotYetValid => (
            "Do not click past the warning, never with passwords. Check your own clock.",
            "Renew the certificate; find out why the renewal failed; reload every edge.",
        ),
        _ => (
            "Do not click past the warning, never with passwords.",
            "SNI and virtual hosts, names in the certificate, intermediate certificates, TLS versions.",
        ),
    }
}

fn status(code: u16) -> Option<(&'static str, &'static str)> {
    Some(match code {
        500 => (
            "Retry later.",
            "The program crashed on our request: its error log at that time, the last release.",
        ),
        502 => (
            "Retry in a minute.",
            "In this order: backend crashed or restarting; wrong port or protocol; headers too large; resets in the proxy’s log.",
        ),
        503 => (
            "Wait ten minutes; do not reload again and again.",
            "Maintenance flag, empty pool, health checks all red; else overload: CPU, database pool, queue.",
        ),
        504 => (
            "Retry later. A payment may still have gone through: check before you repeat it.",
            "In this order: a slow query or dependency; the way from front server to origin; a proxy timeout below the app’s.",
        ),
        520..=527 => (
            "Wait.",
            "The CDN’s edge is fine and the origin is not: is it up, does it let the CDN’s addresses in, is its certificate good?",
        ),
        429 => ("Wait 15 minutes.", "Limits keyed on addresses that many people share."),
        _ => return None,
    })
}

fn by_cause(kind: CauseKind) -> Option<&'static str> {
    Some(match kind {
        CauseKind::Overload => {
            "Shed load, cache, limit rates or scale; look for what changed in the traffic."
        }
        CauseKind::Network => "Upstream’s status, a routing change at that time, failover.",
        CauseKind::Firewall => {
            "Rules by country and network, DDoS filters; the last hop that answers a traceroute."
        }
        CauseKind::Misconfiguration => "Undo the last change, then look.",
        CauseKind::DnsChange => {
            "Keep the old server answering until every copy ran out. Next time lower the TTL a day before."
        }
        CauseKind::CdnEdge => "The CDN’s status page; the request ids of the failing answers.",
        CauseKind::OriginCrash => "Restart what is gone, then read why it went.",
        CauseKind::Maintenance => "Say so with 503 and Retry-After until it is over.",
        CauseKind::Tls => return None,
    })
}

/// The guide page for a failure.
fn guide(kind: FailureKind) -> Option<(&'static str, &'static str)> {
    let FailureKind::Http(HttpFailure::Status(code)) = kind else { return None };
    Some(match code.get() {
        502 => ("/learn/502", "What a 502 means"),
        503 => ("/learn/503", "What a 503 means"),
        504 => ("/learn/504", "What a 504 means"),
        _ => return None,
    })
}
