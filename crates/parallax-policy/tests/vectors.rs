//! What the policy says to the inputs of `vectors/inputs.json`: the rows that page, API and agent answer alike.
//!
//! A row has `input`, or `parts` (pieces with how often each is repeated), or `bytes`; and `ok` with what it must become, or
//! the `code` of its refusal.

use parallax_policy::{ParsedTarget, Policy, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

/// One row of the file.
#[derive(Deserialize)]
struct Row {
    #[serde(rename = "row")]
    number: u32,
    input: Option<String>,
    parts: Option<Vec<(String, usize)>>,
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    ok: Value,
    #[serde(default)]
    code: Value,
}

impl Row {
    fn input(&self) -> Vec<u8> {
        match (&self.input, &self.parts, &self.bytes) {
            (Some(text), None, None) => text.as_bytes().to_vec(),
            (None, Some(parts), None) => {
                parts.iter().flat_map(|(text, n)| text.repeat(*n).into_bytes()).collect()
            }
            (None, None, Some(bytes)) => bytes.clone(),
            _ => panic!("row {} has not exactly one of input, parts and bytes", self.number),
        }
    }

    fn wanted(&self) -> &Value {
        if self.ok.is_null() { &self.code } else { &self.ok }
    }

    /// For messages: long inputs are cut.
    fn label(&self) -> String {
        format!(
            "{} {:?}",
            self.number,
            String::from_utf8_lossy(&self.input()).chars().take(80).collect::<String>()
        )
    }
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../vectors/inputs.json")).expect("the vectors are JSON")
}

fn got(answer: &Result<ParsedTarget, Refusal>) -> Value {
    match answer {
        Ok(ParsedTarget { target, notes }) => {
            let notes = serde_json::to_value(notes).expect("notes are plain data");
            let names: Vec<&Value> =
                notes.as_array().into_iter().flatten().map(|note| &note["note"]).collect();
            json!({"scheme": target.scheme, "host": target.host, "port": target.port, "path": target.path, "notes": names})
        }
        Err(refusal) => json!(refusal.code()),
    }
}

#[test]
fn every_row_gets_its_answer() {
    let policy = Policy::public();
    let rows = rows();
    let mut wrong = Vec::new();
    for row in &rows {
        let answer = policy.parse_target_bytes(&row.input());
        let got = got(&answer);
        if got != *row.wanted() {
            wrong.push(format!("{}: {got}, not {}", row.label(), row.wanted()));
        }
        if let Ok(parsed) = answer {
            assert_eq!(
                policy.check_target(&parsed.target),
                Ok(()),
                "a parsed target passes again: {}",
                row.label()
            );
            let again = policy.parse_target(&parsed.target.to_string()).map(|again| again.target);
            assert_eq!(again, Ok(parsed.target), "a target's text is read as that target: {}", row.label());
        }
    }
    assert!(rows.len() > 180, "{} rows", rows.len());
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn refusals_are_one_plain_sentence() {
    for row in rows() {
        let Err(refusal) = Policy::public().parse_target_bytes(&row.input()) else { continue };
        let text = refusal.to_string();
        println!("{} -> {} {}: {text}", row.label(), refusal.code(), refusal.reason());
        assert!(text.ends_with('.') && text.chars().count() < 260, "{text}");
        let hidden = |c: char| {
            c.is_control() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        };
        assert!(!text.contains(hidden), "{text:?}");
        assert!(!text.contains("pass@") && !text.contains("user:"), "{text}");
    }
}
