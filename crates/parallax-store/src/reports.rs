//! What visitors reported. A reporter is a keyed hash of a network prefix, never an address.

use std::collections::BTreeMap;
use std::ops::Range;

use parallax_model::{Asn, Host, ReportCategory, ReportCounts, UnixMicros};
use rusqlite::OptionalExtension;

use crate::{Store, StoreError, rows};

/// A reporter counts once per site in this many seconds.
pub const REPORT_INTERVAL_S: i64 = 30 * 60;
/// How many quarter hours [`Store::report_quarters`] gives: a day.
pub const QUARTERS: u32 = 96;

/// Most networks that [`Store::report_networks`] names.
pub const MAX_REPORTED_NETWORKS: u32 = 64;

const QUARTER_US: i64 = 15 * 60 * 1_000_000;

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// Of which site.
    pub site: Host,
    /// When.
    pub at: UnixMicros,
    /// What is wrong; `None` for "works for me".
    pub problem: Option<ReportCategory>,
    /// Who, as a keyed hash of the network prefix.
    pub reporter: u64,
    /// From which network, where that is known.
    pub asn: Option<Asn>,
}

impl Store {
    /// Keeps a report; `false`, and nothing is kept, when the same reporter reported the site less than [`REPORT_INTERVAL_S`] ago,
    /// whatever was said.
    pub async fn add_report(&self, report: ReportRow) -> Result<bool, StoreError> {
        self.write("add report", move |w| {
            let sql = "INSERT INTO reports (site, at, problem, reporter, asn) SELECT ?1, ?2, ?3, ?4, ?6
                WHERE NOT EXISTS (SELECT 1 FROM reports WHERE site = ?1 AND reporter = ?4 AND at > ?5)";
            let counted_after = report.at.plus_secs(-REPORT_INTERVAL_S);
            let row = (
                report.site.as_str(),
                report.at.0,
                report.problem.map(ReportCategory::as_str),
                report.reporter.cast_signed(),
                counted_after.0,
                report.asn.map(|asn| asn.0),
            );
            Ok(w.connection.prepare_cached(sql)?.execute(row)? == 1)
        })
        .await
    }

    /// Distinct reporters of a site since then. `expected` is 0 and `surge` false: what is usual is not the store's to know.
    pub async fn report_counts(&self, site: &Host, since: UnixMicros) -> Result<ReportCounts, StoreError> {
        let site = site.clone();
        self.read("count reports", move |c| {
            let sql = "SELECT count(DISTINCT reporter) FILTER (WHERE problem IS NOT NULL),
                count(DISTINCT reporter) FILTER (WHERE problem IS NULL) FROM reports WHERE site = ?1 AND at >= ?2";
            let mut statement = c.prepare_cached(sql)?;
            statement.query_row((site.as_str(), since.0), |row| {
                Ok(ReportCounts { problem: row.get(0)?, works: row.get(1)?, ..ReportCounts::default() })
            })
        })
        .await
    }

    /// Sites that somebody reported since then, by name, at most `limit`.
    pub async fn reported_sites(&self, since: UnixMicros, limit: u32) -> Result<Vec<Host>, StoreError> {
        self.read("read reported sites", move |c| {
            let sql = "SELECT DISTINCT +site FROM reports WHERE at >= ?1 ORDER BY +site LIMIT ?2";
            let mut statement = c.prepare_cached(sql)?;
            let sites = statement.query_map((since.0, limit), |row| rows::text(row, 0))?;
            sites.collect()
        })
        .await
    }

    /// Distinct reporters of problems since then, by network; those of an unknown network are left out. At most
    /// [`MAX_REPORTED_NETWORKS`], most reporters first.
    pub async fn report_networks(
        &self,
        site: &Host,
        since: UnixMicros,
    ) -> Result<Vec<(Asn, u32)>, StoreError> {
        let site = site.clone();
        self.read("count reports by network", move |c| {
            let sql = "SELECT asn, count(DISTINCT reporter) FROM reports
                WHERE site = ?1 AND at >= ?2 AND problem IS NOT NULL AND asn IS NOT NULL
                GROUP BY asn ORDER BY 2 DESC, asn LIMIT ?3";
            let mut statement = c.prepare_cached(sql)?;
            let counts = statement.query_map((site.as_str(), since.0, MAX_REPORTED_NETWORKS), |row| {
                Ok((Asn(row.get(0)?), row.get(1)?))
            })?;
            counts.collect()
        })
        .await
    }

    /// Problem reports of a site by quarter hour since 1970, quarters without any left out.
    pub async fn report_history(
        &self,
        site: &Host,
        quarters: Range<i64>,
    ) -> Result<BTreeMap<i64, u32>, StoreError> {
        let site = site.clone();
        self.read("count reports by quarter", move |c| {
            let sql = "SELECT at / ?4, count(*) FROM reports
                WHERE site = ?1 AND at >= ?2 AND at < ?3 AND problem IS NOT NULL GROUP BY 1";
            let (from, to) = (quarters.start * QUARTER_US, quarters.end * QUARTER_US);
            let mut statement = c.prepare_cached(sql)?;
            let counts = statement
                .query_map((site.as_str(), from, to, QUARTER_US), |row| Ok((row.get(0)?, row.get(1)?)))?;
            counts.collect()
        })
        .await
    }

    /// When the first report of any site came that is still kept: since then "no reports" means that nobody reported.
    pub async fn first_report_at(&self) -> Result<Option<UnixMicros>, StoreError> {
        self.read("find the first report", |c| {
            let mut first = c.prepare_cached("SELECT at FROM reports ORDER BY at LIMIT 1")?;
            first.query_row([], |row| rows::time(row, 0)).optional()
        })
        .await
    }

    /// How often each category was named since then, most often first.
    pub async fn report_categories(
        &self,
        site: &Host,
        since: UnixMicros,
    ) -> Result<Vec<(ReportCategory, u32)>, StoreError> {
        let site = site.clone();
        self.read("count report categories", move |c| {
            let sql =
                "SELECT problem, count(*) FROM reports WHERE site = ?1 AND at >= ?2 AND problem IS NOT NULL
                GROUP BY problem ORDER BY count(*) DESC, problem";
            let mut statement = c.prepare_cached(sql)?;
            let counts = statement
                .query_map((site.as_str(), since.0), |row| Ok((rows::text(row, 0)?, row.get(1)?)))?;
            counts.collect()
        })
        .await
    }

    /// Problem reports of a site in the last [`QUARTERS`] quarter hours of the clock, oldest first; the last one is the one that
    /// `now` is in.
    pub async fn report_quarters(&self, site: &Host, now: UnixMicros) -> Result<Vec<u32>, StoreError> {
        let site = site.clone();
        self.read("count reports by quarter", move |c| {
            let first = now.0.div_euclid(QUARTER_US) - (i64::from(QUARTERS) - 1);
            let sql = "SELECT (at - ?2) / ?4, count(*) FROM reports
                WHERE site = ?1 AND at >= ?2 AND at < ?3 AND problem IS NOT NULL GROUP BY 1";
            let (from, to) = (first * QUARTER_US, (first + i64::from(QUARTERS)) * QUARTER_US);
            let mut statement = c.prepare_cached(sql)?;
            let mut found = statement.query((site.as_str(), from, to, QUARTER_US))?;
            let mut quarters = vec![0; QUARTERS as usize];
            while let Some(row) = found.next()? {
                let quarter = usize::try_from(row.get::<_, u32>(0)?).unwrap_or(usize::MAX);
                if let Some(count) = quarters.get_mut(quarter) {
                    *count = row.get(1)?;
                }
            }
            Ok(quarters)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
