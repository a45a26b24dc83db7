//! Columns into results: checked once as a whole, read row by row.

use std::net::IpAddr;
use std::sync::Arc;

use parallax_model::{
    BeaconState, BodyFacts, CheckId, DnsFacts, Emitter, Family, H3Advert, Micros, Outcome, PageKind, Phases,
    ProbeResult, Protocol, Redirect, RetryOutcome, StatusCode, Target, TieBreakers, TlsFacts, UnixMicros,
};

use super::rows::{Mark, Number, Rows, TIMES};
use super::scale::Scale;
use super::wire::{Dictionaries, Taken};
use super::{Known, MAX_BATCH_RESULTS, encode};
use crate::WireError;
use crate::convert::{
    MAX_BODY_BYTES, address_from_wire, beacon_from_wire, check_id_from_wire, detail_from_wire, dns_from_wire,
    emitter_from_wire, h3_advert_from_wire, http_version_from_wire, ip_family_from_wire, outcome_from_wire,
    page_from_wire, redirects_from_wire, retry_from_wire, status_from_wire, target_from_wire,
    tie_breakers_from_wire, tls_from_wire,
};
use crate::v1::agent::{ResultColumns, ResultExtra};

/// A result is never taken for older than this, whatever its agent says: so long the journal is kept.
const MAX_AGE_US: u64 = 7 * 24 * 3_600 * 1_000_000;
/// A batch spans at most so long, or as long as it waited: its agent's wall clock may have been set meanwhile.
const MAX_SPAN_US: u64 = 15 * 60 * 1_000_000;
/// A result is late when it lay in the agent's spool for longer than this.
const LATE_US: u64 = 60_000_000;

/// A batch of results that was checked: every row can be read. Only the rows that are asked for are made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results {
    rows: Rows,
    first: usize,
    scale: Scale,
    started_unit_us: i64,
    waited_us: u64,
    targets: Vec<Target>,
    addresses: Vec<Option<IpAddr>>,
    checks: Vec<CheckId>,
    emitters: Vec<Arc<Emitter>>,
    dns: Vec<Arc<DnsFacts>>,
    tls: Vec<Arc<TlsFacts>>,
    redirects: Vec<Vec<Redirect>>,
    digests: Vec<[u8; 32]>,
    /// In the order of their rows.
    extras: Vec<Extra>,
}

#[derive(Debug, Clone, PartialEq)]
struct Extra {
    row: u32,
    detail: Option<Arc<str>>,
    tie_breakers: TieBreakers,
}

/// One target's rows of a batch.
#[derive(Debug, Clone, Copy)]
pub struct TargetRows<'a> {
    /// Whose.
    pub target: &'a Target,
    /// In the order in which they came; never empty.
    pub rows: &'a [u32],
}

/// The rows of a batch, target by target.
#[derive(Debug)]
pub struct ByTarget<'a> {
    results: &'a Results,
    /// Row numbers sorted by target, and where each target's begin and end in them.
    rows: Vec<u32>,
    ends: Vec<u32>,
}

impl ByTarget<'_> {
    /// The targets that have rows, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = TargetRows<'_>> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).zip(&self.results.targets).filter_map(|((begin, end), target)| {
            let rows = self.rows.get(begin as usize..*end as usize)?;
            (!rows.is_empty()).then_some(TargetRows { target, rows })
        })
    }
}

impl Results {
    /// Checks columns as a whole, so that a bad batch yields nothing. What `known` has met before is taken from there.
    pub fn new(mut columns: ResultColumns, known: &Known) -> Result<Self, WireError> {
        let taken = Taken::out_of(&mut columns);
        Self::of(columns, &taken.dictionaries(), known)
    }

    /// As [`Results::new`], from columns without these dictionaries.
    pub(super) fn of(
        mut columns: ResultColumns,
        dictionaries: &Dictionaries<'_>,
        known: &Known,
    ) -> Result<Self, WireError> {
        if columns.count > MAX_BATCH_RESULTS {
            return Err(WireError::TooMany { got: columns.count, limit: MAX_BATCH_RESULTS });
        }
        dictionaries_fit(&columns, dictionaries)?;
        let (c, d) = (&mut columns, dictionaries);
        let results = Self {
            rows: Rows::read(c, d.targets.len())?,
            first: 0,
            scale: Scale::new(c.timing_bits),
            started_unit_us: i64::from(c.started_unit_us.max(1)),
            waited_us: u64::from(c.waited_s) * 1_000_000,
            targets: known.targets.read(&d.targets, |t| target_from_wire(Some(t)))?,
            addresses: d
                .addresses
                .iter()
                .map(|a| address_from_wire("addresses", a))
                .collect::<Result<_, _>>()?,
            checks: d.checks.iter().map(|b| check_id_from_wire(b)).collect::<Result<_, _>>()?,
            emitters: known.emitters.read(&d.emitters, |e| emitter_from_wire(e).map(Arc::new))?,
            dns: known.dns.read(&d.dns, |d| dns_from_wire(d, None).map(Arc::new))?,
            tls: known.tls.read(&d.tls, |t| tls_from_wire(t).map(Arc::new))?,
            redirects: c
                .redirects
                .iter()
                .map(|list| redirects_from_wire(&list.redirects))
                .collect::<Result<_, _>>()?,
            digests: d.digests.iter().map(|d| digest(d)).collect::<Result<_, _>>()?,
            extras: extras(&c.extras, c.count)?,
        };
        results.check()?;
        Ok(results)
    }

