//! What an agent is used to see of a site, so that a change is noticed: addresses, certificate, CDN, software.
//!
//! One agent that sees something new proves nothing (it may have met another server); that most of them do at the same time does.

use std::hash::{BuildHasher as _, Hash};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::quality::FixedState;
use parallax_diagnose::{Change, ChangeKind};
use parallax_model::{Layer, UnixMicros};

use super::learnt::{Reader, Writer};
use super::seen::Seen;

/// Something is new only to who has looked for this long, in seconds.
const USED_AFTER_S: u32 = 10 * 60;
/// How long a change is told, in seconds.
const TOLD_FOR_S: u32 = 30 * 60;
/// Values remembered of one kind; of more the longest unseen go.
const MAX_VALUES: usize = 8;
/// A change is seen by so many agents …
const LEAST_AGENTS: usize = 2;
/// … and by one in so many of those who would know.
const ONE_IN: usize = 2;

const KINDS: [ChangeKind; 4] =
    [ChangeKind::Dns, ChangeKind::Certificate, ChangeKind::Cdn, ChangeKind::Deploy];

/// What one agent is used to, of one kind. Moments are whole seconds since 1970, 0 for none.
#[derive(Debug, Clone, Copy, Default)]
struct Habit {
    since: u32,
    latest: u32,
    /// When it last saw only what it had never seen before.
    changed_at: u32,
}

/// A value that was seen: its kind's place in [`KINDS`] in the two bits on top, and what its hash leaves of the rest.
#[derive(Debug, Clone, Copy)]
struct Known {
    value: u32,
    seen: u32,
}

impl Known {
    const fn kind(self) -> u8 {
        (self.value >> HASH_BITS) as u8
    }
}

/// How many bits of a value's hash are kept: enough to tell a handful apart.
const HASH_BITS: u32 = 30;

/// Which parts of a result are those of the newest one before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Same {
    pub(super) dns: bool,
    pub(super) tls: bool,
    /// And that one was good too, as only good ones count here.
    pub(super) emitter: bool,
}

impl Same {
    /// Of `seen`, which is newer than `newest`.
    pub(super) fn of(seen: &Seen, newest: &Seen) -> Self {
        Self {
            dns: same(newest.dns.as_ref(), seen.dns.as_ref()),
            tls: same(newest.tls.as_ref(), seen.tls.as_ref()),
            emitter: newest.outcome.is_ok() && same(newest.emitter.as_ref(), seen.emitter.as_ref()),
        }
    }
}

/// Whether both are the same piece of memory, or nothing.
fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// What one agent is used to.
#[derive(Debug, Clone, Default)]
pub(super) struct Habits {
    kinds: [Habit; KINDS.len()],
    known: Vec<Known>,
}

// Places in `KINDS`.
const DNS: u8 = 0;
const CERTIFICATE: u8 = 1;
const CDN: u8 = 2;
const DEPLOY: u8 = 3;

impl Habits {
    /// Takes in what a result shows. What is known to be the same as in the newest one before is not looked into again.
    pub(super) fn notice(&mut self, seen: &Seen, same: Same) {
        let at = seconds(seen.at);
        if let Some(dns) = seen.dns.as_ref().filter(|dns| !dns.addresses.is_empty())
            && !(same.dns && self.again(DNS, at))
        {
            let networks: Vec<u32> = dns.addresses.iter().map(|ip| hash(&prefix(*ip))).collect();
            self.see(DNS, &networks, at);
        }
        if let Some(tls) = seen.tls.as_ref()
            && !(same.tls && self.again(CERTIFICATE, at))
        {
            self.see(CERTIFICATE, &[hash(&(&tls.subject, &tls.issuer, tls.not_after))], at);
        }
        // An error page is often somebody else's.
        if let Some(emitter) = seen.emitter.as_ref().filter(|e| seen.outcome.is_ok() && &*e.name != "unknown")
        {
            let kind = if emitter.layer == Layer::Edge { CDN } else { DEPLOY };
            if !(same.emitter && self.again(kind, at)) {
                self.see(kind, &[hash(&emitter.name)], at);
            }
        }
    }

