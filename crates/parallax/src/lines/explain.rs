//! `parallax explain`: from a response to who wrote it and why.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::Arc;

use http::HeaderMap;
use parallax_model::{Layer, Pop};
use parallax_probe::{Explained, ResponseCause, emitter};
use parallax_runtime::ExitCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::response::{self, ResponseText};
use super::{MAX_LINE_BYTES, not_json};
use crate::{term, words};

/// One line of input. Other keys are let pass, so that a corpus can be read as it is.
#[derive(Debug, Deserialize)]
struct ExplainLine {
    id: Value,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Values>>,
    #[serde(default)]
    body_prefix: Option<String>,
}

/// One value of a header, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

/// What is said about a response.
#[derive(Debug, Serialize)]
struct ExplainAnswer {
    /// Only where the input has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    /// `ok`, or a failure kind.
    kind: String,
    emitter: Arc<str>,
    layer: Layer,
    pop: Option<Pop>,
    via: Vec<Arc<str>>,
    cause: ResponseCause,
    confidence: f64,
    evidence: Vec<String>,
}

impl ExplainAnswer {
    fn new(id: Option<Value>, explained: Explained) -> Self {
        Self {
            id,
            kind: explained.kind.map_or_else(|| "ok".to_owned(), |kind| kind.to_string()),
            emitter: explained.emitter.name,
            layer: explained.emitter.layer,
            pop: explained.emitter.pop,
            via: explained.emitter.via,
            cause: explained.cause,
            confidence: explained.confidence.get(),
            evidence: explained.evidence,
        }
    }
}

/// The answer to one line of JSON, or why there is none.
pub(super) fn answer(line: &[u8]) -> Result<String, String> {
    let input: ExplainLine = serde_json::from_slice(line).map_err(|e| not_json(&e))?;
    let mut headers = HeaderMap::new();
    for (name, values) in input.headers.unwrap_or_default() {
        let values = match values {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        for value in values {
            response::add_header(&mut headers, name.as_bytes(), value.as_bytes());
        }
    }
    let body = input.body_prefix.unwrap_or_default();
    let explained = emitter(input.status, &headers, body.as_bytes());
    serde_json::to_string(&ExplainAnswer::new(Some(input.id), explained)).map_err(|e| not_json(&e))
}

/// Explains the one response on standard input.
pub(super) fn one(json: bool) -> io::Result<ExitCode> {
    let mut text = Vec::new();
    // A page beyond this changes nothing: only its beginning is looked at.
    if let Err(error) = io::stdin().lock().take(MAX_LINE_BYTES).read_to_end(&mut text) {
        return Ok(super::unreadable(&error));
    }
    let ResponseText { status, headers, body } = match response::read(&text) {
        Ok(response) => response,
        Err(error) => return Ok(term::failed(&error.to_string(), ExitCode::BadInput)),
    };
    let answer = ExplainAnswer::new(None, emitter(Some(status), &headers, body));
    if json {
        term::line(serde_json::to_string(&answer)?)?;
    } else {
        for line in told(&answer, status) {
            term::line(line)?;
        }
    }
    Ok(ExitCode::Ok)
}

/// The answer for people.
fn told(answer: &ExplainAnswer, status: u16) -> Vec<String> {
    let named = answer.emitter.as_ref() != "unknown";
    let writer = match (named, &answer.pop) {
        (false, _) => "nothing in the answer names it".to_owned(),
        (true, Some(pop)) => format!("{} ({}, PoP {pop})", answer.emitter, answer.layer),
        (true, None) => format!("{} ({})", answer.emitter, answer.layer),
    };
    let mut facts = vec![("Written by", writer)];
    if !answer.via.is_empty() {
        facts.push(("Passed on", answer.via.join(", ")));
    }
    facts.push(("Status", format!("{status}, which counts as {}", answer.kind)));
    facts.push(("Cause", answer.cause.to_string()));
    if named {
        facts.push(("Sure", format!("{:.0} %", answer.confidence * 100.0)));
    }
    facts.extend(answer.evidence.iter().map(|line| ("Because", line.clone())));
    facts.into_iter().flat_map(|(name, value)| words::wrapped(&format!("{name:12}"), &value)).collect()
}
