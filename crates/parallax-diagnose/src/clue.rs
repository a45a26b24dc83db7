//! What was seen that tells one cause from another; [`weights`] says how much each clue counts.

use parallax_model::{
    ConnectFailure, DnsFailure, FailureKind, HttpFailure, NetworkKind, Protocol, Scope, TlsFailure,
};

use crate::cause::{Clue, Sign};
use crate::observe::{Channel, Observation, Observations, Seen, count};
use crate::rules::Ruling;
use crate::sentence::shown_status;
use crate::world::ChangeKind;

mod failure;
mod weights;

use failure::{Failure, Trait, alike};

/// A clue that is a share of results must hold for at least this share of them.
const MOST: f64 = 0.5;
/// Failing results among all in the scopes: fewer are strays, more are all.
const PARTLY: std::ops::RangeInclusive<f64> = 0.1..=0.7;
/// First bytes that take this many times as long as usual have risen …
const TTFB_ROSE: f64 = 2.0;
/// … and below this many times are normal.
const TTFB_NORMAL: f64 = 1.3;
/// Timings of at least so many successes are wanted.
const LEAST_TIMINGS: usize = 3;
/// A change is recent for so many seconds.
const RECENT_CHANGE_S: f64 = 30.0 * 60.0;
/// Other targets fail "too" from this share on.
const ELSEWHERE_FAILS: f64 = 0.2;

/// What is looked at for one cause.
struct Scene<'a> {
    scopes: Vec<&'a Scope>,
    /// Results in the scopes that say yes to the question that decided, those that are alike together, and how many they are.
    alike: Vec<(Failure, u32)>,
    /// How many all are.
    failing: u32,
    /// How many results in the scopes say something to it.
    inside: usize,
    clues: Vec<Clue>,
}

