//! Agents that fall silent together: a notice about a network, never an outage of a site.
//!
//! When half of a network's agents, and five at least, leave within [`AT_ONCE`], their network (or ours towards it) is the likely
//! reason. They are left out of every count until they are back, and what they said last is not believed: they may have seen the
//! end of their own line.
//!
//! Pure: who is connected and the moment come in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{AgentId, Asn, IspName, UnixMicros, Vantage};

use crate::read::VantageNotice;

/// Leaving within this time is leaving at once: a broken line is noticed after 45 s of silence, or sooner.
const AT_ONCE: Duration = Duration::from_secs(90);
/// So many agents of a network must be gone …
const LEAST_LOST: usize = 5;
/// … and one in so many of those who stood there.
const ONE_IN: usize = 2;
/// A notice is no news any more after this long.
const KEPT: Duration = Duration::from_hours(24);

#[derive(Debug, Clone)]
struct Gone {
    at: UnixMicros,
    vantage: Arc<Vantage>,
}

#[derive(Debug, Clone)]
struct Notice {
    isp: Option<IspName>,
    since: UnixMicros,
    lost: BTreeSet<AgentId>,
    of: usize,
}

/// Who was there, who is gone, and the notices.
#[derive(Debug, Clone, Default)]
pub(crate) struct Silence {
    online: BTreeMap<AgentId, Arc<Vantage>>,
    /// Gone within [`AT_ONCE`] and not back.
    gone: BTreeMap<AgentId, Gone>,
    notices: BTreeMap<Asn, Notice>,
    silent: BTreeSet<AgentId>,
}

impl Silence {
    /// Takes who is connected now.
    pub(crate) fn look(&mut self, connected: &[(AgentId, Arc<Vantage>)], now: UnixMicros) {
        let online: BTreeMap<AgentId, Arc<Vantage>> = connected.iter().cloned().collect();
        for (agent, vantage) in std::mem::take(&mut self.online) {
            if !online.contains_key(&agent) {
                self.gone.insert(agent, Gone { at: now, vantage });
            }
        }
        self.online = online;
        let at_once = micros(AT_ONCE);
        self.gone.retain(|agent, gone| !self.online.contains_key(agent) && now.since(gone.at) < at_once);
        self.note();
        self.notices.retain(|_, notice| {
            notice.lost.retain(|agent| !self.online.contains_key(agent));
            ONE_IN * notice.lost.len() >= notice.of && now.since(notice.since) < micros(KEPT)
        });
        self.silent = self.notices.values().flat_map(|notice| notice.lost.iter().cloned()).collect();
    }

    fn note(&mut self) {
        let mut standing: BTreeMap<Asn, usize> = BTreeMap::new();
        for asn in self.online.values().filter_map(|vantage| vantage.asn) {
            *standing.entry(asn).or_default() += 1;
        }
        let mut by_network: BTreeMap<Asn, Vec<(&AgentId, &Gone)>> = BTreeMap::new();
        for (agent, gone) in &self.gone {
            if let Some(asn) = gone.vantage.asn {
                by_network.entry(asn).or_default().push((agent, gone));
            }
        }
        for (asn, gone) in by_network {
            let of = standing.get(&asn).copied().unwrap_or(0) + gone.len();
            let known = self.notices.contains_key(&asn);
            let enough = gone.len() >= LEAST_LOST && ONE_IN * gone.len() >= of;
            if !known && !enough {
                continue;
            }
            let since = gone.iter().map(|(_, gone)| gone.at).min().unwrap_or_default();
            let isp = gone.iter().find_map(|(_, gone)| gone.vantage.isp.clone());
            let lost = BTreeSet::new();
            let notice = self.notices.entry(asn).or_insert_with(|| Notice { isp, since, lost, of });
            notice.lost.extend(gone.iter().map(|(agent, _)| (*agent).clone()));
            notice.of = notice.of.max(of);
        }
    }

    /// Agents that are silent with their network.
    pub(crate) const fn silent(&self) -> &BTreeSet<AgentId> {
        &self.silent
    }

