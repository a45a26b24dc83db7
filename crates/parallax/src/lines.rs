//! `parallax explain`, `diagnose` and `target`: filters that read standard input and write one answer a line, in order, each as
//! soon as it is known. What the answers are is made elsewhere; here are the lines, their limits, and the exit code.

mod explain;
mod response;

use std::io::{self, BufRead, Read as _};

use parallax_diagnose::Line as WorldLine;
use parallax_policy::{Note, TargetAnswer};
use parallax_runtime::ExitCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{ExplainOptions, LinesOptions, TargetOptions};
use crate::{probe, term, words};

/// Longest line of `explain` and `target`, in bytes.
const MAX_LINE_BYTES: u64 = 1024 * 1024;
/// Longest line of `diagnose`, in bytes: a world of the most results that are read, with all their evidence.
const MAX_WORLD_BYTES: u64 = 32 * 1024 * 1024;

/// Who wrote a response, and why.
pub(crate) fn explain(options: &ExplainOptions) -> ExitCode {
    term::ended(if options.jsonl {
        each_line(MAX_LINE_BYTES, |line| explain::answer(line).map_err(|error| error_line(line, &error)))
    } else {
        explain::one(options.json)
    })
}

/// Who is affected and why.
pub(crate) fn diagnose(_: &LinesOptions) -> ExitCode {
    term::ended(each_line(MAX_WORLD_BYTES, |line| {
        let text = std::str::from_utf8(line).map_err(|_| error_line(line, "the line is not UTF-8"))?;
        match WorldLine::parse(text) {
            Ok(world) => serde_json::to_string(&world.answer()).map_err(|e| error_line(line, &e.to_string())),
            Err(_) => Err(parallax_diagnose::answer_line(text)),
        }
    }))
}

/// What an input means as a target.
pub(crate) fn target(options: &TargetOptions) -> ExitCode {
    let policy = probe::policy(&options.allow_cidr);
    let written = match &options.input {
        Some(input) if options.json => one_target_json(&policy, input),
        Some(input) => one_target(&policy, input),
        None => each_line(MAX_LINE_BYTES, |line| target_line(&policy, line)),
    };
    term::ended(written)
}

fn one_target(policy: &parallax_policy::Policy, input: &str) -> io::Result<ExitCode> {
    let parsed = match probe::parse(policy, input) {
        Ok(parsed) => parsed,
        Err(refusal) => return Ok(probe::refused(&refusal, input).say()),
    };
    term::line(&parsed.target)?;
    for note in &parsed.notes {
        for line in words::wrapped("  ", &note.to_string()) {
            term::line(format_args!("{}{line}{}", term::DIM.render(), term::DIM.render_reset()))?;
        }
    }
    Ok(ExitCode::Ok)
}

/// The answer to one input, with what the visitor should know about how it was read.
#[derive(Debug, Serialize)]
struct TargetJson {
    #[serde(flatten)]
    answer: TargetAnswer,
    notes: Vec<Note>,
}

fn one_target_json(policy: &parallax_policy::Policy, input: &str) -> io::Result<ExitCode> {
    let answer = parallax_policy::answer(policy, input);
    let code =
        if matches!(answer, TargetAnswer::Accepted { .. }) { ExitCode::Ok } else { ExitCode::BadInput };
    let notes = policy.parse_target(input).map(|parsed| parsed.notes).unwrap_or_default();
    term::line(serde_json::to_string(&TargetJson { answer, notes })?)?;
    Ok(code)
}

/// One line of `target --jsonl`. Other keys are let pass, so that a corpus can be read as it is.
#[derive(Debug, Deserialize)]
struct TargetLine {
    id: Value,
    input: String,
}

#[derive(Debug, Serialize)]
struct TargetLineAnswer {
    id: Value,
    #[serde(flatten)]
    answer: TargetAnswer,
}

fn target_line(policy: &parallax_policy::Policy, line: &[u8]) -> Result<String, String> {
    let told = |error: serde_json::Error| error_line(line, &not_json(&error));
    let TargetLine { id, input } = serde_json::from_slice(line).map_err(told)?;
    let answer = parallax_policy::answer(policy, &input);
    serde_json::to_string(&TargetLineAnswer { id, answer }).map_err(told)
}

/// What is wrong with a line, without the place in it: the line number is always 1.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// The answer to a line that has none: `{"id":…,"error":"…"}`, with the line's id as far as it can be read.
fn error_line(line: &[u8], error: &str) -> String {
    let read: Value = serde_json::from_slice(line).unwrap_or_default();
    let id = read.get("id").cloned().unwrap_or_default();
    // Written by hand only as far as the order of the keys goes.
    format!("{{\"id\":{id},\"error\":{}}}", json!(error))
}

/// Answers each line of standard input that is not blank. A line without an answer gets its error and makes the program end with
/// 65 after the last line.
fn each_line(limit: u64, answer: impl Fn(&[u8]) -> Result<String, String>) -> io::Result<ExitCode> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    let mut code = ExitCode::Ok;
    loop {
        let read = match next_line(&mut input, limit, &mut line) {
            Ok(read) => read,
            Err(error) => return Ok(unreadable(&error)),
        };
        let answered = match read {
            Read::End => return Ok(code),
            Read::Line if line.trim_ascii().is_empty() => continue,
            Read::Line => answer(&line),
            Read::TooLong => Err(error_line(&[], &format!("the line is longer than {limit} bytes"))),
        };
        match answered {
            Ok(text) => term::line(text)?,
            Err(text) => {
                code = ExitCode::BadInput;
                term::line(text)?;
            }
        }
    }
}

/// Standard input cannot be read: it is a directory, say.
fn unreadable(error: &io::Error) -> ExitCode {
    term::failed_because("cannot read standard input", error, ExitCode::Failed)
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// Nothing is left.
    End,
    /// A line, without its end.
    Line,
    /// A line over the limit; it was passed over.
    TooLong,
}

/// Reads one line of at most `limit` bytes into `line`; of a longer one, no more than that is ever kept.
fn next_line(input: &mut impl BufRead, limit: u64, line: &mut Vec<u8>) -> io::Result<Read> {
    line.clear();
    if input.by_ref().take(limit + 1).read_until(b'\n', line)? == 0 {
        return Ok(Read::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 > limit {
        input.skip_until(b'\n')?;
        return Ok(Read::TooLong);
    }
    Ok(Read::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_next_one_is_whole() {
        let mut input: &[u8] = b"12345\n123456\n1\n\n12";
        let mut line = Vec::new();
        let mut read = Vec::new();
        loop {
            match next_line(&mut input, 5, &mut line).expect("memory can be read") {
                Read::End => break,
                Read::TooLong => read.push("too long".to_owned()),
                Read::Line => read.push(String::from_utf8_lossy(&line).into_owned()),
            }
        }
        assert_eq!(read, ["12345", "too long", "1", "", "12"]);
    }

    #[test]
    fn an_error_keeps_the_id_it_can_read() {
        assert_eq!(error_line(br#"{"id":"a"}"#, "no \"input\""), r#"{"id":"a","error":"no \"input\""}"#);
        assert_eq!(error_line(br#"{"id":7}"#, "x"), r#"{"id":7,"error":"x"}"#);
        assert_eq!(error_line(b"{", "x"), r#"{"id":null,"error":"x"}"#);
    }
}
