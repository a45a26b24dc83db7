//! The read side of this process.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{CheckId, Host, Incident, IncidentId, Target, UnixMicros, Vantage};
use parallax_policy::{Note, Policy};
use parallax_runtime::Tasks;
use parallax_store::{CheckRecord, HourRow, MinuteRow, ReportRow};
use tokio::sync::watch;

use crate::checks::EndedCheck;
use crate::core::{Core, lock, store_failed};
use crate::kept;
use crate::minutes::Minute;
use crate::opt_outs::Wish;
use crate::panel::Near;
use crate::read::{
    BoxFuture, CheckRefusal, CheckStream, HistoryHour, HistoryMinute, Load, NetworkState, ReadError,
    ReadSide, ReportInput, ReportKind, ReportShares, SiteView, VantagePoint,
};

/// One minute.
const MINUTE_US: u64 = 60_000_000;
/// One day, in seconds.
const DAY_S: i64 = 86_400;
/// How long after the last one no more checks are expected to end, when the process stops.
const LAST_CHECKS: Duration = Duration::from_millis(300);
/// A page shows at most this many incidents.
const MAX_INCIDENTS: u32 = 1_000;

/// Reads from the core.
#[derive(Debug, Clone)]
pub struct Reader {
    core: Arc<Core>,
}

impl Reader {
    /// A reader of `core`.
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Who owns the tasks of streams.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.core.tasks
    }

    fn failed(operation: &'static str, error: &parallax_store::StoreError) -> ReadError {
        drop(store_failed(operation, error));
        ReadError::Store(operation)
    }
}

impl ReadSide for Reader {
    fn load(&self) -> Load {
        let (agents, agents_limit) = self.core.admission.count();
        let cells = self.core.snapshot.cells();
        Load {
            memory: self.core.limits.memory,
            agents,
            agents_limit,
            agents_refused: self.core.admission.refused(),
            messages_held_back: self.core.paces.held_back(),
            cells: cells.taken(),
            cells_limit: self.core.limits.cells,
            cells_refused: cells.refused(),
        }
    }

    fn parse(&self, typed: &str) -> Result<Target, CheckRefusal> {
        parsed(typed, &self.core.policy())
    }

    fn notes(&self, target: &Target) -> Vec<Note> {
        self.core.policy().parse_target(&target.to_string()).map(|parsed| parsed.notes).unwrap_or_default()
    }

    fn sites(&self) -> Arc<Vec<Arc<SiteView>>> {
        self.core.snapshot.sites()
    }

    fn site(&self, host: &Host) -> Option<Arc<SiteView>> {
        self.core.snapshot.site(host)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.core.snapshot.changes()
    }

    fn vantages(&self) -> Arc<Vec<VantagePoint>> {
        self.core.snapshot.vantages()
    }

    fn network(&self) -> Arc<NetworkState> {
        self.core.snapshot.network()
    }

