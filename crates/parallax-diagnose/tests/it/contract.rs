//! The JSON lines of `parallax diagnose --jsonl`: what is accepted, and what each error names.

use parallax_diagnose::answer_line;
use serde_json::{Value, json};

fn answer(line: &str) -> Value {
    let text = answer_line(line);
    assert!(!text.contains('\n'), "one line: {text}");
    serde_json::from_str(&text).expect("an answer is JSON")
}

/// Worlds that are refused, and what the error must say.
const REFUSED: &[(&str, &str)] = &[
    ("", "the world cannot be read: EOF while parsing a value"),
    ("{}", "the world cannot be read: missing field `agents`"),
    (r#"{"id":"x","agents":[],"results":[],"wat":1}"#, "unknown field `wat`"),
    (r#"{"id":"x","agents":[{"agent":"a1"},{"agent":"a1"}],"results":[]}"#, "agent a1 is listed twice"),
    (
        r#"{"id":"x","agents":[{"agent":"a1"}],"results":[{"agent":"a2","outcome":"ok"}]}"#,
        "agent a2 has results",
    ),
    (
        r#"{"id":"x","agents":[{"agent":"a1","asm":3}],"results":[]}"#,
        "agents[0] (a1) cannot be read: unknown field `asm`",
    ),
    (r#"{"id":"x","agents":[{"agent":"a1","fail_rate":1.5}],"results":[]}"#, "`fail_rate` of agent a1"),
    (
        r#"{"id":"x","agents":[{"agent":"a1"}],"results":[{"agent":"a1"}]}"#,
        "results[0] (agent a1) cannot be read: missing field `outcome`",
    ),
    (
        r#"{"id":"x","agents":[{"agent":"a1"}],"results":[{"agent":"a1","outcome":"http-999"}]}"#,
        "\"http-999\" is not a failure kind",
    ),
    (
        r#"{"id":"x","agents":[{"agent":"a1"}],"results":[{"agent":"a1","outcome":"http-status"}]}"#,
        "`http-status` without `status`",
    ),
    (
        r#"{"id":"x","agents":[{"agent":"a1"}],"results":[{"agent":"a1","outcome":"ok","ttfb_ms":-1}]}"#,
        "`ttfb_ms` of a result of agent a1",
    ),
    (r#"{"id":"x","agents":[],"results":[],"visitor":{"browser":"maybe"}}"#, "unknown variant `maybe`"),
];

#[test]
fn a_line_without_a_world_gets_an_error_that_names_its_subject() {
    for (line, expected) in REFUSED {
        let answer = answer(line);
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(expected), "{line}\n  {error}");
        assert!(!error.contains(" line "), "{error}");
        let id = if line.contains("\"id\"") { json!("x") } else { Value::Null };
        assert_eq!(answer["id"], id);
    }
}

#[test]
fn an_answer_has_the_keys_of_the_contract() {
    let answer = answer(r#"{"id":"w1","agents":[],"results":[]}"#);
    let keys =
        ["id", "verdict", "confidence", "scopes", "same_coverage", "cause", "visitor", "sentence", "missing"];
    for key in keys {
        assert!(answer.get(key).is_some(), "{key} in {answer}");
    }
    assert_eq!(answer["id"], "w1");
    assert_eq!(answer["verdict"], "unknown");
}

#[test]
fn every_optional_key_is_accepted() {
    let line = json!({"id": "w1",
        "agents": [{"agent": "a1", "asn": 64500, "isp": "Example Net", "region": "eu-west", "country": "DE",
            "network": "home", "fail_rate": 0.01}],
        "results": [{"agent": "a1", "age_ms": 1200, "attempt": 1, "outcome": "http-status", "status": 502, "pop": "FRA",
            "address": "192.0.2.1", "family": 4, "protocol": "h2", "resolver": "isp", "emitter": "nginx", "ttfb_ms": 80,
            "beacon": "fail", "retry": "fail", "error_ms": 12.5, "retry_after": 30, "ttfb_usual_ms": 70,
            "address_current": true, "ttl_left_s": 30, "cert_problem": false, "static_ok": true,
            "other_address_ok": true, "other_family_ok": true, "other_port_open": true, "kind": "maintenance"}],
        "reports": {"problem": 12, "works": 3, "expected": 2.5, "by_asn": {"64500": 9}},
        "visitor": {"asn": 64500, "country": "DE", "family": 4, "browser": "timeout", "beacon": "untested"},
        "changes": [{"what": "dns", "ago_s": 90}, {"what": "certificate", "ago_s": 1}, {"what": "deploy", "ago_s": 1},
            {"what": "cdn", "ago_s": 1}],
        "elsewhere": {"same_asn_failing": 0.0, "same_pop_failing": 0.0, "same_host_failing": 0.0}});
    let answer = answer(&line.to_string());
    assert_eq!(answer["error"], Value::Null, "{answer}");
}