    /// Notes that what was seen latest is seen again; `false` when nothing was seen yet, or something later.
    fn again(&mut self, kind: u8, at: u32) -> bool {
        let habit = &mut self.kinds[usize::from(kind)];
        let before = habit.latest;
        habit.latest = before.max(at);
        if habit.since == 0 || before > at {
            return false;
        }
        let latest = |known: &&mut Known| known.kind() == kind && known.seen == before;
        self.known.iter_mut().filter(latest).for_each(|known| known.seen = at);
        true
    }

    /// Whether it is used to nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.iter().all(|habit| habit.since == 0)
    }

    /// Writes what it is used to.
    pub(super) fn keep(&self, kept: &mut Writer<'_>) {
        for habit in &self.kinds {
            let known = u32::from(habit.since > 0) + u32::from(habit.changed_at > 0);
            kept.number(known);
            let moments = [habit.since, habit.latest, habit.changed_at];
            moments
                .iter()
                .take(if known == 0 { 0 } else { 1 + known as usize })
                .for_each(|at| kept.second(*at));
        }
        kept.number(u32::try_from(self.known.len()).unwrap_or(u32::MAX));
        for known in &self.known {
            kept.bytes(&known.value.to_le_bytes());
            kept.second(known.seen);
        }
    }

    /// Reads what [`keep`](Self::keep) wrote.
    pub(super) fn read(kept: &mut Reader<'_>) -> Option<Self> {
        let mut read = Self::default();
        for habit in &mut read.kinds {
            let known = kept.number()?;
            if known > 0 {
                (habit.since, habit.latest) = (kept.second()?, kept.second()?);
            }
            if known > 1 {
                habit.changed_at = kept.second()?;
            }
        }
        let known = kept.number()? as usize;
        if known > KINDS.len() * MAX_VALUES {
            return None;
        }
        read.known.reserve_exact(known);
        for _ in 0..known {
            let value = u32::from_le_bytes(*kept.bytes(4)?.first_chunk()?);
            read.known.push(Known { value, seen: kept.second()? });
        }
        Some(read)
    }

    fn see(&mut self, kind: u8, hashes: &[u32], at: u32) {
        let values = hashes.iter().map(|hash| u32::from(kind) << HASH_BITS | hash);
        let of_kind = |known: &Known| known.kind() == kind;
        let habit = &mut self.kinds[usize::from(kind)];
        if habit.since == 0 {
            habit.since = at;
        }
        let news = !values.clone().any(|value| self.known.iter().any(|known| known.value == value));
        // A late result tells what was before; that it is unknown is no change.
        if news && at >= habit.latest && at.saturating_sub(habit.since) >= USED_AFTER_S {
            habit.changed_at = at;
        }
        habit.latest = habit.latest.max(at);
        for value in values {
            match self.known.iter_mut().find(|known| known.value == value) {
                Some(known) => known.seen = at.max(known.seen),
                None => self.known.push(Known { value, seen: at }),
            }
        }
        while self.known.iter().filter(|known| of_kind(known)).count() > MAX_VALUES {
            let all = self.known.iter().enumerate().filter(|(_, known)| of_kind(known));
            let Some((place, _)) = all.min_by_key(|(_, known)| (known.seen, known.value)) else { break };
            self.known.swap_remove(place);
        }
    }
}

/// Whole seconds since 1970; the moments before the second one are put together, for 0 is none.
fn seconds(at: UnixMicros) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(0).max(1)
}

/// The first 24 or 48 bits of an address: servers of one rack take turns.
fn prefix(ip: IpAddr) -> ([u8; 6], bool) {
    let mut first = [0; 6];
    match ip {
        IpAddr::V4(v4) => first[..3].copy_from_slice(&v4.octets()[..3]),
        IpAddr::V6(v6) => first.copy_from_slice(&v6.octets()[..6]),
    }
    (first, ip.is_ipv4())
}

/// What a certain word is hashed to: with another version of the hash it is another number.
pub(super) fn canary() -> u32 {
    hash(&"what is learnt")
}

fn hash(value: &impl Hash) -> u32 {
    (FixedState::default().hash_one(value) >> (u64::BITS - HASH_BITS)) as u32
}

/// The changes that most agents noticed.
pub(super) fn changes<'a>(agents: impl Iterator<Item = &'a Habits>, now: UnixMicros) -> Vec<Change> {
    let agents: Vec<&Habits> = agents.collect();
    let change = |(n, what)| Some(Change { what, ago_s: ago_s(agents.iter().map(|a| a.kinds[n]), now)? });
    KINDS.into_iter().enumerate().filter_map(change).collect()
}

