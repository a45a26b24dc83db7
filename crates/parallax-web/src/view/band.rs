//! The verdict band: one sentence to trust, one line that says on what it stands.

use parallax_model::{Diagnosis, Micros, Verdict, VisitorVerdict};
use serde::Serialize;

use super::board::Board;
use super::glyph::{Glyph, verdict_key};
use super::row::millis;
use super::sentence::{Names, headline};
use super::{failure, when};
use crate::say::Lang;

/// What stands at the top of a check's or site's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Band {
    /// How it is drawn.
    pub(crate) state: Glyph,
    /// The state in a word or two.
    pub(crate) word: String,
    /// The sentence.
    pub(crate) headline: String,
    /// What it stands on.
    pub(crate) second: String,
    /// What is said to the visitor who asked.
    pub(crate) visitor: String,
    /// How many answered, and how long it took. Whoever hears each event counts for himself.
    #[serde(skip)]
    pub(crate) count: String,
    /// The tab's title: the state first. Whoever hears each event makes it of word and host.
    #[serde(skip)]
    pub(crate) title: String,
}

impl Band {
    /// A check's band, running or over.
    pub(crate) fn of_check(t: Lang, board: &Board) -> Self {
        let host = board.target.host.as_str();
        let (answered, asked) = (board.answered(), board.asked());
        let count = match board.took {
            Some(took) => t.with("band-finished").s("took", when::seconds(t, took)),
            None => t.with("band-so-far"),
        };
        let count = count.n("answered", answered).n("asked", asked).text();
        let Some(diagnosis) = &board.diagnosis else {
            let headline = t.with("band-checking").s("host", host).text();
            return Self {
                state: Glyph::Waiting,
                word: t.text("glyph-waiting"),
                title: headline.clone(),
                headline,
                second: t.with("band-asking").n("asked", asked).text(),
                visitor: String::new(),
                count,
            };
        };
        let band = Self { count, ..Self::of_diagnosis(t, diagnosis, board) };
        if board.is_done() || diagnosis.verdict != Verdict::Up {
            return band;
        }
        // Who has not answered may still fail.
        let headline = t.with("band-up-so-far").s("host", host).text();
        if diagnosis.failing > 0 {
            return Self { headline, ..band };
        }
        let waiting = asked.saturating_sub(answered);
        let second = t.with("band-first-reach").n("answered", answered).n("waiting", waiting).text();
        Self { headline, second, ..band }
    }

    /// A band without counts.
    pub(crate) fn of_diagnosis(t: Lang, diagnosis: &Diagnosis, board: &Board) -> Self {
        let word = t.text(verdict_key(diagnosis.verdict));
        let host = &board.target.host;
        Self {
            state: diagnosis.verdict.into(),
            title: format!("{word}: {host}"),
            word,
            headline: headline(t, host, diagnosis, &Names::of_rows(&board.rows)),
            second: second(t, diagnosis, board),
            visitor: diagnosis.visitor.and_then(visitor_key).map(|key| t.text(key)).unwrap_or_default(),
            count: String::new(),
        }
    }
}

fn second(t: Lang, diagnosis: &Diagnosis, board: &Board) -> String {
    let (failing, agents) = (diagnosis.failing, diagnosis.agents);
    let worked = agents.saturating_sub(failing);
    let what = board.commonest_failure().map(|(kind, _)| failure::long(t, kind));
    let what = what.unwrap_or_else(|| t.text("cell-no-answer"));
    let time = board.typical_first_byte().map(|us| millis(t, Micros(us)));
    let counted = |key: &'static str| {
        t.with(key).n("failing", failing).n("worked", worked).n("total", agents).s("what", &what)
    };
    match (diagnosis.verdict, time) {
        (Verdict::Up, Some(time)) => counted("second-up-in").s("time", time),
        (Verdict::Up, None) => counted("second-up"),
        (Verdict::Down, _) => counted("second-down"),
        (Verdict::Partial, _) => counted("second-partial"),
        (Verdict::Degraded, Some(time)) => counted("second-slow-in").s("time", time),
        (Verdict::Degraded, None) => counted("second-slow"),
        (Verdict::Flaky, _) => counted("second-flaky"),
        (Verdict::Blocked, _) => counted("second-blocked"),
        (Verdict::Unknown, _) if agents == 0 => counted("second-nobody"),
        (Verdict::Unknown, _) if failing > 0 => counted("second-mixed"),
        (Verdict::Unknown, _) => counted("second-few"),
    }
    .text()
}

/// The message for what a visitor is told; nothing when there is nothing to tell.
pub(crate) fn visitor_key(verdict: VisitorVerdict) -> Option<&'static str> {
    Some(match verdict {
        VisitorVerdict::JustYou => "visitor-just-you",
        VisitorVerdict::YourIsp => "visitor-your-isp",
        VisitorVerdict::Affected => "visitor-affected",
        VisitorVerdict::NotAffected => "visitor-not-affected",
        VisitorVerdict::Unknown => return None,
    })
}
