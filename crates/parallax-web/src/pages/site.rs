//! A site's page, and what visitors report there.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use parallax_aggregator::{CheckRefusal, ReportInput, ReportKind, ReportShares, SiteView};
use parallax_model::{Disagreement, Host, ReportCategory, ReportCounts};
use serde::Deserialize;

use super::check::Findings;
use super::error::{Part, unusable};
use super::home::{answer_no, said_no};
use super::{AskBox, PageResult};
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::serve::Peer;
use crate::state::{App, Shared};
use crate::view::band::Band;
use crate::view::board::Board;
use crate::view::chart::{ReportChart, Strip};
use crate::view::incident::{IncidentView, Moment};
use crate::view::sentence::Names;
use crate::view::shares::Shares;
use crate::view::site::front;
use crate::view::when;

/// How many past incidents a site's page lists.
const MAX_INCIDENTS: u32 = 10;
/// How far back a site’s page looks, in seconds.
const DAY_SECS: i64 = 86_400;

#[derive(Template)]
#[template(path = "pages/site.html")]
pub(crate) struct SitePage {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) since: Moment,
    pub(crate) lasted: String,
    pub(crate) age: String,
    pub(crate) interval: Option<String>,
    pub(crate) found: Findings,
    pub(crate) reports: ReportCounts,
    /// What is usual in a quarter hour, for people.
    pub(crate) usual: String,
    /// What people and testers do not agree about; empty when they do.
    pub(crate) disagreement: String,
    pub(crate) chart: ReportChart,
    pub(crate) shares: Shares,
    pub(crate) strip: Strip,
    pub(crate) open_incident: Option<IncidentView>,
    pub(crate) incidents: Vec<IncidentView>,
    /// Word and label.
    pub(crate) categories: Vec<(&'static str, String)>,
    /// Sites that fail in the same way behind the same emitter.
    pub(crate) related: Vec<(String, String)>,
    /// What became of the report just sent; empty otherwise.
    pub(crate) thanks: String,
}

/// The page for a site whose owner does not want it to be tested.
#[derive(Template)]
#[template(path = "pages/site_opted_out.html")]
struct OptedOutSite {
    t: Lang,
    frame: Frame,
    host: String,
    ask: AskBox,
}

/// The page for a site nobody asked about yet.
#[derive(Template)]
#[template(path = "pages/site_unknown.html")]
pub(crate) struct UnknownSite {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) host: String,
    pub(crate) ask: AskBox,
}

/// A report's category in the words of a visitor's screen.
pub(crate) fn category_words(t: Lang, category: ReportCategory) -> String {
    t.text(&format!("category-{category}"))
}

/// How many sites in trouble of the same kind are named.
const MAX_RELATED: usize = 6;

/// Other sites in trouble whose failing answers the same emitter wrote.
fn related(app: &Shared, t: Lang, view: &SiteView) -> Vec<(String, String)> {
    let emitters = |view: &SiteView| -> Vec<String> {
        let failing = view.rows.iter().filter(|row| !row.result.outcome.is_ok());
        failing.filter_map(|row| row.result.emitter.as_ref()).map(|e| e.name.to_string()).collect()
    };
    let mine = emitters(view);
    let sites = app.read.sites();
    let same = sites
        .iter()
        .filter(|other| other.host != view.host && emitters(other).iter().any(|e| mine.contains(e)));
    same.take(MAX_RELATED).map(|v| (v.host.to_string(), format!("{}/s/{}", t.base(), v.host))).collect()
}

impl SitePage {
    async fn load(
        app: &Shared,
        visit: &Visit,
        view: &SiteView,
        sent: Option<&str>,
    ) -> Result<Self, parallax_aggregator::ReadError> {
        let (t, now) = (visit.t, app.read.now());
        let quarters = app.read.reports_by_quarter(&view.host).await?;
        let shares = if quarters.iter().any(|n| *n > 0) {
            app.read.report_shares(&view.host).await?
        } else {
            ReportShares::default()
        };
        let minutes = app.read.history(&view.host, now.plus_secs(-DAY_SECS)).await?;
        let incidents = app.read.incidents(Some(&view.host), false, MAX_INCIDENTS).await?;
        let names = Names::of_points(&app.read.vantages());
        let board = Board::of_site(view);
        let band = Band::of_diagnosis(t, &view.diagnosis, &board);
        let incident = |incident| IncidentView::said(t, incident, &names, now);
        Ok(Self {
            t,
            frame: Frame::new(app, visit, "").with_feed(format!("/s/{}/feed.atom", view.host)),
            host: view.host.to_string(),
            target: front(&view.target),
            since: Moment::said(t, view.since),
            lasted: when::between(t, view.since, now),
            age: when::between(t, view.at, now),
            interval: view.interval.map(|d| when::span(t, u64::try_from(d.as_micros()).unwrap_or(u64::MAX))),
            found: Findings::new(t, &board, band),
            reports: view.reports,
            usual: t.decimal(view.reports.expected, 1),
            disagreement: view.disagreement.map(|d| disagreement(t, d)).unwrap_or_default(),
            chart: ReportChart::new(t, &quarters, view.reports.expected, now),
            shares: Shares::new(t, &shares, &names),
            strip: Strip::new(t, &minutes, now),
            open_incident: view.incident.as_ref().map(incident),
            incidents: incidents.iter().map(incident).collect(),
            categories: ReportCategory::ALL.iter().map(|c| (c.as_str(), category_words(t, *c))).collect(),
            related: related(app, t, view),
            thanks: match sent {
                Some("counted") => t.text("report-counted"),
                Some("seen") => t.text("report-seen"),
                _ => String::new(),
            },
        })
    }
}

