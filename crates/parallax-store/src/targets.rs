//! What is watched, and how often.

use std::time::Duration;

use parallax_model::{Target, UnixMicros};

use crate::{Store, StoreError, rows};

/// A watched target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRecord {
    /// What.
    pub target: Target,
    /// How often each agent probes it; kept in microseconds.
    pub interval: Duration,
    /// Since when.
    pub added_at: UnixMicros,
}

impl Store {
    /// Watches a target, or watches it at another interval; `added_at` stays what it was then.
    pub async fn put_target(&self, record: TargetRecord) -> Result<(), StoreError> {
        self.write("put target", move |w| {
            let interval = i64::try_from(record.interval.as_micros()).unwrap_or(i64::MAX);
            let sql = "INSERT INTO targets (target, interval_us, added_at) VALUES (?1, ?2, ?3)
                ON CONFLICT (target) DO UPDATE SET interval_us = excluded.interval_us";
            let row = (record.target.to_string(), interval, record.added_at.0);
            w.connection.prepare_cached(sql)?.execute(row).map(drop)
        })
        .await
    }

    /// Watches a target no longer; `false` when it was not watched.
    pub async fn remove_target(&self, target: &Target) -> Result<bool, StoreError> {
        let target = target.to_string();
        self.write("remove target", move |w| {
            Ok(w.connection.prepare_cached("DELETE FROM targets WHERE target = ?1")?.execute([target])? == 1)
        })
        .await
    }

    /// Everything that is watched, by name.
    pub async fn targets(&self) -> Result<Vec<TargetRecord>, StoreError> {
        self.read("read targets", |c| {
            let sql = "SELECT target, interval_us, added_at FROM targets ORDER BY target";
            let mut statement = c.prepare_cached(sql)?;
            let records = statement.query_map([], |row| {
                let interval = Duration::from_micros(rows::unsigned(row, 1)?);
                Ok(TargetRecord { target: rows::text(row, 0)?, interval, added_at: rows::time(row, 2)? })
            })?;
            records.collect()
        })
        .await
    }
}
