//! One probe: what an agent sees of a site, and what it says of that.

use parallax_diagnose::{CertProblem, WorldOutcome, WorldResult};
use parallax_model::{
    AgentFailure, BeaconState, FailureKind, HttpFailure, Protocol, RetryOutcome, Scope, StatusCode,
    TlsFailure,
};

use super::chance::Chance;
use super::fault::{Fault, OLD_ADDRESS, contains};
use super::panel::{Agent, Habit, Panel};
use super::story::{Harm, Story};

/// What agents that fail by themselves see, by weight.
const OWN_FAILURES: [(&str, f64); 5] = [
    ("connect-timeout", 0.4),
    ("http-timeout", 0.25),
    ("dns-timeout", 0.15),
    ("tls-reset", 0.1),
    ("connect-unreachable", 0.1),
];
/// What liars say they see.
const LIES: [(&str, f64); 2] = [("connect-timeout", 0.5), ("http-502", 0.5)];
/// How often a second try passes after a failure of one's own.
const OWN_RETRY_PASSES: f64 = 0.6;
/// How often an agent of a blip fails.
const BLIP_STRENGTH: f64 = 0.9;
/// How often a failing probe's retry is known.
const RETRIED: f64 = 0.95;
/// How often a tie-breaking probe was made.
const LOOKED: f64 = 0.5;
/// How often the usual time to the first byte is known.
const USUAL_KNOWN: f64 = 0.9;
/// Slow answers take at least this long, in milliseconds.
const SLOW_MS: (f64, f64) = (2_200.0, 6_000.0);
/// Limits that gateways wait for, in milliseconds.
const LIMITS_MS: [f64; 3] = [15_000.0, 30_000.0, 60_000.0];

/// What goes on around the panel.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// What is broken now.
    pub faults: Vec<Fault>,
    /// Agents (by number) that fail for reasons they share among themselves.
    pub blip: Vec<usize>,
    /// Agents (by number) that have agreed to say "fails".
    pub colluding: Vec<usize>,
    /// Agents (by number) of which nothing is heard.
    pub silent: Vec<usize>,
    /// Share of results that never come.
    pub missing: f64,
    /// Share of rounds in which an agent sees what it saw before.
    pub stickiness: f64,
    /// Share of failing results of which the way is known from before.
    pub remembers: f64,
}

/// What an agent saw last of each fault: faults are sticky.
pub type Memory = Vec<bool>;

/// What happened to one probe before anybody said anything.
enum Sight<'a> {
    Fine(f64),
    Slow,
    Hit(&'a Story),
    Own,
}

impl Scene {
    /// What one agent says of one probe; `None` when nothing is heard of it.
    pub fn look(
        &self,
        panel: &Panel,
        index: usize,
        memory: &mut Memory,
        chance: &mut Chance,
    ) -> Option<WorldResult> {
        let agent = &panel.agents[index];
        let sight = self.sight(agent, index, memory, chance);
        let lies = agent.habit == Habit::AlwaysFail || self.colluding.contains(&index);
        let mut said = match (agent.habit, sight) {
            (Habit::Offline, _) => offline(agent, chance),
            (Habit::AlwaysOk, _) => fine(agent, panel.site.cdn, 1.0, chance),
            (Habit::Refused, _) => {
                let mut said = failed(agent, "blocked-challenge", chance);
                said.retry = None;
                said
            }
            (_, _) if lies => failed(agent, drawn(&LIES, chance), chance),
            (_, Sight::Hit(story)) => hit(agent, story, chance),
            (_, Sight::Own) => {
                let mut said = failed(agent, drawn(&OWN_FAILURES, chance), chance);
                said.retry = retry(OWN_RETRY_PASSES, chance);
                said
            }
            (_, Sight::Slow) => slow(agent, panel.site.cdn, chance),
            (_, Sight::Fine(slows)) => fine(agent, panel.site.cdn, slows, chance),
        };
        if chance.happens(self.remembers) {
            said.pop.clone_from(&agent.place.pop);
            said.address = agent.place.address;
            said.protocol = agent.place.protocol;
        }
        let lost = if said.outcome == WorldOutcome::Ok { self.missing } else { 2.0 * self.missing };
        (!chance.happens(lost) && !self.silent.contains(&index)).then_some(said)
    }

    fn sight(&self, agent: &Agent, index: usize, memory: &mut Memory, chance: &mut Chance) -> Sight<'static> {
        let sticks = chance.happens(self.stickiness);
        let known = memory.len() == self.faults.len();
        let before = std::mem::take(memory);
        let (mut slow, mut refused, mut failed, mut slows) = (false, None, None, 1.0_f64);
        for (n, fault) in self.faults.iter().enumerate() {
            let inside = contains(&fault.scope, &agent.place);
            let drawn = chance.happens(fault.strength);
            let hits = if sticks && known { before[n] } else { inside && drawn };
            memory.push(hits);
            let harm = fault.story.harm;
            slow |= hits && harm == Harm::Slows;
            refused = refused.or_else(|| (hits && harm == Harm::Refuses).then_some(fault.story));
            failed = failed.or_else(|| (hits && harm == Harm::Fails).then_some(fault.story));
            if inside && harm == Harm::Fails {
                slows *= chance.between(fault.story.slows.0, fault.story.slows.1);
            }
        }
        let own = chance.happens(agent.rate) || self.blip.contains(&index) && chance.happens(BLIP_STRENGTH);
        match (failed, refused) {
            (Some(story), _) => Sight::Hit(story),
            _ if own => Sight::Own,
            (None, Some(story)) => Sight::Hit(story),
            _ if slow => Sight::Slow,
            _ => Sight::Fine(slows),
        }
    }
}

