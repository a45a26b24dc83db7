//! One session with the aggregator, from Hello to its end: work comes in, results go out, acks come back.
//!
//! While a check's probes may run here, a result is sent as soon as it is in the spool: somebody waits for it. At other times it waits
//! [`GATHER`] for others, for a batch costs both sides far more than a result; and while as many batches as the aggregator allows are
//! on their way, the next ones gather longer. A backlog drains behind what is new, one batch on its way at a time: what is seen now never waits
//! longer than that one takes. Nothing here retries: whoever runs the session decides when to run another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{Epoch, ProbeResult, Seq, UnixMicros, Vantage};
use parallax_proto::batch::{self, MAX_BATCH_BYTES, MAX_BATCH_RESULTS};
use parallax_proto::v1::agent::agent_service_client::AgentServiceClient;
use parallax_proto::v1::agent::session_request::Message as Up;
use parallax_proto::v1::agent::session_response::Message as Down;
use parallax_proto::v1::agent::{
    Ack, Drain, Heartbeat, Hello, ResultBatch, SessionRequest, SessionResponse, SoFar, Welcome,
};
use parallax_proto::{result_to_wire, vantage_to_wire};
use parallax_runtime::Clock;
use prost::Message as _;
use thiserror::Error;
use tokio::sync::broadcast;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

use crate::orders::{assign_orders, probe_order};
use crate::runner::Order;
use crate::spool::{Lane, Mark, Run, Spool, SpoolGone, SpoolReport};

#[cfg(test)]
mod tests;

/// How long the aggregator may take for its Welcome.
const WELCOME_DEADLINE: Duration = Duration::from_secs(10);
/// Most batches on their way, whatever the aggregator allows.
const MAX_UNACKED: u32 = 16;
/// Messages that may wait for HTTP/2: every batch on its way, heartbeats, and what is said of checks that run.
const OUTBOX: usize = MAX_UNACKED as usize + 16 + SAID_SO_FAR;
/// Most messages about checks that run that may wait for HTTP/2; further ones are dropped.
const SAID_SO_FAR: usize = 16;
/// Bounds of what an aggregator may want as heartbeat.
const HEARTBEAT_MS: std::ops::RangeInclusive<u32> = 1_000..=60_000;
/// An aggregator that says nothing for this many heartbeats and [`SILENCE_SLACK`] is gone, whatever TCP says.
const SILENT_HEARTBEATS: u32 = 2;
/// See [`SILENT_HEARTBEATS`].
const SILENCE_SLACK: Duration = Duration::from_secs(5);
/// How long a result that nobody waits for may wait for others to go with it.
const GATHER: Duration = Duration::from_millis(500);
/// So many wait for no others: far fewer than end an epoch of the spool, which would make a backlog of what is new.
const ENOUGH: usize = 100;
/// How long an ending agent waits for the acks of what it has sent.
const FAREWELL: Duration = Duration::from_secs(2);
/// Room in a batch message for what is not columns, in bytes.
const ENVELOPE: usize = 64;

/// Why a session ended when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// We are stopping.
    Stopped,
    /// The aggregator asked us to come back after this long.
    Drained(Duration),
    /// The certificate is to be renewed now.
    RenewalDue,
}

/// A batch on its way: its epoch, its first and its last result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) epoch: Epoch,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
}

