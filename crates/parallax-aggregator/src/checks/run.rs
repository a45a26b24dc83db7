//! One check while it runs: whom it asks, what it says, when it is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parallax_diagnose::{
    Analysis, Subject, World, WorldOutcome, WorldResult, analyse, decided, judge, next_probes, observe,
};
use parallax_model::{
    AgentId, CheckId, ConnectFailure, Diagnosis, FailureKind, NetworkKind, Scope, Target, UnixMicros,
    Vantage, Verdict,
};
use parallax_proto::v1::agent::{ProbeNow, SessionResponse, session_response::Message};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Checks, EndedCheck, Row, State, push};
use crate::panel::{FIRST_WAVE, MAX_PANEL, Near, SCOUTS, SECOND_WAVE, pick};
use crate::read::{CheckEvent, CheckRow, PanelMember};
use crate::window::{world_agent, world_result};

/// A check ends at the latest after this, whoever has not answered.
pub(super) const CHECK_DEADLINE: Duration = Duration::from_secs(20);
/// After this long without a verdict it is said how many answers are missing.
const PROVISIONAL_AFTER: Duration = Duration::from_secs(2);
/// How long the scouts have before the rest of the panel is asked anyway.
const SCOUT_HEAD_START: Duration = Duration::from_millis(800);
/// Who has not answered by now keeps a second wave waiting no longer, when most have …
const SECOND_WAVE_AFTER: Duration = Duration::from_secs(4);
/// … and if not, it is looked at again after this time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A decided check waits for further answers at least until now (diagnosis.md 5.9) …
const STOP_AFTER: Duration = Duration::from_secs(8);
/// … one that finds the site up, and would with all others failing, only until now: those that fail answer late …
const UP_AFTER: Duration = Duration::from_secs(4);
/// … and until nobody answered for so long.
const QUIET: Duration = Duration::from_secs(2);

/// One check while it runs.
pub(super) struct Run {
    checks: Checks,
    id: CheckId,
    target: Target,
    started_at: UnixMicros,
    panel: Vec<(AgentId, Arc<Vantage>)>,
    /// Who could be asked too, spread.
    reserve: Vec<(AgentId, Arc<Vantage>)>,
    /// Of the panel, how many were asked.
    asked: usize,
    world: World,
    answered: usize,
    said: Option<Diagnosis>,
    analysis: Analysis,
    /// From when on the check may end although not all have answered: what it found would hardly change.
    may_end: Option<Instant>,
}

impl Run {
    pub(super) fn new(
        checks: Checks,
        (id, target): (CheckId, Target),
        (started_at, salt): (UnixMicros, u64),
        near: &Near,
    ) -> Self {
        let online = checks.around.sessions.online();
        let candidates: Vec<(AgentId, Vantage)> =
            online.iter().map(|(a, v)| (a.clone(), v.as_ref().clone())).collect();
        let place: BTreeMap<_, _> = online.into_iter().collect();
        let placed = |agents: Vec<AgentId>| -> Vec<(AgentId, Arc<Vantage>)> {
            agents.into_iter().filter_map(|a| place.get(&a).map(|v| (a, Arc::clone(v)))).collect()
        };
        let first = pick(&candidates, FIRST_WAVE, salt, near);
        let rest: Vec<_> = candidates.iter().filter(|(agent, _)| !first.contains(agent)).cloned().collect();
        let reserve = placed(pick(&rest, rest.len(), salt, near));
        let panel = placed(first);
        let world =
            World { agents: panel.iter().map(|(a, v)| world_agent(a, v)).collect(), ..World::default() };
        Self {
            checks,
            id,
            target,
            started_at,
            panel,
            reserve,
            asked: 0,
            world,
            answered: 0,
            said: None,
            analysis: Analysis::default(),
            may_end: None,
        }
    }

