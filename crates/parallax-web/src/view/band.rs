//! The verdict band: one sentence to trust, one line that says on what it stands.

use parallax_model::{Diagnosis, Micros, Verdict, VisitorVerdict};
use serde::Serialize;

use super::board::Board;
use super::gazetteer::country_name;
use super::glyph::Glyph;
use super::row::millis;
use super::{failure, when};
use crate::escape::neutral;

/// What stands at the top of a check's or site's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Band {
    /// How it is drawn.
    pub(crate) state: Glyph,
    /// The state in a word or two.
    pub(crate) word: &'static str,
    /// The sentence.
    pub(crate) headline: String,
    /// What it stands on.
    pub(crate) second: String,
    /// What is said to the visitor who asked.
    pub(crate) visitor: &'static str,
    /// How many answered, and how long it took.
    pub(crate) count: String,
    /// The tab's title: the state first.
    pub(crate) title: String,
}

impl Band {
    /// A check's band, running or over.
    pub(crate) fn of_check(board: &Board) -> Self {
        let host = board.target.host.as_str();
        let count = format!("{} of {} testers answered", board.answered(), board.asked());
        let count = match board.took {
            Some(took) => format!("{count} · finished in {}", when::seconds(took)),
            None => format!("{count} so far"),
        };
        let Some(diagnosis) = &board.diagnosis else {
            return Self {
                state: Glyph::Waiting,
                word: Glyph::Waiting.word(),
                headline: format!("Checking {host}"),
                second: format!("Asking {} testers. The first answers come within a second.", board.asked()),
                visitor: "",
                count,
                title: format!("Checking {host}"),
            };
        };
        let band = Self { count, ..Self::of_diagnosis(diagnosis, board) };
        if board.is_done() || diagnosis.verdict != Verdict::Up {
            return band;
        }
        // Nobody failed yet; who has not answered may still.
        let (answered, asked) = (board.answered(), board.asked());
        Self {
            headline: format!("{host} looks up so far"),
            second: format!(
                "The first {answered} testers reach it. Still waiting for {}.",
                asked.saturating_sub(answered)
            ),
            ..band
        }
    }

    /// A band without counts.
    pub(crate) fn of_diagnosis(diagnosis: &Diagnosis, board: &Board) -> Self {
        let word = diagnosis.verdict.in_words();
        Self {
            state: diagnosis.verdict.into(),
            word,
            headline: headline(diagnosis),
            second: second(diagnosis, board),
            visitor: visitor(diagnosis.visitor),
            count: String::new(),
            title: format!("{word}: {}", board.target.host),
        }
    }
}

/// The diagnosis's sentence as a headline: without its full stop, and with the codes of its scopes' countries as names.
pub(crate) fn headline(diagnosis: &Diagnosis) -> String {
    let mut text = neutral(diagnosis.sentence.trim().trim_end_matches('.')).into_owned();
    for code in diagnosis.scopes.iter().filter_map(|scope| scope.country.as_ref()) {
        if let Some(name) = country_name(code.as_str()) {
            text = text.replace(&format!(" in {code}"), &format!(" in {name}"));
        }
    }
    text
}

fn second(diagnosis: &Diagnosis, board: &Board) -> String {
    let (failing, agents) = (diagnosis.failing, diagnosis.agents);
    let worked = agents.saturating_sub(failing);
    let what = board.commonest_failure().map(|(kind, _)| failure::long(kind));
    let what = what.as_deref().unwrap_or("no answer");
    let time = board.typical_first_byte().map(|us| millis(Micros(us)));
    match diagnosis.verdict {
        Verdict::Up => match time {
            Some(time) => {
                format!("{worked} of {agents} testers reached it; typical time to the first byte {time}.")
            }
            None => format!("{worked} of {agents} testers reached it."),
        },
        Verdict::Down => format!("{failing} of {agents} testers fail. What most of them get: {what}."),
        Verdict::Partial => {
            format!(
                "{failing} of {agents} testers fail, {worked} reach it. What most of those who fail get: {what}."
            )
        }
        Verdict::Degraded => match time {
            Some(time) => format!("It answers, but late: typically {time} to the first byte."),
            None => "It answers, but late.".to_owned(),
        },
        Verdict::Flaky => {
            format!("{failing} of {agents} testers failed, and a second try often works: {what}.")
        }
        Verdict::Blocked => {
            format!("That is not an outage. {failing} of {agents} testers get: {what}. Open it yourself.")
        }
        Verdict::Unknown if agents == 0 => "No tester could say anything yet; we do not guess.".to_owned(),
        Verdict::Unknown if failing > 0 => {
            format!(
                "{failing} of {agents} testers fail, which is too little or too mixed to say more. We do not guess."
            )
        }
        Verdict::Unknown => format!("Only {agents} testers could say anything; we do not guess."),
    }
}

fn visitor(verdict: Option<VisitorVerdict>) -> &'static str {
    match verdict {
        Some(VisitorVerdict::JustYou) => "It works for testers like you: it may be only you.",
        Some(VisitorVerdict::YourIsp) => {
            "Testers on your provider fail too: it is likely your provider or its route."
        }
        Some(VisitorVerdict::Affected) => "You are among those it fails for: it is not you.",
        Some(VisitorVerdict::NotAffected) => "It should work for you.",
        Some(VisitorVerdict::Unknown) | None => "",
    }
}
