//! The corpus of real answers, where it lies beside the repository: how many are told right. The floors are a little below what
//! was measured; whoever changes a rule sees what it costs elsewhere.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::index::{self, Answer};
use super::{Explained, emitter};

/// One row, as much of it as is scored here.
#[derive(Deserialize)]
struct Row {
    id: String,
    status: Option<u16>,
    headers: Option<BTreeMap<String, Value>>,
    body_prefix: Option<String>,
    emitter: String,
    layer: String,
    cause: String,
    cause_acceptable: Option<Vec<String>>,
    #[serde(default)]
    via: Vec<String>,
    trap: Option<String>,
    provenance: String,
    expect: Option<String>,
}

impl Row {
    fn told(&self) -> Explained {
        let headers = self.headers();
        let body = self.body_prefix.as_deref().unwrap_or_default().as_bytes();
        let missed = index::missed(&Answer::new(self.status, &headers, body));
        assert!(missed.is_empty(), "{}: the index passes over {missed:?}", self.id);
        emitter(self.status, &headers, body)
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().flatten() {
            let lines = value.as_array().map_or_else(|| vec![value.clone()], Clone::clone);
            for line in lines {
                let text = line.as_str().map_or_else(|| line.to_string(), str::to_owned);
                let name: Option<HeaderName> = name.parse().ok();
                if let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(text.trim().as_bytes())) {
                    headers.append(name, value);
                }
            }
        }
        headers
    }
}

fn rows(file: &str) -> Option<Vec<Row>> {
    let path = format!("{}/../../../shared/corpora/{file}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("{file} is not here: nothing scored");
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect())
}

/// How many rows there are, and of how many what was right.
#[derive(Default)]
struct Score {
    rows: u32,
    emitter: u32,
    layer: u32,
    cause: u32,
    via: u32,
}

impl Score {
    fn percent(&self, right: u32) -> u32 {
        right * 100 / self.rows.max(1)
    }
}

#[test]
fn the_corpus_of_errors_is_told_right() {
    let Some(rows) = rows("emitters.jsonl") else { return };
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for row in rows {
        let told = row.told();
        let via: Vec<&str> = told.emitter.via.iter().map(|v| &**v).collect();
        let right = *told.emitter.name == *row.emitter;
        let whole = if row.provenance == "fingerprint" { "marks alone" } else { "whole answers" };
        if !right && row.provenance != "fingerprint" {
            println!("{}: {} instead of {}", row.id, told.emitter.name, row.emitter);
        }
        let trap = row.trap.is_some().then(|| "traps".to_owned());
        for group in
            [Some(whole.to_owned()), Some(format!("  {}", row.provenance)), trap].into_iter().flatten()
        {
            let score = scores.entry(group).or_default();
            score.rows += 1;
            score.emitter += u32::from(right);
            score.layer += u32::from(told.emitter.layer.as_str() == row.layer);
            let acceptable = row.cause_acceptable.iter().flatten().any(|c| c == told.cause.as_str());
            score.cause += u32::from(acceptable);
            score.via += u32::from(via == row.via);
        }
    }
    for (group, s) in &scores {
        println!(
            "{group}: {} rows; emitter {}, layer {}, cause {}, via {}",
            s.rows, s.emitter, s.layer, s.cause, s.via
        );
    }
    for (group, least) in [("whole answers", 97), ("traps", 93), ("marks alone", 95)] {
        let score = &scores[group];
        for right in [score.emitter, score.layer, score.cause, score.via] {
            assert!(score.percent(right) >= least, "{group}: {right} of {}", score.rows);
        }
    }
}

#[test]
fn the_corpus_of_block_pages_is_told_right() {
    let Some(rows) = rows("blockpages.jsonl") else { return };
    let mut score = Score::default();
    let (mut found, mut others, mut wrong) = (0_u32, 0_u32, 0_u32);
    for row in rows {
        let told = row.told();
        let blocked = told.kind.is_some_and(|kind| kind.to_string().starts_with("blocked-"));
        match row.expect.as_deref() {
            Some("block") => {
                score.rows += 1;
                found += u32::from(blocked);
                score.emitter += u32::from(*told.emitter.name == *row.emitter);
                score.layer += u32::from(told.emitter.layer.as_str() == row.layer);
                score.cause += u32::from(told.cause.as_str() == row.cause);
            }
            Some("not_block") => {
                others += 1;
                wrong += u32::from(blocked);
            }
            _ => {}
        }
    }
    println!(
        "blocks found {found} of {}; emitter {}, layer {}, cause {}; look-alikes called blocks {wrong} of {others}",
        score.rows, score.emitter, score.layer, score.cause
    );
    assert_eq!(wrong, 0, "a look-alike is called a block");
    assert!(score.percent(found) >= 88, "{found} of {} blocks found", score.rows);
}
