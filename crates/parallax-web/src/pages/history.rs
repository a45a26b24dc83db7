//! A site's last ninety days.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};

use super::PageResult;
use super::error::Part;
use super::site::{opted_out, refused, unknown};
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::state::App;
use crate::view::chart::{Days, Tests};
use crate::view::incident::IncidentView;
use crate::view::sentence::Names;

/// How many incidents are listed.
const MAX_INCIDENTS: u32 = 200;
/// How far back minutes are read, in seconds: they are kept for 30 days. Older days are known by their hours and incidents.
const MINUTES_SECS: i64 = 30 * 86_400;
/// How far back the page looks, in seconds.
const PAGE_SECS: i64 = 90 * 86_400;

#[derive(Template)]
#[template(path = "pages/history.html")]
pub(crate) struct HistoryPage {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) host: String,
    pub(crate) days: Days,
    pub(crate) incidents: Vec<IncidentView>,
}

/// `GET /s/{host}/history`.
pub(crate) async fn show(State(app): App, visit: Visit, Part(typed): Part, request: HeaderMap) -> PageResult {
    let (t, now) = (visit.t, app.read.now());
    let host = match app.read.parse(&typed) {
        Ok(target) => target.host,
        Err(refusal) if refusal.is_opt_out() => return Ok(opted_out(&app, &visit, &request, typed)),
        Err(refusal) => return Ok(refused(&app, &visit, &request, (typed, &refusal))),
    };
    if host.as_str() != typed {
        return Ok(Redirect::permanent(&format!("{}/s/{host}/history", t.base())).into_response());
    }
    let incidents = app.read.incidents(Some(&host), false, MAX_INCIDENTS).await?;
    if app.read.site(&host).is_none() && incidents.is_empty() {
        return Ok(unknown(&app, &visit, &request, &host));
    }
    let since = now.plus_secs(-PAGE_SECS);
    let hours = app.read.hours(&host, since).await?;
    // Hours are made one after the other: where there are any, minutes are needed for what came after the newest alone.
    let from = hours.last().map_or_else(|| now.plus_secs(-MINUTES_SECS), |newest| newest.at);
    let minutes = app.read.history(&host, from).await?;
    let names = Names::of_points(&app.read.vantages());
    let recent = incidents.iter().filter(|incident| incident.closed_at.is_none_or(|at| at >= since));
    let view = HistoryPage {
        t,
        frame: Frame::new(&app, &visit, "").with_feed(format!("/s/{host}/feed.atom")),
        host: host.to_string(),
        days: Days::new(t, &incidents, &Tests::of(&hours, &minutes), now),
        incidents: recent.map(|incident| IncidentView::said(t, incident, &names, now)).collect(),
    };
    Ok(page(&view, StatusCode::OK, &request))
}
