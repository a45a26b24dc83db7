//! Makes the probes that the schedule wants, and hands their results to the spool.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use ipnet::IpNet;
use parallax_model::{AgentFailure, Failure, FailureKind, Outcome, Party, ProbeResult, Target, UnixMicros};
use parallax_probe::{
    BEACON_DEADLINE, Deadlines, ProbeRequest, Prober, ProberSettings, QUIC_BEACON_DEADLINE,
};
use parallax_runtime::{Clock, Rng};
use rand::Rng as _;
use tokio::sync::{broadcast, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::schedule::{Asked, Assigned, Ended, Next, Owner, Schedule, Ways};
use crate::spool::{Spool, SpoolGone};

/// Orders that may wait for the runner; a session that brings more waits.
pub(crate) const ORDERS: usize = 64;
/// What probes for checks have seen so far that may wait for the session; what is older is of no use any more.
pub(crate) const SO_FAR: usize = 64;
/// The wait before a failed probe is tried again: drawn from this many milliseconds.
const RETRY_MS: std::ops::Range<u64> = 1_000..2_000;
/// What a probe with care may take beside its two attempts: the wait, four rounds of beacons (the questions that break a tie are
/// asked during the last ones), and a round over QUIC.
const CARE: Duration = Duration::from_secs(2)
    .saturating_add(BEACON_DEADLINE.saturating_mul(4))
    .saturating_add(QUIC_BEACON_DEADLINE);

/// What a session brings.
#[derive(Debug)]
pub(crate) enum Order {
    /// All targets anew.
    Reset(Vec<(Target, Duration)>),
    /// More targets, or other intervals.
    Set(Vec<(Target, Duration)>),
    /// No target of strangers more often than this.
    Share(Duration),
    /// Targets that are to be left alone.
    Unset(Vec<Target>),
    /// A probe for a check, of use for this long.
    Probe(ProbeRequest, Duration),
}

/// Which targets are the operator's own: what their configuration leads to themselves.
#[derive(Debug)]
pub(crate) struct OwnPlaces {
    ranges: Vec<IpNet>,
    settings: ProberSettings,
}

impl OwnPlaces {
    pub(crate) fn new(ranges: Vec<IpNet>, settings: ProberSettings) -> Self {
        Self { ranges, settings }
    }

    /// Names in the operator's zones, and addresses, given or by rule, in the operator's ranges.
    fn owner(&self, target: &Target) -> Owner {
        let in_ranges = |ip| self.ranges.iter().any(|range| range.contains(&ip));
        let in_zone = || self.settings.zones.iter().any(|zone| zone.holds(&target.host));
        let by_rule = || {
            let rule = self.settings.resolve.iter().find(|rule| rule.fits(&target.host, target.port));
            rule.is_some_and(|rule| rule.addresses.iter().all(|ip| in_ranges(*ip)))
        };
        let own =
            !self.ranges.is_empty() && (target.host.ip().map_or_else(|| in_zone() || by_rule(), in_ranges));
        if own { Owner::Operator } else { Owner::Stranger }
    }
}

/// What probes are made with.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) prober: Arc<Prober>,
    pub(crate) spool: Spool,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where a probe for a check says what it has seen while it goes on; whoever is connected then hears it.
    pub(crate) so_far: broadcast::Sender<Arc<ProbeResult>>,
    /// The time after which a probe is given up from outside, whatever it is doing.
    pub(crate) watchdog: Duration,
}

/// How long a probe with care may take at most. Every phase has its own deadline within; this one holds when they fail.
pub(crate) fn watchdog(deadlines: Deadlines) -> Duration {
    deadlines.whole * 2 + CARE
}

/// The task that owns the schedule.
#[derive(Debug)]
pub(crate) struct Runner {
    schedule: Schedule,
    own: OwnPlaces,
    bench: Bench,
    rng: Rng,
    began: Instant,
    running: JoinSet<Probed>,
}

impl Runner {
    pub(crate) fn new(schedule: Schedule, own: OwnPlaces, bench: Bench, rng: Rng) -> Self {
        Self { schedule, own, bench, rng, began: Instant::now(), running: JoinSet::new() }
    }