/// Why a session failed.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// The stream cannot be opened or broke.
    #[error("the stream broke: {}", .0.message())]
    Stream(#[source] Box<tonic::Status>),
    /// The aggregator ended it without a word.
    #[error("the aggregator closed the stream")]
    Closed,
    /// No Welcome in time, or something else first.
    #[error("the aggregator did not begin with a Welcome")]
    NoWelcome,
    /// Nothing was heard for too long.
    #[error("the aggregator is silent")]
    Silent,
    /// It takes nothing any more.
    #[error("the aggregator takes nothing any more")]
    Stalled,
    /// The aggregator says that what we send is against the contract; with what was on its way, oldest first.
    #[error("the aggregator refuses what it is sent: {}", .1.message())]
    Refused(Vec<Sent>, #[source] Box<tonic::Status>),
    /// This agent is not wanted.
    #[error("the aggregator does not want this agent: {}", .0.message())]
    Revoked(#[source] Box<tonic::Status>),
    /// The certificate is not accepted.
    #[error("the aggregator does not accept the certificate: {}", .0.message())]
    Unauthenticated(#[source] Box<tonic::Status>),
    /// Our own spool is gone.
    #[error(transparent)]
    Spool(#[from] SpoolGone),
}

impl SessionError {
    pub(crate) fn of_status(status: tonic::Status, on_their_way: Vec<Sent>) -> Self {
        let code = status.code();
        let status = Box::new(status);
        match code {
            Code::PermissionDenied => Self::Revoked(status),
            Code::Unauthenticated => Self::Unauthenticated(status),
            Code::InvalidArgument => Self::Refused(on_their_way, status),
            _ => Self::Stream(status),
        }
    }
}

/// What a session works with.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) spool: &'a Spool,
    pub(crate) orders: &'a mpsc::Sender<Order>,
    /// What probes for checks have seen so far: said while it is new, never kept.
    pub(crate) so_far: &'a broadcast::Sender<Arc<ProbeResult>>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) declared: &'a Vantage,
    /// When the certificate should be renewed.
    pub(crate) renew_at: UnixMicros,
    /// What was on its way when something was refused: while any of it waits, results go one by one, one at a time.
    pub(crate) careful: &'a [Sent],
    pub(crate) stop: &'a CancellationToken,
}

impl Session<'_> {
    /// Runs to the end; `welcomed` is called once the aggregator has said Welcome.
    pub(crate) async fn run(
        &self,
        mut client: AgentServiceClient<Channel>,
        welcomed: impl FnOnce(&Welcome),
    ) -> Result<End, SessionError> {
        let report = self.spool.report().await?;
        let (outbox, queue) = mpsc::channel(OUTBOX);
        let hello = SessionRequest { message: Some(Up::Hello(self.hello(&report))) };
        outbox.try_send(hello).map_err(|_| SessionError::Stalled)?;
        let opened = timeout(WELCOME_DEADLINE, async {
            let mut inbox = client.session(ReceiverStream::new(queue)).await?.into_inner();
            Ok((inbox.message().await?, inbox))
        });
        let opened: Result<_, tonic::Status> = opened.await.map_err(|_| SessionError::NoWelcome)?;
        let (first, inbox) = opened.map_err(|status| SessionError::of_status(status, Vec::new()))?;
        let Some(SessionResponse { message: Some(Down::Welcome(welcome)) }) = first else {
            return Err(SessionError::NoWelcome);
        };
        let newest = (report.epoch, Seq(welcome.acked_through_seq));
        self.spool.welcomed(report, newest.1).await?;
        welcomed(&welcome);
        let live = Live::new(self, newest, &welcome, outbox);
        live.run(inbox).await
    }

    fn hello(&self, report: &SpoolReport) -> Hello {
        Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: report.epoch.0,
            oldest_seq: report.oldest.0,
            next_seq: report.next.0,
            gaps: report.gaps.clone(),
            declared: Some(vantage_to_wire(self.declared)),
            clock_us: self.clock.now_micros(),
        }
    }
}

/// A session after its Welcome.
struct Live<'a> {
    session: &'a Session<'a>,
    outbox: mpsc::Sender<SessionRequest>,
    /// The newest epoch, and the last of its results that was sent.
    sent: Mark,
    /// Whether results of older epochs may wait.
    backlog: bool,
    on_their_way: VecDeque<Sent>,
    careful: Vec<Sent>,
    max_unacked: usize,
    max_results: usize,
    /// Until when the results that are not sent yet wait for others.
    gather_until: Option<Instant>,
    /// Until when somebody may wait for what a check's probes see.
    asked_until: Instant,
    /// Until when an ending agent waits for acks, once it ends.
    farewell: Option<Instant>,
    heartbeat: Duration,
    /// The aggregator's clock as it last said, to be echoed once.
    to_echo: i64,
}

impl<'a> Live<'a> {
    fn new(
        session: &'a Session<'a>,
        sent: Mark,
        welcome: &Welcome,
        outbox: mpsc::Sender<SessionRequest>,
    ) -> Self {
        let heartbeat_ms = welcome.heartbeat_ms.clamp(*HEARTBEAT_MS.start(), *HEARTBEAT_MS.end());
        Self {
            session,
            outbox,
            sent,
            backlog: true,
            on_their_way: VecDeque::new(),
            careful: session.careful.to_vec(),
            max_unacked: welcome.max_unacked_batches.clamp(1, MAX_UNACKED) as usize,
            max_results: welcome.max_batch_results.clamp(1, MAX_BATCH_RESULTS) as usize,
            // What is there at the beginning has waited.
            gather_until: Some(Instant::now()),
            asked_until: Instant::now(),
            farewell: None,
            heartbeat: Duration::from_millis(heartbeat_ms.into()),
            to_echo: 0,
        }
    }

