//! One agent's open stream.
//!
//! A batch goes journal (fsync) → ack → decode → bus; several of one agent may be on their way to disk at once. One of its backlog
//! waits for its turn first ([`Waiting`]).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use parallax_bus::{Published, Publisher};
use parallax_model::{AgentId, Epoch, Seq, UnixMicros, Vantage};
use parallax_proto::batch::{Known, MAX_BATCH_BYTES, MAX_BATCH_RESULTS};
use parallax_proto::v1::agent::session_request::Message as In;
use parallax_proto::v1::agent::session_response::Message as Out;
use parallax_proto::v1::agent::{
    Ack, Drain, Heartbeat, Hello, ResultBatch, SessionRequest, SessionResponse, SoFar, Welcome,
};
use parallax_proto::{
    WireError, address_to_wire, check_id_from_wire, result_from_wire, vantage_from_wire, vantage_to_wire,
};
use parallax_store::{Appended, Heard, JournalBatch, StoreError};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::{Status, Streaming};

use super::Ingest;
use super::backlog::{Turn, Turns, Waiting};
use super::pace::Pace;
use crate::admission::Admitted;
use crate::core::{Core, store_failed};
use crate::limits::Limits;
use crate::sessions::{Outbox, Seat};
use crate::twins::{HELD, Met};

/// How often both sides say that they are there.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(20);
/// An agent that says nothing for this long is offline.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a new stream may take to say hello.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// Batches an agent may have on their way without an ack.
const MAX_UNACKED_BATCHES: u32 = 8;
/// Of the batches of all agents that are decoded, one in so many waits for a place on the bus, so that a full bus holds up bytes and
/// not columns.
const IN_HAND: usize = 5;
/// Most gaps that a Hello may tell.
const MAX_GAPS: usize = 32;
/// An agent that takes nothing of what it is told for so long is not there any more.
const STALLED: Duration = Duration::from_secs(30);
/// When agents should come back after a planned stop.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// The largest message an agent may send: a batch with its frame.
pub(crate) const MAX_MESSAGE_BYTES: usize = MAX_BATCH_BYTES + 4_096;

/// What taking in batches of all agents shares.
#[derive(Debug)]
pub(super) struct Shared {
    /// Places for decoded batches.
    decoded: Semaphore,
    /// Room for batches on their way to disk, in KiB. An agent whose batch finds none is not read from until there is some.
    journalling: Arc<Semaphore>,
    turns: Turns,
    known: Known,
}

impl Shared {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            decoded: Semaphore::new(decoded_in_hand(limits.decoded)),
            journalling: Arc::new(Semaphore::new(limits.journalling_kib)),
            turns: Turns::default(),
            known: Known::default(),
        }
    }
}

/// How many of so many decoded batches wait for a place on the bus.
pub(crate) const fn decoded_in_hand(decoded: usize) -> usize {
    decoded.div_ceil(IN_HAND)
}

/// One agent's open stream.
pub(super) struct Talk {
    core: Arc<Core>,
    bus: Publisher,
    agent: AgentId,
    vantage: Arc<Vantage>,
    peer: IpAddr,
    declared: Vantage,
    version: String,
    outbox: Outbox,
    shared: Arc<Shared>,
    /// Results that were journalled since the agent was last noted in the store.
    results: u64,
    /// Batches on their way to disk, in the order they came; at most [`MAX_UNACKED_BATCHES`].
    journalling: FuturesOrdered<BoxFuture<'static, Journalled>>,
    /// Batches of its backlog.
    waiting: Waiting,
    pace: Pace,
    _admitted: Admitted,
}

/// A batch that came to the disk, or did not.
struct Journalled {
    batch: ResultBatch,
    received_at: UnixMicros,
    kept: Result<Appended, StoreError>,
    turn: Turn,
    _room: Option<OwnedSemaphorePermit>,
}

impl Talk {
    /// A stream that was just opened by this agent, which stands there.
    pub(super) fn new(
        ingest: &Ingest,
        (agent, vantage, peer): (AgentId, Arc<Vantage>, IpAddr),
        outbox: Outbox,
        admitted: Admitted,
    ) -> Self {
        let pace = ingest.core.paces.of(&agent, Instant::now());
        Self {
            pace,
            core: Arc::clone(&ingest.core),
            bus: ingest.bus.clone(),
            agent,
            vantage,
            peer,
            declared: Vantage::default(),
            version: String::new(),
            outbox,
            results: 0,
            journalling: FuturesOrdered::new(),
            waiting: Waiting::new(&ingest.shared.turns),
            shared: Arc::clone(&ingest.shared),
            _admitted: admitted,
        }
    }

