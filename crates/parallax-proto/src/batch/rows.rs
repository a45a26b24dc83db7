//! The rows of a batch as plain columns of numbers, and how each differs from the row before of the same target.

use crate::WireError;
use crate::v1::agent::ResultColumns;

/// Every row's values: indices into dictionaries plus one, wire numbers of vocabularies, optional numbers plus one, times as places
/// on the batch's scale. A column without entries is all zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Index into the targets, in each row.
    pub(super) target: Vec<u32>,
    /// In units of the batch.
    pub(super) started: Vec<i64>,
    pub(super) marks: [Vec<u32>; Mark::COUNT],
    pub(super) numbers: [Vec<u32>; Number::COUNT],
    /// Place of the total minus that of the sum of the other times.
    pub(super) total: Vec<u32>,
}

macro_rules! columns {
    ($(#[$meta:meta])* $name:ident { $($member:ident = $field:ident),+ $(,)? }, $entry:ty) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($member),+ }

        impl $name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$member),+];
            pub(super) const COUNT: usize = Self::ALL.len();

            /// As the proto file names it.
            pub(super) const fn field(self) -> &'static str {
                match self { $(Self::$member => stringify!($field)),+ }
            }

            fn entries(self, columns: &mut ResultColumns) -> &mut Vec<$entry> {
                match self { $(Self::$member => &mut columns.$field),+ }
            }
        }
    };
}

columns! {
    /// Columns whose values come back: told when they change.
    Mark {
        Check = check_ref,
        Failure = failure,
        Party = party,
        Status = status,
        Address = address_ref,
        Family = family,
        Protocol = protocol,
        Emitter = emitter_ref,
        Dns = dns_ref,
        Tls = tls_ref,
        Retry = retry,
        Beacon = beacon,
        H3Advert = h3_advert,
        Redirects = redirects_ref,
        Truncated = body_truncated,
        Page = body_page,
        Digest = digest_ref,
    }, u32
}

columns! {
    /// Columns whose values are near those before: told by the difference.
    Number {
        DnsUs = dns_us,
        ConnectUs = connect_us,
        TlsUs = tls_us,
        FirstByteUs = first_byte_us,
        BodyUs = body_us,
        TtlLeftS = ttl_left_s,
        RetryAfterS = retry_after_s,
        BodyLength = body_length,
    }, i32
}

/// The five times of a result that may be absent.
pub(super) const TIMES: [Number; 5] =
    [Number::DnsUs, Number::ConnectUs, Number::TlsUs, Number::FirstByteUs, Number::BodyUs];

impl Number {
    /// From which number the next one of the same target is told. Times scatter about their mean, so they are told from that.
    fn next(self, before: u32, value: u32) -> u32 {
        if !TIMES.contains(&self) || before == 0 {
            return value;
        }
        if value == 0 {
            return before;
        }
        let step = (i64::from(value) - i64::from(before)) / 4;
        u32::try_from(i64::from(before) + step).unwrap_or(value)
    }
}

impl Rows {
    #[inline]
    pub(super) fn mark(&self, mark: Mark, row: usize) -> u32 {
        at(&self.marks[mark as usize], row)
    }

    #[inline]
    pub(super) fn number(&self, number: Number, row: usize) -> u32 {
        at(&self.numbers[number as usize], row)
    }

    #[inline]
    pub(super) fn total(&self, row: usize) -> u32 {
        at(&self.total, row)
    }

    /// Writes the rows, each by how it differs from the one before of the same target.
    pub(super) fn write(self, targets: usize, columns: &mut ResultColumns) {
        for mark in Mark::ALL {
            let mut before = vec![0; targets];
            let tell = |(target, value): (&u32, &u32)| {
                let last = std::mem::replace(&mut before[*target as usize], *value);
                if last == *value { 0 } else { value.saturating_add(1) }
            };
            let entries = self.target.iter().zip(&self.marks[*mark as usize]).map(tell).collect();
            *mark.entries(columns) = unless_all_zero(entries);
        }
        for number in Number::ALL {
            let mut before = vec![0; targets];
            let tell = |(target, value): (&u32, &u32)| {
                let last = &mut before[*target as usize];
                let entry = value.wrapping_sub(*last).cast_signed();
                *last = number.next(*last, *value);
                entry
            };
            let entries = self.target.iter().zip(&self.numbers[*number as usize]).map(tell).collect();
            *number.entries(columns) = unless_all_zero(entries);
        }
        columns.total_us = unless_all_zero(self.total.iter().map(|t| t.cast_signed()).collect());
        columns.started = unless_all_zero(started_to_wire(&self.target, &self.started, targets));
        columns.target_ref = self.target.iter().map(|t| t + 1).collect();
    }

