//! The aggregator's own certificate authority: it vouches for agents and for the aggregator to its agents, and for nobody else.
//!
//! It signs with ECDSA P-256 and takes nothing from a request but the public key. The private key lies in the data directory,
//! readable by its owner only.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use parallax_model::{AgentId, UnixMicros};
use parallax_proto::AGGREGATOR_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
};
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use time::OffsetDateTime;

/// The file in the data directory with the authority's key.
pub(crate) const CA_KEY_FILE: &str = "ca.key.pem";
/// The file with its certificate.
pub(crate) const CA_FILE: &str = "ca.pem";
/// Life of an agent's certificate, in seconds: 24 hours.
pub(crate) const AGENT_CERTIFICATE_S: i64 = 24 * 3_600;
/// Life of the aggregator's own certificate, made anew at each start and after two thirds of it.
pub(crate) const SERVER_CERTIFICATE_S: i64 = 90 * 24 * 3_600;
/// Life of the authority.
const CA_CERTIFICATE_S: i64 = 10 * 365 * 24 * 3_600;
/// Certificates begin this long before now, for agents whose clock is behind.
const BACKDATE_S: i64 = 3_600;
/// Largest certificate request, in bytes.
const MAX_CSR_BYTES: usize = 4_096;
/// What agents' URI names begin with.
const AGENT_URI_PREFIX: &str = "parallax://agent/";

/// Why the authority cannot do something.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// A file of the authority cannot be read or written.
    #[error("the authority's file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key or certificate of ours cannot be made or read.
    #[error("the authority's {what}")]
    Crypto {
        /// Which.
        what: &'static str,
        /// Why.
        source: rcgen::Error,
    },
}

/// Why a certificate request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CsrRefusal {
    /// Not a PKCS#10 request with a good signature, or too large.
    #[error("the certificate request cannot be read, or its signature is wrong")]
    Unreadable,
    /// Not an ECDSA P-256 key.
    #[error("the certificate request's key is not ECDSA P-256")]
    KeyKind,
}

/// A request that was read: the only thing taken from it is the key.
#[derive(Debug)]
pub(crate) struct RequestedKey {
    key: rcgen::PublicKey,
}

impl RequestedKey {
    /// Reads a PKCS#10 request in DER and checks its signature and the kind of its key.
    pub(crate) fn from_csr(der: &[u8]) -> Result<Self, CsrRefusal> {
        if der.len() > MAX_CSR_BYTES {
            return Err(CsrRefusal::Unreadable);
        }
        let der = CertificateSigningRequestDer::from(der);
        let csr = CertificateSigningRequestParams::from_der(&der).map_err(|_| CsrRefusal::Unreadable)?;
        if *csr.public_key.algorithm() != rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(CsrRefusal::KeyKind);
        }
        Ok(Self { key: csr.public_key })
    }

    /// Whether the certificate is for this key.
    pub(crate) fn is_of(&self, certificate: &CertificateDer<'_>) -> bool {
        let parsed = x509_parser::parse_x509_certificate(certificate);
        parsed
            .is_ok_and(|(_, leaf)| leaf.public_key().subject_public_key.data.as_ref() == self.key.der_bytes())
    }

    /// SHA-256 of the key, to tell a retry with the same key from a theft of the token.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        sha256(self.key.der_bytes())
    }
}

