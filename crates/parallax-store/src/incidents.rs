//! Incidents, kept for ever.

use parallax_model::{Host, Incident, IncidentId};
use rusqlite::{OptionalExtension, Row};

use crate::{Store, StoreError, rows};

/// How many incidents one read gives at most, whatever its limit says.
pub const MAX_INCIDENTS: u32 = 1_000;

const COLUMNS: &str = "id, site, opened_at, closed_at, steps";

impl Store {
    /// Keeps an incident as it is now.
    pub async fn put_incident(&self, incident: &Incident) -> Result<(), StoreError> {
        let incident = incident.clone();
        self.write("put incident", move |w| {
            let sql =
                "INSERT INTO incidents (id, site, opened_at, closed_at, steps) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (id) DO UPDATE SET site = excluded.site, opened_at = excluded.opened_at,
                closed_at = excluded.closed_at, steps = excluded.steps";
            let row = (
                incident.id.to_string(),
                incident.site.as_str(),
                incident.opened_at.0,
                incident.closed_at.map(|at| at.0),
                rows::to_json(&incident.steps)?,
            );
            w.connection.prepare_cached(sql)?.execute(row).map(drop)
        })
        .await
    }

    /// Every incident that lasts, oldest first: at most one per site, so bounded by the sites.
    pub async fn open_incidents(&self) -> Result<Vec<Incident>, StoreError> {
        self.read("read open incidents", |c| {
            let sql =
                format!("SELECT {COLUMNS} FROM incidents WHERE closed_at IS NULL ORDER BY opened_at, id");
            c.prepare_cached(&sql)?.query_map([], incident)?.collect()
        })
        .await
    }

    /// Incidents of one site or all, newest first, at most `limit` and [`MAX_INCIDENTS`].
    pub async fn incidents(
        &self,
        site: Option<&Host>,
        open_only: bool,
        limit: u32,
    ) -> Result<Vec<Incident>, StoreError> {
        let (site, limit) = (site.cloned(), limit.min(MAX_INCIDENTS));
        self.read("read incidents", move |c| {
            let open = if open_only { "AND closed_at IS NULL" } else { "" };
            let order = "ORDER BY opened_at DESC, id DESC LIMIT";
            if let Some(site) = site {
                let sql = format!("SELECT {COLUMNS} FROM incidents WHERE site = ?1 {open} {order} ?2");
                c.prepare_cached(&sql)?.query_map((site.as_str(), limit), incident)?.collect()
            } else {
                let sql = format!("SELECT {COLUMNS} FROM incidents WHERE true {open} {order} ?1");
                c.prepare_cached(&sql)?.query_map([limit], incident)?.collect()
            }
        })
        .await
    }

    /// One incident.
    pub async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.read("read incident", move |c| {
            let sql = format!("SELECT {COLUMNS} FROM incidents WHERE id = ?1");
            c.prepare_cached(&sql)?.query_row([id.to_string()], incident).optional()
        })
        .await
    }
}

fn incident(row: &Row<'_>) -> rusqlite::Result<Incident> {
    Ok(Incident {
        id: rows::text(row, 0)?,
        site: rows::text(row, 1)?,
        opened_at: rows::time(row, 2)?,
        closed_at: rows::optional_time(row, 3)?,
        steps: rows::json(row, 4)?,
    })
}

#[cfg(test)]
mod tests;
