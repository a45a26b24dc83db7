//! Checks: one question, a panel of agents, now. Identical questions join the running check; a check that is less than a wave old
//! answers again instead of sending new probes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parallax_diagnose::{Subject, World};
use parallax_model::{AgentId, CheckId, Diagnosis, ProbeResult, Target, UnixMicros, Vantage, Verdict};
use parallax_proto::v1::agent::{ProbeNow, SessionResponse, session_response::Message};
use parallax_runtime::{Clock, Tasks};
use rand::Rng as _;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use crate::budget::{Budget, WAVE_INTERVAL};
use crate::panel::{MAX_PANEL, Near, SCOUTS, pick};
use crate::read::{CheckEvent, CheckRefusal, CheckRow, CheckStream, PanelMember};
use crate::sessions::Sessions;
use crate::window::{world_agent, world_result};

/// A check ends at the latest after this, whoever has not answered.
pub(crate) const CHECK_DEADLINE: Duration = Duration::from_secs(20);
/// After this long without a verdict it is said how many answers are missing.
const PROVISIONAL_AFTER: Duration = Duration::from_secs(2);
/// How long the scouts have before the rest of the panel is asked anyway.
const SCOUT_HEAD_START: Duration = Duration::from_millis(800);
/// A name is scouted when nobody asked for it in this time.
const SCOUT_MEMORY: Duration = Duration::from_hours(24);
/// Events a slow reader of a check may be behind before it is dropped.
const EVENTS: usize = 256;
/// Results of one check that may wait for their turn; more than a panel can send.
const ROWS: usize = 2 * MAX_PANEL;
/// Checks kept in memory, running and over: more than a minute can start; older ones are read from the store.
const MAX_CHECKS: usize = 1_024;

type Row = (AgentId, Arc<Vantage>, Arc<ProbeResult>);

#[derive(Debug)]
struct Check {
    target: Target,
    started_at: UnixMicros,
    past: Vec<Arc<CheckEvent>>,
    live: Option<broadcast::Sender<Arc<CheckEvent>>>,
    rows: mpsc::Sender<Row>,
}

#[derive(Debug, Default)]
struct State {
    checks: BTreeMap<CheckId, Check>,
    latest: BTreeMap<Target, (CheckId, UnixMicros)>,
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
        let busy = |b: crate::budget::Busy| CheckRefusal::Busy { what: b.what, retry_after: b.retry_after };
        state.budget.charge(&target, now).map_err(busy)?;
        let scouted = latest.is_some_and(|(_, at)| within(at, now, SCOUT_MEMORY));
        let id = CheckId(id);
        let (rows, inbox) = mpsc::channel(ROWS);
        let (live, _) = broadcast::channel(EVENTS);
        state.latest.insert(target.clone(), (id, now));
        let check =
            Check { target: target.clone(), started_at: now, past: Vec::new(), live: Some(live), rows };
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
        let rows = self.state().checks.get(&id).map(|c| c.rows.clone());
        if let Some(rows) = rows {
            // Full only when an agent answers twice what it was asked once; the surplus is no loss.
            drop(rows.try_send((agent.clone(), Arc::clone(vantage), Arc::clone(result))));
        }
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

/// One check while it runs.
struct Run {
    checks: Checks,
    id: CheckId,
    target: Target,
    started_at: UnixMicros,
    panel: Vec<(AgentId, Arc<Vantage>)>,
    world: World,
    answered: usize,
    said: Option<Diagnosis>,
}

impl Run {
    fn new(
        checks: Checks,
        (id, target): (CheckId, Target),
        (started_at, salt): (UnixMicros, u64),
        near: &Near,
    ) -> Self {
        let online = checks.around.sessions.online();
        let candidates: Vec<(AgentId, Vantage)> =
            online.iter().map(|(a, v)| (a.clone(), v.as_ref().clone())).collect();
        let place: BTreeMap<_, _> = online.into_iter().collect();
        let picked = pick(&candidates, MAX_PANEL, salt, near).into_iter();
        let panel: Vec<_> = picked.filter_map(|a| place.get(&a).map(|v| (a, Arc::clone(v)))).collect();
        let world =
            World { agents: panel.iter().map(|(a, v)| world_agent(a, v)).collect(), ..World::default() };
        Self { checks, id, target, started_at, panel, world, answered: 0, said: None }
    }

    fn announce(&self, state: &mut State) {
        let member = |(agent, vantage): &(AgentId, Arc<Vantage>)| PanelMember {
            agent: agent.clone(),
            vantage: vantage.as_ref().clone(),
        };
        let panel = self.panel.iter().map(member).collect();
        let event =
            CheckEvent::Started { id: self.id, target: self.target.clone(), panel, at: self.started_at };
        if let Some(check) = state.checks.get_mut(&self.id) {
            push(check, event);
        }
    }

