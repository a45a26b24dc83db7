//! Results as columns: what agents send, what the journal keeps.
//!
//! Encoding is by dictionary for whatever repeats (targets, addresses, emitters, DNS answers, certificates) and by one packed
//! varint column for each number, so a thousand results of the same few targets cost a few bytes each.

use std::collections::HashMap;
use std::hash::Hash;

use bytes::Bytes;
use parallax_model::{DnsFacts, Micros, Outcome, Phases, ProbeResult, TieBreakers, UnixMicros};

use crate::WireError;
use crate::convert::{
    address_from_wire, address_to_wire, beacon_from_wire, beacon_to_wire, body_from_wire, body_to_wire,
    check_id_from_wire, detail_from_wire, dns_from_wire, dns_to_wire, emitter_from_wire, emitter_to_wire,
    failure_to_wire, h3_advert_from_wire, h3_advert_to_wire, http_version_from_wire, http_version_to_wire,
    ip_family_from_wire, ip_family_to_wire, outcome_from_wire, party_to_wire, redirects_from_wire,
    redirects_to_wire, retry_from_wire, retry_to_wire, status_from_wire, target_from_wire, target_to_wire,
    tie_breakers_from_wire, tie_breakers_to_wire, tls_from_wire, tls_to_wire,
};
use crate::v1::agent::{ResultColumns, ResultExtra};

/// Most results in one batch.
pub const MAX_BATCH_RESULTS: u32 = 1_000;
/// Largest encoded batch, in bytes; gRPC messages above it are refused before they are read.
pub const MAX_BATCH_BYTES: usize = 256 * 1024;

