//! Certificates of the lab: one authority made at start, and leaves under it, sound or flawed.
//!
//! Keys live in memory only. Validity is fixed by the calendar and not by a clock.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Making or signing it failed.
    #[error("making or signing it")]
    Make(#[from] rcgen::Error),
    /// The server side of TLS does not take it.
    #[error("serving it")]
    Serve(#[from] rustls::Error),
}

/// From which year to which a leaf is valid, first of January each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity(i32, i32);

impl Validity {
    pub(crate) const NOW: Self = Self(2024, 2049);
    pub(crate) const PAST: Self = Self(2019, 2020);
    pub(crate) const FUTURE: Self = Self(2048, 2049);
}

/// A certificate authority of its own, that nobody trusts unless told to.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// Makes a new one with a new key.
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = params(name, &[], Validity::NOW)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its root certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server for `name` with a leaf of this authority.
    pub(crate) fn server(
        &self,
        name: &str,
        validity: Validity,
    ) -> Result<Arc<ServerConfig>, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = params(name, &[name.to_owned()], validity)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.issuer)?;
        server(leaf.into(), &key)
    }
}

/// A server for `name` with a certificate that vouches for itself.
pub(crate) fn self_signed_server(name: &str) -> Result<Arc<ServerConfig>, CertificateError> {
    let key = KeyPair::generate()?;
    let leaf = params(name, &[name.to_owned()], Validity::NOW)?.self_signed(&key)?;
    server(leaf.into(), &key)
}

fn params(name: &str, names: &[String], validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(validity.0, 1, 1);
    params.not_after = date_time_ymd(validity.1, 1, 1);
    Ok(params)
}

fn server(leaf: CertificateDer<'static>, key: &KeyPair) -> Result<Arc<ServerConfig>, CertificateError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
