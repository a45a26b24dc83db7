//! The results that say something to one question, by their row among the [`Columns`].

use parallax_model::FailureKind;

use crate::column::Columns;
use crate::evidence::{Evidence, Influence, Successes};
use crate::members;
use crate::observe::{Channel, Observation, SOFT, Seen, count};
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
    /// What that is worth; nothing for those that say nothing. Empty until [`Self::weigh`].
    pub(crate) influences: Vec<Influence>,
    worths: Worths,
    /// All bits for those that say something, none for the others.
    pub(crate) heard: Vec<u32>,
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
        let mut probes = Self {
            usable,
            worths: Worths::of(usable, channel),
            columns,
            says: vec![0.0; usable.len()],
            influences: Vec::new(),
            heard: vec![0; usable.len()],
            all: members::none(usable.len()),
            count: 0,
            failing: Vec::new(),
            hints: Vec::new(),
        };
        // The same loop for each, so that none asks in every row which question it is.
        match channel {
            Channel::Failing => probes.hear(|observation| observation.says(Channel::Failing)),
            Channel::Blocked => probes.hear(|observation| observation.says(Channel::Blocked)),
            Channel::Slow => probes.hear(|observation| observation.says(Channel::Slow)),
        }
        probes
    }

    /// Notes what each says.
    #[inline]
    fn hear(&mut self, says: impl Fn(&Observation<'_>) -> Option<f64>) {
        for (row, observation) in self.usable.iter().enumerate() {
            let Some(y) = says(observation) else { continue };
            self.says[row] = y;
            self.heard[row] = u32::MAX;
            self.count += 1;
            members::insert(&mut self.all, row);
            if y > 0.0 {
                self.hints.push(count(row));
            }
            if y >= 0.5 {
                self.failing.push(count(row));
            }
        }
    }

    /// Says what each is worth: dear, and wanted only to search.
    pub(crate) fn weigh(&mut self) {
        self.influences = match &self.worths {
            Worths::Failing(fault, successes) => {
                let mut own = (None, 0.0);
                let worth = |o: &Observation<'_>| match o.seen {
                    Seen::Ok => successes.influence(o.baseline, o.weight),
                    Seen::Failed(kind) => {
                        if own.0 != Some(kind) {
                            own = (Some(kind), fault.own(kind));
                        }
                        Influence::of_failure(o.baseline, own.1, o.weight)
                    }
                    Seen::Soft(_) => Influence::new(SOFT, o.baseline, o.weight),
                    Seen::Blocked(_) => Influence::NONE,
                };
                self.usable.iter().map(worth).collect()
            }
            Worths::YesOrNo(channel, [no, yes]) => {
                let worth = |o: &Observation<'_>| match o.says(*channel) {
                    None => Influence::NONE,
                    Some(y) if y >= 0.5 => yes.times(o.weight),
                    Some(_) => no.times(o.weight),
                };
                self.usable.iter().map(worth).collect()
            }
        };
    }

    /// What no and yes are worth at the weight 1, where they are worth the same for every agent.
    pub(crate) const fn yes_or_no(&self) -> Option<[Influence; 2]> {
        match self.worths {
            Worths::YesOrNo(_, answers) => Some(answers),
            Worths::Failing(..) => None,
        }
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

    /// Which of those that speak for a fault say yes, by their place among them.
    pub(crate) fn fails_among_hints(&self) -> Vec<u64> {
        let mut fails = members::none(self.hints.len());
        let says = self.hints.iter().map(|row| self.says[*row as usize]);
        says.enumerate().filter(|(_, y)| *y >= 0.5).for_each(|(place, _)| members::insert(&mut fails, place));
        fails
    }

    pub(crate) fn evidence(&self, rows: impl Iterator<Item = usize>) -> Evidence {
        rows.fold(Evidence::NONE, |mut evidence, row| {
            evidence.add(&self.influences[row]);
            evidence
        })
    }
}

/// What answers to one question are worth.
enum Worths {
    /// Does it fail? Every agent has a baseline of its own.
    Failing(Fault, Successes),
    /// Does it refuse us, or is it slow? What no and yes are worth at the weight 1.
    YesOrNo(Channel, [Influence; 2]),
}

impl Worths {
    fn of(usable: &[Observation<'_>], channel: Channel) -> Self {
        if channel == Channel::Failing {
            return Self::Failing(Fault::of(usable, channel), Successes::new());
        }
        Self::YesOrNo(channel, [0.0, 1.0].map(|y| Influence::new(y, OTHER_BASELINE, 1.0)))
    }
}
