//! How long what is kept, and the pruning of the rest in small steps, so that nobody waits long behind it.

use parallax_model::UnixMicros;

use crate::{Store, StoreError};

const DAY_S: i64 = 24 * 60 * 60;

/// Seconds that raw results are kept.
pub const JOURNAL_KEPT_S: i64 = 7 * DAY_S;
/// Seconds that one-minute rollups are kept.
pub const MINUTES_KEPT_S: i64 = 30 * DAY_S;
/// Seconds that checks are kept.
pub const CHECKS_KEPT_S: i64 = 7 * DAY_S;
/// Seconds that reports are kept: the eight weeks that say what is usual, and some days more.
pub const REPORTS_KEPT_S: i64 = 60 * DAY_S;
/// Seconds that tokens are kept after they expired.
pub const TOKENS_KEPT_S: i64 = 7 * DAY_S;

/// How many rows one commit of the pruning deletes at most.
pub const PRUNE_STEP: u32 = 500;

/// How many rows were pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Batches of results.
    pub journal_batches: u64,
    /// One-minute rollups.
    pub minutes: u64,
    /// Checks.
    pub checks: u64,
    /// Reports.
    pub reports: u64,
    /// Tokens.
    pub tokens: u64,
}

impl Store {
    /// Deletes what is older than it is kept, in commits of [`PRUNE_STEP`] rows. Marks stay: what was pruned is not taken anew. The
    /// file does not shrink, its free pages are used again. On a full disk the space that was set aside is given up for it.
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
            journal_batches: delete(
                "DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE received_at < ?1 LIMIT ?2)",
                before(JOURNAL_KEPT_S),
            )
            .await?,
            minutes: delete(
                "DELETE FROM minutes WHERE (site, minute) IN
                    (SELECT site, minute FROM minutes WHERE minute < ?1 LIMIT ?2)",
                before(MINUTES_KEPT_S),
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
}

#[cfg(test)]
mod tests;
