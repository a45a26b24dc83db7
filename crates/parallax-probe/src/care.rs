//! A probe with care: one retry, beacons that tell our own line's failures from the target's, and the questions that break a tie.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use parallax_model::{
    BeaconState, BlockedFailure, Failure, FailureKind, Family, HttpFailure, Outcome, Party, ProbeResult,
    RetryOutcome, Scheme, StatusCode, Target, UnixMicros,
};
use parallax_policy::registrable_domain;
use tokio::time::Instant;

use crate::dns::sinkhole::filter_at;
use crate::progress::Reached;
use crate::scrub::scrub;
use crate::ties::Answers;
use crate::{ProbeRequest, Prober};

mod suspect;
#[cfg(test)]
mod tests;

use suspect::SelfSuspect;
pub use suspect::{SUSPECT_LEAST, SUSPECT_PERCENT, SUSPECT_WINDOW};

/// How long a beacon's success speaks for the line.
pub const BEACON_FRESH: Duration = Duration::from_secs(10);
/// How long all beacons together may take to answer.
pub const BEACON_DEADLINE: Duration = Duration::from_secs(5);
/// Both attempts of a probe for a check end within this: who asks waits 20 s, and beacons and ties come after. What has kept silent
/// for ten seconds need not be waited for as long again.
pub const CHECK_ATTEMPTS: Duration = Duration::from_secs(13);
/// Most beacons asked at once.
pub const MAX_BEACONS: usize = 5;
/// What `/generate_204` of a connectivity check answers; a login page in its place has another status.
const NO_CONTENT: u16 = 204;
/// SHA-256 of `success` and a line feed, all that Firefox's connectivity check answers.
const SUCCESS_TXT: [u8; 32] = [
    0x81, 0xb2, 0xbd, 0x4e, 0xa9, 0x8c, 0x8d, 0xb6, 0x65, 0x54, 0xfb, 0xc8, 0xd7, 0x63, 0x7a, 0x1a, 0x69,
    0xa1, 0x30, 0xf3, 0x31, 0xfe, 0xb7, 0x32, 0xb7, 0x5c, 0xaa, 0xb4, 0xc4, 0x86, 0x8f, 0xd5,
];

/// Hears what a probe for a check has seen while it goes on.
pub type Tell<'a> = &'a (dyn Fn(ProbeResult) + Send + Sync);

/// When a beacon last worked, by family, and how the targets fared.
#[derive(Debug, Default)]
pub(crate) struct Beacons {
    worked: Mutex<[Option<Instant>; 2]>,
    suspect: Mutex<SelfSuspect>,
}

impl Beacons {
    fn slot(family: Family) -> usize {
        match family {
            Family::V4 => 0,
            Family::V6 => 1,
        }
    }

    fn note(&self, family: Family) {
        let mut last = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        last[Self::slot(family)] = Some(Instant::now());
    }

    fn fresh(&self, family: Family) -> bool {
        let last = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        last[Self::slot(family)].is_some_and(|at| at.elapsed() <= BEACON_FRESH)
    }

    /// Whether the line is suspected now.
    fn suspected(&self) -> bool {
        self.suspect.lock().unwrap_or_else(PoisonError::into_inner).is_suspect(Instant::now())
    }

    /// Takes note of a result, and says whether the line is suspected with it.
    fn suspects(&self, result: &ProbeResult, confirmed: bool) -> bool {
        let failed = confirmed && may_be_the_line(result);
        let host = &result.target.host;
        let domain = registrable_domain(host).unwrap_or(host.as_str());
        let mut suspect = self.suspect.lock().unwrap_or_else(PoisonError::into_inner);
        suspect.note(domain, failed, Instant::now());
        failed && suspect.is_suspect(Instant::now())
    }
}

impl Prober {
    /// A probe that doubts itself. When the first attempt fails, it waits `retry_after` (1 to 2 s, chosen by the caller) while
    /// a beacon is asked, and tries once more on a new connection. Where that fails too, it asks a beacon again and, at the same
    /// time, the questions that the kind of failure deserves ([`TIES_DEADLINE`](crate::TIES_DEADLINE)). The result is the first
    /// attempt's, with `retry`, `beacon` and `tie_breakers` filled in and the party decided:
    ///
    /// 1. No beacon worked, before or after: the failure is the agent's own; its kind stays.
    /// 2. Most of the sites that were looked at lately fail in ways a broken line makes them fail
    ///    ([`SUSPECT_PERCENT`]): the agent's own too, whatever the beacons say.
    /// 3. A beacon worked and the name lookup failed: as another resolver shows; without one, the resolver's where it was refused,
    ///    failed or timed out.
    /// 4. Nobody answers over QUIC: the access network's ([`Prober::settle_udp`]).
    /// 5. Else, and where there are no beacons: as the error itself says.
    ///
    /// A failure at an address that is known to be a filter's is the filter's page, the resolver's doing, and not asked about further.
    ///
    /// Beacons are asked over TCP; whether UDP gets through is asked apart, after a failure of HTTP/3 only. What policy refused is
    /// not tried again. Both attempts for a check end within [`CHECK_ATTEMPTS`]. All of it ends within twice the deadline of a probe, the wait, twice [`BEACON_DEADLINE`] per family, and
    /// [`QUIC_BEACON_DEADLINE`](crate::QUIC_BEACON_DEADLINE).
    pub async fn probe_with_care(
        &self,
        request: &ProbeRequest,
        now: UnixMicros,
        retry_after: Duration,
    ) -> ProbeResult {
        self.probe_telling(request, now, retry_after, &|_| {}).await
    }

