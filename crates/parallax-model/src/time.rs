//! Moments and spans. This crate never asks a clock: every moment here was handed in.

use serde::{Deserialize, Serialize};

/// A moment: microseconds since 1970-01-01T00:00:00Z, leap seconds ignored as in POSIX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// The moment `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// Whole milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Microseconds from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        let d = self.0.saturating_sub(earlier.0);
        if d < 0 { 0 } else { d.cast_unsigned() }
    }

    /// This moment plus `us` microseconds.
    #[must_use]
    pub const fn plus_micros(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// This moment plus `s` seconds.
    #[must_use]
    pub const fn plus_secs(self, s: i64) -> Self {
        Self(self.0.saturating_add(s.saturating_mul(1_000_000)))
    }
}

/// The length of one phase of a probe in microseconds on the monotonic clock, at most 71 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub u32);

impl Micros {
    /// The length in milliseconds, with its fraction.
    pub fn as_millis_f64(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

impl From<std::time::Duration> for Micros {
    /// Saturates at [`u32::MAX`] microseconds.
    fn from(d: std::time::Duration) -> Self {
        Self(u32::try_from(d.as_micros()).unwrap_or(u32::MAX))
    }
}
