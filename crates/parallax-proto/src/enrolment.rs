//! What agent and aggregator agree on outside the messages: the name on the aggregator's certificate, and the one-time token that
//! lets a new agent in: a secret, and the hash of the CA certificate that the agent must meet.
//!
//! Its text is `plx1.<secret>.<ca hash>`, both parts base64url without padding (RFC 4648, 5). Whoever has the hash cannot be led
//! to another aggregator, so no certificate authority of the web is needed and the first contact is as safe as every other.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use thiserror::Error;

/// The name that every aggregator's certificate carries and that agents send as SNI, whatever address they reach it at.
pub const AGGREGATOR_NAME: &str = "aggregator.parallax.internal";

/// What every token begins with; the digit is the format's version.
const PREFIX: &str = "plx1";
/// Bytes of the secret and of the hash.
const PART_BYTES: usize = 32;

/// Why a text is not a token. The text is never repeated: it may be nearly right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not three parts between dots.
    #[error("a token has three parts between dots: plx1.<secret>.<hash of the CA>")]
    Shape,
    /// Begins with something else.
    #[error("a token begins with plx1")]
    Version,
    /// The secret is not 32 bytes in base64url.
    #[error("the token's second part is not 32 bytes in base64url without padding")]
    Secret,
    /// The hash is not 32 bytes in base64url.
    #[error("the token's third part is not 32 bytes in base64url without padding")]
    CaHash,
}

/// A token, read. Its `Debug` hides the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EnrollToken {
    secret: [u8; PART_BYTES],
    ca_sha256: [u8; PART_BYTES],
}

impl EnrollToken {
    /// A token from 32 random bytes and the SHA-256 of the CA certificate's DER.
    pub const fn new(secret: [u8; 32], ca_sha256: [u8; 32]) -> Self {
        Self { secret, ca_sha256 }
    }

    /// The random bytes that let the agent in, once.
    pub const fn secret(&self) -> [u8; 32] {
        self.secret
    }

    /// SHA-256 of the DER of the CA certificate that signs the aggregator's.
    pub const fn ca_sha256(&self) -> [u8; 32] {
        self.ca_sha256
    }

    /// The text that is handed out.
    pub fn reveal(&self) -> String {
        let part = |bytes: &[u8; PART_BYTES]| BASE64URL_NOPAD.encode(bytes);
        format!("{PREFIX}.{}.{}", part(&self.secret), part(&self.ca_sha256))
    }
}

impl fmt::Debug for EnrollToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrollToken").field("ca_sha256", &self.ca_sha256).finish_non_exhaustive()
    }
}

impl FromStr for EnrollToken {
    type Err = TokenError;

    /// Reads a token; white space around it, as it comes from a file or a clipboard, is left out.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let mut parts = text.trim().split('.');
        let (Some(version), Some(secret), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Shape);
        };
        if version != PREFIX {
            return Err(TokenError::Version);
        }
        let bytes = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok()?.try_into().ok();
        Ok(Self {
            secret: bytes(secret).ok_or(TokenError::Secret)?,
            ca_sha256: bytes(hash).ok_or(TokenError::CaHash)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 zero bytes, and 32 bytes of 0xff, in base64url.
    const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const ONES: &str = "__________________________________________8";

    #[test]
    fn a_token_is_written_and_read() {
        let token = EnrollToken::new([0; 32], [0xff; 32]);
        let text = format!("plx1.{ZEROS}.{ONES}");
        assert_eq!(token.reveal(), text);
        assert_eq!(text.parse(), Ok(token));
        assert_eq!((token.secret(), token.ca_sha256()), ([0; 32], [0xff; 32]));
        assert_eq!(format!("  {text}\n").parse(), Ok(token));
        assert!(!format!("{token:?}").contains(ZEROS));
    }

    #[test]
    fn what_is_not_a_token_says_which_part() {
        let cases = [
            (String::new(), TokenError::Shape),
            ("plx1".to_owned(), TokenError::Shape),
            (format!("plx1.{ZEROS}"), TokenError::Shape),
            (format!("plx1.{ZEROS}.{ONES}.x"), TokenError::Shape),
            (format!("plx2.{ZEROS}.{ONES}"), TokenError::Version),
            (format!("plx1..{ONES}"), TokenError::Secret),
            (format!("plx1.{ZEROS}=.{ONES}"), TokenError::Secret),
            (format!("plx1.{ZEROS}.{}", &ONES[1..]), TokenError::CaHash),
            (format!("plx1.{ZEROS}.{}9", &ONES[..42]), TokenError::CaHash),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<EnrollToken>(), Err(error), "{text}");
        }
    }
}
