//! A result as a window keeps it: what evaluation and pages ask of it. What repeats from result to result is shared with the batch it
//! came in, so that a hundred bytes stand for a thousand.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parallax_model::{
    BeaconState, BodyFacts, CheckId, DnsFacts, Emitter, Family, H3Advert, Layer, Micros, Outcome, PageKind,
    Phases, Pop, ProbeResult, Protocol, Redirect, RetryOutcome, StatusCode, Target, TieBreakers, TlsFacts,
    UnixMicros,
};
use parallax_proto::batch::Results;

/// Stands for a number that is not there. The largest number there is reads as one less.
const ABSENT: u32 = u32::MAX;

const fn packed(number: Option<u32>) -> u32 {
    match number {
        None => ABSENT,
        Some(ABSENT) => ABSENT - 1,
        Some(number) => number,
    }
}

const fn unpacked(number: u32) -> Option<u32> {
    if number == ABSENT { None } else { Some(number) }
}

fn time(time: Option<Micros>) -> u32 {
    packed(time.map(|us| us.0))
}

/// What is often the same from result to result and from agent to agent: all rounds of a window that show it share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(super) dns: Option<Arc<DnsFacts>>,
    pub(crate) emitter: Option<Arc<Emitter>>,
    pub(super) tls: Option<Arc<TlsFacts>>,
    redirects: Box<[Redirect]>,
    pub(crate) address: Option<IpAddr>,
    pub(super) outcome: Outcome,
    pub(super) status: Option<StatusCode>,
    pub(super) family: Option<Family>,
    pub(super) protocol: Option<Protocol>,
    pub(super) retry: Option<RetryOutcome>,
    h3_advert: Option<H3Advert>,
    pub(super) page: Option<PageKind>,
    pub(super) beacon: BeaconState,
}

impl Look {
    fn of(results: &Results, row: usize) -> Self {
        Self {
            dns: results.dns(row).cloned(),
            emitter: results.emitter(row).cloned(),
            tls: results.tls(row).cloned(),
            redirects: results.redirects(row).into(),
            address: results.address(row),
            outcome: results.outcome(row),
            status: results.status(row),
            family: results.family(row),
            protocol: results.protocol(row),
            retry: results.retry(row),
            h3_advert: results.h3_advert(row),
            page: results.page(row),
            beacon: results.beacon(row),
        }
    }

    /// One of which nothing is known but the way it took.
    pub(super) fn of_way(pop: Option<Pop>, protocol: Option<Protocol>) -> Self {
        let edge =
            |pop| Arc::new(Emitter { name: "".into(), layer: Layer::Edge, pop: Some(pop), via: Vec::new() });
        Self {
            dns: None,
            emitter: pop.map(edge),
            tls: None,
            redirects: Box::default(),
            address: None,
            outcome: Outcome::Ok,
            status: None,
            family: None,
            protocol,
            retry: None,
            h3_advert: None,
            page: None,
            beacon: BeaconState::Untested,
        }
    }

    /// The PoP it came through, where one is known.
    pub(super) fn pop(&self) -> Option<&Pop> {
        self.emitter.as_ref()?.pop.as_ref()
    }

    /// Whether the result in this row shows the same.
    pub(super) fn is_of(&self, results: &Results, row: usize) -> bool {
        self.status == results.status(row)
            && self.address == results.address(row)
            && self.outcome == results.outcome(row)
            && equal(self.dns.as_ref(), results.dns(row))
            && equal(self.emitter.as_ref(), results.emitter(row))
            && equal(self.tls.as_ref(), results.tls(row))
            && *self.redirects == *results.redirects(row)
            && self.family == results.family(row)
            && self.protocol == results.protocol(row)
            && self.retry == results.retry(row)
            && self.h3_advert == results.h3_advert(row)
            && self.page == results.page(row)
            && self.beacon == results.beacon(row)
    }
}

/// Only what tells most looks apart: what is equal has the same hash.
impl Hash for Look {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.address, self.status.map(StatusCode::get), self.redirects.len()).hash(state);
        (self.dns.as_ref().map(|dns| (&dns.resolver, &dns.addresses)), self.beacon as u8).hash(state);
    }
}

/// Whether both are equal; mostly they are the same piece of memory.
fn equal<T: PartialEq>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
        (None, None) => true,
        _ => false,
    }
}

/// Looks beyond those in use that are kept until the next sweep.
const UNUSED_LOOKS: usize = 32;

/// Every look that a round of one window has.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks {
    known: HashSet<Arc<Look>, RandomState>,
    /// How many there were in use when it was swept last.
    used: usize,
}

impl Looks {
    /// The look of the result in this row.
    pub(super) fn of(&mut self, results: &Results, row: usize) -> Arc<Look> {
        let look = Look::of(results, row);
        if let Some(known) = self.known.get(&look) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.used + self.used / 4 + UNUSED_LOOKS {
            self.known.retain(|look| Arc::strong_count(look) > 1);
            self.used = self.known.len();
        }
        let look = Arc::new(look);
        self.known.insert(Arc::clone(&look));
        look
    }
}

