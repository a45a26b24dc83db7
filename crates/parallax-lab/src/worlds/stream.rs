//! Hours of one site: every agent probes once a minute at its own second, faults come and go, agents fall silent.

use std::collections::VecDeque;

use parallax_diagnose::{World, WorldOutcome, WorldResult};

use super::chance::Chance;
use super::fault::{Fault, Faults, Kind};
use super::look::{Memory, Scene};
use super::panel::Panel;
use super::params::Params;

/// Panels that are drawn until one can have the fault that is wanted.
const PANELS: u64 = 200;
/// Seconds between two probes of one agent.
pub const INTERVAL_S: u32 = 60;
/// Results of one agent that count at once.
const ROUNDS: usize = 3;
/// Minutes between blips, on average.
const BLIP_EVERY_MIN: f64 = 120.0;
/// How long a blip lasts, in minutes.
const BLIP_MIN: (f64, f64) = (2.0, 15.0);
/// Minutes between silences, on average: a whole network's agents vanish.
const SILENCE_EVERY_MIN: f64 = 360.0;
/// How long a silence lasts, in minutes.
const SILENCE_MIN: (f64, f64) = (3.0, 20.0);
/// Agents of a blip, at most.
const BLIP_AGENTS: usize = 3;
/// Minutes of calm before the fault.
const BEFORE_MIN: u32 = 10;
/// Minutes that are watched after it.
const AFTER_MIN: u32 = 15;
/// Results that a known past counts as.
const HISTORY: f64 = 500.0;
/// What is believed of agents without a past: a rate of failures, and how many results that counts as.
const NEWCOMER: (f64, f64) = (0.02, 20.0);
/// Results after which a past is halved, so that agents can change.
const MEMORY: f64 = 2_000.0;
/// A fault's length: median, deviation of the logarithm, bounds; in minutes.
const LENGTH_MIN: (f64, f64, f64, f64) = (12.0, 0.6, 6.0, 40.0);

/// How a fault goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// At once and all the time.
    Step,
    /// Over five minutes, then all the time.
    Ramp,
    /// Four minutes on, four minutes off.
    Flaps,
    /// Its users are sent elsewhere in the middle, and it goes with them.
    Moves,
}

/// A stretch in which something is broken.
#[derive(Debug, Clone)]
pub struct Episode {
    /// First second.
    pub from_s: u32,
    /// The second after the last.
    pub until_s: u32,
    /// What is broken.
    pub faults: Vec<Fault>,
    /// How it goes on.
    pub shape: Shape,
}

/// A stretch in which some agents fail by themselves or are silent.
#[derive(Debug, Clone)]
struct Spell {
    from_s: u32,
    until_s: u32,
    agents: Vec<usize>,
}

/// One site over time. Minutes must be asked for in order.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Site and agents.
    pub panel: Panel,
    /// What breaks, if anything does.
    pub episode: Option<Episode>,
    /// Minutes there are.
    pub minutes: u32,
    blips: Vec<Spell>,
    silences: Vec<Spell>,
    missing: f64,
    stickiness: f64,
    remembers: f64,
    seconds: Vec<u32>,
    memories: Vec<Memory>,
    chance: Chance,
}

impl Stream {
    /// A site that works for so many minutes, with the dirt of its panel.
    pub fn healthy(seed: u64, params: &Params, minutes: u32) -> Self {
        let mut chance = Chance::new(seed);
        let panel = Panel::draw(params, &mut chance);
        Self::new(panel, None, (params, minutes), chance)
    }

    /// A site that works, breaks as `kind`, and works again.
    pub fn faulty(seed: u64, params: &Params, kind: Kind, shape: Shape) -> Self {
        let source = Chance::new(seed);
        for attempt in 0..PANELS {
            let mut chance = source.fork(attempt);
            let mut panel = Panel::draw(params, &mut chance);
            let Some(faults) = (Faults { params, panel: &mut panel, chance: &mut chance }).of(kind) else {
                continue;
            };
            let (median, sigma, least, most) = LENGTH_MIN;
            let length_s = seconds(chance.log_normal(median, sigma).clamp(least, most));
            let from_s = BEFORE_MIN * 60 + u32::try_from(chance.below(60)).unwrap_or(0);
            let episode = Episode { from_s, until_s: from_s + length_s, faults, shape };
            let minutes = episode.until_s.div_ceil(60) + AFTER_MIN;
            return Self::new(panel, Some(episode), (params, minutes), chance);
        }
        Self::healthy(seed, params, BEFORE_MIN + AFTER_MIN)
    }

    fn new(
        panel: Panel,
        episode: Option<Episode>,
        (params, minutes): (&Params, u32),
        mut chance: Chance,
    ) -> Self {
        let agents = panel.agents.len();
        let blips = spells(&panel, minutes, (BLIP_EVERY_MIN, BLIP_MIN, Some(BLIP_AGENTS)), &mut chance);
        let silences = spells(&panel, minutes, (SILENCE_EVERY_MIN, SILENCE_MIN, None), &mut chance);
        Self {
            episode,
            minutes,
            blips,
            silences,
            missing: chance.between(params.missing.0, params.missing.1),
            stickiness: params.stickiness,
            remembers: params.remembers,
            seconds: (0..agents).map(|_| u32::try_from(chance.below(60)).unwrap_or(0)).collect(),
            memories: vec![Memory::new(); agents],
            panel,
            chance,
        }
    }

