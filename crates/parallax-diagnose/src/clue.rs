//! What was seen that tells one cause from another, with its weights (reference: the cause table of the method).

use parallax_model::{
    ConnectFailure, DnsFailure, FailureKind, HttpFailure, NetworkKind, Protocol, RetryOutcome, Scope,
    TlsFailure,
};

use crate::cause::{Clue, Family, Weights};
use crate::observe::{Channel, Observation, Observations, Seen, count};
use crate::rules::Ruling;
use crate::sentence::shown_status;
use crate::visitor::covers;
use crate::world::{ChangeKind, WorldResult};

/// A clue that is a share of results must hold for at least this share of them.
const MOST: f64 = 0.5;
/// An error that comes sooner than this was not waited for, in milliseconds.
const FAST_ERROR_MS: f64 = 300.0;
/// Limits that programs wait for, in milliseconds …
const ROUND_LIMITS_MS: [f64; 4] = [15_000.0, 30_000.0, 60_000.0, 100_000.0];
/// … hit when the error comes within this share of one.
const ROUND_LIMIT_SLACK: f64 = 0.03;
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

const EVERYBODY: Weights = [1.0, -1.5, -0.5, 1.0, -1.0, 0.5, -1.0, 1.5, 1.0];
const ONE_NETWORK: Weights = [-2.0, 2.5, 0.0, -1.5, 0.0, -1.0, -1.0, -2.0, -2.0];
const ONE_COUNTRY_REFUSED: Weights = [-2.0, 2.5, 1.0, -1.5, 0.0, -1.0, -1.0, -2.0, -2.0];
const ONE_POP: Weights = [-1.5, 0.5, -1.0, -0.5, -1.0, -0.5, 3.0, -2.0, -2.0];
const OLD_ADDRESS: Weights = [-2.0, -1.0, -1.0, 0.0, 3.5, 0.0, -1.0, -1.0, -2.0];
const ONE_ADDRESS: Weights = [0.5, 1.0, 0.0, 1.0, -1.0, 0.5, 0.5, 1.5, -1.0];
const ONE_RESOLVER: Weights = [-2.0, 1.0, 0.0, 0.0, 1.0, -1.0, -1.0, -2.0, -2.0];
const ONE_FAMILY: Weights = [-2.0, 2.0, 0.5, 1.5, 0.5, -1.0, 0.0, -1.0, -2.0];
const HTTP3: Weights = [-2.0, 1.5, 1.5, 1.5, -2.0, 0.0, 1.0, -2.0, -2.0];
const OLDER_HTTP: Weights = [-2.0, -0.5, 0.5, 1.5, -2.0, 0.0, 1.0, -1.0, -2.0];
const DATA_CENTRES: Weights = [-1.0, -1.0, 3.0, -1.0, -1.0, -1.0, -1.0, -2.0, -1.0];
const HOME_LINES: Weights = [-1.0, 1.5, 1.0, -1.0, 0.0, -1.0, -1.0, -2.0, -2.0];
const PARTLY_AND_RETRIES_PASS: Weights = [2.0, 0.5, -1.0, -1.0, 0.0, -1.0, 0.0, -0.5, -3.0];
const ALL_FAIL_ALIKE: Weights = [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
const TTFB_RISEN: Weights = [2.5, 0.5, -1.0, -1.0, -1.0, -1.0, 0.0, 0.0, -2.0];
const TTFB_AS_USUAL: Weights = [-1.0, 0.5, 0.5, 1.0, 0.5, 0.5, 0.5, 1.5, 0.0];
const RETRY_AFTER: Weights = [2.0, -2.0, 0.5, 0.0, -2.0, -2.0, 0.0, -1.0, 3.0];
const TOO_MANY_REQUESTS: Weights = [2.0, -2.0, 0.5, 0.0, -2.0, -2.0, 0.0, -1.0, -1.0];
const UNAVAILABLE: Weights = [1.0, -1.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.5, 0.5];
const WAITED_FOR: Weights = [1.5, 0.5, 0.5, 0.0, -1.0, -2.0, 0.0, 0.0, -2.0];
const GONE_AT_ONCE: Weights = [-0.5, -1.0, 0.5, 1.0, 0.0, -1.0, 0.0, 2.0, -2.0];
const GONE: Weights = [0.0, -0.5, 0.25, 0.5, 0.0, -1.0, 0.0, 1.0, -2.0];
const EDGE_CANNOT_CONNECT: Weights = [0.5, 1.0, 1.0, 0.5, 1.0, -2.0, 0.0, 0.5, -2.0];
const EDGE_TLS: Weights = [-2.0, -2.0, -1.0, 1.0, -1.0, 3.0, 0.0, -1.0, -3.0];
const BROKEN_ANSWER: Weights = [0.0, -1.0, -0.5, 1.0, -1.0, -0.5, 0.0, 1.5, -1.5];
const NO_ANSWER: Weights = [0.0, 1.0, 0.5, -0.5, 0.0, -1.0, 0.0, -0.5, -2.0];
const NO_ANSWER_BUT_NEIGHBOURS: Weights = [0.0, -0.5, 2.0, 0.5, -1.0, -1.0, 0.0, 1.0, -2.0];
const CUT_IN_ONE_PLACE: Weights = [-2.0, 0.5, 3.0, -1.0, -1.0, 0.5, -1.0, -2.0, -3.0];
const REFUSED_BY_POLICY: Weights = [-2.0, -2.0, 3.0, 0.0, -1.0, -2.0, 0.0, -2.0, -2.0];
const FILTER_PAGE: Weights = [-1.0, -1.0, 1.0, -1.5, -1.0, -1.0, -0.5, -1.0, -1.0];
const HANDSHAKE_FAILS: Weights = [-2.0, -1.0, -0.5, 0.0, -1.0, 2.0, 0.0, -2.0, -3.0];
const STATIC_WORKS: Weights = [1.0, -2.0, 0.0, 1.0, -2.0, -2.0, 0.0, 1.0, -1.0];
const NO_NAME: Weights = [-2.0, -0.5, -2.0, 2.5, 0.5, -2.0, -2.0, -2.0, -3.0];
const RECORD_CHANGED: Weights = [-1.0, -1.0, -1.0, 0.5, 3.0, 0.0, 0.0, -0.5, -1.0];
const CERTIFICATE: Weights = [-3.0, -3.0, -2.0, 1.0, -1.0, 4.0, 0.0, -3.0, -3.0];
const CERTIFICATE_AT_ONE_ADDRESS: Weights = [-3.0, -2.0, 0.0, 1.0, 2.0, 2.0, 0.5, -3.0, -3.0];
const WRONG_PAGE: Weights = [-2.0, -2.0, -1.0, 3.0, 1.0, 0.0, 0.0, -2.0, -2.0];
const SAYS_MAINTENANCE: Weights = [-1.0, -3.0, -2.0, -1.0, -3.0, -3.0, -2.0, -2.0, 3.0];
const NEIGHBOURS_FAIL: Weights = [-1.0, 1.0, -1.0, -2.0, -1.0, -1.0, 2.5, -1.0, -1.0];
const NETWORK_FAILS: Weights = [-2.0, 3.0, 0.0, -2.0, -1.0, -2.0, 0.0, -2.0, -2.0];
const JUST_CHANGED: Weights = [-0.5, -1.0, 0.5, 2.0, 1.0, 1.0, 0.0, 0.5, -0.5];

/// What is looked at for one cause.
struct Scene<'a> {
    scopes: Vec<&'a Scope>,
    /// Results in the scopes that say yes to the question that decided.
    failing: Vec<&'a Observation>,
    /// Every result in the scopes that says something to it.
    inside: Vec<&'a Observation>,
    clues: Vec<Clue>,
}

