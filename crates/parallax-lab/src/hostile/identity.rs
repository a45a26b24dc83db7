//! Who a TLS server says it is, and how it shakes hands.

/// What is wrong with a certificate, or only unusual about it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// It ended in 2020.
    Expired,
    /// It begins in 2048.
    NotYetValid,
    /// It is made out to this name; `{host}` is the right one.
    Named(&'static str),
    /// The right name stands in the subject only (RFC 9110, 4.3.4: does not count).
    NoNames,
    /// The subject, beside the right name in its place.
    Subject(&'static str),
    /// It vouches for itself.
    SelfSigned,
    /// A root nobody knows signed it.
    UnknownRoot,
    /// An intermediate that is not sent signed it.
    MissingIntermediate,
    /// It stands at the end of so many certificates, all sound.
    ChainOf(usize),
    /// So many intermediates share one name, and none leads to the root: every order of them is a path to try.
    SameNameChain(usize),
    /// The intermediate ended in 2020.
    ExpiredIntermediate,
    /// The intermediate was not allowed to have another below it.
    PathTooLong,
    /// So many names beside the right one.
    Names(usize),
    /// One name of so many bytes beside the right one.
    LongName(usize),
    /// The intermediate excludes the name (RFC 5280, 4.2.1.10).
    Excluded,
    /// The intermediate has so many constraints, and the leaf so many names.
    Constraints(usize),
    /// An RSA key of so many bits that nobody holds: the handshake's signature is made up.
    RsaKey(usize),
    /// An RSA issuer of so many bits: the certificate's signature is made up.
    RsaIssuer(usize),
    /// A sound RSA key of so many bits, given to the forge.
    GivenRsa(usize),
    /// Signed with RSA and this digest: the last number of `1.2.840.113549.1.1` (RFC 8017, A.2.4).
    Digest(u8),
    /// A key on P-384, signed with SHA-384.
    P384,
    /// An Ed25519 key.
    Ed25519,
    /// For clients, not for servers.
    ClientOnly,
    /// A leaf that may sign others.
    AuthorityLeaf,
    /// A critical extension nobody knows.
    CriticalExtension,
    /// Another key's signature over the handshake.
    OtherKey,
    /// Bytes that are no certificate.
    Garbage,
    /// No certificate at all.
    Absent,
    /// The right certificate twice.
    Twice,
}

/// Which versions a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    /// 1.2 and 1.3.
    Both,
    /// 1.2.
    Only12,
    /// 1.3.
    Only13,
}

/// Whether a client certificate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Nothing,
    Politely,
    Strictly,
}

/// Who a TLS server says it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) flaw: Flaw,
    pub(crate) versions: Versions,
    pub(crate) asks: Asks,
    /// What it offers by ALPN.
    pub(crate) alpn: &'static [&'static str],
}

impl Identity {
    /// Both versions, HTTP/1.1, no client certificate.
    pub(crate) const fn flawed(flaw: Flaw) -> Self {
        Self { flaw, versions: Versions::Both, asks: Asks::Nothing, alpn: &["http/1.1"] }
    }

    /// The sound certificate, over HTTP/2.
    pub(crate) const fn h2() -> Self {
        Self { alpn: &["h2"], ..Self::flawed(Flaw::None) }
    }

    /// The RSA key that must be given first.
    pub(crate) const fn rsa_needed(&self) -> Option<usize> {
        if let Flaw::GivenRsa(bits) = self.flaw { Some(bits) } else { None }
    }
}
