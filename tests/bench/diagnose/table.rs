//! Tables for people, the same numbers as JSON for programs, and how others fill both.

use std::io::Write as _;

use serde_json::{Map, Value, json};

/// Decimals of a number with its interval.
const DECIMALS: usize = 3;

/// One line for a person.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    // A reader who has gone away is no reason to stop measuring.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Everything that was measured, by name.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    numbers: Map<String, Value>,
    goals: Vec<Goal>,
}

#[derive(Debug)]
struct Goal {
    name: String,
    value: f64,
    reached: bool,
    wanted: String,
}

impl Findings {
    /// Keeps a part of the numbers.
    pub(crate) fn keep(&mut self, name: &str, value: Value) {
        self.numbers.insert(name.to_owned(), value);
    }

    /// A number that should be at least this.
    pub(crate) fn at_least(&mut self, name: &str, value: f64, goal: f64) {
        self.goal(name, value, value >= goal, format!(">= {goal}"));
    }

    /// A number that should be at most this.
    pub(crate) fn at_most(&mut self, name: &str, value: f64, goal: f64) {
        self.goal(name, value, value <= goal, format!("<= {goal}"));
    }

    fn goal(&mut self, name: &str, value: f64, reached: bool, wanted: String) {
        self.goals.push(Goal { name: name.to_owned(), value, reached, wanted });
    }

    /// Goals, one a line.
    pub(crate) fn say_goals(&self) {
        let mut table = Table::new("Goals", &["goal", "measured", "wanted", ""]);
        for goal in &self.goals {
            let reached = if goal.reached { "reached" } else { "SHORT" };
            table.row([goal.name.clone(), number(goal.value), goal.wanted.clone(), reached.to_owned()]);
        }
        table.say();
    }

    /// All of it as JSON.
    pub(crate) fn json(&self) -> Value {
        let goal =
            |g: &Goal| json!({"goal": g.name, "measured": g.value, "wanted": g.wanted, "reached": g.reached});
        let goals: Vec<Value> = self.goals.iter().map(goal).collect();
        json!({ "numbers": self.numbers, "goals": goals })
    }
}

/// A table that is as wide as it must be.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: &str, head: &[&str]) -> Self {
        let head = head.iter().map(|cell| (*cell).to_owned()).collect();
        Self { title: title.to_owned(), rows: vec![head] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn say(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |n: usize| {
            self.rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        say(format_args!("\n{}", self.title));
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            say(format_args!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end()));
        }
    }
}

/// A number as tables show it.
pub(crate) fn number(value: f64) -> String {
    format!("{value:.DECIMALS$}")
}

/// A number with its interval.
pub(crate) fn with_interval(value: f64, (low, high): (f64, f64)) -> String {
    format!("{value:.DECIMALS$} [{low:.2}, {high:.2}]")
}

/// A share of a count.
pub(crate) fn of(part: usize, whole: usize) -> String {
    format!("{part}/{whole}")
}
