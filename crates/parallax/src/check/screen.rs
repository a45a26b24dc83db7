//! What is shown of a check: text for people, or JSON for programs.

use std::cell::Cell;
use std::io;

use anstyle::Style;
use parallax_model::{Cause, CheckId, Diagnosis, FailureKind, Outcome, ProbeResult, RetryOutcome, Verdict};
use serde::Serialize;

use super::event::{Event, Row, Started};
use super::here::HereSide;
use crate::answer::{self, Answer, Here, Word};
use crate::probe::{self, ProbeFacts, emitter};
use crate::{term, words};

/// Widths of a row's columns, in characters; with two spaces between them and the emitter at the end they make 100.
const STATE: usize = 9;
const NETWORK: usize = 24;
const PLACE: usize = 13;
const OUTCOME: usize = 19;
const LENGTH: usize = 8;
const EMITTER: usize = words::WIDTH - STATE - NETWORK - PLACE - OUTCOME - LENGTH - 10;

/// Where a check is shown.
#[derive(Debug)]
pub(super) struct Screen<'a> {
    json: bool,
    server: &'a str,
    /// The verdict that was shown last, so that only changes are.
    shown: Cell<Option<Verdict>>,
}

/// Everything the answer is made of.
#[derive(Debug)]
pub(super) struct Conclusion<'a> {
    pub(super) site: &'a str,
    pub(super) id: Option<CheckId>,
    pub(super) diagnosis: Option<&'a Diagnosis>,
    pub(super) side: &'a HereSide,
    pub(super) answer: &'a Answer,
}

/// The look from here as JSON.
#[derive(Debug, Serialize)]
struct HereJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    probed: bool,
    /// `works`, `fails`, `refuses`, `line-broken` or `not-probed`.
    state: &'static str,
    sentence: String,
    result: Option<ProbeFacts<'a>>,
}

/// The last line of JSON.
#[derive(Debug, Serialize)]
struct AnswerJson<'a> {
    event: &'static str,
    site: &'a str,
    verdict: Option<Verdict>,
    here: HereJson<'a>,
    answer: Word,
    sentence: &'a str,
    diagnosis: Option<&'a Diagnosis>,
    id: Option<CheckId>,
    permalink: Option<String>,
}

impl<'a> Screen<'a> {
    /// A screen for answers of this server.
    pub(super) fn new(json: bool, server: &'a str) -> Self {
        Self { json, server, shown: Cell::new(None) }
    }

    /// One event as it comes.
    pub(super) fn event(&self, event: &Event) -> io::Result<()> {
        if self.json {
            return term::line(serde_json::to_string(event)?);
        }
        match event {
            Event::Started(started) => begin(started),
            Event::Row(tested) => term::line(row(tested)),
            Event::Verdict { diagnosis }
                if self.shown.replace(Some(diagnosis.verdict)) != Some(diagnosis.verdict) =>
            {
                let text = format!("so far: {}", words::plain(&diagnosis.sentence));
                said(term::DIM, "  ", &text)
            }
            Event::Verdict { .. } | Event::Done { .. } => Ok(()),
        }
    }

    /// The look from here, as it comes; people read it with the answer.
    pub(super) fn here(&self, side: HereSide) -> io::Result<HereSide> {
        if self.json {
            term::line(serde_json::to_string(&here_json(Some("here"), &side))?)?;
        }
        Ok(side)
    }

    /// The answer, which ends the check.
    pub(super) fn answer(&self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        let permalink = conclusion.id.map(|id| format!("{}/c/{id}", self.server));
        if self.json {
            let json = AnswerJson {
                event: "answer",
                site: conclusion.site,
                verdict: conclusion.diagnosis.map(|d| d.verdict),
                here: here_json(None, conclusion.side),
                answer: conclusion.answer.word,
                sentence: &conclusion.answer.sentence,
                diagnosis: conclusion.diagnosis,
                id: conclusion.id,
                permalink,
            };
            return term::line(serde_json::to_string(&json)?);
        }
        if let Some(diagnosis) = conclusion.diagnosis {
            term::line("")?;
            verdict(diagnosis)?;
            term::line("")?;
        }
        said(Style::new(), "From here: ", &from_here(conclusion.side))?;
        if let Some(diagnosis) = conclusion.diagnosis {
            let who = format!("From {}: ", words::plural(diagnosis.agents, "tester"));
            said(Style::new(), &who, &answer::testers(diagnosis))?;
        }
        let style = conclusion.diagnosis.map_or(Style::new(), |d| term::style(d.verdict)).bold();
        said(style, "", &conclusion.answer.sentence)?;
        permalink.map_or(Ok(()), |permalink| said(term::DIM, "", &permalink))
    }
}

/// Lines in one style.
fn said(style: Style, first: &str, text: &str) -> io::Result<()> {
    for line in words::wrapped(first, text) {
        term::line(format_args!("{}{line}{}", style.render(), style.render_reset()))?;
    }
    Ok(())
}

