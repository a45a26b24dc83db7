//! One-hour rollups, made of the minutes of hours that are over: what is left of a site's history when its minutes are gone.
//!
//! 1. An hour is made once it is over and its last minutes had time to be written. Making it again gives the same.
//! 2. Minutes that come later still, of agents whose line was down, make their hour anew at once.
//! 3. `first_byte` is the median over the hour's results of their minutes' medians: exact medians do not add.

use std::collections::BTreeSet;

use parallax_model::{Host, Micros, UnixMicros};
use rusqlite::{Connection, OptionalExtension};

use crate::{MinuteRow, Store, StoreError, rows};

/// Microseconds of an hour.
pub(crate) const HOUR_US: i64 = 3_600_000_000;
/// An hour is made this many seconds after its end: minutes are written some seconds after theirs.
const HOUR_SETTLED_S: i64 = 120;
/// How many sites' hours one commit makes at most: 60 rows read and one written for each.
pub const ROLL_STEP: usize = 100;

/// One hour of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourRow {
    /// Whose.
    pub site: Host,
    /// The hour's start.
    pub hour: UnixMicros,
    /// How many results it has.
    pub results: u64,
    /// How many of them failed.
    pub failures: u64,
    /// Median time to the first byte of those that were ok, over the minutes' medians.
    pub first_byte: Option<Micros>,
}

impl Store {
    /// Makes the hours that are over, in commits of [`ROLL_STEP`] sites. Answers how many were made.
    pub async fn roll_hours(&self, now: UnixMicros) -> Result<u64, StoreError> {
        let over = start_of_hour(now.0 - HOUR_SETTLED_S * 1_000_000);
        let Some(mut hour) = self.next_hour(over).await? else { return Ok(0) };
        let mut made = 0;
        while hour < over {
            let mut after = String::new();
            loop {
                let from = std::mem::take(&mut after);
                let step = self.write("make hours", move |w| roll_step(w.connection, hour, &from)).await?;
                made += step.made;
                match step.last {
                    Some(last) => after = last,
                    None => break,
                }
            }
            hour += HOUR_US;
            self.set_rolled_until(hour);
        }
        Ok(made)
    }

    /// The first hour that is not made yet; `None` without minutes.
    async fn next_hour(&self, over: i64) -> Result<Option<i64>, StoreError> {
        let known = self.rolled_until();
        if known != i64::MIN {
            return Ok(Some(known));
        }
        // The last hour that is there may be half made: it is made again. Without any, all begins with the first minute.
        let first = self.read("find the first hour to make", |c| {
            let ask = |sql| c.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)).optional();
            Ok(match ask("SELECT hour FROM hours ORDER BY hour DESC LIMIT 1")? {
                Some(hour) => Some(hour),
                None => ask("SELECT minute FROM minutes ORDER BY minute LIMIT 1")?.map(start_of_hour),
            })
        });
        let first = first.await?.map(|first| first.min(over));
        if let Some(first) = first {
            self.set_rolled_until(first);
        }
        Ok(first)
    }

    /// A site's hours from `since` on and before `until`, oldest first, those without results left out. Hours that are not made
    /// yet are not among them: their minutes are there.
    pub async fn hours(
        &self,
        site: &Host,
        since: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<HourRow>, StoreError> {
        let site = site.clone();
        self.read("read hours", move |c| {
            let sql = "SELECT hour, results, failures, first_byte FROM hours
                WHERE site = ?1 AND hour >= ?2 AND hour < ?3 ORDER BY hour";
            let mut statement = c.prepare_cached(sql)?;
            let hours = statement.query_map((site.as_str(), since.0, until.0), |row| {
                Ok(HourRow {
                    site: site.clone(),
                    hour: rows::time(row, 0)?,
                    results: rows::unsigned(row, 1)?,
                    failures: rows::unsigned(row, 2)?,
                    first_byte: row.get::<_, Option<u32>>(3)?.map(Micros),
                })
            })?;
            hours.collect()
        })
        .await
    }
}

/// Makes the hours anew that minutes came too late for. A part of the transaction that adds the minutes.
pub(crate) fn roll_late(connection: &Connection, minutes: &[MinuteRow], until: i64) -> rusqlite::Result<()> {
    let late = minutes
        .iter()
        .map(|m| (m.site.as_str(), start_of_hour(m.minute.0)))
        .filter(|(_, hour)| *hour < until);
    late.collect::<BTreeSet<_>>()
        .into_iter()
        .try_for_each(|(site, hour)| roll(connection, site, hour).map(drop))
}

/// The start of the hour a moment is in.
pub(crate) fn start_of_hour(at: i64) -> i64 {
    at.div_euclid(HOUR_US) * HOUR_US
}

struct Step {
    made: u64,
    /// The last site that was looked at; `None` when there is none left.
    last: Option<String>,
}

/// One hour of the next sites after `after`. Sites are found one by one along the key: a walk over all minutes would never end.
fn roll_step(connection: &Connection, hour: i64, after: &str) -> rusqlite::Result<Step> {
    let mut next =
        connection.prepare_cached("SELECT site FROM minutes WHERE site > ?1 ORDER BY site LIMIT 1")?;
    let mut step = Step { made: 0, last: None };
    let mut after = after.to_owned();
    for _ in 0..ROLL_STEP {
        let site: Option<String> = next.query_row([&after], |row| row.get(0)).optional()?;
        step.last.clone_from(&site);
        let Some(site) = site else { return Ok(step) };
        step.made += u64::from(roll(connection, &site, hour)?);
        after = site;
    }
    Ok(step)
}

/// Makes one hour of one site; `false` when it has no minutes.
fn roll(connection: &Connection, site: &str, hour: i64) -> rusqlite::Result<bool> {
    let sql =
        "SELECT results, failures, first_byte FROM minutes WHERE site = ?1 AND minute >= ?2 AND minute < ?3
        AND is_whole('minutes', checksum, site, minute, results, failures, first_byte)";
    let mut statement = connection.prepare_cached(sql)?;
    let minutes = statement.query_map((site, hour, hour + HOUR_US), |row| {
        Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?, row.get::<_, Option<u32>>(2)?))
    })?;
    let (mut results, mut failures, mut first_bytes) = (0_u64, 0_u64, Vec::new());
    for minute in minutes {
        let (all, failed, first_byte) = minute?;
        results += u64::from(all);
        failures += u64::from(failed);
        first_bytes.extend(first_byte.map(|us| (us, u64::from(all.saturating_sub(failed)))));
    }
    if results == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO hours (site, hour, results, failures, first_byte, checksum)
        VALUES (?1, ?2, ?3, ?4, ?5, row_checksum(?1, ?2, ?3, ?4, ?5))
        ON CONFLICT (site, hour) DO UPDATE SET results = excluded.results, failures = excluded.failures,
        first_byte = excluded.first_byte, checksum = excluded.checksum";
    let row = (site, hour, results.cast_signed(), failures.cast_signed(), weighted_median(first_bytes));
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(true)
}

/// The value that half of the weight lies below.
fn weighted_median(mut values: Vec<(u32, u64)>) -> Option<u32> {
    values.sort_unstable();
    let half = values.iter().map(|(_, weight)| weight).sum::<u64>() / 2;
    let mut below = 0;
    values
        .iter()
        .find(|(_, weight)| {
            below += weight;
            below > half
        })
        .map(|(value, _)| *value)
}

#[cfg(test)]
mod tests;
