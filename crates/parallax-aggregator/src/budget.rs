//! How often a site may be asked for, whoever asks: waves per host and port, new names per registrable domain, and waves per address
//! and network that the names lead to (threats T9, T10): thousands of names of one server are one server.
//!
//! Pure: moments come in. State is bounded; when full, the oldest entries go.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use parallax_model::{Host, Port, Target, UnixMicros};

use crate::read::CheckRefusal;

/// One wave per target in this time; checks that come sooner join the last one.
pub(crate) const WAVE_INTERVAL: Duration = Duration::from_mins(1);
/// Distinct names of one registrable domain that may be checked in a minute (threats.md T11).
pub(crate) const NAMES_PER_DOMAIN_MINUTE: usize = 10;
/// Checks started in a minute over all targets.
pub(crate) const CHECKS_PER_MINUTE: usize = 600;
/// Waves one address may get in [`WAVE_INTERVAL`], by whatever names.
pub(crate) const WAVES_PER_ADDRESS: usize = 1;
/// Waves all addresses of a /24 or /48 may get together in that time.
pub(crate) const WAVES_PER_PREFIX: usize = 4;
/// Waves an address may get where a CDN's edge answers, for thousands of sites; its network gets as many times more.
pub(crate) const WAVES_PER_EDGE: usize = 30;
/// Waves in that time whose addresses nobody knows, because no scout has said a word in time.
pub(crate) const WAVES_UNSEEN: usize = 6;
/// Addresses and networks remembered at most; beyond that no new one gets a wave.
const MAX_PLACES: usize = 20_000;
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

impl From<Busy> for CheckRefusal {
    fn from(Busy { what, retry_after }: Busy) -> Self {
        Self::Busy { what, retry_after }
    }
}

/// An address that a check met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Met {
    /// Which.
    pub address: IpAddr,
    /// Whether a CDN's edge answered there.
    pub edge: bool,
}

/// What gets waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Nobody knows.
    Unseen,
    Address(IpAddr),
    /// A /24 or /48, by its first address.
    Prefix(IpAddr),
}

/// The memory of who was asked for when.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    waves: BTreeMap<Place, VecDeque<UnixMicros>>,
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

    /// Charges a wave to every address that it meets, as the scouts saw them, and to their networks; `false`, with nothing charged, when
    /// one of them has had enough. Places that are not on the Internet are their operator's and not counted.
    pub(crate) fn charge_wave(&mut self, met: &[Met], now: UnixMicros) -> bool {
        let mut places: BTreeMap<Place, usize> = BTreeMap::new();
        for Met { address, edge } in met.iter().filter(|met| !is_operators(met.address)) {
            let times = if *edge { WAVES_PER_EDGE } else { 1 };
            places.insert(Place::Address(*address), WAVES_PER_ADDRESS * times);
            let most = places.entry(Place::Prefix(prefix(*address))).or_default();
            *most = (*most).max(WAVES_PER_PREFIX * times);
        }
        if met.is_empty() {
            places.insert(Place::Unseen, WAVES_UNSEEN);
        }
        if self.waves.len() + places.len() > MAX_PLACES {
            self.waves.retain(|_, waves| waves.back().is_some_and(|t| now.since(*t) < MINUTE_US));
        }
        if self.waves.len() + places.len() > MAX_PLACES {
            return false;
        }
        let enough = |(place, most): (&Place, &usize)| {
            let lately =
                |waves: &VecDeque<UnixMicros>| waves.iter().filter(|at| now.since(**at) < MINUTE_US).count();
            self.waves.get(place).map_or(0, lately) >= *most
        };
        if places.iter().any(enough) {
            return false;
        }
        for place in places.into_keys() {
            let waves = self.waves.entry(place).or_default();
            waves.retain(|at| now.since(*at) < MINUTE_US);
            waves.push_back(now);
        }
        true
    }
}

/// Whether an address is of the kind that only an operator's own configuration lets probes go to.
fn is_operators(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// The first address of the /24 or /48 around one.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() >> 8 << 8).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 80 << 80).into()),
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

    fn met(address: &str, edge: bool) -> [Met; 1] {
        [Met { address: address.parse().expect("an address"), edge }]
    }

    #[test]
    fn five_thousand_names_of_one_address_are_one_address() {
        let mut budget = Budget::default();
        let mut waves = |address: &str, edge, at_s: i64| {
            let now = UnixMicros(at_s * 1_000_000);
            (0..5_000).filter(|_| budget.charge_wave(&met(address, edge), now)).count()
        };
        assert_eq!(waves("192.0.2.1", false, 0), 1);
        assert_eq!(waves("192.0.2.1", false, 59), 0, "in the same minute");
        assert_eq!(waves("192.0.2.1", false, 60), 1, "in the next one");
        let neighbours: usize = (2..=250).map(|n| waves(&format!("192.0.2.{n}"), false, 60)).sum();
        assert_eq!(neighbours, 3, "four of the /24 with the first");
        assert_eq!(waves("2001:db8::1", false, 60), 1);
        assert_eq!(waves("198.51.100.1", true, 60), 30, "an edge stands for thousands of sites");
        assert_eq!(waves("127.0.0.1", false, 60), 5_000, "an operator's own");
    }

    #[test]
    fn waves_to_addresses_that_nobody_knows_are_few() {
        let mut budget = Budget::default();
        let made = (0..5_000).filter(|_| budget.charge_wave(&[], UnixMicros(0))).count();
        assert_eq!(made, WAVES_UNSEEN);
        assert!(budget.charge_wave(&[], UnixMicros(60_000_000)));
    }

    #[test]
    fn a_wave_that_one_address_refuses_is_charged_to_none() {
        let mut budget = Budget::default();
        assert!(budget.charge_wave(&met("192.0.2.1", false), UnixMicros(0)));
        let both = [met("192.0.2.1", false)[0], met("198.51.100.1", false)[0]];
        assert!(!budget.charge_wave(&both, UnixMicros(1)));
        assert!(budget.charge_wave(&met("198.51.100.1", false), UnixMicros(2)));
    }

    #[test]
    fn places_are_bounded() {
        let mut budget = Budget::default();
        for n in 0..10_100_u32 {
            let address = IpAddr::V4((0x0b00_0000 + (n << 8)).into());
            budget.charge_wave(&[Met { address, edge: false }], UnixMicros(0));
        }
        assert_eq!(budget.waves.len(), MAX_PLACES);
        assert!(budget.charge_wave(&met("192.0.2.1", false), UnixMicros(60_000_000)));
        assert_eq!(budget.waves.len(), 2);
    }

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
