//! Agents that were away for longer than their certificate lives.
//!
//! Such an agent may still connect, for so long after the end, and do one thing: renew, with the key it always had. The certificate
//! proves who it is as well as before; that it ended says only that nobody vouched for it lately, which renewing does.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::UnixMicros;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::parse_x509_certificate;

/// How long after its certificate's end an agent may renew it, in seconds: 30 days. After that it needs a new token.
const RENEWABLE_S: i64 = 30 * 24 * 3_600;

/// When a certificate ends, in seconds since 1970; `None` when it cannot be read.
fn ends_at(certificate: &CertificateDer<'_>) -> Option<i64> {
    Some(parse_x509_certificate(certificate).ok()?.1.validity().not_after.timestamp())
}

/// Whether a certificate has ended; one that cannot be read has.
pub(crate) fn has_lapsed(certificate: &CertificateDer<'_>, now: UnixMicros) -> bool {
    ends_at(certificate).is_none_or(|end| end < now.as_secs())
}

/// Accepts what another verifier accepts, and what it would have accepted before it ended, if that is not long ago.
#[derive(Debug)]
pub(crate) struct LapsedVerifier(Arc<dyn ClientCertVerifier>);

impl LapsedVerifier {
    pub(crate) fn new(inner: Arc<dyn ClientCertVerifier>) -> Arc<Self> {
        Arc::new(Self(inner))
    }
}

/// The last moment at which a certificate was good, if that was not long ago.
fn last_good_moment(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<UnixTime> {
    let ended = ends_at(certificate)?;
    let since = i64::try_from(now.as_secs()).ok()?.checked_sub(ended)?;
    let ended = u64::try_from(ended).ok()?;
    (0..=RENEWABLE_S).contains(&since).then(|| UnixTime::since_unix_epoch(Duration::from_secs(ended)))
}

impl ClientCertVerifier for LapsedVerifier {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(leaf, intermediates, now);
        let ended = matches!(
            &verified,
            Err(Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. }
            ))
        );
        match last_good_moment(leaf, now).filter(|_| ended) {
            Some(moment) => self.0.verify_client_cert(leaf, intermediates, moment),
            None => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::RootCertStore;
    use rustls::server::WebPkiClientVerifier;

    use super::*;
    use crate::authority::{AGENT_CERTIFICATE_S, Authority, RequestedKey};

    const NOW: UnixMicros = UnixMicros(1_795_000_000_000_000);

    #[test]
    fn a_certificate_may_be_renewed_for_thirty_days_after_its_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let authority = Authority::open(dir.path(), NOW, [1; 16]).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let request = CertificateParams::default().serialize_request(&key).expect("a request");
        let key = RequestedKey::from_csr(request.der()).expect("a good request");
        let chain =
            authority.certify_agent(&"a".parse().expect("an id"), &key, NOW, [2; 16]).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = LapsedVerifier::new(inner.build().expect("a verifier"));
        let end = NOW.as_secs() + AGENT_CERTIFICATE_S;
        assert_eq!(ends_at(&chain[0]), Some(end));
        let cases = [
            (NOW.as_secs(), true),
            (end, true),
            (end + 1, true),
            (end + 29 * 86_400, true),
            (end + 30 * 86_400, true),
            (end + 30 * 86_400 + 1, false),
            (NOW.as_secs() - 2 * 3_600, false),
        ];
        for (at_s, accepted) in cases {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(at_s.cast_unsigned()));
            let answer = verifier.verify_client_cert(&chain[0], &chain[1..], at);
            assert_eq!(answer.is_ok(), accepted, "{} s after its end: {answer:?}", at_s - end);
        }
        // Nobody else is let in by it.
        let at = UnixTime::since_unix_epoch(Duration::from_secs(end.cast_unsigned()));
        let stranger = KeyPair::generate().and_then(|key| CertificateParams::default().self_signed(&key));
        assert!(verifier.verify_client_cert(stranger.expect("made").der(), &[], at).is_err());
    }
}
