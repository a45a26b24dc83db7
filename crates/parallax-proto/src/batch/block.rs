//! Many batches of one agent as one block: what the older part of the journal is kept as.
//!
//! A batch of some seconds tells its targets, answers and certificates anew; a block of hours tells each of them once. Its rows are
//! sorted by target, each told by how it differs from the one before of the same target, and every column is compressed by itself,
//! for what is alike lies together. The order in which the rows came is kept, so a block gives back the batches it was made of.
//!
//! What is lost is what a large batch does not have either: microseconds of a small batch's times (they are within 0.8 % then), and
//! digests of the bodies of its results that are ok.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use parallax_model::UnixMicros;
use prost::Message as _;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::known::Known;
use super::rows::{Mark, Number, Rows, TIMES};
use super::scale::Scale;
use super::{COARSE_BITS, COARSE_UNIT_US, pack, unpack_by};
use crate::WireError;
use crate::v1::agent::{RedirectList, ResultColumns, ResultExtra};

/// Most results in one block.
pub const MAX_BLOCK_RESULTS: u32 = 65_536;
/// How a block begins. A batch begins otherwise, packed or not.
const MAGIC: [u8; 4] = *b"PXB1";
/// zstd's level for numbers: at 9 they are a twentieth smaller and joining takes three times as long.
const LEVEL: i32 = 3;
/// zstd's level for dictionaries, which are few bytes and much alike.
const DICTIONARY_LEVEL: i32 = 9;
/// A block is at most so large when it is unpacked: more than its results need, and little enough for the memory of a small machine.
const MAX_PLAIN_BYTES: usize = 32 * 1024 * 1024;
/// What batches refer to, and the rare parts of their rows, are at most so large in one block.
const MAX_REFERRED_BYTES: usize = 8 * 1024 * 1024;
/// Fields of columns up to this one are the dictionaries: compressed as one, for a host's name is in several of them.
const LAST_DICTIONARY: u32 = 10;
/// References that a row has beside its target.
const REFERENCES: [Mark; 7] =
    [Mark::Check, Mark::Address, Mark::Emitter, Mark::Dns, Mark::Tls, Mark::Redirects, Mark::Digest];
/// Moments at which batches came are kept in these microseconds.
const RECEIVED_UNIT_US: i64 = 1_000;

/// A batch as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What [`pack`] made.
    pub columns: Bytes,
    /// How many results it holds.
    pub count: u32,
    /// How many of them, from the first on, do not count. A block leaves them out.
    pub skip: u32,
    /// When it came; a block keeps it to the millisecond.
    pub received_at: UnixMicros,
}

/// The frame of a block.
#[derive(Clone, PartialEq, prost::Message)]
struct Block {
    /// The fields of all rows' columns, in the order of their tags, compressed one by one. One after the other, unpacked, they are
    /// the message `ResultColumns`.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    columns: Vec<Bytes>,
    /// The batches, compressed.
    #[prost(bytes = "bytes", tag = "2")]
    batches: Bytes,
}

/// The batches of a block.
#[derive(Clone, PartialEq, prost::Message)]
struct Batches {
    #[prost(uint32, repeated, tag = "1")]
    count: Vec<u32>,
    /// In milliseconds, each after the one before.
    #[prost(sint64, repeated, tag = "2")]
    received: Vec<i64>,
    #[prost(uint32, repeated, tag = "3")]
    waited_s: Vec<u32>,
}

/// Joins batches of one agent, in the order of their seqs, into a block.
///
/// # Errors
/// One of them cannot be read, or together they hold more than [`MAX_BLOCK_RESULTS`].
pub fn join(parts: &[Part], known: &Known) -> Result<Bytes, WireError> {
    let mut gathered = Gathered::default();
    let mut batches = Batches::default();
    let mut before = 0;
    for part in parts {
        let source = Source::read(unpack_by(known, &part.columns)?)?;
        let rows = part.skip as usize..source.rows.target.len();
        let count = u32::try_from(rows.len()).unwrap_or(0);
        if source.columns.count != part.count || count == 0 {
            return Err(WireError::invalid("count", "not what the batch holds"));
        }
        gathered.take(&source, rows)?;
        if gathered.referred_bytes() > MAX_REFERRED_BYTES {
            return Err(WireError::invalid("block", format_args!("more than {MAX_REFERRED_BYTES} bytes")));
        }
        let received = part.received_at.0.div_euclid(RECEIVED_UNIT_US);
        batches.count.push(count);
        batches.received.push(received.wrapping_sub(before));
        batches.waited_s.push(source.columns.waited_s);
        before = received;
    }
    let limit = MAX_BLOCK_RESULTS;
    let got = u32::try_from(gathered.rows.target.len()).unwrap_or(u32::MAX);
    if got > limit {
        return Err(WireError::TooMany { got, limit });
    }
    let columns = gathered.into_sorted();
    let block =
        Block { columns: compress_fields(&columns)?, batches: compress(&batches.encode_to_vec(), LEVEL)? };
    let mut bytes = MAGIC.to_vec();
    block.encode(&mut bytes).map_err(|error| WireError::invalid("block", error))?;
    Ok(bytes.into())
}

