//! The program at a vantage point: it enrols with an aggregator, is told what to probe, probes it, and streams what it saw.
//!
//! [`enroll()`] trades a one-time [token](parallax_proto::EnrollToken) for a certificate. [`start`] keeps one session open to
//! the aggregator, a schedule of targets, and a spool on disk that holds every result until the aggregator says that it has it.
//! Any number of agents can run in one process: all state belongs to the [`RunningAgent`] and the tasks behind it.
//!
//! It does not know how a probe is made (`parallax-probe`) nor what may be probed (`parallax-policy`), and it draws no
//! conclusion from what it sees. Nothing an aggregator sends can loosen what its own configuration allows.

#![forbid(unsafe_code)]

mod agent;
mod backoff;
pub mod config;
mod dial;
mod enroll;
#[cfg(test)]
mod fake;
mod identity;
mod link;
mod orders;
mod own_network;
mod runner;
mod schedule;
mod session;
#[cfg(test)]
mod simulation;
mod spool;
mod tls;

pub use agent::{AgentError, AgentParts, LinkState, RunningAgent, start};
pub use config::AgentConfig;
pub use dial::DialError;
pub use enroll::{EnrollError, enroll, is_enrolled};
pub use identity::IdentityError;
pub use own_network::OwnNetworkError;
pub use parallax_proto::AGGREGATOR_NAME;
