//! Every file of `cases/` is a world and exactly what must be said of it. A new file is a new test.

use std::path::Path;

use parallax_diagnose::{Line, World, analyse, decided, observe};
use serde_json::{Value, json};

fn cases() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut cases: Vec<(String, Value)> = std::fs::read_dir(&folder)
        .expect("the folder of cases is there")
        .map(|entry| entry.expect("the folder can be listed").path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a case can be read");
            let name = path.file_stem().expect("a case has a name").to_string_lossy().into_owned();
            (name, serde_json::from_str(&text).expect("a case is JSON"))
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    cases
}

#[test]
fn every_case_is_answered_exactly() {
    let mut wrong = Vec::new();
    for (name, case) in cases() {
        let line = Line::parse(&case["world"].to_string()).expect("a case holds a valid world");
        let mut answer = serde_json::to_value(line.answer()).expect("an answer is JSON");
        answer["cause"] = answer["cause"]["kind"].clone();
        for (key, expected) in case["expect"].as_object().expect("`expect` is an object") {
            if answer[key] != *expected {
                wrong.push(format!("{name}: {key}\n  expected {expected}\n       got {}", answer[key]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_headline_is_at_most_ninety_characters_even_with_the_longest_host() {
    let host = format!("{}.example.com", ["a".repeat(60).as_str(); 3].join(".")).parse().expect("a host");
    for (name, case) in cases() {
        let world = World::from_json(&case["world"].to_string()).expect("a valid world");
        let subject = parallax_diagnose::Subject { host: Some(&host) };
        let sentence = parallax_diagnose::diagnose(&world, subject).sentence;
        assert!(sentence.chars().count() <= 90, "{name}: {sentence}");
    }
}

#[test]
fn a_check_may_stop_when_the_answer_is_sure_and_not_before() {
    let decides = |name: &str| {
        let (_, case) = cases().into_iter().find(|(n, _)| n == name).expect("the case is there");
        let world = World::from_json(&case["world"].to_string()).expect("a valid world");
        decided(&analyse(&observe(&world)))
    };
    let sure = ["up", "down-all", "scope-asn", "down-smallest-panel"];
    assert_eq!(sure.map(decides), [true; 4]);
    let open = ["few-answers", "one-network-only", "three-of-one-network", "lines-down"];
    assert_eq!(open.map(decides), [false; 4]);
}

#[test]
fn a_named_host_is_in_the_sentence() {
    let (_, case) = cases().into_iter().find(|(n, _)| n == "down-all").expect("the case is there");
    let world = World::from_json(&case["world"].to_string()).expect("a valid world");
    let host = "example.com".parse().expect("a host");
    let diagnosis = parallax_diagnose::diagnose(&world, parallax_diagnose::Subject { host: Some(&host) });
    assert_eq!(json!(diagnosis.sentence), json!("example.com is down for everyone we asked"));
}
