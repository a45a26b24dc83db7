//! A site's page, and what visitors report there.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use parallax_aggregator::{CheckRefusal, ReportInput, ReportKind, SiteView};
use parallax_model::{Host, ReportCategory, ReportCounts, UnixMicros};
use serde::Deserialize;

use super::check::Findings;
use super::error::missing;
use super::home::Home;
use super::{AskBox, PageResult};
use crate::render::{Frame, page};
use crate::serve::Peer;
use crate::state::{App, Shared};
use crate::view::band::Band;
use crate::view::board::Board;
use crate::view::chart::{ReportChart, Strip};
use crate::view::incident::{IncidentView, Moment};
use crate::view::when;

/// How many past incidents a site's page lists.
const MAX_INCIDENTS: u32 = 10;
/// How far back a site’s page looks, in seconds.
const DAY_SECS: i64 = 86_400;

#[derive(Template)]
#[template(path = "pages/site.html")]
pub(crate) struct SitePage {
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
    pub(crate) chart: ReportChart,
    pub(crate) strip: Strip,
    pub(crate) open_incident: Option<IncidentView>,
    pub(crate) incidents: Vec<IncidentView>,
    pub(crate) categories: Vec<(&'static str, &'static str)>,
    /// What became of the report just sent; empty otherwise.
    pub(crate) thanks: &'static str,
}

/// The page for a site nobody asked about yet.
#[derive(Template)]
#[template(path = "pages/site_unknown.html")]
pub(crate) struct UnknownSite {
    pub(crate) frame: Frame,
    pub(crate) host: String,
    pub(crate) ask: AskBox,
}

/// A report's category in the words of a visitor's screen.
pub(crate) fn category_words(category: ReportCategory) -> &'static str {
    match category {
        ReportCategory::CannotBeFound => "The site can’t be found",
        ReportCategory::TooSlow => "It takes too long",
        ReportCategory::ErrorPage => "An error page with a number (502, 503 …)",
        ReportCategory::NotSecure => "A “not secure” warning",
        ReportCategory::LoadsBroken => "It loads, but broken or blank",
        ReportCategory::LogIn => "Only logging in fails",
        ReportCategory::AppOnly => "Only the app fails",
        ReportCategory::Payment => "Only paying fails",
        ReportCategory::Other => "Something else",
    }
}

fn thanks(word: Option<&str>) -> &'static str {
    match word {
        Some("counted") => "Thank you: your report counts.",
        Some("seen") => {
            "Thank you. It was not counted: your network has reported this site in the last half hour already, or too many reports \
             came at once."
        }
        _ => "",
    }
}

impl SitePage {
    async fn load(
        app: &Shared,
        view: &SiteView,
        sent: Option<&str>,
    ) -> Result<Self, parallax_aggregator::ReadError> {
        let now = app.read.now();
        let quarters = app.read.reports_by_quarter(&view.host).await?;
        let minutes = app.read.history(&view.host, now.plus_secs(-DAY_SECS)).await?;
        let incidents = app.read.incidents(Some(&view.host), false, MAX_INCIDENTS).await?;
        let incidents = incidents.iter().map(|incident| IncidentView::new(incident, now)).collect();
        let charts = (ReportChart::new(&quarters, view.reports.expected, now), Strip::new(&minutes, now));
        let mut page = Self::new(Frame::new(app, ""), view, now, charts);
        page.incidents = incidents;
        page.thanks = thanks(sent);
        Ok(page)
    }

    pub(crate) fn new(
        frame: Frame,
        view: &SiteView,
        now: UnixMicros,
        (chart, strip): (ReportChart, Strip),
    ) -> Self {
        let board = Board::of_site(view);
        let band = Band::of_diagnosis(&view.diagnosis, &board);
        Self {
            frame,
            host: view.host.to_string(),
            target: view.target.to_string(),
            since: Moment::new(view.since),
            lasted: when::between(view.since, now),
            age: when::between(view.at, now),
            interval: view.interval.map(|d| when::span(u64::try_from(d.as_micros()).unwrap_or(u64::MAX))),
            found: Findings::new(&board, band),
            reports: view.reports,
            usual: format!("{:.1}", view.reports.expected),
            chart,
            strip,
            open_incident: view.incident.as_ref().map(|incident| IncidentView::new(incident, now)),
            incidents: Vec::new(),
            categories: ReportCategory::ALL.iter().map(|c| (c.as_str(), category_words(*c))).collect(),
            thanks: "",
        }
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
    Path(typed): Path<String>,
    Query(after): Query<After>,
    request: HeaderMap,
) -> PageResult {
    let host = match app.read.parse(&typed) {
        Ok(target) => target.host,
        Err(refusal) => return Ok(refused(&app, &request, typed, &refusal)),
    };
    if host.as_str() != typed {
        return Ok(Redirect::permanent(&format!("/s/{host}")).into_response());
    }
    match app.read.site(&host) {
        Some(view) => {
            let site = SitePage::load(&app, &view, after.report.as_deref()).await?;
            Ok(page(&site, StatusCode::OK, &request))
        }
        None => Ok(unknown(&app, &request, &host)),
    }
}

fn unknown(app: &Shared, request: &HeaderMap, host: &Host) -> Response {
    let view =
        UnknownSite { frame: Frame::new(app, ""), host: host.to_string(), ask: AskBox::of(host.as_str()) };
    page(&view, StatusCode::NOT_FOUND, request)
}

fn refused(app: &Shared, request: &HeaderMap, typed: String, refusal: &CheckRefusal) -> Response {
    let ask = AskBox { typed, error: refusal.to_string() };
    page(&Home::new(app, ask), StatusCode::UNPROCESSABLE_ENTITY, request)
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
    Path(typed): Path<String>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HeaderMap,
    form: Result<Form<Reported>, FormRejection>,
) -> PageResult {
    let nothing = ("That report could not be read", "Go back and choose one of the answers.");
    let site = match app.read.parse(&typed) {
        Ok(target) => target.host,
        Err(refusal) => return Ok(refused(&app, &request, typed, &refusal)),
    };
    let Ok(Form(Reported { what })) = form else { return Ok(missing(&app, &request, nothing)) };
    let kind = match (what.as_str(), what.parse()) {
        ("works", _) => ReportKind::Works,
        (_, Ok(category)) => ReportKind::Problem(category),
        _ => return Ok(missing(&app, &request, nothing)),
    };
    let counts = app.read.report(ReportInput { site: site.clone(), kind, from: Some(peer.ip()) }).await?;
    let word = if counts { "counted" } else { "seen" };
    Ok(Redirect::to(&format!("/s/{site}?report={word}#report")).into_response())
}
