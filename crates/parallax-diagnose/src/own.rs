//! Whose failure it looks like: the tester's own, which it has now and then whatever it looks at, or the site's.
//!
//! A line that hiccups shows time-outs and cuts; it cannot write a 502 page or another site's certificate. And what many see at once,
//! beyond what their lines show by themselves, is what the site's fault looks like. A failure that looks like the fault is worth
//! more to it, one that looks like a hiccup less. That stays bounded as before: who says nonsense may say what the fault says.

use std::collections::BTreeMap;

use parallax_model::{ConnectFailure, DnsFailure, FailureKind, HttpFailure, QuicFailure, TlsFailure};

use crate::observe::{Channel, Observation};

/// Testers that fail more often than this by themselves do not tell what a fault looks like.
const STEADY: f64 = 0.1;
/// What is believed of a fault's look beforehand, in failures.
const BELIEF: f64 = 6.0;
/// Of a kind not seen often it is believed that this share of a fault's failures are of it, and half its share of own ones.
const UNSEEN: f64 = 0.05;

/// Share of a line's own failures that are of a kind.
const fn own_share(kind: FailureKind) -> f64 {
    match kind {
        FailureKind::Connect(ConnectFailure::Timeout) => 0.3,
        FailureKind::Http(HttpFailure::Timeout) => 0.2,
        FailureKind::Dns(DnsFailure::Timeout) => 0.15,
        FailureKind::Connect(ConnectFailure::Unreachable)
        | FailureKind::Tls(TlsFailure::Timeout | TlsFailure::Reset) => 0.07,
        FailureKind::Connect(ConnectFailure::Reset) | FailureKind::Http(HttpFailure::Reset) => 0.04,
        FailureKind::Quic(QuicFailure::Timeout) => 0.03,
        _ => 0.01,
    }
}

/// What the site's fault looks like, if it has one.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Share of its failures that are of each kind seen.
    shares: BTreeMap<FailureKind, f64>,
}

impl Fault {
    /// Learns it from all results; only the question what fails asks for it.
    pub(crate) fn of(usable: &[Observation<'_>], channel: Channel) -> Self {
        let mut own = 0.0;
        let mut seen: BTreeMap<FailureKind, f64> = BTreeMap::new();
        let steady = |o: &&Observation<'_>| o.baseline <= STEADY && o.says(channel).is_some();
        let usable = if channel == Channel::Failing { usable } else { &[] };
        // Most fail as the one before them, and are added together.
        let mut alike: Option<(FailureKind, f64)> = None;
        for observation in usable.iter().filter(steady) {
            own += observation.weight * observation.baseline;
            let Some(kind) = observation.kind() else { continue };
            match &mut alike {
                Some((last, weight)) if *last == kind => *weight += observation.weight,
                _ => {
                    if let Some((last, weight)) = alike.replace((kind, observation.weight)) {
                        *seen.entry(last).or_default() += weight;
                    }
                }
            }
        }
        if let Some((last, weight)) = alike {
            *seen.entry(last).or_default() += weight;
        }
        for (kind, weight) in &mut seen {
            *weight = (*weight - own * own_share(*kind)).max(0.0);
        }
        let all: f64 = seen.values().sum();
        let share = |(kind, weight): (FailureKind, f64)| {
            let believed = UNSEEN + 0.5 * own_share(kind);
            (kind, (weight + BELIEF * believed) / (all + BELIEF))
        };
        Self { shares: seen.into_iter().map(share).collect() }
    }

    /// How many times as probable a kind is among own failures as among the fault's.
    pub(crate) fn own(&self, kind: FailureKind) -> f64 {
        own_share(kind) / self.shares.get(&kind).copied().unwrap_or(UNSEEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_sites_and_a_time_out_anybodys() {
        let fault = Fault { shares: BTreeMap::new() };
        let own = |word: &str| fault.own(word.parse().expect("a kind"));
        assert!(own("http-502") < 1.0 && own("tls-expired") < 1.0);
        assert!(own("connect-timeout") > 1.0 && own("dns-timeout") > 1.0);
    }

    #[test]
    fn what_the_fault_looks_like_is_worth_more() {
        let timeout: FailureKind = "connect-timeout".parse().expect("a kind");
        let fault = Fault { shares: BTreeMap::from([(timeout, 0.9)]) };
        assert!((fault.own(timeout) - 0.3 / 0.9).abs() < 1e-12);
    }
}
