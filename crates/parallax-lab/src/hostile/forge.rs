//! Makes certificates with every flaw there is.
//!
//! The root is made at start and is the only thing a prober must trust. Keys live in memory only; validity is fixed by the
//! calendar and not by a clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, SanType, SigningKey, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SignatureAlgorithm, SignatureScheme};

use super::Made;
use super::identity::{Asks, Flaw, Identity, Versions};

/// `1.2.840.113549.1.1` and a number in one byte: PKCS #1 signatures (RFC 8017, A.2.4).
const PKCS1_OID: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// The number of `sha256WithRSAEncryption`.
const SHA256_WITH_RSA: u8 = 11;

/// The authority behind every hostile TLS server.
#[derive(Debug)]
pub struct Forge {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    rsa: BTreeMap<usize, PrivateKeyDer<'static>>,
}

/// A chain, leaf first, and what signs the handshake.
pub(super) type Chain = (Vec<CertificateDer<'static>>, Arc<dyn rustls::sign::SigningKey>);

impl Forge {
    /// A new authority with a new key.
    pub fn new() -> Made<Self> {
        let key = KeyPair::generate()?;
        let params = authority("Hostile Root");
        let root = params.self_signed(&key)?.der().clone();
        Ok(Self { root, issuer: Issuer::new(params, key), rsa: BTreeMap::new() })
    }

    /// The root to trust.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// Gives it an RSA key (PKCS #8, PEM) of so many bits, which nothing here can make. Without one, the servers that
    /// need it do not start.
    pub fn give_rsa(&mut self, bits: usize, pem: &[u8]) -> Made<()> {
        let key =
            PrivateKeyDer::from_pem_slice(pem).map_err(|error| rustls::Error::General(error.to_string()))?;
        self.rsa.insert(bits, key);
        Ok(())
    }

    /// The TLS settings of a server for `host`.
    pub(super) fn config(&self, host: &str, identity: &Identity) -> Made<Arc<ServerConfig>> {
        let (chain, key) = self.chain(host, identity.flaw)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = match identity.versions {
            Versions::Both => builder.with_safe_default_protocol_versions()?,
            Versions::Only12 => builder.with_protocol_versions(&[&rustls::version::TLS12])?,
            Versions::Only13 => builder.with_protocol_versions(&[&rustls::version::TLS13])?,
        };
        let builder = match identity.asks {
            Asks::Nothing => builder.with_no_client_auth(),
            Asks::Politely | Asks::Strictly => {
                let mut roots = RootCertStore::empty();
                roots.add(self.root.clone())?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier =
                    if identity.asks == Asks::Politely { verifier.allow_unauthenticated() } else { verifier };
                let built = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
                builder.with_client_cert_verifier(built)
            }
        };
        let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = identity.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// The chain a server shows, leaf first.
    pub(super) fn chain(&self, host: &str, flaw: Flaw) -> Made<Chain> {
        let mut leaf = leaf_of(host)?;
        match flaw {
            Flaw::None => {}
            Flaw::Expired => {
                (leaf.not_before, leaf.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
            }
            Flaw::NotYetValid => leaf.not_before = date_time_ymd(2048, 1, 1),
            Flaw::Named(name) => leaf.subject_alt_names = vec![dns(&name.replace("{host}", host))?],
            Flaw::NoNames => leaf.subject_alt_names.clear(),
            Flaw::Subject(text) => leaf.distinguished_name.push(DnType::CommonName, text),
            Flaw::Names(count) => {
                for at in 0..count {
                    leaf.subject_alt_names.push(dns(&format!("n{at}.{host}"))?);
                }
            }
            Flaw::LongName(bytes) => leaf.subject_alt_names.push(dns(&"a.".repeat(bytes / 2))?),
            Flaw::ClientOnly => leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            Flaw::AuthorityLeaf => leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Flaw::CriticalExtension => {
                // Below `1.3.6.1.4.1.32473`, which is for examples (RFC 5612).
                let mut unknown =
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32_473, 1], vec![5, 0]);
                unknown.set_criticality(true);
                leaf.custom_extensions.push(unknown);
            }
            Flaw::SelfSigned => {
                let key = KeyPair::generate()?;
                return Ok((vec![leaf.self_signed(&key)?.der().clone()], signer(&key)?));
            }
            Flaw::UnknownRoot => {
                let stranger = Self::new()?;
                let (mut chain, key) = stranger.chain(host, Flaw::None)?;
                chain.push(stranger.root);
                return Ok((chain, key));
            }
            Flaw::RsaKey(_) | Flaw::RsaIssuer(_) | Flaw::GivenRsa(_) | Flaw::Digest(_) => {
                return self.with_rsa(&leaf, flaw);
            }
            Flaw::P384 | Flaw::Ed25519 | Flaw::OtherKey | Flaw::Garbage | Flaw::Absent | Flaw::Twice => {
                return self.with_odd_key(&leaf, flaw);
            }
            Flaw::MissingIntermediate
            | Flaw::ChainOf(_)
            | Flaw::SameNameChain(_)
            | Flaw::ExpiredIntermediate
            | Flaw::PathTooLong
            | Flaw::Excluded
            | Flaw::Constraints(_) => return self.with_intermediates(leaf, host, flaw),
        }
        let key = KeyPair::generate()?;
        Ok((vec![leaf.signed_by(&key, &self.issuer)?.der().clone()], signer(&key)?))
    }

    /// Chains in which RSA keys stand.
    fn with_rsa(&self, leaf: &CertificateParams, flaw: Flaw) -> Made<Chain> {
        let key = KeyPair::generate()?;
        match flaw {
            Flaw::GivenRsa(bits) => {
                let missing = || rustls::Error::General(format!("no RSA key of {bits} bits was given"));
                let held = self.rsa.get(&bits).ok_or_else(missing)?;
                let public = KeyPair::try_from(held)?;
                let leaf = leaf.signed_by(&public, &self.issuer)?.der().clone();
                Ok((vec![leaf], ring::sign::any_supported_type(held)?))
            }
            Flaw::RsaKey(bits) => {
                let leaf = leaf.signed_by(&NobodysRsa::new(bits), &self.issuer)?.der().clone();
                let liar = Liar { scheme: SignatureScheme::RSA_PSS_SHA256, length: bits / 8 };
                Ok((vec![leaf], Arc::new(liar)))
            }
            Flaw::RsaIssuer(_) | Flaw::Digest(_) => {
                let bits = if let Flaw::RsaIssuer(bits) = flaw { bits } else { 2_048 };
                let params = authority("RSA Intermediate");
                let rsa = NobodysRsa::new(bits);
                let between = params.signed_by(&rsa, &self.issuer)?.der().clone();
                let made = leaf.signed_by(&key, &Issuer::new(params, rsa))?.der().to_vec();
                let made = if let Flaw::Digest(number) = flaw { digested_with(made, number) } else { made };
                Ok((vec![made.into(), between], signer(&key)?))
            }
            _ => self.with_odd_key(leaf, flaw),
        }
    }

    /// Leaves whose key, signature or place in the message is odd.
    fn with_odd_key(&self, leaf: &CertificateParams, flaw: Flaw) -> Made<Chain> {
        let key = match flaw {
            Flaw::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
            Flaw::Ed25519 => KeyPair::generate_for(&PKCS_ED25519)?,
            _ => KeyPair::generate()?,
        };
        let made = leaf.signed_by(&key, &self.issuer)?.der().clone();
        Ok(match flaw {
            Flaw::OtherKey => (vec![made], signer(&KeyPair::generate()?)?),
            Flaw::Garbage => {
                (vec![CertificateDer::from(vec![0x30, 0x82, 0xff, 0xff, 1, 2, 3])], signer(&key)?)
            }
            Flaw::Absent => (Vec::new(), signer(&key)?),
            Flaw::Twice => (vec![made.clone(), made], signer(&key)?),
            _ => (vec![made], signer(&key)?),
        })
    }

    /// Chains of more than a leaf.
    fn with_intermediates(&self, mut leaf: CertificateParams, host: &str, flaw: Flaw) -> Made<Chain> {
        let mut between = vec![authority("Intermediate 0")];
        match flaw {
            Flaw::ChainOf(certificates) => {
                between = (0..certificates - 1).map(|at| authority(&format!("Intermediate {at}"))).collect();
            }
            Flaw::SameNameChain(certificates) => return same_name_chain(&leaf, certificates),
            Flaw::ExpiredIntermediate => between[0].not_after = date_time_ymd(2020, 1, 1),
            Flaw::PathTooLong => {
                between[0].is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
                between.push(authority("Intermediate 1"));
            }
            Flaw::Excluded => between[0].name_constraints = Some(excluding([host.to_owned()])),
            Flaw::Constraints(count) => {
                between[0].name_constraints = Some(excluding((0..count).map(|at| format!("x{at}.example"))));
                for at in 0..count {
                    leaf.subject_alt_names.push(dns(&format!("n{at}.example"))?);
                }
            }
            _ => {}
        }
        let mut chain = Vec::new();
        let mut above: Option<Issuer<'_, KeyPair>> = None;
        for params in between {
            let key = KeyPair::generate()?;
            let issuer = above.as_ref().unwrap_or(&self.issuer);
            chain.insert(0, params.signed_by(&key, issuer)?.der().clone());
            above = Some(Issuer::new(params, key));
        }
        let key = KeyPair::generate()?;
        let issuer = above.as_ref().unwrap_or(&self.issuer);
        let made = leaf.signed_by(&key, issuer)?.der().clone();
        if matches!(flaw, Flaw::MissingIntermediate) {
            chain.clear();
        }
        chain.insert(0, made);
        Ok((chain, signer(&key)?))
    }
}

/// Certificates of one name that sign one another and lead nowhere.
fn same_name_chain(leaf: &CertificateParams, certificates: usize) -> Made<Chain> {
    let params = authority("Everybody");
    let mut keys = Vec::new();
    for _ in 0..certificates {
        keys.push(KeyPair::generate()?);
    }
    let mut chain = Vec::new();
    let mut issuer = Issuer::new(params.clone(), KeyPair::generate()?);
    for key in keys {
        chain.push(params.signed_by(&key, &issuer)?.der().clone());
        issuer = Issuer::new(params.clone(), key);
    }
    let key = KeyPair::generate()?;
    chain.push(leaf.signed_by(&key, &issuer)?.der().clone());
    chain.reverse();
    Ok((chain, signer(&key)?))
}

fn leaf_of(host: &str) -> Made<CertificateParams> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, host);
    (params.not_before, params.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2049, 1, 1));
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2049, 1, 1));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn dns(name: &str) -> Made<SanType> {
    Ok(SanType::DnsName(Ia5String::try_from(name)?))
}

