//! Whether anything could be found at all, told without a search: most questions have nothing to find most of the time.
//!
//! Only of questions that are answered by yes or no, where every agent has the same baseline: there the evidence of a scope follows
//! from the weight of its yes and of its no.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use super::sums::mixed;
use super::values::ScopeKeys;
use super::{EVERYBODY_COST, LIVE_AGENTS, Name, TEMPLATES, Template, Values};
use crate::column::Mix;
use crate::evidence::{Evidence, Influence};
use crate::look::Looks;
use crate::members;
use crate::probes::Probes;
use crate::scan::NEGLIGIBLE;

/// A scope that explains less than this, whatever its failures look like, is not looked at: its share in the posterior is below 1 %.
const WORTH_A_LOOK: f64 = -5.0;
/// Where more than one in so many fails, some scope nearly always explains enough to be looked at closely, and to ask first is lost.
const FEW_FAIL: usize = 25;

/// What the best scope explains, which is not enough to be found, and how sure it is that nothing is wrong.
pub(crate) struct Quiet {
    /// In nats.
    pub(crate) best: f64,
    pub(crate) name: Name,
    /// Sum of the scopes' shares in the posterior beside the 1 of nothing.
    pub(crate) others: f64,
}

impl Quiet {
    /// `None` when some scope might explain more than `least` nats.
    pub(crate) fn of(probes: &Probes<'_>, looks: &Looks, least: f64) -> Option<Self> {
        let answers = probes.yes_or_no()?;
        if FEW_FAIL * probes.failing.len() > probes.count as usize {
            return None;
        }
        let mut scene = Scene::of(probes, looks, answers);
        let all = scene.everybody();
        let mut quiet = Self { best: all, name: Name::EVERYBODY, others: all.exp() };
        if all > least {
            return None;
        }
        if probes.failing.is_empty() {
            return Some(quiet);
        }
        let values = Values::of(probes);
        for template in TEMPLATES.iter().filter(|template| !values.are_dead(template.attributes)) {
            for mut told in scene.scopes(template, &values)? {
                let like = values.like(told.example, template.attributes, probes);
                // Most scopes are so large for the few that fail there that it need not be known how much their rows weigh.
                if scene.most(&told, like) < quiet.best.min(-NEGLIGIBLE) {
                    continue;
                }
                told.no = scene.weight(members::in_all(like.0, like.1, &scene.no));
                if !scene.known.insert((told.rows, told.no.to_bits())) {
                    continue;
                }
                let gain = scene.gain(&told, like);
                quiet.others += gain.exp();
                if gain > least {
                    return None;
                }
                if gain > quiet.best {
                    quiet.best = gain;
                    quiet.name = Name { attributes: template.attributes, example: told.example };
                }
            }
        }
        Some(quiet)
    }
}

/// What is told of a scope in which some fail.
#[derive(Clone, Copy)]
struct Told {
    example: u32,
    /// The most that the look of its failures adds, in nats.
    look: f64,
    /// Weight of those that say yes, and of those that say no, once it is wanted.
    yes: f64,
    no: f64,
    /// A number that two scopes share only when the same rows say yes there.
    rows: u64,
    cost: f64,
}

/// What is looked at of one question.
struct Scene<'a> {
    probes: &'a Probes<'a>,
    looks: &'a Looks,
    /// What no and yes are worth at the weight 1.
    answers: [Influence; 2],
    /// The rows that say no.
    no: Vec<u64>,
    /// What the lightest of them weighs.
    lightest: f64,
    /// What was told already: the rows that say yes, and the weight of the others.
    known: HashSet<(u64, u64), BuildHasherDefault<Mix>>,
    scratch: Vec<f64>,
}

impl<'a> Scene<'a> {
    fn of(probes: &'a Probes<'_>, looks: &'a Looks, answers: [Influence; 2]) -> Self {
        let mut no = probes.all.clone();
        probes.failing.iter().for_each(|row| members::remove(&mut no, *row as usize));
        let weights = members::each(&no).map(|row| probes.columns.weights[row]);
        let lightest = weights.fold(f64::INFINITY, f64::min);
        Self { probes, looks, answers, no, lightest, known: HashSet::default(), scratch: Vec::new() }
    }