/// The batches that a block was made of.
///
/// # Errors
/// It is none.
pub fn split(bytes: &[u8]) -> Result<Vec<Part>, WireError> {
    let invalid = |error: prost::DecodeError| WireError::invalid("block", error);
    let frame = bytes.strip_prefix(&MAGIC).ok_or(WireError::Missing("block"))?;
    let block = Block::decode(frame).map_err(invalid)?;
    let mut plain = Vec::new();
    for column in &block.columns {
        plain.extend(decompress(column, MAX_PLAIN_BYTES - plain.len())?);
    }
    let columns = ResultColumns::decode(Bytes::from(plain)).map_err(invalid)?;
    let batches =
        Batches::decode(Bytes::from(decompress(&block.batches, MAX_PLAIN_BYTES)?)).map_err(invalid)?;
    let source = Source::read_sorted(columns)?;
    let (mut first, mut received, mut parts) = (0, 0_i64, Vec::new());
    for ((count, after), waited_s) in batches.count.iter().zip(&batches.received).zip(&batches.waited_s) {
        received = received.wrapping_add(*after);
        let rows = first..first + *count as usize;
        if rows.end > source.rows.target.len() {
            return Err(WireError::invalid("block", "more batches than rows"));
        }
        first = rows.end;
        let mut gathered = Gathered::default();
        gathered.take(&source, rows)?;
        let columns = ResultColumns { waited_s: *waited_s, ..gathered.into_columns() };
        let received_at = UnixMicros(received.saturating_mul(RECEIVED_UNIT_US));
        parts.push(Part { columns: pack(&columns), count: *count, skip: 0, received_at });
    }
    Ok(parts)
}

/// Columns with their rows as plain numbers.
struct Source {
    columns: ResultColumns,
    rows: Rows,
    scale: Scale,
    unit: i64,
}

impl Source {
    fn read(mut columns: ResultColumns) -> Result<Self, WireError> {
        let targets = columns.targets.len();
        let rows = Rows::read(&mut columns, targets)?;
        let scale = Scale::new(columns.timing_bits);
        Ok(Self { unit: i64::from(columns.started_unit_us.max(1)), columns, rows, scale })
    }

    /// Reads what [`Gathered::into_sorted`] made, the rows back in the order in which they came.
    fn read_sorted(mut columns: ResultColumns) -> Result<Self, WireError> {
        let came = std::mem::take(&mut columns.target_ref);
        let order = sorted(&came);
        columns.target_ref = order.iter().map(|row| came[*row as usize]).collect();
        let mut source = Self::read(columns)?;
        let mut back = vec![0; order.len()];
        for (place, row) in (0..).zip(&order) {
            back[*row as usize] = place;
        }
        source.rows = permuted(&source.rows, &back);
        for extra in &mut source.columns.extras {
            let row = order.get(extra.row as usize);
            extra.row = *row.ok_or_else(|| WireError::invalid("extras", "a row that is not there"))?;
        }
        source.columns.extras.sort_by_key(|extra| extra.row);
        Ok(source)
    }

    /// The dictionary of a reference.
    fn dictionary(&self, mark: Mark) -> Vec<Bytes> {
        let c = &self.columns;
        match mark {
            Mark::Check => c.checks.clone(),
            Mark::Address => c.addresses.clone(),
            Mark::Emitter => c.emitters.clone(),
            Mark::Dns => c.dns.clone(),
            Mark::Tls => c.tls.clone(),
            Mark::Redirects => c.redirects.iter().map(|list| list.encode_to_vec().into()).collect(),
            _ => c.digests.clone(),
        }
    }

    /// Whether times and moments are as a block keeps them.
    fn is_coarse(&self) -> bool {
        self.scale == Scale::new(COARSE_BITS) && self.unit == i64::from(COARSE_UNIT_US)
    }
}

