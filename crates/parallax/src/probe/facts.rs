//! One result as JSON: every fact of it, each under the same name wherever the program prints a result.

use std::net::IpAddr;

use parallax_model::{
    BeaconState, BodyFacts, Family, H3Advert, Layer, Outcome, Party, Phases, Pop, ProbeResult, Protocol,
    RetryOutcome, StatusCode, Target, TieBreakers, TlsFacts, UnixMicros,
};
use serde::Serialize;

use crate::words;

/// A result, to be written as JSON. Phases that were not reached are null.
#[derive(Debug, Serialize)]
pub(crate) struct ProbeFacts<'a> {
    target: &'a Target,
    started_at: String,
    outcome: String,
    party: Option<Party>,
    status: Option<StatusCode>,
    phases_us: PhasesUs,
    address: Option<IpAddr>,
    addresses: &'a [IpAddr],
    family: Option<Family>,
    protocol: Option<Protocol>,
    emitter: Option<EmitterFacts<'a>>,
    tls: Option<TlsOut<'a>>,
    dns: DnsOut<'a>,
    redirects: Vec<RedirectOut<'a>>,
    body: Option<BodyOut>,
    retry_after_s: Option<u32>,
    retry: Option<RetryOutcome>,
    beacon: BeaconState,
    h3_advert: Option<H3Advert>,
    not_applicable: bool,
    tie_breakers: TieBreakers,
    detail: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct PhasesUs {
    dns: Option<u32>,
    connect: Option<u32>,
    tls: Option<u32>,
    first_byte: Option<u32>,
    body: Option<u32>,
    total: u32,
}

#[derive(Debug, Serialize)]
struct EmitterFacts<'a> {
    name: &'a str,
    layer: Layer,
    pop: Option<&'a Pop>,
    via: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct TlsOut<'a> {
    version: &'a str,
    alpn: Option<&'a str>,
    subject: &'a str,
    issuer: &'a str,
    not_after: String,
    days_left: i64,
    names: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct DnsOut<'a> {
    resolver: Option<&'a str>,
    cnames: Vec<&'a str>,
    ttl_left_s: Option<u32>,
}

#[derive(Debug, Serialize)]
struct RedirectOut<'a> {
    status: StatusCode,
    to: &'a Target,
}

#[derive(Debug, Serialize)]
struct BodyOut {
    length: u32,
    sha256: String,
    truncated: bool,
}

impl<'a> ProbeFacts<'a> {
    /// The facts of a result; `now` is for how many days the certificate has left.
    pub(crate) fn new(result: &'a ProbeResult, now: UnixMicros) -> Self {
        Self {
            target: &result.target,
            started_at: words::moment(result.started_at),
            outcome: result.outcome.to_string(),
            party: party(result.outcome),
            status: result.status,
            phases_us: PhasesUs::new(result.phases),
            address: result.address,
            addresses: &result.dns.addresses,
            family: result.family,
            protocol: result.protocol,
            emitter: result.emitter.as_ref().map(|e| EmitterFacts {
                name: &e.name,
                layer: e.layer,
                pop: e.pop.as_ref(),
                via: e.via.iter().map(AsRef::as_ref).collect(),
            }),
            tls: result.tls.as_ref().map(|tls| TlsOut::new(tls, now)),
            dns: DnsOut {
                resolver: result.dns.resolver.as_deref(),
                cnames: result.dns.cnames.iter().map(AsRef::as_ref).collect(),
                ttl_left_s: result.dns.ttl_left_s,
            },
            redirects: result.redirects.iter().map(|r| RedirectOut { status: r.status, to: &r.to }).collect(),
            body: result.body.as_ref().map(|body| BodyOut {
                length: body.length,
                sha256: sha256(body),
                truncated: body.truncated,
            }),
            retry_after_s: result.retry_after_s,
            retry: result.retry,
            beacon: result.beacon,
            h3_advert: result.h3_advert,
            not_applicable: result.outcome.is_not_applicable(),
            tie_breakers: result.tie_breakers,
            detail: result.detail.as_deref(),
        }
    }
}

/// Whose failure it is, if it is one.
pub(super) const fn party(outcome: Outcome) -> Option<Party> {
    match outcome {
        Outcome::Ok => None,
        Outcome::Failed(failure) => Some(failure.party),
    }
}

/// The hash in hexadecimal.
pub(super) fn sha256(body: &BodyFacts) -> String {
    body.sha256.map_or_else(String::new, |hash| data_encoding::HEXLOWER.encode(&hash))
}

/// Whole days until a certificate ends; negative when it has ended.
pub(super) const fn days_left(tls: &TlsFacts, now: UnixMicros) -> i64 {
    tls.not_after.as_secs().saturating_sub(now.as_secs()).div_euclid(86_400)
}

impl PhasesUs {
    fn new(phases: Phases) -> Self {
        let us = |phase: Option<parallax_model::Micros>| phase.map(|us| us.0);
        Self {
            dns: us(phases.dns),
            connect: us(phases.connect),
            tls: us(phases.tls),
            first_byte: us(phases.first_byte),
            body: us(phases.body),
            total: phases.total.0,
        }
    }
}

impl<'a> TlsOut<'a> {
    fn new(tls: &'a TlsFacts, now: UnixMicros) -> Self {
        Self {
            version: &tls.version,
            alpn: tls.alpn.as_deref(),
            subject: &tls.subject,
            issuer: &tls.issuer,
            not_after: words::moment(tls.not_after),
            days_left: days_left(tls, now),
            names: tls.names.iter().map(AsRef::as_ref).collect(),
        }
    }
}
