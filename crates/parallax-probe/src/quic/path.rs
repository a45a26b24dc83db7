//! Whether UDP gets through at all: what tells a site whose HTTP/3 is broken from a network that carries no UDP.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parallax_model::{
    Failure, FailureKind, Family, Outcome, Party, ProbeResult, Protocol, QuicFailure, Scheme, Target,
    UnixMicros,
};
use tokio::time::Instant;

use crate::care::MAX_BEACONS;
use crate::{ProbeRequest, Prober};

/// How long an answer over QUIC shows that UDP gets through.
pub const UDP_FRESH: Duration = Duration::from_mins(10);
/// How long all beacons together may take to answer over QUIC.
pub const QUIC_BEACON_DEADLINE: Duration = Duration::from_secs(5);

/// What was heard over QUIC, by family.
#[derive(Debug, Default)]
pub(crate) struct UdpPaths(Mutex<[Path; 2]>);

#[derive(Debug, Default, Clone, Copy)]
struct Path {
    /// When a server last answered.
    answered: Option<Instant>,
    /// A beacon has answered once, so its silence means something.
    beacon_speaks: bool,
}

impl UdpPaths {
    /// A server answered, well or ill.
    pub(crate) fn note_answer(&self, family: Family) {
        self.of(family, |path| path.answered = Some(Instant::now()));
    }

    fn of<T>(&self, family: Family, f: impl FnOnce(&mut Path) -> T) -> T {
        let at = match family {
            Family::V4 => 0,
            Family::V6 => 1,
        };
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[at])
    }
}

impl Prober {
    /// Decides whose failure it is that a target did not answer over QUIC. A network that carries no UDP is no failure of the
    /// target ([`Outcome::is_not_applicable`]); so it is judged when
    ///
    /// 1. the same target answers over TCP, which is tried unless the result says so already, and
    /// 2. UDP does not get through to anybody: see [`Prober::udp_path_works`].
    ///
    /// Every other result stays as it is. Takes at most the deadline of a probe and [`QUIC_BEACON_DEADLINE`].
    pub async fn settle_udp(&self, result: &mut ProbeResult, now: UnixMicros) {
        let silent = FailureKind::Quic(QuicFailure::Timeout);
        let (Outcome::Failed(Failure { kind, party }), Some(family)) = (result.outcome, result.family) else {
            return;
        };
        if kind != silent || party == Party::Agent {
            return;
        }
        if result.tie_breakers.without_h3_ok.is_none() {
            let request = ProbeRequest { family: Some(family), ..ProbeRequest::new(result.target.clone()) };
            result.tie_breakers.without_h3_ok = Some(self.probe(&request, now).await.status.is_some());
        }
        if result.tie_breakers.without_h3_ok == Some(true) && !self.udp_path_works(family).await {
            result.outcome = Outcome::Failed(Failure { kind, party: Party::AccessNetwork });
        }
    }

    /// Whether UDP gets through, as far as HTTP/3 shows it: a beacon answers over QUIC now; or none ever did, so that their silence
    /// says nothing, and some target answered within [`UDP_FRESH`]. It says nothing about the line as a whole.
    pub(super) async fn udp_path_works(&self, family: Family) -> bool {
        if self.a_beacon_answers(family).await {
            self.udp.of(family, |path| path.beacon_speaks = true);
            return true;
        }
        self.udp.of(family, |path| {
            !path.beacon_speaks && path.answered.is_some_and(|at| at.elapsed() <= UDP_FRESH)
        })
    }

    async fn a_beacon_answers(&self, family: Family) -> bool {
        let fits = |target: &&Target| {
            target.scheme == Scheme::Https && target.host.ip().is_none_or(|ip| Family::of(ip) == family)
        };
        let mut answers: FuturesUnordered<_> = self
            .settings
            .beacons
            .iter()
            .filter(fits)
            .take(MAX_BEACONS)
            .map(|target| async move {
                let request = ProbeRequest {
                    family: Some(family),
                    protocol: Some(Protocol::H3),
                    ..ProbeRequest::new(target.clone())
                };
                self.probe(&request, UnixMicros::default()).await.status.is_some()
            })
            .collect();
        let first = async {
            while let Some(answered) = answers.next().await {
                if answered {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(QUIC_BEACON_DEADLINE, first).await.unwrap_or(false)
    }
}