    fn ask(&mut self, from: usize, to: usize) {
        let to = to.min(self.panel.len());
        let now = ProbeNow {
            check_id: bytes::Bytes::copy_from_slice(&self.id.0.to_be_bytes()),
            target: Some(parallax_proto::target_to_wire(&self.target)),
            family: 0,
            protocol: 0,
            deadline_ms: u32::try_from(CHECK_DEADLINE.as_millis()).unwrap_or(u32::MAX),
        };
        for (agent, _) in self.panel.iter().take(to).skip(from) {
            let message = SessionResponse { message: Some(Message::ProbeNow(now.clone())) };
            if !self.checks.around.sessions.send(agent, message) {
                tracing::debug!(agent.id = %agent, check.id = %self.id, "an agent of the panel cannot be asked");
            }
        }
    }

    /// Asks, collects, says; ends when everybody answered or the deadline passed.
    async fn go(mut self, mut inbox: mpsc::Receiver<Row>, scouted: bool) {
        let start = Instant::now();
        let deadline = start + CHECK_DEADLINE;
        let mut asked = if scouted { self.panel.len() } else { SCOUTS.min(self.panel.len()) };
        self.ask(0, asked);
        let soft = self.checks.around.tasks.soft().clone();
        while self.answered < self.panel.len() {
            let (scouts_until, speak_at) = (start + SCOUT_HEAD_START, start + PROVISIONAL_AFTER);
            tokio::select! {
                row = inbox.recv() => match row {
                    Some(row) => self.take(row, start.elapsed()),
                    None => break,
                },
                () = tokio::time::sleep_until(scouts_until), if asked < self.panel.len() => {}
                () = tokio::time::sleep_until(speak_at), if self.said.is_none() => self.say_what_is_missing(),
                () = tokio::time::sleep_until(deadline) => break,
                () = soft.cancelled() => break,
            }
            if asked < self.panel.len() && (self.answered > 0 || Instant::now() >= scouts_until) {
                self.ask(asked, usize::MAX);
                asked = self.panel.len();
            }
        }
        self.end(start.elapsed()).await;
    }

    fn take(&mut self, (agent, vantage, result): Row, after: Duration) {
        let asked = self.panel.iter().any(|(a, _)| *a == agent);
        let again = self.world.results.iter().any(|r| r.agent == agent);
        if !asked || again {
            return;
        }
        self.answered += 1;
        if !result.outcome.is_not_applicable() {
            self.world.results.push(world_result(&agent, &result, Duration::ZERO));
        }
        let row =
            CheckRow { agent, vantage: vantage.as_ref().clone(), result: result.as_ref().clone(), after };
        self.checks.emit(self.id, CheckEvent::Row(Box::new(row)));
        let mut found = parallax_diagnose::diagnose(&self.world, Subject { host: Some(&self.target.host) });
        if found.verdict == Verdict::Up && self.answered < self.panel.len() {
            // Probes that fail answer later than those that work: they try again first.
            found.sentence = format!("{} looks up so far", self.target.host);
        }
        self.say(found);
    }

    /// Says a verdict when it is news: another verdict, other scopes, or the last one with everything in it. That the first few
    /// answers are too few to tell is no news yet.
    fn say(&mut self, found: Diagnosis) {
        let last = self.answered == self.panel.len();
        let news = match &self.said {
            Some(said) => said.verdict != found.verdict || said.scopes != found.scopes,
            None => found.verdict != Verdict::Unknown,
        };
        if news || last {
            self.checks.emit(self.id, CheckEvent::Verdict(Box::new(found.clone())));
            self.said = Some(found);
        }
    }

    /// After two seconds without a verdict people are told what is missing.
    fn say_what_is_missing(&mut self) {
        let (host, asked) = (&self.target.host, self.panel.len());
        let found = if self.answered == 0 {
            let sentence = format!("No answer yet from {asked} of {asked} testers about {host}");
            Diagnosis::unknown(sentence, vec!["answers: none came within 2 s".to_owned()])
        } else {
            parallax_diagnose::diagnose(&self.world, Subject { host: Some(host) })
        };
        self.checks.emit(self.id, CheckEvent::Verdict(Box::new(found.clone())));
        self.said = Some(found);
    }

    async fn end(mut self, took: Duration) {
        let subject = Subject { host: Some(&self.target.host) };
        let found = if self.panel.is_empty() {
            let sentence =
                format!("We cannot tell whether {} is up: no tester is connected.", self.target.host);
            Diagnosis::unknown(sentence, vec!["testers: none is connected to this service now".to_owned()])
        } else {
            parallax_diagnose::diagnose(&self.world, subject)
        };
        if self.said.as_ref() != Some(&found) {
            self.checks.emit(self.id, CheckEvent::Verdict(Box::new(found.clone())));
            self.said = Some(found);
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let done = CheckEvent::Done { took, answered: count(self.answered), asked: count(self.panel.len()) };
        self.checks.emit(self.id, done);
        let events = self.checks.state().checks.get(&self.id).map(|c| c.past.clone()).unwrap_or_default();
        let ended = EndedCheck { id: self.id, target: self.target.clone(), at: self.started_at, events };
        // The keeper of ended checks stops only with the process; the check then lives as long as the process does.
        drop(self.checks.ended.send(ended).await);
    }
}
