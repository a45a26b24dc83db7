//! The read side: everything a page, an API or a feed may ask of the aggregator.
//!
//! It is a trait so that pages can be tested against made-up sites, and so that a web replica can be backed by something else
//! than the process it runs in.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{
    AgentId, Asn, CheckId, Diagnosis, Disagreement, Host, Incident, IncidentId, IspName, Micros, ProbeResult,
    ReportCategory, ReportCounts, Target, UnixMicros, Vantage,
};
use parallax_policy::Note;
use thiserror::Error;
use tokio::sync::{broadcast, watch};

use crate::window::Rows;

/// A future that may be sent between threads and is made by a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The store failed; the text names the operation. It was logged where it happened.
    #[error("the store cannot be read: {0}")]
    Store(&'static str),
}

/// Why a check was not started.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckRefusal {
    /// What was typed is not a site that may be probed. `message` is one sentence for the person who typed it: what is wrong, why,
    /// what to type instead.
    #[error("{message}")]
    Input {
        /// The word of parallax-policy, e.g. `ip_special`.
        reason: String,
        /// The machine code of the contract, e.g. `PRIVATE_ADDRESS`.
        code: String,
        /// The sentence.
        message: String,
    },
    /// The site, its domain, or everything together was asked for too often.
    #[error("{what} is being checked too often; try again in {} s", retry_after.as_secs())]
    Busy {
        /// What is too busy, for people: a host or "this service".
        what: String,
        /// When to come back.
        retry_after: Duration,
    },
}

impl CheckRefusal {
    /// Whether the site's owner asked not to be tested.
    pub fn is_opt_out(&self) -> bool {
        matches!(self, Self::Input { code, .. } if code == parallax_policy::Code::OptedOut.as_str())
    }
}

/// A site now: what its page shows, made when something changed and never while a reader waits.
#[derive(Debug, Clone)]
pub struct SiteView {
    /// Whose page it is.
    pub host: Host,
    /// Its default target.
    pub target: Target,
    /// What is said of it.
    pub diagnosis: Diagnosis,
    /// When that was found out.
    pub at: UnixMicros,
    /// Since when the verdict is what it is.
    pub since: UnixMicros,
    /// Every agent's latest result within the window.
    pub rows: Rows,
    /// What people reported in the last 15 minutes.
    pub reports: ReportCounts,
    /// The incident that lasts, if one does.
    pub incident: Option<Incident>,
    /// How often it is probed; `None` when it is not watched and only checks made it known.
    pub interval: Option<Duration>,
    /// Where people and testers do not say the same; `None` while they do.
    pub disagreement: Option<Disagreement>,
}

/// How our own side is: whether sites can be judged at all, and which networks' agents fell silent at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkState {
    /// What is wrong with ourselves; every verdict is unknown meanwhile.
    pub our_side: Option<OurSide>,
    /// Networks whose agents are gone all at once. No outage of any site.
    pub notices: Vec<VantageNotice>,
}

/// How much of what the memory bears is taken, and how often somebody was refused for want of it since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// The memory the limits were made for, in bytes; 0 when nobody says.
    pub memory: u64,
    /// Agents that are connected.
    pub agents: usize,
    /// Agents that may be.
    pub agents_limit: usize,
    /// Streams of agents that were refused.
    pub agents_refused: u64,
    /// Messages that were read later than they came: their agents talked too fast.
    pub messages_held_back: u64,
    /// Cells of windows that are taken: one for each agent and target.
    pub cells: usize,
    /// Cells that there are.
    pub cells_limit: usize,
    /// Batches of an agent for a target that found no cell, and count in history only.
    pub cells_refused: u64,
}

/// A problem of our own, not of the sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurSide {
    /// Since when.
    pub since: UnixMicros,
    /// One plain sentence.
    pub sentence: String,
}

/// Agents of one network that fell silent at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VantageNotice {
    /// Which network.
    pub asn: Asn,
    /// Its name.
    pub isp: Option<IspName>,
    /// When the first of them fell silent.
    pub since: UnixMicros,
    /// How many are silent now.
    pub lost: u32,
    /// How many stood there before.
    pub of: u32,
    /// One plain sentence.
    pub sentence: String,
}

