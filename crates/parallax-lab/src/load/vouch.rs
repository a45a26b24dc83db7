//! Certificates for many agents at once, by the authority of an aggregator whose data directory is at hand: what enrolling each of
//! them with a token of its own would come to, without the tokens.

use std::path::Path;
use std::time::Duration;

use parallax_model::AgentId;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use thiserror::Error;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use parallax_proto::AGGREGATOR_NAME;

/// When the usual certificate ends, in seconds since 1970: in 2049.
const GOOD_UNTIL_S: u64 = 2_493_072_000;

/// Why the authority cannot vouch.
#[derive(Debug, Error)]
pub enum VouchError {
    /// A file of the authority cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key or certificate cannot be made or read.
    #[error("the certificate of {whose}")]
    Certificate {
        /// Whose.
        whose: String,
        /// Why.
        source: rcgen::Error,
    },
}

/// An aggregator's authority, taken from its data directory.
#[derive(Debug)]
pub struct Voucher {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
}

impl Voucher {
    /// Reads the authority that an aggregator made in `dir`.
    pub fn open(dir: &Path) -> Result<Self, VouchError> {
        let read = |name: &str| {
            let path = dir.join(name);
            std::fs::read_to_string(&path).map_err(|source| VouchError::Read { path, source })
        };
        let fail = |source| VouchError::Certificate { whose: "the authority".to_owned(), source };
        let (key, ca_pem) = (read("ca.key.pem")?, read("ca.pem")?);
        let key = KeyPair::from_pem(&key).map_err(fail)?;
        Ok(Self { issuer: Issuer::from_ca_cert_pem(&ca_pem, key).map_err(fail)?, ca_pem })
    }

    /// TLS settings of one agent with a key and certificate of its own.
    pub fn identity(&self, agent: &AgentId) -> Result<ClientTlsConfig, VouchError> {
        Ok(self.papers(agent, GOOD_UNTIL_S)?.tls())
    }

    /// What an agent has that was enrolled once, with a certificate that began in 2024, or a day before its end, and ends so many
    /// seconds after 1970.
    pub fn papers(&self, agent: &AgentId, ends_at_s: u64) -> Result<Papers, VouchError> {
        let fail = |source| VouchError::Certificate { whose: agent.to_string(), source };
        let key = KeyPair::generate().map_err(fail)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, agent.as_str());
        let end = date_time_ymd(1970, 1, 1) + Duration::from_secs(ends_at_s);
        params.not_before = date_time_ymd(2024, 1, 1).min(end - Duration::from_hours(24));
        params.not_after = end;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = format!("parallax://agent/{agent}").try_into().map_err(fail)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        let certificate = params.signed_by(&key, &self.issuer).map_err(fail)?;
        let chain_pem = format!("{}{}", certificate.pem(), self.ca_pem);
        let (key_pem, ca_pem) = (key.serialize_pem(), self.ca_pem.clone());
        Ok(Papers { agent: agent.clone(), key_pem, chain_pem, ca_pem })
    }
}

/// Who an agent is, as it keeps it: PEM texts.
#[derive(Debug, Clone)]
pub struct Papers {
    /// Its name.
    pub agent: AgentId,
    /// Its key.
    pub key_pem: String,
    /// Its certificate and the authority's.
    pub chain_pem: String,
    /// The authority's certificate.
    pub ca_pem: String,
}

impl Papers {
    /// TLS settings with which it shows them.
    pub fn tls(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.ca_pem))
            .identity(Identity::from_pem(&self.chain_pem, &self.key_pem))
            .domain_name(AGGREGATOR_NAME)
    }

    /// Writes them where an agent looks for them: its data directory.
    pub fn write(&self, dir: &Path) -> Result<(), std::io::Error> {
        std::fs::create_dir_all(dir)?;
        let id = format!("{}\n", self.agent);
        let files = [
            ("key.pem", &self.key_pem),
            ("chain.pem", &self.chain_pem),
            ("ca.pem", &self.ca_pem),
            ("agent-id", &id),
        ];
        files.iter().try_for_each(|(name, text)| std::fs::write(dir.join(name), text))
    }
}
