//! Work for every core: the same function over a range of numbers, answers in their order.

use std::thread;

/// Applies `work` to `0..count` on as many threads as there are cores.
pub(crate) fn over<T: Send>(count: u32, work: impl Fn(u32) -> T + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u32::try_from(cores).unwrap_or(1);
    let work = &work;
    let mut done: Vec<(u32, T)> = thread::scope(|scope| {
        let share = |core: u32| {
            scope.spawn(move || {
                (core..count).step_by(cores as usize).map(|n| (n, work(n))).collect::<Vec<_>>()
            })
        };
        // All begin before the first is waited for.
        let mut hands = Vec::new();
        hands.extend((0..cores).map(share));
        hands.into_iter().flat_map(|hand| hand.join().expect("work does not panic")).collect()
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, answer)| answer).collect()
}