    fn weight(&self, rows: impl Iterator<Item = usize>) -> f64 {
        rows.map(|row| self.probes.columns.weights[row]).sum()
    }

    /// What so much weight of yes and of no says.
    fn evidence(&self, yes: f64, no: f64) -> Evidence {
        let mut evidence = Evidence::NONE;
        evidence.add(&self.answers[0].times(no));
        evidence.add(&self.answers[1].times(yes));
        evidence
    }

    /// What everybody explains.
    fn everybody(&mut self) -> f64 {
        let yes = self.weight(self.probes.failing.iter().map(|row| *row as usize));
        let no = self.weight(members::each(&self.no));
        self.evidence(yes, no).gain(EVERYBODY_COST) + self.likeness(&self.probes.failing)
    }

    /// The live scopes of a template; `None` when there are too many.
    fn scopes(&mut self, template: &Template, values: &Values) -> Option<Vec<Told>> {
        let keys = values.keys(template.attributes)?;
        let mut scopes = self.failing_in(&keys, template.failing);
        scopes.retain(|told| {
            let (a, b) = values.like(told.example, template.attributes, self.probes);
            self.probes.columns.are_of(LIVE_AGENTS, members::both(a, b))
        });
        let cost = template.price + (scopes.len() as f64).ln();
        for told in &mut scopes {
            told.cost = cost;
        }
        Some(scopes)
    }

    /// The scopes in which so many agents fail, without the weight of those that say no there.
    fn failing_in(&self, keys: &ScopeKeys<'_>, least: u32) -> Vec<Told> {
        let columns = self.probes.columns;
        // By key: agents that fail and the last of them; and one more than the place of what is told, 0 where nothing is.
        let (mut agents, mut places) = (vec![(0, 0); keys.room], vec![0_usize; keys.room]);
        let mut told = Vec::new();
        for row in &self.probes.failing {
            let (key, agent) = (keys.at(*row as usize), columns.agents[*row as usize]);
            let (so_many, before) = &mut agents[key];
            *so_many += u32::from(*before != agent);
            *before = agent;
            if *so_many >= least && key != 0 && places[key] == 0 {
                told.push(Told { example: *row, ..Told::NOTHING });
                places[key] = told.len();
            }
        }
        if told.is_empty() {
            return told;
        }
        for row in &self.probes.failing {
            let index = *row as usize;
            if let Some(place) = places[keys.at(index)].checked_sub(1) {
                told[place].yes += columns.weights[index];
                told[place].rows = told[place].rows.wrapping_add(mixed(*row));
                told[place].look += self.looks.most(index, &columns.weights);
            }
        }
        told
    }

    /// What a scope explains at most, told by the number of its rows.
    fn most(&self, told: &Told, (a, b): (&[u64], &[u64])) -> f64 {
        let no = match members::shared_by_three(a, b, &self.no) {
            0 => 0.0,
            some => self.lightest * f64::from(some),
        };
        self.evidence(told.yes, no).gain_within().1 - told.cost + told.look
    }

    /// What a scope explains.
    fn gain(&mut self, told: &Told, (a, b): (&[u64], &[u64])) -> f64 {
        let gain = self.evidence(told.yes, told.no).gain(told.cost);
        if gain + told.look < WORTH_A_LOOK {
            return gain;
        }
        let is_in = |row: &&u32| members::has(a, **row as usize) && members::has(b, **row as usize);
        let failing: Vec<u32> = self.probes.failing.iter().filter(is_in).copied().collect();
        gain + self.likeness(&failing)
    }

    fn likeness(&mut self, failing: &[u32]) -> f64 {
        self.looks.likeness(failing, &mut self.scratch, &self.probes.columns.weights)
    }
}

impl Told {
    const NOTHING: Self = Self { example: 0, look: 0.0, yes: 0.0, no: 0.0, rows: 0, cost: 0.0 };
}