    fn history<'a>(
        &'a self,
        host: &'a Host,
        since: UnixMicros,
    ) -> BoxFuture<'a, Result<Vec<HistoryMinute>, ReadError>> {
        Box::pin(async move {
            let now = self.core.now();
            let rows = self.core.store.minutes(host, since, now).await;
            let rows = rows.map_err(|e| Self::failed("read minutes", &e))?;
            let minute = |m: MinuteRow| HistoryMinute {
                at: m.minute,
                results: m.results,
                failures: m.failures,
                first_byte: m.first_byte,
            };
            let mut minutes: Vec<HistoryMinute> = rows.into_iter().map(minute).collect();
            // Only the minute that runs is not written: one that has just ended is on its way and would count twice.
            let running = self.core.snapshot.running(host).into_iter().find(|m| now.since(m.at) < MINUTE_US);
            if let Some(running) = running {
                add_running(&mut minutes, &running);
            }
            Ok(minutes)
        })
    }

    fn hours<'a>(
        &'a self,
        host: &'a Host,
        since: UnixMicros,
    ) -> BoxFuture<'a, Result<Vec<HistoryHour>, ReadError>> {
        Box::pin(async move {
            let rows = self.core.store.hours(host, since, self.core.now()).await;
            let rows = rows.map_err(|e| Self::failed("read hours", &e))?;
            let hour = |h: HourRow| HistoryHour {
                at: h.hour,
                results: h.results,
                failures: h.failures,
                first_byte: h.first_byte,
            };
            Ok(rows.into_iter().map(hour).collect())
        })
    }

    fn incidents<'a>(
        &'a self,
        site: Option<&'a Host>,
        open_only: bool,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Incident>, ReadError>> {
        Box::pin(async move {
            let limit = limit.clamp(1, MAX_INCIDENTS);
            let incidents = self.core.store.incidents(site, open_only, limit).await;
            let mut incidents = incidents.map_err(|e| Self::failed("read incidents", &e))?;
            let policy = self.core.policy();
            let is_out = |incident: &Incident| policy.is_opted_out(&incident.site);
            if incidents.iter().any(is_out) {
                let more = self.core.store.incidents(site, open_only, MAX_INCIDENTS).await;
                incidents = more.map_err(|e| Self::failed("read incidents", &e))?;
                incidents.retain(|incident| !is_out(incident));
                incidents.truncate(limit as usize);
            }
            Ok(incidents)
        })
    }

    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<Incident>, ReadError>> {
        Box::pin(async move {
            let found =
                self.core.store.incident(id).await.map_err(|e| Self::failed("read an incident", &e))?;
            Ok(found.filter(|incident| !self.core.policy().is_opted_out(&incident.site)))
        })
    }

    fn check<'a>(
        &'a self,
        typed: &'a str,
        from: Option<IpAddr>,
    ) -> BoxFuture<'a, Result<CheckStream, CheckRefusal>> {
        Box::pin(async move {
            let place = from.map(|address| self.core.places.of(address)).unwrap_or_default();
            let near = Near { asns: place.asn.into_iter().collect(), country: place.country };
            // Whatever was known of its owner: that is asked for again, if it was long ago.
            let target = parsed(typed, self.core.opt_outs.usual_policy())?;
            if !self.core.checks.is_joined(&target) {
                self.core.ask_owner(&target.host, Wish::Visitors).await?;
            }
            // What its owner says may be known only now.
            self.core.checks.start(self.parse(typed)?, &near)
        })
    }

    fn find_check(&self, id: CheckId) -> BoxFuture<'_, Result<Option<CheckStream>, ReadError>> {
        Box::pin(async move {
            let policy = self.core.policy();
            let may_be_shown = |target: &Target| !policy.is_opted_out(&target.host);
            if let Some(stream) = self.core.checks.find(id) {
                return Ok(Some(stream).filter(|stream| may_be_shown(&stream.target)));
            }
            let record = self.core.store.check(id).await.map_err(|e| Self::failed("read a check", &e))?;
            Ok(record.filter(|r| may_be_shown(&r.target)).and_then(|r| {
                let events = kept::read(&r.events)?;
                Some(CheckStream::new((id, r.target, true), events, None))
            }))
        })
    }

    fn report(&self, report: ReportInput) -> BoxFuture<'_, Result<bool, ReadError>> {
        Box::pin(async move {
            let problem = match report.kind {
                ReportKind::Problem(category) => Some(category),
                ReportKind::Works => None,
            };
            let now = self.core.now();
            let reporter = report.from.map_or(0, |address| self.core.reporter_key.reporter(address, now));
            if !lock(&self.core.report_budget).charge(reporter, now) {
                return Ok(false);
            }
            let asn = report.from.and_then(|address| self.core.places.of(address).asn);
            let row = ReportRow { site: report.site.clone(), at: now, problem, reporter, asn };
            let counted =
                self.core.store.add_report(row).await.map_err(|e| Self::failed("keep a report", &e))?;
            if counted {
                let counting = self.core.count_reports(&report.site, true).await;
                counting.map_err(|e| Self::failed("count reports", &e))?;
            }
            Ok(counted)
        })
    }

    fn reports_by_quarter<'a>(&'a self, host: &'a Host) -> BoxFuture<'a, Result<Vec<u32>, ReadError>> {
        Box::pin(async move {
            let quarters = self.core.store.report_quarters(host, self.core.now()).await;
            quarters.map_err(|e| Self::failed("read reports", &e))
        })
    }

    fn report_shares<'a>(&'a self, host: &'a Host) -> BoxFuture<'a, Result<ReportShares, ReadError>> {
        Box::pin(async move {
            let since = self.core.now().plus_secs(-DAY_S);
            let failed = |e| Self::failed("read reports", &e);
            let categories = self.core.store.report_categories(host, since).await.map_err(failed)?;
            let networks = self.core.store.report_networks(host, since).await.map_err(failed)?;
            Ok(ReportShares { categories, networks })
        })
    }

    fn origin(&self, from: IpAddr) -> Vantage {
        self.core.places.of(from)
    }

    fn now(&self) -> UnixMicros {
        self.core.now()
    }
}

/// What was typed, as far as a policy allows it to be probed.
fn parsed(typed: &str, policy: &Policy) -> Result<Target, CheckRefusal> {
    let refused = |r: parallax_policy::Refusal| CheckRefusal::Input {
        reason: r.reason().as_str().to_owned(),
        code: r.code().as_str().to_owned(),
        message: r.to_string(),
    };
    policy.parse_target(typed).map(|p| p.target).map_err(refused)
}

/// Adds the minute that runs; a part of it may have been written when the process last ended.
fn add_running(minutes: &mut Vec<HistoryMinute>, running: &Minute) {
    match minutes.last_mut().filter(|last| last.at == running.at) {
        Some(last) => {
            last.results += running.results;
            last.failures += running.failures;
            last.first_byte = running.first_byte.or(last.first_byte);
        }
        None => minutes.push(HistoryMinute {
            at: running.at,
            results: running.results,
            failures: running.failures,
            first_byte: running.first_byte,
        }),
    }
}

/// Writes ended checks, so that their permalinks last.
pub(crate) async fn keep_checks(core: Arc<Core>, mut ended: tokio::sync::mpsc::Receiver<EndedCheck>) {
    let soft = core.tasks.soft().clone();
    loop {
        let check = tokio::select! {
            check = ended.recv() => check,
            () = soft.cancelled() => break,
        };
        match check {
            Some(check) => keep_check(&core, check).await,
            None => break,
        }
    }
    // Running checks end with the soft signal too, each in its own task and a moment later; theirs are written as well.
    while let Ok(Some(check)) = tokio::time::timeout(LAST_CHECKS, ended.recv()).await {
        keep_check(&core, check).await;
    }
}

async fn keep_check(core: &Core, check: EndedCheck) {
    let record =
        CheckRecord { id: check.id, at: check.at, target: check.target, events: kept::write(&check.events) };
    if let Err(error) = core.store.put_check(record).await {
        drop(store_failed("keep a check", &error));
    }
}
