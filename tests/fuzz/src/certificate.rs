//! A server's certificate, in DER.

use parallax_model::{Outcome, ProbeResult, Target, UnixMicros};
use parallax_probe::fuzzing;

use super::batch::assert_travels;
use super::text::assert_plain;

/// Longest text taken out of a certificate, in bytes.
const MAX_TEXT_BYTES: usize = 255;
/// Most names of a leaf that a result keeps.
const MAX_NAMES: usize = 8;

/// Reads bytes as a certificate. What is kept of it is plain and bounded, and travels to the aggregator as it is.
pub fn certificate(bytes: &[u8]) {
    let Some(facts) = fuzzing::certificate(bytes) else { return };
    assert_plain("a subject", &facts.subject, MAX_TEXT_BYTES);
    assert_plain("an issuer", &facts.issuer, MAX_TEXT_BYTES);
    assert!(facts.names.len() <= MAX_NAMES, "{} names", facts.names.len());
    for name in &facts.names {
        assert_plain("a name", name, MAX_TEXT_BYTES);
    }
    let target = Target::site_default("example.com".parse().expect("a host"));
    assert_travels(&ProbeResult { tls: Some(facts), ..ProbeResult::new(target, UnixMicros(0), Outcome::Ok) });
}