    /// Reads what [`Rows::write`] wrote, leaving the columns empty. Every column has no entry or one for each row.
    pub(super) fn read(columns: &mut ResultColumns, targets: usize) -> Result<Self, WireError> {
        let count = columns.count as usize;
        let mut rows = Self { target: target_of_each(columns, targets)?, ..Self::default() };
        let mut before = vec![0_u32; targets];
        for mark in Mark::ALL {
            let mut values = std::mem::take(mark.entries(columns));
            check(mark.field(), values.len(), count)?;
            before.fill(0);
            for (target, value) in rows.target.iter().zip(&mut values) {
                let last = &mut before[*target as usize];
                if *value != 0 {
                    *last = *value - 1;
                }
                *value = *last;
            }
            rows.marks[*mark as usize] = values;
        }
        for number in Number::ALL {
            let entries = std::mem::take(number.entries(columns));
            check(number.field(), entries.len(), count)?;
            before.fill(0);
            let mut values: Vec<u32> = entries.into_iter().map(i32::cast_unsigned).collect();
            for (target, value) in rows.target.iter().zip(&mut values) {
                let last = &mut before[*target as usize];
                *value = last.wrapping_add(*value);
                *last = number.next(*last, *value);
            }
            rows.numbers[*number as usize] = values;
        }
        check("total_us", columns.total_us.len(), count)?;
        rows.total = std::mem::take(&mut columns.total_us).into_iter().map(i32::cast_unsigned).collect();
        rows.started = started_from_wire(columns, &rows.target, targets)?;
        Ok(rows)
    }
}

#[inline]
fn at(column: &[u32], row: usize) -> u32 {
    column.get(row).copied().unwrap_or(0)
}

fn unless_all_zero<T: Default + PartialEq>(entries: Vec<T>) -> Vec<T> {
    if entries.iter().all(|e| *e == T::default()) { Vec::new() } else { entries }
}

fn check(field: &'static str, got: usize, want: usize) -> Result<(), WireError> {
    if got == 0 || got == want { Ok(()) } else { Err(WireError::Column { field, got, want }) }
}

fn target_of_each(columns: &mut ResultColumns, targets: usize) -> Result<Vec<u32>, WireError> {
    let mut references = std::mem::take(&mut columns.target_ref);
    let count = columns.count as usize;
    if references.len() != count {
        return Err(WireError::Column { field: "target_ref", got: references.len(), want: count });
    }
    for reference in &mut references {
        let got = *reference;
        *reference = got.checked_sub(1).ok_or(WireError::Missing("target_ref"))?;
        if *reference as usize >= targets {
            return Err(WireError::Reference { field: "target_ref", got, size: targets });
        }
    }
    Ok(references)
}

/// What is known of a target's rows so far: when the last began, and how long after the one before.
#[derive(Debug, Clone, Copy)]
enum Known {
    Nothing,
    One(i64),
    More(i64, i64),
}

impl Known {
    /// The moment from which the next one's distance is told.
    const fn expected(self, row_before: i64) -> i64 {
        match self {
            Self::Nothing => row_before,
            Self::One(last) => last,
            Self::More(last, interval) => last.wrapping_add(interval),
        }
    }

    const fn then(self, started: i64) -> Self {
        match self {
            Self::Nothing => Self::One(started),
            Self::One(last) | Self::More(last, _) => Self::More(started, started.wrapping_sub(last)),
        }
    }
}

fn started_to_wire(target: &[u32], started: &[i64], targets: usize) -> Vec<i64> {
    let mut known = vec![Known::Nothing; targets];
    let mut before = started.first().copied().unwrap_or(0);
    let tell = |(target, at): (&u32, &i64)| {
        let known = &mut known[*target as usize];
        let entry = at.wrapping_sub(known.expected(before));
        *known = known.then(*at);
        before = *at;
        entry
    };
    target.iter().zip(started).map(tell).collect()
}

fn started_from_wire(
    columns: &mut ResultColumns,
    target: &[u32],
    targets: usize,
) -> Result<Vec<i64>, WireError> {
    let mut entries = std::mem::take(&mut columns.started);
    check("started", entries.len(), target.len())?;
    entries.resize(target.len(), 0);
    let unit = i64::from(columns.started_unit_us.max(1));
    let mut before = columns.base_started_at_us.div_euclid(unit);
    let mut known = vec![Known::Nothing; targets];
    for (target, entry) in target.iter().zip(&mut entries) {
        let known = &mut known[*target as usize];
        let at = known.expected(before).wrapping_add(*entry);
        *known = known.then(at);
        before = at;
        *entry = at;
    }
    Ok(entries)
}
