//! The TLS handshake: rustls with ring, Mozilla's roots, and every reason a certificate can be refused told apart.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_model::{FailureKind, Host, Party, Protocol, TlsFacts, TlsFailure, UnixMicros};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::progress::StageFailure;
use crate::scrub::moves;
use crate::settings::ProberError;

/// Most certificates of a chain, the leaf included.
const MAX_CHAIN: usize = 10;
/// Most names of a leaf that a result keeps.
const MAX_NAMES: usize = 8;
/// Longest text taken out of a certificate, in characters.
const MAX_TEXT_CHARS: usize = 96;
/// The same in bytes: what the aggregator takes. A longer text would cost the whole batch it travels in.
const MAX_TEXT_BYTES: usize = 255;

/// The TLS settings of a prober, one per way of asking for a protocol.
#[derive(Debug)]
pub(crate) struct Tls {
    either: Arc<ClientConfig>,
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    h3: Arc<ClientConfig>,
    roots: Arc<WebPkiServerVerifier>,
}

/// A finished handshake.
pub(crate) struct Secured {
    /// On the heap: it would be moved through every future that works on it.
    pub(crate) stream: Box<TlsStream<TcpStream>>,
    pub(crate) protocol: Protocol,
    pub(crate) facts: Option<TlsFacts>,
}

/// A broken handshake, with what the certificate said when one came.
pub(crate) struct Broken {
    pub(crate) failure: StageFailure,
    pub(crate) facts: Option<TlsFacts>,
}

impl From<StageFailure> for Broken {
    fn from(failure: StageFailure) -> Self {
        Self { failure, facts: None }
    }
}

impl Tls {
    pub(crate) fn new(extra_roots: &[CertificateDer<'static>]) -> Result<Self, ProberError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for (at, root) in extra_roots.iter().enumerate() {
            roots.add(root.clone()).map_err(|source| ProberError::Root { number: at + 1, source })?;
        }
        let provider = Arc::new(provider());
        let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|e| ProberError::Tls(rustls::Error::General(e.to_string())))?;
        let verifier = Arc::new(Telling { inner: roots.clone(), refusal: None });
        let config = |protocols: &[&[u8]]| -> Result<Arc<ClientConfig>, ProberError> {
            let builder = ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .map_err(ProberError::Tls)?;
            let mut config =
                builder.dangerous().with_custom_certificate_verifier(verifier.clone()).with_no_client_auth();
            config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
            // A resumed session would hide the certificate and half of the handshake's cost.
            config.resumption = Resumption::disabled();
            Ok(Arc::new(config))
        };
        Ok(Self {
            either: config(&[b"h2", b"http/1.1"])?,
            h1: config(&[b"http/1.1"])?,
            h2: config(&[b"h2"])?,
            h3: config(&[b"h3"])?,
            roots,
        })
    }

    /// The settings of one QUIC handshake, and where to look for the reason when it refuses the certificate.
    pub(crate) fn quic(&self) -> (ClientConfig, Refusal) {
        let refusal = Refusal::default();
        let verifier = Telling { inner: self.roots.clone(), refusal: Some(refusal.clone()) };
        let mut config = ClientConfig::clone(&self.h3);
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        (config, refusal)
    }

    /// Shakes hands in the name of a host.
    pub(crate) async fn secure(
        &self,
        stream: TcpStream,
        host: &Host,
        forced: Option<Protocol>,
        limit: Duration,
    ) -> Result<Secured, Broken> {
        let config = match forced {
            None => &self.either,
            Some(Protocol::H2) => &self.h2,
            Some(_) => &self.h1,
        };
        let name = server_name(host).ok_or_else(|| failed(TlsFailure::NameMismatch, Party::Target))?;
        let shaking = TlsConnector::from(config.clone()).connect(name, stream);
        let stream = match tokio::time::timeout(limit, shaking).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(classify(&error)),
            Err(_) => return Err(failed(TlsFailure::Timeout, Party::Unknown).into()),
        };
        let (_, session) = stream.get_ref();
        let alpn = session.alpn_protocol();
        let protocol = if alpn == Some(b"h2") { Protocol::H2 } else { Protocol::H1 };
        let version = session.protocol_version().and_then(|v| v.as_str()).unwrap_or_default();
        let facts = facts_of_session(session.peer_certificates(), &version.replace('_', "."), alpn);
        if forced == Some(Protocol::H2) && protocol != Protocol::H2 {
            let failure =
                failed(TlsFailure::Handshake, Party::Target).said("the server does not offer h2 by ALPN");
            return Err(Broken { failure, facts });
        }
        Ok(Secured { stream: Box::new(stream), protocol, facts })
    }
}

/// What a finished handshake showed.
pub(crate) fn facts_of_session(
    chain: Option<&[CertificateDer<'_>]>,
    version: &str,
    alpn: Option<&[u8]>,
) -> Option<TlsFacts> {
    let facts = facts_of(chain?.first()?)?;
    Some(TlsFacts {
        version: version.into(),
        alpn: alpn.map(|alpn| cut(&String::from_utf8_lossy(alpn))),
        ..facts
    })
}

/// ring, asking for AES-128 first as browsers do. A server that follows makes both sides hash with SHA-256, which processors do in
/// hardware, instead of SHA-384.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

/// The name the certificate must be for.
fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host.ip() {
        Some(ip) => Some(ServerName::IpAddress(ip.into())),
        None => ServerName::try_from(host.as_str().to_owned()).ok(),
    }
}