/// What every round of a window keeps of a result.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When it was seen.
    pub(crate) at: UnixMicros,
    /// When the probe began, by the agent's wall clock.
    pub(super) started_at: UnixMicros,
    pub(super) look: Arc<Look>,
    rare: Option<Box<Rare>>,
    first_byte: u32,
    total: u32,
    ttl_left_s: u32,
    /// Whether it was counted into the baseline, or never will be.
    pub(super) settled: bool,
}

impl Deref for Seen {
    type Target = Look;

    fn deref(&self) -> &Look {
        &self.look
    }
}

/// What few results have.
#[derive(Debug, Clone, PartialEq, Default)]
struct Rare {
    check: Option<CheckId>,
    retry_after_s: Option<u32>,
    tie_breakers: TieBreakers,
    detail: Option<Arc<str>>,
}

impl Seen {
    /// The result in this row of a batch, seen at `at`, which looks like this.
    pub(super) fn of(results: &Results, row: usize, at: UnixMicros, look: Arc<Look>) -> Self {
        let rare = Rare {
            check: results.check_of(row),
            retry_after_s: results.retry_after_s(row),
            tie_breakers: results.tie_breakers(row),
            detail: results.detail(row).cloned(),
        };
        Self {
            at,
            started_at: results.started_at(row),
            look,
            rare: (rare != Rare::default()).then(|| Box::new(rare)),
            first_byte: time(results.first_byte(row)),
            total: time(Some(results.phases(row).total)),
            ttl_left_s: packed(results.ttl_left_s(row)),
            settled: false,
        }
    }

    pub(super) fn first_byte(&self) -> Option<Micros> {
        unpacked(self.first_byte).map(Micros)
    }

    pub(super) fn ttl_left_s(&self) -> Option<u32> {
        unpacked(self.ttl_left_s)
    }

    pub(super) fn retry_after_s(&self) -> Option<u32> {
        self.rare.as_ref()?.retry_after_s
    }

    pub(super) fn tie_breakers(&self) -> TieBreakers {
        self.rare.as_ref().map(|rare| rare.tie_breakers).unwrap_or_default()
    }

    pub(super) fn resolver(&self) -> Option<&str> {
        self.dns.as_ref()?.resolver.as_deref()
    }

    /// Where it stands among an agent's results: by the moment, of one moment by the agent's clock, then by what it says.
    pub(super) fn order(&self) -> impl Ord {
        let check = self.rare.as_ref().and_then(|rare| rare.check);
        let said = (self.outcome, self.status, self.family, self.protocol);
        (self.at, self.started_at, said, self.address, self.total, self.beacon, check)
    }

    /// Whether both are the same result.
    pub(super) fn is(&self, other: &Self) -> bool {
        let numbers = |seen: &Self| (seen.first_byte, seen.ttl_left_s);
        self.order().cmp(&other.order()).is_eq()
            && numbers(self) == numbers(other)
            && (Arc::ptr_eq(&self.look, &other.look) || self.look == other.look)
            && self.rare == other.rare
    }
}

/// What is kept of an agent's newest result only, for whoever reads it.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    digest: Option<Arc<[u8; 32]>>,
    dns_us: u32,
    connect_us: u32,
    tls_us: u32,
    body_us: u32,
    body_length: u32,
    truncated: bool,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            digest: None,
            dns_us: ABSENT,
            connect_us: ABSENT,
            tls_us: ABSENT,
            body_us: ABSENT,
            body_length: ABSENT,
            truncated: false,
        }
    }
}

impl Rest {
    /// The rest of the result in this row of a batch. A page that is the same for all is noted once: `digest` is the one before.
    pub(super) fn of(results: &Results, row: usize, digest: &mut Option<Arc<[u8; 32]>>) -> Self {
        let (phases, body) = (results.phases(row), results.body(row));
        Self {
            digest: body.as_ref().and_then(|body| body.sha256).map(|new| shared(digest, new)),
            dns_us: time(phases.dns),
            connect_us: time(phases.connect),
            tls_us: time(phases.tls),
            body_us: time(phases.body),
            body_length: packed(body.as_ref().map(|body| body.length)),
            truncated: body.is_some_and(|body| body.truncated),
        }
    }

