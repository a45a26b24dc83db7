//! Made-up sites, testers and checks behind the same trait as the real ones: for tests, screenshots and work on the pages.
//!
//! Nothing here measures anything, and no product code uses it.

mod sites;
mod testers;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_aggregator::{
    BoxFuture, CheckEvent, CheckRefusal, CheckStream, HistoryMinute, Note, PanelMember, ReadError, ReadSide,
    ReportInput, ReportShares, SiteView, VantagePoint,
};
use parallax_model::{CheckId, Host, Incident, IncidentId, Target, UnixMicros};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

pub use sites::{hostile_site, sample_sites};
pub use testers::sample_testers;

/// The made-up now: 22 November 2026, 21:12 UTC.
pub const SAMPLE_NOW: UnixMicros = UnixMicros(1_795_381_920_000_000);

/// How many events a reader may fall behind: more than a sample check has.
const CHECK_EVENTS: usize = 128;

/// A check's events so far, and where the next ones go while it runs.
struct Running {
    target: Target,
    past: Vec<Arc<CheckEvent>>,
    live: Option<broadcast::Sender<Arc<CheckEvent>>>,
}

type Checks = Arc<Mutex<HashMap<CheckId, Running>>>;

/// A read side that knows the sample sites. A check of a known site ends as its page says; any other site is up.
pub struct FakeReadSide {
    sites: Arc<Vec<Arc<SiteView>>>,
    testers: Arc<Vec<VantagePoint>>,
    checks: Checks,
    /// Between two rows of a check; none of it when zero.
    pace: Duration,
    tasks: Mutex<JoinSet<()>>,
    changes: watch::Sender<u64>,
}