/// SHA-256 as an array.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// A key with its certificate chain, as rustls wants it.
#[derive(Debug)]
pub(crate) struct ServerIdentity {
    /// Leaf first, then the authority: enrolling agents find the pinned authority in it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

/// The authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads the authority in `dir`, or makes one there. `serial` must be random.
    pub(crate) fn open(dir: &Path, now: UnixMicros, serial: [u8; 16]) -> Result<Self, AuthorityError> {
        let (key_path, certificate_path) = (dir.join(CA_KEY_FILE), dir.join(CA_FILE));
        if !certificate_path.exists() {
            create(&key_path, &certificate_path, now, serial)?;
        }
        let key_pem = read(&key_path)?;
        let certificate_pem = read(&certificate_path)?;
        let crypto = |what| move |source| AuthorityError::Crypto { what, source };
        let key = KeyPair::from_pem(&key_pem).map_err(crypto("key"))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).map_err(crypto("certificate"))?;
        let bad =
            || AuthorityError::Crypto { what: "certificate", source: rcgen::Error::CouldNotParseCertificate };
        let certificate = rustls::pki_types::pem::PemObject::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| bad())?;
        Ok(Self { issuer, certificate })
    }

    /// The authority's certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of the authority's certificate, which enrolment tokens carry.
    pub(crate) fn pin(&self) -> [u8; 32] {
        sha256(&self.certificate)
    }

    /// A certificate for an agent: client authentication, one URI name, 24 hours. Leaf first, then the authority.
    pub(crate) fn certify_agent(
        &self,
        agent: &AgentId,
        key: &RequestedKey,
        now: UnixMicros,
        serial: [u8; 16],
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let crypto = |source| AuthorityError::Crypto { what: "agent certificate", source };
        let mut params = leaf(now, AGENT_CERTIFICATE_S, serial);
        params.distinguished_name.push(DnType::CommonName, agent.as_str());
        let uri = format!("{AGENT_URI_PREFIX}{agent}").try_into().map_err(crypto)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key.key, &self.issuer).map_err(crypto)?;
        Ok(vec![certificate.der().clone(), self.certificate.clone()])
    }

    /// The aggregator's own certificate for [`AGGREGATOR_NAME`].
    pub(crate) fn server_identity(
        &self,
        now: UnixMicros,
        serial: [u8; 16],
    ) -> Result<ServerIdentity, AuthorityError> {
        let crypto = |source| AuthorityError::Crypto { what: "server certificate", source };
        let key = KeyPair::generate().map_err(crypto)?;
        let mut params = leaf(now, SERVER_CERTIFICATE_S, serial);
        params.distinguished_name.push(DnType::CommonName, AGGREGATOR_NAME);
        params.subject_alt_names = vec![SanType::DnsName(AGGREGATOR_NAME.try_into().map_err(crypto)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(crypto)?;
        Ok(ServerIdentity {
            chain: vec![certificate.der().clone(), self.certificate.clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }
}

/// The agent a client certificate names: exactly one URI name with our prefix. `None` for anything else.
pub(crate) fn agent_of(certificate: &CertificateDer<'_>) -> Option<AgentId> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    match names.value.general_names.as_slice() {
        [x509_parser::extensions::GeneralName::URI(uri)] => uri.strip_prefix(AGENT_URI_PREFIX)?.parse().ok(),
        _ => None,
    }
}

fn moment(now: UnixMicros, plus_s: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(now.as_secs().saturating_add(plus_s))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn leaf(now: UnixMicros, life_s: i64, serial: [u8; 16]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = moment(now, -BACKDATE_S);
    params.not_after = moment(now, life_s);
    params.serial_number = Some(positive(serial));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

/// Serial numbers are positive (RFC 5280, 4.1.2.2).
fn positive(mut serial: [u8; 16]) -> rcgen::SerialNumber {
    serial[0] &= 0x7f;
    rcgen::SerialNumber::from_slice(&serial)
}

fn create(
    key_path: &Path,
    certificate_path: &Path,
    now: UnixMicros,
    serial: [u8; 16],
) -> Result<(), AuthorityError> {
    let crypto = |source| AuthorityError::Crypto { what: "certificate", source };
    // A key that is there stays: what it signed, and who trusts it, would be lost with it. Its certificate can be made again.
    let key = if key_path.exists() {
        KeyPair::from_pem(&read(key_path)?)
            .map_err(|source| AuthorityError::Crypto { what: "key", source })?
    } else {
        let key = KeyPair::generate().map_err(crypto)?;
        write_private(key_path, key.serialize_pem().as_bytes())?;
        key
    };
    let mut params = leaf(now, CA_CERTIFICATE_S, serial);
    params.distinguished_name.push(DnType::CommonName, "Parallax agents' authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    let certificate = params.self_signed(&key).map_err(crypto)?;
    write_private(certificate_path, certificate.pem().as_bytes())
}

fn read(path: &Path) -> Result<String, AuthorityError> {
    fs::read_to_string(path).map_err(|source| AuthorityError::File { path: path.to_owned(), source })
}

/// Writes a file that only its owner may read, replacing an unfinished one.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), AuthorityError> {
    let write = || -> std::io::Result<()> {
        let beside = path.with_extension("new");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        // The name, too, must outlive a loss of power.
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    write().map_err(|source| AuthorityError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMicros = UnixMicros(1_795_000_000_000_000);

    fn csr(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
        params.serialize_request(key).expect("a request").der().to_vec()
    }

    #[test]
    fn an_agents_certificate_names_the_agent_and_nothing_of_the_request() {
        let dir = tempfile::tempdir().expect("a directory");
        let authority = Authority::open(dir.path(), NOW, [1; 16]).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let mut wish = CertificateParams::new(vec![AGGREGATOR_NAME.to_owned()]).expect("params");
        wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = RequestedKey::from_csr(&csr(&wish, &key)).expect("a good request");
        let agent: AgentId = "here-1".parse().expect("an id");
        let chain = authority.certify_agent(&agent, &key, NOW, [2; 16]).expect("a certificate");
        assert_eq!(agent_of(&chain[0]), Some(agent));
        let (_, leaf) = x509_parser::parse_x509_certificate(&chain[0]).expect("readable");
        assert!(!leaf.is_ca());
        assert_eq!(leaf.validity().not_after.timestamp(), NOW.as_secs() + AGENT_CERTIFICATE_S);
    }

    #[test]
    fn an_authority_is_the_same_after_it_is_opened_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Authority::open(dir.path(), NOW, [1; 16]).expect("an authority").pin();
        let second = Authority::open(dir.path(), NOW, [9; 16]).expect("the authority").pin();
        assert_eq!(first, second);
    }

    #[test]
    fn a_lost_certificate_is_made_again_for_the_key_that_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let key_of = |authority: &Authority| {
            let (_, parsed) = x509_parser::parse_x509_certificate(authority.certificate()).expect("readable");
            (parsed.subject().to_string(), parsed.public_key().raw.to_vec())
        };
        let first = key_of(&Authority::open(dir.path(), NOW, [1; 16]).expect("an authority"));
        fs::remove_file(dir.path().join(CA_FILE)).expect("removed");
        let second = key_of(&Authority::open(dir.path(), NOW, [9; 16]).expect("the authority"));
        assert!(first == second, "what the first signed is still good");
    }

    #[test]
    fn requests_that_are_not_p256_are_refused() {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        let request = csr(&CertificateParams::default(), &key);
        assert_eq!(RequestedKey::from_csr(&request).err(), Some(CsrRefusal::KeyKind));
        assert_eq!(RequestedKey::from_csr(b"no request").err(), Some(CsrRefusal::Unreadable));
        assert_eq!(RequestedKey::from_csr(&[0; 5_000]).err(), Some(CsrRefusal::Unreadable));
    }
}