    /// How many agents were connected a moment ago, and how many of those are gone.
    pub(crate) fn lost(&self) -> (usize, usize) {
        (self.online.len() + self.gone.len(), self.gone.len())
    }

    /// What is told of it.
    pub(crate) fn notices(&self) -> Vec<VantageNotice> {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let told = |(asn, notice): (&Asn, &Notice)| VantageNotice {
            asn: *asn,
            isp: notice.isp.clone(),
            since: notice.since,
            lost: count(notice.lost.len()),
            of: count(notice.of),
            sentence: sentence(*asn, notice),
        };
        self.notices.iter().map(told).collect()
    }
}

fn sentence(asn: Asn, notice: &Notice) -> String {
    let network = notice.isp.as_ref().map_or_else(|| asn.to_string(), |isp| format!("{isp} ({asn})"));
    format!(
        "{} of our {} testers at {network} fell silent at once: we cannot look from there, and that is no outage of any site",
        notice.lost.len(),
        notice.of
    )
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(asn: u32, range: std::ops::Range<u32>) -> Vec<(AgentId, Arc<Vantage>)> {
        let vantage =
            Arc::new(Vantage { asn: Some(Asn(asn)), isp: "Example Net".parse().ok(), ..Vantage::default() });
        range.map(|n| (format!("a{asn}-{n}").parse().expect("an id"), Arc::clone(&vantage))).collect()
    }

    fn at(s: i64) -> UnixMicros {
        UnixMicros(0).plus_secs(s)
    }

    /// What is told after a network of `of` agents lost so many at these seconds.
    fn told(of: u32, losses: &[(i64, u32)]) -> Vec<(u32, u32)> {
        let mut silence = Silence::default();
        let others = agents(2, 0..20);
        silence.look(&[agents(1, 0..of), others.clone()].concat(), at(0));
        let (mut gone, mut last) = (0, 0);
        for (s, lost) in losses {
            gone += lost;
            last = *s;
            silence.look(&[agents(1, gone..of), others.clone()].concat(), at(last));
        }
        assert!(silence.notices().iter().all(|n| n.asn == Asn(1)), "at {last} s");
        silence.notices().iter().map(|n| (n.lost, n.of)).collect()
    }

    #[test]
    fn half_of_a_network_and_five_at_least_at_once_is_a_notice() {
        assert_eq!(told(10, &[(10, 5)]), [(5, 10)]);
        assert_eq!(told(11, &[(10, 5)]), [], "less than half");
        assert_eq!(told(6, &[(10, 4)]), [], "too few");
        assert_eq!(told(10, &[(10, 3), (60, 3)]), [(6, 10)], "within a minute and a half");
        assert_eq!(told(10, &[(10, 3), (110, 3)]), [], "one after the other");
    }

    #[test]
    fn it_ends_when_most_are_back_and_nobody_is_silent_who_is_there() {
        let mut silence = Silence::default();
        silence.look(&agents(1, 0..10), at(0));
        silence.look(&agents(1, 0..2), at(10));
        assert_eq!((silence.silent().len(), silence.lost()), (8, (10, 8)));
        assert_eq!(silence.notices()[0].since, at(10));
        let sentence = "8 of our 10 testers at Example Net (AS1) fell silent at once";
        assert!(silence.notices()[0].sentence.starts_with(sentence), "{:?}", silence.notices());
        silence.look(&agents(1, 0..5), at(600));
        assert_eq!((silence.silent().len(), silence.lost()), (5, (5, 0)), "half are still away");
        silence.look(&agents(1, 0..6), at(700));
        assert_eq!((silence.silent().len(), silence.notices().len()), (0, 0));
    }

    #[test]
    fn who_stays_away_is_no_news_after_a_day() {
        let mut silence = Silence::default();
        silence.look(&agents(1, 0..10), at(0));
        silence.look(&[], at(10));
        silence.look(&[], at(10 + 86_399));
        assert_eq!(silence.notices().len(), 1);
        silence.look(&[], at(10 + 86_400));
        assert_eq!(silence.notices().len(), 0);
    }
}
