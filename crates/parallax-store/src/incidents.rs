//! Incidents, kept for ever.

use parallax_model::{Host, Incident, IncidentId, Onset};
use rusqlite::{OptionalExtension, Row};

use crate::{Store, StoreError, rows};

/// How many incidents one read gives at most, whatever its limit says.
pub const MAX_INCIDENTS: u32 = 1_000;

const COLUMNS: &str = "id, site, opened_at, closed_at, steps, onset_at, onset_earliest, onset_latest";

impl Store {
    /// Keeps an incident as it is now.
    pub async fn put_incident(&self, incident: &Incident) -> Result<(), StoreError> {
        let incident = incident.clone();
        self.write("put incident", move |w| {
            let sql =
                "INSERT INTO incidents (id, site, opened_at, closed_at, steps, onset_at, onset_earliest, onset_latest)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                ON CONFLICT (id) DO UPDATE SET site = excluded.site, opened_at = excluded.opened_at,
                closed_at = excluded.closed_at, steps = excluded.steps, onset_at = excluded.onset_at,
                onset_earliest = excluded.onset_earliest, onset_latest = excluded.onset_latest";
            let row = (
                incident.id.to_string(),
                incident.site.as_str(),
                incident.opened_at.0,
                incident.closed_at.map(|at| at.0),
                rows::to_json(&incident.steps)?,
                incident.onset.map(|onset| onset.at.0),
                incident.onset.map(|onset| onset.earliest.0),
                incident.onset.map(|onset| onset.latest.0),
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
        onset: onset(row)?,
    })
}

fn onset(row: &Row<'_>) -> rusqlite::Result<Option<Onset>> {
    let moments = (rows::optional_time(row, 5)?, rows::optional_time(row, 6)?, rows::optional_time(row, 7)?);
    let (Some(at), Some(earliest), Some(latest)) = moments else { return Ok(None) };
    Ok(Some(Onset { at, earliest, latest }))
}

#[cfg(test)]
mod tests;
