//! Failing results as the clues look at them, those that are alike together. What a clue makes of them is not said here.

use parallax_model::{FailureKind, RetryOutcome, TlsFailure};

use crate::column::spread;
use crate::observe::{Observation, Seen};
use crate::sentence::shown_status;
use crate::world::WorldResult;

/// An error that comes sooner than this was not waited for, in milliseconds.
const FAST_ERROR_MS: f64 = 300.0;
/// Limits that programs wait for, in milliseconds …
const ROUND_LIMITS_MS: [f64; 4] = [15_000.0, 30_000.0, 60_000.0, 100_000.0];
/// … hit when the error comes within this share of one.
const ROUND_LIMIT_SLACK: f64 = 0.03;
/// What the explainer calls the pages of another site than the one that was asked for.
const WRONG_PAGES: [&str; 5] = ["default-vhost", "default-page", "wrong-host", "parked", "redirect-loop"];
/// So many bits of its hash say where a failure is found again; another one there takes its place.
const RECENT_BITS: u32 = 8;

/// What a failing result shows, or what was tried beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trait {
    /// It was tried again at once, and failed again.
    RetryFailed,
    /// It was tried again at once, and worked.
    RetryPassed,
    /// It is at an address that the name's own servers give now.
    CurrentAddress,
    /// It is at one that they give no more.
    OldAddress,
    /// Another address works.
    OtherAddressWorks,
    /// The other IP family works.
    OtherFamilyWorks,
    /// Another port of the host takes connections.
    OtherPortOpen,
    /// HTTP/2 or HTTP/1.1 works.
    WithoutH3Works,
    /// A static path works.
    StaticWorks,
    /// A static path fails too.
    StaticFails,
    /// It refused us.
    Refused,
    /// It came through a CDN's PoP.
    ThroughPop,
    /// It came sooner than anything that was waited for.
    Fast,
    /// It came at a limit that programs wait for.
    Waited,
    /// It came with a Retry-After.
    AsksToWait,
    /// It is a problem of the certificate.
    Certificate,
    /// The explainer calls the answer a page of maintenance …
    Maintenance,
    /// … or one of another site.
    WrongPage,
}

/// What is looked at of one failing result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Option<FailureKind>,
    /// The HTTP status that a visitor would see.
    pub(super) status: Option<u16>,
    /// A bit for each [`Trait`].
    traits: u32,
}

impl Failure {
    fn of(observation: &Observation<'_>) -> Self {
        let result = observation.result;
        let page = result.kind.as_deref();
        let traits = [
            (Trait::RetryFailed, result.retry == Some(RetryOutcome::Fail)),
            (Trait::RetryPassed, result.retry == Some(RetryOutcome::Ok)),
            (Trait::CurrentAddress, result.address_current == Some(true)),
            (Trait::OldAddress, result.address_current == Some(false)),
            (Trait::OtherAddressWorks, result.other_address_ok == Some(true)),
            (Trait::OtherFamilyWorks, result.other_family_ok == Some(true)),
            (Trait::OtherPortOpen, result.other_port_open == Some(true)),
            (Trait::WithoutH3Works, result.without_h3_ok == Some(true)),
            (Trait::StaticWorks, result.static_ok == Some(true)),
            (Trait::StaticFails, result.static_ok == Some(false)),
            (Trait::Refused, matches!(observation.seen, Seen::Blocked(_))),
            (Trait::ThroughPop, result.pop.is_some()),
            (Trait::Fast, is_fast(result)),
            (Trait::Waited, result.error_ms.is_some_and(is_round_limit)),
            (Trait::AsksToWait, result.retry_after.is_some()),
            (Trait::Certificate, has_certificate_problem(observation)),
            (Trait::Maintenance, page == Some("maintenance")),
            (Trait::WrongPage, page.is_some_and(|page| WRONG_PAGES.contains(&page))),
        ];
        Self {
            kind: observation.kind(),
            status: shown_status(observation),
            traits: traits.into_iter().fold(0, |bits, (one, is)| bits | u32::from(is) << one as u32),
        }
    }

    pub(super) const fn is(&self, one: Trait) -> bool {
        self.traits >> one as u32 & 1 == 1
    }

    /// A number that failures which are alike share, and most others do not.
    fn mixed(&self) -> u64 {
        let layer = match self.kind {
            None => 0,
            Some(FailureKind::Dns(kind)) => 0x100 | kind as u64,
            Some(FailureKind::Connect(kind)) => 0x200 | kind as u64,
            Some(FailureKind::Tls(kind)) => 0x300 | kind as u64,
            Some(FailureKind::Quic(_)) => 0x400,
            Some(FailureKind::Http(_)) => 0x500,
            Some(FailureKind::Blocked(_)) => 0x600,
            Some(FailureKind::Agent(_)) => 0x700,
        };
        let status = u64::from(self.status.unwrap_or(0));
        spread(u64::from(self.traits) | status << 32 | layer << 48)
    }
}

/// Failing results, those that are alike together: clues look some thirty times at each. Two may be alike that were seen long after
/// one another.
pub(super) fn alike(affected: &[&Observation<'_>]) -> Vec<(Failure, u32)> {
    let mut alike: Vec<(Failure, u32)> = Vec::new();
    // Where among them each that was seen lately stands.
    let mut recent = [usize::MAX; 1 << RECENT_BITS];
    for failure in affected.iter().map(|observation| Failure::of(observation)) {
        let place = &mut recent[(failure.mixed() >> (64 - RECENT_BITS)) as usize];
        match alike.get_mut(*place) {
            Some((seen, results)) if *seen == failure => *results += 1,
            _ => {
                *place = alike.len();
                alike.push((failure, 1));
            }
        }
    }
    alike
}

fn is_fast(result: &WorldResult) -> bool {
    let limit = result.ttfb_usual_ms.map_or(FAST_ERROR_MS, |usual| usual.max(FAST_ERROR_MS));
    result.error_ms.or(result.ttfb_ms).is_some_and(|ms| ms <= limit)
}

fn is_round_limit(error_ms: f64) -> bool {
    ROUND_LIMITS_MS.iter().any(|limit| (error_ms - limit).abs() <= ROUND_LIMIT_SLACK * limit)
}

fn has_certificate_problem(observation: &Observation<'_>) -> bool {
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