/// Everything that is known of a probe whatever it sees.
fn blank(agent: &Agent, outcome: WorldOutcome, chance: &mut Chance) -> WorldResult {
    let usual = agent.first_byte_ms;
    WorldResult {
        address: agent.place.address,
        family: agent.place.family,
        resolver: agent.place.resolver.clone(),
        ttfb_usual_ms: chance.happens(USUAL_KNOWN).then_some(usual),
        ..WorldResult::new(agent.shown.agent.clone(), outcome)
    }
}

fn fine(agent: &Agent, cdn: bool, slows: f64, chance: &mut Chance) -> WorldResult {
    let mut said = blank(agent, WorldOutcome::Ok, chance);
    said.status = StatusCode::new(200).ok();
    said.pop.clone_from(&agent.place.pop);
    said.protocol = agent.place.protocol;
    said.emitter = Some(if cdn { "cloudflare" } else { "nginx" }.to_owned());
    said.ttfb_ms = Some(chance.log_normal(agent.first_byte_ms * slows, 0.2));
    said.beacon = Some(BeaconState::Untested);
    said
}

fn slow(agent: &Agent, cdn: bool, chance: &mut Chance) -> WorldResult {
    let times = chance.between(3.5, 10.0);
    let least = chance.between(SLOW_MS.0, SLOW_MS.1);
    let mut said = fine(agent, cdn, 1.0, chance);
    said.ttfb_ms = Some((agent.first_byte_ms * times).max(least));
    said
}

fn offline(agent: &Agent, chance: &mut Chance) -> WorldResult {
    let says_so = chance.happens(0.5);
    let mut said = failed(agent, "connect-unreachable", chance);
    if says_so {
        said.outcome = WorldOutcome::Failed(FailureKind::Agent(AgentFailure::Offline));
    }
    said.beacon = Some(BeaconState::Failed);
    said
}

fn hit(agent: &Agent, story: &Story, chance: &mut Chance) -> WorldResult {
    let mut said = failed(agent, drawn(story.sees, chance), chance);
    let status = said.status.map(StatusCode::get);
    if said.status.is_some() {
        said.emitter = Some((*chance.one_of(story.signs)).to_owned());
        said.kind = story.page.filter(|(_, share)| chance.happens(*share)).map(|(page, _)| page.to_owned());
    }
    said.retry = retry(story.retry_passes, chance);
    if status == Some(503) && chance.happens(story.retry_after) {
        said.retry_after = Some(*chance.one_of(&[30.0, 60.0, 300.0, 3_600.0]));
    }
    if said.status.is_some() && chance.happens(LOOKED) {
        said.static_ok = Some(story.static_works.is_some_and(|share| chance.happens(share)));
    }
    if is_about_certificate(said.outcome) && chance.happens(0.8) {
        said.cert_problem = Some(CertProblem::Named(said.outcome.to_string().replace("tls-", "")));
    }
    said
}

/// A failing probe: what stage it came to decides what is known of it.
fn failed(agent: &Agent, word: &str, chance: &mut Chance) -> WorldResult {
    let outcome: WorldOutcome = word.parse().expect("stories speak the vocabulary, a test checks it");
    let WorldOutcome::Failed(kind) = outcome else { return blank(agent, outcome, chance) };
    let mut said = blank(agent, outcome, chance);
    said.beacon = Some(BeaconState::Ok);
    said.retry = Some(RetryOutcome::Fail);
    let place: &Scope = &agent.place;
    match kind {
        FailureKind::Dns(_) => said.address = None,
        FailureKind::Quic(_) => said.protocol = Some(Protocol::H3),
        FailureKind::Http(HttpFailure::Status(code)) => {
            said.status = Some(code);
            said.pop.clone_from(&place.pop);
            said.protocol = place.protocol;
            said.error_ms = Some(error_ms(agent, code.get(), chance));
        }
        FailureKind::Http(HttpFailure::RedirectLoop) | FailureKind::Blocked(_) => {
            said.status = StatusCode::new(if kind.is_blocked() { 403 } else { 302 }).ok();
            said.pop.clone_from(&place.pop);
            said.protocol = place.protocol;
        }
        FailureKind::Http(_) => said.protocol = place.protocol,
        FailureKind::Connect(_) | FailureKind::Tls(_) | FailureKind::Agent(_) => {}
    }
    if said.address.is_some() {
        said.address_current = chance.happens(LOOKED).then_some(place.address != Some(OLD_ADDRESS));
    }
    said
}

/// Gateways that waited answer at a round limit; those that were refused answer at once.
fn error_ms(agent: &Agent, status: u16, chance: &mut Chance) -> f64 {
    match status {
        504 => chance.one_of(&LIMITS_MS) * chance.between(1.0, 1.01),
        524 => 100_000.0 * chance.between(1.0, 1.01),
        522 => chance.between(15_000.0, 20_000.0),
        _ => chance.log_normal(agent.first_byte_ms * 0.8, 0.3),
    }
}

fn retry(passes: f64, chance: &mut Chance) -> Option<RetryOutcome> {
    let works = chance.happens(passes);
    chance.happens(RETRIED).then_some(if works { RetryOutcome::Ok } else { RetryOutcome::Fail })
}

fn is_about_certificate(outcome: WorldOutcome) -> bool {
    let WorldOutcome::Failed(FailureKind::Tls(kind)) = outcome else { return false };
    matches!(
        kind,
        TlsFailure::Expired | TlsFailure::NameMismatch | TlsFailure::Untrusted | TlsFailure::SelfSigned
    )
}

fn drawn(list: &[(&'static str, f64)], chance: &mut Chance) -> &'static str {
    let weights: Vec<f64> = list.iter().map(|(_, weight)| *weight).collect();
    list[chance.weighted(&weights)].0
}
