//! The task that turns results into what is said: it takes results off the bus, keeps the board, and publishes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use parallax_bus::{Published, Subscriber};
use parallax_model::{AgentId, Diagnosis, Incident, Target, UnixMicros, Vantage};
use parallax_store::{LearntRow, MAX_GROUP, MinuteRow, SiteState, StoreError};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior};

use crate::board::{Board, Changes, Turn};
use crate::core::{Core, store_failed};

/// How often targets with new results are evaluated; results in between wait for the next turn.
const EVALUATE_EVERY: Duration = Duration::from_millis(500);
/// After so long, a turn leaves what is less urgent to the next one: meanwhile results wait.
const TURN: Duration = Duration::from_millis(50);
/// A turn is followed by a pause of at least so many times as long: under load, evaluation leaves the time to the results.
const PAUSE: u32 = 9;
/// How often minutes are written and old things forgotten.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(10);
/// For so long what is learnt is kept when the process ends; what is left then is as it was kept before.
const KEEP_AT_THE_END: Duration = Duration::from_secs(2);

/// What is said of a site, as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) target: Target,
    pub(crate) diagnosis: Diagnosis,
    pub(crate) since: UnixMicros,
    pub(crate) at: UnixMicros,
}

/// Evaluates until the bus is closed and empty.
#[derive(Debug)]
pub(crate) struct Evaluation {
    core: Arc<Core>,
    board: Board,
    subscriber: Subscriber,
    /// How often an agent was refused a cell when that was said last.
    refused: u64,
    /// How our own side stood when that was kept last.
    our_side: (Option<UnixMicros>, Option<UnixMicros>),
    /// Agents that were connected while this process did not end: at its end all of them leave.
    connected: Vec<(AgentId, Arc<Vantage>)>,
}

