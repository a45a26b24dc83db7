//! What visitors report now, beside what is usual, and the probes a surge sends to where it comes from.
//!
//! Reports raise questions and never answer them: a surge starts a check of the site whose panel stands in the reporting networks
//! first, under the same budgets as every other check.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parallax_diagnose::{PAST_QUARTERS, Past, QUARTER_S, RECENT_QUARTERS, Usual};
use parallax_model::{Asn, Host, Incident, ReportCounts, UnixMicros};
use parallax_store::StoreError;
use tokio::time::MissedTickBehavior;

use crate::core::{Core, lock, store_failed};
use crate::opt_outs::Wish;
use crate::panel::Near;

/// How far back reports count as "now", in seconds.
pub(crate) const REPORTS_WINDOW_S: i64 = QUARTER_S;
/// Sites whose reports are counted at the same time. Anybody may report any public name; the counts of sites beyond this number
/// start when others have grown old. The reports themselves are kept all the same.
const MAX_REPORTED_SITES: usize = 10_000;
/// How long what was learned about a site's usual week is good for.
const USUAL_FOR: Duration = Duration::from_hours(1);
/// Incidents of a site that are left out when its usual week is learned.
const MAX_LEFT_OUT: u32 = 200;
/// A network with this many reporters is asked first (diagnosis.md 3).
const LEAST_REPORTERS: u32 = 3;

/// How often the counts of every reported site are made anew.
const RECOUNT_EVERY: Duration = Duration::from_secs(10);

const QUARTER_US: i64 = QUARTER_S * 1_000_000;

/// The reports of one site in the last quarter hour.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reported {
    /// How many, how many are usual, and whether that is a surge.
    pub(crate) counts: ReportCounts,
    /// Problem reporters by network.
    pub(crate) by_asn: BTreeMap<Asn, u32>,
}

impl Reported {
    fn is_nothing(&self) -> bool {
        self.counts.problem == 0 && self.counts.works == 0
    }
}

/// The reports of all sites that have some.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    // std mutexes: held for map operations only, never across an await.
    now: Mutex<BTreeMap<Host, Arc<Reported>>>,
    usual: Mutex<BTreeMap<Host, (UnixMicros, Arc<Usual>)>>,
}

impl Reports {
    /// Every site with reports.
    pub(crate) fn all(&self) -> BTreeMap<Host, Arc<Reported>> {
        lock(&self.now).clone()
    }

    /// Keeps what was counted, if there is room; gives back what was known before.
    fn set(&self, site: &Host, reported: Reported) -> Option<Arc<Reported>> {
        let mut now = lock(&self.now);
        if reported.is_nothing() {
            lock(&self.usual).remove(site);
            return now.remove(site);
        }
        if now.len() >= MAX_REPORTED_SITES && !now.contains_key(site) {
            return None;
        }
        now.insert(site.clone(), Arc::new(reported))
    }

    fn usual(&self, site: &Host, now: UnixMicros) -> Option<Arc<Usual>> {
        let most = i64::try_from(USUAL_FOR.as_micros()).unwrap_or(i64::MAX);
        let known = lock(&self.usual).get(site).cloned();
        known.filter(|(at, _)| (0..most).contains(&(now.0 - at.0))).map(|(_, usual)| usual)
    }

    fn learned(&self, site: &Host, now: UnixMicros, usual: &Arc<Usual>) {
        let mut all = lock(&self.usual);
        if all.len() < MAX_REPORTED_SITES || all.contains_key(site) {
            all.insert(site.clone(), (now, Arc::clone(usual)));
        }
    }
}

