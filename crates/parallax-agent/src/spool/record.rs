//! How a result lies in the spool's files: one record each, with a checksum of its own.
//!
//! A file holds nothing but records, so no byte of it matters to more than one of them. After bytes that are no record the next one
//! is found again by its mark. All numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the mark, whose last byte is the format's version |
//! | 4 | length of the encoded result |
//! | 4 | CRC-32 of the epoch and of everything but mark and checksum |
//! | 8 | seq |
//! | 8 | when the result began, in microseconds |
//! | … | the result: `ResultColumns` of one row |

use parallax_model::{Epoch, ProbeResult, UnixMicros};
use parallax_proto::batch;
use parallax_proto::v1::agent::ResultColumns;
use prost::Message as _;

const MARK: [u8; 4] = [0xf7, b'P', b'X', 1];
/// Bytes of a record before its result.
const HEAD: usize = 28;
/// Largest encoded result: far above the 8 KiB that a probe makes, so that a damaged length is noticed.
const MAX_ROW: usize = 64 * 1024;

/// One record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Its place in the epoch.
    pub(super) seq: u64,
    /// When the result began.
    pub(super) started_at: UnixMicros,
    row: &'a [u8],
}

impl Record<'_> {
    /// Bytes in the file.
    pub(super) const fn len(&self) -> usize {
        HEAD + self.row.len()
    }

    /// The result; `None` when the program that wrote it knew more than this one.
    pub(super) fn result(&self) -> Option<ProbeResult> {
        let columns = ResultColumns::decode(self.row).ok()?;
        batch::decode(&columns).ok()?.pop()
    }
}

/// What stands next in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A record.
    Record(Record<'a>),
    /// So many bytes that are none.
    Damage(usize),
}

/// A result as it is kept, without its head.
pub(super) fn encode_row(result: &ProbeResult) -> Vec<u8> {
    batch::encode(std::slice::from_ref(result)).encode_to_vec()
}

/// Appends a record.
pub(super) fn put(out: &mut Vec<u8>, epoch: Epoch, seq: u64, result: &ProbeResult) {
    put_row(out, epoch, seq, result.started_at, &encode_row(result));
}

fn put_row(out: &mut Vec<u8>, epoch: Epoch, seq: u64, started_at: UnixMicros, row: &[u8]) {
    let length = u32::try_from(row.len()).unwrap_or(u32::MAX).to_le_bytes();
    let (seq, started) = (seq.to_le_bytes(), started_at.0.to_le_bytes());
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(epoch, length, &[&seq, &started, row]).to_le_bytes());
    out.extend_from_slice(&seq);
    out.extend_from_slice(&started);
    out.extend_from_slice(row);
}

/// Copies a record that was read.
pub(super) fn copy(out: &mut Vec<u8>, epoch: Epoch, record: &Record<'_>) {
    put_row(out, epoch, record.seq, record.started_at, record.row);
}

fn checksum(epoch: Epoch, length: [u8; 4], rest: &[&[u8]]) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&epoch.0.to_le_bytes());
    checksum.update(&length);
    for part in rest {
        checksum.update(part);
    }
    checksum.finalize()
}

/// Reads a file's records in their order. Those that were written again after a failure come once.
#[derive(Debug)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    epoch: Epoch,
    last: u64,
}

impl<'a> Records<'a> {
    pub(super) const fn new(bytes: &'a [u8], epoch: Epoch) -> Self {
        Self { bytes, epoch, last: 0 }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        while !self.bytes.is_empty() {
            let Some((record, length)) = record(self.bytes, self.epoch) else {
                let damaged = (1..self.bytes.len())
                    .find(|at| record(&self.bytes[*at..], self.epoch).is_some())
                    .unwrap_or(self.bytes.len());
                self.bytes = &self.bytes[damaged..];
                return Some(Found::Damage(damaged));
            };
            self.bytes = &self.bytes[length..];
            if record.seq > self.last {
                self.last = record.seq;
                return Some(Found::Record(record));
            }
        }
        None
    }
}

/// The record that begins here, and its length.
fn record(bytes: &[u8], epoch: Epoch) -> Option<(Record<'_>, usize)> {
    let rest = bytes.strip_prefix(&MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<4>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (started, rest) = rest.split_first_chunk::<8>()?;
    let row_bytes = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|bytes| *bytes <= MAX_ROW)?;
    let row = rest.get(..row_bytes)?;
    let good = checksum(epoch, *length, &[seq, started, row]) == u32::from_le_bytes(*expected);
    let started_at = UnixMicros(i64::from_le_bytes(*started));
    good.then(|| (Record { seq: u64::from_le_bytes(*seq), started_at, row }, HEAD + row_bytes))
}
