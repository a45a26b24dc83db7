//! What was measured, beside what is wanted.

use std::fmt;
use std::io::Write as _;

use serde::Serialize;
use serde_json::Value;

/// What a number should be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

const KIB: f64 = 1_024.0;

/// The goals; what is not listed is told without one.
const GOALS: [(&str, Goal); 25] = [
    ("home: bytes", Goal::AtMost(35.0 * KIB)),
    ("home: requests", Goal::AtMost(5.0)),
    ("home: HTML bytes", Goal::AtMost(10.0 * KIB)),
    ("home: third-party requests", Goal::AtMost(0.0)),
    ("home: CLS", Goal::AtMost(0.02)),
    ("site: bytes", Goal::AtMost(45.0 * KIB)),
    ("site: requests", Goal::AtMost(6.0)),
    ("site: third-party requests", Goal::AtMost(0.0)),
    ("site: CLS", Goal::AtMost(0.02)),
    ("script, brotli 11, bytes", Goal::AtMost(4.0 * KIB)),
    ("Enter → first verdict, with scripts: p50 ms", Goal::AtMost(1_000.0)),
    ("Enter → first verdict, with scripts: p95 ms", Goal::AtMost(2_000.0)),
    ("Enter → first verdict, without scripts: p50 ms", Goal::AtMost(1_000.0)),
    ("Enter → first verdict, without scripts: p95 ms", Goal::AtMost(2_000.0)),
    ("check: spoken updates, most", Goal::AtMost(3.0)),
    ("check: CLS, worst", Goal::AtMost(0.02)),
    ("check: stream bytes, most", Goal::AtMost(4.0 * KIB)),
    ("dead site: provisional, worst, ms", Goal::AtMost(2_000.0)),
    ("dead site: firm, worst, ms", Goal::AtMost(6_000.0)),
    ("site page: share of nginx's rate", Goal::AtLeast(0.5)),
    ("site page from memory: p99 ms, saturated", Goal::AtMost(5.0)),
    ("site page from memory: µs CPU a request", Goal::AtMost(25.0)),
    ("site page: p99 ms beside 5,000 SSE readers, 4 connections", Goal::AtMost(5.0)),
    ("5,000 idle SSE readers: MiB more", Goal::AtMost(100.0)),
    ("site page: p99 ms beside 400 readers that never read, 4 connections", Goal::AtMost(5.0)),
];

#[derive(Debug, Serialize)]
struct Number {
    what: String,
    value: f64,
    goal: Option<Goal>,
}

/// Every number, in the order it was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    numbers: Vec<Number>,
    told: Vec<Value>,
}

impl Report {
    pub(crate) fn add(&mut self, what: &str, value: f64) {
        let goal = GOALS.iter().find(|(name, _)| *name == what).map(|(_, goal)| *goal);
        self.numbers.push(Number { what: what.to_owned(), value, goal });
    }

    /// Something that is no number.
    pub(crate) fn tell(&mut self, _what: &str, said: &Value) {
        self.told.push(said.clone());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<72} {:>12} {:>12}", "what", "measured", "goal")?;
        for Number { what, value, goal } in &self.numbers {
            let places = if value.fract() == 0.0 { 0 } else { 3 };
            let wanted = match goal {
                Some(Goal::AtMost(most)) => format!("≤ {most}"),
                Some(Goal::AtLeast(least)) => format!("≥ {least}"),
                None => String::new(),
            };
            let missed = if goal.is_some_and(|goal| !goal.is_met(*value)) { "  MISSED" } else { "" };
            writeln!(f, "{what:<72} {value:>12.places$} {wanted:>12}{missed}")?;
        }
        self.told.iter().try_for_each(|said| writeln!(f, "{said}"))
    }
}

/// The middle one; of an even number the lower of the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// Writes a line at once.
pub(crate) fn say(text: impl fmt::Display) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}