    /// What comes in during a minute: second, number of the agent, result; in the order of time.
    pub fn minute(&mut self, minute: u32) -> Vec<(u32, usize, WorldResult)> {
        let mut came = Vec::with_capacity(self.panel.agents.len());
        for agent in 0..self.panel.agents.len() {
            let at = minute * INTERVAL_S + self.seconds[agent];
            let scene = self.scene(at);
            let seen = scene.look(&self.panel, agent, &mut self.memories[agent], &mut self.chance);
            came.extend(seen.map(|result| (at, agent, result)));
        }
        came.sort_by_key(|(at, agent, _)| (*at, *agent));
        came
    }

    fn scene(&self, at: u32) -> Scene {
        let on = |spells: &[Spell]| {
            let now = spells.iter().filter(|s| (s.from_s..s.until_s).contains(&at));
            now.flat_map(|s| s.agents.iter().copied()).collect()
        };
        Scene {
            faults: self.episode.as_ref().map(|e| e.faults_at(at)).unwrap_or_default(),
            blip: on(&self.blips),
            colluding: Vec::new(),
            silent: on(&self.silences),
            missing: self.missing,
            stickiness: self.stickiness,
            remembers: self.remembers,
        }
    }
}

impl Episode {
    /// What is broken at a second; the faults keep their places in the list and lose their strength.
    fn faults_at(&self, at: u32) -> Vec<Fault> {
        if !(self.from_s..self.until_s).contains(&at) {
            return Vec::new();
        }
        let since = at - self.from_s;
        let strength = match self.shape {
            Shape::Step | Shape::Moves => 1.0,
            Shape::Ramp => (f64::from(since) / 300.0).min(1.0),
            Shape::Flaps => f64::from(1 - since / 240 % 2),
        };
        let half = (self.until_s - self.from_s) / 2;
        let counts = |n: usize| match self.shape {
            // The first of two faults, then the second.
            Shape::Moves if self.faults.len() > 1 => n == usize::from(since >= half),
            _ => true,
        };
        let now = self.faults.iter().enumerate().map(|(n, fault)| Fault {
            strength: if counts(n) { fault.strength * strength } else { 0.0 },
            ..fault.clone()
        });
        now.collect()
    }
}

fn spells(
    panel: &Panel,
    minutes: u32,
    (every, (short, long), most): (f64, (f64, f64), Option<usize>),
    chance: &mut Chance,
) -> Vec<Spell> {
    let count = chance.poisson(f64::from(minutes) / every);
    let spell = |_| {
        let from_s = seconds(chance.between(0.0, f64::from(minutes)));
        let until_s = from_s + seconds(chance.between(short, long));
        let somebody = &chance.one_of(&panel.agents).place;
        let near = |n: &usize| {
            let place = &panel.agents[*n].place;
            place.asn == somebody.asn && (most.is_none() || place.region == somebody.region)
        };
        let agents = (0..panel.agents.len()).filter(near).take(most.unwrap_or(usize::MAX)).collect();
        Spell { from_s, until_s, agents }
    };
    (0..count).map(spell).collect()
}

/// Minutes as whole seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "minutes of a stream are few and positive"
)]
fn seconds(minutes: f64) -> u32 {
    (minutes * 60.0).max(0.0) as u32
}

/// The last three results of every agent, and what is known of its past: what a diagnosis is asked about.
#[derive(Debug, Clone)]
pub struct Recent {
    tracks: Vec<Track>,
}

#[derive(Debug, Clone)]
struct Track {
    last: VecDeque<(u32, WorldResult)>,
    /// Results that are not counted into the past yet.
    fresh: (f64, f64),
    /// Failures and results while the site was up.
    past: (f64, f64),
}

impl Recent {
    /// Nothing yet, of these agents; what is known of their past counts as so many results.
    pub fn new(panel: &Panel) -> Self {
        let track = |agent: &super::panel::Agent| Track {
            last: VecDeque::with_capacity(ROUNDS + 1),
            fresh: (0.0, 0.0),
            past: match agent.shown.fail_rate {
                Some(rate) => (rate * HISTORY, HISTORY),
                None => (NEWCOMER.0 * NEWCOMER.1, NEWCOMER.1),
            },
        };
        Self { tracks: panel.agents.iter().map(track).collect() }
    }

    /// Adds a result.
    pub fn add(&mut self, at: u32, agent: usize, result: WorldResult) {
        let track = &mut self.tracks[agent];
        track.fresh.0 += f64::from(u8::from(result.outcome != WorldOutcome::Ok));
        track.fresh.1 += 1.0;
        track.last.push_back((at, result));
        if track.last.len() > ROUNDS {
            track.last.pop_front();
        }
    }

    /// Counts what came since the last call into the agents' past, if the site was up meanwhile.
    pub fn settle(&mut self, up: bool) {
        for track in &mut self.tracks {
            let fresh = std::mem::take(&mut track.fresh);
            if up {
                track.past = (track.past.0 + fresh.0, track.past.1 + fresh.1);
            }
            if track.past.1 > MEMORY {
                track.past = (track.past.0 / 2.0, track.past.1 / 2.0);
            }
        }
    }

    /// The world as it is seen at a second: results of the last three intervals.
    pub fn world(&self, panel: &Panel, now: u32) -> World {
        let mut world = World::default();
        for (track, agent) in self.tracks.iter().zip(&panel.agents) {
            let mut shown = agent.shown.clone();
            shown.fail_rate = Some((track.past.0 / track.past.1).clamp(0.0, 1.0));
            world.agents.push(shown);
            let fresh = track.last.iter().filter(|(at, _)| now.saturating_sub(*at) <= INTERVAL_S * 3);
            for (attempt, (at, result)) in (1..).zip(fresh) {
                let mut result = result.clone();
                result.age_ms = Some(u64::from(now.saturating_sub(*at)) * 1_000);
                result.attempt = Some(attempt);
                world.results.push(result);
            }
        }
        world
    }
}
