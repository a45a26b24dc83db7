//! Results as columns: what agents send, what the journal keeps.
//!
//! Encoding is by dictionary for whatever repeats (targets, addresses, emitters, DNS answers, certificates), and each row is told by
//! how it differs from the row before of the same target. So most entries are 0 or small, and [`pack`] makes little of them.
//!
//! Reading checks a batch as a whole ([`Results`]) and makes a [`ProbeResult`] only of the rows that somebody asks for.

mod block;
mod encode;
mod known;
mod results;
mod rows;
mod scale;
mod wire;

use bytes::Bytes;
use parallax_model::ProbeResult;
use prost::Message as _;

use crate::WireError;
use crate::v1::agent::{ResultBatch, ResultColumns};

pub use block::{MAX_BLOCK_RESULTS, Part, join, split};
pub use encode::encode;
pub use known::Known;
pub use results::{ByTarget, Results, TargetRows};

/// Most results in one batch.
pub const MAX_BATCH_RESULTS: u32 = 1_000;
/// Largest encoded batch before compression, in bytes; gRPC messages above it are refused before they are read.
pub const MAX_BATCH_BYTES: usize = 256 * 1024;
/// A batch of at most so many results keeps times to the microsecond: it is what somebody waits for, or what little there is to say.
pub const EXACT_RESULTS: usize = 16;

/// Bits after the first one that a time keeps in larger batches: to within 0.8 %.
const COARSE_BITS: u32 = 6;
/// Unit of the moments at which probes began, in larger batches, in microseconds.
const COARSE_UNIT_US: u32 = 10_000;
/// Columns are compressed from this size on, in bytes; below it there is nothing to gain.
const COMPRESS_FROM: usize = 512;
/// zstd's level: beyond it the agent works more for less than a tenth.
const LEVEL: i32 = 3;
/// How a zstd frame begins (RFC 8878, 3.1.1). Columns never do: their first byte is that of `count`.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Columns as bytes: what goes over the wire and into the journal. Compressed when that makes them smaller.
pub fn pack(columns: &ResultColumns) -> Bytes {
    let plain = columns.encode_to_vec();
    if plain.len() >= COMPRESS_FROM
        && let Ok(compressed) = zstd::bulk::compress(&plain, LEVEL)
        && compressed.len() < plain.len()
    {
        return compressed.into();
    }
    plain.into()
}

/// A batch as a message.
pub fn message(epoch: u64, first_seq: u64, columns: &ResultColumns) -> ResultBatch {
    ResultBatch { epoch, first_seq, columns: pack(columns), count: columns.count, backlog: false }
}

/// Bytes that [`pack`] made, as columns. At most [`MAX_BATCH_BYTES`] come out, whatever goes in.
pub fn unpack(bytes: &[u8]) -> Result<ResultColumns, WireError> {
    unpack_by(&Known::default(), bytes)
}

fn unpack_by(known: &Known, bytes: &[u8]) -> Result<ResultColumns, WireError> {
    let plain = plain(known, bytes)?.map_or_else(|| Bytes::copy_from_slice(bytes), Bytes::from);
    wire::decode(&plain).map_err(|error| WireError::invalid("columns", error))
}

/// What was compressed; `None` when it was not.
fn plain(known: &Known, bytes: &[u8]) -> Result<Option<Vec<u8>>, WireError> {
    if bytes.starts_with(&ZSTD_MAGIC) {
        return known.decompress(bytes).map(Some).map_err(|error| WireError::invalid("columns", error));
    }
    if bytes.len() > MAX_BATCH_BYTES {
        return Err(WireError::invalid("columns", format_args!("more than {MAX_BATCH_BYTES} bytes")));
    }
    Ok(None)
}

/// Bytes that [`pack`] made, as results; `count` is what the message around them says.
pub fn read(bytes: &[u8], count: u32, known: &Known) -> Result<Results, WireError> {
    let plain = plain(known, bytes)?;
    let read = wire::decode_apart(plain.as_deref().unwrap_or(bytes));
    let (columns, dictionaries) = read.map_err(|error| WireError::invalid("columns", error))?;
    if columns.count != count {
        let why = format_args!("the message says {count}, the columns hold {}", columns.count);
        return Err(WireError::invalid("count", why));
    }
    Results::of(columns, &dictionaries, known)
}

/// Decodes a batch into results, all of them.
pub fn decode(columns: &ResultColumns) -> Result<Vec<ProbeResult>, WireError> {
    Ok(Results::new(columns.clone(), &Known::default())?.iter().collect())
}

#[cfg(test)]
mod tests;
