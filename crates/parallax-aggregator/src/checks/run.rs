//! One check while it runs: whom it asks, what it says, when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parallax_diagnose::{
    Analysis, Subject, World, WorldOutcome, WorldResult, analyse, decided, is_bad, judge, next_probes,
    observe,
};
use parallax_model::{
    AgentId, CheckId, Confidence, ConnectFailure, Diagnosis, FailureKind, HttpFailure, Layer, Micros,
    NetworkKind, ProbeResult, Scope, Target, UnixMicros, Vantage, Verdict,
};
use parallax_proto::v1::agent::{ProbeNow, SessionResponse, session_response::Message};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Checks, EndedCheck, Row, Stands, State, push};
use crate::budget::Met;
use crate::panel::{FIRST_WAVE, MAX_PANEL, Near, SCOUTS, SECOND_WAVE, pick};
use crate::read::{CheckEvent, CheckRow, PanelMember};
use crate::window::{world_agent, world_result};

/// A check ends at the latest after this, whoever has not answered.
pub(super) const CHECK_DEADLINE: Duration = Duration::from_secs(20);
/// After this long without a verdict it is said how many answers are missing.
const PROVISIONAL_AFTER: Duration = Duration::from_millis(1_300);
/// The most that is claimed while the verdict rests on agents that still wait: one round says "looks", the second one "is".
const LOOKS: f64 = 0.89;
/// Who waits for an answer no longer than this many times what is usual there, waits for nothing unusual.
const USUAL_TIMES: u32 = 3;
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
    answered: BTreeSet<AgentId>,
    /// Who has not answered and said what it has seen so far; that stands in the world until its answer comes.
    waiting: BTreeSet<AgentId>,
    /// The addresses that were met.
    met: Vec<Met>,
    /// Whether the scouts' word is waited for although it is late.
    patient: bool,
    /// How long the site's first byte usually takes, where that is known.
    usual: Option<Micros>,
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
        let usual = usual_first_byte(&checks, &target);
        Self {
            checks,
            id,
            target,
            started_at,
            panel,
            reserve,
            asked: 0,
            world,
            answered: BTreeSet::new(),
            waiting: BTreeSet::new(),
            met: Vec::new(),
            patient: false,
            usual,
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

    /// Asks the whole panel where the scouts' findings allow that; else their word is all there is (threat T10).
    fn ask_all(&mut self) {
        if self.checks.may_ask_all(&self.met) {
            self.ask(usize::MAX);
        } else if self.heard() == 0 {
            self.patient = true;
        } else {
            self.panel.truncate(self.asked);
            self.world.agents.truncate(self.asked);
            self.reserve.clear();
        }
    }

    /// Notes the address that an agent met.
    fn note(&mut self, seen: &ProbeResult) {
        let edge = seen.emitter.as_ref().is_some_and(|emitter| emitter.layer == Layer::Edge);
        let Some(met) = seen.address.map(|address| Met { address, edge }) else { return };
        // An edge once is an edge: its failures may come from behind it.
        if let Some(known) = self.met.iter_mut().find(|known| known.address == met.address) {
            known.edge |= met.edge;
        } else if self.met.len() < MAX_PANEL {
            self.met.push(met);
        }
        self.checks.note_met(self.id, &self.met);
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
        let _over = Over { checks: self.checks.clone(), id: self.id, start };
        let (scouts_until, speak_at) = (start + SCOUT_HEAD_START, start + PROVISIONAL_AFTER);
        let (mut second_at, deadline) = (start + SECOND_WAVE_AFTER, start + CHECK_DEADLINE);
        self.ask(if scouted { usize::MAX } else { SCOUTS });
        let soft = self.checks.around.tasks.soft().clone();
        while self.answered.len() < self.panel.len() || self.ask_second_wave() {
            let scouting = self.asked < self.panel.len();
            let may_end = self.may_end.unwrap_or(deadline);
            tokio::select! {
                row = inbox.recv() => match row {
                    Some(row) => self.take(row, start),
                    None => break,
                },
                () = tokio::time::sleep_until(scouts_until), if scouting && !self.patient => {}
                () = tokio::time::sleep_until(speak_at), if self.said.is_none() => self.say_what_is_missing(),
                () = tokio::time::sleep_until(second_at), if !self.reserve.is_empty() && !scouting => {
                    let most_answered = 3 * self.heard() >= 2 * self.panel.len();
                    if !(most_answered && self.ask_second_wave()) {
                        second_at = Instant::now() + LOOK_AGAIN;
                    }
                }
                () = tokio::time::sleep_until(may_end) => break,
                () = soft.cancelled() => break,
            }
            if scouting && (self.heard() > 0 || (!self.patient && Instant::now() >= scouts_until)) {
                self.ask_all();
            }
        }
        self.end(start.elapsed()).await;
    }

    /// How many agents said something.
    fn heard(&self) -> usize {
        self.answered.len() + self.waiting.len()
    }

    fn take(&mut self, row: Row, start: Instant) {
        let Row { agent, vantage, result, stands } = row;
        let asked = self.panel.iter().any(|(a, _)| *a == agent) && result.target == self.target;
        if !asked
            || self.answered.contains(&agent)
            || (stands == Stands::SoFar && self.waits_as_usual(&result))
        {
            return;
        }
        self.note(&result);
        self.world.results.retain(|seen| seen.agent != agent);
        if !result.outcome.is_not_applicable() {
            self.world.results.push(world_result(&agent, result.as_ref(), Duration::ZERO));
        }
        let row = Box::new(CheckRow {
            agent: agent.clone(),
            vantage: vantage.as_ref().clone(),
            result: result.as_ref().clone(),
            after: start.elapsed(),
        });
        let event = match stands {
            Stands::SoFar => {
                self.waiting.insert(agent);
                CheckEvent::SoFar(row)
            }
            Stands::ForGood => {
                self.waiting.remove(&agent);
                self.answered.insert(agent);
                CheckEvent::Row(row)
            }
        };
        self.checks.emit(self.id, event);
        let mut found = self.look();
        self.may_end = self.may_end(found.verdict, start);
        if found.verdict == Verdict::Up && self.answered.len() < self.panel.len() {
            // Probes that fail answer later than those that work: they try again first.
            found.sentence = format!("{} looks up so far", self.target.host);
        }
        self.say(found);
    }

    /// Whether an agent that waits for the answer of this site waits no longer than is usual there. Connections have no such habit.
    fn waits_as_usual(&self, seen: &ProbeResult) -> bool {
        let late = seen.outcome.kind() == Some(FailureKind::Http(HttpFailure::Timeout));
        late && self.usual.is_some_and(|usual| seen.phases.total.0 <= usual.0.saturating_mul(USUAL_TIMES))
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
        let found = judge(&self.analysis, &observations, Subject { host: Some(host) });
        if is_bad(found.verdict) && self.rests_on_waiting(&found) { looks(found) } else { found }
    }

    /// Whether what was found is found only because of agents that still wait.
    fn rests_on_waiting(&self, found: &Diagnosis) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let mut settled = self.world.clone();
        settled.results.retain(|seen| !self.waiting.contains(&seen.agent));
        let settled = parallax_diagnose::diagnose(&settled, Subject::default());
        (settled.verdict, settled.scopes) != (found.verdict, found.scopes.clone())
    }

    /// From when on the check may end with this verdict, if it may.
    fn may_end(&self, verdict: Verdict, start: Instant) -> Option<Instant> {
        if !decided(&self.analysis) {
            return None;
        }
        let least = if verdict == Verdict::Up { UP_AFTER } else { STOP_AFTER };
        // Who waits may still be answered: the site is slow then, and not down.
        let stays = match verdict {
            Verdict::Up => self.is_up_whatever_comes(),
            _ => self.waiting.is_empty(),
        };
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

    /// Says a verdict when it is news: another verdict, other scopes, "is" where it was "looks", or the last one with everything in
    /// it. That the first few answers are too few to tell is no news yet; and a doubt is not taken back for "up" and raised again
    /// with every second answer: while somebody fails it stays until everything is in.
    fn say(&mut self, found: Diagnosis) {
        let last = self.answered.len() == self.panel.len();
        let sure = |said: &Diagnosis| said.confidence.get() > LOOKS;
        let doubted = |said: &Diagnosis| said.verdict == Verdict::Unknown && said.failing > 0;
        let news = match &self.said {
            Some(said) if doubted(said) && found.verdict == Verdict::Up && found.failing > 0 => false,
            Some(said) => {
                said.verdict != found.verdict || said.scopes != found.scopes || (!sure(said) && sure(&found))
            }
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
        let found = if self.heard() == 0 {
            let sentence = format!("No answer yet from {asked} of {asked} testers about {host}");
            Diagnosis::unknown(sentence, vec!["answers: none came within 1.3 s".to_owned()])
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
        let done = CheckEvent::Done { took, answered: count(self.answered.len()), asked: count(self.asked) };
        self.checks.emit(self.id, done);
        let events = self.checks.state().checks.get(&self.id).map(|c| c.past.clone()).unwrap_or_default();
        let ended = EndedCheck { id: self.id, target: self.target.clone(), at: self.started_at, events };
        // The keeper of ended checks stops only with the process; the check then lives as long as the process does.
        drop(self.checks.ended.send(ended).await);
    }
}

/// Ends a check for its readers when its task breaks off.
struct Over {
    checks: Checks,
    id: CheckId,
    start: Instant,
}

impl Drop for Over {
    fn drop(&mut self) {
        if self.checks.is_running(self.id) {
            let done = CheckEvent::Done { took: self.start.elapsed(), answered: 0, asked: 0 };
            self.checks.emit(self.id, done);
        }
    }
}

/// What was found with no more confidence than one round gives.
fn looks(mut found: Diagnosis) -> Diagnosis {
    if found.confidence.get() > LOOKS {
        found.confidence = Confidence::new(LOOKS);
        found.sentence = found.sentence.replacen(" is down", " looks down", 1);
    }
    found
}

/// The middle of what the first byte took all who reach the target now.
fn usual_first_byte(checks: &Checks, target: &Target) -> Option<Micros> {
    let site = checks.around.snapshot.site(&target.host).filter(|site| site.target == *target)?;
    let good = site.rows.iter().filter(|row| row.result.outcome.is_ok());
    let mut took: Vec<Micros> = good.filter_map(|row| row.result.phases.first_byte).collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied()
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
