//! How far a probe has come, so that what is known is kept when its time runs out.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_model::{
    ConnectFailure, DnsFacts, DnsFailure, Failure, FailureKind, Family, HttpFailure, Micros, Outcome, Party,
    Phases, ProbeResult, QuicFailure, TlsFailure, UnixMicros,
};
use tokio::time::Instant;

use crate::ProbeRequest;
use crate::scrub::scrub;

/// The part of a probe that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Dns,
    Connect,
    Tls,
    Quic,
    FirstByte,
    Body,
}

impl Stage {
    /// How a probe ends whose time runs out here.
    fn ran_out(self) -> StageFailure {
        match self {
            Self::Dns => StageFailure::new(FailureKind::Dns(DnsFailure::Timeout), Party::Resolver),
            Self::Connect => StageFailure::new(FailureKind::Connect(ConnectFailure::Timeout), Party::Unknown),
            Self::Tls => StageFailure::new(FailureKind::Tls(TlsFailure::Timeout), Party::Unknown),
            Self::Quic => StageFailure::new(FailureKind::Quic(QuicFailure::Timeout), Party::Unknown),
            Self::FirstByte | Self::Body => {
                StageFailure::new(FailureKind::Http(HttpFailure::Timeout), Party::Target)
            }
        }
    }
}

/// How a stage failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageFailure {
    pub(crate) failure: Failure,
    pub(crate) detail: Option<Arc<str>>,
}

impl StageFailure {
    pub(crate) fn new(kind: FailureKind, party: Party) -> Self {
        Self { failure: Failure { kind, party }, detail: None }
    }

    /// With words that are ours, or were scrubbed.
    pub(crate) fn because(self, detail: Option<Arc<str>>) -> Self {
        Self { detail, ..self }
    }

    /// With an unknown error's own words, scrubbed.
    pub(crate) fn told(self, error: &(dyn std::error::Error + 'static)) -> Self {
        self.because(crate::scrub::scrub_error(error))
    }

    /// With a sentence that may hold names, scrubbed.
    pub(crate) fn said(self, text: &str) -> Self {
        self.because(scrub(text))
    }
}

/// How far a probe has come, for whoever looks on while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reached(Arc<Mutex<Point>>);

/// A point on a probe's way.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    stage: Option<Stage>,
    address: Option<IpAddr>,
}

impl Reached {
    fn note(&self, change: impl FnOnce(&mut Point)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The probe's result as it would stand if nothing more came; `None` once the head of an answer is there.
    pub(crate) fn so_far(
        &self,
        request: &ProbeRequest,
        now: UnixMicros,
        waited: Duration,
    ) -> Option<ProbeResult> {
        let Point { stage, address } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = stage.filter(|stage| *stage != Stage::Body)?;
        let outcome = Outcome::Failed(stage.ran_out().failure);
        Some(ProbeResult {
            check: request.check,
            address,
            family: address.map(Family::of).or(request.family),
            protocol: request.protocol,
            phases: Phases { total: Micros::from(waited), ..Phases::default() },
            ..ProbeResult::new(request.target.clone(), now, outcome)
        })
    }
}

/// A result in the making.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) result: ProbeResult,
    reached: Reached,
    began: Instant,
    stage: Option<(Stage, Instant)>,
}

impl Progress {
    pub(crate) fn new(request: &ProbeRequest, now: UnixMicros) -> Self {
        let result = ProbeResult {
            check: request.check,
            family: request.family,
            ..ProbeResult::new(request.target.clone(), now, Outcome::Ok)
        };
        Self { result, reached: Reached::default(), began: Instant::now(), stage: None }
    }

    /// With somebody who looks on.
    pub(crate) fn watched(self, reached: Reached) -> Self {
        Self { reached, ..self }
    }

    /// When the probe began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Forgets what belonged to the hop before; the way there and the total go on.
    pub(crate) fn next_hop(&mut self, family: Option<Family>) {
        let result = &mut self.result;
        result.phases = Phases::default();
        result.address = None;
        result.family = family;
        result.protocol = None;
        result.emitter = None;
        result.dns = DnsFacts::default();
        result.tls = None;
        result.body = None;
        result.retry_after_s = None;
        self.stage = None;
        self.reached.note(|point| *point = Point::default());
    }

    /// Starts a stage's clock, ending the one before.
    pub(crate) fn begin(&mut self, stage: Stage) {
        self.end();
        self.stage = Some((stage, Instant::now()));
        self.reached.note(|point| point.stage = Some(stage));
    }

    /// Ends the running stage and keeps how long it took.
    pub(crate) fn end(&mut self) {
        let Some((stage, since)) = self.stage.take() else { return };
        let took = Some(Micros::from(since.elapsed()));
        let phases = &mut self.result.phases;
        match stage {
            Stage::Dns => phases.dns = took,
            Stage::Connect => phases.connect = took,
            Stage::Tls | Stage::Quic => phases.tls = took,
            Stage::FirstByte => phases.first_byte = took,
            Stage::Body => phases.body = took,
        }
    }

    /// The address that is tried now.
    pub(crate) fn trying(&mut self, ip: IpAddr) {
        self.result.address = Some(ip);
        self.result.family = Some(Family::of(ip));
        self.reached.note(|point| point.address = Some(ip));
    }

    /// The failure of the stage that runs, for when time is up.
    pub(crate) fn out_of_time(&self) -> StageFailure {
        self.stage.map_or(Stage::Dns, |(stage, _)| stage).ran_out()
    }

    /// Ends the probe.
    pub(crate) fn finish(mut self, ended: Result<(), StageFailure>) -> ProbeResult {
        self.end();
        if let Err(StageFailure { failure, detail }) = ended {
            self.result.outcome = Outcome::Failed(failure);
            if detail.is_some() {
                self.result.detail = detail;
            }
        }
        self.result.phases.total = Micros::from(self.began.elapsed());
        self.result
    }
}
