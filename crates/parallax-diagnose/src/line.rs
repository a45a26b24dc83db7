//! One line of JSON in, one line of JSON out: all that `parallax diagnose --jsonl` does.

use std::error::Error;

use parallax_model::{Cause, Confidence, Diagnosis, Scope, Verdict, VisitorVerdict};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::judge::Subject;
use crate::world::{World, WorldError};

/// Longest line that is read, in bytes.
const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// One world, read from one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line(pub World);

/// Why a line has no answer.
#[derive(Debug, Error)]
pub enum LineError {
    /// Longer than 64 MiB.
    #[error("a line is at most {MAX_LINE_BYTES} bytes, got {0}")]
    TooLong(usize),
    /// It holds no world.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// The answer to one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The world's name.
    pub id: String,
    /// The verdict.
    pub verdict: Verdict,
    /// How sure of verdict and scopes.
    pub confidence: Confidence,
    /// Whom it concerns.
    pub scopes: Vec<Scope>,
    /// Scopes that explain the same results equally well.
    pub same_coverage: Vec<Scope>,
    /// Why.
    pub cause: Option<Cause>,
    /// What is said to the visitor; `unknown` when the world has none.
    pub visitor: VisitorVerdict,
    /// One sentence for a visitor.
    pub sentence: String,
    /// What would have been needed to say more.
    pub missing: Vec<String>,
    /// One sentence for the site's operator.
    pub operator_sentence: String,
    /// What it stands on.
    pub evidence: Vec<String>,
    /// Agents whose results were used.
    pub agents: u32,
    /// Of those, how many fail.
    pub failing: u32,
}

impl Line {
    /// Reads one line.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        if text.len() > MAX_LINE_BYTES {
            return Err(LineError::TooLong(text.len()));
        }
        Ok(Self(World::from_json(text)?))
    }

    /// What the line's world means.
    pub fn answer(&self) -> Answer {
        let diagnosis = crate::diagnose(&self.0, Subject::default());
        Answer::new(self.0.id.clone(), diagnosis)
    }
}

impl Answer {
    fn new(id: String, diagnosis: Diagnosis) -> Self {
        Self {
            id,
            verdict: diagnosis.verdict,
            confidence: diagnosis.confidence,
            scopes: diagnosis.scopes,
            same_coverage: diagnosis.same_coverage,
            cause: diagnosis.cause,
            visitor: diagnosis.visitor.unwrap_or(VisitorVerdict::Unknown),
            sentence: diagnosis.sentence,
            missing: diagnosis.missing,
            operator_sentence: diagnosis.operator_sentence,
            evidence: diagnosis.evidence,
            agents: diagnosis.agents,
            failing: diagnosis.failing,
        }
    }
}

/// The answer to one line as one line of JSON without its end: a diagnosis, or `{"id":…,"error":"…"}` for a line that holds no world.
pub fn answer_line(line: &str) -> String {
    let answer = match Line::parse(line) {
        Ok(line) => serde_json::to_value(line.answer()),
        Err(error) => Ok(serde_json::json!({ "id": id_in(line), "error": chain(&error) })),
    };
    match answer {
        Ok(value) => value.to_string(),
        Err(error) => serde_json::json!({ "id": null, "error": error.to_string() }).to_string(),
    }
}

/// The id of a line that holds no valid world, as far as it can be read.
fn id_in(line: &str) -> serde_json::Value {
    let world: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    world.get("id").cloned().unwrap_or_default()
}

/// An error with its sources, and without places in a text that the reader may never have seen as text.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    match text.find(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
