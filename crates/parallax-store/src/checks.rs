//! Checks that are over, so that their permalinks work for as long as they are kept.

use parallax_model::{CheckId, Target, UnixMicros};
use rusqlite::OptionalExtension;

use crate::{Store, StoreError, rows};

/// A check with its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRecord {
    /// Its name.
    pub id: CheckId,
    /// When it began.
    pub at: UnixMicros,
    /// What was probed.
    pub target: Target,
    /// Its events as the caller wrote them; not looked into.
    pub events: Vec<u8>,
}

impl Store {
    /// Keeps a check as it is now.
    pub async fn put_check(&self, check: CheckRecord) -> Result<(), StoreError> {
        self.write("put check", move |w| {
            let sql = "INSERT INTO checks (id, at, target, events) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (id) DO UPDATE SET at = excluded.at, target = excluded.target, events = excluded.events";
            let row = (check.id.to_string(), check.at.0, check.target.to_string(), check.events);
            w.connection.prepare_cached(sql)?.execute(row).map(drop)
        })
        .await
    }

    /// One check.
    pub async fn check(&self, id: CheckId) -> Result<Option<CheckRecord>, StoreError> {
        self.read("read check", move |c| {
            let mut statement = c.prepare_cached("SELECT at, target, events FROM checks WHERE id = ?1")?;
            let check = statement.query_row([id.to_string()], |row| {
                Ok(CheckRecord {
                    id,
                    at: rows::time(row, 0)?,
                    target: rows::text(row, 1)?,
                    events: row.get(2)?,
                })
            });
            check.optional()
        })
        .await
    }
}
