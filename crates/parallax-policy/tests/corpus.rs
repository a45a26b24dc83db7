//! How far the policy agrees with the open half of the URL corpus, which lies beside the project and not in it.

use parallax_policy::{Policy, Reason, answer};
use serde_json::Value;

/// From this crate's folder.
const CORPUS: &str = "../../../shared/corpora/urls.jsonl";

/// Least share of rows that agree on ok or reject, host, scheme and port.
const LEAST_AGREEMENT: f64 = 0.99;

#[test]
fn the_corpus_is_answered_as_labelled() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(CORPUS);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no URL corpus beside the project");
        return;
    };
    let policy = Policy::public();
    let (mut rows, mut agree, mut rejects, mut same_reason) = (0_u32, 0_u32, 0_u32, 0_u32);
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
            if got["reason"] != row["reason"] {
                println!("reason: {} wants {}, got {}", row["input"], row["reason"], got["reason"]);
            }
            got["ok"] == false
        };
        agree += u32::from(same);
        if !same {
            println!("DIFFERS: {} wants {} {}, got {got}", row["input"], row["expect"], row["host"]);
        }
    }
    println!("{agree} of {rows} rows agree; {same_reason} of {rejects} reasons are the same");
    assert!(f64::from(agree) >= LEAST_AGREEMENT * f64::from(rows));
}
