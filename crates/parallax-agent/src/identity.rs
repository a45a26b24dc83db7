//! The files that make an agent who it is: its key, its certificate chain, the CA it trusts, its name.
//!
//! Each file is replaced as a whole, by writing another and renaming it, and is readable by its owner alone. The name is written
//! last: a directory with `agent-id` holds everything else. The key stays the same for life, so that a chain can be replaced by
//! itself without a moment at which key and chain do not fit.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use parallax_model::{AgentId, IdError, UnixMicros};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

use crate::tls::ClientIdentity;

const KEY: &str = "key.pem";
const PENDING_KEY: &str = "key.pending.pem";
const CHAIN: &str = "chain.pem";
const CA: &str = "ca.pem";
const AGENT_ID: &str = "agent-id";
const LOCK: &str = "lock";

/// Why an identity cannot be read, made or kept.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A file or directory cannot be used.
    #[error("{doing} {path}", path = path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("reading the certificates in {path}", path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The key cannot be made, read or used.
    #[error("using the agent's key")]
    Key(#[from] rcgen::Error),
    /// What should be a name is none.
    #[error("reading the agent's name")]
    Name(#[from] IdError),
    /// The chain is empty or its leaf cannot be read.
    #[error("the certificate chain cannot be read")]
    Chain,
    /// The certificate is for another key.
    #[error("the certificate is for another key")]
    OtherKey,
    /// Another process uses the directory.
    #[error("the data directory {path} is in use by another process", path = .0.display())]
    InUse(PathBuf),
}

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

/// Keeps the directory for one process; let go when dropped.
#[derive(Debug)]
pub(crate) struct DirLock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Who an agent is.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: AgentId,
    pub(crate) ca: CertificateDer<'static>,
    key: KeyPair,
    chain: Vec<CertificateDer<'static>>,
    pub(crate) not_before: UnixMicros,
    pub(crate) not_after: UnixMicros,
}

impl DataDir {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the directory where it is missing and keeps other processes out.
    pub(crate) fn lock(&self) -> Result<DirLock, IdentityError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::File { doing, path, source }
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(failed("making the directory", &self.0))?;
        let path = self.path(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(failed("opening", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(DirLock(file)),
            Err(fs::TryLockError::WouldBlock) => Err(IdentityError::InUse(self.0.clone())),
            Err(fs::TryLockError::Error(source)) => Err(failed("locking", &path)(source)),
        }
    }

    pub(crate) fn is_enrolled(&self) -> bool {
        self.path(AGENT_ID).is_file()
    }

    /// The key of an enrolment that was begun and not finished, or a new one.
    pub(crate) fn pending_key(&self) -> Result<KeyPair, IdentityError> {
        match fs::read_to_string(self.path(PENDING_KEY)) {
            Ok(text) => Ok(KeyPair::from_pem(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                self.replace(PENDING_KEY, key.serialize_pem().as_bytes())?;
                Ok(key)
            }
            Err(source) => {
                Err(IdentityError::File { doing: "reading", path: self.path(PENDING_KEY), source })
            }
        }
    }

    /// Finishes an enrolment: from here on the directory holds this identity.
    pub(crate) fn adopt(&self, identity: &Identity) -> Result<(), IdentityError> {
        self.replace(CA, to_pem(std::slice::from_ref(&identity.ca)).as_bytes())?;
        self.replace(KEY, identity.key.serialize_pem().as_bytes())?;
        self.replace_chain(&identity.chain)?;
        self.replace(AGENT_ID, format!("{}\n", identity.id).as_bytes())?;
        let pending = self.path(PENDING_KEY);
        fs::remove_file(&pending).map_err(|source| IdentityError::File {
            doing: "removing",
            path: pending,
            source,
        })
    }

    fn replace_chain(&self, chain: &[CertificateDer<'static>]) -> Result<(), IdentityError> {
        self.replace(CHAIN, to_pem(chain).as_bytes())
    }

    /// Reads the identity.
    pub(crate) fn identity(&self) -> Result<Identity, IdentityError> {
        let id = self.read(AGENT_ID)?.trim().parse()?;
        let key = KeyPair::from_pem(&self.read(KEY)?)?;
        let chain = self.certificates(CHAIN)?;
        let ca = self.certificates(CA)?.into_iter().next().ok_or(IdentityError::Chain)?;
        Identity::new(id, key, chain, ca)
    }

    fn read(&self, name: &str) -> Result<String, IdentityError> {
        let path = self.path(name);
        fs::read_to_string(&path).map_err(|source| IdentityError::File { doing: "reading", path, source })
    }

    fn certificates(&self, name: &str) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
        let text = self.read(name)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        read.map_err(|source| IdentityError::Pem { path: self.path(name), source })
    }

    /// Puts a file in place as a whole and durably.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), IdentityError> {
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        let write = || {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(|source| IdentityError::File { doing: "writing", path: path.clone(), source })
    }
}

impl Identity {
    /// An identity whose leaf is for its key.
    pub(crate) fn new(
        id: AgentId,
        key: KeyPair,
        chain: Vec<CertificateDer<'static>>,
        ca: CertificateDer<'static>,
    ) -> Result<Self, IdentityError> {
        let (not_before, not_after) = lifetime(&chain, &key)?;
        Ok(Self { id, ca, key, chain, not_before, not_after })
    }

    /// Takes a new chain for the same key, and keeps it.
    pub(crate) fn renewed(
        &mut self,
        chain: Vec<CertificateDer<'static>>,
        dir: &DataDir,
    ) -> Result<(), IdentityError> {
        let (not_before, not_after) = lifetime(&chain, &self.key)?;
        dir.replace_chain(&chain)?;
        (self.chain, self.not_before, self.not_after) = (chain, not_before, not_after);
        Ok(())
    }

    /// A request for a certificate for the same key.
    pub(crate) fn request(&self) -> Result<Vec<u8>, IdentityError> {
        certificate_request(&self.key)
    }

    /// What is shown in a handshake.
    pub(crate) fn client(&self) -> ClientIdentity {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        ClientIdentity { chain: self.chain.clone(), key: PrivateKeyDer::Pkcs8(key) }
    }
}

/// A certificate request that says nothing but the public key (PKCS#10, DER).
pub(crate) fn certificate_request(key: &KeyPair) -> Result<Vec<u8>, IdentityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

/// When the leaf begins and ends, after a look whether it is for the key.
fn lifetime(chain: &[CertificateDer<'_>], key: &KeyPair) -> Result<(UnixMicros, UnixMicros), IdentityError> {
    let leaf = chain.first().ok_or(IdentityError::Chain)?;
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|_| IdentityError::Chain)?;
    if leaf.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
        return Err(IdentityError::OtherKey);
    }
    let moment = |time: x509_parser::time::ASN1Time| UnixMicros::default().plus_secs(time.timestamp());
    Ok((moment(leaf.validity().not_before), moment(leaf.validity().not_after)))
}

fn to_pem(chain: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for der in chain {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in BASE64.encode(der).as_bytes().chunks(64) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