/// One minute of a site's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryMinute {
    /// The minute's start.
    pub at: UnixMicros,
    /// How many results it has.
    pub results: u32,
    /// How many of them failed.
    pub failures: u32,
    /// Median time to the first byte of those that were ok.
    pub first_byte: Option<Micros>,
}

/// One hour of a site's past: what is left of it when its minutes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryHour {
    /// The hour's start.
    pub at: UnixMicros,
    /// How many results it has.
    pub results: u64,
    /// How many of them failed.
    pub failures: u64,
    /// Median time to the first byte of those that were ok, over the minutes' medians.
    pub first_byte: Option<Micros>,
}

/// One agent and how it is.
#[derive(Debug, Clone)]
pub struct VantagePoint {
    /// Who.
    pub agent: AgentId,
    /// Where, as the aggregator sees it.
    pub vantage: Vantage,
    /// Whether its stream is open.
    pub online: bool,
    /// When it was last heard.
    pub last_heard: UnixMicros,
    /// Its program's version.
    pub version: String,
}

/// An agent that was asked in a check.
#[derive(Debug, Clone)]
pub struct PanelMember {
    /// Who.
    pub agent: AgentId,
    /// Where.
    pub vantage: Vantage,
}

/// What one agent saw.
#[derive(Debug, Clone)]
pub struct CheckRow {
    /// Who.
    pub agent: AgentId,
    /// Where.
    pub vantage: Vantage,
    /// What.
    pub result: ProbeResult,
    /// From the check's start until this row was known; for a site's rows, how old the result was when the view was made.
    pub after: Duration,
}

/// One event of a check.
#[derive(Debug, Clone)]
pub enum CheckEvent {
    /// It runs.
    Started {
        /// Its permalink's id.
        id: CheckId,
        /// What is probed.
        target: Target,
        /// Who was asked.
        panel: Vec<PanelMember>,
        /// When it began.
        at: UnixMicros,
    },
    /// What an agent that has not answered has seen until now: a failure as it would stand if nothing more came. Its row replaces it.
    SoFar(Box<CheckRow>),
    /// One agent answered.
    Row(Box<CheckRow>),
    /// The verdict as of the rows so far; sent when it changes.
    Verdict(Box<Diagnosis>),
    /// It is over.
    Done {
        /// How long it took.
        took: Duration,
        /// How many answered.
        answered: u32,
        /// How many were asked.
        asked: u32,
    },
}

/// A check's events from the first one on: first those that were, then those that come.
#[derive(Debug)]
pub struct CheckStream {
    /// Which check.
    pub id: CheckId,
    /// What is probed.
    pub target: Target,
    /// True when the check ran already.
    pub joined: bool,
    past: std::vec::IntoIter<Arc<CheckEvent>>,
    live: Option<broadcast::Receiver<Arc<CheckEvent>>>,
}

impl CheckStream {
    /// A stream of `past` events followed by those of `live`; without `live` the check is over.
    pub fn new(
        (id, target, joined): (CheckId, Target, bool),
        past: Vec<Arc<CheckEvent>>,
        live: Option<broadcast::Receiver<Arc<CheckEvent>>>,
    ) -> Self {
        Self { id, target, joined, past: past.into_iter(), live }
    }

    /// The next event; `None` after the last one, or when the reader fell so far behind that events were lost.
    pub async fn next(&mut self) -> Option<Arc<CheckEvent>> {
        if let Some(event) = self.past.next() {
            if matches!(*event, CheckEvent::Done { .. }) {
                self.live = None;
            }
            return Some(event);
        }
        let event = self.live.as_mut()?.recv().await.ok()?;
        if matches!(*event, CheckEvent::Done { .. }) {
            self.live = None;
        }
        Some(event)
    }

    /// The events that are there already, without waiting.
    pub fn past(&self) -> &[Arc<CheckEvent>] {
        self.past.as_slice()
    }
}

/// What a visitor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// "I have a problem."
    Problem(ReportCategory),
    /// "Works for me."
    Works,
}