    /// The whole result again.
    pub(super) fn result(&self, seen: &Seen, target: &Target) -> ProbeResult {
        let us = |number| unpacked(number).map(Micros);
        let dns = seen.dns.as_ref().map(|dns| dns.as_ref().clone()).unwrap_or_default();
        let rare = seen.rare.as_deref().cloned().unwrap_or_default();
        ProbeResult {
            target: target.clone(),
            check: rare.check,
            started_at: seen.started_at,
            outcome: seen.outcome,
            status: seen.status,
            phases: Phases {
                dns: us(self.dns_us),
                connect: us(self.connect_us),
                tls: us(self.tls_us),
                first_byte: seen.first_byte(),
                body: us(self.body_us),
                total: Micros(seen.total),
            },
            address: seen.address,
            family: seen.family,
            protocol: seen.protocol,
            emitter: seen.emitter.as_ref().map(|emitter| emitter.as_ref().clone()),
            dns: DnsFacts { ttl_left_s: seen.ttl_left_s(), ..dns },
            tls: seen.tls.as_ref().map(|tls| tls.as_ref().clone()),
            body: unpacked(self.body_length).map(|length| BodyFacts {
                length,
                sha256: self.digest.as_deref().copied(),
                truncated: self.truncated,
                page: seen.page,
            }),
            redirects: seen.redirects.to_vec(),
            retry_after_s: rare.retry_after_s,
            retry: seen.retry,
            beacon: seen.beacon,
            h3_advert: seen.h3_advert,
            tie_breakers: rare.tie_breakers,
            detail: rare.detail,
        }
    }
}

/// This digest, as the piece of memory that has it already where it is the one before.
fn shared(before: &mut Option<Arc<[u8; 32]>>, new: [u8; 32]) -> Arc<[u8; 32]> {
    match before {
        Some(known) if **known == new => Arc::clone(known),
        _ => Arc::clone(before.insert(Arc::new(new))),
    }
}

/// An agent's last few results, oldest first, in one piece of memory.
#[derive(Debug, Clone)]
pub(super) struct Rounds<const N: usize>([Option<Seen>; N]);

impl<const N: usize> Default for Rounds<N> {
    fn default() -> Self {
        Self([const { None }; N])
    }
}

impl<const N: usize> Rounds<N> {
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Seen> {
        self.0.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Seen> {
        self.0.iter_mut().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(super) const fn oldest(&self) -> Option<&Seen> {
        self.0[0].as_ref()
    }

    pub(super) fn newest(&self) -> Option<&Seen> {
        self.iter().next_back()
    }

    pub(super) fn get(&self, place: usize) -> Option<&Seen> {
        self.0.get(place)?.as_ref()
    }

    pub(super) fn drop_oldest(&mut self) {
        self.0[0] = None;
        self.0.rotate_left(1);
    }

    /// Puts it in its place; where there are `N` already, the oldest goes, which may be this one.
    pub(super) fn insert(&mut self, mut place: usize, seen: Seen) {
        let mut len = self.len();
        if len == N {
            if place == 0 {
                return;
            }
            self.drop_oldest();
            (place, len) = (place - 1, len - 1);
        }
        self.0[place..=len].rotate_right(1);
        self.0[place] = Some(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_a_twentieth_of_a_result() {
        assert!(size_of::<Seen>() <= 48, "{}", size_of::<Seen>());
        assert!(size_of::<Rest>() <= 32, "{}", size_of::<Rest>());
    }

    #[test]
    fn what_looks_the_same_is_shared_and_what_nobody_has_any_more_goes() {
        let mut looks = Looks::default();
        let batch = |status| {
            let result = crate::window::tests::result(status);
            Results::from_results(std::slice::from_ref(result.as_ref())).expect("it travels")
        };
        let first = looks.of(&batch(200), 0);
        assert!(first.is_of(&batch(200), 0) && !first.is_of(&batch(201), 0));
        assert!(Arc::ptr_eq(&first, &looks.of(&batch(200), 0)));
        assert!(!Arc::ptr_eq(&first, &looks.of(&batch(201), 0)));
        for status in 202..399 {
            looks.of(&batch(status), 0);
            assert!(looks.known.len() <= 2 + UNUSED_LOOKS, "{}", looks.known.len());
        }
        assert!(Arc::ptr_eq(&first, &looks.of(&batch(200), 0)), "it is in use");
    }

    #[test]
    fn nothing_of_a_result_is_lost() {
        let mut result = crate::window::tests::result(502).as_ref().clone();
        result.check = Some(CheckId(7));
        result.retry_after_s = Some(3);
        result.detail = Some("why".into());
        result.body = Some(BodyFacts { length: 5, sha256: Some([7; 32]), truncated: true, page: None });
        result.dns.ttl_left_s = Some(u32::MAX - 1);
        result.dns.addresses = vec![[192, 0, 2, 1].into()];
        for result in [result, crate::window::tests::result(200).as_ref().clone()] {
            let batch = Results::from_results(std::slice::from_ref(&result)).expect("it travels");
            let seen = Seen::of(&batch, 0, UnixMicros(5), Looks::default().of(&batch, 0));
            assert_eq!(Rest::of(&batch, 0, &mut None).result(&seen, &result.target), result);
        }
    }
}