/// Every clue to the cause of what the ruling says, which is seen by these results.
pub(crate) fn clues(
    ruling: &Ruling<'_>,
    observations: &Observations<'_>,
    affected: &[&Observation<'_>],
) -> Vec<Clue> {
    let is_fine = |o: &&Observation<'_>| o.says(ruling.channel).is_some_and(|y| y <= 0.0);
    let is_inside = |o: &&Observation<'_>| ruling.scopes.iter().any(|scope| o.place.is_in(scope));
    let fine = observations.usable.iter().filter(is_fine).filter(is_inside).count();
    let scopes = ruling.scopes.iter().chain(&ruling.same_coverage).collect();
    let mut scene = Scene {
        scopes,
        alike: alike(affected),
        failing: count(affected.len()),
        inside: affected.len() + fine,
        clues: Vec::new(),
    };
    scene.scope_clues(ruling.channel);
    scene.place_clues();
    scene.pattern_clues();
    scene.latency_clues(observations);
    if ruling.channel != Channel::Slow {
        scene.status_clues(observations);
        scene.outcome_clues();
        scene.name_clues(observations);
    }
    scene.surroundings_clues(observations);
    scene.clues
}

impl Scene<'_> {
    fn add(&mut self, sign: &'static Sign, share: f64, sentence: String) {
        self.clues.push(Clue { sign, share, sentence });
    }

    /// How many failing results are so.
    fn failing_that(&self, is: impl Fn(&Failure) -> bool) -> u32 {
        self.alike.iter().filter(|(failure, _)| is(failure)).map(|(_, results)| results).sum()
    }

    /// Adds a clue that weighs by the share of failing results that are so, when any is.
    fn add_share(&mut self, sign: &'static Sign, what: &str, is: impl Fn(&Failure) -> bool) {
        let (hits, all) = (self.failing_that(is), self.failing);
        if hits > 0 {
            let share = f64::from(hits) / f64::from(all);
            self.add(sign, share, format!("{hits} of {all} failing results {what}."));
        }
    }

    fn mostly(&self, is: impl Fn(&Failure) -> bool) -> bool {
        let hits = f64::from(self.failing_that(is));
        hits > 0.0 && hits >= MOST * f64::from(self.failing)
    }

    /// The share of failing results at an address that is no longer given, of those that looked; `None` when none did.
    fn share_stale(&self) -> Option<f64> {
        let looked = self.failing_that(|f| f.is(Trait::CurrentAddress) || f.is(Trait::OldAddress));
        let old = self.failing_that(|f| f.is(Trait::OldAddress));
        (looked > 0).then(|| f64::from(old) / f64::from(looked))
    }

    fn is_stale(&self) -> bool {
        self.share_stale().is_some_and(|share| share >= MOST)
    }

    fn scope_clues(&mut self, channel: Channel) {
        let stale = self.is_stale();
        let refused = channel == Channel::Blocked || self.mostly(is_cut);
        let (failing, all) = (self.failing, self.inside);
        let through_pop = self.scopes.iter().any(|s| s.pop.is_some());
        for scope in self.scopes.clone() {
            if through_pop && scope.pop.is_none() && scope.address.is_some() && !stale {
                // The PoP's own address says the PoP again; it is no second clue, and none for the network.
                continue;
            }
            let sentence = format!("It is seen by {}: {failing} of {all} results there.", scope.in_words());
            for (is_set, sign) in scope_signs(scope, stale, refused) {
                if is_set {
                    self.add(sign, 1.0, sentence.clone());
                }
            }
        }
    }

    /// Clues that only some places give: what comes from there although, or only because, it comes from there.
    fn place_clues(&mut self) {
        // Not for one provider alone: whom it sends where, and what stands in its way, says nothing of an edge.
        let one_place = |s: &&Scope| s.asn.is_none() && (s.region.is_some() || s.country.is_some());
        if self.scopes.iter().any(one_place) {
            let is_error = |f: &Failure| f.status.is_some_and(|code| code >= 500);
            let what = "are error pages, so the way there works";
            self.add_share(&weights::ANSWERED_IN_ONE_PLACE, what, |f| {
                is_error(f) && !f.is(Trait::ThroughPop)
            });
            let what = "are error pages of a CDN's edge, so the way there works";
            self.add_share(&weights::ANSWERED_BY_A_CDN_IN_ONE_PLACE, what, |f| {
                is_error(f) && f.is(Trait::ThroughPop)
            });
        }
        if self.scopes.iter().any(|s| s.network == Some(NetworkKind::Hosting)) {
            self.add_share(&weights::DATA_CENTRES_DROPPED, "are data centres that get no connection", |f| {
                matches!(f.kind, Some(FailureKind::Connect(_)))
            });
        }
        self.add_share(&weights::OTHER_FAMILY_WORKS, "come while the other IP family works", |f| {
            f.is(Trait::OtherFamilyWorks)
        });
        self.add_share(&weights::WITHOUT_HTTP3_WORKS, "come while HTTP/2 or HTTP/1.1 works", |f| {
            f.is(Trait::WithoutH3Works)
        });
        self.add_share(&weights::OTHER_ADDRESS_WORKS, "come while another address works", |f| {
            f.is(Trait::OtherAddressWorks)
        });
    }

    /// Whether some results in the scopes fail and some do not.
    fn is_partly(&self) -> bool {
        PARTLY.contains(&(f64::from(self.failing) / self.inside.max(1) as f64))
    }

    fn pattern_clues(&mut self) {
        let (failing, all) = (f64::from(self.failing), self.inside as f64);
        let share = failing / all.max(1.0);
        let retried = self.failing_that(|f| f.is(Trait::RetryPassed) || f.is(Trait::RetryFailed));
        let passed = self.failing_that(|f| f.is(Trait::RetryPassed));
        if self.is_partly() {
            let often = passed > 0 && 3 * passed >= retried;
            let count_as = if often { 1.0 } else { 0.5 };
            let sentence =
                format!("{failing} of {all} results fail, and {passed} of {retried} retries pass.");
            self.add(&weights::PARTLY_AND_RETRIES_PASS, count_as, sentence);
        } else if share >= 0.9 {
            self.add(&weights::ALL_FAIL_ALIKE, 1.0, format!("{failing} of {all} results fail alike."));
        }
    }

    fn latency_clues(&mut self, observations: &Observations<'_>) {
        let working = |o: &&Observation<'_>| matches!(o.seen, Seen::Ok | Seen::Soft(_));
        let mut times: Vec<f64> = observations
            .usable
            .iter()
            .filter(working)
            .filter_map(|o| Some(o.result.ttfb_ms? / o.result.ttfb_usual_ms.filter(|usual| *usual > 0.0)?))
            .collect();
        let n = times.len();
        if n < LEAST_TIMINGS {
            return;
        }
        let (_, median, _) = times.select_nth_unstable_by(n / 2, f64::total_cmp);
        let median = *median;
        if median > TTFB_ROSE {
            let sentence =
                format!("{n} successes take {median:.1} times as long as usual to the first byte.");
            self.add(&weights::TTFB_RISEN, 1.0, sentence);
        } else if median <= TTFB_NORMAL {
            let sentence = format!("{n} successes are as fast as usual ({median:.1} times).");
            self.add(&weights::TTFB_AS_USUAL, 1.0, sentence);
        }
    }

    fn status_clues(&mut self, observations: &Observations<'_>) {
        self.add_share(&weights::RETRY_AFTER, "are 503 with Retry-After", |f| {
            f.status == Some(503) && f.is(Trait::AsksToWait)
        });
        if self.failing_that(|f| f.status == Some(503)) > 0 {
            let limited = observations.usable.iter().filter(|o| shown_status(o) == Some(429)).count();
            if limited > 0 {
                let sentence = format!("{limited} results are 429 at the same time.");
                self.add(&weights::TOO_MANY_REQUESTS, 1.0, sentence);
            }
        }
        self.add_share(&weights::UNAVAILABLE, "are 503 without Retry-After", |f| {
            f.status == Some(503) && !f.is(Trait::AsksToWait)
        });
        self.add_share(&weights::WAITED_FOR, "end at a limit that somebody waited for (504, 524)", |f| {
            matches!(f.status, Some(504 | 524)) || f.is(Trait::Waited)
        });
        // What is gone does not come back at the next try: a gateway that cannot reach it now and then may find it full.
        let gone = if self.is_partly() { &weights::SOMETIMES_GONE } else { &weights::GONE_AT_ONCE };
        self.add_share(gone, "are 502 or 521 at once", |f| {
            matches!(f.status, Some(502 | 521)) && f.is(Trait::Fast)
        });
        self.add_share(&weights::GONE, "are 502 or 521", |f| {
            matches!(f.status, Some(502 | 521)) && !f.is(Trait::Fast)
        });
        self.add_share(
            &weights::EDGE_CANNOT_CONNECT,
            "are 522 or 523: the edge cannot connect to the origin",
            |f| matches!(f.status, Some(522 | 523)),
        );
        self.add_share(&weights::EDGE_TLS, "are 525 or 526: edge and origin disagree about TLS", |f| {
            matches!(f.status, Some(525 | 526))
        });
        self.add_share(&weights::BROKEN_ANSWER, "are 500 or 520: the site's program failed", |f| {
            matches!(f.status, Some(500 | 501 | 505..=511 | 520))
        });
    }

    fn outcome_clues(&mut self) {
        self.add_share(&weights::GONE_AT_ONCE, "are refused connections", |f| {
            f.kind == Some(FailureKind::Connect(ConnectFailure::Refused))
        });
        self.add_share(&weights::REFUSED_BY_POLICY, "are refusals by policy (403, 451, bot check)", |f| {
            f.is(Trait::Refused)
        });
        let in_one_place = self.scopes.iter().any(|s| s.asn.is_some() || s.country.is_some());
        if in_one_place {
            self.add_share(&weights::CUT_IN_ONE_PLACE, "are cut as soon as the name is spoken", is_cut);
        }
        self.add_share(&weights::FILTER_PAGE, "show the page of a filter", |f| {
            matches!(f.kind, Some(FailureKind::Blocked(_)))
        });
        self.add_share(&weights::HANDSHAKE_FAILS, "end in the TLS handshake", |f| {
            matches!(f.kind, Some(FailureKind::Tls(kind)) if !matches!(kind, TlsFailure::Reset | TlsFailure::Timeout))
        });
        let everywhere = self.scopes.iter().any(|s| s.all);
        let certificate = match self.share_stale() {
            _ if everywhere => &weights::CERTIFICATE,
            Some(share) if share >= MOST => &weights::CERTIFICATE_AT_OLD_ADDRESS,
            Some(_) => &weights::CERTIFICATE_AT_CURRENT_ADDRESS,
            None => &weights::CERTIFICATE_AT_ONE_ADDRESS,
        };
        self.add_share(certificate, "have a certificate problem", |f| f.is(Trait::Certificate));
        let wrong_page =
            if self.is_stale() { &weights::WRONG_PAGE_AT_OLD_ADDRESS } else { &weights::WRONG_PAGE };
        self.add_share(wrong_page, "show a wrong page or redirect in a circle", |f| {
            f.kind == Some(FailureKind::Http(HttpFailure::RedirectLoop)) || f.is(Trait::WrongPage)
        });
        self.add_share(&weights::SAYS_MAINTENANCE, "say that the site is under maintenance", |f| {
            f.is(Trait::Maintenance)
        });
        self.add_share(&weights::STATIC_WORKS, "come while a static path works", |f| {
            f.is(Trait::StaticWorks)
        });
        self.add_share(&weights::STATIC_FAILS_TOO, "come while a static path fails too", |f| {
            f.is(Trait::StaticFails)
        });
        self.add_share(
            &weights::REFUSED_BUT_HOST_ALIVE,
            "are refused while another port of the host is open",
            |f| f.kind == Some(FailureKind::Connect(ConnectFailure::Refused)) && f.is(Trait::OtherPortOpen),
        );
    }

    fn name_clues(&mut self, observations: &Observations<'_>) {
        if self.scopes.iter().any(|s| s.all) {
            self.add_share(
                &weights::NO_NAME,
                "are failed name lookups",
                |f| matches!(f.kind, Some(FailureKind::Dns(kind)) if kind != DnsFailure::Timeout),
            );
        }
        self.serial_clue(observations);
        let old = self.failing_that(|f| f.is(Trait::OldAddress));
        let change = observations.changes.iter().find(|c| c.what == ChangeKind::Dns);
        if old > 0 {
            let all = self.failing;
            let when = change.map_or(String::new(), |c| format!(" (changed {:.0} s ago)", c.ago_s));
            let sentence = format!("{old} of {all} failing results still use an old address{when}.");
            self.add(&weights::RECORD_CHANGED, self.share_stale().unwrap_or(0.0), sentence);
        }
    }

    /// The zone's own servers answer with different serials: a change is on its way from one to the others.
    fn serial_clue(&mut self, observations: &Observations<'_>) {
        let mut serials: Vec<u32> = observations.usable.iter().filter_map(|o| o.result.soa_serial).collect();
        serials.sort_unstable();
        serials.dedup();
        if let [first, .., last] = serials.as_slice() {
            let sentence =
                format!("The zone's own servers do not agree: their serials go from {first} to {last}.");
            self.add(&weights::SERVERS_DISAGREE, 1.0, sentence);
        }
    }

    fn surroundings_clues(&mut self, observations: &Observations<'_>) {
        let elsewhere = observations.elsewhere.unwrap_or_default();
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let neighbours = [elsewhere.same_pop_failing, elsewhere.same_host_failing];
        let neighbours = neighbours.into_iter().flatten().reduce(f64::max);
        if let Some(share) = neighbours.filter(|share| *share >= ELSEWHERE_FAILS) {
            let sentence = format!("{} of other sites on the same CDN or host fail too.", percent(share));
            self.add(&weights::NEIGHBOURS_FAIL, 1.0, sentence);
        }
        if let Some(share) = elsewhere.same_asn_failing.filter(|share| *share >= ELSEWHERE_FAILS) {
            let sentence = format!("{} of other sites fail from the same network.", percent(share));
            self.add(&weights::NETWORK_FAILS, 1.0, sentence);
        }
        let neighbours_work = elsewhere.same_host_failing.is_some_and(|share| share < ELSEWHERE_FAILS);
        let alive = |f: &Failure| neighbours_work || f.is(Trait::OtherPortOpen);
        self.add_share(&weights::NO_ANSWER, "are timeouts without any answer", |f| {
            f.kind.is_some_and(FailureKind::is_timeout) && !alive(f)
        });
        self.add_share(
            &weights::NO_ANSWER_BUT_NEIGHBOURS,
            "are timeouts while the host or its neighbours answer",
            |f| f.kind.is_some_and(FailureKind::is_timeout) && alive(f),
        );
        self.add_share(&weights::UNREACHABLE, "find no way to the address", |f| {
            f.kind == Some(FailureKind::Connect(ConnectFailure::Unreachable))
        });
        let recent = observations.changes.iter().filter(|c| c.ago_s <= RECENT_CHANGE_S);
        for change in recent {
            let (sign, what) = match change.what {
                ChangeKind::Dns => (&weights::DNS_CHANGED, "DNS record"),
                ChangeKind::Certificate => (&weights::CERTIFICATE_CHANGED, "certificate"),
                ChangeKind::Deploy => (&weights::SOFTWARE_CHANGED, "software"),
                ChangeKind::Cdn => (&weights::CDN_CHANGED, "CDN setting"),
            };
            self.add(sign, 1.0, format!("The site's {what} changed {:.0} s ago.", change.ago_s));
        }
    }
}

