//! A probe with care: one retry, and beacons that tell our own line's failures from the target's.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parallax_model::{
    BeaconState, BlockedFailure, Failure, FailureKind, Family, HttpFailure, Outcome, Party, ProbeResult,
    RetryOutcome, Target, UnixMicros,
};
use tokio::time::Instant;

use crate::{ProbeRequest, Prober};

#[cfg(test)]
mod tests;

/// How long a beacon's success speaks for the line.
pub const BEACON_FRESH: Duration = Duration::from_secs(10);
/// How long all beacons together may take to answer.
pub const BEACON_DEADLINE: Duration = Duration::from_secs(5);
/// Most beacons asked at once.
pub const MAX_BEACONS: usize = 5;

/// When a beacon last worked, by family.
#[derive(Debug, Default)]
pub(crate) struct Beacons(Mutex<[Option<Instant>; 2]>);

impl Beacons {
    fn slot(family: Family) -> usize {
        match family {
            Family::V4 => 0,
            Family::V6 => 1,
        }
    }

    fn note(&self, family: Family) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last[Self::slot(family)] = Some(Instant::now());
    }

    fn fresh(&self, family: Family) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last[Self::slot(family)].is_some_and(|at| at.elapsed() <= BEACON_FRESH)
    }
}

impl Prober {
    /// A probe that doubts itself. When the first attempt fails, it waits `retry_after` (1 to 2 s, chosen by the caller) while
    /// a beacon is asked, tries once more on a new connection, and asks a beacon again. The result is the first attempt's,
    /// with `retry` and `beacon` filled in and the party decided:
    ///
    /// 1. No beacon worked, before or after: the failure is the agent's own; its kind stays.
    /// 2. A beacon worked and the name lookup was refused, failed or timed out: the resolver's.
    /// 3. Else, and where there are no beacons: as the error itself says.
    ///
    /// What policy refused is not tried again. All of it ends within twice the deadline of a probe, the wait and twice
    /// [`BEACON_DEADLINE`] per family.
    pub async fn probe_with_care(
        &self,
        request: &ProbeRequest,
        now: UnixMicros,
        retry_after: Duration,
    ) -> ProbeResult {
        let mut result = self.probe(request, now).await;
        let Outcome::Failed(failure) = result.outcome else { return result };
        if is_final(failure.kind) {
            return result;
        }
        let families = families_of(&result);
        let (before, ()) =
            futures_util::future::join(self.line_works(&families, true), tokio::time::sleep(retry_after))
                .await;
        let waited = i64::try_from(retry_after.as_micros()).unwrap_or(i64::MAX);
        let again = self.probe(request, now.plus_micros(waited)).await;
        result.retry = Some(if again.outcome.is_ok() { RetryOutcome::Ok } else { RetryOutcome::Fail });
        if self.settings.beacons.is_empty() {
            return result;
        }
        // A retry that worked shows the line as well as a beacon does.
        let works = before && (again.outcome.is_ok() || self.line_works(&families, false).await);
        result.beacon = if works { BeaconState::Ok } else { BeaconState::Failed };
        result.outcome = Outcome::Failed(Failure { kind: failure.kind, party: party_of(failure, works) });
        result
    }

    /// Asks the beacons whether our line works for a family, over TCP: `Ok` with the first that answers, `Untested` when there
    /// is none for this family.
    pub async fn beacon(&self, family: Family) -> BeaconState {
        let fits = |target: &&Target| target.host.ip().is_none_or(|ip| Family::of(ip) == family);
        let asked: Vec<&Target> = self.settings.beacons.iter().filter(fits).take(MAX_BEACONS).collect();
        if asked.is_empty() {
            return BeaconState::Untested;
        }
        let mut answers: FuturesUnordered<_> = asked
            .into_iter()
            .map(|target| async move {
                let request = ProbeRequest { family: Some(family), ..ProbeRequest::new(target.clone()) };
                self.probe(&request, UnixMicros::default()).await.outcome.is_ok()
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

/// Whose failure it is, once the beacons have spoken.
fn party_of(failure: Failure, line_works: bool) -> Party {
    use parallax_model::DnsFailure as D;
    match failure.kind {
        _ if !line_works => Party::Agent,
        FailureKind::Dns(D::Servfail | D::Timeout | D::Refused) => Party::Resolver,
        _ => failure.party,
    }
}