/// Every clue to the cause of what the ruling says.
pub(crate) fn clues(ruling: &Ruling<'_>, observations: &Observations) -> Vec<Clue> {
    let inside: Vec<&Observation> = observations
        .usable
        .iter()
        .filter(|o| o.says(ruling.channel).is_some())
        .filter(|o| ruling.scopes.iter().any(|scope| covers(scope, &o.place)))
        .collect();
    let failing =
        inside.iter().copied().filter(|o| o.says(ruling.channel).is_some_and(|y| y > 0.0)).collect();
    let scopes = ruling.scopes.iter().chain(&ruling.same_coverage).collect();
    let mut scene = Scene { scopes, failing, inside, clues: Vec::new() };
    scene.scope_clues(ruling.channel);
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
    fn add(&mut self, family: Family, weights: Weights, sentence: String) {
        self.clues.push(Clue { family, weights, sentence });
    }

    /// How many failing results are so.
    fn failing_that(&self, is: impl Fn(&Observation) -> bool) -> u32 {
        count(self.failing.iter().filter(|o| is(o)).count())
    }

    /// Adds a clue that weighs by the share of failing results that are so, when any is.
    fn add_share(&mut self, family: Family, weights: Weights, what: &str, is: impl Fn(&Observation) -> bool) {
        let (hits, all) = (self.failing_that(is), count(self.failing.len()));
        if hits > 0 {
            let share = f64::from(hits) / f64::from(all);
            self.add(family, weights.map(|w| w * share), format!("{hits} of {all} failing results {what}."));
        }
    }

    fn mostly(&self, is: impl Fn(&Observation) -> bool) -> bool {
        let hits = f64::from(self.failing_that(is));
        hits > 0.0 && hits >= MOST * self.failing.len() as f64
    }

    fn scope_clues(&mut self, channel: Channel) {
        let stale = self.mostly(|o| o.result.address_current == Some(false));
        let refused = channel == Channel::Blocked || self.mostly(is_cut);
        let (failing, all) = (self.failing.len(), self.inside.len());
        let through_pop = self.scopes.iter().any(|s| s.pop.is_some());
        for scope in self.scopes.clone() {
            if through_pop && scope.pop.is_none() && scope.address.is_some() && !stale {
                // The PoP's own address says the PoP again; it is no second clue, and none for the network.
                continue;
            }
            let sentence = format!("It is seen by {}: {failing} of {all} results there.", scope.in_words());
            for (is_set, weights) in scope_weights(scope, stale, refused) {
                if is_set {
                    self.add(Family::Scope, weights, sentence.clone());
                }
            }
        }
    }

    fn pattern_clues(&mut self) {
        let (failing, all) = (self.failing.len() as f64, self.inside.len() as f64);
        let share = failing / all.max(1.0);
        let retried = self.failing.iter().filter(|o| o.result.retry.is_some()).count();
        let passed = self.failing.iter().filter(|o| o.result.retry == Some(RetryOutcome::Ok)).count();
        if (0.1..=0.7).contains(&share) {
            let often = passed > 0 && 3 * passed >= retried;
            let weights =
                if often { PARTLY_AND_RETRIES_PASS } else { PARTLY_AND_RETRIES_PASS.map(|w| w / 2.0) };
            let sentence =
                format!("{failing} of {all} results fail, and {passed} of {retried} retries pass.");
            self.add(Family::Pattern, weights, sentence);
        } else if share >= 0.9 {
            self.add(Family::Pattern, ALL_FAIL_ALIKE, format!("{failing} of {all} results fail alike."));
        }
    }

    fn latency_clues(&mut self, observations: &Observations) {
        let working = |o: &&Observation| matches!(o.seen, Seen::Ok | Seen::Soft(_));
        let mut times: Vec<f64> = observations
            .usable
            .iter()
            .filter(working)
            .filter_map(|o| Some(o.result.ttfb_ms? / o.result.ttfb_usual_ms.filter(|usual| *usual > 0.0)?))
            .collect();
        times.sort_by(f64::total_cmp);
        let Some(median) = times.get(times.len() / 2).copied().filter(|_| times.len() >= LEAST_TIMINGS)
        else {
            return;
        };
        let n = times.len();
        if median > TTFB_ROSE {
            let sentence =
                format!("{n} successes take {median:.1} times as long as usual to the first byte.");
            self.add(Family::Latency, TTFB_RISEN, sentence);
        } else if median <= TTFB_NORMAL {
            let sentence = format!("{n} successes are as fast as usual ({median:.1} times).");
            self.add(Family::Latency, TTFB_AS_USUAL, sentence);
        }
    }

    fn status_clues(&mut self, observations: &Observations) {
        let nearby_429 = observations.usable.iter().filter(|o| shown_status(o) == Some(429)).count();
        self.add_share(Family::Status, RETRY_AFTER, "are 503 with Retry-After", |o| {
            shown_status(o) == Some(503) && o.result.retry_after.is_some()
        });
        if nearby_429 > 0 && self.failing_that(|o| shown_status(o) == Some(503)) > 0 {
            self.add(
                Family::Status,
                TOO_MANY_REQUESTS,
                format!("{nearby_429} results are 429 at the same time."),
            );
        }
        self.add_share(Family::Status, UNAVAILABLE, "are 503 without Retry-After", |o| {
            shown_status(o) == Some(503) && o.result.retry_after.is_none()
        });
        self.add_share(
            Family::Status,
            WAITED_FOR,
            "end at a limit that somebody waited for (504, 524)",
            |o| matches!(shown_status(o), Some(504 | 524)) || o.result.error_ms.is_some_and(is_round_limit),
        );
        self.add_share(Family::Status, GONE_AT_ONCE, "are 502 or 521 at once", |o| {
            matches!(shown_status(o), Some(502 | 521)) && is_fast(&o.result)
        });
        self.add_share(Family::Status, GONE, "are 502 or 521", |o| {
            matches!(shown_status(o), Some(502 | 521)) && !is_fast(&o.result)
        });
        self.add_share(
            Family::Status,
            EDGE_CANNOT_CONNECT,
            "are 522 or 523: the edge cannot connect to the origin",
            |o| matches!(shown_status(o), Some(522 | 523)),
        );
        self.add_share(Family::Status, EDGE_TLS, "are 525 or 526: edge and origin disagree about TLS", |o| {
            matches!(shown_status(o), Some(525 | 526))
        });
        self.add_share(Family::Status, BROKEN_ANSWER, "are 500 or 520: the site's program failed", |o| {
            matches!(shown_status(o), Some(500 | 501 | 505..=511 | 520))
        });
    }

    fn outcome_clues(&mut self) {
        self.add_share(Family::Status, GONE_AT_ONCE, "are refused connections", |o| {
            o.kind() == Some(FailureKind::Connect(ConnectFailure::Refused))
        });
        self.add_share(
            Family::Policy,
            REFUSED_BY_POLICY,
            "are refusals by policy (403, 451, bot check)",
            |o| matches!(o.seen, Seen::Blocked(_)),
        );
        let in_one_place = self.scopes.iter().any(|s| s.asn.is_some() || s.country.is_some());
        if in_one_place {
            self.add_share(Family::Reset, CUT_IN_ONE_PLACE, "are cut as soon as the name is spoken", is_cut);
        }
        self.add_share(Family::Filter, FILTER_PAGE, "show the page of a filter", |o| {
            matches!(o.kind(), Some(FailureKind::Blocked(_)))
        });
        self.add_share(Family::Handshake, HANDSHAKE_FAILS, "end in the TLS handshake", |o| {
            matches!(o.kind(), Some(FailureKind::Tls(kind)) if !matches!(kind, TlsFailure::Reset | TlsFailure::Timeout))
        });
        let everywhere = self.scopes.iter().any(|s| s.all);
        let weights = if everywhere { CERTIFICATE } else { CERTIFICATE_AT_ONE_ADDRESS };
        self.add_share(Family::Certificate, weights, "have a certificate problem", has_certificate_problem);
        self.add_share(Family::Content, WRONG_PAGE, "show a wrong page or redirect in a circle", |o| {
            o.kind() == Some(FailureKind::Http(HttpFailure::RedirectLoop))
                || matches!(
                    o.result.kind.as_deref(),
                    Some("default-vhost" | "default-page" | "wrong-host" | "parked" | "redirect-loop")
                )
        });
        self.add_share(Family::Announced, SAYS_MAINTENANCE, "say that the site is under maintenance", |o| {
            o.result.kind.as_deref() == Some("maintenance")
        });
        self.add_share(Family::Static, STATIC_WORKS, "come while a static path works", |o| {
            o.result.static_ok == Some(true)
        });
    }

    fn name_clues(&mut self, observations: &Observations) {
        if self.scopes.iter().any(|s| s.all) {
            self.add_share(
                Family::Names,
                NO_NAME,
                "are failed name lookups",
                |o| matches!(o.kind(), Some(FailureKind::Dns(kind)) if kind != DnsFailure::Timeout),
            );
        }
        let old = self.failing_that(|o| o.result.address_current == Some(false));
        let change = observations.changes.iter().find(|c| c.what == ChangeKind::Dns);
        if old > 0 {
            let all = self.failing.len();
            let when = change.map_or(String::new(), |c| format!(" (changed {:.0} s ago)", c.ago_s));
            let sentence = format!("{old} of {all} failing results still use an old address{when}.");
            self.add(Family::Record, RECORD_CHANGED, sentence);
        }
    }

    fn surroundings_clues(&mut self, observations: &Observations) {
        let elsewhere = observations.elsewhere.unwrap_or_default();
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let neighbours = [elsewhere.same_pop_failing, elsewhere.same_host_failing];
        let neighbours = neighbours.into_iter().flatten().reduce(f64::max);
        if let Some(share) = neighbours.filter(|share| *share >= ELSEWHERE_FAILS) {
            let sentence = format!("{} of other sites on the same CDN or host fail too.", percent(share));
            self.add(Family::SameHost, NEIGHBOURS_FAIL, sentence);
        }
        if let Some(share) = elsewhere.same_asn_failing.filter(|share| *share >= ELSEWHERE_FAILS) {
            let sentence = format!("{} of other sites fail from the same network.", percent(share));
            self.add(Family::SameNetwork, NETWORK_FAILS, sentence);
        }
        let neighbours_work = elsewhere.same_host_failing.is_some_and(|share| share < ELSEWHERE_FAILS);
        let weights = if neighbours_work { NO_ANSWER_BUT_NEIGHBOURS } else { NO_ANSWER };
        self.add_share(Family::Status, weights, "are timeouts without any answer", |o| {
            o.kind().is_some_and(FailureKind::is_timeout)
        });
        let recent: Vec<_> = observations.changes.iter().filter(|c| c.ago_s <= RECENT_CHANGE_S).collect();
        if let Some(change) = recent.first() {
            let what = match change.what {
                ChangeKind::Dns => "DNS record",
                ChangeKind::Certificate => "certificate",
                ChangeKind::Deploy => "software",
                ChangeKind::Cdn => "CDN setting",
            };
            self.add(
                Family::Change,
                JUST_CHANGED,
                format!("The site's {what} changed {:.0} s ago.", change.ago_s),
            );
        }
    }
}

