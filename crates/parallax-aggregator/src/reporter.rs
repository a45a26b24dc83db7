//! Who reported, known only as a number that means nothing outside this process (threats T50, T62).

use std::net::IpAddr;

use ring::hmac;

/// How much of an IPv4 address is hashed: its /24.
const V4_BYTES: usize = 3;
/// How much of an IPv6 address is hashed: its /48.
const V6_BYTES: usize = 6;

/// A random key that lives only in memory: after a restart the same reporter is another number.
#[derive(Debug)]
pub(crate) struct ReporterKey(hmac::Key);

impl ReporterKey {
    /// A key of random bytes.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }

    /// The keyed hash of the address's /24 or /48. An IPv4 address written as IPv6 is the IPv4 address.
    pub(crate) fn reporter(&self, address: IpAddr) -> u64 {
        let tag = match address.to_canonical() {
            IpAddr::V4(v4) => hmac::sign(&self.0, &v4.octets()[..V4_BYTES]),
            IpAddr::V6(v6) => hmac::sign(&self.0, &v6.octets()[..V6_BYTES]),
        };
        let mut first = [0; 8];
        first.copy_from_slice(&tag.as_ref()[..8]);
        u64::from_be_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_reporter_and_keys_do_not_agree() {
        let key = ReporterKey::new([1; 32]);
        let of = |text: &str| key.reporter(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.2.254"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8:1::1"), of("2001:db8:1:ffff::9"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        assert_ne!(of("192.0.2.1"), ReporterKey::new([2; 32]).reporter("192.0.2.1".parse().unwrap()));
    }
}
