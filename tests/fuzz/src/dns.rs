//! A resolver's answer, as it comes over UDP or TCP.

use parallax_model::{MAX_ADDRESSES, Outcome, ProbeResult, Target, UnixMicros};
use parallax_probe::fuzzing;

use super::batch::assert_travels;
use super::text::assert_plain;

/// Longest name of a chain, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Most names of a chain.
const MAX_CNAMES: usize = 16;

/// Reads bytes as a DNS message. What is kept of it is bounded and plain, and travels to the aggregator as it is.
pub fn dns(bytes: &[u8]) {
    let Some(facts) = fuzzing::dns_answer(bytes) else { return };
    assert!(facts.addresses.len() <= MAX_ADDRESSES, "{} addresses", facts.addresses.len());
    for (at, address) in facts.addresses.iter().enumerate() {
        assert!(!facts.addresses[..at].contains(address), "{address} stands there twice");
    }
    assert!(facts.cnames.len() <= MAX_CNAMES, "{} names", facts.cnames.len());
    for name in &facts.cnames {
        assert_plain("a name of the chain", name, MAX_NAME_BYTES);
    }
    let target = Target::site_default("example.com".parse().expect("a host"));
    assert_travels(&ProbeResult { dns: facts, ..ProbeResult::new(target, UnixMicros(0), Outcome::Ok) });
}
