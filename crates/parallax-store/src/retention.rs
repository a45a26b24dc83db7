//! How long what is kept, and the pruning of the rest in small steps, so that nobody waits long behind it.

use parallax_model::UnixMicros;
use rusqlite::Connection;

use crate::journal::{BLOCKS, JOURNAL};
use crate::{Store, StoreError, rows, size};

const DAY_S: i64 = 24 * 60 * 60;

/// Seconds that raw results are kept.
pub const JOURNAL_KEPT_S: i64 = 7 * DAY_S;
/// Seconds that one-minute rollups are kept.
pub const MINUTES_KEPT_S: i64 = 30 * DAY_S;
/// Seconds that one-hour rollups are kept.
pub const HOURS_KEPT_S: i64 = 400 * DAY_S;
/// Seconds that checks are kept.
pub const CHECKS_KEPT_S: i64 = 7 * DAY_S;
/// Seconds that reports are kept: the eight weeks that say what is usual, and some days more.
pub const REPORTS_KEPT_S: i64 = 60 * DAY_S;
/// Seconds that tokens are kept after they expired.
pub const TOKENS_KEPT_S: i64 = 7 * DAY_S;
/// Seconds that the mark of an epoch is kept after its last result: far longer than its results, so that a late one is still known.
pub const MARKS_KEPT_S: i64 = 30 * DAY_S;

/// Seconds that what was learnt of a target is kept: an agent that was not heard for a day is forgotten.
pub const LEARNT_KEPT_S: i64 = DAY_S;

/// How many rows one commit of the pruning deletes at most.
pub const PRUNE_STEP: u32 = 500;
/// How many bytes of raw results one commit of the pruning deletes at most, but for the last batch.
pub const PRUNE_STEP_BYTES: u64 = 4 * 1024 * 1024;
/// A store over its limit is pruned down to this share of it, so that not every batch prunes one.
const LIMIT_SHARE: (u64, u64) = (98, 100);

/// How many rows were pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Batches of results, and blocks of them, that were too old.
    pub journal_batches: u64,
    /// Batches and blocks that were the oldest when the store was larger than its limit.
    pub over_limit: u64,
    /// One-minute rollups.
    pub minutes: u64,
    /// One-hour rollups.
    pub hours: u64,
    /// Checks.
    pub checks: u64,
    /// Reports.
    pub reports: u64,
    /// Tokens.
    pub tokens: u64,
    /// Marks of epochs.
    pub marks: u64,
    /// What was learnt of targets that are watched no more.
    pub learnt: u64,
}

/// What one commit deleted.
struct Step {
    rows: u64,
    more: bool,
}

impl Store {
    /// Deletes what is older than it is kept, and the oldest raw results while the store is larger than
    /// [its limit](Store::limit_size), in commits of [`PRUNE_STEP`] rows and [`PRUNE_STEP_BYTES`]. The file does not shrink, its
    /// free pages are used again. On a full disk the space that was set aside is given up for it.
    pub async fn prune(&self, now: UnixMicros) -> Result<Pruned, StoreError> {
        let pruned = match self.delete_all(now).await {
            Err(error) if error.is_full() && self.release_reserve().await => self.delete_all(now).await?,
            other => other?,
        };
        self.refill_reserve().await;
        Ok(pruned)
    }

    async fn delete_all(&self, now: UnixMicros) -> Result<Pruned, StoreError> {
        let before = |kept_s: i64| now.plus_secs(-kept_s);
        let delete = |sql, before| self.delete(sql, before);
        Ok(Pruned {
            journal_batches: self.delete_raw(Some(before(JOURNAL_KEPT_S))).await?,
            over_limit: self.delete_over_limit().await?,
            minutes: delete(
                "DELETE FROM minutes WHERE (site, minute) IN
                    (SELECT site, minute FROM minutes WHERE minute < ?1 LIMIT ?2)",
                before(MINUTES_KEPT_S),
            )
            .await?,
            hours: delete(
                "DELETE FROM hours WHERE (site, hour) IN (SELECT site, hour FROM hours WHERE hour < ?1 LIMIT ?2)",
                before(HOURS_KEPT_S),
            )
            .await?,
            checks: delete(
                "DELETE FROM checks WHERE id IN (SELECT id FROM checks WHERE at < ?1 LIMIT ?2)",
                before(CHECKS_KEPT_S),
            )
            .await?,
            reports: delete(
                "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE at < ?1 LIMIT ?2)",
                before(REPORTS_KEPT_S),
            )
            .await?,
            tokens: delete(
                "DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE expires_at < ?1 LIMIT ?2)",
                before(TOKENS_KEPT_S),
            )
            .await?,
            marks: self.delete_marks(before(MARKS_KEPT_S)).await?,
            learnt: delete(
                "DELETE FROM learnt WHERE target IN (SELECT target FROM learnt WHERE at < ?1 LIMIT ?2)",
                before(LEARNT_KEPT_S),
            )
            .await?,
        })
    }