    /// Runs to the end.
    pub(super) async fn run(mut self, mut inbound: Streaming<SessionRequest>) {
        if let Err(status) = self.talk(&mut inbound).await {
            tracing::debug!(agent.id = %self.agent, %status, "an agent's stream ended");
            // Gone already when the connection is; one that does not read will not read this either.
            drop(self.outbox.try_send(Err(status)));
        }
    }

    async fn talk(&mut self, inbound: &mut Streaming<SessionRequest>) -> Result<(), Status> {
        let seat = self.welcome(inbound).await?;
        tracing::info!(agent.id = %self.agent, agent.version = self.version, "an agent is connected");
        let result = self.listen(inbound, &seat).await;
        drop(seat);
        self.core.vantages_changed();
        let noted = self.heard().await;
        tracing::info!(agent.id = %self.agent, "an agent is gone");
        result.and(noted)
    }

    /// Reads Hello, answers Welcome and the whole schedule, and takes a seat among the connected.
    async fn welcome(&mut self, inbound: &mut Streaming<SessionRequest>) -> Result<Seat, Status> {
        let first = tokio::time::timeout(HELLO_DEADLINE, inbound.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no hello within 10 s"))??;
        let Some(SessionRequest { message: Some(In::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("the first message must be hello"));
        };
        self.accept(&hello)?;
        self.is_one_machine(&hello)?;
        let acked = self.core.store.acked_through(&self.agent, Epoch(hello.epoch)).await;
        let acked = acked.map_err(|e| store_failed("read what is acked", &e))?;
        let welcome = Welcome {
            agent_id: self.agent.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            acked_through_seq: acked.0,
            vantage: Some(vantage_to_wire(&self.vantage)),
            heartbeat_ms: u32::try_from(HEARTBEAT.as_millis()).unwrap_or(u32::MAX),
            max_unacked_batches: MAX_UNACKED_BATCHES,
            max_batch_results: MAX_BATCH_RESULTS,
            seen_address: address_to_wire(self.peer),
        };
        self.say(Out::Welcome(welcome)).await?;
        // The seat comes before the schedule: a target added in between is then sent twice rather than not at all.
        let seat = self.core.sessions.join(
            &self.agent,
            Arc::clone(&self.vantage),
            self.version.clone(),
            self.outbox.clone(),
        );
        let seat = seat.ok_or_else(|| Status::permission_denied("this agent's identity was revoked"))?;
        self.say(Out::Assign(self.core.whole_schedule())).await?;
        self.heard().await?;
        self.core.vantages_changed();
        Ok(seat)
    }

    fn accept(&mut self, hello: &Hello) -> Result<(), Status> {
        let version_ok = (1..=32).contains(&hello.version.len())
            && hello.version.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b));
        if !version_ok {
            return Err(Status::failed_precondition("hello.version must be a version such as 1.2.3"));
        }
        self.version.clone_from(&hello.version);
        if let Some(declared) = &hello.declared {
            self.declared = vantage_from_wire(declared)
                .map_err(|e| Status::invalid_argument(format!("hello.declared: {e}")))?;
        }
        for gap in hello.gaps.iter().take(MAX_GAPS) {
            metrics::counter!("parallax_agent_lost_results_total", "reason" => gap.reason().as_str_name())
                .increment(gap.results);
            tracing::warn!(
                agent.id = %self.agent, results = gap.results, from_us = gap.from_us, until_us = gap.until_us,
                reason = gap.reason().as_str_name(), "an agent has lost results"
            );
        }
        Ok(())
    }

    /// Refuses an identity that two machines have.
    fn is_one_machine(&self, hello: &Hello) -> Result<(), Status> {
        match self.core.sessions.meet(&self.agent, Epoch(hello.epoch), Instant::now()) {
            Met::One => return Ok(()),
            Met::Held => {}
            Met::Two => {
                metrics::counter!("parallax_agent_twins_total").increment(1);
                tracing::error!(
                    agent.id = %self.agent, peer = %self.peer, held_s = HELD.as_secs(),
                    "two machines have this agent's identity and throw each other out: neither is let in; enrol one of them anew"
                );
            }
        }
        Err(Status::failed_precondition(
            "two machines have this identity; enrol one of them anew with a token of its own",
        ))
    }

