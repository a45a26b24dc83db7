//! What was last said of each site, so that "since" survives a restart, and how our own side was.

use parallax_model::{Host, UnixMicros};
use rusqlite::OptionalExtension;

use crate::{Store, StoreError, rows};

/// What was last said of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteState {
    /// Which.
    pub site: Host,
    /// What, in the caller's own JSON.
    pub state: String,
}

impl Store {
    /// Keeps what is said of a site now.
    pub async fn put_site_state(&self, state: SiteState) -> Result<(), StoreError> {
        self.write("put site state", move |w| {
            let sql = "INSERT INTO site_states (site, state) VALUES (?1, ?2)
                ON CONFLICT (site) DO UPDATE SET state = excluded.state";
            w.connection.prepare_cached(sql)?.execute((state.site.as_str(), state.state)).map(drop)
        })
        .await
    }

    /// Forgets what was said of a site; `false` when nothing was.
    pub async fn remove_site_state(&self, site: &Host) -> Result<bool, StoreError> {
        let site = site.clone();
        self.write("remove site state", move |w| {
            let mut statement = w.connection.prepare_cached("DELETE FROM site_states WHERE site = ?1")?;
            Ok(statement.execute([site.as_str()])? == 1)
        })
        .await
    }

    /// Keeps how our own side is, in the caller's own JSON.
    pub async fn put_our_side(&self, at: UnixMicros, state: String) -> Result<(), StoreError> {
        self.write("put our side", move |w| {
            let sql = "INSERT INTO our_side (id, at, state) VALUES (1, ?1, ?2)
                ON CONFLICT (id) DO UPDATE SET at = excluded.at, state = excluded.state";
            w.connection.prepare_cached(sql)?.execute((at.0, state)).map(drop)
        })
        .await
    }

    /// How our own side was, if that was kept since then.
    pub async fn our_side(&self, since: UnixMicros) -> Result<Option<String>, StoreError> {
        self.read("read our side", move |c| {
            let mut statement = c.prepare_cached("SELECT state FROM our_side WHERE id = 1 AND at >= ?1")?;
            statement.query_row([since.0], |row| row.get(0)).optional()
        })
        .await
    }

    /// What was last said of every site, by name.
    pub async fn site_states(&self) -> Result<Vec<SiteState>, StoreError> {
        self.read("read site states", |c| {
            let mut statement = c.prepare_cached("SELECT site, state FROM site_states ORDER BY site")?;
            let states = statement
                .query_map([], |row| Ok(SiteState { site: rows::text(row, 0)?, state: row.get(1)? }))?;
            states.collect()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use crate::fixtures::{NOW, store};

    #[tokio::test]
    async fn how_our_own_side_was_is_known_for_a_while() {
        let (_dir, store) = store();
        assert_eq!(store.our_side(NOW).await.unwrap(), None);
        for state in ["broken", "well"] {
            store.put_our_side(NOW, state.to_owned()).await.unwrap();
            assert_eq!(store.our_side(NOW).await.unwrap().as_deref(), Some(state));
        }
        assert_eq!(store.our_side(NOW.plus_secs(1)).await.unwrap(), None);
    }
}
