//! Worlds to try Parallax in: sites that break on purpose, and the vantage points that look at them.
//!
//! [`demo`] is what `parallax up --demo` shows: sites, a CDN, a resolver and agents' places, all on loopback addresses, with what
//! should be said about each site written beside it. [`faults`] are single-purpose servers for end-to-end tests. [`tls`] makes
//! the certificates of both.
//!
//! Everything here serves; nothing here probes, decides or stores. Simulated worlds for the diagnosis, baselines to measure
//! against and load generators belong here too and are not here yet.

#![forbid(unsafe_code)]

pub mod demo;
mod error;
pub mod faults;
mod serve;
mod tasks;
pub mod tls;
#[cfg(test)]
mod visitor;

pub use demo::{DemoAgent, DemoLab, DemoOptions, DemoSite, DemoWorld};
pub use error::LabError;
pub use faults::{CertificateFlaw, Fault, FaultServer, Identity};
