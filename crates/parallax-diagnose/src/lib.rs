//! Results to verdict, scope and cause: who is affected, how sure, and why.
//!
//! Three steps, each a pure function from one serialisable type to the next:
//!
//! 1. [`observe()`]: a [`World`] (what agents, visitors and reports said) becomes [`Observations`]: results in canonical order,
//!    without duplicates, each with its weight.
//! 2. [`analyse()`]: the priced noisy-OR scan finds the smallest set of scopes that explains what fails ([`Analysis`]).
//! 3. [`judge()`]: rules turn that into a verdict with its cause, sentences and what is missing (a `Diagnosis`).
//!
//! [`diagnose`] does all three, [`answer_line`] does them for one line of JSON. The order in which results come, and how often the
//! same one comes, change nothing.
//!
//! There is no clock, no socket, no random number and no global state here. What is remembered is in the caller's hands: a [`Course`]
//! is what is said of one site over time, with its incidents; [`Usual`] is what number of reports is usual; a [`Breaker`] is whether
//! what is found may be believed at all. Windows belong to `parallax-aggregator`.

#![forbid(unsafe_code)]

mod analyse;
mod candidate;
mod cause;
mod clue;
mod column;
mod course;
mod evidence;
mod judge;
mod line;
mod look;
mod members;
mod nats;
mod next;
mod observe;
mod onset;
mod our_side;
mod own;
mod place;
mod probes;
mod reports;
mod rules;
mod scan;
mod sentence;
mod tally;
mod usual;
mod visitor;
mod world;

pub use analyse::{Analysis, Coverage, Finding, Scan, Tally, Variation, analyse};
pub use course::{
    CONFIRM, Course, FIRST_UP, FLAP_MEMORY, FLAPS, Flaps, MIN_LIFE, REOPEN, SAYABLE, STEADY, SURE, is_bad,
};
pub use evidence::{Evidence, GRID, Influence, STRENGTHS};
pub use judge::{Subject, causes, judge};
pub use line::{Answer, Line, LineError, answer_line};
pub use next::next_probes;
pub use observe::{Channel, Observation, Observations, Seen, SetAside, is_slow, observe};
pub use onset::{Trial, onset};
pub use our_side::{
    AgentsNow, Breaker, CALM, LEAST_AGENTS, LEAST_SITES, LONGEST, MOMENT, SiteNow, Trust, Why,
};
pub use place::Place;
pub use reports::{UNHEARD, disagreement};
pub use rules::decided;
pub use usual::{Alarm, PAST_QUARTERS, Past, QUARTER_S, RECENT_QUARTERS, Usual};
pub use visitor::covers;
pub use world::{
    BrowserState, CertProblem, Change, ChangeKind, Elsewhere, MAX_RESULTS, World, WorldAgent, WorldError,
    WorldOutcome, WorldReports, WorldResult, WorldVisitor,
};

use parallax_model::Diagnosis;

/// All three steps: what a world means for the site named by `subject`.
///
/// The world should be valid ([`World::validate`]); results of agents it does not list are left out.
pub fn diagnose(world: &World, subject: Subject<'_>) -> Diagnosis {
    let observations = observe(world);
    judge(&analyse(&observations), &observations, subject)
}
