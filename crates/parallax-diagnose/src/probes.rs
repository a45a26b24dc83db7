//! The results that say something to one question, by their row among the [`Columns`].

use parallax_model::FailureKind;

use crate::column::Columns;
use crate::evidence::{Evidence, Influence};
use crate::members;
use crate::observe::{Channel, Observation, Seen, count};
use crate::own::Fault;
use crate::place::Place;

/// How often a healthy site refuses or is slow for an agent.
const OTHER_BASELINE: f64 = 0.02;

/// What every row says to one question.
pub(crate) struct Probes<'a> {
    usable: &'a [Observation<'a>],
    pub(crate) columns: &'a Columns,
    /// 1 yes, 0 no, between: partly; 0 for those that say nothing.
    pub(crate) says: Vec<f64>,
    /// Nothing for those that say nothing.
    pub(crate) influences: Vec<Influence>,
    /// All bits for those that say something, none for the others.
    pub(crate) heard: Vec<u32>,
    /// What no and yes are worth at the weight 1, where they are worth the same for every agent.
    pub(crate) yes_or_no: Option<[Influence; 2]>,
    /// Those that say something, as a set.
    pub(crate) all: Vec<u64>,
    /// How many those are.
    pub(crate) count: u32,
    /// Those that say yes.
    pub(crate) failing: Vec<u32>,
    /// Those that speak for a fault at all.
    pub(crate) hints: Vec<u32>,
}

impl<'a> Probes<'a> {
    pub(crate) fn of(usable: &'a [Observation<'a>], columns: &'a Columns, channel: Channel) -> Self {
        let other = [0.0, 1.0].map(|y| Influence::new(y, OTHER_BASELINE, 1.0));
        let mut probes = Self {
            usable,
            yes_or_no: (channel != Channel::Failing).then_some(other),
            columns,
            says: vec![0.0; usable.len()],
            influences: vec![Influence::NONE; usable.len()],
            heard: vec![0; usable.len()],
            all: members::none(usable.len()),
            count: 0,
            failing: Vec::new(),
            hints: Vec::new(),
        };
        let fault = Fault::of(usable, channel);
        // Results of one agent stand together, and have one baseline.
        let mut fine = (f64::NAN, Influence::NONE);
        for (row, observation) in usable.iter().enumerate() {
            let Some(y) = observation.says(channel) else { continue };
            let weight = observation.weight;
            probes.influences[row] = match (channel, observation.seen) {
                (Channel::Failing, Seen::Failed(kind)) => {
                    Influence::of_failure(observation.baseline, fault.own(kind), weight)
                }
                (Channel::Failing, Seen::Ok) => {
                    if fine.0.total_cmp(&observation.baseline).is_ne() {
                        fine = (observation.baseline, Influence::new(0.0, observation.baseline, 1.0));
                    }
                    fine.1.times(weight)
                }
                (Channel::Failing, _) => Influence::new(y, observation.baseline, weight),
                // These questions are answered by yes or no, and every agent has the same baseline.
                _ => other[usize::from(y >= 0.5)].times(weight),
            };
            probes.says[row] = y;
            probes.heard[row] = u32::MAX;
            probes.count += 1;
            members::insert(&mut probes.all, row);
            if y > 0.0 {
                probes.hints.push(count(row));
            }
            if y >= 0.5 {
                probes.failing.push(count(row));
            }
        }
        probes
    }

    /// How many rows there are, those that say nothing too.
    pub(crate) fn rows(&self) -> usize {
        self.usable.len()
    }

    pub(crate) fn place(&self, row: usize) -> &'a Place<'a> {
        &self.usable[row].place
    }

    /// What went wrong.
    pub(crate) fn kind(&self, row: usize) -> Option<FailureKind> {
        self.usable[row].kind()
    }

    pub(crate) fn evidence(&self, rows: impl Iterator<Item = usize>) -> Evidence {
        rows.fold(Evidence::NONE, |mut evidence, row| {
            evidence.add(&self.influences[row]);
            evidence
        })
    }
}
