//! Columns from their bytes. A batch is a few fields of a thousand numbers each. The generated decoder takes them one by one, into
//! lists that grow as they are filled; here a column is counted, made, and filled eight numbers at a time where they are small.
//! Everything else in the message is left to the generated decoder, and both make the same of the same bytes.

use bytes::{Buf as _, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint};
use prost::{DecodeError, Message as _};

use crate::v1::agent::ResultColumns;

/// Set in every byte of a number but the last.
const MORE: u8 = 0x80;
/// Numbers that are taken together when each is one byte.
const STRIDE: usize = 8;

/// A column of numbers.
enum Column<'a> {
    Plain(&'a mut Vec<u32>),
    Signed(&'a mut Vec<i32>),
    Long(&'a mut Vec<i64>),
}

/// Reads the message.
pub(super) fn decode(mut bytes: Bytes) -> Result<ResultColumns, DecodeError> {
    let mut columns = ResultColumns::default();
    while bytes.has_remaining() {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        let read = match column(&mut columns, tag) {
            Some(column) if wire_type == WireType::LengthDelimited => read(column, &bytes)?,
            _ => None,
        };
        match read {
            Some(length) => bytes.advance(length),
            None => columns.merge_field(tag, wire_type, &mut bytes, DecodeContext::default())?,
        }
    }
    Ok(columns)
}

/// Reads a column with its length before it; says how many bytes that were. `None` when they are not all there.
fn read(column: Column<'_>, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    let mut body = bytes;
    let length = decode_varint(&mut body)?;
    let Some(numbers) = usize::try_from(length).ok().and_then(|length| body.get(..length)) else {
        return Ok(None);
    };
    match column {
        Column::Plain(entries) => fill(entries, numbers, low)?,
        Column::Signed(entries) => fill(entries, numbers, |value| signed(low(value)))?,
        Column::Long(entries) => fill(entries, numbers, long)?,
    }
    Ok(Some(bytes.len() - body.len() + numbers.len()))
}

fn fill<T>(entries: &mut Vec<T>, mut numbers: &[u8], entry: impl Fn(u64) -> T) -> Result<(), DecodeError> {
    entries.reserve_exact(numbers.iter().filter(|byte| **byte < MORE).count());
    while !numbers.is_empty() {
        if let Some((small, rest)) = numbers.split_first_chunk::<STRIDE>()
            && u64::from_le_bytes(*small) & u64::from_le_bytes([MORE; STRIDE]) == 0
        {
            entries.extend(small.map(|byte| entry(byte.into())));
            numbers = rest;
        } else {
            entries.push(entry(decode_varint(&mut numbers)?));
        }
    }
    Ok(())
}

/// The number's lower half, which is all that a column of short numbers keeps.
#[expect(clippy::cast_possible_truncation, reason = "what protobuf says of numbers that are too long")]
const fn low(value: u64) -> u32 {
    value as u32
}

/// The number whose sign is its lowest bit.
const fn signed(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Likewise.
const fn long(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// The column with this tag, as the proto file numbers them.
fn column(columns: &mut ResultColumns, tag: u32) -> Option<Column<'_>> {
    use Column::{Long, Plain, Signed};
    Some(match tag {
        11 => Long(&mut columns.started),
        12 => Plain(&mut columns.target_ref),
        13 => Plain(&mut columns.check_ref),
        14 => Plain(&mut columns.failure),
        15 => Plain(&mut columns.party),
        16 => Plain(&mut columns.status),
        17 => Signed(&mut columns.dns_us),
        18 => Signed(&mut columns.connect_us),
        19 => Signed(&mut columns.tls_us),
        20 => Signed(&mut columns.first_byte_us),
        21 => Signed(&mut columns.body_us),
        22 => Signed(&mut columns.total_us),
        23 => Plain(&mut columns.address_ref),
        24 => Plain(&mut columns.family),
        25 => Plain(&mut columns.protocol),
        26 => Plain(&mut columns.emitter_ref),
        27 => Plain(&mut columns.dns_ref),
        28 => Signed(&mut columns.ttl_left_s),
        29 => Plain(&mut columns.tls_ref),
        30 => Signed(&mut columns.retry_after_s),
        31 => Plain(&mut columns.retry),
        32 => Plain(&mut columns.beacon),
        33 => Plain(&mut columns.h3_advert),
        35 => Plain(&mut columns.redirects_ref),
        36 => Signed(&mut columns.body_length),
        37 => Plain(&mut columns.body_truncated),
        38 => Plain(&mut columns.body_page),
        39 => Plain(&mut columns.digest_ref),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encode;
    use super::super::tests::result;
    use super::*;

    /// Both decoders' answers; what they say is wrong may be worded differently.
    fn both(bytes: &[u8]) -> [Option<ResultColumns>; 2] {
        let bytes = Bytes::copy_from_slice(bytes);
        [decode(bytes.clone()).ok(), ResultColumns::decode(bytes).ok()]
    }

    proptest! {
        #[test]
        fn it_reads_what_the_generated_decoder_reads(
            results in proptest::collection::vec(result(), 0..60),
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let columns = encode(&results);
            let mut bytes = columns.encode_to_vec();
            prop_assert_eq!(both(&bytes), [Some(columns.clone()), Some(columns)]);
            let [whole, generated] = both(&bytes[..cut.index(bytes.len() + 1)]);
            prop_assert_eq!(whole, generated);
            for (place, byte) in flips {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = byte;
                }
            }
            let [whole, generated] = both(&bytes);
            prop_assert_eq!(whole, generated);
        }

        #[test]
        fn every_column_is_read_whatever_its_numbers(
            tag in 1..45_u32,
            numbers in proptest::collection::vec(prop_oneof![0..200_u64, any::<u64>()], 0..40),
            twice in any::<bool>(),
        ) {
            let mut field = Vec::new();
            prost::encoding::uint64::encode_packed(tag, &numbers, &mut field);
            if twice {
                field.extend(field.clone());
            }
            let [own, generated] = both(&field);
            prop_assert_eq!(own, generated);
        }
    }
}
