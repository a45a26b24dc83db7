//! Results into columns.

use std::collections::HashMap;
use std::hash::Hash;

use bytes::Bytes;
use parallax_model::{BodyFacts, DnsFacts, Micros, Outcome, Phases, ProbeResult, Target, TieBreakers};

use prost::Message as _;

use super::rows::{Mark, Number, Rows, TIMES};
use super::scale::Scale;
use super::{COARSE_BITS, COARSE_UNIT_US, EXACT_RESULTS, MAX_BATCH_RESULTS};
use crate::convert::{
    address_to_wire, beacon_to_wire, dns_to_wire, emitter_to_wire, failure_to_wire, h3_advert_to_wire,
    http_version_to_wire, ip_family_to_wire, page_to_wire, party_to_wire, redirects_to_wire, retry_to_wire,
    target_to_wire, tie_breakers_to_wire, tls_to_wire,
};
use crate::v1::agent::{RedirectList, ResultColumns, ResultExtra};

/// Encodes results in their order. At most [`MAX_BATCH_RESULTS`]; more are left out, so callers cut before. Times are kept to the
/// microsecond in a batch of at most [`EXACT_RESULTS`]. A larger one keeps them to within 0.8 %, moments to ten milliseconds, and
/// digests of bodies for failures only.
pub fn encode(results: &[ProbeResult]) -> ResultColumns {
    let results = &results[..results.len().min(MAX_BATCH_RESULTS as usize)];
    let coarse = results.len() > EXACT_RESULTS;
    let (timing_bits, unit) = if coarse { (COARSE_BITS, COARSE_UNIT_US) } else { (0, 1) };
    let mut writer = Writer { scale: Scale::new(timing_bits), unit: unit.into(), ..Writer::default() };
    for (row, result) in results.iter().enumerate() {
        writer.push(row, result);
    }
    let mut columns = ResultColumns {
        count: u32::try_from(results.len()).unwrap_or(0),
        timing_bits,
        started_unit_us: if coarse { unit } else { 0 },
        base_started_at_us: writer.rows.started.first().map_or(0, |s| s.saturating_mul(unit.into())),
        ..ResultColumns::default()
    };
    writer.finish(&mut columns);
    columns
}

/// What one target's rows referred to last: it is asked first whether they do again.
#[derive(Debug, Clone, Copy, Default)]
struct Hint {
    emitter: u32,
    dns: u32,
    tls: u32,
    redirects: u32,
}

/// Gives each distinct value its place plus one.
#[derive(Debug)]
struct Dictionary<T> {
    places: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Dictionary<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Dictionary<T> {
    fn reference(&mut self, value: &T) -> u32 {
        if let Some(place) = self.places.get(value) {
            return *place;
        }
        self.values.push(value.clone());
        let place = length(&self.values);
        self.places.insert(value.clone(), place);
        place
    }
}

fn length<T>(values: &[T]) -> u32 {
    u32::try_from(values.len()).unwrap_or(u32::MAX)
}

/// A dictionary of values that are dear to hash: the hint first, then all in turn.
fn reference<T: PartialEq>(
    values: &mut Vec<T>,
    hint: &mut u32,
    same: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) {
    let hinted = hint.checked_sub(1).and_then(|place| values.get(place as usize));
    if hinted.is_some_and(&same) {
        return;
    }
    let place = values.iter().position(same).unwrap_or_else(|| {
        values.push(make());
        values.len() - 1
    });
    *hint = u32::try_from(place + 1).unwrap_or(u32::MAX);
}

#[derive(Debug, Default)]
struct Writer<'a> {
    scale: Scale,
    unit: i64,
    rows: Rows,
    hints: Vec<Hint>,
    targets: Dictionary<Target>,
    addresses: Dictionary<std::net::IpAddr>,
    checks: Dictionary<parallax_model::CheckId>,
    digests: Dictionary<[u8; 32]>,
    emitters: Vec<&'a parallax_model::Emitter>,
    dns: Vec<&'a DnsFacts>,
    tls: Vec<&'a parallax_model::TlsFacts>,
    redirects: Vec<&'a [parallax_model::Redirect]>,
    extras: Vec<ResultExtra>,
}

/// Numbers that are mostly there, as number plus one. The largest number is sent as one less.
const fn plus_one(value: Option<u32>) -> u32 {
    match value {
        None => 0,
        Some(v) => v.saturating_add(1),
    }
}

/// The same resolution but for the time it stays good.
fn same_answer(a: &DnsFacts, b: &DnsFacts) -> bool {
    a.addresses == b.addresses && a.cnames == b.cnames && a.resolver == b.resolver
}

impl<'a> Writer<'a> {
    fn push(&mut self, row: usize, result: &'a ProbeResult) {
        let target = self.targets.reference(&result.target) - 1;
        if self.hints.len() <= target as usize {
            self.hints.push(Hint::default());
        }
        self.rows.target.push(target);
        self.rows.started.push(result.started_at.0.div_euclid(self.unit));
        self.push_words(result);
        self.push_times(result.phases);
        self.push_references(target as usize, result);
        self.push_body(result.body.as_ref(), !result.outcome.is_ok());
        self.set(Number::TtlLeftS, plus_one(result.dns.ttl_left_s));
        self.set(Number::RetryAfterS, plus_one(result.retry_after_s));
        self.push_extra(row, result);
    }

