//! Columns from their bytes. A batch is a few fields of a thousand numbers each. The generated decoder takes them one by one, into
//! lists that grow as they are filled; here a column is counted, made, and filled eight numbers at a time where they are small.
//! Everything else in the message is left to the generated decoder, and both make the same of the same bytes.

use bytes::Bytes;
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

/// The dictionaries whose entries are bytes: where each entry lies in the message.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Dictionaries<'a> {
    pub(super) targets: Vec<&'a [u8]>,
    pub(super) addresses: Vec<&'a [u8]>,
    pub(super) emitters: Vec<&'a [u8]>,
    pub(super) dns: Vec<&'a [u8]>,
    pub(super) tls: Vec<&'a [u8]>,
    pub(super) checks: Vec<&'a [u8]>,
    pub(super) digests: Vec<&'a [u8]>,
}

/// How many these are.
const DICTIONARIES: usize = 7;
/// The first one's tag; the others' follow.
const FIRST_TAG: u32 = 2;

impl<'a> Dictionaries<'a> {
    /// In the order of their tags.
    const fn lists(&mut self) -> [&mut Vec<&'a [u8]>; DICTIONARIES] {
        let Self { targets, addresses, emitters, dns, tls, checks, digests } = self;
        [targets, addresses, emitters, dns, tls, checks, digests]
    }

    fn list(&mut self, tag: u32) -> Option<&mut Vec<&'a [u8]>> {
        let place = usize::try_from(tag.checked_sub(FIRST_TAG)?).ok()?;
        self.lists().into_iter().nth(place)
    }
}

/// Dictionaries that were taken out of columns.
pub(super) struct Taken([Vec<Bytes>; DICTIONARIES]);

impl Taken {
    /// Takes them out.
    pub(super) fn out_of(columns: &mut ResultColumns) -> Self {
        Self(lists(columns).map(std::mem::take))
    }

    /// Where their entries lie.
    pub(super) fn dictionaries(&self) -> Dictionaries<'_> {
        let mut dictionaries = Dictionaries::default();
        for (list, entries) in dictionaries.lists().into_iter().zip(&self.0) {
            list.extend(entries.iter().map(Bytes::as_ref));
        }
        dictionaries
    }
}

/// In the order of their tags.
const fn lists(columns: &mut ResultColumns) -> [&mut Vec<Bytes>; DICTIONARIES] {
    let ResultColumns { targets, addresses, emitters, dns, tls, checks, digests, .. } = columns;
    [targets, addresses, emitters, dns, tls, checks, digests]
}

/// Reads the message.
pub(super) fn decode(bytes: &Bytes) -> Result<ResultColumns, DecodeError> {
    let (mut columns, mut dictionaries) = decode_apart(bytes)?;
    for (list, entries) in lists(&mut columns).into_iter().zip(dictionaries.lists()) {
        list.extend(entries.iter().map(|entry| bytes.slice_ref(entry)));
    }
    Ok(columns)
}

/// Reads the message, and leaves the entries of its dictionaries where they are: most were met before and need only be looked at.
pub(super) fn decode_apart(mut bytes: &[u8]) -> Result<(ResultColumns, Dictionaries<'_>), DecodeError> {
    let (mut columns, mut dictionaries) = (ResultColumns::default(), Dictionaries::default());
    while !bytes.is_empty() {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        let field = if wire_type == WireType::LengthDelimited { field(bytes)? } else { None };
        if let Some((field, rest)) = field {
            if let Some(list) = dictionaries.list(tag) {
                list.push(field);
                bytes = rest;
                continue;
            }
            if let Some(column) = column(&mut columns, tag) {
                read(column, field)?;
                bytes = rest;
                continue;
            }
        }
        columns.merge_field(tag, wire_type, &mut bytes, DecodeContext::default())?;
    }
    Ok((columns, dictionaries))
}

/// A field's bytes, and what comes after them.
type Field<'a> = (&'a [u8], &'a [u8]);

/// A field that has its length before it. `None` when it is not all there.
fn field(bytes: &[u8]) -> Result<Option<Field<'_>>, DecodeError> {
    let mut body = bytes;
    let length = decode_varint(&mut body)?;
    Ok(usize::try_from(length).ok().and_then(|length| body.split_at_checked(length)))
}

fn read(column: Column<'_>, numbers: &[u8]) -> Result<(), DecodeError> {
    match column {
        Column::Plain(entries) => fill(entries, numbers, low),
        Column::Signed(entries) => fill(entries, numbers, |value| signed(low(value))),
        Column::Long(entries) => fill(entries, numbers, long),
    }
}

fn fill<T>(entries: &mut Vec<T>, mut numbers: &[u8], entry: impl Fn(u64) -> T) -> Result<(), DecodeError> {
    let count = count(numbers);
    entries.reserve_exact(count);
    if count == numbers.len() {
        entries.extend(numbers.iter().map(|byte| entry(u64::from(*byte))));
        return Ok(());
    }
    while !numbers.is_empty() {
        if let Some((small, rest)) = numbers.split_first_chunk::<STRIDE>()
            && u64::from_le_bytes(*small) & u64::from_le_bytes([MORE; STRIDE]) == 0
        {
            entries.extend(small.map(|byte| entry(byte.into())));
            numbers = rest;
        } else if let [first, second, ..] = *numbers
            && (first & second & MORE) == 0
        {
            // One byte or two, and which of both is as good as random: a branch would be foretold wrongly.
            let more = first >> 7;
            let high = (u64::from(second) << 7) * u64::from(more);
            entries.push(entry(u64::from(first & !MORE) | high));
            numbers = numbers.get(1 + usize::from(more)..).unwrap_or_default();
        } else {
            entries.push(entry(decode_varint(&mut numbers)?));
        }
    }
    Ok(())
}

/// How many numbers these bytes are. Counted in bytes, of which a processor takes many at once.
fn count(numbers: &[u8]) -> usize {
    let few = |bytes: &[u8]| bytes.iter().map(|byte| u8::from(*byte < MORE)).sum::<u8>();
    numbers.chunks(usize::from(u8::MAX)).map(|bytes| usize::from(few(bytes))).sum()
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
        [decode(&bytes).ok(), ResultColumns::decode(bytes).ok()]
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
