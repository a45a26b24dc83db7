//! Worlds to try Parallax in: sites that break on purpose, and the vantage points that look at them.
//!
//! [`demo`] is what `parallax up --demo` shows: sites, a CDN, a resolver and agents' places, all on loopback addresses, with what
//! should be said about each site written beside it. [`faults`] are single-purpose servers for end-to-end tests.
//! [`hostile`] are servers that mean harm. [`load`] are servers
//! to measure against. [`tls`] makes the certificates of all.
//!
//! [`worlds`] are simulated, for the diagnosis; [`baselines`] are what others make of them; [`score`] says how good an answer is.
//!
//! Everything else serves; nothing here probes or stores.

#![forbid(unsafe_code)]

pub mod baselines;
pub mod demo;
mod error;
pub mod faults;
pub mod hostile;
pub mod load;
pub mod score;
mod serve;
mod tasks;
pub mod tls;
#[cfg(test)]
mod visitor;
pub mod worlds;

pub use demo::{DemoAgent, DemoLab, DemoOptions, DemoSite, DemoWorld};
pub use error::LabError;
pub use faults::{CertificateFlaw, Fault, FaultServer, Identity};
