//! What is remembered on one machine: the journal of results, who the agents are, targets, incidents, one-minute rollups, reports,
//! checks and what was last said of each site. One directory with one SQLite file, one [`Store`].
//!
//! # Promises
//! - A write's answer comes after its commit, and a commit after its fsync (WAL, `synchronous=FULL`). Writes that wait at the same
//!   time share one commit.
//! - `(agent, epoch, seq)` is a result's key: what was kept already changes nothing when it comes again.
//! - One process at a time: an operating-system lock on a file in the directory, gone with the process however it ends.
//! - A store that a newer version wrote is refused, never rewritten.
//! - A full disk refuses writes until there is space again; a disk that fails breaks the store for good ([`StoreError::Broken`]),
//!   because after a failed fsync nobody can say what is on it. Reading goes on in both cases.
//! - What is damaged on disk is left out, counted and logged, and the rest is served; it never comes back as something else.
//!
//! # What it is not
//! It knows no clock: every time is an argument. It does not look into a batch of results, it keeps its bytes and a checksum. It
//! decides nothing: what results mean is `parallax-diagnose`, when to prune and what to publish is the aggregator.

#![forbid(unsafe_code)]

mod agents;
mod backup;
mod blocks;
mod checks;
mod directory;
mod error;
#[cfg(test)]
mod fixtures;
mod hours;
mod incidents;
mod inspection;
mod journal;
mod learnt;
mod marks;
mod minutes;
mod readers;
mod reports;
mod reserve;
mod retention;
mod rows;
mod salvage;
mod schema;
mod schema_pages;
mod site_states;
mod size;
mod store;
mod targets;
mod tokens;
mod wal;
mod whole;
mod writer;

pub use agents::{AgentRecord, Heard};
pub use backup::{Copied, Progress, backup, restore};
pub use blocks::{BLOCK_RESULTS, JOINED_AFTER_S, JOINED_SPAN_S, Join, Joined};
pub use checks::CheckRecord;
pub use error::StoreError;
pub use hours::{HourRow, ROLL_STEP};
pub use incidents::MAX_INCIDENTS;
pub use inspection::{Depth, InspectedTable, Inspection, inspect_file};
pub use journal::{
    Appended, Appending, JournalBatch, JournalEntry, JournalPage, JournalReader, PAGE_BATCHES, PAGE_BYTES,
    PAGE_RESULTS,
};
pub use learnt::LearntRow;
pub use minutes::MinuteRow;
pub use reports::{MAX_REPORTED_NETWORKS, QUARTERS, REPORT_INTERVAL_S, ReportRow};
pub use reserve::RESERVE_BYTES;
pub use retention::{
    CHECKS_KEPT_S, HOURS_KEPT_S, JOURNAL_KEPT_S, LEARNT_KEPT_S, MARKS_KEPT_S, MINUTES_KEPT_S, PRUNE_STEP,
    PRUNE_STEP_BYTES, Pruned, REPORTS_KEPT_S, TOKENS_KEPT_S,
};
pub use salvage::{Salvage, SalvagedTable};
pub use schema::SCHEMA_VERSION;
pub use site_states::SiteState;
pub use size::{
    DEFAULT_LIMIT_BYTES, Expected, FIXED_BYTES, Load, RAW_RESULT_BYTES, ROLLUP_BYTES, StoreStatus, TableSize,
    status,
};
pub use store::Store;
pub use targets::TargetRecord;
pub use tokens::{RedeemError, Redeemed, TokenRecord, TokenRefusal};
pub use writer::{MAX_GROUP, WRITE_QUEUE};