/// A failed handshake.
pub(crate) fn failed(kind: TlsFailure, party: Party) -> StageFailure {
    StageFailure::new(FailureKind::Tls(kind), party)
}

/// What a failed handshake means.
fn classify(error: &std::io::Error) -> Broken {
    use std::io::ErrorKind as K;
    if let Some(tls) = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        return classify_tls(tls);
    }
    let failure = match error.kind() {
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => {
            failed(TlsFailure::Reset, Party::Unknown)
        }
        K::TimedOut => failed(TlsFailure::Timeout, Party::Unknown),
        _ => failed(TlsFailure::Handshake, Party::Unknown).told(error),
    };
    failure.into()
}

/// What an error of the TLS library means.
pub(crate) fn classify_tls(error: &rustls::Error) -> Broken {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error else {
        return failed(TlsFailure::Handshake, Party::Target).told(error).into();
    };
    match inner.downcast_ref::<Rejected>() {
        Some(rejected) => Broken {
            failure: failed(rejected.kind, Party::Target).said(&rejected.told),
            facts: rejected.facts.clone(),
        },
        None => failed(TlsFailure::Untrusted, Party::Target).told(error).into(),
    }
}

/// A certificate that was refused, with what it said about itself.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is refused: {}", kind.as_str())]
struct Rejected {
    kind: TlsFailure,
    told: String,
    facts: Option<TlsFacts>,
}

/// Verifies as webpki does, and keeps what a refused certificate said: rustls shows a chain only after success.
#[derive(Debug)]
struct Telling {
    inner: Arc<WebPkiServerVerifier>,
    /// Where the reason is left, for a transport that does not hand it over.
    refusal: Option<Refusal>,
}

impl Telling {
    fn reject(kind: TlsFailure, told: String, leaf: &CertificateDer<'_>) -> rustls::Error {
        let rejected = Rejected { kind, told, facts: facts_of(leaf) };
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(rejected))))
    }
}

impl ServerCertVerifier for Telling {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = if chain.len() >= MAX_CHAIN {
            let told = format!("a chain of more than {MAX_CHAIN} certificates");
            Err(Self::reject(TlsFailure::Handshake, told, leaf))
        } else {
            self.inner.verify_server_cert(leaf, chain, name, ocsp, now).map_err(|error| match &error {
                rustls::Error::InvalidCertificate(why) => {
                    Self::reject(of_certificate(why, leaf), why.to_string(), leaf)
                }
                _ => error,
            })
        };
        verdict.inspect_err(|error| {
            if let Some(refusal) = &self.refusal {
                refusal.leave(error.clone());
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Why a certificate was refused, for a transport that keeps of an error only its text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<rustls::Error>>>);

impl Refusal {
    fn leave(&self, reason: rustls::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// The reason, if a certificate was refused.
    pub(crate) fn take(&self) -> Option<rustls::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Which kind a refused certificate is. Time and name are told as such; of the rest, one that signed itself is told apart
/// from one whose issuer nobody knows.
fn of_certificate(error: &CertificateError, leaf: &CertificateDer<'_>) -> TlsFailure {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFailure::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFailure::NameMismatch
        }
        CertificateError::Revoked => TlsFailure::Revoked,
        _ if signed_itself(leaf) => TlsFailure::SelfSigned,
        _ => TlsFailure::Untrusted,
    }
}

fn signed_itself(leaf: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(leaf).is_ok_and(|(_, cert)| cert.subject().as_raw() == cert.issuer().as_raw())
}

/// What a leaf says about itself. Version and ALPN are the session's and left empty here.
pub(crate) fn facts_of(leaf: &CertificateDer<'_>) -> Option<TlsFacts> {
    let (_, cert) = X509Certificate::from_der(leaf).ok()?;
    let names = match cert.subject_alternative_name() {
        Ok(Some(san)) => san.value.general_names.iter().filter_map(name_of).take(MAX_NAMES).collect(),
        _ => Vec::new(),
    };
    Some(TlsFacts {
        version: "".into(),
        alpn: None,
        subject: cut(&cert.subject().to_string()),
        issuer: cut(&cert.issuer().to_string()),
        not_after: UnixMicros(cert.validity().not_after.timestamp().saturating_mul(1_000_000)),
        names,
    })
}

fn name_of(name: &GeneralName<'_>) -> Option<Arc<str>> {
    match name {
        GeneralName::DNSName(dns) => Some(cut(dns)),
        GeneralName::IPAddress(bytes) => {
            let ip = match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(IpAddr::from),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from),
            };
            ip.map(|ip| ip.to_string().into())
        }
        _ => None,
    }
}

/// A text out of a certificate: cut, and what moves a cursor or turns the reading direction replaced.
fn cut(text: &str) -> Arc<str> {
    let mut kept = String::new();
    for c in text.chars().take(MAX_TEXT_CHARS).map(|c| if moves(c) { '\u{fffd}' } else { c }) {
        if kept.len() + c.len_utf8() > MAX_TEXT_BYTES {
            break;
        }
        kept.push(c);
    }
    kept.into()
}