/// How long ago most of those who would know noticed a change first; `None` when they did not.
fn ago_s(habits: impl Iterator<Item = Habit>, now: UnixMicros) -> Option<f64> {
    let (mut used, mut changed, mut first) = (0_usize, 0_usize, u32::MAX);
    let now = seconds(now);
    for habit in habits.filter(|habit| habit.since > 0) {
        used += usize::from(habit.latest.saturating_sub(habit.since) >= USED_AFTER_S);
        if habit.changed_at > 0 && now.saturating_sub(habit.changed_at) <= TOLD_FOR_S {
            changed += 1;
            first = first.min(habit.changed_at);
        }
    }
    let enough = changed >= LEAST_AGENTS && ONE_IN * changed >= used;
    enough.then(|| f64::from(now.saturating_sub(first)))
}

#[cfg(test)]
mod tests {
    use parallax_model::{Emitter, ProbeResult, TlsFacts};
    use parallax_proto::batch::Results;

    use super::*;
    use crate::window::seen::Looks;

    fn at(s: i64) -> UnixMicros {
        UnixMicros(0).plus_secs(s)
    }

    fn result(address: &str, ends: i64, edge: &str) -> ProbeResult {
        let mut result = crate::window::tests::result(200).as_ref().clone();
        result.dns.addresses = vec![address.parse().expect("an address")];
        result.tls = Some(TlsFacts {
            version: "TLSv1.3".into(),
            alpn: None,
            subject: "CN=example.com".into(),
            issuer: "CN=CA".into(),
            not_after: at(ends),
            names: Vec::new(),
        });
        result.emitter =
            Some(Emitter { name: Arc::from(edge), layer: Layer::Edge, pop: None, via: Vec::new() });
        result
    }

    fn notice(habits: &mut Habits, result: &ProbeResult, at: UnixMicros) {
        let batch = Results::from_results(std::slice::from_ref(result)).expect("it travels");
        let look = Looks::default().of(&batch, 0);
        habits.notice(&Seen::of(&batch, 0, at, look), Same::default());
    }

    /// Ten agents for twenty minutes, then so many of them see something else.
    fn told(moved: usize, other: &ProbeResult) -> Vec<(ChangeKind, f64)> {
        let mut agents = vec![Habits::default(); 10];
        for (n, habits) in agents.iter_mut().enumerate() {
            for s in 0..120 {
                // Two addresses of one network take turns.
                let address = if s % 2 == 0 { "192.0.2.1" } else { "192.0.2.9" };
                notice(habits, &result(address, 1_000, "edge-one"), at(s * 10));
            }
            if n < moved {
                notice(habits, other, at(1_200));
            }
        }
        changes(agents.iter(), at(1_260)).iter().map(|c| (c.what, c.ago_s)).collect()
    }

    #[test]
    fn what_most_agents_see_for_the_first_time_is_a_change() {
        let same = result("192.0.2.7", 1_000, "edge-one");
        assert_eq!(told(10, &same), []);
        assert_eq!(told(5, &result("198.51.100.1", 1_000, "edge-one")), [(ChangeKind::Dns, 60.0)]);
        assert_eq!(told(4, &result("198.51.100.1", 1_000, "edge-one")), [], "another server of many");
        assert_eq!(told(9, &result("192.0.2.1", 2_000, "edge-one")), [(ChangeKind::Certificate, 60.0)]);
        assert_eq!(told(9, &result("192.0.2.1", 1_000, "edge-two")), [(ChangeKind::Cdn, 60.0)]);
    }

    #[test]
    fn what_nobody_was_used_to_is_no_change_and_an_old_one_is_not_told() {
        let mut agents = vec![Habits::default(); 4];
        for habits in &mut agents {
            notice(habits, &result("192.0.2.1", 1, "e"), at(0));
            notice(habits, &result("198.51.100.1", 1, "e"), at(60));
        }
        assert_eq!(changes(agents.iter(), at(61)), []);
        for habits in &mut agents {
            notice(habits, &result("203.0.113.1", 1, "e"), at(700));
        }
        assert_eq!(changes(agents.iter(), at(700)).len(), 1);
        assert_eq!(changes(agents.iter(), at(700 + 1_801)), []);
    }
}