fn scope_signs(scope: &Scope, stale: bool, refused: bool) -> [(bool, &'static Sign); 9] {
    let country = if refused && scope.country.is_some() {
        &weights::ONE_COUNTRY_REFUSED
    } else {
        &weights::ONE_NETWORK
    };
    let address = if stale { &weights::OLD_ADDRESS } else { &weights::ONE_ADDRESS };
    let resolver = if stale { &weights::OLD_ADDRESS } else { &weights::ONE_RESOLVER };
    let protocol = if scope.protocol == Some(Protocol::H3) { &weights::HTTP3 } else { &weights::OLDER_HTTP };
    let line = if scope.network == Some(NetworkKind::Hosting) {
        &weights::DATA_CENTRES
    } else {
        &weights::HOME_LINES
    };
    [
        (scope.all, &weights::EVERYBODY),
        (scope.asn.is_some() || scope.country.is_some(), country),
        (scope.region.is_some() && scope.asn.is_none() && scope.country.is_none(), &weights::ONE_REGION),
        (scope.pop.is_some() && scope.asn.is_none(), &weights::ONE_POP),
        (scope.address.is_some(), address),
        (scope.resolver.is_some(), resolver),
        (scope.family.is_some(), &weights::ONE_FAMILY),
        (scope.protocol.is_some(), protocol),
        (scope.network.is_some(), line),
    ]
}

fn is_cut(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        Some(
            FailureKind::Tls(TlsFailure::Reset)
                | FailureKind::Http(HttpFailure::Reset)
                | FailureKind::Connect(ConnectFailure::Reset)
        )
    )
}