    /// Results that never travelled, as they would arrive.
    ///
    /// # Errors
    /// A result that cannot travel: a text in it is too long.
    pub fn from_results(results: &[ProbeResult]) -> Result<Self, WireError> {
        Self::new(encode(results), &Known::default())
    }

    /// Leaves out the first `n` results: they are known already.
    #[must_use]
    pub fn without_first(mut self, n: usize) -> Self {
        self.first = self.first.saturating_add(n).min(self.rows.target.len());
        self
    }

    /// How many results there are.
    pub const fn len(&self) -> usize {
        self.rows.target.len() - self.first
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All results, made one after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ProbeResult> {
        (self.first..self.rows.target.len()).map(|row| self.row(row))
    }

    /// The rows target by target, those of a target in their order.
    pub fn by_target(&self) -> ByTarget<'_> {
        let of_rows = self.rows.target.get(self.first..).unwrap_or_default();
        let mut ends = vec![0_u32; self.targets.len()];
        for target in of_rows {
            ends[*target as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        // `ends` are the begins now, and become the ends while the rows are put in their places.
        let mut rows = vec![0; of_rows.len()];
        for (row, target) in (self.first..).zip(of_rows) {
            let place = &mut ends[*target as usize];
            rows[*place as usize] = u32::try_from(row).unwrap_or(u32::MAX);
            *place += 1;
        }
        ByTarget { results: self, rows, ends }
    }

    /// Rows that were asked for by a check.
    pub fn of_checks(&self) -> impl Iterator<Item = (CheckId, usize)> {
        let checks = if self.checks.is_empty() { self.rows.target.len() } else { self.first };
        (checks..self.rows.target.len()).filter_map(|row| {
            let place = self.rows.mark(Mark::Check, row).checked_sub(1)?;
            Some((*self.checks.get(place as usize)?, row))
        })
    }

    /// Whether the result in this row is ok.
    #[inline]
    pub fn is_ok(&self, row: usize) -> bool {
        self.rows.mark(Mark::Failure, row) == 0
    }

    /// How the result in this row ended.
    #[inline]
    pub fn outcome(&self, row: usize) -> Outcome {
        let (failure, party) = (self.rows.mark(Mark::Failure, row), self.rows.mark(Mark::Party, row));
        if failure == 0 {
            return Outcome::Ok;
        }
        outcome_from_wire(number(failure), number(party), self.status(row)).unwrap_or(Outcome::Ok)
    }

    /// Whether the agent's own line worked around the probe in this row.
    #[inline]
    pub fn beacon(&self, row: usize) -> BeaconState {
        beacon_from_wire(self.word(Mark::Beacon, row)).unwrap_or(BeaconState::Untested)
    }

    /// The time to the first byte in this row.
    #[inline]
    pub fn first_byte(&self, row: usize) -> Option<Micros> {
        self.time(Number::FirstByteUs, row)
    }

    /// When the probe in this row began, by the agent's wall clock.
    #[inline]
    pub fn started_at(&self, row: usize) -> UnixMicros {
        let started = self.rows.started.get(row).copied().unwrap_or(0);
        UnixMicros(started.saturating_mul(self.started_unit_us))
    }

    /// When the result in this row was seen, for one that arrived at `received_at`: then, unless it lay in the agent's spool for more
    /// than a minute; in that case earlier by as much, whatever the agent's wall clock says.
    #[inline]
    pub fn seen_at(&self, row: usize, received_at: UnixMicros) -> UnixMicros {
        if self.waited_us == 0 {
            return received_at;
        }
        let last = self.rows.target.len().saturating_sub(1);
        let before_last = self.started_at(last).since(self.started_at(row));
        let age = self.waited_us.saturating_add(before_last.min(self.waited_us.max(MAX_SPAN_US)));
        if age <= LATE_US {
            return received_at;
        }
        received_at.plus_micros(-age.min(MAX_AGE_US).cast_signed())
    }

    /// The result in this row.
    pub fn row(&self, row: usize) -> ProbeResult {
        let dns = self.dns(row).map(|dns| dns.as_ref().clone()).unwrap_or_default();
        ProbeResult {
            target: self.targets[self.rows.target[row] as usize].clone(),
            check: self.check_of(row),
            started_at: self.started_at(row),
            outcome: self.outcome(row),
            status: self.status(row),
            phases: self.phases(row),
            address: self.address(row),
            family: self.family(row),
            protocol: self.protocol(row),
            emitter: self.emitter(row).map(|emitter| emitter.as_ref().clone()),
            dns: DnsFacts { ttl_left_s: self.ttl_left_s(row), ..dns },
            tls: self.tls(row).map(|tls| tls.as_ref().clone()),
            body: self.body(row),
            redirects: self.redirects(row).to_vec(),
            retry_after_s: self.retry_after_s(row),
            retry: self.retry(row),
            beacon: self.beacon(row),
            h3_advert: self.h3_advert(row),
            tie_breakers: self.tie_breakers(row),
            detail: self.detail(row).cloned(),
        }
    }

    #[inline]
    fn extra(&self, row: usize) -> Option<&Extra> {
        let place = self.extras.binary_search_by_key(&row, |extra| extra.row as usize).ok()?;
        self.extras.get(place)
    }

    /// What the result in this row is of; `None` where there is no such row.
    pub fn target(&self, row: usize) -> Option<&Target> {
        self.targets.get(*self.rows.target.get(row)? as usize)
    }

    /// The check that asked for the result in this row.
    #[inline]
    pub fn check_of(&self, row: usize) -> Option<CheckId> {
        entry(&self.checks, self.rows.mark(Mark::Check, row)).copied()
    }

    /// The address in this row.
    #[inline]
    pub fn address(&self, row: usize) -> Option<IpAddr> {
        entry(&self.addresses, self.rows.mark(Mark::Address, row)).copied().flatten()
    }

    /// The IP family in this row.
    #[inline]
    pub fn family(&self, row: usize) -> Option<Family> {
        ip_family_from_wire(self.word(Mark::Family, row))
    }

    /// The HTTP version in this row.
    #[inline]
    pub fn protocol(&self, row: usize) -> Option<Protocol> {
        http_version_from_wire(self.word(Mark::Protocol, row))
    }

    /// Who wrote the answer in this row; shared by all rows that name it.
    #[inline]
    pub fn emitter(&self, row: usize) -> Option<&Arc<Emitter>> {
        entry(&self.emitters, self.rows.mark(Mark::Emitter, row))
    }

    /// What the name lookup said in this row, but for [`Results::ttl_left_s`]; shared by all rows that say so.
    #[inline]
    pub fn dns(&self, row: usize) -> Option<&Arc<DnsFacts>> {
        entry(&self.dns, self.rows.mark(Mark::Dns, row))
    }

    /// Seconds that the name lookup in this row stays good.
    #[inline]
    pub fn ttl_left_s(&self, row: usize) -> Option<u32> {
        self.rows.number(Number::TtlLeftS, row).checked_sub(1)
    }

    /// What the handshake showed in this row; shared by all rows that show it.
    #[inline]
    pub fn tls(&self, row: usize) -> Option<&Arc<TlsFacts>> {
        entry(&self.tls, self.rows.mark(Mark::Tls, row))
    }

    /// The redirects in this row.
    #[inline]
    pub fn redirects(&self, row: usize) -> &[Redirect] {
        entry(&self.redirects, self.rows.mark(Mark::Redirects, row)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Seconds of a Retry-After header in this row.
    #[inline]
    pub fn retry_after_s(&self, row: usize) -> Option<u32> {
        self.rows.number(Number::RetryAfterS, row).checked_sub(1)
    }

    /// How the retry in this row ended.
    #[inline]
    pub fn retry(&self, row: usize) -> Option<RetryOutcome> {
        retry_from_wire(self.word(Mark::Retry, row))
    }

    /// How the site in this row said that it speaks HTTP/3.
    #[inline]
    pub fn h3_advert(&self, row: usize) -> Option<H3Advert> {
        h3_advert_from_wire(self.word(Mark::H3Advert, row))
    }

    /// What the page in this row says, when it is not the site's own.
    #[inline]
    pub fn page(&self, row: usize) -> Option<PageKind> {
        self.body(row)?.page
    }

    /// What the extra probes in this row said.
    #[inline]
    pub fn tie_breakers(&self, row: usize) -> TieBreakers {
        self.extra(row).map(|extra| extra.tie_breakers).unwrap_or_default()
    }

    /// What else there is to say in this row.
    #[inline]
    pub fn detail(&self, row: usize) -> Option<&Arc<str>> {
        self.extra(row)?.detail.as_ref()
    }

    #[inline]
    fn word(&self, mark: Mark, row: usize) -> i32 {
        number(self.rows.mark(mark, row))
    }

    /// The last status in this row.
    #[inline]
    pub fn status(&self, row: usize) -> Option<StatusCode> {
        status_from_wire(self.rows.mark(Mark::Status, row)).ok().flatten()
    }

    #[inline]
    fn time(&self, time: Number, row: usize) -> Option<Micros> {
        let place = self.rows.number(time, row).checked_sub(1)?;
        Some(Micros(self.scale.number(place)))
    }

    /// The times in this row.
    #[inline]
    pub fn phases(&self, row: usize) -> Phases {
        let [dns, connect, tls, first_byte, body] = TIMES.map(|time| self.time(time, row));
        let times = [dns, connect, tls, first_byte, body];
        let sum = times.iter().flatten().fold(0_u32, |sum, time| sum.saturating_add(time.0));
        let total = self.scale.place(sum).wrapping_add(self.rows.total(row));
        Phases { dns, connect, tls, first_byte, body, total: Micros(self.scale.number(total)) }
    }

    /// What was read, in this row.
    #[inline]
    pub fn body(&self, row: usize) -> Option<BodyFacts> {
        let length = self.rows.number(Number::BodyLength, row).checked_sub(1)?;
        Some(BodyFacts {
            length,
            sha256: entry(&self.digests, self.rows.mark(Mark::Digest, row)).copied(),
            truncated: self.rows.mark(Mark::Truncated, row) != 0,
            page: page_from_wire(self.word(Mark::Page, row)),
        })
    }

    /// What reading a row relies on.
    fn check(&self) -> Result<(), WireError> {
        let sizes = [
            (Mark::Check, self.checks.len()),
            (Mark::Address, self.addresses.len()),
            (Mark::Emitter, self.emitters.len()),
            (Mark::Dns, self.dns.len()),
            (Mark::Tls, self.tls.len()),
            (Mark::Redirects, self.redirects.len()),
            (Mark::Digest, self.digests.len()),
        ];
        for (mark, size) in sizes {
            let got = self.rows.marks[mark as usize].iter().copied().max().unwrap_or(0);
            if got as usize > size {
                return Err(WireError::Reference { field: mark.field(), got, size });
            }
        }
        let longest = self.rows.numbers[Number::BodyLength as usize].iter().copied().max().unwrap_or(0);
        if longest > MAX_BODY_BYTES + 1 {
            return Err(WireError::invalid("body_length", format_args!("more than {MAX_BODY_BYTES}")));
        }
        let mut before = (0, 0);
        for row in 0..self.rows.target.len() {
            let ended = (self.rows.mark(Mark::Status, row), self.rows.mark(Mark::Failure, row));
            if ended != before {
                before = ended;
                outcome_from_wire(number(ended.1), 0, status_from_wire(ended.0)?)?;
            }
        }
        Ok(())
    }
}

/// Each entry of a dictionary is there for a row: more of them than rows are only there to be read.
fn dictionaries_fit(c: &ResultColumns, d: &Dictionaries<'_>) -> Result<(), WireError> {
    let sizes = [
        ("targets", d.targets.len()),
        ("addresses", d.addresses.len()),
        ("checks", d.checks.len()),
        ("emitters", d.emitters.len()),
        ("dns", d.dns.len()),
        ("tls", d.tls.len()),
        ("redirects", c.redirects.len()),
        ("digests", d.digests.len()),
        ("extras", c.extras.len()),
    ];
    match sizes.into_iter().find(|(_, size)| *size > c.count as usize) {
        Some((field, got)) => Err(WireError::Column { field, got, want: c.count as usize }),
        None => Ok(()),
    }
}

#[inline]
fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[inline]
fn entry<T>(values: &[T], reference: u32) -> Option<&T> {
    values.get(reference.checked_sub(1)? as usize)
}

fn digest(bytes: &[u8]) -> Result<[u8; 32], WireError> {
    bytes.try_into().map_err(|_| WireError::invalid("digests", "a digest has 32 bytes"))
}

fn extras(extras: &[ResultExtra], count: u32) -> Result<Vec<Extra>, WireError> {
    let one = |extra: &ResultExtra| {
        if extra.row >= count {
            return Err(WireError::Reference { field: "extras.row", got: extra.row, size: count as usize });
        }
        let ties = extra.tie_breakers.as_ref().map(tie_breakers_from_wire).transpose()?;
        let detail = detail_from_wire(&extra.detail)?;
        Ok(Extra { row: extra.row, detail, tie_breakers: ties.unwrap_or_default() })
    };
    let mut read = extras.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    if !read.is_sorted_by_key(|e| e.row) {
        read.sort_by_key(|e| e.row);
    }
    Ok(read)
}
