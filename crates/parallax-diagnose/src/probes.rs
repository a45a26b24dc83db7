//! The results that say something to one question, by their row among the [`Columns`].

use parallax_model::FailureKind;

use crate::column::Columns;
use crate::evidence::{Evidence, Influence, Successes};
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
    /// Nothing for those that say nothing. Empty until [`Self::weigh`] where the answers are yes or no.
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
            influences: Vec::new(),
            heard: vec![0; usable.len()],
            all: members::none(usable.len()),
            count: 0,
            failing: Vec::new(),
            hints: Vec::new(),
        };
        for (row, observation) in usable.iter().enumerate() {
            let Some(y) = observation.says(channel) else { continue };
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
        if channel == Channel::Failing {
            probes.influences = influences_of_failing(usable);
        }
        probes
    }

    /// Says what each is worth, where the answers are yes or no and every agent has the same baseline: dear, and wanted only to
    /// search.
    pub(crate) fn weigh(&mut self) {
        let Some([no, yes]) = self.yes_or_no else { return };
        let heard = self.says.iter().zip(&self.heard);
        let worth = |((says, heard), observation): ((&f64, &u32), &Observation<'_>)| match *heard {
            0 => Influence::NONE,
            _ if *says >= 0.5 => yes.times(observation.weight),
            _ => no.times(observation.weight),
        };
        self.influences = heard.zip(self.usable).map(worth).collect();
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

/// What each says to the question whether it fails.
fn influences_of_failing(usable: &[Observation<'_>]) -> Vec<Influence> {
    let fault = Fault::of(usable, Channel::Failing);
    let successes = Successes::new();
    let mut own = (None, 0.0);
    let influence = |observation: &Observation<'_>| {
        let (baseline, weight) = (observation.baseline, observation.weight);
        match (observation.seen, observation.says(Channel::Failing)) {
            (_, None) => Influence::NONE,
            (Seen::Failed(kind), _) => {
                if own.0 != Some(kind) {
                    own = (Some(kind), fault.own(kind));
                }
                Influence::of_failure(baseline, own.1, weight)
            }
            (Seen::Ok, _) => successes.influence(baseline, weight),
            (_, Some(y)) => Influence::new(y, baseline, weight),
        }
    };
    usable.iter().map(influence).collect()
}