    /// As [`Prober::probe_with_care`]; a probe for a check also tells what it has seen while it goes on, where its own line works:
    ///
    /// 1. that nothing has answered for [`Deadlines::patience`](crate::Deadlines::patience), as the failure it would be;
    /// 2. that the first attempt failed, before the second one.
    pub async fn probe_telling(
        &self,
        request: &ProbeRequest,
        now: UnixMicros,
        retry_after: Duration,
        tell: Tell<'_>,
    ) -> ProbeResult {
        let began = Instant::now();
        let mut result = self.first_attempt(request, now, tell).await;
        let Outcome::Failed(failure) = result.outcome else {
            self.beacons.suspects(&result, false);
            return result;
        };
        if is_final(failure.kind) {
            return result;
        }
        if let Some(filter) = filter_met(&result) {
            result.outcome = Outcome::Failed(Failure {
                kind: FailureKind::Blocked(BlockedFailure::BlockPage),
                party: Party::Resolver,
            });
            result.detail = scrub(&format!("the resolver answered with an address of {filter}"));
            return result;
        }
        let families = families_of(&result);
        let look = self.look_and_tell(request, &result, &families, tell);
        let (before, ()) = join(look, tokio::time::sleep(retry_after)).await;
        let waited = i64::try_from(retry_after.as_micros()).unwrap_or(i64::MAX);
        let again = self.probe(request, now.plus_micros(waited));
        let worked = if request.check.is_some() {
            let until = began + CHECK_ATTEMPTS.max(retry_after);
            tokio::time::timeout_at(until, again).await.is_ok_and(|again| again.outcome.is_ok())
        } else {
            again.await.outcome.is_ok()
        };
        let confirmed = !worked;
        result.retry = Some(if confirmed { RetryOutcome::Fail } else { RetryOutcome::Ok });
        let line = Line {
            has_beacons: !self.settings.beacons.is_empty(),
            worked_before: before,
            suspect: self.beacons.suspects(&result, confirmed),
        };
        let (works, answers) = self.second_look(request, &result, &line, &families).await;
        result.beacon = match (line.has_beacons || line.suspect, works) {
            (false, _) => BeaconState::Untested,
            (true, true) => BeaconState::Ok,
            (true, false) => BeaconState::Failed,
        };
        result.outcome =
            Outcome::Failed(Failure { kind: failure.kind, party: party_of(failure, works, answers.lookup) });
        if works {
            result.tie_breakers = answers.ties;
        }
        if confirmed && works {
            Box::pin(self.settle_udp(&mut result, now)).await;
        }
        result
    }

    /// The first attempt; for a check, with a word when it takes long.
    async fn first_attempt(&self, request: &ProbeRequest, now: UnixMicros, tell: Tell<'_>) -> ProbeResult {
        if request.check.is_none() {
            return self.probe(request, now).await;
        }
        let reached = Reached::default();
        let mut attempt = Box::pin(self.probe_watched(request, now, &reached));
        let impatient = async {
            let patience = self.settings.deadlines.patience;
            tokio::time::sleep(patience).await;
            if let Some(so_far) = reached.so_far(request, now, patience) {
                self.look_and_tell(request, &so_far, &families_of(&so_far), tell).await;
            }
        };
        tokio::select! {
            biased;
            result = &mut attempt => return result,
            () = impatient => {}
        }
        attempt.await
    }

    /// Whether a beacon works; for a check, what was seen is told where nothing speaks against the line.
    async fn look_and_tell(
        &self,
        request: &ProbeRequest,
        seen: &ProbeResult,
        families: &[Family],
        tell: Tell<'_>,
    ) -> bool {
        let works = self.line_works(families, true).await;
        let has_beacons = !self.settings.beacons.is_empty();
        if let Outcome::Failed(failure) = seen.outcome
            && request.check.is_some()
            && (works || !has_beacons)
            && !self.beacons.suspected()
        {
            let mut so_far = seen.clone();
            so_far.outcome =
                Outcome::Failed(Failure { kind: failure.kind, party: party_of(failure, true, None) });
            so_far.beacon = if has_beacons { BeaconState::Ok } else { BeaconState::Untested };
            tell(so_far);
        }
        works
    }

