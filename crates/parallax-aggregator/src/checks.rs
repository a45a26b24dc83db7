//! Checks: one question, a panel of agents, now. Identical questions join the running check; a check that is less than a wave old
//! answers again instead of sending new probes.
//!
//! A check is asked in two waves, 40 agents at most. The first is spread; the second goes to those about whom the two best answers
//! differ, and only where the first decided nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parallax_model::{AgentId, CheckId, Host, Port, ProbeResult, Target, UnixMicros, Vantage};
use parallax_runtime::{Clock, Tasks};
use rand::Rng as _;
use tokio::sync::{broadcast, mpsc};

use crate::budget::{Budget, Met, WAVE_INTERVAL};
use crate::panel::{MAX_PANEL, Near};
use crate::read::{CheckEvent, CheckRefusal, CheckStream};
use crate::sessions::Sessions;
use crate::snapshot::Snapshot;
use run::Run;

mod run;

/// A name is scouted when nobody asked for it in this time.
const SCOUT_MEMORY: Duration = Duration::from_hours(24);
/// Events a slow reader of a check may be behind before it is dropped.
const EVENTS: usize = 256;
/// Rows of one check that may wait for their turn: of each agent twice what it has seen so far and once its answer, and some more.
const ROWS: usize = 4 * MAX_PANEL;
/// Checks kept in memory, running and over: more than a minute can start; older ones are read from the store.
const MAX_CHECKS: usize = 1_024;

/// What an agent says of a check.
#[derive(Debug)]
struct Row {
    agent: AgentId,
    vantage: Arc<Vantage>,
    result: Arc<ProbeResult>,
    stands: Stands,
}

/// Whether more will come of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// It goes on: this is what it has seen until now.
    SoFar,
    /// This is its answer.
    ForGood,
}

#[derive(Debug)]
struct Check {
    target: Target,
    started_at: UnixMicros,
    past: Vec<Arc<CheckEvent>>,
    live: Option<broadcast::Sender<Arc<CheckEvent>>>,
    rows: mpsc::Sender<Row>,
    /// The addresses that were met.
    met: Vec<Met>,
}

#[derive(Debug, Default)]
struct State {
    checks: BTreeMap<CheckId, Check>,
    latest: BTreeMap<Target, (CheckId, UnixMicros)>,
    /// When a host and port got a second wave, within the last [`WAVE_INTERVAL`].
    second_waves: BTreeMap<(Host, Port), UnixMicros>,
    budget: Budget,
}

/// What checks need of the rest.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// Who can be asked.
    pub sessions: Sessions,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who owns the checks' tasks.
    pub tasks: Tasks,
    /// What is published: whether our own side is in order.
    pub snapshot: Snapshot,
}

/// Every check of this process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Checks {
    // A std mutex: held for map operations only, never across an await.
    state: Arc<Mutex<State>>,
    around: Surroundings,
    rng: Arc<Mutex<parallax_runtime::Rng>>,
    ended: mpsc::Sender<EndedCheck>,
}

/// A check that is over, on its way to the store.
#[derive(Debug)]
pub(crate) struct EndedCheck {
    /// Which.
    pub id: CheckId,
    /// What was probed.
    pub target: Target,
    /// When it began.
    pub at: UnixMicros,
    /// All its events.
    pub events: Vec<Arc<CheckEvent>>,
}

impl Checks {
    /// No checks yet. Ended ones are handed to `ended`.
    pub(crate) fn new(
        around: Surroundings,
        rng: parallax_runtime::Rng,
        ended: mpsc::Sender<EndedCheck>,
    ) -> Self {
        Self { state: Arc::default(), around, rng: Arc::new(Mutex::new(rng)), ended }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> UnixMicros {
        UnixMicros(self.around.clock.now_micros())
    }

    /// Whether a check of this target would be no new one now.
    pub(crate) fn is_joined(&self, target: &Target) -> bool {
        let latest = self.state().latest.get(target).copied();
        latest.is_some_and(|(_, at)| within(at, self.now(), WAVE_INTERVAL))
    }

    /// Starts a check of a target, or joins one that runs or ended within the last [`WAVE_INTERVAL`].
    pub(crate) fn start(&self, target: Target, near: &Near) -> Result<CheckStream, CheckRefusal> {
        let now = self.now();
        let (id, salt): (u128, u64) = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            (rng.random(), rng.random())
        };
        let mut state = self.state();
        let latest = state.latest.get(&target).copied();
        if let Some((id, _)) = latest.filter(|(_, at)| within(*at, now, WAVE_INTERVAL)) {
            return state.checks.get(&id).map(|c| stream(id, c, true)).ok_or_else(|| CheckRefusal::Busy {
                what: target.host.to_string(),
                retry_after: WAVE_INTERVAL,
            });
        }
        state.budget.charge(&target, now)?;
        // A name that was checked lately leads where it led then; whether that may be met so often is asked anew.
        let known = latest.filter(|(_, at)| within(*at, now, SCOUT_MEMORY));
        let met = known.and_then(|(id, _)| state.checks.get(&id)).map(|check| check.met.clone());
        let met = met.filter(|met| !met.is_empty());
        let scouted = met.is_some_and(|met| state.budget.charge_wave(&met, now));
        let id = CheckId(id);
        let (rows, inbox) = mpsc::channel(ROWS);
        let (live, _) = broadcast::channel(EVENTS);
        state.latest.insert(target.clone(), (id, now));
        let check = Check {
            target: target.clone(),
            started_at: now,
            past: Vec::new(),
            live: Some(live),
            rows,
            met: Vec::new(),
        };
        state.checks.insert(id, check);
        forget_oldest(&mut state);
        let run = Run::new(self.clone(), (id, target), (now, salt), near);
        run.announce(&mut state);
        let joined = state.checks.get(&id).map(|c| stream(id, c, false));
        drop(state);
        self.around.tasks.spawn("check", run.go(inbox, scouted));
        joined
            .ok_or_else(|| CheckRefusal::Busy { what: "this service".to_owned(), retry_after: WAVE_INTERVAL })
    }

