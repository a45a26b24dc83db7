//! How far the policy agrees with the open half of the URL corpus, which lies beside the project and not in it.
//!
//! One row of 469 differs on ok or reject, and is meant to: forty times `à`, written as two characters each, before `.com` is
//! refused there as a label too long, counted in the octets of UTF-8. A label's length is counted as it goes into the DNS
//! (RFC 5890, 2.3.2.1), where this one has 44 octets, and browsers take it.
//!
//! Of the reasons some 90 differ because the corpus keeps the label of its source, the web platform tests, which only know
//! `url_parse_failure`. Here the reason says which part cannot be parsed and why (`bad_host_char`, `bad_ipv4`, `control_or_space`,
//! `userinfo` …), for that is what a visitor can mend. Such a row counts as finer.

use parallax_policy::{Policy, Reason, answer};
use serde_json::Value;

/// From this crate's folder.
const CORPUS: &str = "../../../shared/corpora/urls.jsonl";

/// Least share of rows that agree on ok or reject, host, scheme and port.
const LEAST_AGREEMENT: f64 = 0.99;
/// Least share of refusals whose reason is the same, or finer than that nothing could be parsed.
const LEAST_REASONS: f64 = 0.90;

#[test]
fn the_corpus_is_answered_as_labelled() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(CORPUS);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no URL corpus beside the project");
        return;
    };
    let policy = Policy::public();
    let (mut rows, mut agree, mut rejects, mut same_reason, mut finer) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let got = serde_json::to_value(answer(&policy, row["input"].as_str().unwrap())).unwrap();
        rows += 1;
        let same = if row["expect"] == "ok" {
            got["ok"] == true && ["scheme", "host", "port"].iter().all(|key| got[key] == row[key])
        } else {
            rejects += 1;
            let known = Reason::ALL.iter().any(|reason| row["reason"] == reason.as_str());
            assert!(known, "{} is no reason", row["reason"]);
            same_reason += u32::from(got["reason"] == row["reason"]);
            let only_unparsed = row["reason"] == Reason::UrlParseFailure.as_str() && got["ok"] == false;
            if got["reason"] != row["reason"] && only_unparsed {
                finer += 1;
            } else if got["reason"] != row["reason"] {
                println!("reason: {} wants {}, got {}", row["input"], row["reason"], got["reason"]);
            }
            got["ok"] == false
        };
        agree += u32::from(same);
        if !same {
            println!("DIFFERS: {} wants {} {}, got {got}", row["input"], row["expect"], row["host"]);
        }
    }
    println!("{agree} of {rows} rows agree; of {rejects} reasons {same_reason} are the same, {finer} finer");
    assert!(f64::from(agree) >= LEAST_AGREEMENT * f64::from(rows));
    assert!(f64::from(same_reason + finer) >= LEAST_REASONS * f64::from(rejects));
}