impl Evaluation {
    /// An evaluation that goes on from `board`.
    pub(crate) fn new(core: Arc<Core>, board: Board, subscriber: Subscriber) -> Self {
        let our_side = board.breaker().stands();
        Self { core, board, subscriber, refused: 0, our_side, connected: Vec::new() }
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
                _ = evaluate.tick() => {
                    let took = self.evaluate(TURN).await;
                    evaluate.reset_after(EVALUATE_EVERY.max(took * PAUSE));
                }
                _ = keep_house.tick() => self.keep_house(false).await,
                () = self.core.schedule_dirty.notified() => self.follow_schedule(),
                () = soft.cancelled() => break,
            }
        }
        self.subscriber.close();
        while let Some(published) = self.subscriber.next().await {
            self.take(&published);
        }
        self.evaluate(Duration::MAX).await;
        self.keep_house(true).await;
    }

    fn take(&mut self, published: &Published) {
        for (check, row) in published.results.of_checks() {
            let result = Arc::new(published.results.row(row));
            self.core.checks.deliver(check, &published.agent, &published.vantage, &result);
        }
        self.board.add(published, true);
    }

    fn follow_schedule(&mut self) {
        let now = self.core.now();
        let watched = self.core.probed();
        self.board.unwatch(|target| watched.contains_key(target));
        for (target, watched) in &watched {
            self.board.watch(target, watched.interval, now);
        }
        self.publish();
    }

    /// Publishes every site but those whose owners asked not to be tested.
    fn publish(&self) {
        let (mut views, policy) = (self.board.views(), self.core.policy());
        views.retain(|host, _| !policy.is_opted_out(host));
        self.core.snapshot.publish_sites(views);
    }

    /// Evaluates for about as long as it may, publishes and keeps; returns how long the evaluation took.
    async fn evaluate(&mut self, may_take: Duration) -> Duration {
        let started = Instant::now();
        let now = self.core.now();
        let reports = self.core.reports.all();
        let core = Arc::clone(&self.core);
        if !self.core.tasks.soft().is_cancelled() {
            self.connected = self.core.sessions.online();
            self.core.follow_crowd();
        }
        let turn = Turn { now, reports: &reports, connected: &self.connected };
        let enough = || started.elapsed() >= may_take;
        let changes = self.board.evaluate(turn, || core.incident_id(), enough);
        self.core.snapshot.publish_network(self.board.network());
        self.keep_our_side(now).await;
        if changes.evaluated == 0 {
            return started.elapsed();
        }
        self.publish();
        let took = started.elapsed();
        metrics::histogram!("parallax_evaluation_seconds").record(took.as_secs_f64());
        self.keep(changes, now).await;
        took
    }

    /// Writes what changed. A store that fails is logged; what is said goes on being said.
    async fn keep(&self, changes: Changes, now: UnixMicros) {
        let watched = self.core.watched();
        let store = &self.core.store;
        // As many at once as the store commits together: after a restart every site's verdict may change in one turn.
        stream::iter(changes.said)
            .for_each_concurrent(MAX_GROUP, async |(target, said, since)| {
                // What only visitors asked for is theirs: its host is told to nobody but who debugs.
                if watched.contains_key(&target) {
                    tracing::info!(target.host = %target.host, verdict = %said.verdict, said.sentence, "a verdict changed");
                } else {
                    tracing::debug!(target.host = %target.host, verdict = %said.verdict, said.sentence, "a verdict changed");
                }
                let site = target.host.clone();
                match serde_json::to_string(&Said { target, diagnosis: said, since, at: now }) {
                    Ok(state) => {
                        Self::noted("keep what is said", store.put_site_state(SiteState { site, state }).await);
                    }
                    Err(error) => tracing::error!(%error, "a verdict cannot be written as JSON"),
                }
            })
            .await;
        stream::iter(changes.incidents)
            .for_each_concurrent(MAX_GROUP, async |incident| {
                log_incident(&incident);
                Self::noted("keep an incident", store.put_incident(&incident).await);
            })
            .await;
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
            let until = crate::minutes::counted_until(now, all);
            Self::noted("keep minutes", self.core.store.add_counted(rows, until).await);
        }
        self.core.snapshot.publish_running(self.board.running_minutes());
        self.keep_learnt(now, all).await;
        self.show_cells();
        for site in self.board.forget(now) {
            Self::noted("forget a site", self.core.store.remove_site_state(&site).await.map(drop));
        }
        for incident in self.board.end_orphans(now) {
            Self::noted("end an incident", self.core.store.put_incident(&incident).await);
        }
    }

    /// Keeps how our own side stands when that is news.
    async fn keep_our_side(&mut self, now: UnixMicros) {
        let breaker = self.board.breaker();
        let stands = breaker.stands();
        if stands == self.our_side {
            return;
        }
        match serde_json::to_string(breaker) {
            Ok(state) => {
                let kept = self.core.store.put_our_side(now, state).await;
                if kept.is_ok() {
                    self.our_side = stands;
                }
                Self::noted("keep our side", kept);
            }
            Err(error) => tracing::error!(%error, "how our own side stands cannot be written as JSON"),
        }
    }

    /// Keeps a piece of what is learnt; with `all` as much as there is time for.
    async fn keep_learnt(&mut self, now: UnixMicros, all: bool) {
        let began = Instant::now();
        loop {
            let learnt = self.board.take_learnt(now, all).into_iter();
            let rows: Vec<LearntRow> =
                learnt.map(|(target, state)| LearntRow { target, at: now, state }).collect();
            if rows.is_empty() {
                return;
            }
            Self::noted("keep what is learnt", self.core.store.put_learnt(rows).await);
            if !all || began.elapsed() >= KEEP_AT_THE_END {
                return;
            }
        }
    }

    /// Says how full the windows are, and whether agents were refused a cell since this was said last.
    fn show_cells(&mut self) {
        let cells = *self.board.cells();
        self.core.snapshot.publish_cells(cells);
        metrics::gauge!("parallax_window_cells").set(cells.taken() as f64);
        metrics::gauge!("parallax_window_cells_limit").set(cells.limit() as f64);
        metrics::counter!("parallax_window_refused_batches_total").absolute(cells.refused());
        metrics::counter!("parallax_unasked_targets_total").absolute(self.board.unasked());
        if cells.refused() > self.refused {
            tracing::warn!(
                batches = cells.refused() - self.refused,
                cells = cells.limit(),
                "the windows are full: some agents' results count in history only; raise `memory_mib` or `window_limit_mib`, or watch less"
            );
        }
        self.refused = cells.refused();
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
