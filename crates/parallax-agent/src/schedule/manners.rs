//! How an agent behaves towards machines that are not its operator's.

use std::time::Duration;

use crate::config::Level;

/// What every probe costs beside the body that is read, in bytes: connection, handshake with certificates, headers, DNS.
const OVERHEAD_BYTES: u64 = 8 << 10;
/// A day.
const DAY: Duration = Duration::from_hours(24);

/// The limits of a level. None of them can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manners {
    /// The time between two probes when they come steadily.
    pub(crate) between: Duration,
    /// Probes that may start at the same moment after a quiet while.
    burst: u32,
    /// Probes at the same time.
    pub(crate) in_flight: usize,
    /// Shortest time between two probes of one host and port.
    pub(crate) host_gap: Duration,
    /// Shortest time between two probes of one address, whatever it is called.
    pub(crate) address_gap: Duration,
    /// Bytes a day.
    bytes_a_day: u64,
}

impl Manners {
    /// The limits of a level (threats.md T21).
    pub(crate) const fn of(level: Level) -> Self {
        match level {
            Level::Home => Self {
                between: Duration::from_secs(1),
                burst: 5,
                in_flight: 5,
                host_gap: Duration::from_secs(10),
                address_gap: Duration::from_secs(10),
                bytes_a_day: 200_000_000,
            },
            // 1,000 targets every 15 s are 67 a second, and a CDN has many of them at one address.
            Level::Operator => Self {
                between: Duration::from_millis(5),
                burst: 20,
                in_flight: usize::MAX,
                host_gap: Duration::from_secs(1),
                address_gap: Duration::from_millis(100),
                bytes_a_day: u64::MAX,
            },
        }
    }

    /// The pace of the probes.
    pub(super) fn pace(self) -> Rate {
        Rate::new(self.between * (self.burst - 1))
    }

    /// The pace of the bytes: a tenth of a day's may come at once, the rest as the day goes by.
    pub(super) fn bytes() -> Rate {
        Rate::new(DAY / 10)
    }

    /// How long it takes until a probe that read so many bytes of a body is made up for.
    pub(super) fn time_of(self, bytes: u64) -> Duration {
        let share = (bytes + OVERHEAD_BYTES) as f64 / self.bytes_a_day as f64;
        DAY.mul_f64(share * 10.0 / 9.0)
    }
}

/// Keeps a rate (the generic cell rate algorithm).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// When the rate would be kept exactly if the next one started then.
    exact: Duration,
    /// How far ahead of that one may start.
    ahead: Duration,
}

impl Rate {
    pub(super) const fn new(ahead: Duration) -> Self {
        Self { exact: Duration::ZERO, ahead }
    }

    /// When the next one may start.
    pub(super) fn ready(&self) -> Duration {
        self.exact.saturating_sub(self.ahead)
    }

    /// One has started whose like may come every `cost`.
    pub(super) fn charge(&mut self, now: Duration, cost: Duration) {
        self.exact = self.exact.max(now) + cost;
    }
}
