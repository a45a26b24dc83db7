//! Whether anything could be found at all, told without counting every scope: most questions have nothing to find most of the time.
//!
//! Only of questions that are answered by yes or no, where every agent has the same baseline: there the evidence of a scope follows
//! from the weight of its yes and of its no, and the latter from the weight of the whole scope, which all questions share.

use parallax_model::Attribute;

use super::{EVERYBODY_COST, LIVE_AGENTS, MAX_DENSE, Name, TEMPLATES, Template};
use crate::column::{Column, Columns};
use crate::evidence::{Evidence, GRID};
use crate::look::Looks;
use crate::members;
use crate::observe::count;
use crate::probes::Probes;

/// Results of one agent weigh no more than this together.
const MOST_OF_AN_AGENT: f64 = 2.0;

/// The weight of the rows in every scope of every template; a template with too many scopes has none.
pub(crate) struct Weights(Vec<Vec<f64>>);

impl Weights {
    pub(crate) fn of(columns: &Columns) -> Self {
        let template = |template: &Template| {
            let keys = Keys::of(template, columns)?;
            let mut weights = vec![0.0; keys.room()];
            let rows = keys.first.ids.iter().zip(&columns.weights);
            match keys.second {
                None => rows.for_each(|(id, weight)| weights[*id as usize] += weight),
                Some(second) => rows.zip(&second.ids).for_each(|((first, weight), id)| {
                    // What stands where one is missing is nobody's.
                    weights[*first as usize * second.values + *id as usize] += weight;
                }),
            }
            Some(weights)
        };
        Self(TEMPLATES.iter().map(|t| template(t).unwrap_or_default()).collect())
    }
}

/// The numbers of a template's scopes, by row; 0 where a value is missing.
struct Keys<'a> {
    first: &'a Column,
    second: Option<&'a Column>,
}

impl<'a> Keys<'a> {
    /// `None` when there are too many scopes.
    fn of(template: &Template, columns: &'a Columns) -> Option<Self> {
        let column = |place: usize| template.attributes.get(place).map(|a: &Attribute| columns.column(*a));
        let keys = Self { first: column(0)?, second: column(1) };
        (keys.room() <= MAX_DENSE).then_some(keys)
    }

    fn room(&self) -> usize {
        self.first.values * self.second.map_or(1, |second| second.values)
    }

    fn at(&self, row: usize) -> usize {
        let first = self.first.ids[row] as usize;
        match self.second {
            None => first,
            Some(second) => match (first, second.ids[row] as usize) {
                (0, _) | (_, 0) => 0,
                (first, id) => first * second.values + id,
            },
        }
    }
}

/// What is told of a scope.
#[derive(Clone, Copy, Default)]
struct Told {
    failing: u32,
    last_agent: u32,
    /// Weight of those that say yes.
    yes: f64,
    /// Weight of those that say nothing.
    silent: f64,
    /// The most that the look of its failures adds, in nats.
    look: f64,
    example: u32,
}

/// What the best scope explains, which is not enough to be found, and how sure it is that nothing is wrong.
pub(crate) struct Quiet {
    /// In nats, without the look of its failures.
    pub(crate) best: f64,
    pub(crate) name: Name,
    /// Sum of the scopes' shares in the posterior beside the 1 of nothing.
    pub(crate) others: f64,
}

impl Quiet {
    /// `None` when some scope might explain more than `least` nats.
    pub(crate) fn of(probes: &Probes<'_>, looks: &Looks, weights: &Weights, least: f64) -> Option<Self> {
        let [no, yes] = probes.yes_or_no?;
        let rows = || probes.failing.iter().map(|row| (*row as usize, probes.columns.weights[*row as usize]));
        let silent = Silent::of(probes);
        let all = probes.evidence(members::each(&probes.all)).gain(EVERYBODY_COST);
        let look: f64 = rows().map(|(row, _)| looks.most(row, &probes.columns.weights)).sum();
        let mut quiet = Self { best: all, name: Name::EVERYBODY, others: all.exp() };
        let mut told: Vec<Told> = Vec::new();
        if all + look > least {
            return None;
        }
        for (template, weights) in TEMPLATES.iter().zip(&weights.0) {
            let keys = Keys::of(template, probes.columns)?;
            told.clear();
            told.resize(keys.room(), Told::default());
            for (row, weight) in rows() {
                let (told, agent) = (&mut told[keys.at(row)], probes.columns.agents[row]);
                told.failing += u32::from(told.last_agent != agent);
                told.last_agent = agent;
                told.yes += weight;
                told.look += looks.most(row, &probes.columns.weights);
                told.example = count(row);
            }
            silent.tell(&keys, weights, &mut told);
            let failing =
                || told.iter().zip(weights).skip(1).filter(|(told, _)| told.failing >= template.failing);
            let surely_live = |(told, weight): &(&Told, &f64)| {
                **weight - told.silent > MOST_OF_AN_AGENT * f64::from(LIVE_AGENTS - 1)
            };
            let cost = template.price + (failing().filter(surely_live).count().max(1) as f64).ln();
            for (told, weight) in failing() {
                let no_weight = (weight - told.silent - told.yes).max(0.0);
                let nats = std::array::from_fn::<f64, GRID, _>(|g| told.yes * yes.0[g] + no_weight * no.0[g]);
                let gain = Evidence { nats, results: 0 }.gain(cost);
                if gain + told.look > least {
                    return None;
                }
                quiet.others += gain.exp();
                if gain > quiet.best {
                    quiet.best = gain;
                    quiet.name = Name { attributes: template.attributes, example: told.example };
                }
            }
        }
        Some(quiet)
    }
}

/// The rows that say nothing to a question; or those that say something, when they are fewer.
struct Silent<'a> {
    weights: &'a [f64],
    rows: Vec<usize>,
    heard: bool,
}

impl<'a> Silent<'a> {
    fn of(probes: &'a Probes<'_>) -> Self {
        let heard = 2 * (probes.count as usize) < probes.rows();
        let rows = (0..probes.rows()).filter(|row| (probes.heard[*row] != 0) == heard).collect();
        Self { weights: &probes.columns.weights, rows, heard }
    }

    fn tell(&self, keys: &Keys<'_>, weights: &[f64], told: &mut [Told]) {
        for row in &self.rows {
            told[keys.at(*row)].silent += self.weights[*row];
        }
        if self.heard {
            for (told, weight) in told.iter_mut().zip(weights) {
                told.silent = weight - told.silent;
            }
        }
    }
}
