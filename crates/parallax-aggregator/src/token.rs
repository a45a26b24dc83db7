//! One-time enrolment tokens: `plx1.<secret>.<pin>`, both parts base64url without padding of 32 bytes.
//!
//! The secret is random and kept only as its SHA-256. The pin is the SHA-256 of the authority's certificate, so an agent knows
//! whom it hands the secret to before it does.

use data_encoding::BASE64URL_NOPAD;

use crate::authority::sha256;

/// What every token begins with; the 1 is the format's version.
const PREFIX: &str = "plx1";

/// The text of a token.
pub(crate) fn write(secret: &[u8; 32], pin: &[u8; 32]) -> String {
    format!("{PREFIX}.{}.{}", BASE64URL_NOPAD.encode(secret), BASE64URL_NOPAD.encode(pin))
}

/// The hash a token is kept by; `None` when the text is no token. Whether its pin is ours is not asked: the secret decides.
pub(crate) fn hash(text: &str) -> Option<[u8; 32]> {
    let mut parts = text.split('.');
    let (prefix, secret, pin) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = prefix == PREFIX && parts.next().is_none() && pin.len() == 43 && secret.len() == 43;
    let secret: [u8; 32] = BASE64URL_NOPAD.decode(secret.as_bytes()).ok()?.try_into().ok()?;
    whole.then(|| sha256(&secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hashes_to_its_secret() {
        let text = write(&[7; 32], &[9; 32]);
        assert_eq!(hash(&text), Some(sha256(&[7; 32])));
    }

    #[test]
    fn texts_that_are_no_tokens_have_no_hash() {
        let good = write(&[7; 32], &[9; 32]);
        for text in [
            "",
            "plx1",
            "plx1..",
            "plx2.a.b",
            &format!("{good}.x"),
            &good.replace("plx1", "PLX1"),
            &good[..60],
        ] {
            assert_eq!(hash(text), None, "{text}");
        }
    }
}
