//! One moment: a world with what is true of it. A pure function of a seed and parameters.

use parallax_diagnose::{Change, ChangeKind, Elsewhere, World, WorldOutcome, WorldReports, WorldResult};
use parallax_model::{CauseKind, Scope, Verdict};

use super::chance::Chance;
use super::fault::{Fault, Faults, Kind, contains};
use super::look::{Memory, Scene};
use super::panel::{Habit, Panel};
use super::params::Params;
use super::story::{Harm, Neighbours};

/// Panels that are drawn until one can have the fault that is wanted.
const PANELS: u64 = 200;
/// An observer who knows every parameter is sure from this posterior on.
const ORACLE_SURE: f64 = 0.9;
/// One result moves the oracle by at most so many nats.
const ORACLE_CLIP: f64 = 3.5;
/// Agents of a blip, at most.
const BLIP_AGENTS: usize = 3;
/// Agents that collude.
const COLLUDERS: usize = 5;
/// How often somebody changed something that has nothing to do with it.
const UNRELATED_CHANGE: f64 = 0.08;
/// How often other sites were looked at, and how often those that fail too were among them.
const ELSEWHERE: (f64, f64) = (0.6, 0.75);
/// Shape of report counts.
const REPORT_SHAPE: f64 = 2.0;
/// Reports of a rumour.
const RUMOUR: f64 = 60.0;
/// Milliseconds between rounds.
const ROUND_MS: usize = 60_000;
/// How late a round's results may be, in milliseconds.
const LATE_MS: usize = 20_000;

/// What is true of a world.
#[derive(Debug, Clone)]
pub struct Truth {
    /// What kind of world it is.
    pub kind: Kind,
    /// What should be said.
    pub verdict: Verdict,
    /// Whom it concerns; empty when nothing is broken.
    pub scopes: Vec<Scope>,
    /// How hard each is hit.
    pub strengths: Vec<f64>,
    /// Why, where that can be known.
    pub cause: Option<CauseKind>,
    /// How sure an observer would be who knows fault, strengths and agents, and asks only whether it is there.
    pub oracle: f64,
}

impl Truth {
    /// Whether even the oracle cannot tell, so that "unknown" is right.
    pub fn is_unsure(&self) -> bool {
        self.oracle < ORACLE_SURE
    }

    /// Whether a verdict is right.
    pub fn is_right(&self, verdict: Verdict) -> bool {
        verdict == self.verdict || verdict == Verdict::Unknown && self.is_unsure()
    }
}

/// A world and what is true of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The seed it was made of.
    pub seed: u64,
    /// What is seen.
    pub world: World,
    /// What is so.
    pub truth: Truth,
}

/// The case of a seed; its lowest 28 bits say whose turn it is in the mix of kinds.
pub fn snapshot(seed: u64, params: &Params) -> Case {
    let index = u32::try_from(seed & 0x0fff_ffff).unwrap_or(0);
    snapshot_of(seed, params, if params.plain { Kind::plain_turn(index) } else { Kind::turn(index) })
}

/// The case of a seed, of this kind.
pub fn snapshot_of(seed: u64, params: &Params, kind: Kind) -> Case {
    let source = Chance::new(seed);
    let params = if kind == Kind::FewAgents {
        &Params { agents: 2 + source.fork(1).below(6), ..params.clone() }
    } else {
        params
    };
    for attempt in 0..PANELS {
        let chance = &mut source.fork(2 + attempt);
        let mut panel = Panel::draw(params, chance);
        let faults = Faults { params, panel: &mut panel, chance }.of(kind);
        if let Some(faults) = faults {
            return case(seed, params, (kind, faults, panel), chance);
        }
    }
    snapshot_of(seed, params, Kind::Healthy)
}

/// The case in which exactly this is broken.
pub(super) fn case(
    seed: u64,
    params: &Params,
    (kind, faults, panel): (Kind, Vec<Fault>, Panel),
    chance: &mut Chance,
) -> Case {
    let mut scene = Scene {
        faults,
        missing: chance.between(params.missing.0, params.missing.1),
        stickiness: params.stickiness,
        remembers: params.remembers,
        ..Scene::default()
    };
    if chance.happens(params.blip) {
        scene.blip = neighbours(&panel, BLIP_AGENTS, true, chance);
    }
    if chance.happens(params.collusion) {
        scene.colluding = neighbours(&panel, COLLUDERS, false, chance);
    }
    let mut world = World {
        id: format!("{seed:016x}"),
        agents: panel.agents.iter().map(|a| a.shown.clone()).collect(),
        ..World::default()
    };
    let mut oracle = Oracle::default();
    for index in 0..panel.agents.len() {
        let mut memory = Memory::new();
        for round in (0..params.rounds as usize).rev() {
            let Some(mut result) = scene.look(&panel, index, &mut memory, chance) else { continue };
            result.age_ms = Some((round * ROUND_MS + chance.below(LATE_MS)) as u64);
            result.attempt = Some(params.rounds - u32::try_from(round).unwrap_or(0));
            oracle.hear(&panel, index, &scene.faults, &result);
            world.results.push(result);
        }
    }
    surroundings(&mut world, &scene.faults, chance);
    world.reports = Some(reports(&panel, &scene.faults, params, chance));
    let posterior = match kind {
        Kind::Healthy => 1.0,
        Kind::FewAgents => 0.5,
        _ => oracle.posterior(params),
    };
    Case { seed, world, truth: truth(kind, &scene.faults, posterior) }
}

