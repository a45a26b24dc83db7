//! What is down now, and what was.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::{AskBox, PageResult};
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::state::App;
use crate::view::incident::IncidentView;
use crate::view::sentence::Names;
use crate::view::site::SiteLine;

/// How many past incidents are listed.
const MAX_INCIDENTS: u32 = 100;

#[derive(Template)]
#[template(path = "pages/outages.html")]
pub(crate) struct Outages {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) now: Vec<SiteLine>,
    /// How many sites are known.
    pub(crate) known: usize,
    pub(crate) past: Vec<IncidentView>,
    pub(crate) ask: AskBox,
}

/// `GET /outages`.
pub(crate) async fn show(State(app): App, visit: Visit, request: HeaderMap) -> PageResult {
    let (t, now) = (visit.t, app.read.now());
    let names = Names::of_points(&app.read.vantages());
    let sites = app.read.sites();
    let mut outages: Vec<SiteLine> =
        sites.iter().map(|view| SiteLine::said(t, view, now)).filter(SiteLine::is_outage).collect();
    outages.sort_by_key(|line| std::cmp::Reverse(line.state));
    let incidents = app.read.incidents(None, false, MAX_INCIDENTS).await?;
    let past = incidents.iter().filter(|incident| incident.closed_at.is_some());
    let view = Outages {
        t,
        frame: Frame::new(&app, &visit, "/outages").with_feed("/outages.atom".to_owned()),
        now: outages,
        known: sites.len(),
        past: past.map(|incident| IncidentView::said(t, incident, &names, now)).collect(),
        ask: AskBox::default(),
    };
    Ok(page(&view, StatusCode::OK, &request))
}
