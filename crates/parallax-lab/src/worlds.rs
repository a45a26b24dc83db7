//! Simulated worlds for the diagnosis, each with what is true of it: made from a seed, the same everywhere, with the dirt that
//! real panels have (agents that fail, lie, stand elsewhere than they say, or say nothing).
//!
//! [`snapshot`](fn@snapshot) makes one moment, [`stream`](mod@stream) hours of one site, [`liars`] panels in which many lie, [`signature`]
//! sites that break for a known reason. [`seeds`] keeps what is fitted apart from what is measured.
//!
//! Nothing here knows how a method works: [`story`] tells faults as probes see them, [`params`] holds the numbers.

pub mod chance;
pub mod fault;
pub mod liars;
pub mod look;
pub mod panel;
pub mod params;
pub mod seeds;
pub mod signature;
mod snapshot;
pub mod story;
pub mod stream;
#[cfg(test)]
mod tests;

pub use fault::{Kind, contains, seen_at};
pub use params::Params;
pub use seeds::{Purpose, seed};
pub use snapshot::{Case, Truth, snapshot, snapshot_of};
