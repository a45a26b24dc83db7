//! What an agent is used to see of a site, so that a change is noticed: addresses, certificate, CDN, software.
//!
//! One agent that sees something new proves nothing (it may have met another server); that most of them do at the same time does.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use parallax_diagnose::{Change, ChangeKind};
use parallax_model::{Layer, ProbeResult, UnixMicros};

/// Something is new only to who has looked for this long.
const USED_AFTER: Duration = Duration::from_mins(10);
/// How long a change is told.
const TOLD_FOR: Duration = Duration::from_mins(30);
/// Values remembered of one kind; of more the longest unseen go.
const MAX_VALUES: usize = 8;
/// A change is seen by so many agents …
const LEAST_AGENTS: usize = 2;
/// … and by one in so many of those who would know.
const ONE_IN: usize = 2;

const KINDS: [ChangeKind; 4] =
    [ChangeKind::Dns, ChangeKind::Certificate, ChangeKind::Cdn, ChangeKind::Deploy];

/// What one agent is used to, of one kind.
#[derive(Debug, Clone, Default)]
struct Habit {
    since: Option<UnixMicros>,
    latest: UnixMicros,
    known: Vec<(u64, UnixMicros)>,
    /// When it last saw only what it had never seen before.
    changed_at: Option<UnixMicros>,
}

impl Habit {
    fn notice(&mut self, values: &[u64], at: UnixMicros) {
        if values.is_empty() {
            return;
        }
        let since = *self.since.get_or_insert(at);
        let news = !values.iter().any(|value| self.known.iter().any(|(known, _)| known == value));
        // A late result tells what was before; that it is unknown is no change.
        if news && at >= self.latest && at.since(since) >= micros(USED_AFTER) {
            self.changed_at = Some(at);
        }
        self.latest = self.latest.max(at);
        for value in values {
            match self.known.iter_mut().find(|(known, _)| known == value) {
                Some((_, seen)) => *seen = at.max(*seen),
                None => self.known.push((*value, at)),
            }
        }
        while self.known.len() > MAX_VALUES {
            let oldest = self.known.iter().enumerate().min_by_key(|(_, (value, seen))| (*seen, *value));
            let Some((place, _)) = oldest else { break };
            self.known.swap_remove(place);
        }
    }
}

/// What one agent is used to.
#[derive(Debug, Clone, Default)]
pub(super) struct Habits([Habit; KINDS.len()]);

impl Habits {
    /// Takes in what a result shows.
    pub(super) fn notice(&mut self, result: &ProbeResult, at: UnixMicros) {
        let [dns, certificate, cdn, deploy] = &mut self.0;
        let networks: Vec<u64> = result.dns.addresses.iter().map(|ip| hash(&prefix(*ip))).collect();
        dns.notice(&networks, at);
        let leaf = result.tls.as_ref().map(|tls| hash(&(&tls.subject, &tls.issuer, tls.not_after)));
        certificate.notice(leaf.as_slice(), at);
        // An error page is often somebody else's.
        if let Some(emitter) =
            result.emitter.as_ref().filter(|e| result.outcome.is_ok() && &*e.name != "unknown")
        {
            let name = [hash(&emitter.name)];
            if emitter.layer == Layer::Edge { cdn.notice(&name, at) } else { deploy.notice(&name, at) }
        }
    }
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

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The changes that most agents noticed.
pub(super) fn changes<'a>(agents: impl Iterator<Item = &'a Habits>, now: UnixMicros) -> Vec<Change> {
    let agents: Vec<&Habits> = agents.collect();
    let change = |(n, what)| Some(Change { what, ago_s: ago_s(agents.iter().map(|a| &a.0[n]), now)? });
    KINDS.into_iter().enumerate().filter_map(change).collect()
}

/// How long ago most of those who would know noticed a change first; `None` when they did not.
fn ago_s<'a>(habits: impl Iterator<Item = &'a Habit>, now: UnixMicros) -> Option<f64> {
    let (mut used, mut changed) = (0_usize, Vec::new());
    for habit in habits {
        used += usize::from(habit.since.is_some_and(|since| habit.latest.since(since) >= micros(USED_AFTER)));
        changed.extend(habit.changed_at.filter(|at| now.since(*at) <= micros(TOLD_FOR)));
    }
    let first = changed.iter().min().copied()?;
    let enough = changed.len() >= LEAST_AGENTS && ONE_IN * changed.len() >= used;
    enough.then(|| Duration::from_micros(now.since(first)).as_secs_f64())
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parallax_model::{Emitter, TlsFacts};

    use super::*;

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

    /// Ten agents for twenty minutes, then so many of them see something else.
    fn told(moved: usize, other: &ProbeResult) -> Vec<(ChangeKind, f64)> {
        let mut agents = vec![Habits::default(); 10];
        for (n, habits) in agents.iter_mut().enumerate() {
            for s in 0..120 {
                // Two addresses of one network take turns.
                let address = if s % 2 == 0 { "192.0.2.1" } else { "192.0.2.9" };
                habits.notice(&result(address, 1_000, "edge-one"), at(s * 10));
            }
            if n < moved {
                habits.notice(other, at(1_200));
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
            habits.notice(&result("192.0.2.1", 1, "e"), at(0));
            habits.notice(&result("198.51.100.1", 1, "e"), at(60));
        }
        assert_eq!(changes(agents.iter(), at(61)), []);
        for habits in &mut agents {
            habits.notice(&result("203.0.113.1", 1, "e"), at(700));
        }
        assert_eq!(changes(agents.iter(), at(700)).len(), 1);
        assert_eq!(changes(agents.iter(), at(700 + 1_801)), []);
    }
}
