//! What was last said of each site, so that "since" survives a restart.

use parallax_model::Host;

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
