//! What every room of the aggregator shares: store, authority, sessions, schedule, clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parallax_model::{AgentId, IncidentId, Target, UnixMicros};
use parallax_proto::target_to_wire;
use parallax_proto::v1::agent::session_response::Message;
use parallax_proto::v1::agent::{Assign, Assignment, SessionResponse};
use parallax_runtime::{Clock, Tasks};
use parallax_store::{Store, StoreError, TargetRecord};
use rand::Rng as _;
use tokio::sync::Notify;
use tonic::Status;

use crate::admission::Admission;
use crate::authority::Authority;
use crate::budget::ReportBudget;
use crate::checks::Checks;
use crate::ingest::Paces;
use crate::limits::Limits;
use crate::opt_outs::OptOuts;
use crate::place::Places;
use crate::reported::Reports;
use crate::reporter::ReporterKey;
use crate::sessions::Sessions;
use crate::share;
use crate::snapshot::Snapshot;

/// One watched target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    /// How often each agent probes it.
    pub interval: Duration,
    /// Since when.
    pub added_at: UnixMicros,
}

/// The shared parts.
#[derive(Debug)]
pub(crate) struct Core {
    /// What is remembered.
    pub store: Store,
    /// Who vouches for agents.
    pub authority: Authority,
    /// Who is connected.
    pub sessions: Sessions,
    /// What may be taken on.
    pub limits: Limits,
    /// Which agents are let in.
    pub(crate) admission: Admission,
    /// How fast agents may talk.
    pub(crate) paces: Paces,
    /// Where addresses are.
    pub places: Places,
    /// What may be probed, and what owners say.
    pub(crate) opt_outs: OptOuts,
    /// What is published.
    pub snapshot: Snapshot,
    /// What is being checked.
    pub checks: Checks,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who owns the tasks.
    pub tasks: Tasks,
    /// Where agents connect; 0 when the system does not say.
    pub(crate) agents_port: u16,
    /// SHA-256 of the operator's key.
    pub operator_key: [u8; 32],
    /// Makes the numbers reporters are known by; gone with the process.
    pub reporter_key: ReporterKey,
    // std mutexes: held for map operations only, never across an await.
    pub(crate) schedule: Mutex<BTreeMap<Target, Watched>>,
    /// How many agents each one's share is reckoned with.
    pub(crate) crowd: Mutex<usize>,
    /// What visitors report now.
    pub(crate) reports: Reports,
    pub(crate) report_budget: Mutex<ReportBudget>,
    pub(crate) rng: Mutex<parallax_runtime::Rng>,
    pub(crate) vantages_dirty: Notify,
    pub(crate) schedule_dirty: Notify,
}

/// Locks without minding that a panic happened elsewhere while it was held: every change under these locks is one map operation.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// What time it is.
    pub(crate) fn now(&self) -> UnixMicros {
        UnixMicros(self.clock.now_micros())
    }

    /// A random certificate serial.
    pub(crate) fn serial(&self) -> [u8; 16] {
        lock(&self.rng).random()
    }

    /// A random incident id.
    pub(crate) fn incident_id(&self) -> IncidentId {
        IncidentId(lock(&self.rng).random())
    }

    /// Says that the list of vantage points is out of date.
    pub(crate) fn vantages_changed(&self) {
        self.vantages_dirty.notify_one();
    }

    /// Every watched target.
    pub(crate) fn watched(&self) -> BTreeMap<Target, Watched> {
        lock(&self.schedule).clone()
    }

    /// Every watched target whose owner did not ask not to be tested.
    pub(crate) fn probed(&self) -> BTreeMap<Target, Watched> {
        let (mut watched, policy) = (self.watched(), self.policy());
        watched.retain(|target, _| !policy.is_opted_out(&target.host));
        watched
    }

    /// The whole schedule, as an agent gets it on connecting.
    pub(crate) fn whole_schedule(&self) -> Assign {
        self.follow_crowd();
        let set = self.probed().iter().map(|(t, w)| assignment(t, w.interval)).collect();
        Assign { reset: true, set, ..self.no_change() }
    }

    /// A message to agents that changes nothing but their share.
    pub(crate) fn no_change(&self) -> Assign {
        let least_interval_ms = share::least_interval_ms(*lock(&self.crowd));
        Assign { least_interval_ms, ..Assign::default() }
    }

    /// Tells every agent its share when their number has changed enough.
    pub(crate) fn follow_crowd(&self) {
        let online = self.sessions.count();
        let mut crowd = lock(&self.crowd);
        let now = share::crowd(*crowd, online);
        if std::mem::replace(&mut *crowd, now) != now {
            drop(crowd);
            self.sessions.send_all(&SessionResponse { message: Some(Message::Assign(self.no_change())) });
        }
    }

    /// Watches a target from now on; remembered before any agent is told.
    pub(crate) async fn watch(&self, target: Target, interval: Duration) -> Result<(), StoreError> {
        let watched = Watched { interval, added_at: self.now() };
        let record = TargetRecord { target: target.clone(), interval, added_at: watched.added_at };
        self.store.put_target(record).await?;
        let message = Assign { set: vec![assignment(&target, interval)], ..self.no_change() };
        lock(&self.schedule).insert(target.clone(), watched);
        self.schedule_dirty.notify_one();
        if !self.policy().is_opted_out(&target.host) {
            self.sessions.send_all(&SessionResponse { message: Some(Message::Assign(message)) });
        }
        Ok(())
    }

    /// Stops watching a target; `false` when it was not watched.
    pub(crate) async fn unwatch(&self, target: &Target) -> Result<bool, StoreError> {
        self.store.remove_target(target).await?;
        let removed = lock(&self.schedule).remove(target).is_some();
        let message = Assign { unset: vec![target_to_wire(target)], ..self.no_change() };
        self.schedule_dirty.notify_one();
        self.sessions.send_all(&SessionResponse { message: Some(Message::Assign(message)) });
        Ok(removed)
    }

    /// Ends an agent's identity; `false` when there is none of this name.
    pub(crate) async fn revoke(&self, agent: &AgentId) -> Result<bool, StoreError> {
        let known = self.store.revoke(agent, self.now()).await?;
        if known {
            self.sessions.revoke(agent);
            self.vantages_changed();
        }
        Ok(known)
    }
}

/// A target as agents are given it.
pub(crate) fn assignment(target: &Target, interval: Duration) -> Assignment {
    Assignment {
        target: Some(target_to_wire(target)),
        interval_ms: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX),
    }
}

/// Logs a failure of the store once and makes the answer a caller gets.
pub(crate) fn store_failed(operation: &'static str, error: &StoreError) -> Status {
    metrics::counter!("parallax_store_failures_total").increment(1);
    tracing::error!(operation, error = error as &dyn std::error::Error, "the store failed");
    match error {
        full if full.is_full() => {
            Status::resource_exhausted("the aggregator's disk is full; keep the results and try again")
        }
        StoreError::BatchRange { .. } => Status::out_of_range("results.first_seq is too large"),
        _ => Status::unavailable(format!("the store cannot {operation} now")),
    }
}