    async fn run(mut self, mut inbox: Streaming<SessionResponse>) -> Result<End, SessionError> {
        let mut news = self.session.spool.watch();
        let mut so_far = self.session.so_far.subscribe();
        let mut heartbeat = tokio::time::interval(self.heartbeat);
        let silence = self.heartbeat * SILENT_HEARTBEATS + SILENCE_SLACK;
        let mut heard = Instant::now();
        loop {
            let mark = *news.borrow_and_update();
            self.send_what_may_go(mark).await?;
            if self.farewell.is_some() && self.on_their_way.is_empty() {
                return Ok(End::Stopped);
            }
            // What is over waits for room, not for a moment.
            let gathered = self.gather_until.filter(|until| *until > Instant::now());
            tokio::select! {
                message = inbox.message() => {
                    heard = Instant::now();
                    if let Some(end) = self.hear(message).await? {
                        return Ok(end);
                    }
                }
                changed = news.changed() => changed.map_err(|_| SpoolGone)?,
                // The session holds a sender, so this never ends; what was missed is of no use.
                Ok(seen) = so_far.recv() => self.say_so_far(&seen),
                _ = heartbeat.tick() => {
                    if self.renewal_due() {
                        return Ok(End::RenewalDue);
                    }
                    self.beat()?;
                }
                () = sleep_until(gathered.unwrap_or(heard)), if gathered.is_some() => {}
                () = sleep_until(heard + silence) => return Err(SessionError::Silent),
                () = self.session.stop.cancelled(), if self.farewell.is_none() => {
                    self.farewell = Some(Instant::now() + FAREWELL);
                }
                () = sleep_until(self.farewell.unwrap_or(heard)), if self.farewell.is_some() => {
                    return Ok(End::Stopped);
                }
            }
        }
    }

    /// Sends batches while there are results and the aggregator allows more on their way.
    async fn send_what_may_go(&mut self, newest: Mark) -> Result<(), SessionError> {
        if self.sent.0 != newest.0 {
            (self.sent, self.backlog) = ((newest.0, Seq(0)), true);
        }
        // What was refused comes first: nobody knows which of it is wrong until it has passed one by one.
        if self.careful.iter().any(|suspect| suspect.epoch != newest.0) && !self.send_backlog().await? {
            self.careful.retain(|suspect| suspect.epoch == newest.0);
        }
        self.send_live(newest).await?;
        if !self.send_backlog().await? {
            // Its place is free for what is new.
            self.send_live(newest).await?;
        }
        Ok(())
    }

    /// Whether the results of the newest epoch that were not sent yet have waited for others long enough.
    fn have_gathered(&mut self, newest: Mark) -> bool {
        let unsent = (newest.1.0 - 1).saturating_sub(self.sent.1.0);
        if unsent == 0 {
            return true;
        }
        let now = Instant::now();
        let until = *self.gather_until.get_or_insert(now + GATHER);
        let at_once = self.farewell.is_some() || !self.careful.is_empty() || now < self.asked_until;
        at_once || now >= until || unsent >= ENOUGH.min(self.max_results) as u64
    }

    /// Sends batches of the newest epoch.
    async fn send_live(&mut self, newest: Mark) -> Result<(), SessionError> {
        if !self.have_gathered(newest) {
            return Ok(());
        }
        while self.sent.1.0 + 1 < newest.1.0 && self.on_their_way.len() < self.room(Lane::Live) {
            let Some(run) = self.session.spool.batch(Lane::Live, self.run_length()).await? else { break };
            let epoch = run.epoch;
            self.sent = (epoch, self.send(run).await?);
            if epoch != newest.0 {
                // The epoch ended since it was looked at; the news of it is on its way.
                self.backlog = true;
                break;
            }
        }
        if self.sent.1.0 + 1 >= newest.1.0 {
            self.gather_until = None;
        }
        Ok(())
    }

    /// Sends a batch of the backlog, if none is on its way; `false` when no backlog is left.
    async fn send_backlog(&mut self) -> Result<bool, SessionError> {
        let one_goes = self.on_their_way.iter().any(|sent| sent.epoch != self.sent.0);
        if self.backlog && !one_goes && self.on_their_way.len() < self.room(Lane::Backlog) {
            match self.session.spool.batch(Lane::Backlog, self.run_length()).await? {
                Some(run) => drop(self.send(run).await?),
                None => self.backlog = false,
            }
        }
        Ok(self.backlog)
    }

    /// How many batches may be on their way; the backlog's one place is kept free while it waits.
    fn room(&self, lane: Lane) -> usize {
        let all = if self.careful.is_empty() { self.max_unacked } else { 1 };
        if lane == Lane::Live && self.backlog && all > 1 { all - 1 } else { all }
    }

    fn run_length(&self) -> usize {
        if self.careful.is_empty() { self.max_results } else { 1 }
    }

    /// Sends as much of a run as fits into one message, and says which result was the last.
    async fn send(&mut self, run: Run) -> Result<Seq, SessionError> {
        let Run { epoch, first, results, waited } = run;
        let (mut columns, count) = fitting_columns(&results);
        let last = Seq(first.0 + count as u64 - 1);
        if count < results.len() {
            self.session.spool.sent(epoch, last).await?;
        }
        columns.waited_s = u32::try_from(waited.as_secs()).unwrap_or(u32::MAX);
        self.on_their_way.push_back(Sent { epoch, first, last });
        let message = batch::message(epoch.0, first.0, &columns);
        self.say(Up::Results(ResultBatch { backlog: epoch != self.sent.0, ..message }))?;
        Ok(last)
    }

