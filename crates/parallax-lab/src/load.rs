//! Servers to measure against: fast ones, whose own work does not stand in the way, and exact ones, whose delays are known; and
//! agents to measure an aggregator with.
//!
//! [`LoadSites`] answer the same small page over HTTP/1.1, TLS and HTTP/2, as fast as they can. [`ExactSite`] answers one
//! connection after the other, each step after a given delay, and keeps how long it really waited. [`ExactNames`] is a name
//! server of the same kind. A [`Fleet`] is thousands of agents that send what a [`Mix`] of sites gives. None of them breaks anything on purpose: that is [`crate::faults`].

mod exact;
mod fleet;
mod mix;
mod names;
mod sites;
mod vouch;
mod wait;

pub use exact::{Delays, ExactSite, Held};
pub use fleet::{AckedThrough, Cargo, EPOCH, FLOOD, Fleet, FleetError};
pub use mix::Mix;
pub use names::ExactNames;
pub use sites::{LoadSites, PAGE_BYTES, SITES};
pub use vouch::{Papers, VouchError, Voucher};