    /// The beacon after a failure and, where the failure is confirmed, the tie-breakers. A retry that worked shows the line as well
    /// as a beacon does; without beacons nothing speaks against it.
    async fn second_look(
        &self,
        request: &ProbeRequest,
        result: &ProbeResult,
        line: &Line,
        families: &[Family],
    ) -> (bool, Answers) {
        let confirmed = result.retry == Some(RetryOutcome::Fail);
        if line.suspect || (line.has_beacons && !line.worked_before) {
            return (false, Answers::default());
        }
        if !confirmed {
            return (true, Answers::default());
        }
        let works_after = async { !line.has_beacons || self.line_works(families, false).await };
        join(works_after, Box::pin(self.break_ties(request, result))).await
    }

    /// Asks the beacons whether our line works for a family, over TCP: `Ok` with the first that answers as it should, `Untested`
    /// when there is none for this family.
    pub(crate) async fn beacon(&self, family: Family) -> BeaconState {
        let fits = |target: &&Target| target.host.ip().is_none_or(|ip| Family::of(ip) == family);
        let asked: Vec<&Target> = self.settings.beacons.iter().filter(fits).take(MAX_BEACONS).collect();
        if asked.is_empty() {
            return BeaconState::Untested;
        }
        let mut answers: FuturesUnordered<_> = asked
            .into_iter()
            .map(|target| async move {
                let request = ProbeRequest { family: Some(family), ..ProbeRequest::new(target.clone()) };
                is_beacons_answer(target, &self.probe(&request, UnixMicros::default()).await)
            })
            .collect();
        let first_success = async {
            while let Some(ok) = answers.next().await {
                if ok {
                    return true;
                }
            }
            false
        };
        if tokio::time::timeout(BEACON_DEADLINE, first_success).await.unwrap_or(false) {
            self.beacons.note(family);
            BeaconState::Ok
        } else {
            BeaconState::Failed
        }
    }

    /// Whether a beacon of one of the families works; an earlier success may count.
    async fn line_works(&self, families: &[Family], earlier_counts: bool) -> bool {
        if earlier_counts && families.iter().any(|family| self.beacons.fresh(*family)) {
            return true;
        }
        for family in families {
            if self.beacon(*family).await == BeaconState::Ok {
                return true;
            }
        }
        false
    }
}

/// The filter that a resolver led the probe to instead of to the site.
fn filter_met(result: &ProbeResult) -> Option<&'static str> {
    let led = result.dns.resolver.is_some();
    result.address.filter(|_| led).and_then(filter_at)
}

/// What is known of our own line when a failure is looked at again.
#[derive(Debug, Clone, Copy)]
struct Line {
    has_beacons: bool,
    worked_before: bool,
    suspect: bool,
}

/// Whether a beacon itself answered, and not something on the way to it, such as a hotel's login page:
///
/// 1. The answer is good, and came from the host that was asked: no redirect led elsewhere.
/// 2. A path that is known to answer 204, or the one word `success`, did.
fn is_beacons_answer(beacon: &Target, result: &ProbeResult) -> bool {
    let at_home = result.redirects.iter().all(|redirect| redirect.to.host == beacon.host);
    let as_known = match beacon.path.as_str() {
        "/generate_204" => result.status.map(StatusCode::get) == Some(NO_CONTENT),
        "/success.txt" => result.body.as_ref().is_some_and(|body| body.sha256 == Some(SUCCESS_TXT)),
        _ => true,
    };
    result.outcome.is_ok() && at_home && as_known
}

/// Whether a broken line could have made a probe fail so. A status that came over TLS was written by whoever holds the site's
/// certificate, so the line carried it.
fn may_be_the_line(result: &ProbeResult) -> bool {
    let last = result.redirects.last().map_or(&result.target, |redirect| &redirect.to);
    match result.outcome.kind() {
        None | Some(FailureKind::Blocked(_) | FailureKind::Agent(_)) => false,
        Some(FailureKind::Http(HttpFailure::Status(_))) => last.scheme == Scheme::Http,
        Some(_) => true,
    }
}

/// Failures that a second attempt or a beacon can say nothing about.
fn is_final(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Agent(_)
            | FailureKind::Blocked(BlockedFailure::Address)
            | FailureKind::Http(HttpFailure::RedirectBlocked)
    )
}

/// The families whose beacons speak about a result: the one that was used, or both when the name lookup already failed.
fn families_of(result: &ProbeResult) -> Vec<Family> {
    result.family.map_or_else(|| vec![Family::V4, Family::V6], |family| vec![family])
}

/// Whose failure it is, once the beacons and, for a name lookup, another resolver have spoken.
fn party_of(failure: Failure, line_works: bool, lookup: Option<Party>) -> Party {
    use parallax_model::DnsFailure as D;
    match (failure.kind, lookup) {
        _ if !line_works => Party::Agent,
        (FailureKind::Dns(_), Some(party)) => party,
        (FailureKind::Dns(D::Servfail | D::Timeout | D::Refused), None) => Party::Resolver,
        _ => failure.party,
    }
}