impl std::fmt::Debug for FakeReadSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeReadSide").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl FakeReadSide {
    /// The sample sites; a check's rows come `pace` apart, or are all there at once when it is zero.
    pub fn new(pace: Duration) -> Self {
        Self::with_sites(sample_sites(), pace)
    }

    /// Other sites on the same testers.
    pub fn with_sites(sites: Vec<SiteView>, pace: Duration) -> Self {
        Self {
            sites: Arc::new(sites.into_iter().map(Arc::new).collect()),
            testers: Arc::new(sample_testers()),
            checks: Checks::default(),
            pace,
            tasks: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// The id of the only check a site ever gets here: the same on every run.
    pub fn check_id(host: &Host) -> CheckId {
        let sum = host.as_str().bytes().fold(7_u128, |sum, b| sum.wrapping_mul(1_000_003) ^ u128::from(b));
        CheckId(sum.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    fn incident_list(&self) -> Vec<Incident> {
        let mut all: Vec<Incident> = self.sites.iter().filter_map(|view| view.incident.clone()).collect();
        all.extend(sites::past_incidents());
        all.sort_by_key(|incident| std::cmp::Reverse(incident.opened_at));
        all
    }

    fn begin(&self, target: &Target) -> CheckStream {
        let id = Self::check_id(&target.host);
        let known = self.sites.iter().find(|view| view.host == target.host);
        let view = known.map_or_else(|| sites::up_site(target.host.clone()), |view| (**view).clone());
        let view = SiteView { target: target.clone(), ..view };
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let joined = checks.contains_key(&id);
        if !joined {
            let events = script(id, &view);
            let running = if self.pace.is_zero() {
                Running { target: target.clone(), past: events, live: None }
            } else {
                let (sender, _) = broadcast::channel(CHECK_EVENTS);
                let play = play(id, events, self.pace, Arc::clone(&self.checks));
                self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(play);
                Running { target: target.clone(), past: Vec::new(), live: Some(sender) }
            };
            checks.insert(id, running);
        }
        stream(&checks[&id], id, joined)
    }
}

fn stream(running: &Running, id: CheckId, joined: bool) -> CheckStream {
    let live = running.live.as_ref().map(broadcast::Sender::subscribe);
    CheckStream::new((id, running.target.clone(), joined), running.past.clone(), live)
}

/// The events of a check that ends as `view` says: the fast first, a first verdict after four rows, the last one at the end.
fn script(id: CheckId, view: &SiteView) -> Vec<Arc<CheckEvent>> {
    let member = |row: &parallax_aggregator::CheckRow| PanelMember {
        agent: row.agent.clone(),
        vantage: row.vantage.clone(),
    };
    let panel: Vec<PanelMember> = view.rows.iter().map(member).collect();
    let mut rows = view.rows.to_vec();
    rows.sort_by_key(|row| row.result.phases.total);
    let asked = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let mut events = vec![CheckEvent::Started { id, target: view.target.clone(), panel, at: SAMPLE_NOW }];
    for (i, mut row) in rows.into_iter().enumerate() {
        row.result.check = Some(id);
        row.after = Duration::from_micros(u64::from(row.result.phases.total.0) + 40_000);
        let all_ok = row.result.outcome.is_ok();
        events.push(CheckEvent::Row(Box::new(row)));
        if i == 3 && all_ok {
            events.push(CheckEvent::Verdict(Box::new(sites::up_so_far(view))));
        }
    }
    events.push(CheckEvent::Verdict(Box::new(view.diagnosis.clone())));
    events.push(CheckEvent::Done { took: Duration::from_millis(1_640), answered: asked, asked });
    events.into_iter().map(Arc::new).collect()
}

async fn play(id: CheckId, events: Vec<Arc<CheckEvent>>, pace: Duration, checks: Checks) {
    for event in events {
        {
            let mut checks = checks.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(running) = checks.get_mut(&id) else { return };
            running.past.push(Arc::clone(&event));
            let over = matches!(*event, CheckEvent::Done { .. });
            if let Some(live) = &running.live {
                // Nobody may be reading: that is no error.
                let _ = live.send(event);
            }
            if over {
                running.live = None;
                return;
            }
        }
        tokio::time::sleep(pace).await;
    }
}

impl ReadSide for FakeReadSide {
    fn parse(&self, typed: &str) -> Result<Target, CheckRefusal> {
        let refuse = |reason: &str, code: &str, message: String| CheckRefusal::Input {
            reason: reason.to_owned(),
            code: code.to_owned(),
            message,
        };
        let bare = typed.trim().to_ascii_lowercase();
        let bare = bare.trim_start_matches("https://").trim_start_matches("http://");
        let host = bare.split(['/', '?']).next().unwrap_or_default();
        let host: Host = host.parse().map_err(|_| {
            let shown: String = typed.chars().take(60).collect();
            refuse(
                "host",
                "BAD_HOST",
                format!("“{shown}” is not a website’s address; type one like example.com."),
            )
        })?;
        if host.ip().is_some() || host.as_str() == "localhost" {
            let message = "We test public websites only: this address is private or reserved. Type a site’s public name.";
            return Err(refuse("ip_special", "PRIVATE_ADDRESS", message.to_owned()));
        }
        if host.as_str() == "opted-out.example" {
            let message = "opted-out.example is not tested because its owner asked for that with a DNS record at _parallax-optout.opted-out.example: type another site.";
            return Err(refuse("opted_out", "OPTED_OUT", message.to_owned()));
        }
        let path = bare.split_once('?').and_then(|(_, query)| format!("/?{query}").parse().ok());
        let target = Target::site_default(host);
        Ok(match path {
            Some(path) => Target { path, ..target },
            None => target,
        })
    }

    fn notes(&self, target: &Target) -> Vec<Note> {
        if target.path.as_str().contains('?') { vec![Note::QueryIsPublic] } else { Vec::new() }
    }

    fn sites(&self) -> Arc<Vec<Arc<SiteView>>> {
        Arc::clone(&self.sites)
    }

    fn site(&self, host: &Host) -> Option<Arc<SiteView>> {
        self.sites.iter().find(|view| view.host == *host).map(Arc::clone)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn vantages(&self) -> Arc<Vec<VantagePoint>> {
        Arc::clone(&self.testers)
    }

    fn history<'a>(
        &'a self,
        host: &'a Host,
        since: UnixMicros,
    ) -> BoxFuture<'a, Result<Vec<HistoryMinute>, ReadError>> {
        Box::pin(
            async move { Ok(self.site(host).map(|view| sites::history(&view, since)).unwrap_or_default()) },
        )
    }

    fn incidents<'a>(
        &'a self,
        site: Option<&'a Host>,
        open_only: bool,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Incident>, ReadError>> {
        let wanted =
            move |i: &Incident| site.is_none_or(|s| *s == i.site) && (!open_only || i.closed_at.is_none());
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Box::pin(async move { Ok(self.incident_list().into_iter().filter(wanted).take(limit).collect()) })
    }

    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<Incident>, ReadError>> {
        Box::pin(async move { Ok(self.incident_list().into_iter().find(|incident| incident.id == id)) })
    }

    fn check<'a>(
        &'a self,
        typed: &'a str,
        _from: Option<std::net::IpAddr>,
    ) -> BoxFuture<'a, Result<CheckStream, CheckRefusal>> {
        Box::pin(async move {
            let target = self.parse(typed)?;
            if target.host.as_str() == "busy.example" {
                return Err(CheckRefusal::Busy {
                    what: target.host.to_string(),
                    retry_after: Duration::from_millis(20_300),
                });
            }
            Ok(self.begin(&target))
        })
    }

    fn find_check(&self, id: CheckId) -> BoxFuture<'_, Result<Option<CheckStream>, ReadError>> {
        Box::pin(async move {
            let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(checks.get(&id).map(|running| stream(running, id, true)))
        })
    }

    fn report(&self, report: ReportInput) -> BoxFuture<'_, Result<bool, ReadError>> {
        let known = self.site(&report.site).is_some();
        Box::pin(async move { Ok(known) })
    }

    fn reports_by_quarter<'a>(&'a self, host: &'a Host) -> BoxFuture<'a, Result<Vec<u32>, ReadError>> {
        Box::pin(async move { Ok(self.site(host).map(|view| sites::quarters(&view)).unwrap_or_default()) })
    }

    fn report_shares<'a>(&'a self, host: &'a Host) -> BoxFuture<'a, Result<ReportShares, ReadError>> {
        Box::pin(async move { Ok(self.site(host).map(|view| sites::shares(&view)).unwrap_or_default()) })
    }

    fn now(&self) -> UnixMicros {
        SAMPLE_NOW
    }
}
