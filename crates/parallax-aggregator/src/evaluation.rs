//! The task that turns results into what is said: it takes results off the bus, keeps the board, and publishes.

use std::sync::Arc;
use std::time::Duration;

use parallax_bus::{Published, Subscriber};
use parallax_model::{Diagnosis, Incident, Target, UnixMicros};
use parallax_store::{MinuteRow, SiteState, StoreError};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior};

use crate::board::{Board, Changes};
use crate::core::{Core, store_failed};

/// How often targets with new results are evaluated; results in between wait for the next turn.
const EVALUATE_EVERY: Duration = Duration::from_millis(500);
/// How often minutes are written and old things forgotten.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(10);
/// How much of the journal is replayed into windows at start.
const REPLAY: Duration = Duration::from_mins(15);

/// What is said of a site, as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    target: Target,
    diagnosis: Diagnosis,
    since: UnixMicros,
    at: UnixMicros,
}

/// Brings the board to where it was when the process last ended: what was said, open incidents, recent results.
pub(crate) async fn restore(core: &Core) -> Result<Board, StoreError> {
    let now = core.now();
    let mut board = Board::new(core.store.open_incidents().await?);
    for (target, watched) in core.watched() {
        board.watch(&target, watched.interval, now);
    }
    let mut forgotten = 0_usize;
    for state in core.store.site_states().await? {
        if let Ok(Said { target, diagnosis, since, at }) = serde_json::from_str(&state.state) {
            board.resume(&target, diagnosis, since, at);
        } else {
            tracing::debug!(target.host = %state.site, "what was said of this site cannot be read");
            forgotten += 1;
        }
    }
    if forgotten > 0 {
        tracing::warn!(
            sites = forgotten,
            "what was said of some sites cannot be read; it will be found out anew"
        );
    }
    let since = now.plus_micros(-i64::try_from(REPLAY.as_micros()).unwrap_or(0));
    let mut journal = core.store.journal_since(since).await?;
    // Minutes are written when they end. What came after the last written one is counted again from the journal.
    let counted_until = core.store.last_minute().await?.map_or(UnixMicros(0), |m| m.plus_secs(60));
    let (mut results, mut unreadable) = (0_usize, 0_usize);
    while let Some(page) = journal.next_page().await? {
        unreadable += page.damaged as usize;
        for entry in page.entries {
            match replayed(core, entry) {
                Some(published) => {
                    results += published.results.len();
                    board.add(&published, published.received_at >= counted_until);
                }
                None => unreadable += 1,
            }
        }
    }
    if unreadable > 0 {
        tracing::warn!(
            batches = unreadable,
            "batches of the journal are damaged or cannot be read; the rest counts"
        );
    }
    tracing::info!(results, "windows are rebuilt from the journal");
    Ok(board)
}

fn replayed(core: &Core, entry: parallax_store::JournalEntry) -> Option<Published> {
    let columns = prost::Message::decode(entry.batch.columns.as_ref()).ok()?;
    let results = parallax_proto::batch::decode(&columns).ok()?;
    let vantage =
        core.snapshot.vantages().iter().find(|v| v.agent == entry.batch.agent).map(|v| v.vantage.clone());
    Some(Published {
        agent: entry.batch.agent,
        vantage: Arc::new(vantage.unwrap_or_default()),
        received_at: entry.batch.received_at,
        results: results.into_iter().skip(entry.skip as usize).collect(),
    })
}

/// Evaluates until the bus is closed and empty.
#[derive(Debug)]
pub(crate) struct Evaluation {
    core: Arc<Core>,
    board: Board,
    subscriber: Subscriber,
}

impl Evaluation {
    /// An evaluation that goes on from `board`.
    pub(crate) const fn new(core: Arc<Core>, board: Board, subscriber: Subscriber) -> Self {
        Self { core, board, subscriber }
    }

    /// Runs until the soft signal, then takes what is still on the bus and writes what is counted.
    pub(crate) async fn run(mut self) {
        let mut evaluate = tokio::time::interval(EVALUATE_EVERY);
        let mut keep_house = tokio::time::interval(HOUSEKEEPING_EVERY);
        evaluate.set_missed_tick_behavior(MissedTickBehavior::Delay);
        keep_house.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let soft = self.core.tasks.soft().clone();
        loop {
            tokio::select! {
                published = self.subscriber.next() => match published {
                    Some(published) => self.take(&published),
                    None => break,
                },
                _ = evaluate.tick() => self.evaluate().await,
                _ = keep_house.tick() => self.keep_house(false).await,
                () = self.core.schedule_dirty.notified() => self.follow_schedule(),
                () = soft.cancelled() => break,
            }
        }
        self.subscriber.close();
        while let Some(published) = self.subscriber.next().await {
            self.take(&published);
        }
        self.evaluate().await;
        self.keep_house(true).await;
    }