/// A dictionary column under construction: gives each distinct value its place plus one.
struct Dictionary<T> {
    places: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T: Clone + Eq + Hash> Dictionary<T> {
    fn new() -> Self {
        Self { places: HashMap::new(), values: Vec::new() }
    }

    fn reference(&mut self, value: &T) -> u32 {
        if let Some(place) = self.places.get(value) {
            return *place;
        }
        self.values.push(value.clone());
        let place = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.places.insert(value.clone(), place);
        place
    }
}

/// Numbers that are mostly there, as number plus one. The largest number is sent as one less.
const fn plus_one(value: Option<u32>) -> u32 {
    match value {
        None => 0,
        Some(v) => v.saturating_add(1),
    }
}

const fn minus_one(value: u32) -> Option<u32> {
    value.checked_sub(1)
}

fn micros(value: Option<Micros>) -> u32 {
    plus_one(value.map(|m| m.0))
}

/// Encodes results in their order. At most [`MAX_BATCH_RESULTS`]; more are left out, so callers cut before.
pub fn encode(results: &[ProbeResult]) -> ResultColumns {
    let results = &results[..results.len().min(MAX_BATCH_RESULTS as usize)];
    let mut columns =
        ResultColumns { count: u32::try_from(results.len()).unwrap_or(0), ..ResultColumns::default() };
    columns.base_started_at_us = results.first().map_or(0, |r| r.started_at.0);
    let mut before = columns.base_started_at_us;
    let mut dictionaries = Dictionaries::new();
    for (row, result) in results.iter().enumerate() {
        columns.started_delta_us.push(result.started_at.0.wrapping_sub(before));
        before = result.started_at.0;
        push_outcome(&mut columns, result);
        push_phases(&mut columns, result.phases);
        dictionaries.push(&mut columns, result);
        push_extra(&mut columns, row, result);
    }
    dictionaries.finish(&mut columns);
    drop_empty_columns(&mut columns);
    columns
}

fn push_outcome(columns: &mut ResultColumns, result: &ProbeResult) {
    let (failure, party) = match result.outcome {
        Outcome::Ok => (0, 0),
        Outcome::Failed(f) => (failure_to_wire(f.kind) as u32, party_to_wire(f.party) as u32),
    };
    columns.failure.push(failure);
    columns.party.push(party);
    columns.status.push(result.status.map_or(0, |s| u32::from(s.get())));
    columns.family.push(result.family.map_or(0, |f| ip_family_to_wire(f) as u32));
    columns.protocol.push(result.protocol.map_or(0, |p| http_version_to_wire(p) as u32));
    columns.retry.push(result.retry.map_or(0, |r| retry_to_wire(r) as u32));
    columns.beacon.push(beacon_to_wire(result.beacon) as u32);
    columns.h3_advert.push(result.h3_advert.map_or(0, |a| h3_advert_to_wire(a) as u32));
    columns.ttl_left_s.push(plus_one(result.dns.ttl_left_s));
    columns.retry_after_s.push(plus_one(result.retry_after_s));
}

fn push_phases(columns: &mut ResultColumns, phases: Phases) {
    columns.dns_us.push(micros(phases.dns));
    columns.connect_us.push(micros(phases.connect));
    columns.tls_us.push(micros(phases.tls));
    columns.first_byte_us.push(micros(phases.first_byte));
    columns.body_us.push(micros(phases.body));
    columns.total_us.push(phases.total.0);
}

fn push_extra(columns: &mut ResultColumns, row: usize, result: &ProbeResult) {
    let ties = result.tie_breakers;
    let has_ties = ties != TieBreakers::default();
    if result.body.is_none() && result.redirects.is_empty() && result.detail.is_none() && !has_ties {
        return;
    }
    columns.extras.push(ResultExtra {
        row: u32::try_from(row).unwrap_or(u32::MAX),
        body: result.body.as_ref().map(body_to_wire),
        redirects: redirects_to_wire(&result.redirects),
        detail: result.detail.as_deref().unwrap_or_default().to_owned(),
        tie_breakers: has_ties.then(|| tie_breakers_to_wire(&ties)),
    });
}

struct Dictionaries {
    targets: Dictionary<parallax_model::Target>,
    addresses: Dictionary<std::net::IpAddr>,
    checks: Dictionary<parallax_model::CheckId>,
    emitters: Vec<parallax_model::Emitter>,
    dns: Vec<DnsFacts>,
    tls: Vec<parallax_model::TlsFacts>,
}

/// A dictionary of few values that are dear to hash: linear search.
fn small_reference<T: PartialEq + Clone>(values: &mut Vec<T>, value: &T) -> u32 {
    let place = values.iter().position(|v| v == value).unwrap_or_else(|| {
        values.push(value.clone());
        values.len() - 1
    });
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

impl Dictionaries {
    fn new() -> Self {
        Self {
            targets: Dictionary::new(),
            addresses: Dictionary::new(),
            checks: Dictionary::new(),
            emitters: Vec::new(),
            dns: Vec::new(),
            tls: Vec::new(),
        }
    }

    fn push(&mut self, columns: &mut ResultColumns, result: &ProbeResult) {
        columns.target_ref.push(self.targets.reference(&result.target));
        columns.check_ref.push(result.check.map_or(0, |c| self.checks.reference(&c)));
        columns.address_ref.push(result.address.map_or(0, |a| self.addresses.reference(&a)));
        columns
            .emitter_ref
            .push(result.emitter.as_ref().map_or(0, |e| small_reference(&mut self.emitters, e)));
        let timeless = DnsFacts { ttl_left_s: None, ..result.dns.clone() };
        columns.dns_ref.push(small_reference(&mut self.dns, &timeless));
        columns.tls_ref.push(result.tls.as_ref().map_or(0, |t| small_reference(&mut self.tls, t)));
    }

    fn finish(self, columns: &mut ResultColumns) {
        columns.targets = self.targets.values.iter().map(target_to_wire).collect();
        columns.addresses = self.addresses.values.iter().map(|a| address_to_wire(*a)).collect();
        columns.checks =
            self.checks.values.iter().map(|c| Bytes::copy_from_slice(&c.0.to_be_bytes())).collect();
        columns.emitters = self.emitters.iter().map(emitter_to_wire).collect();
        columns.dns = self.dns.iter().map(dns_to_wire).collect();
        columns.tls = self.tls.iter().map(tls_to_wire).collect();
    }
}

/// Calls `$each` with every u32 column and its name.
macro_rules! for_each_column {
    ($columns:expr, $each:ident) => {
        for_each_column!(@ $columns, $each, target_ref, check_ref, failure, party, status, dns_us, connect_us, tls_us, first_byte_us,
            body_us, total_us, address_ref, family, protocol, emitter_ref, dns_ref, ttl_left_s, tls_ref, retry_after_s, retry, beacon, h3_advert)
    };
    (@ $columns:expr, $each:ident, $($field:ident),+) => { $( $each!($columns, $field); )+ };
}

fn drop_empty_columns(columns: &mut ResultColumns) {
    macro_rules! clear {
        ($c:expr, $f:ident) => {
            if $c.$f.iter().all(|v| *v == 0) {
                $c.$f = Vec::new();
            }
        };
    }
    for_each_column!(columns, clear);
}

/// Decodes a batch. Every column is checked before the first result is made, so a bad batch yields nothing.
pub fn decode(columns: &ResultColumns) -> Result<Vec<ProbeResult>, WireError> {
    if columns.count > MAX_BATCH_RESULTS {
        return Err(WireError::TooMany { got: columns.count, limit: MAX_BATCH_RESULTS });
    }
    let count = columns.count as usize;
    macro_rules! check {
        ($c:expr, $f:ident) => {
            if !$c.$f.is_empty() && $c.$f.len() != count {
                return Err(WireError::Column { field: stringify!($f), got: $c.$f.len(), want: count });
            }
        };
    }
    for_each_column!(columns, check);
    check!(columns, started_delta_us);
    let read = Decoded::new(columns)?;
    let mut results = Vec::with_capacity(count);
    let mut started_at = columns.base_started_at_us;
    for row in 0..count {
        started_at = started_at.wrapping_add(columns.started_delta_us.get(row).copied().unwrap_or(0));
        results.push(read.row(columns, row, UnixMicros(started_at))?);
    }
    add_extras(columns, &mut results)?;
    Ok(results)
}

/// The dictionaries of a batch, converted once.
struct Decoded {
    targets: Vec<parallax_model::Target>,
    addresses: Vec<Option<std::net::IpAddr>>,
    checks: Vec<parallax_model::CheckId>,
    emitters: Vec<parallax_model::Emitter>,
    dns: Vec<DnsFacts>,
    tls: Vec<parallax_model::TlsFacts>,
}

fn at(column: &[u32], row: usize) -> u32 {
    column.get(row).copied().unwrap_or(0)
}

fn number(column: &[u32], row: usize) -> i32 {
    i32::try_from(at(column, row)).unwrap_or(i32::MAX)
}

fn entry<'a, T>(
    field: &'static str,
    values: &'a [T],
    column: &[u32],
    row: usize,
) -> Result<Option<&'a T>, WireError> {
    let got = at(column, row);
    match minus_one(got) {
        None => Ok(None),
        Some(place) => {
            let found = values.get(place as usize);
            found.map(Some).ok_or(WireError::Reference { field, got, size: values.len() })
        }
    }
}