fn excluding(names: impl IntoIterator<Item = String>) -> NameConstraints {
    let excluded_subtrees = names.into_iter().map(GeneralSubtree::DnsName).collect();
    NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees }
}

fn signer(key: &KeyPair) -> Made<Arc<dyn rustls::sign::SigningKey>> {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(ring::sign::any_supported_type(&der)?)
}

/// Renames the signature algorithm, inside and outside of what is signed.
fn digested_with(mut certificate: Vec<u8>, number: u8) -> Vec<u8> {
    let wanted = [&PKCS1_OID[..], &[SHA256_WITH_RSA]].concat();
    for at in 0..certificate.len().saturating_sub(wanted.len()) {
        if certificate[at..].starts_with(&wanted) {
            certificate[at + PKCS1_OID.len()] = number;
        }
    }
    certificate
}

/// An RSA key nobody holds: its modulus is made up, and so is every signature.
#[derive(Debug)]
struct NobodysRsa {
    public: Vec<u8>,
    length: usize,
}

impl NobodysRsa {
    fn new(bits: usize) -> Self {
        let length = bits / 8;
        let mut modulus: Vec<u8> = (0..=250).cycle().map(|byte: u8| byte ^ 0xa5).take(length).collect();
        modulus[0] |= 0x80;
        modulus[length - 1] |= 1;
        let numbers = [der(2, &[&[0], &modulus[..]].concat()), der(2, &[1, 0, 1])].concat();
        Self { public: der(0x30, &numbers), length }
    }
}

/// A DER value of up to 65,535 bytes.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match value.len() {
        0..=127 => vec![tag, length[1]],
        128..=255 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head, value.to_vec()].concat()
}

impl PublicKeyData for NobodysRsa {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for NobodysRsa {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0x5a; self.length])
    }
}

/// Signs handshakes with made-up bytes.
#[derive(Debug, Clone, Copy)]
struct Liar {
    scheme: SignatureScheme,
    length: usize,
}

impl rustls::sign::SigningKey for Liar {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        offered.contains(&self.scheme).then(|| Box::new(*self) as Box<dyn rustls::sign::Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl rustls::sign::Signer for Liar {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![0x5a; self.length])
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
