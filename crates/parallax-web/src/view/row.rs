//! What one tester saw, as a line and as JSON.

use parallax_aggregator::CheckRow;
use parallax_model::{Family, H3Advert, Layer, Micros, Outcome, Protocol, TieBreakers};
use serde::Serialize;

use super::glyph::Glyph;
use super::{clues, failure, place, when};
use crate::escape::neutral;
use crate::say::Lang;

/// One tester's result, ready to print. Texts that servers or strangers wrote are neutralised here already.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The tester.
    pub(crate) agent: String,
    /// City and country.
    pub(crate) place: String,
    /// The region's column.
    pub(crate) region: String,
    /// The network's row.
    pub(crate) network: String,
    /// The network's number.
    pub(crate) asn: Option<u32>,
    /// What kind of line.
    pub(crate) line: String,
    /// How it is drawn.
    pub(crate) state: Glyph,
    /// `ok` or the failure kind.
    pub(crate) outcome: String,
    /// Whose failure it is.
    pub(crate) party: Option<&'static str>,
    /// The outcome in words.
    pub(crate) words: String,
    /// The outcome in a cell: milliseconds or a short word.
    pub(crate) cell: String,
    /// The last status.
    pub(crate) status: Option<u16>,
    /// The address that was used.
    pub(crate) address: Option<String>,
    /// `IPv4` or `IPv6`.
    pub(crate) family: Option<&'static str>,
    /// `HTTP/1.1`, `HTTP/2`, `HTTP/3`.
    pub(crate) protocol: Option<&'static str>,
    /// Who wrote the answer.
    pub(crate) emitter: Option<String>,
    /// Where that stands.
    pub(crate) layer: Option<Layer>,
    /// Which PoP.
    pub(crate) pop: Option<String>,
    /// Every address of the name.
    pub(crate) addresses: Vec<String>,
    /// Which resolver answered.
    pub(crate) resolver: Option<String>,
    /// Seconds until the answer is asked for again.
    pub(crate) ttl_left_s: Option<u32>,
    /// Seconds of a Retry-After.
    pub(crate) retry_after_s: Option<u32>,
    /// How the one retry ended.
    pub(crate) retry: Option<&'static str>,
    /// How the site said that it speaks HTTP/3: `alt-svc`, `https-record`.
    pub(crate) h3_advert: Option<&'static str>,
    /// What the extra probes after a failure said; null when there was none.
    pub(crate) tie_breakers: Option<TieBreakers>,
    /// The same in words.
    #[serde(skip)]
    pub(crate) clues: Vec<String>,
    /// Whether the tester's own line worked.
    pub(crate) beacon: &'static str,
    /// The certificate.
    pub(crate) certificate: Option<Certificate>,
    /// Microseconds of each phase.
    pub(crate) phases: PhaseMicros,
    /// The whole time for people.
    #[serde(skip)]
    pub(crate) took: String,
    /// What else there is to say.
    pub(crate) detail: Option<String>,
    /// Milliseconds after the check's start; on a site's page, how old the result is.
    pub(crate) after_ms: u64,
}

/// A certificate's facts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Certificate {
    /// Whom it names.
    pub(crate) subject: String,
    /// Who signed it.
    pub(crate) issuer: String,
    /// When it ends, RFC 3339.
    pub(crate) not_after: String,
    /// TLS version of the connection.
    pub(crate) version: String,
}

/// Phases in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct PhaseMicros {
    pub(crate) dns: Option<u32>,
    pub(crate) connect: Option<u32>,
    pub(crate) tls: Option<u32>,
    pub(crate) first_byte: Option<u32>,
    pub(crate) body: Option<u32>,
    pub(crate) total: u32,
}

impl Row {
    /// As programs are told it.
    pub(crate) fn new(row: &CheckRow) -> Self {
        Self::said(Lang::En, row)
    }

    /// In a language.
    pub(crate) fn said(t: Lang, row: &CheckRow) -> Self {
        let r = &row.result;
        let shown = r.outcome.about_target();
        let kind = shown.kind();
        let clean = |text: &str| neutral(text).into_owned();
        let number = |m: Option<Micros>| m.map(|m| m.0);
        let emitter = r.emitter.as_ref();
        Self {
            agent: row.agent.to_string(),
            place: clean(&place::city(t, &row.vantage)),
            region: place::region(t, &row.vantage),
            network: clean(&place::network(t, &row.vantage)),
            asn: row.vantage.asn.map(|asn| asn.0),
            line: place::kind_name(t, row.vantage.network),
            state: shown.into(),
            outcome: r.outcome.to_string(),
            party: match r.outcome {
                Outcome::Ok => None,
                Outcome::Failed(f) => Some(f.party.as_str()),
            },
            words: kind.map_or_else(|| t.text("fail-none"), |kind| failure::long(t, kind)),
            cell: kind.map_or_else(
                || millis(t, r.phases.first_byte.unwrap_or(r.phases.total)),
                |kind| failure::short(t, kind),
            ),
            status: r.status.map(parallax_model::StatusCode::get),
            address: r.address.map(|a| a.to_string()),
            family: r.family.map(Family::as_str),
            protocol: r.protocol.map(Protocol::in_words),
            emitter: emitter.filter(|e| &*e.name != "unknown").map(|e| clean(&e.name)),
            layer: emitter.map(|e| e.layer),
            pop: emitter.and_then(|e| e.pop.as_ref()).map(ToString::to_string),
            addresses: r.dns.addresses.iter().map(ToString::to_string).collect(),
            resolver: r.dns.resolver.as_deref().map(clean),
            ttl_left_s: r.dns.ttl_left_s,
            retry_after_s: r.retry_after_s,
            retry: r.retry.map(parallax_model::RetryOutcome::as_str),
            h3_advert: r.h3_advert.map(H3Advert::as_str),
            tie_breakers: (r.tie_breakers != TieBreakers::default()).then_some(r.tie_breakers),
            clues: clues::of_result(t, r),
            beacon: r.beacon.as_str(),
            certificate: r.tls.as_ref().map(|t| Certificate {
                subject: clean(&t.subject),
                issuer: clean(&t.issuer),
                not_after: when::rfc3339(t.not_after),
                version: clean(&t.version),
            }),
            phases: PhaseMicros {
                dns: number(r.phases.dns),
                connect: number(r.phases.connect),
                tls: number(r.phases.tls),
                first_byte: number(r.phases.first_byte),
                body: number(r.phases.body),
                total: r.phases.total.0,
            },
            took: millis(t, r.phases.total),
            detail: r.detail.as_deref().map(clean),
            after_ms: u64::try_from(row.after.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Address, protocol, emitter and PoP in one line, as far as known.
    pub(crate) fn way(&self) -> String {
        let pop = self.pop.as_ref().map(|pop| format!("PoP {pop}"));
        let parts = [self.address.clone(), self.protocol.map(str::to_owned), self.emitter.clone(), pop];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

/// Milliseconds without a needless fraction: `0.4 ms`, `38 ms`.
pub(crate) fn millis(t: Lang, m: Micros) -> String {
    let decimals = usize::from(m.0 < 10_000);
    format!("{} ms", t.decimal(m.as_millis_f64(), decimals))
}

/// The middle value; `None` of nothing.
pub(crate) fn median(mut values: Vec<u32>) -> Option<u32> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
