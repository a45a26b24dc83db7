//! Why a part of the lab did not start.

use std::net::SocketAddr;

use crate::tls::CertificateError;

/// Why a part of the lab did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// A socket could not be bound.
    #[error("cannot listen on {address} for {what}")]
    Bind {
        /// For whom.
        what: String,
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No port was free at every address of one site.
    #[error("no port is free at every address of {what}, tried {tries}")]
    NoPort {
        /// For whom.
        what: String,
        /// How many ports were tried.
        tries: usize,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate for {name}")]
    Certificate {
        /// For whom.
        name: String,
        /// Why.
        source: CertificateError,
    },
}
