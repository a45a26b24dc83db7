//! One probe: resolve → vet → connect → handshake → exchange → classify.
//!
//! [`Prober`] asks a target once and says what it saw as a [`parallax_model::ProbeResult`]: how long each phase took, how it
//! ended in the words of the closed list of failures, whose failure that is, and who wrote the answer ([`mod@emitter`]).
//!
//! It connects to a [`parallax_policy::VettedAddr`] and to nothing else: every hop of a redirect, every `--connect-to` and
//! every `--resolve` goes through the policy. It keeps no body, follows no hint a server gives besides `Location`, and caches no
//! answer of a resolver.
//!
//! It does not decide when to probe or what results mean, and it has no queue: whoever owns the schedule owns that.

#![forbid(unsafe_code)]

pub mod emitter;

mod care;
mod connect;
mod dns;
mod exchange;
mod hop;
mod judge;
mod prober;
mod progress;
mod redirect;
mod rules;
mod scrub;
mod settings;
mod tls;

#[cfg(test)]
mod test_site;

pub use care::{BEACON_DEADLINE, BEACON_FRESH, MAX_BEACONS};
pub use connect::MAX_CONNECT_TRIES;
pub use emitter::{Explained, ResponseCause, emitter};
pub use exchange::{MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_HEADER_LINES, MAX_INFORMATIONAL};
pub use prober::{ProbeRequest, Prober};
pub use rules::{ConnectTo, ResolveRule, RuleError, ZoneResolver};
pub use settings::{Deadlines, ProberError, ProberSettings, ResolverSetting, default_user_agent};