    async fn listen(&mut self, inbound: &mut Streaming<SessionRequest>, seat: &Seat) -> Result<(), Status> {
        let soft = self.core.tasks.soft().clone();
        loop {
            let room = self.journalling.len() < MAX_UNACKED_BATCHES as usize && self.waiting.has_room();
            let too_fast = if room { self.pace.wait(Instant::now()) } else { None };
            let message = tokio::select! {
                // Whose identity has ended brings in nothing more.
                biased;
                () = seat.end.cancelled() => return Err(self.why_ended()),
                () = soft.cancelled() => return self.drain().await,
                Some(journalled) = self.journalling.next(), if !self.journalling.is_empty() => {
                    self.acknowledge(journalled).await?;
                    continue;
                }
                (batch, turn) = self.waiting.next() => {
                    self.journal(batch, turn).await?;
                    continue;
                }
                () = tokio::time::sleep_until(too_fast.unwrap_or_else(Instant::now)), if too_fast.is_some() => continue,
                message = tokio::time::timeout(SILENCE, inbound.message()), if room && too_fast.is_none() => message,
            };
            let message = message.map_err(|_| Status::deadline_exceeded("nothing was heard for 45 s"))??;
            let Some(message) = message else { return self.acknowledge_all().await };
            let results = if let Some(In::Results(batch)) = &message.message { batch.count } else { 0 };
            self.pace.take(results, Instant::now());
            match message.message {
                Some(In::Results(batch)) => self.take(batch).await?,
                Some(In::Heartbeat(beat)) => {
                    let beat = Heartbeat { clock_us: self.core.now().0, echo_us: beat.clock_us };
                    self.say(Out::Heartbeat(beat)).await?;
                    self.heard().await?;
                }
                Some(In::SoFar(so_far)) => self.hand_to_check(&so_far),
                Some(In::Hello(_)) => return Err(Status::invalid_argument("hello comes once")),
                // A kind of message from the future.
                None => {}
            }
        }
    }

    /// Hands what a probe has seen so far to the check it is for. It is of use now or never.
    fn hand_to_check(&self, so_far: &SoFar) {
        let read = check_id_from_wire(&so_far.check_id).and_then(|check| {
            let result = so_far.result.as_ref().ok_or(WireError::Missing("so_far.result"))?;
            Ok((check, result_from_wire(result)?))
        });
        match read {
            Ok((check, seen)) => {
                self.core.checks.deliver_so_far(check, &self.agent, &self.vantage, seen);
            }
            Err(error) => {
                tracing::debug!(agent.id = %self.agent, %error, "what is said of a check cannot be read");
            }
        }
    }

    fn why_ended(&self) -> Status {
        if self.core.sessions.is_revoked(&self.agent) {
            Status::permission_denied("this agent's identity was revoked")
        } else {
            Status::aborted("a newer stream of the same identity took over, or this one did not read")
        }
    }

    async fn drain(&mut self) -> Result<(), Status> {
        self.acknowledge_all().await?;
        let after = u32::try_from(RECONNECT_AFTER.as_millis()).unwrap_or(u32::MAX);
        self.say(Out::Drain(Drain { reason: "the aggregator stops".to_owned(), reconnect_after_ms: after }))
            .await
    }

    async fn say(&mut self, message: Out) -> Result<(), Status> {
        let said = self.outbox.send_timeout(Ok(SessionResponse { message: Some(message) }), STALLED).await;
        said.map_err(|failed| match failed {
            SendTimeoutError::Timeout(_) => Status::deadline_exceeded("nothing was read for 30 s"),
            SendTimeoutError::Closed(_) => Status::cancelled("the agent is gone"),
        })
    }

    async fn heard(&mut self) -> Result<(), Status> {
        let heard = Heard {
            agent: self.agent.clone(),
            at: self.core.now(),
            version: self.version.clone(),
            declared: self.declared.clone(),
            vantage: self.vantage.as_ref().clone(),
            results_added: std::mem::take(&mut self.results),
        };
        self.core.store.heard(vec![heard]).await.map_err(|e| store_failed("note an agent", &e))
    }