    /// Takes one message in; `Some` ends the session.
    async fn hear(
        &mut self,
        message: Result<Option<SessionResponse>, tonic::Status>,
    ) -> Result<Option<End>, SessionError> {
        let message = message
            .map_err(|status| SessionError::of_status(status, self.on_their_way.iter().copied().collect()))?;
        let Some(SessionResponse { message }) = message else { return Err(SessionError::Closed) };
        match message {
            Some(Down::Ack(ack)) => self.acked(ack).await?,
            Some(Down::Heartbeat(heartbeat)) => self.heartbeat(heartbeat)?,
            Some(Down::Assign(assign)) => {
                for order in assign_orders(&assign) {
                    self.order(order).await;
                }
            }
            Some(Down::ProbeNow(probe)) => match probe_order(&probe) {
                Ok(order) => {
                    if let Order::Probe(_, useful) = &order {
                        self.asked_until = self.asked_until.max(Instant::now() + *useful);
                    }
                    self.order(order).await;
                }
                Err(error) => tracing::warn!(%error, "a check's probe cannot be read"),
            },
            Some(Down::Drain(Drain { reason, reconnect_after_ms })) => {
                tracing::info!(reason, reconnect_after_ms, "the aggregator asks us to come back later");
                return Ok(Some(End::Drained(Duration::from_millis(reconnect_after_ms.into()))));
            }
            // A second Welcome or a message of a later contract: nothing to do.
            Some(Down::Welcome(_)) | None => {}
        }
        Ok(None)
    }

    async fn order(&self, order: Order) {
        // The runner is gone only when the agent stops, and then no order matters.
        let _ = self.session.orders.send(order).await;
    }

    async fn acked(&mut self, Ack { epoch, through_seq }: Ack) -> Result<(), SpoolGone> {
        let acked = |sent: &Sent| sent.epoch.0 == epoch && sent.last.0 <= through_seq;
        self.on_their_way.retain(|sent| !acked(sent));
        self.careful.retain(|sent| !acked(sent));
        self.session.spool.acked(Epoch(epoch), Seq(through_seq)).await
    }

    /// Answers a heartbeat that is not itself an answer; the other answers ours.
    fn heartbeat(&mut self, heard: Heartbeat) -> Result<(), SessionError> {
        let now = self.session.clock.now_micros();
        self.to_echo = heard.clock_us;
        if heard.echo_us == 0 {
            return self.beat();
        }
        let round_trip_us = now.saturating_sub(heard.echo_us);
        let ahead_us = now.saturating_sub(heard.clock_us).saturating_sub(round_trip_us / 2);
        tracing::debug!(round_trip_us, clock.ahead_us = ahead_us, "heartbeat");
        Ok(())
    }

    fn beat(&mut self) -> Result<(), SessionError> {
        let echo_us = std::mem::take(&mut self.to_echo);
        self.say(Up::Heartbeat(Heartbeat { clock_us: self.session.clock.now_micros(), echo_us }))
    }

    /// Says what a probe for a check has seen so far, where there is room.
    fn say_so_far(&self, seen: &ProbeResult) {
        let Some(check) = seen.check.filter(|_| self.outbox.capacity() > OUTBOX - SAID_SO_FAR) else {
            return;
        };
        let check_id = check.0.to_be_bytes().to_vec().into();
        let so_far = SoFar { check_id, result: Some(result_to_wire(seen)) };
        // Closed only when the stream has ended, and what comes in will say why.
        drop(self.outbox.try_send(SessionRequest { message: Some(Up::SoFar(so_far)) }));
    }

    fn renewal_due(&self) -> bool {
        self.session.clock.now_micros() >= self.session.renew_at.0
    }

    /// The outbox has room for everything that may be on its way; when it is full, nothing moves any more. When it is closed
    /// the stream has ended, and what comes in will say why.
    fn say(&self, message: Up) -> Result<(), SessionError> {
        match self.outbox.try_send(SessionRequest { message: Some(message) }) {
            Err(TrySendError::Full(_)) => Err(SessionError::Stalled),
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
        }
    }
}

/// As many results as fit into one message, and how many they are. One result always does.
fn fitting_columns(results: &[ProbeResult]) -> (parallax_proto::v1::agent::ResultColumns, usize) {
    let mut count = results.len();
    loop {
        let columns = batch::encode(&results[..count]);
        if count <= 1 || columns.encoded_len() + ENVELOPE <= MAX_BATCH_BYTES {
            return (columns, count);
        }
        count /= 2;
    }
}