    fn mark(&mut self, mark: Mark, value: u32) {
        self.rows.marks[mark as usize].push(value);
    }

    fn set(&mut self, number: Number, value: u32) {
        self.rows.numbers[number as usize].push(value);
    }

    fn push_words(&mut self, result: &ProbeResult) {
        let (failure, party) = match result.outcome {
            Outcome::Ok => (0, 0),
            Outcome::Failed(f) => (failure_to_wire(f.kind) as u32, party_to_wire(f.party) as u32),
        };
        self.mark(Mark::Failure, failure);
        self.mark(Mark::Party, party);
        self.mark(Mark::Status, result.status.map_or(0, |s| u32::from(s.get())));
        self.mark(Mark::Family, result.family.map_or(0, |f| ip_family_to_wire(f) as u32));
        self.mark(Mark::Protocol, result.protocol.map_or(0, |p| http_version_to_wire(p) as u32));
        self.mark(Mark::Retry, result.retry.map_or(0, |r| retry_to_wire(r) as u32));
        self.mark(Mark::Beacon, beacon_to_wire(result.beacon) as u32);
        self.mark(Mark::H3Advert, result.h3_advert.map_or(0, |a| h3_advert_to_wire(a) as u32));
    }

    fn push_times(&mut self, phases: Phases) {
        let times = [phases.dns, phases.connect, phases.tls, phases.first_byte, phases.body];
        let mut sum = 0_u32;
        for (number, time) in TIMES.into_iter().zip(times) {
            let place = time.map(|Micros(us)| self.scale.place(us));
            self.set(number, plus_one(place));
            sum = sum.saturating_add(place.map_or(0, |place| self.scale.number(place)));
        }
        let total = self.scale.place(phases.total.0).wrapping_sub(self.scale.place(sum));
        self.rows.total.push(total);
    }

    fn push_references(&mut self, target: usize, result: &'a ProbeResult) {
        let check = result.check.map_or(0, |c| self.checks.reference(&c));
        self.mark(Mark::Check, check);
        let address = result.address.map_or(0, |a| self.addresses.reference(&a));
        self.mark(Mark::Address, address);
        let mut hint = self.hints[target];
        reference(&mut self.dns, &mut hint.dns, |known| same_answer(known, &result.dns), || &result.dns);
        if let Some(emitter) = &result.emitter {
            reference(&mut self.emitters, &mut hint.emitter, |known| *known == emitter, || emitter);
        }
        if let Some(tls) = &result.tls {
            reference(&mut self.tls, &mut hint.tls, |known| *known == tls, || tls);
        }
        let redirects = result.redirects.as_slice();
        if !redirects.is_empty() {
            reference(&mut self.redirects, &mut hint.redirects, |known| *known == redirects, || redirects);
        }
        self.hints[target] = hint;
        self.mark(Mark::Dns, hint.dns);
        self.mark(Mark::Emitter, if result.emitter.is_some() { hint.emitter } else { 0 });
        self.mark(Mark::Tls, if result.tls.is_some() { hint.tls } else { 0 });
        self.mark(Mark::Redirects, if redirects.is_empty() { 0 } else { hint.redirects });
    }

    fn push_body(&mut self, body: Option<&BodyFacts>, failed: bool) {
        self.set(Number::BodyLength, plus_one(body.map(|b| b.length)));
        self.mark(Mark::Truncated, body.map_or(0, |b| u32::from(b.truncated)));
        self.mark(Mark::Page, body.and_then(|b| b.page).map_or(0, |page| page_to_wire(page) as u32));
        let told = body.and_then(|b| b.sha256).filter(|_| self.unit == 1 || failed);
        let digest = told.map_or(0, |sha256| self.digests.reference(&sha256));
        self.mark(Mark::Digest, digest);
    }

    fn push_extra(&mut self, row: usize, result: &ProbeResult) {
        let ties = result.tie_breakers;
        let has_ties = ties != TieBreakers::default();
        if result.detail.is_none() && !has_ties {
            return;
        }
        self.extras.push(ResultExtra {
            row: u32::try_from(row).unwrap_or(u32::MAX),
            detail: result.detail.as_deref().unwrap_or_default().to_owned(),
            tie_breakers: has_ties.then(|| tie_breakers_to_wire(&ties)),
        });
    }

    fn finish(self, columns: &mut ResultColumns) {
        self.rows.write(self.targets.values.len(), columns);
        columns.targets =
            self.targets.values.iter().map(|t| target_to_wire(t).encode_to_vec().into()).collect();
        columns.addresses = self.addresses.values.iter().map(|a| address_to_wire(*a)).collect();
        columns.checks =
            self.checks.values.iter().map(|c| Bytes::copy_from_slice(&c.0.to_be_bytes())).collect();
        columns.digests = self.digests.values.iter().map(|d| Bytes::copy_from_slice(d)).collect();
        columns.emitters =
            self.emitters.into_iter().map(|e| emitter_to_wire(e).encode_to_vec().into()).collect();
        columns.dns = self.dns.into_iter().map(|d| dns_to_wire(d).encode_to_vec().into()).collect();
        columns.tls = self.tls.into_iter().map(|t| tls_to_wire(t).encode_to_vec().into()).collect();
        let list = |r: &[parallax_model::Redirect]| RedirectList { redirects: redirects_to_wire(r) };
        columns.redirects = self.redirects.into_iter().map(list).collect();
        columns.extras = self.extras;
    }
}