    /// Hands a batch to the journal as it came. It is not looked into: one that cannot be decoded is kept and acked like the others,
    /// for the agent could only send it again, and its bytes are there for whoever looks into it.
    async fn take(&mut self, batch: ResultBatch) -> Result<(), Status> {
        if batch.count == 0 || batch.count > MAX_BATCH_RESULTS || batch.first_seq == 0 {
            return Err(Status::invalid_argument(
                "a batch has 1 to 1,000 results and begins at seq 1 or later",
            ));
        }
        if batch.backlog {
            self.waiting.push(batch);
            return Ok(());
        }
        self.journal(batch, Turn::default()).await
    }

    async fn journal(&mut self, batch: ResultBatch, turn: Turn) -> Result<(), Status> {
        let room = self.room(batch.columns.len()).await?;
        let received_at = self.core.now();
        let journalled = JournalBatch {
            agent: self.agent.clone(),
            epoch: Epoch(batch.epoch),
            first_seq: Seq(batch.first_seq),
            count: batch.count,
            received_at,
            columns: batch.columns.clone(),
        };
        let appending = self.core.store.begin_append(journalled).await;
        let appending = appending.map_err(|e| store_failed("journal results", &e))?;
        self.journalling.push_back(Box::pin(async move {
            Journalled { batch, received_at, kept: appending.kept().await, turn, _room: room }
        }));
        Ok(())
    }

    /// Waits for room for so many bytes; what is on its way makes room as it is acked, this agent's own too.
    async fn room(&mut self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Status> {
        let kib = u32::try_from(bytes.div_ceil(1_024).max(1)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.shared.journalling).acquire_many_owned(kib);
        let mut room = std::pin::pin!(room);
        loop {
            tokio::select! {
                // Never closed.
                room = &mut room => return Ok(room.ok()),
                Some(journalled) = self.journalling.next(), if !self.journalling.is_empty() => {
                    self.acknowledge(journalled).await?;
                }
            }
        }
    }

    /// Waits for what is on its way to disk and acks it.
    async fn acknowledge_all(&mut self) -> Result<(), Status> {
        while let Some(journalled) = self.journalling.next().await {
            self.acknowledge(journalled).await?;
        }
        Ok(())
    }

    /// Acks a batch that is on disk and publishes what is new in it.
    async fn acknowledge(&mut self, journalled: Journalled) -> Result<(), Status> {
        let Journalled { batch, received_at, kept, turn, _room } = journalled;
        let appended = kept.map_err(|e| store_failed("journal results", &e))?;
        if appended.missing > 0 {
            tracing::warn!(agent.id = %self.agent, results = appended.missing, "results are missing: the agent dropped them before they were sent");
        }
        // Nobody's backlog waits for an agent that does not read.
        let _turn = Some(turn).filter(|_| self.outbox.capacity() > 0);
        self.say(Out::Ack(Ack { epoch: batch.epoch, through_seq: appended.through.0 })).await?;
        let fresh = u64::from(batch.count.saturating_sub(appended.skip));
        if fresh == 0 {
            return Ok(());
        }
        metrics::counter!("parallax_results_total").increment(fresh);
        self.results += fresh;
        self.publish(&batch, appended.skip as usize, received_at).await
    }

    async fn publish(
        &mut self,
        batch: &ResultBatch,
        skip: usize,
        received_at: UnixMicros,
    ) -> Result<(), Status> {
        // Never closed.
        let _place = self.shared.decoded.acquire().await.ok();
        let results = match parallax_proto::batch::read(&batch.columns, batch.count, &self.shared.known) {
            Ok(results) => Arc::new(results.without_first(skip)),
            Err(error) => {
                metrics::counter!("parallax_poison_batches_total").increment(1);
                tracing::warn!(agent.id = %self.agent, epoch = batch.epoch, first_seq = batch.first_seq, %error, "a batch cannot be read; it is kept and counts as nothing");
                return Ok(());
            }
        };
        let (agent, vantage) = (self.agent.clone(), Arc::clone(&self.vantage));
        match self.bus.publish(Published { agent, vantage, received_at, results }).await {
            // Stopping: the journal has them, and windows are rebuilt from it.
            Err(_) if self.core.tasks.soft().is_cancelled() => Ok(()),
            other => other.map_err(|_| Status::unavailable("the aggregator stops; nothing acked is lost")),
        }
    }
}
