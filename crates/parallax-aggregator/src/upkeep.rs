//! The store's upkeep, apart from the evaluation, which must not wait for it: hours are made of minutes, what is old is pruned, old
//! batches are joined, sizes and damage are shown. A look through the whole store follows each start.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::UnixMicros;
use parallax_store::{Depth, Join, Store};
use tokio::time::MissedTickBehavior;

use crate::blocks;
use crate::core::{Core, store_failed};

/// How often.
const EVERY: Duration = Duration::from_secs(10);
/// How often a full disk is looked at again.
const SPACE_EVERY: Duration = Duration::from_secs(1);
/// How often a turn may ask the store to join batches, about a million results each time.
const JOINS_A_TURN: u32 = 8;
/// A store up to this size is looked through after each start; a larger one by its operator, with `parallax data check`.
const LOOKED_THROUGH_BYTES: u64 = 1024 * 1024 * 1024;

/// Keeps the store in order until the soft signal.
pub(crate) async fn keep_up(core: Arc<Core>) {
    let join = blocks::joining();
    let soft = core.tasks.soft().clone();
    let mut turn = tokio::time::interval(EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::select! {
        () = look_through(&core.store) => {}
        () = soft.cancelled() => return,
    }
    let mut space = tokio::time::interval(SPACE_EVERY);
    space.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = turn.tick() => {}
            _ = space.tick(), if core.store.is_full() => {
                core.store.find_space().await;
                continue;
            }
            // Wakes when the disk may have become full since.
            () = tokio::time::sleep(SPACE_EVERY), if !core.store.is_full() => continue,
            () = soft.cancelled() => return,
        }
        // A turn that has begun is finished: it is made of small steps.
        keep_once(&core, &join).await;
    }
}

async fn keep_once(core: &Core, join: &Join) {
    let now = core.now();
    // Pruning first: on a full disk it makes the room that the hours need.
    match core.store.prune(now).await {
        Ok(pruned) => tracing::trace!(?pruned, "old things were forgotten"),
        Err(error) => drop(store_failed("prune", &error)),
    }
    match core.store.roll_hours(now).await {
        Ok(hours) => tracing::trace!(hours, "hours were made"),
        Err(error) => drop(store_failed("make hours", &error)),
    }
    join_batches(core, join, now).await;
    show(&core.store).await;
}

/// Joins what is old enough, as far as one turn goes.
async fn join_batches(core: &Core, join: &Join, now: UnixMicros) {
    for _ in 0..JOINS_A_TURN {
        match core.store.join_batches(now, join).await {
            Ok(joined) if joined.more && !core.tasks.soft().is_cancelled() => {
                tracing::trace!(?joined, "old batches were joined");
            }
            Ok(_) => return,
            Err(error) => return drop(store_failed("join batches", &error)),
        }
    }
}

async fn show(store: &Store) {
    metrics::gauge!("parallax_store_file_bytes").set(store.size_bytes() as f64);
    if let Ok(used) = store.used_bytes().await {
        metrics::gauge!("parallax_store_used_bytes").set(used as f64);
    }
    let damaged = store.damaged_rows() + store.damaged_batches();
    metrics::gauge!("parallax_store_damaged_rows").set(damaged as f64);
    metrics::gauge!("parallax_store_full").set(f64::from(u8::from(store.is_full())));
}

/// Finds damage before somebody asks for what is damaged.
async fn look_through(store: &Store) {
    if store.size_bytes() > LOOKED_THROUGH_BYTES {
        return;
    }
    match store.inspect(Depth::Quick).await {
        Ok(report) => {
            if let Some(finding) = report.first_finding() {
                tracing::error!(
                    finding,
                    rows = report.damaged_rows(),
                    "the store is damaged: the rest is served; `parallax data check` says all"
                );
            }
        }
        Err(error) => drop(store_failed("inspect", &error)),
    }
}
