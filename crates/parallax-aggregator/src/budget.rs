//! How often a site may be asked for, whoever asks: waves per host and port, and new names per registrable domain.
//!
//! Pure: moments come in. State is bounded; when full, the oldest entries go.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parallax_model::{Host, Port, Target, UnixMicros};

/// One wave per target in this time; checks that come sooner join the last one.
pub(crate) const WAVE_INTERVAL: Duration = Duration::from_mins(1);
/// Distinct names of one registrable domain that may be checked in a minute (threats.md T11).
pub(crate) const NAMES_PER_DOMAIN_MINUTE: usize = 10;
/// Checks started in a minute over all targets.
pub(crate) const CHECKS_PER_MINUTE: usize = 600;
/// Domains remembered at most.
const MAX_DOMAINS: usize = 10_000;

/// What is too busy, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Busy {
    /// A domain, or "this service".
    pub what: String,
    /// When to come back.
    pub retry_after: Duration,
}

/// The memory of who was asked for when.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    all: VecDeque<UnixMicros>,
    domains: BTreeMap<String, VecDeque<(UnixMicros, Host, Port)>>,
}

const MINUTE_US: u64 = 60_000_000;

impl Budget {
    /// Charges one new check of `target`, or says why not now. Checks that join a running one are not charged.
    pub(crate) fn charge(&mut self, target: &Target, now: UnixMicros) -> Result<(), Busy> {
        while self.all.front().is_some_and(|t| now.since(*t) >= MINUTE_US) {
            self.all.pop_front();
        }
        if let (true, Some(oldest)) = (self.all.len() >= CHECKS_PER_MINUTE, self.all.front()) {
            return Err(Busy { what: "this service".to_owned(), retry_after: rest(*oldest, now) });
        }
        let domain = registrable(&target.host);
        if self.domains.len() >= MAX_DOMAINS && !self.domains.contains_key(&domain) {
            self.domains.retain(|_, seen| seen.back().is_some_and(|(t, ..)| now.since(*t) < MINUTE_US));
        }
        let seen = self.domains.entry(domain.clone()).or_default();
        seen.retain(|(t, ..)| now.since(*t) < MINUTE_US);
        // Another path is the same server: ten paths must not be ten waves.
        let same = seen.iter().find(|(_, host, port)| *host == target.host && *port == target.port);
        if let Some((last, ..)) = same {
            return Err(Busy { what: target.host.to_string(), retry_after: rest(*last, now) });
        }
        if let (true, Some((oldest, ..))) = (seen.len() >= NAMES_PER_DOMAIN_MINUTE, seen.front()) {
            return Err(Busy { what: domain, retry_after: rest(*oldest, now) });
        }
        seen.push_back((now, target.host.clone(), target.port));
        self.all.push_back(now);
        Ok(())
    }
}

/// Reports one network prefix may make in an hour, over all sites.
pub(crate) const REPORTS_PER_HOUR: usize = 20;
/// Reporters remembered at most; beyond that nobody new is counted until the oldest hour has passed.
const MAX_REPORTERS: usize = 100_000;
const HOUR_US: u64 = 60 * MINUTE_US;

/// The memory of who reported how often, by keyed hash.
#[derive(Debug, Default)]
pub(crate) struct ReportBudget {
    reporters: BTreeMap<u64, (UnixMicros, usize)>,
}

impl ReportBudget {
    /// Charges one report; `false` when this reporter has made enough of them.
    pub(crate) fn charge(&mut self, reporter: u64, now: UnixMicros) -> bool {
        if self.reporters.len() >= MAX_REPORTERS && !self.reporters.contains_key(&reporter) {
            self.reporters.retain(|_, (since, _)| now.since(*since) < HOUR_US);
            if self.reporters.len() >= MAX_REPORTERS {
                return false;
            }
        }
        let (since, made) = self.reporters.entry(reporter).or_insert((now, 0));
        if now.since(*since) >= HOUR_US {
            (*since, *made) = (now, 0);
        }
        *made += 1;
        *made <= REPORTS_PER_HOUR
    }
}

fn rest(since: UnixMicros, now: UnixMicros) -> Duration {
    // At least a second, so that nobody is told to come back at once.
    Duration::from_micros(MINUTE_US.saturating_sub(now.since(since)).max(1_000_000))
}

/// The part of a name somebody registered, by the public suffix list; an address or an unlisted name is its own.
fn registrable(host: &Host) -> String {
    parallax_policy::registrable_domain(host).unwrap_or(host.as_str()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str) -> Target {
        Target::site_default(host.parse().expect("a host"))
    }

    #[test]
    fn ten_names_of_a_domain_a_minute() {
        let mut budget = Budget::default();
        let at = |s: i64| UnixMicros(0).plus_secs(s);
        for n in 0..10 {
            assert_eq!(budget.charge(&target(&format!("n{n}.example.co.uk")), at(n)), Ok(()), "{n}");
        }
        let busy = budget.charge(&target("n10.example.co.uk"), at(10));
        assert_eq!(
            busy,
            Err(Busy { what: "example.co.uk".to_owned(), retry_after: Duration::from_secs(50) })
        );
        assert_eq!(budget.charge(&target("other.co.uk"), at(11)), Ok(()), "another domain");
        assert_eq!(budget.charge(&target("n10.example.co.uk"), at(61)), Ok(()), "a minute later");
    }

    #[test]
    fn another_path_of_a_host_is_no_other_wave() {
        let mut budget = Budget::default();
        let at = |s: i64| UnixMicros(0).plus_secs(s);
        let of = |url: &str| url.parse::<Target>().expect("a target");
        assert_eq!(budget.charge(&of("https://shop.example.com/"), at(0)), Ok(()));
        let busy = Busy { what: "shop.example.com".to_owned(), retry_after: Duration::from_secs(50) };
        assert_eq!(budget.charge(&of("https://shop.example.com/?a=1"), at(10)), Err(busy));
        assert_eq!(budget.charge(&of("http://shop.example.com/"), at(10)), Ok(()), "another port");
        assert_eq!(budget.charge(&of("https://shop.example.com/?a=1"), at(60)), Ok(()), "a minute later");
    }

    #[test]
    fn addresses_that_end_alike_are_no_domain() {
        let mut budget = Budget::default();
        for n in 1..=20 {
            assert_eq!(budget.charge(&target(&format!("192.{n}.2.1")), UnixMicros(0)), Ok(()), "{n}");
        }
    }

    #[test]
    fn everything_together_has_a_limit() {
        let mut budget = Budget::default();
        for n in 0..CHECKS_PER_MINUTE {
            assert_eq!(budget.charge(&target(&format!("site{n}.com")), UnixMicros(0)), Ok(()));
        }
        let busy = budget.charge(&target("one-more.com"), UnixMicros(0)).expect_err("the limit");
        assert_eq!(busy.what, "this service");
    }

    #[test]
    fn a_reporter_has_twenty_reports_an_hour() {
        let mut budget = ReportBudget::default();
        let at = |s: i64| UnixMicros(0).plus_secs(s);
        let counted = (0..25).filter(|n| budget.charge(1, at(*n))).count();
        assert_eq!(counted, REPORTS_PER_HOUR);
        assert!(budget.charge(2, at(30)), "another reporter");
        assert!(budget.charge(1, at(3_600)), "an hour later");
    }
}
