//! Who reported, known only as a number that means nothing outside this process (threats T50, T62).

use std::net::IpAddr;
use std::sync::Mutex;

use parallax_model::UnixMicros;
use parallax_runtime::Rng;
use rand::Rng as _;
use ring::hmac;

use crate::core::lock;

/// How much of an IPv4 address is hashed: its /24.
const V4_BYTES: usize = 3;
/// How much of an IPv6 address is hashed: its /48.
const V6_BYTES: usize = 6;
/// For how long a key is kept, µs: from one midnight (UTC) to the next.
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A random key that lives only in memory and for one day. When it is gone nobody can tell any more whose a number was, we included;
/// on the next day, and after a restart, the same reporter is another number.
#[derive(Debug)]
pub(crate) struct ReporterKey(Mutex<Today>);

#[derive(Debug)]
struct Today {
    day: i64,
    key: hmac::Key,
    rng: Rng,
}

impl ReporterKey {
    /// Keys from this randomness.
    pub(crate) fn new(mut rng: Rng, now: UnixMicros) -> Self {
        Self(Mutex::new(Today { day: day(now), key: fresh(&mut rng), rng }))
    }

    /// The keyed hash of the address's /24 or /48. An IPv4 address written as IPv6 is the IPv4 address.
    pub(crate) fn reporter(&self, address: IpAddr, now: UnixMicros) -> u64 {
        let mut today = lock(&self.0);
        if today.day != day(now) {
            today.day = day(now);
            today.key = fresh(&mut today.rng);
        }
        let tag = match address.to_canonical() {
            IpAddr::V4(v4) => hmac::sign(&today.key, &v4.octets()[..V4_BYTES]),
            IpAddr::V6(v6) => hmac::sign(&today.key, &v6.octets()[..V6_BYTES]),
        };
        let mut first = [0; 8];
        first.copy_from_slice(&tag.as_ref()[..8]);
        u64::from_be_bytes(first)
    }
}

const fn day(now: UnixMicros) -> i64 {
    now.0.div_euclid(DAY_US)
}

fn fresh(rng: &mut Rng) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &rng.random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use parallax_runtime::seeded;

    use super::*;

    #[test]
    fn neighbours_are_one_reporter_until_the_day_is_over() {
        let key = ReporterKey::new(seeded(1), UnixMicros(0));
        let at = |text: &str, now: i64| key.reporter(text.parse().unwrap(), UnixMicros(now));
        let of = |text: &str| at(text, 0);
        assert_eq!(of("192.0.2.1"), of("192.0.2.254"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8:1::1"), of("2001:db8:1:ffff::9"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        let other = ReporterKey::new(seeded(2), UnixMicros(0));
        assert_ne!(of("192.0.2.1"), other.reporter("192.0.2.1".parse().unwrap(), UnixMicros(0)));
        let first = of("192.0.2.1");
        assert_eq!(first, at("192.0.2.1", DAY_US - 1));
        let second = at("192.0.2.1", DAY_US);
        assert_ne!(first, second, "another day, another number");
        assert_eq!(second, at("192.0.2.1", 2 * DAY_US - 1));
    }
}