/// A report on its way in.
#[derive(Debug, Clone)]
pub struct ReportInput {
    /// Of which site.
    pub site: Host,
    /// What is said.
    pub kind: ReportKind,
    /// Where it comes from. The address goes no further than a keyed hash of its /24 or /48; all of unknown origin are one reporter.
    pub from: Option<IpAddr>,
}

/// What was reported of a site in the last 24 hours, divided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportShares {
    /// How often each category was named, most often first.
    pub categories: Vec<(ReportCategory, u32)>,
    /// Distinct reporters of problems by network, most first; those of an unknown network are left out.
    pub networks: Vec<(Asn, u32)>,
}

/// Everything a page, an API or a feed may ask.
pub trait ReadSide: Send + Sync + 'static {
    /// What was typed as a canonical target, or why it may not be probed. The same answer everywhere: page, gRPC, CLI.
    fn parse(&self, typed: &str) -> Result<Target, CheckRefusal>;

    /// What whoever typed a target should know about it: that its query is public, that its name looks like another.
    fn notes(&self, target: &Target) -> Vec<Note>;

    /// Every known site, those that are not up first, then by name. Cheap: a shared snapshot.
    fn sites(&self) -> Arc<Vec<Arc<SiteView>>>;

    /// One site from the same snapshot.
    fn site(&self, host: &Host) -> Option<Arc<SiteView>>;

    /// Changes its number whenever the snapshot does.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Every agent of the last seven days.
    fn vantages(&self) -> Arc<Vec<VantagePoint>>;

    /// How our own side is.
    fn network(&self) -> Arc<NetworkState> {
        Arc::default()
    }

    /// How much of what the memory bears is taken.
    fn load(&self) -> Load {
        Load::default()
    }

    /// Minutes of a site from `since` on, oldest first, those without results left out.
    fn history<'a>(
        &'a self,
        host: &'a Host,
        since: UnixMicros,
    ) -> BoxFuture<'a, Result<Vec<HistoryMinute>, ReadError>>;

    /// Hours of a site from `since` on, oldest first, those without results left out: up to 400 days, where minutes are kept for 30.
    /// The last one or two hours are not made yet.
    fn hours<'a>(
        &'a self,
        host: &'a Host,
        since: UnixMicros,
    ) -> BoxFuture<'a, Result<Vec<HistoryHour>, ReadError>> {
        let _ = (host, since);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Incidents, newest first.
    fn incidents<'a>(
        &'a self,
        site: Option<&'a Host>,
        open_only: bool,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Incident>, ReadError>>;

    /// One incident.
    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<Incident>, ReadError>>;

    /// Starts a check or joins the one that runs. Agents on the asker's own network and in their country are asked too where there
    /// are some; the address goes no further than that.
    fn check<'a>(
        &'a self,
        typed: &'a str,
        from: Option<IpAddr>,
    ) -> BoxFuture<'a, Result<CheckStream, CheckRefusal>>;

    /// A check by its id, running or kept; `None` when there is none.
    fn find_check(&self, id: CheckId) -> BoxFuture<'_, Result<Option<CheckStream>, ReadError>>;

    /// Takes a report; `true` when it counts.
    fn report(&self, report: ReportInput) -> BoxFuture<'_, Result<bool, ReadError>>;

    /// Problem reports of a site in quarter hours of the last 24 hours, oldest first.
    fn reports_by_quarter<'a>(&'a self, host: &'a Host) -> BoxFuture<'a, Result<Vec<u32>, ReadError>>;

    /// The reports of a site in the last 24 hours by category and by network.
    fn report_shares<'a>(&'a self, host: &'a Host) -> BoxFuture<'a, Result<ReportShares, ReadError>> {
        let _ = host;
        Box::pin(async { Ok(ReportShares::default()) })
    }

    /// Where an address stands, for the one who asks from it; unknown parts are `None`. Nothing is kept.
    fn origin(&self, from: IpAddr) -> Vantage {
        let _ = from;
        Vantage::default()
    }

    /// What time it is, by the clock everything else was stamped with.
    fn now(&self) -> UnixMicros;
}