fn disagreement(t: Lang, disagreement: Disagreement) -> String {
    match disagreement {
        Disagreement::PeopleOnly => t.text("disagree-people"),
        Disagreement::TestersOnly => t.text("disagree-testers"),
    }
}

/// What the address says beside the host.
#[derive(Debug, Deserialize)]
pub(crate) struct After {
    report: Option<String>,
}

/// `GET /s/{host}`.
pub(crate) async fn show(
    State(app): App,
    visit: Visit,
    Part(typed): Part,
    Query(after): Query<After>,
    request: HeaderMap,
) -> PageResult {
    let host = match app.read.parse(&typed) {
        Ok(target) => target.host,
        Err(refusal) if refusal.is_opt_out() => return Ok(opted_out(&app, &visit, &request, typed)),
        Err(refusal) => return Ok(refused(&app, &visit, &request, (typed, &refusal))),
    };
    if host.as_str() != typed {
        return Ok(Redirect::permanent(&format!("{}/s/{host}", visit.t.base())).into_response());
    }
    match app.read.site(&host) {
        Some(view) => {
            let site = SitePage::load(&app, &visit, &view, after.report.as_deref()).await?;
            Ok(page(&site, StatusCode::OK, &request))
        }
        None => Ok(unknown(&app, &visit, &request, &host)),
    }
}

/// The page that offers to ask.
pub(crate) fn unknown(app: &Shared, visit: &Visit, request: &HeaderMap, host: &Host) -> Response {
    let view = UnknownSite {
        t: visit.t,
        frame: Frame::new(app, visit, ""),
        host: host.to_string(),
        ask: AskBox::of(host.as_str()),
    };
    page(&view, StatusCode::NOT_FOUND, request)
}

/// The page that says that its owner asked for nothing to be here.
pub(crate) fn opted_out(app: &Shared, visit: &Visit, request: &HeaderMap, host: String) -> Response {
    let (t, frame) = (visit.t, Frame::new(app, visit, ""));
    page(&OptedOutSite { t, frame, host, ask: AskBox::default() }, StatusCode::OK, request)
}

/// The box with what was typed into the address, and why that is no site.
pub(crate) fn refused(
    app: &Shared,
    visit: &Visit,
    request: &HeaderMap,
    (typed, refusal): (String, &CheckRefusal),
) -> Response {
    answer_no(app, visit, request, AskBox { typed, error: said_no(visit.t, refusal) })
}

/// What the report forms send.
#[derive(Debug, Deserialize)]
pub(crate) struct Reported {
    /// `works`, or a report category.
    what: String,
}

/// `POST /s/{host}/report`: taken, and back to the site's page, which says whether it counted.
pub(crate) async fn report(
    State(app): App,
    (visit, Part(typed)): (Visit, Part),
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HeaderMap,
    form: Result<Form<Reported>, FormRejection>,
) -> PageResult {
    let site = match app.read.parse(&typed) {
        Ok(target) => target.host,
        Err(refusal) => return Ok(refused(&app, &visit, &request, (typed, &refusal))),
    };
    let kind = form.ok().and_then(|Form(Reported { what })| match what.as_str() {
        "works" => Some(ReportKind::Works),
        word => word.parse().ok().map(ReportKind::Problem),
    });
    let Some(kind) = kind else {
        return Ok(unusable(&app, (&visit, &request), ("report-unread", "report-unread-why")));
    };
    let counts = app.read.report(ReportInput { site: site.clone(), kind, from: Some(peer.ip()) }).await?;
    let word = if counts { "counted" } else { "seen" };
    Ok(Redirect::to(&format!("{}/s/{site}?report={word}#report", visit.t.base())).into_response())
}
