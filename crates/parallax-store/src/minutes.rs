//! One-minute rollups: what a site's history is drawn from, so that no page scans raw results.

use parallax_model::{Host, Micros, UnixMicros};
use rusqlite::OptionalExtension;

use crate::{Store, StoreError, hours, rows};

/// One minute of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteRow {
    /// Whose.
    pub site: Host,
    /// The minute's start.
    pub minute: UnixMicros,
    /// How many results it has.
    pub results: u32,
    /// How many of them failed.
    pub failures: u32,
    /// Median time to the first byte of those that were ok.
    pub first_byte: Option<Micros>,
}

impl Store {
    /// Adds to minutes, all in one commit. Counts are added to what is there; `first_byte` replaces what is there unless it is
    /// `None`, for medians do not add: with several calls for one minute the last one's median stands for all.
    pub async fn add_minutes(&self, minutes: Vec<MinuteRow>) -> Result<(), StoreError> {
        self.add(minutes, None).await
    }

    /// Like [`add_minutes`](Self::add_minutes); the same commit notes that everything that came before `until` is counted, so that
    /// whoever counts the journal again after a crash begins there and counts nothing twice.
    pub async fn add_counted(&self, minutes: Vec<MinuteRow>, until: UnixMicros) -> Result<(), StoreError> {
        self.add(minutes, Some(until)).await
    }

    async fn add(
        &self,
        minutes: Vec<MinuteRow>,
        counted_until: Option<UnixMicros>,
    ) -> Result<(), StoreError> {
        let rolled = self.rolled_until();
        self.write("add minutes", move |w| {
            let sql = "INSERT INTO minutes (site, minute, results, failures, first_byte, checksum)
                VALUES (?1, ?2, ?3, ?4, ?5, row_checksum(?1, ?2, ?3, ?4, ?5))
                ON CONFLICT (site, minute) DO UPDATE SET results = results + excluded.results,
                failures = failures + excluded.failures, first_byte = coalesce(excluded.first_byte, first_byte),
                checksum = row_checksum(site, minute, results + excluded.results, failures + excluded.failures,
                    coalesce(excluded.first_byte, first_byte))";
            let mut statement = w.connection.prepare_cached(sql)?;
            for m in &minutes {
                let first_byte = m.first_byte.map(|us| us.0);
                statement.execute((m.site.as_str(), m.minute.0, m.results, m.failures, first_byte))?;
            }
            if let Some(until) = counted_until {
                let sql = "INSERT INTO counted (id, until_at) VALUES (1, ?1)
                    ON CONFLICT (id) DO UPDATE SET until_at = excluded.until_at";
                w.connection.prepare_cached(sql)?.execute([until.0])?;
            }
            hours::roll_late(w.connection, &minutes, rolled)
        })
        .await
    }

    /// Until when what came is counted into minutes: what came later is in the journal but in no minute. `None` while nothing is.
    pub async fn counted_until(&self) -> Result<Option<UnixMicros>, StoreError> {
        self.read("read what is counted", |c| {
            let mut noted = c.prepare_cached("SELECT until_at FROM counted WHERE id = 1")?;
            if let Some(until) = noted.query_row([], |row| rows::time(row, 0)).optional()? {
                return Ok(Some(until));
            }
            // Not noted, or the note is damaged: the end of the last minute there is. Not max(): rows that are not whole are left out,
            // and it would look at all of them.
            let mut latest = c.prepare_cached("SELECT minute FROM minutes ORDER BY minute DESC LIMIT 1")?;
            let latest = latest.query_row([], |row| rows::time(row, 0)).optional()?;
            Ok(latest.map(|minute| minute.plus_secs(60)))
        })
        .await
    }

    /// A site's minutes from `since` on and before `until`, oldest first, those without results left out.
    pub async fn minutes(
        &self,
        site: &Host,
        since: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<MinuteRow>, StoreError> {
        let site = site.clone();
        self.read("read minutes", move |c| {
            let sql = "SELECT minute, results, failures, first_byte FROM minutes
                WHERE site = ?1 AND minute >= ?2 AND minute < ?3 ORDER BY minute";
            let mut statement = c.prepare_cached(sql)?;
            let minutes = statement.query_map((site.as_str(), since.0, until.0), |row| {
                Ok(MinuteRow {
                    site: site.clone(),
                    minute: rows::time(row, 0)?,
                    results: row.get(1)?,
                    failures: row.get(2)?,
                    first_byte: row.get::<_, Option<u32>>(3)?.map(Micros),
                })
            })?;
            minutes.collect()
        })
        .await
    }
}

#[cfg(test)]
mod tests;
