//! What agents saw of one site, as one line of JSON.

use parallax_diagnose::{Answer, Line, answer_line};

/// Worlds of more results take a while each and show nothing new.
const MAX_RESULTS: usize = 200;

/// Reads bytes as a line of `parallax diagnose --jsonl`. Every line gets one line of JSON; a world's answer does not depend on the
/// order of its results nor on how often one of them came.
pub fn world(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let parsed = Line::parse(text);
    if parsed.as_ref().is_ok_and(|line| line.0.results.len() > MAX_RESULTS) {
        return;
    }
    let told = answer_line(text);
    assert!(!told.contains('\n'), "an answer is one line: {told}");
    let Ok(line) = parsed else { return };
    let answer: Answer = serde_json::from_str(&told).expect("an answer is JSON");
    assert!(answer.failing <= answer.agents, "{} of {} agents fail", answer.failing, answer.agents);
    assert!((0.0..=1.0).contains(&answer.confidence.get()));
    assert!(!answer.sentence.is_empty(), "a verdict without a sentence");
    let mut turned = line.clone();
    turned.0.results.reverse();
    turned.0.results.extend_from_slice(&line.0.results);
    assert_eq!(turned.answer(), line.answer(), "order and repetition change the answer");
}
