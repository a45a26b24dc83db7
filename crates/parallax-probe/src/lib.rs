//! One probe: resolve → vet → connect → handshake → exchange → classify.
//!
//! [`Prober`] asks a target once and says what it saw as a [`parallax_model::ProbeResult`]: how long each phase took, how it
//! ended in the words of the closed list of failures, whose failure that is, and who wrote the answer ([`mod@emitter`]).
//!
//! It connects to a [`parallax_policy::VettedAddr`] and to nothing else: every hop of a redirect, every `--connect-to` and
//! every `--resolve` goes through the policy. Besides, it sends questions for names: to the system's resolver, to those its
//! settings name, and to the servers of a zone whose addresses the policy allows. It keeps no body, follows no hint a server
//! gives besides `Location`, and caches no answer of a resolver.
//!
//! It does not decide when to probe or what results mean, and it has no queue: whoever owns the schedule owns that.

#![forbid(unsafe_code)]

pub mod emitter;
#[doc(hidden)]
pub mod fuzzing;

mod advert;
mod authority;
mod care;
mod connect;
mod dns;
mod exchange;
mod guard;
mod hop;
mod judge;
mod page_kind;
mod prober;
mod progress;
mod quic;
mod redirect;
mod rules;
mod scrub;
mod settings;
mod ties;
mod tls;

#[cfg(test)]
mod test_site;

pub use authority::{
    AUTHORITY_DEADLINE, Authority, AuthorityError, MAX_AUTHORITY_QUESTIONS, MAX_AUTHORITY_SERVERS,
    MAX_LABELS_UP, STEERING_TTL_S,
};
pub use care::{
    BEACON_DEADLINE, BEACON_FRESH, CHECK_ATTEMPTS, MAX_BEACONS, SUSPECT_LEAST, SUSPECT_PERCENT,
    SUSPECT_WINDOW, Tell,
};
pub use connect::MAX_CONNECT_TRIES;
pub use dns::{NamedResolver, PublicResolver, ResolverChoice};
pub use emitter::{Explained, ResponseCause, emitter};
pub use exchange::{MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_HEADER_LINES, MAX_INFORMATIONAL};
pub use prober::{MAX_ADDRESSES_AT_ONCE, ProbeRequest, Prober};
pub use quic::{QUIC_BEACON_DEADLINE, UDP_FRESH};
pub use rules::{ConnectTo, ResolveRule, RuleError, ZoneResolver};
pub use settings::{Deadlines, ProberError, ProberSettings, ResolverSetting, default_user_agent};
pub use ties::{MAX_EXTRA_REQUESTS, TIES_DEADLINE};
