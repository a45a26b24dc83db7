//! What was seen on the way, counted: DNS answers, timings, certificates, protocols, addresses, PoPs, emitters.

use std::collections::BTreeMap;

use parallax_model::Micros;
use serde::Serialize;

use super::row::{Certificate, Row, median, millis};
use crate::say::Lang;

/// How many different values a list shows; the rest are counted.
const MAX_VALUES: usize = 8;

/// One set of addresses and who got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DnsAnswer {
    /// The addresses in order.
    pub(crate) addresses: Vec<String>,
    /// How many addresses the list leaves out.
    pub(crate) more: usize,
    pub(crate) testers: usize,
    /// How many of those testers fail.
    pub(crate) failing: usize,
    /// Which resolvers gave it.
    pub(crate) resolvers: Vec<String>,
    /// Longest time until somebody asks again, in seconds.
    pub(crate) ttl_left_s: Option<u32>,
}

/// One phase over every tester that came through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Timing {
    pub(crate) phase: String,
    pub(crate) typical: String,
    pub(crate) slowest: String,
    /// Where the slowest is.
    pub(crate) place: String,
    /// Share of the longest typical phase, 0 to 100, for the bar.
    pub(crate) bar: u32,
    pub(crate) testers: usize,
}

/// A value and how many testers had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Seen {
    pub(crate) value: String,
    pub(crate) testers: usize,
    pub(crate) failing: usize,
}

/// Values of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SeenList {
    pub(crate) what: String,
    pub(crate) values: Vec<Seen>,
    /// How many values are left out.
    pub(crate) more: usize,
}

/// A certificate and how many testers were shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SeenCertificate {
    pub(crate) certificate: Certificate,
    pub(crate) testers: usize,
}

/// Everything of the rows that is worth a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Facts {
    pub(crate) dns: Vec<DnsAnswer>,
    pub(crate) timings: Vec<Timing>,
    pub(crate) seen: Vec<SeenList>,
    pub(crate) certificates: Vec<SeenCertificate>,
}

impl Facts {
    pub(crate) fn new(t: Lang, rows: &[Row]) -> Self {
        let lists = [
            list(t.text("seen-protocol"), rows, |row| row.protocol.map(str::to_owned)),
            list(t.text("seen-family"), rows, |row| row.family.map(str::to_owned)),
            list(t.text("seen-address"), rows, |row| row.address.clone()),
            list(t.text("seen-emitter"), rows, |row| row.emitter.clone()),
            list(t.text("seen-pop"), rows, |row| row.pop.clone()),
            list(t.text("seen-h3"), rows, |row| row.h3_advert.map(|word| t.text(&format!("h3-{word}")))),
            list(t.text("seen-resolver"), rows, |row| {
                row.resolver.as_deref().map(|name| resolver_name(t, name))
            }),
        ];
        Self {
            dns: dns_answers(t, rows),
            timings: timings(t, rows),
            seen: lists.into_iter().filter(|list| !list.values.is_empty()).collect(),
            certificates: certificates(rows),
        }
    }
}

fn fails(row: &Row) -> usize {
    usize::from(row.outcome != "ok")
}

fn resolver_name(t: Lang, name: &str) -> String {
    if name == "isp" { t.text("resolver-isp") } else { name.to_owned() }
}

fn dns_answers(t: Lang, rows: &[Row]) -> Vec<DnsAnswer> {
    let mut answers: BTreeMap<Vec<String>, DnsAnswer> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.addresses.is_empty()) {
        let mut key = row.addresses.clone();
        key.sort();
        let answer = answers.entry(key.clone()).or_insert_with(|| DnsAnswer {
            more: key.len().saturating_sub(MAX_VALUES),
            addresses: key.into_iter().take(MAX_VALUES).collect(),
            testers: 0,
            failing: 0,
            resolvers: Vec::new(),
            ttl_left_s: None,
        });
        answer.testers += 1;
        answer.failing += fails(row);
        answer.ttl_left_s = answer.ttl_left_s.max(row.ttl_left_s);
        let resolver = row.resolver.as_deref().map(|name| resolver_name(t, name));
        if let Some(resolver) = resolver.filter(|r| !answer.resolvers.contains(r)) {
            answer.resolvers.push(resolver);
        }
    }
    let mut answers: Vec<DnsAnswer> = answers.into_values().collect();
    answers.sort_by_key(|answer| std::cmp::Reverse(answer.testers));
    answers.truncate(MAX_VALUES);
    answers
}

type Phase = (&'static str, fn(&Row) -> Option<u32>);

const PHASES: [Phase; 5] = [
    ("phase-dns", |row| row.phases.dns),
    ("phase-connect", |row| row.phases.connect),
    ("phase-tls", |row| row.phases.tls),
    ("phase-first-byte", |row| row.phases.first_byte),
    ("phase-body", |row| row.phases.body),
];

fn timings(t: Lang, rows: &[Row]) -> Vec<Timing> {
    let mut timings = Vec::new();
    let mut longest = 1;
    for (phase, of) in PHASES {
        let values: Vec<(u32, &Row)> = rows.iter().filter_map(|row| Some((of(row)?, row))).collect();
        let Some((slowest, at)) = values.iter().max_by_key(|(us, _)| *us) else { continue };
        let Some(typical) = median(values.iter().map(|(us, _)| *us).collect()) else { continue };
        longest = longest.max(typical);
        let timing = Timing {
            phase: t.text(phase),
            typical: millis(t, Micros(typical)),
            slowest: millis(t, Micros(*slowest)),
            place: at.place.clone(),
            bar: typical,
            testers: values.len(),
        };
        timings.push(timing);
    }
    for timing in &mut timings {
        let share = u64::from(timing.bar) * 100 / u64::from(longest);
        timing.bar = u32::try_from(share).unwrap_or(100).max(1);
    }
    timings
}

fn list(what: String, rows: &[Row], of: impl Fn(&Row) -> Option<String>) -> SeenList {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for row in rows {
        if let Some(value) = of(row) {
            let count = counts.entry(value).or_default();
            count.0 += 1;
            count.1 += fails(row);
        }
    }
    let seen = |(value, (testers, failing))| Seen { value, testers, failing };
    let mut values: Vec<Seen> = counts.into_iter().map(seen).collect();
    values.sort_by_key(|seen| std::cmp::Reverse(seen.testers));
    let more = values.len().saturating_sub(MAX_VALUES);
    values.truncate(MAX_VALUES);
    SeenList { what, values, more }
}

fn certificates(rows: &[Row]) -> Vec<SeenCertificate> {
    let mut counts: BTreeMap<Certificate, usize> = BTreeMap::new();
    for certificate in rows.iter().filter_map(|row| row.certificate.clone()) {
        *counts.entry(certificate).or_default() += 1;
    }
    let seen = |(certificate, testers)| SeenCertificate { certificate, testers };
    let mut seen: Vec<SeenCertificate> = counts.into_iter().map(seen).collect();
    seen.sort_by_key(|s| std::cmp::Reverse(s.testers));
    seen.truncate(MAX_VALUES);
    seen
}
