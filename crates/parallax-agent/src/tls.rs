//! How an agent knows its aggregator, and how it shows who it is itself. TLS 1.3 only.
//!
//! No authority of the web is asked. Before enrolment the token says which CA certificate must be in the chain the aggregator
//! shows; afterwards that certificate is kept. Every aggregator's certificate carries the name
//! [`AGGREGATOR_NAME`](parallax_proto::AGGREGATOR_NAME), so it can move to another address without a new certificate.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parallax_runtime::Clock;
use ring::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version,
};

/// Which CA an agent accepts.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// The one in the shown chain whose DER has this SHA-256.
    Pin([u8; 32]),
    /// This one.
    Ca(CertificateDer<'static>),
}

/// What an agent shows of itself: its chain, leaf first, and the key of the leaf.
#[derive(Debug)]
pub(crate) struct ClientIdentity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Verifies an aggregator's certificate and remembers the CA by which it did.
#[derive(Debug)]
pub(crate) struct AggregatorVerifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    met: OnceLock<CertificateDer<'static>>,
}

impl AggregatorVerifier {
    pub(crate) fn new(trust: Trust) -> Arc<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Arc::new(Self { trust, provider, met: OnceLock::new() })
    }

    /// The CA by which a certificate was verified.
    pub(crate) fn met(&self) -> Option<&CertificateDer<'static>> {
        self.met.get()
    }

    fn ca(&self, shown: &[CertificateDer<'_>]) -> Result<CertificateDer<'static>, Error> {
        match &self.trust {
            Trust::Ca(ca) => Ok(ca.clone()),
            Trust::Pin(hash) => {
                let fits = |der: &&CertificateDer<'_>| digest::digest(&digest::SHA256, der).as_ref() == hash;
                let found = shown.iter().find(fits).map(|der| der.clone().into_owned());
                found.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))
            }
        }
    }
}

impl ServerCertVerifier for AggregatorVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ca = self.ca(intermediates)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone())?;
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        let now = credible(now, leaf)?;
        let verified = webpki.verify_server_cert(leaf, intermediates, server_name, ocsp, now)?;
        let _ = self.met.set(ca);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The moment certificates are judged at: the one at which the leaf begins where our clock is behind that. An authority that vouches for
/// us alone gives out nothing for later, so it is our clock that is wrong, and what it is wrong by must not keep us away: an aggregator's
/// certificate is made when it starts. The chain and the pin still decide; only the end of a certificate is noticed late.
fn credible(now: UnixTime, leaf: &CertificateDer<'_>) -> Result<UnixTime, Error> {
    let bad = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(bad)?;
    let begins = u64::try_from(leaf.validity().not_before.timestamp()).unwrap_or(0);
    Ok(now.max(UnixTime::since_unix_epoch(Duration::from_secs(begins))))
}

/// The process's clock, for rustls.
#[derive(Debug)]
struct ClockTime(Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let micros = u64::try_from(self.0.now_micros()).unwrap_or(0);
        Some(UnixTime::since_unix_epoch(Duration::from_micros(micros)))
    }
}

/// The TLS settings of one connection; without an identity only Enroll can be called over it.
pub(crate) fn client_config(
    verifier: Arc<AggregatorVerifier>,
    identity: Option<ClientIdentity>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::clone(&verifier.provider);
    let builder = ClientConfig::builder_with_details(provider, Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(ClientIdentity { chain, key }) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