fn scope_weights(scope: &Scope, stale: bool, refused: bool) -> [(bool, Weights); 8] {
    let country = if refused && scope.country.is_some() { ONE_COUNTRY_REFUSED } else { ONE_NETWORK };
    let address = if stale { OLD_ADDRESS } else { ONE_ADDRESS };
    let resolver = if stale { OLD_ADDRESS } else { ONE_RESOLVER };
    let protocol = if scope.protocol == Some(Protocol::H3) { HTTP3 } else { OLDER_HTTP };
    let line = if scope.network == Some(NetworkKind::Hosting) { DATA_CENTRES } else { HOME_LINES };
    [
        (scope.all, EVERYBODY),
        (scope.asn.is_some() || scope.region.is_some() || scope.country.is_some(), country),
        (scope.pop.is_some(), ONE_POP),
        (scope.address.is_some(), address),
        (scope.resolver.is_some(), resolver),
        (scope.family.is_some(), ONE_FAMILY),
        (scope.protocol.is_some(), protocol),
        (scope.network.is_some(), line),
    ]
}

fn is_fast(result: &WorldResult) -> bool {
    let limit = result.ttfb_usual_ms.map_or(FAST_ERROR_MS, |usual| usual.max(FAST_ERROR_MS));
    result.error_ms.or(result.ttfb_ms).is_some_and(|ms| ms <= limit)
}

fn is_round_limit(error_ms: f64) -> bool {
    ROUND_LIMITS_MS.iter().any(|limit| (error_ms - limit).abs() <= ROUND_LIMIT_SLACK * limit)
}

fn is_cut(observation: &Observation) -> bool {
    matches!(
        observation.kind(),
        Some(
            FailureKind::Tls(TlsFailure::Reset)
                | FailureKind::Http(HttpFailure::Reset)
                | FailureKind::Connect(ConnectFailure::Reset)
        )
    )
}

fn has_certificate_problem(observation: &Observation) -> bool {
    let named = observation.result.cert_problem.as_ref().is_some_and(crate::CertProblem::is_problem);
    named
        || matches!(
            observation.kind(),
            Some(FailureKind::Tls(
                TlsFailure::Expired
                    | TlsFailure::NotYetValid
                    | TlsFailure::NameMismatch
                    | TlsFailure::Untrusted
                    | TlsFailure::SelfSigned
                    | TlsFailure::Revoked
            ))
        )
}