    async fn delete(&self, sql: &'static str, before: UnixMicros) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let step = self
                .write("prune", move |w| w.connection.prepare_cached(sql)?.execute((before.0, PRUNE_STEP)))
                .await?;
            deleted += step as u64;
            if step < PRUNE_STEP as usize {
                return Ok(deleted);
            }
        }
    }

    /// Raw results that came before then; all of them, oldest first, down to the limit without a moment.
    async fn delete_raw(&self, before: Option<UnixMicros>) -> Result<u64, StoreError> {
        let (mut deleted, limit) = (0, self.size_limit());
        loop {
            let step = self.write("prune raw results", move |w| match before {
                Some(before) => delete_oldest(w.connection, before.0),
                None if size::used_bytes(w.connection)? > limit / LIMIT_SHARE.1 * LIMIT_SHARE.0 => {
                    delete_oldest(w.connection, i64::MAX)
                }
                None => Ok(Step { rows: 0, more: false }),
            });
            let Step { rows, more } = step.await?;
            deleted += rows;
            if !more {
                return Ok(deleted);
            }
        }
    }

    async fn delete_over_limit(&self) -> Result<u64, StoreError> {
        let limit = self.size_limit();
        if limit == 0 || self.read("read size", size::used_bytes).await? <= limit {
            return Ok(0);
        }
        let batches = self.delete_raw(None).await?;
        tracing::warn!(
            store.limit_bytes = limit,
            batches,
            "the store was larger than its limit: its oldest raw results are gone before their time"
        );
        Ok(batches)
    }

    async fn delete_marks(&self, before: UnixMicros) -> Result<u64, StoreError> {
        let sql = "DELETE FROM marks WHERE (agent, epoch) IN
            (SELECT agent, epoch FROM marks WHERE updated_at < ?1 LIMIT ?2)";
        let deleted = self.delete(sql, before).await?;
        if deleted > 0 {
            // The writer knows some of them by heart.
            self.write("forget marks", |w| {
                w.marks.clear();
                Ok(())
            })
            .await?;
        }
        Ok(deleted)
    }
}

/// Deletes the oldest raw results that came before then, as many as one commit may: blocks, and without any left, batches.
fn delete_oldest(connection: &Connection, before: i64) -> rusqlite::Result<Step> {
    let blocks = delete_raw_step(connection, BLOCKS, before)?;
    if blocks.more {
        return Ok(blocks);
    }
    let batches = delete_raw_step(connection, JOURNAL, before)?;
    Ok(Step { rows: blocks.rows + batches.rows, more: batches.more })
}

fn delete_raw_step(connection: &Connection, table: &str, before: i64) -> rusqlite::Result<Step> {
    // The length of a batch is in its row's head: its bytes are not read for it.
    let sql = format!(
        "SELECT id, length(columns) FROM {table} WHERE received_at < ?1 ORDER BY received_at, id LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut oldest = statement.query((before, PRUNE_STEP))?;
    let (mut ids, mut bytes) = (Vec::new(), 0);
    while let Some(row) = oldest.next()? {
        ids.push(row.get::<_, i64>(0)?);
        bytes += rows::unsigned(row, 1)?;
        if bytes >= PRUNE_STEP_BYTES {
            break;
        }
    }
    drop(oldest);
    let mut delete = connection.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?;
    for id in &ids {
        delete.execute([id])?;
    }
    let more = bytes >= PRUNE_STEP_BYTES || ids.len() == PRUNE_STEP as usize;
    Ok(Step { rows: ids.len() as u64, more })
}

#[cfg(test)]
mod tests;