impl Decoded {
    fn new(c: &ResultColumns) -> Result<Self, WireError> {
        Ok(Self {
            targets: c.targets.iter().map(|t| target_from_wire(Some(t))).collect::<Result<_, _>>()?,
            addresses: c
                .addresses
                .iter()
                .map(|a| address_from_wire("addresses", a))
                .collect::<Result<_, _>>()?,
            checks: c.checks.iter().map(|b| check_id_from_wire(b)).collect::<Result<_, _>>()?,
            emitters: c.emitters.iter().map(emitter_from_wire).collect::<Result<_, _>>()?,
            dns: c.dns.iter().map(|d| dns_from_wire(d, None)).collect::<Result<_, _>>()?,
            tls: c.tls.iter().map(tls_from_wire).collect::<Result<_, _>>()?,
        })
    }

    fn row(&self, c: &ResultColumns, row: usize, started_at: UnixMicros) -> Result<ProbeResult, WireError> {
        let target = entry("target_ref", &self.targets, &c.target_ref, row)?
            .ok_or(WireError::Missing("target_ref"))?;
        let status = status_from_wire(at(&c.status, row))?;
        let us = |column: &[u32]| minus_one(at(column, row)).map(Micros);
        let dns = entry("dns_ref", &self.dns, &c.dns_ref, row)?.cloned().unwrap_or_default();
        Ok(ProbeResult {
            target: target.clone(),
            check: entry("check_ref", &self.checks, &c.check_ref, row)?.copied(),
            started_at,
            outcome: outcome_from_wire(number(&c.failure, row), number(&c.party, row), status)?,
            status,
            phases: Phases {
                dns: us(&c.dns_us),
                connect: us(&c.connect_us),
                tls: us(&c.tls_us),
                first_byte: us(&c.first_byte_us),
                body: us(&c.body_us),
                total: Micros(at(&c.total_us, row)),
            },
            address: entry("address_ref", &self.addresses, &c.address_ref, row)?.copied().flatten(),
            family: ip_family_from_wire(number(&c.family, row)),
            protocol: http_version_from_wire(number(&c.protocol, row)),
            emitter: entry("emitter_ref", &self.emitters, &c.emitter_ref, row)?.cloned(),
            dns: DnsFacts { ttl_left_s: minus_one(at(&c.ttl_left_s, row)), ..dns },
            tls: entry("tls_ref", &self.tls, &c.tls_ref, row)?.cloned(),
            body: None,
            redirects: Vec::new(),
            retry_after_s: minus_one(at(&c.retry_after_s, row)),
            retry: retry_from_wire(number(&c.retry, row)),
            beacon: beacon_from_wire(number(&c.beacon, row)).unwrap_or(parallax_model::BeaconState::Untested),
            h3_advert: h3_advert_from_wire(number(&c.h3_advert, row)),
            tie_breakers: TieBreakers::default(),
            detail: None,
        })
    }
}

fn add_extras(columns: &ResultColumns, results: &mut [ProbeResult]) -> Result<(), WireError> {
    let size = results.len();
    for extra in &columns.extras {
        let place = results.get_mut(extra.row as usize);
        let result = place.ok_or(WireError::Reference { field: "extras.row", got: extra.row, size })?;
        result.body = extra.body.as_ref().map(body_from_wire).transpose()?;
        result.redirects = redirects_from_wire(&extra.redirects)?;
        result.detail = detail_from_wire(&extra.detail)?;
        result.tie_breakers =
            extra.tie_breakers.as_ref().map(tie_breakers_from_wire).transpose()?.unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
