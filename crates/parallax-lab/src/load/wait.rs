//! Waiting to the microsecond: the system's sleep for most of it, a busy loop for the rest.

use std::time::Duration;

use tokio::time::Instant;

/// How early the sleep ends. The system wakes a thread up to some tens of microseconds late (its timer slack is 50 µs).
const SPIN: Duration = Duration::from_micros(400);

/// Waits until `deadline` and returns what the clock said right after it.
pub(super) fn until(deadline: Instant) -> Instant {
    let sleep = deadline.saturating_duration_since(Instant::now()).saturating_sub(SPIN);
    if !sleep.is_zero() {
        std::thread::sleep(sleep);
    }
    loop {
        let now = Instant::now();
        if now >= deadline {
            return now;
        }
        std::hint::spin_loop();
    }
}