    /// A check of this process by its id.
    pub(crate) fn find(&self, id: CheckId) -> Option<CheckStream> {
        self.state().checks.get(&id).map(|c| stream(id, c, true))
    }

    /// Hands a result to the check that asked for it. Late or unasked results are dropped: they count in the window all the same.
    pub(crate) fn deliver(
        &self,
        id: CheckId,
        agent: &AgentId,
        vantage: &Arc<Vantage>,
        result: &Arc<ProbeResult>,
    ) {
        self.hand(id, (agent, vantage), Arc::clone(result), Stands::ForGood);
    }

    /// Hands what an agent has seen so far to the check that asked for it.
    pub(crate) fn deliver_so_far(
        &self,
        id: CheckId,
        agent: &AgentId,
        vantage: &Arc<Vantage>,
        result: ProbeResult,
    ) {
        self.hand(id, (agent, vantage), Arc::new(result), Stands::SoFar);
    }

    fn hand(
        &self,
        id: CheckId,
        (agent, vantage): (&AgentId, &Arc<Vantage>),
        result: Arc<ProbeResult>,
        stands: Stands,
    ) {
        let rows = self.state().checks.get(&id).map(|c| c.rows.clone());
        if let Some(rows) = rows {
            // Full only when an agent says more often than it should what it was asked once; the surplus is no loss.
            drop(rows.try_send(Row { agent: agent.clone(), vantage: Arc::clone(vantage), result, stands }));
        }
    }

    /// Whether a host and port may get a second wave now; noted when it may. Two of them stand as far apart as two first ones, so that
    /// no 60 s see more than a whole panel.
    fn may_ask_again(&self, target: &Target) -> bool {
        let now = self.now();
        let mut state = self.state();
        state.second_waves.retain(|_, at| within(*at, now, WAVE_INTERVAL));
        let place = (target.host.clone(), target.port);
        let free = !state.second_waves.contains_key(&place);
        if free {
            state.second_waves.insert(place, now);
        }
        free
    }

    /// Whether a check that met these addresses may ask its whole panel now; charged when it may.
    fn may_ask_all(&self, met: &[Met]) -> bool {
        let now = self.now();
        self.state().budget.charge_wave(met, now)
    }

    /// Notes that a check met an address.
    fn note_met(&self, id: CheckId, met: &[Met]) {
        if let Some(check) = self.state().checks.get_mut(&id) {
            check.met = met.to_vec();
        }
    }

    fn is_running(&self, id: CheckId) -> bool {
        self.state().checks.get(&id).is_some_and(|check| check.live.is_some())
    }

    fn emit(&self, id: CheckId, event: CheckEvent) {
        let mut state = self.state();
        if let Some(check) = state.checks.get_mut(&id) {
            push(check, event);
        }
    }
}

fn push(check: &mut Check, event: CheckEvent) {
    let event = Arc::new(event);
    check.past.push(Arc::clone(&event));
    let over = matches!(*event, CheckEvent::Done { .. });
    if let Some(live) = &check.live {
        // No receiver is no error: nobody watches.
        drop(live.send(event));
    }
    if over {
        check.live = None;
    }
}

fn stream(id: CheckId, check: &Check, joined: bool) -> CheckStream {
    let live = check.live.as_ref().map(broadcast::Sender::subscribe);
    CheckStream::new((id, check.target.clone(), joined), check.past.clone(), live)
}

fn within(then: UnixMicros, now: UnixMicros, span: Duration) -> bool {
    now.since(then) < u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Keeps the number of checks bounded: the oldest that are over go first (the store has them).
fn forget_oldest(state: &mut State) {
    if state.checks.len() <= MAX_CHECKS {
        return;
    }
    let over = state.checks.iter().filter(|(_, c)| c.live.is_none());
    if let Some(id) = over.min_by_key(|(_, c)| c.started_at).map(|(id, _)| *id) {
        state.checks.remove(&id);
    }
    let State { checks, latest, .. } = state;
    latest.retain(|_, (id, _)| checks.contains_key(id));
}

#[cfg(test)]
mod tests;
