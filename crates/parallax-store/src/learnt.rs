//! What the aggregator has learnt of each watched target, so that it knows more after a restart than the journal's tail says.
//!
//! It can be found out anew: a row that is damaged is missing, and nobody waits for it.

use bytes::Bytes;
use parallax_model::{Target, UnixMicros};

use crate::{Store, StoreError, rows};

/// What was learnt of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearntRow {
    /// Which.
    pub target: Target,
    /// When it was put together; [`LEARNT_KEPT_S`](crate::LEARNT_KEPT_S) is how long it is kept.
    pub at: UnixMicros,
    /// What, in the caller's own bytes.
    pub state: Bytes,
}

impl Store {
    /// Keeps what is learnt of these targets, in place of what was kept before, all in one commit.
    pub async fn put_learnt(&self, learnt: Vec<LearntRow>) -> Result<(), StoreError> {
        self.write("put what is learnt", move |w| {
            let sql = "INSERT INTO learnt (target, at, state, checksum) VALUES (?1, ?2, ?3, row_checksum(?1, ?2, ?3))
                ON CONFLICT (target) DO UPDATE SET at = excluded.at, state = excluded.state, checksum = excluded.checksum";
            let mut statement = w.connection.prepare_cached(sql)?;
            for row in &learnt {
                statement.execute((row.target.to_string(), row.at.0, &*row.state))?;
                *w.bytes += row.state.len() as u64;
            }
            Ok(())
        })
        .await
    }

    /// What was learnt and put together since then, by target. What is damaged is missing.
    pub async fn learnt_since(&self, since: UnixMicros) -> Result<Vec<LearntRow>, StoreError> {
        self.read("read what is learnt", move |c| {
            let sql = "SELECT target, at, state FROM learnt WHERE +at >= ?1 ORDER BY target";
            let mut statement = c.prepare_cached(sql)?;
            let learnt = statement.query_map([since.0], |row| {
                // A target that another version wrote and this one does not know is missing too.
                let Ok(target) = rows::text(row, 0) else { return Ok(None) };
                let state = Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?);
                Ok(Some(LearntRow { target, at: rows::time(row, 1)?, state }))
            })?;
            learnt.filter_map(Result::transpose).collect()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, store};

    fn row(target: &str, ago_s: i64, state: &'static [u8]) -> LearntRow {
        LearntRow {
            target: target.parse().unwrap(),
            at: NOW.plus_secs(-ago_s),
            state: Bytes::from_static(state),
        }
    }

    const A: &str = "https://a.example/";
    const B: &str = "https://b.example/";
    const C: &str = "https://c.example/";

    #[tokio::test]
    async fn what_is_learnt_is_read_as_it_was_put_last_and_not_when_it_is_old() {
        let (_dir, store) = store();
        store.put_learnt(vec![row(B, 9, b"before"), row(A, 60, b"a"), row(C, 61, b"old")]).await.unwrap();
        store.put_learnt(vec![row(B, 5, b"now")]).await.unwrap();
        let read = store.learnt_since(NOW.plus_secs(-60)).await.unwrap();
        assert_eq!(read, [row(A, 60, b"a"), row(B, 5, b"now")]);
        assert_eq!(store.damaged_rows(), 0);
    }

    #[tokio::test]
    async fn a_damaged_row_is_missing_and_counted() {
        let (_dir, store) = store();
        store.put_learnt(vec![row(A, 1, b"a"), row(B, 1, b"bb")]).await.unwrap();
        let flip = |w: &mut crate::writer::Writing<'_>| {
            w.connection.execute("UPDATE learnt SET state = x'6263' WHERE target = ?1", [B])
        };
        assert_eq!(store.write("flip", flip).await.unwrap(), 1);
        assert_eq!(store.learnt_since(NOW.plus_secs(-60)).await.unwrap(), [row(A, 1, b"a")]);
        assert_eq!(store.damaged_rows(), 1);
    }
}