/// Row numbers in the order of their keys, equal keys in their own.
fn sorted(keys: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(keys.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by_key(|row| keys[*row as usize]);
    order
}

/// The rows in another order.
fn permuted(rows: &Rows, order: &[u32]) -> Rows {
    let pick = |column: &Vec<u32>| -> Vec<u32> {
        if column.is_empty() { Vec::new() } else { order.iter().map(|row| column[*row as usize]).collect() }
    };
    Rows {
        target: pick(&rows.target),
        started: order.iter().map(|row| rows.started[*row as usize]).collect(),
        marks: std::array::from_fn(|mark| pick(&rows.marks[mark])),
        numbers: std::array::from_fn(|number| pick(&rows.numbers[number])),
        total: pick(&rows.total),
    }
}

/// Distinct values, each with its place plus one.
#[derive(Debug, Default)]
struct Entries {
    places: HashMap<Bytes, u32>,
    values: Vec<Bytes>,
    bytes: usize,
}

impl Entries {
    fn reference(&mut self, value: &Bytes) -> u32 {
        if let Some(place) = self.places.get(value) {
            return *place;
        }
        self.values.push(value.clone());
        self.bytes += value.len();
        let place = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.places.insert(value.clone(), place);
        place
    }
}

/// References of one source as references of what is gathered: each is looked up once.
struct Mapping {
    from: Vec<Bytes>,
    to: Vec<u32>,
}

impl Mapping {
    fn new(from: Vec<Bytes>) -> Self {
        Self { to: vec![0; from.len()], from }
    }

    fn map(&mut self, reference: u32, into: &mut Entries) -> Option<u32> {
        let Some(place) = reference.checked_sub(1) else { return Some(0) };
        let known = self.to.get_mut(place as usize)?;
        if *known == 0 {
            *known = into.reference(self.from.get(place as usize)?);
        }
        Some(*known)
    }
}

/// Rows of several sources, with dictionaries of what they refer to.
#[derive(Debug, Default)]
struct Gathered {
    rows: Rows,
    targets: Entries,
    references: [Entries; REFERENCES.len()],
    extras: Vec<ResultExtra>,
    extras_bytes: usize,
}

impl Gathered {
    fn take(&mut self, source: &Source, range: Range<usize>) -> Result<(), WireError> {
        let (begin, rows) = (self.rows.target.len(), &source.rows);
        let wrong = |mark: Mark| WireError::invalid(mark.field(), "it points to an entry that is not there");
        let mut targets = Mapping::new(source.columns.targets.clone());
        for row in range.clone() {
            let target = targets.map(rows.target[row] + 1, &mut self.targets);
            self.rows.target.push(target.ok_or(WireError::Missing("target_ref"))? - 1);
        }
        for mark in Mark::ALL {
            let to = &mut self.rows.marks[*mark as usize];
            let Some(which) = REFERENCES.iter().position(|r| r == mark) else {
                to.extend(range.clone().map(|row| rows.mark(*mark, row)));
                continue;
            };
            let mut mapping = Mapping::new(source.dictionary(*mark));
            for row in range.clone() {
                let left_out = *mark == Mark::Digest && rows.mark(Mark::Failure, row) == 0;
                let reference = if left_out { 0 } else { rows.mark(*mark, row) };
                to.push(mapping.map(reference, &mut self.references[which]).ok_or_else(|| wrong(*mark))?);
            }
        }
        for number in Number::ALL {
            let from = range.clone().map(|row| rows.number(*number, row));
            self.rows.numbers[*number as usize].extend(from);
        }
        self.rows.total.extend(range.clone().map(|row| rows.total(row)));
        self.rows.started.extend(&rows.started[range.clone()]);
        if !source.is_coarse() {
            self.make_coarse(source, begin);
        }
        let extras = source.columns.extras.iter().filter(|e| range.contains(&(e.row as usize)));
        let place = |row: u32| u32::try_from(row as usize - range.start + begin).unwrap_or(u32::MAX);
        for extra in extras {
            self.extras_bytes += extra.encoded_len();
            self.extras.push(ResultExtra { row: place(extra.row), ..extra.clone() });
        }
        Ok(())
    }

    /// Bytes of everything but the rows.
    fn referred_bytes(&self) -> usize {
        let references = self.references.iter().map(|entries| entries.bytes).sum::<usize>();
        self.targets.bytes + references + self.extras_bytes
    }

    /// Brings the rows from `begin` on, which are of `source`, to the block's scale and unit.
    fn make_coarse(&mut self, source: &Source, begin: usize) {
        let (from, to) = (source.scale, Scale::new(COARSE_BITS));
        for row in begin..self.rows.target.len() {
            let started = &mut self.rows.started[row];
            *started = started.saturating_mul(source.unit).div_euclid(i64::from(COARSE_UNIT_US));
            let (mut sum, mut coarse_sum) = (0_u32, 0_u32);
            for time in TIMES {
                let value = &mut self.rows.numbers[time as usize][row];
                let Some(place) = value.checked_sub(1) else { continue };
                let us = from.number(place);
                let coarse = to.place(us);
                *value = coarse.saturating_add(1);
                sum = sum.saturating_add(us);
                coarse_sum = coarse_sum.saturating_add(to.number(coarse));
            }
            let total = &mut self.rows.total[row];
            let us = from.number(from.place(sum).wrapping_add(*total));
            *total = to.place(us).wrapping_sub(to.place(coarse_sum));
        }
    }

    /// As columns, the rows in their order.
    fn into_columns(self) -> ResultColumns {
        let [checks, addresses, emitters, dns, tls, redirects, digests] = self.references.map(|e| e.values);
        let list = |bytes: Bytes| RedirectList::decode(bytes).unwrap_or_default();
        let started = self.rows.started.first().copied().unwrap_or(0);
        let mut columns = ResultColumns {
            count: u32::try_from(self.rows.target.len()).unwrap_or(u32::MAX),
            timing_bits: COARSE_BITS,
            started_unit_us: COARSE_UNIT_US,
            base_started_at_us: started.saturating_mul(i64::from(COARSE_UNIT_US)),
            checks,
            addresses,
            emitters,
            dns,
            tls,
            redirects: redirects.into_iter().map(list).collect(),
            digests,
            extras: self.extras,
            ..ResultColumns::default()
        };
        self.rows.write(self.targets.values.len(), &mut columns);
        columns.targets = self.targets.values;
        columns
    }

    /// As columns, the rows sorted by target; only `target_ref` stays in the order in which they came.
    fn into_sorted(mut self) -> ResultColumns {
        let order = sorted(&self.rows.target);
        let came: Vec<u32> = self.rows.target.iter().map(|target| target + 1).collect();
        self.rows = permuted(&self.rows, &order);
        let mut place = vec![0; order.len()];
        for (to, row) in (0..).zip(&order) {
            place[*row as usize] = to;
        }
        for extra in &mut self.extras {
            extra.row = place[extra.row as usize];
        }
        self.extras.sort_by_key(|extra| extra.row);
        ResultColumns { target_ref: came, ..self.into_columns() }
    }
}

/// The fields of a message, each compressed; the dictionaries as one.
fn compress_fields(columns: &ResultColumns) -> Result<Vec<Bytes>, WireError> {
    let plain = columns.encode_to_vec();
    let (mut rest, mut begin, mut fields) = (plain.as_slice(), 0, Vec::new());
    let mut before = 0;
    while !rest.is_empty() {
        let at = plain.len() - rest.len();
        let skip = |rest: &mut &[u8]| {
            let (tag, wire) = decode_key(rest)?;
            skip_field(wire, tag, rest, DecodeContext::default())?;
            Ok(tag)
        };
        let tag = skip(&mut rest).map_err(|e: prost::DecodeError| WireError::invalid("columns", e))?;
        let group = tag.max(LAST_DICTIONARY);
        if group != before && at > begin {
            fields
                .push(compress(&plain[begin..at], if fields.is_empty() { DICTIONARY_LEVEL } else { LEVEL })?);
            begin = at;
        }
        before = group;
    }
    fields.push(compress(&plain[begin..], LEVEL)?);
    Ok(fields)
}

fn compress(plain: &[u8], level: i32) -> Result<Bytes, WireError> {
    let compressed = zstd::bulk::compress(plain, level);
    Ok(compressed.map_err(|error| WireError::invalid("block", error))?.into())
}

/// What a frame holds, at most `room` bytes.
fn decompress(frame: &[u8], room: usize) -> Result<Vec<u8>, WireError> {
    let told = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten();
    let size = told.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= room);
    let size = size.ok_or_else(|| WireError::invalid("block", "larger than a block can be"))?;
    zstd::bulk::decompress(frame, size).map_err(|error| WireError::invalid("block", error))
}

#[cfg(test)]
mod tests;
