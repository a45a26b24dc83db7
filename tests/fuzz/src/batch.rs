//! What an agent sends: results as columns.

use parallax_model::{
    FailureKind, HttpFailure, MAX_ADDRESSES, MAX_DETAIL_BYTES, MAX_REDIRECTS, Micros, Outcome, ProbeResult,
};
use parallax_proto::batch::{EXACT_RESULTS, MAX_BATCH_BYTES, MAX_BATCH_RESULTS, decode, encode, unpack};
use parallax_proto::v1::agent::{ResultBatch, ResultColumns};
use parallax_proto::v1::types;
use parallax_proto::{result_from_wire, result_to_wire};
use prost::Message as _;

use super::text::assert_plain;

/// Longest text in a result, in bytes.
const MAX_TEXT_BYTES: usize = 255;
/// Most texts in one list of a result.
const MAX_TEXTS: usize = 16;
/// Most bytes of a body that are read.
const MAX_BODY_BYTES: u32 = 65_536;

/// Reads bytes as a batch, as the columns of one (what journal and spool keep) and as a single result. Whatever is accepted keeps the
/// limits of the model and says the same when it is sent on.
pub fn batch(bytes: &[u8]) {
    if bytes.len() > MAX_BATCH_BYTES {
        return;
    }
    if let Ok(batch) = ResultBatch::decode(bytes) {
        unpack(&batch.columns).iter().for_each(columns);
    }
    if let Ok(kept) = ResultColumns::decode(bytes) {
        columns(&kept);
    }
    if let Ok(Ok(result)) = types::ProbeResult::decode(bytes).map(|wire| result_from_wire(&wire)) {
        assert_result(&result);
        assert_eq!(result_from_wire(&result_to_wire(&result)).as_ref(), Ok(&result));
        assert_travels(&result);
    }
}

/// Decodes columns; what they hold must be within its limits and survive being sent on.
pub(super) fn columns(columns: &ResultColumns) {
    let results = match decode(columns) {
        Ok(results) => results,
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "an error is one line: {error}");
            return;
        }
    };
    assert_eq!(results.len(), columns.count as usize, "a result was lost or made up");
    assert!(results.len() <= MAX_BATCH_RESULTS as usize);
    results.iter().for_each(assert_result);
    let sent = encode(&results);
    let read = decode(&sent).expect("what was decoded can be decoded again");
    // A larger batch keeps times less exactly, and fewer digests: it changes once.
    if results.len() <= EXACT_RESULTS {
        assert_eq!(settled(&read), settled(&results), "results changed on the way");
    }
    assert_eq!(
        encode(&read),
        encode(&decode(&encode(&read)).expect("again")),
        "the encoding does not settle"
    );
}

/// Asserts that the aggregator gets a result as the agent has it. One result that it cannot read costs the whole batch.
pub(super) fn assert_travels(result: &ProbeResult) {
    let read = decode(&encode(std::slice::from_ref(result))).expect("the aggregator can read it");
    assert_eq!(settled(&read), settled(std::slice::from_ref(result)), "it changed on the way");
}

/// The largest number of a column is sent as one less; that much may change, once.
fn settled(results: &[ProbeResult]) -> Vec<ProbeResult> {
    let mut results = results.to_vec();
    for result in &mut results {
        let phases = &mut result.phases;
        for phase in
            [&mut phases.dns, &mut phases.connect, &mut phases.tls, &mut phases.first_byte, &mut phases.body]
        {
            *phase = phase.map(|micros| Micros(micros.0.min(u32::MAX - 1)));
        }
        for seconds in [&mut result.dns.ttl_left_s, &mut result.retry_after_s] {
            *seconds = seconds.map(|s| s.min(u32::MAX - 1));
        }
    }
    results
}

/// What the model says of a result, field by field.
fn assert_result(result: &ProbeResult) {
    assert_plain("a target", &result.target.to_string(), 2_048);
    if let Some(FailureKind::Http(HttpFailure::Status(status))) = result.outcome.kind() {
        assert_eq!(result.status, Some(status), "the outcome names another status than the answer's");
    }
    if let Outcome::Failed(failure) = result.outcome {
        assert_eq!(failure.kind.to_string().parse(), Ok(failure.kind), "a kind outside the closed list");
    }
    assert!(result.dns.addresses.len() <= MAX_ADDRESSES);
    assert_texts("cnames", &result.dns.cnames);
    assert_texts("resolver", result.dns.resolver.as_slice());
    if let Some(tls) = &result.tls {
        assert_texts("tls", &[tls.version.clone(), tls.subject.clone(), tls.issuer.clone()]);
        assert_texts("alpn", tls.alpn.as_slice());
        assert_texts("names", &tls.names);
    }
    if let Some(emitter) = &result.emitter {
        assert_plain("an emitter", &emitter.name, MAX_TEXT_BYTES);
        assert_texts("via", &emitter.via);
    }
    if let Some(body) = &result.body {
        assert!(body.length <= MAX_BODY_BYTES, "{} bytes of a body", body.length);
    }
    assert!(result.redirects.len() <= MAX_REDIRECTS);
    if let Some(detail) = &result.detail {
        assert_plain("a detail", detail, MAX_DETAIL_BYTES);
    }
}

fn assert_texts(what: &str, texts: &[std::sync::Arc<str>]) {
    assert!(texts.len() <= MAX_TEXTS, "{what} has {} texts", texts.len());
    for text in texts {
        assert_plain(what, text, MAX_TEXT_BYTES);
    }
}