    pub(super) fn announce(&self, state: &mut State) {
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

    /// Asks the panel up to its `to`th member.
    fn ask(&mut self, to: usize) {
        let to = to.min(self.panel.len());
        let now = ProbeNow {
            check_id: bytes::Bytes::copy_from_slice(&self.id.0.to_be_bytes()),
            target: Some(parallax_proto::target_to_wire(&self.target)),
            family: 0,
            protocol: 0,
            deadline_ms: u32::try_from(CHECK_DEADLINE.as_millis()).unwrap_or(u32::MAX),
        };
        for (agent, _) in self.panel.iter().take(to).skip(self.asked) {
            let message = SessionResponse { message: Some(Message::ProbeNow(now.clone())) };
            if !self.checks.around.sessions.send(agent, message) {
                tracing::debug!(agent.id = %agent, check.id = %self.id, "an agent of the panel cannot be asked");
            }
        }
        self.asked = self.asked.max(to);
    }

    /// Asks those about whom the two best answers differ, once, where the first wave decided nothing. Returns whether it did.
    fn ask_second_wave(&mut self) -> bool {
        let most = SECOND_WAVE.min(MAX_PANEL.saturating_sub(self.panel.len()));
        let undecided = !self.reserve.is_empty() && most > 0 && !decided(&self.analysis);
        if !undecided || !self.checks.may_ask_again(&self.target) {
            return false;
        }
        let reserve = std::mem::take(&mut self.reserve);
        let places: Vec<(AgentId, Scope)> =
            reserve.iter().map(|(agent, vantage)| (agent.clone(), place(vantage))).collect();
        let wanted = next_probes(&self.analysis, &places, most);
        let picked: Vec<_> = reserve.into_iter().filter(|(agent, _)| wanted.contains(agent)).collect();
        self.world.agents.extend(picked.iter().map(|(agent, vantage)| world_agent(agent, vantage)));
        self.panel.extend(picked);
        self.may_end = None;
        self.ask(usize::MAX);
        true
    }

    /// Asks, collects, says; ends when everybody answered, when more answers would hardly change what was found, or at the deadline.
    pub(super) async fn go(mut self, mut inbox: mpsc::Receiver<Row>, scouted: bool) {
        let start = Instant::now();
        let (scouts_until, speak_at) = (start + SCOUT_HEAD_START, start + PROVISIONAL_AFTER);
        let (mut second_at, deadline) = (start + SECOND_WAVE_AFTER, start + CHECK_DEADLINE);
        self.ask(if scouted { usize::MAX } else { SCOUTS });
        let soft = self.checks.around.tasks.soft().clone();
        while self.answered < self.panel.len() || self.ask_second_wave() {
            let scouting = self.asked < self.panel.len();
            let may_end = self.may_end.unwrap_or(deadline);
            tokio::select! {
                row = inbox.recv() => match row {
                    Some(row) => self.take(row, start),
                    None => break,
                },
                () = tokio::time::sleep_until(scouts_until), if scouting => {}
                () = tokio::time::sleep_until(speak_at), if self.said.is_none() => self.say_what_is_missing(),
                () = tokio::time::sleep_until(second_at), if !self.reserve.is_empty() && !scouting => {
                    let most_answered = 3 * self.answered >= 2 * self.panel.len();
                    if !(most_answered && self.ask_second_wave()) {
                        second_at = Instant::now() + LOOK_AGAIN;
                    }
                }
                () = tokio::time::sleep_until(may_end) => break,
                () = soft.cancelled() => break,
            }
            if scouting && (self.answered > 0 || Instant::now() >= scouts_until) {
                self.ask(usize::MAX);
            }
        }
        self.end(start.elapsed()).await;
    }

    fn take(&mut self, (agent, vantage, result): Row, start: Instant) {
        let asked = self.panel.iter().any(|(a, _)| *a == agent);
        let again = self.world.results.iter().any(|r| r.agent == agent);
        if !asked || again {
            return;
        }
        self.answered += 1;
        if !result.outcome.is_not_applicable() {
            self.world.results.push(world_result(&agent, &result, Duration::ZERO));
        }
        let row = CheckRow {
            agent,
            vantage: vantage.as_ref().clone(),
            result: result.as_ref().clone(),
            after: start.elapsed(),
        };
        self.checks.emit(self.id, CheckEvent::Row(Box::new(row)));
        let mut found = self.look();
        self.may_end = self.may_end(found.verdict, start);
        if found.verdict == Verdict::Up && self.answered < self.panel.len() {
            // Probes that fail answer later than those that work: they try again first.
            found.sentence = format!("{} looks up so far", self.target.host);
        }
        self.say(found);
    }

    /// What the answers so far mean.
    fn look(&mut self) -> Diagnosis {
        let host = &self.target.host;
        let observations = observe(&self.world);
        self.analysis = analyse(&observations);
        if let Some(our_side) = &self.checks.around.snapshot.network().our_side {
            let sentence = format!("We cannot tell how {host} is: our own side has a problem");
            return Diagnosis::unknown(sentence, vec![our_side.sentence.clone()]);
        }
        judge(&self.analysis, &observations, Subject { host: Some(host) })
    }

    /// From when on the check may end with this verdict, if it may.
    fn may_end(&self, verdict: Verdict, start: Instant) -> Option<Instant> {
        if !decided(&self.analysis) {
            return None;
        }
        let least = if verdict == Verdict::Up { UP_AFTER } else { STOP_AFTER };
        let stays = verdict != Verdict::Up || self.is_up_whatever_comes();
        stays.then(|| (start + least).max(Instant::now() + QUIET))
    }

    /// Whether the site would be up if all who have not answered failed.
    fn is_up_whatever_comes(&self) -> bool {
        let mut worst = self.world.clone();
        let answered = |agent: &AgentId| self.world.results.iter().any(|result| result.agent == *agent);
        let silent = self.panel.iter().map(|(agent, _)| agent).filter(|agent| !answered(agent));
        let failed = WorldOutcome::Failed(FailureKind::Connect(ConnectFailure::Timeout));
        worst.results.extend(silent.map(|agent| WorldResult::new(agent.clone(), failed)));
        parallax_diagnose::diagnose(&worst, Subject::default()).verdict == Verdict::Up
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
            self.look()
        };
        self.checks.emit(self.id, CheckEvent::Verdict(Box::new(found.clone())));
        self.said = Some(found);
    }

    async fn end(mut self, took: Duration) {
        let found = if self.panel.is_empty() {
            let sentence =
                format!("We cannot tell whether {} is up: no tester is connected.", self.target.host);
            Diagnosis::unknown(sentence, vec!["testers: none is connected to this service now".to_owned()])
        } else {
            self.look()
        };
        if self.said.as_ref() != Some(&found) {
            self.checks.emit(self.id, CheckEvent::Verdict(Box::new(found.clone())));
            self.said = Some(found);
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let done = CheckEvent::Done { took, answered: count(self.answered), asked: count(self.asked) };
        self.checks.emit(self.id, done);
        let events = self.checks.state().checks.get(&self.id).map(|c| c.past.clone()).unwrap_or_default();
        let ended = EndedCheck { id: self.id, target: self.target.clone(), at: self.started_at, events };
        // The keeper of ended checks stops only with the process; the check then lives as long as the process does.
        drop(self.checks.ended.send(ended).await);
    }
}

/// What is known of an agent before it is asked.
fn place(vantage: &Vantage) -> Scope {
    Scope {
        asn: vantage.asn,
        region: vantage.region.clone(),
        country: vantage.country.clone(),
        network: Some(vantage.network).filter(|kind| *kind != NetworkKind::Unknown),
        ..Scope::default()
    }
}