/// Counts the reports of every reported site again and again until the soft signal: they grow old without anybody touching them.
pub(crate) async fn keep_counting(core: Arc<Core>) {
    let soft = core.tasks.soft().clone();
    let mut turn = tokio::time::interval(RECOUNT_EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What was reported before the start still counts, although nobody touches it. A surge of then has sent its probes.
    core.recount(core.reported_lately().await, false).await;
    loop {
        tokio::select! {
            _ = turn.tick() => {}
            () = soft.cancelled() => return,
        }
        core.recount(core.reports.all().into_keys(), true).await;
    }
}

impl Core {
    /// Sites with reports that still count.
    async fn reported_lately(&self) -> BTreeSet<Host> {
        let since = self.now().plus_secs(-REPORTS_WINDOW_S);
        let most = u32::try_from(MAX_REPORTED_SITES).unwrap_or(u32::MAX);
        let sites = self.store.reported_sites(since, most).await;
        sites
            .unwrap_or_else(|error| {
                drop(store_failed("read reported sites", &error));
                Vec::new()
            })
            .into_iter()
            .collect()
    }

    /// Counts the reports of these sites again, as far as the store allows and until the soft signal.
    async fn recount(self: &Arc<Self>, sites: impl IntoIterator<Item = Host>, probes: bool) {
        for site in sites {
            if self.tasks.soft().is_cancelled() {
                return;
            }
            if let Err(error) = self.count_reports(&site, probes).await {
                drop(store_failed("count reports", &error));
            }
        }
    }

    /// Counts a site's reports again; a surge that was none before sends `probes`.
    pub(crate) async fn count_reports(self: &Arc<Self>, site: &Host, probes: bool) -> Result<(), StoreError> {
        let now = self.now();
        let since = now.plus_secs(-REPORTS_WINDOW_S);
        let mut counts = self.store.report_counts(site, since).await?;
        let by_asn: BTreeMap<Asn, u32> = self.store.report_networks(site, since).await?.into_iter().collect();
        if counts.problem > 0 {
            let usual = self.usual_reports(site, now).await?;
            let quarter = now.0.div_euclid(QUARTER_US);
            let first = quarter - i64::try_from(RECENT_QUARTERS).unwrap_or(0);
            let day = self.store.report_history(site, first..quarter).await?;
            let recent: Vec<u32> =
                (first..quarter).map(|quarter| day.get(&quarter).copied().unwrap_or(0)).collect();
            counts.expected = usual.mean(quarter);
            counts.surge = usual.alarm(quarter, &recent, counts.problem).surge;
        }
        let near = Near { asns: most_reported(&by_asn), country: None };
        let before = self.reports.set(site, Reported { counts, by_asn });
        let surged = counts.surge && !before.is_some_and(|before| before.counts.surge);
        if surged && probes {
            self.look_closer(site, &near).await;
        }
        Ok(())
    }

    /// Starts a check that stands near the reporters. Under a busy budget the running or coming checks must do.
    async fn look_closer(self: &Arc<Self>, site: &Host, near: &Near) {
        metrics::counter!("parallax_report_surges_total").increment(1);
        let known = self.snapshot.site(site).map(|view| view.target.clone());
        let target =
            known.or_else(|| self.policy().parse_target(site.as_str()).ok().map(|parsed| parsed.target));
        let Some(target) = target else { return };
        if self.ask_owner(site, Wish::Visitors).await.is_err() || self.policy().is_opted_out(site) {
            return;
        }
        match self.checks.start(target, near) {
            Ok(check) => tracing::debug!(check.id = %check.id, "a surge of reports sends probes"),
            Err(refusal) => tracing::debug!(%refusal, "a surge of reports cannot send probes now"),
        }
    }

    async fn usual_reports(&self, site: &Host, now: UnixMicros) -> Result<Arc<Usual>, StoreError> {
        if let Some(usual) = self.reports.usual(site, now) {
            return Ok(usual);
        }
        let end = now.0.div_euclid(QUARTER_US);
        let first = self.store.first_report_at().await?.map_or(end, |at| at.0.div_euclid(QUARTER_US));
        let known = first.max(end - PAST_QUARTERS)..end;
        let counts = self.store.report_history(site, known.clone()).await?;
        let incidents = self.store.incidents(Some(site), false, MAX_LEFT_OUT).await?;
        let incidents: Vec<Range<i64>> =
            incidents.iter().map(|incident| quarters_of(incident, now)).collect();
        let usual = Arc::new(Usual::learn(Past { counts: &counts, known: &known, incidents: &incidents }));
        self.reports.learned(site, now, &usual);
        Ok(usual)
    }
}

/// The networks with enough reporters, most first.
fn most_reported(by_asn: &BTreeMap<Asn, u32>) -> Vec<Asn> {
    let mut enough: Vec<(Asn, u32)> =
        by_asn.iter().filter(|(_, n)| **n >= LEAST_REPORTERS).map(|(asn, n)| (*asn, *n)).collect();
    enough.sort_by_key(|(asn, n)| (std::cmp::Reverse(*n), *asn));
    enough.into_iter().map(|(asn, _)| asn).collect()
}

/// The quarters an incident lies in.
fn quarters_of(incident: &Incident, now: UnixMicros) -> Range<i64> {
    let end = incident.closed_at.unwrap_or(now);
    incident.opened_at.0.div_euclid(QUARTER_US)..end.0.div_euclid(QUARTER_US) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Host {
        name.parse().expect("a host")
    }

    fn problems(problem: u32) -> Reported {
        Reported { counts: ReportCounts { problem, ..ReportCounts::default() }, ..Reported::default() }
    }

    #[test]
    fn only_sites_with_reports_are_kept_and_only_so_many() {
        let reports = Reports::default();
        for n in 0..MAX_REPORTED_SITES {
            assert_eq!(reports.set(&host(&format!("s{n}.example.com")), problems(1)), None);
        }
        reports.set(&host("more.example.com"), problems(9));
        assert!(!reports.all().contains_key(&host("more.example.com")), "no room");
        assert_eq!(reports.set(&host("s1.example.com"), problems(0)).as_deref(), Some(&problems(1)));
        reports.set(&host("more.example.com"), problems(9));
        assert!(reports.all().contains_key(&host("more.example.com")), "there is room again");
    }

    #[test]
    fn networks_with_three_reporters_are_asked_first() {
        let by_asn = BTreeMap::from([(Asn(1), 2), (Asn(2), 3), (Asn(3), 9), (Asn(4), 3)]);
        assert_eq!(most_reported(&by_asn), [Asn(3), Asn(2), Asn(4)]);
    }
}