    /// Probes until it is told to stop. Probes that are on their way then are given up: they have seen nothing yet.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if self.start_what_is_due().await.is_err() {
                return;
            }
            let wake = self.schedule.wake_at().map(|at| self.began + at);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.running.join_next() => self.ended(ended),
                order = orders.recv() => match order {
                    Some(order) => {
                        if self.take(order).await.is_err() {
                            return;
                        }
                    }
                    None => return,
                },
                () = at(wake) => {}
            }
        }
    }

    async fn start_what_is_due(&mut self) -> Result<(), SpoolGone> {
        while let Some(next) = self.schedule.next(self.began.elapsed()) {
            match next {
                Next::GiveUp(request) => self.give_up(&request, "no room for this probe in time").await?,
                Next::Probe(request) => {
                    let retry_after = Duration::from_millis(self.rng.random_range(RETRY_MS));
                    self.running.spawn(probe(self.bench.clone(), request, retry_after));
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, ended: Result<Probed, JoinError>) {
        match ended {
            Ok(Probed { request, address, bytes, ways }) => {
                let owner = self.own.owner(&request.target);
                self.schedule.ended(Ended { request, owner, address, bytes, ways }, self.began.elapsed());
            }
            // A probe's panic is caught within its task, so this is a result that could not be handed over.
            Err(error) => tracing::error!(%error, "a probe's task died"),
        }
    }

    async fn take(&mut self, order: Order) -> Result<(), SpoolGone> {
        let now = self.began.elapsed();
        let refused = match order {
            Order::Reset(set) => self.schedule.reset(self.assigned(set), now),
            Order::Set(set) => self.schedule.set(self.assigned(set), now),
            Order::Share(share) => {
                self.schedule.share(share, now);
                0
            }
            Order::Unset(targets) => {
                for target in targets {
                    self.schedule.unset(&target);
                }
                0
            }
            Order::Probe(request, useful) => {
                let owner = self.own.owner(&request.target);
                let asked = Asked { request, owner, expires: now + useful };
                if let Err(refused) = self.schedule.ask(asked) {
                    self.give_up(&refused.request, "too many checks wait").await?;
                }
                0
            }
        };
        if refused > 0 {
            tracing::warn!(refused, "more targets than an agent takes");
        }
        Ok(())
    }

    fn assigned(&self, set: Vec<(Target, Duration)>) -> Vec<Assigned> {
        let assigned = |(target, interval)| Assigned { owner: self.own.owner(&target), target, interval };
        set.into_iter().map(assigned).collect()
    }

    async fn give_up(&self, request: &ProbeRequest, why: &str) -> Result<(), SpoolGone> {
        let now = UnixMicros(self.bench.clock.now_micros());
        self.bench.spool.push(overloaded(request, now, why)).await
    }
}

async fn at(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// What the schedule learns of a probe that was made.
#[derive(Debug)]
struct Probed {
    request: ProbeRequest,
    address: Option<IpAddr>,
    bytes: u64,
    ways: Option<Ways>,
}

/// Makes one probe; its result is in the spool's queue when this ends.
async fn probe(bench: Bench, request: ProbeRequest, retry_after: Duration) -> Probed {
    let now = UnixMicros(bench.clock.now_micros());
    // Nobody hears it while there is no session: then it is of no use.
    let tell = |so_far| drop(bench.so_far.send(Arc::new(so_far)));
    let probing = bench.prober.probe_telling(&request, now, retry_after, &tell);
    let probing = AssertUnwindSafe(probing).catch_unwind();
    let result = match timeout(bench.watchdog, probing).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            tracing::error!("a probe panicked");
            overloaded(&request, now, "the probe broke off")
        }
        Err(_) => {
            tracing::error!(deadline_s = bench.watchdog.as_secs(), "a probe did not end by itself");
            overloaded(&request, now, "the probe did not end in time")
        }
    };
    tracing::debug!(target.url = %result.target, outcome = %result.outcome, "probed");
    let address = result.address;
    let bytes = result.body.as_ref().map_or(0, |body| body.length.into());
    let ways = Ways::shown(&request, &result);
    if bench.spool.push(result).await.is_err() {
        tracing::error!("a result is lost: the spool's thread has ended");
    }
    Probed { request, address, bytes, ways }
}

/// The result of a probe that was not made, or not to its end, for a reason of ours.
fn overloaded(request: &ProbeRequest, now: UnixMicros, why: &str) -> ProbeResult {
    let kind = FailureKind::Agent(AgentFailure::Overloaded);
    ProbeResult {
        check: request.check,
        family: request.family,
        protocol: request.protocol,
        detail: Some(why.into()),
        ..ProbeResult::new(
            request.target.clone(),
            now,
            Outcome::Failed(Failure { kind, party: Party::Agent }),
        )
    }
}
