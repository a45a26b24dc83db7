//! A site's answer: status line, headers, the beginning of its page.

use http::HeaderMap;
use parallax_model::{
    BlockedFailure, Emitter, FailureKind, Outcome, ProbeResult, StatusCode, Target, UnixMicros,
};
use parallax_probe::{Explained, fuzzing};

use super::batch::assert_travels;
use super::text::assert_plain;

/// The reader of `curl -i` text belongs to the program `parallax`, which is no library.
#[path = "../../../crates/parallax/src/lines/response.rs"]
mod response;

/// Longest name of an emitter, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// Longest line of evidence, in bytes.
const MAX_EVIDENCE_BYTES: usize = 512;
/// Most lines of evidence.
const MAX_EVIDENCE: usize = 8;

/// Reads bytes as `curl -i` text and classifies what it finds. What is said of it is plain and bounded, a 5xx never counts as ok,
/// and the result travels to the aggregator as it is.
pub fn answer(bytes: &[u8]) {
    let Ok(read) = response::read(bytes) else { return };
    assert!(bytes.ends_with(read.body), "the page is not the end of the text");
    let status = StatusCode::new(read.status).expect("a status from 100 to 599");
    let explained = parallax_probe::emitter(Some(read.status), &read.headers, read.body);
    assert_explained(&explained);
    let again = parallax_probe::emitter(Some(read.status), &read.headers, read.body);
    assert_eq!(explained, again, "the same answer is explained in the same words");
    assert_judged(status, &read.headers, read.body, &explained);
    let unread = parallax_probe::emitter(None, &HeaderMap::new(), read.body);
    assert_explained(&unread);
}

fn assert_explained(explained: &Explained) {
    let Emitter { name, via, .. } = &explained.emitter;
    assert_plain("an emitter", name, MAX_NAME_BYTES);
    assert!(!name.is_empty(), "an emitter without a name");
    for (at, hop) in via.iter().enumerate() {
        assert_plain("who passed it on", hop, MAX_NAME_BYTES);
        assert!(hop != name && !via[..at].contains(hop), "{name} via {via:?}");
    }
    assert!((0.0..=1.0).contains(&explained.confidence.get()));
    assert_eq!(explained.confidence.get() == 0.0, explained.evidence.is_empty(), "sure without evidence");
    assert!(explained.evidence.len() <= MAX_EVIDENCE);
    for line in &explained.evidence {
        assert_plain("evidence", line, MAX_EVIDENCE_BYTES);
    }
}

fn assert_judged(status: StatusCode, headers: &HeaderMap, page: &[u8], explained: &Explained) {
    let outcome = fuzzing::judged(status, headers, page);
    let kind = outcome.kind();
    match status.get() {
        500.. => assert!(kind.is_some(), "{status} counts as ok"),
        403 | 406 | 429 => assert!(kind.is_some_and(FailureKind::is_blocked), "{status} is {outcome}"),
        451 if explained.kind.is_none() => {
            assert_eq!(kind, Some(FailureKind::Blocked(BlockedFailure::Legal)));
        }
        _ => {}
    }
    if let Some(FailureKind::Http(_)) = kind {
        assert_eq!(kind, Some(FailureKind::status(status)), "a status keeps its own code");
        assert!(status.get() >= 500, "{status} is {outcome}");
    }
    assert_eq!(
        outcome == Outcome::Ok,
        explained.kind.is_none(),
        "explained as {:?}, judged {outcome}",
        explained.kind
    );
    let target = Target::site_default("example.com".parse().expect("a host"));
    let result = ProbeResult {
        status: Some(status),
        emitter: Some(explained.emitter.clone()),
        ..ProbeResult::new(target, UnixMicros(0), outcome)
    };
    assert_travels(&result);
}
