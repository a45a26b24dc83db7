//! What every test uses: the program under test, servers to look at, and the ways to ask.

pub(crate) mod api;
pub(crate) mod dns;
pub(crate) mod gateway;
pub(crate) mod line;
pub(crate) mod outside;
pub(crate) mod page;
pub(crate) mod program;
pub(crate) mod site;

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often a condition is looked at that nothing streams.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks until the answer is `Ok`, at most until `deadline`; then the last `Err` is the answer.
pub(crate) async fn until<T, E>(
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let end = Instant::now() + deadline;
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let seen = look().await;
        if seen.is_ok() || Instant::now() >= end {
            return seen;
        }
    }
}