fn begin(started: &Started) -> io::Result<()> {
    let asked = u32::try_from(started.panel.len()).unwrap_or(u32::MAX);
    let joined = if started.joined { ", joining a check that was running or just ended" } else { "" };
    let text = format!("Checking {}: {} asked{joined}.", started.target, words::plural(asked, "tester"));
    said(Style::new(), "", &text)
}

/// One tester's row: state, network, place, outcome, time, who wrote the answer.
fn row(row: &Row) -> String {
    let (style, state) = state(row.result.outcome.about_target());
    let network = words::network(&row.vantage, NETWORK)
        .unwrap_or_else(|| words::cut(&words::plain(&row.agent), NETWORK));
    let place = words::cut(&words::place(&row.vantage), PLACE);
    let outcome = words::cut(&outcome(&row.result), OUTCOME);
    let length = words::length(row.result.phases.total);
    let emitter = row.result.emitter.as_ref().filter(|e| e.name.as_ref() != "unknown");
    let emitter = emitter.map(|e| words::cut(&emitter_short(e), EMITTER)).unwrap_or_default();
    let rest =
        format!("{network:NETWORK$}  {place:PLACE$}  {outcome:OUTCOME$}  {length:>LENGTH$}  {emitter}");
    format!("{}{state:STATE$}{}  {}", style.render(), style.render_reset(), rest.trim_end())
}

/// Name and PoP, as far as a row has room.
fn emitter_short(emitter: &parallax_model::Emitter) -> String {
    let name = words::plain(&emitter.name);
    emitter.pop.as_ref().map_or_else(|| name.to_string(), |pop| format!("{name} {pop}"))
}

const fn state(outcome: Outcome) -> (Style, &'static str) {
    match outcome {
        Outcome::Ok => (term::GOOD, "● Works"),
        Outcome::Failed(failure) => match failure.kind {
            FailureKind::Blocked(_) => (term::WARN, "◆ Refuses"),
            FailureKind::Agent(_) => (term::DIM, "○ No test"),
            _ => (term::BAD, "■ Fails"),
        },
    }
}

/// The status of a good answer, else the failure's kind.
fn outcome(result: &ProbeResult) -> String {
    match (result.outcome, result.status) {
        (Outcome::Ok, Some(status)) => status.to_string(),
        (outcome, _) => outcome.to_string(),
    }
}

/// The verdict with everything it stands on.
fn verdict(diagnosis: &Diagnosis) -> io::Result<()> {
    let head = format!("{}: ", diagnosis.verdict.in_words());
    said(term::style(diagnosis.verdict), &head, &diagnosis.sentence)?;
    let mut parts: Vec<(&str, String)> = Vec::new();
    if !diagnosis.operator_sentence.is_empty() {
        parts.push(("For its operator: ", diagnosis.operator_sentence.clone()));
    }
    if !diagnosis.scopes.is_empty() {
        parts.push(("Who: ", words::scopes(&diagnosis.scopes)));
    }
    if !diagnosis.same_coverage.is_empty() {
        parts.push(("Cannot be told apart from: ", words::scopes(&diagnosis.same_coverage)));
    }
    if let Some(cause) = &diagnosis.cause {
        parts.extend(why(cause));
    }
    parts.extend(diagnosis.evidence.iter().map(|line| ("  · ", line.clone())));
    parts.extend(diagnosis.missing.iter().map(|line| ("Missing: ", line.clone())));
    for (first, text) in parts {
        said(Style::new(), first, &text)?;
    }
    Ok(())
}

fn why(cause: &Cause) -> Vec<(&'static str, String)> {
    let mut lines = vec![("Why: ", format!("{}, {:.0} % sure", cause.kind, cause.confidence.get() * 100.0))];
    lines.extend(cause.evidence_for.iter().map(|line| ("  + ", line.clone())));
    lines.extend(cause.evidence_against.iter().map(|line| ("  − ", line.clone())));
    lines
}

/// This side in one sentence, with what was measured.
fn from_here(side: &HereSide) -> String {
    match (&side.here, &side.result) {
        (Here::Works, Some(result)) if result.retry == Some(RetryOutcome::Ok) => {
            format!("it works, on the second try (first: {}).", result.outcome)
        }
        (Here::Works, Some(result)) => {
            let by = result.emitter.as_ref().filter(|e| e.name.as_ref() != "unknown");
            let by = by.map(|e| format!(", written by {}", emitter(e))).unwrap_or_default();
            format!("it works ({} in {}{by}).", outcome(result), words::length(result.phases.total))
        }
        (here, _) => here.sentence(),
    }
}

fn here_json<'a>(event: Option<&'static str>, side: &'a HereSide) -> HereJson<'a> {
    let state = match side.here {
        Here::Works => "works",
        Here::Fails(_) => "fails",
        Here::Refuses(_) => "refuses",
        Here::LineBroken(_) => "line-broken",
        Here::NotProbed(_) => "not-probed",
    };
    let result = side.result.as_ref().map(|result| ProbeFacts::new(result, probe::now()));
    HereJson { event, probed: state != "not-probed", state, sentence: side.here.sentence(), result }
}