    fn take(&mut self, published: &Published) {
        for result in published.results.iter() {
            if let Some(check) = result.check {
                self.core.checks.deliver(
                    check,
                    &published.agent,
                    &published.vantage,
                    &Arc::new(result.clone()),
                );
            }
        }
        self.board.add(published, true);
    }

    fn follow_schedule(&mut self) {
        let now = self.core.now();
        let watched = self.core.watched();
        let known: Vec<Target> = self
            .core
            .snapshot
            .sites()
            .iter()
            .filter(|s| s.interval.is_some())
            .map(|s| s.target.clone())
            .collect();
        for gone in known.iter().filter(|t| !watched.contains_key(*t)) {
            self.board.unwatch(gone);
        }
        for (target, watched) in &watched {
            self.board.watch(target, watched.interval, now);
        }
    }

    async fn evaluate(&mut self) {
        let started = Instant::now();
        let now = self.core.now();
        let reports = self.core.reports.all();
        let core = Arc::clone(&self.core);
        let connected = self.core.sessions.online();
        let changes = self.board.evaluate(now, &reports, &connected, || core.incident_id());
        if changes.evaluated == 0 {
            return;
        }
        metrics::histogram!("parallax_evaluation_seconds").record(started.elapsed().as_secs_f64());
        self.core.snapshot.publish_sites(self.board.views());
        self.keep(changes, now).await;
    }

    /// Writes what changed. A store that fails is logged; what is said goes on being said.
    async fn keep(&self, changes: Changes, now: UnixMicros) {
        let watched = self.core.watched();
        for (target, said, since) in changes.said {
            // What only visitors asked for is theirs: its host is told to nobody but who debugs.
            if watched.contains_key(&target) {
                tracing::info!(target.host = %target.host, verdict = %said.verdict, said.sentence, "a verdict changed");
            } else {
                tracing::debug!(target.host = %target.host, verdict = %said.verdict, said.sentence, "a verdict changed");
            }
            let site = target.host.clone();
            match serde_json::to_string(&Said { target, diagnosis: said, since, at: now }) {
                Ok(state) => {
                    let state = SiteState { site, state };
                    Self::noted("keep what is said", self.core.store.put_site_state(state).await);
                }
                Err(error) => tracing::error!(%error, "a verdict cannot be written as JSON"),
            }
        }
        for incident in changes.incidents {
            log_incident(&incident);
            Self::noted("keep an incident", self.core.store.put_incident(&incident).await);
        }
    }

    async fn keep_house(&mut self, all: bool) {
        let now = self.core.now();
        let row = |m: crate::minutes::Minute| MinuteRow {
            site: m.site,
            minute: m.at,
            results: m.results,
            failures: m.failures,
            first_byte: m.first_byte,
        };
        let rows: Vec<MinuteRow> = self.board.take_minutes(now, all).into_iter().map(row).collect();
        if !rows.is_empty() {
            Self::noted("keep minutes", self.core.store.add_minutes(rows).await);
        }
        self.core.snapshot.publish_running(self.board.running_minutes());
        for site in self.board.forget(now) {
            Self::noted("forget a site", self.core.store.remove_site_state(&site).await.map(drop));
        }
        for incident in self.board.end_orphans(now) {
            Self::noted("end an incident", self.core.store.put_incident(&incident).await);
        }
        self.refresh_reports().await;
        if !all {
            match self.core.store.prune(now).await {
                Ok(pruned) => tracing::trace!(?pruned, "old things were forgotten"),
                Err(error) => drop(store_failed("prune", &error)),
            }
        }
    }

    /// Reports grow old without anybody touching them.
    async fn refresh_reports(&self) {
        for site in self.core.reports.all().into_keys() {
            Self::noted("count reports", self.core.count_reports(&site).await);
        }
    }

    fn noted(operation: &'static str, result: Result<(), StoreError>) {
        if let Err(error) = result {
            drop(store_failed(operation, &error));
        }
    }
}

/// The id says whose it is to who may look; the host may be one that only visitors asked for.
fn log_incident(incident: &Incident) {
    let verdict = incident.latest().map(|s| s.diagnosis.verdict.as_str()).unwrap_or_default();
    tracing::info!(
        incident.id = %incident.id,
        verdict,
        closed = incident.closed_at.is_some(),
        steps = incident.steps.len(),
        "an incident changed"
    );
}