fn truth(kind: Kind, faults: &[Fault], oracle: f64) -> Truth {
    let cause = faults.first().and_then(Fault::cause).filter(|_| faults.len() == 1);
    let refuses = !faults.is_empty() && faults.iter().all(|f| f.story.harm == Harm::Refuses);
    Truth {
        kind,
        verdict: if refuses { Verdict::Blocked } else { kind.verdict() },
        scopes: faults.iter().map(|f| f.scope.clone()).collect(),
        strengths: faults.iter().map(|f| f.strength).collect(),
        cause,
        oracle,
    }
}

/// Up to `most` agents of one network (and of one region of it).
fn neighbours(panel: &Panel, most: usize, one_region: bool, chance: &mut Chance) -> Vec<usize> {
    let somebody = &chance.one_of(&panel.agents).place;
    let near = |place: &Scope| place.asn == somebody.asn && (!one_region || place.region == somebody.region);
    (0..panel.agents.len()).filter(|n| near(&panel.agents[*n].place)).take(most).collect()
}

/// Changes and other sites, with those that have nothing to do with it.
fn surroundings(world: &mut World, faults: &[Fault], chance: &mut Chance) {
    let kinds = [ChangeKind::Dns, ChangeKind::Certificate, ChangeKind::Deploy, ChangeKind::Cdn];
    for (what, share) in faults.iter().filter_map(|f| f.story.change) {
        if chance.happens(share) {
            world.changes.push(Change { what, ago_s: chance.between(30.0, 900.0) });
        }
    }
    if chance.happens(UNRELATED_CHANGE) {
        let what = *chance.one_of(&kinds);
        world.changes.push(Change { what, ago_s: chance.between(30.0, 3_000.0) });
    }
    if !chance.happens(ELSEWHERE.0) {
        return;
    }
    let mut share = |wanted: Neighbours| {
        let concerned = faults.iter().any(|f| f.story.neighbours == wanted) && chance.happens(ELSEWHERE.1);
        Some(if concerned { chance.between(0.25, 0.9) } else { chance.between(0.0, 0.06) })
    };
    world.elsewhere = Some(Elsewhere {
        same_asn_failing: share(Neighbours::Network),
        same_pop_failing: share(Neighbours::Pop),
        same_host_failing: Some(chance.between(0.0, 0.06)),
    });
}

/// Reports follow how many are affected; now and then a rumour does without.
fn reports(panel: &Panel, faults: &[Fault], params: &Params, chance: &mut Chance) -> WorldReports {
    let expected = panel.site.reports;
    let hurt = |f: &Fault| f.story.harm == Harm::Fails;
    let share = |f: &Fault| {
        let inside = panel.agents.iter().filter(|a| contains(&f.scope, &a.place)).count();
        f.strength * inside as f64 / panel.agents.len().max(1) as f64
    };
    let affected = faults.iter().filter(|f| hurt(f)).map(share).sum::<f64>().min(1.0);
    let mut mean = expected * (1.0 + 15.0 * affected);
    if chance.happens(params.rumour) {
        mean += RUMOUR;
    }
    let problem = chance.negative_binomial(mean, REPORT_SHAPE);
    let mut by_asn = std::collections::BTreeMap::new();
    let weight = |place: &Scope| {
        let hit = faults.iter().filter(|f| hurt(f) && contains(&f.scope, place));
        1.0 + 15.0 * hit.map(|f| f.strength).sum::<f64>()
    };
    let weights: Vec<f64> = panel.agents.iter().map(|a| weight(&a.place)).collect();
    for _ in 0..problem {
        if let Some(asn) = panel.agents[chance.weighted(&weights)].place.asn {
            *by_asn.entry(asn).or_default() += 1;
        }
    }
    WorldReports {
        problem,
        works: chance.poisson(expected / 3.0),
        expected,
        by_asn,
        ..WorldReports::default()
    }
}

/// An observer who knows what is broken, how hard, and how every agent is; asked only "is it there?".
#[derive(Debug, Default)]
struct Oracle {
    nats: f64,
}

impl Oracle {
    fn hear(&mut self, panel: &Panel, index: usize, faults: &[Fault], result: &WorldResult) {
        let agent = &panel.agents[index];
        if agent.habit != Habit::Honest {
            return;
        }
        let slow = result.ttfb_ms.zip(Some(agent.first_byte_ms)).is_some_and(|(ms, usual)| ms > 3.0 * usual);
        let slows = faults.iter().any(|f| f.story.harm == Harm::Slows);
        let yes = if slows { slow } else { result.outcome != WorldOutcome::Ok };
        let passes: f64 =
            faults.iter().filter(|f| contains(&f.scope, &agent.place)).map(|f| 1.0 - f.strength).product();
        let without = if slows { 0.01 } else { agent.rate };
        let with = 1.0 - (1.0 - without) * passes;
        let ratio = if yes { with / without } else { (1.0 - with) / (1.0 - without) };
        self.nats += ratio.max(1e-9).ln().clamp(-ORACLE_CLIP, ORACLE_CLIP);
    }

    /// Even odds before; results of one agent repeat each other in part.
    fn posterior(&self, params: &Params) -> f64 {
        let repeats = 1.0 + f64::from(params.rounds.saturating_sub(1)) * params.stickiness;
        1.0 / (1.0 + (-self.nats / repeats).exp())
    }
}
