//! How we measure, what becomes of a visitor's data, and how we are ourselves.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Redirect, Response};
use parallax_aggregator::{Load, OPT_OUT_LABEL, OPT_OUT_TEXT};
use parallax_model::Verdict;

use super::PageResult;
use super::home::NetworkCount;
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::state::App;
use crate::view::incident::Moment;
use crate::view::when;

#[derive(Template)]
#[template(path = "pages/about.html")]
pub(crate) struct About {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) network: NetworkCount,
    /// The record of an owner who does not want to be tested, as a zone file has it.
    pub(crate) record: String,
}

/// `GET /about`.
pub(crate) async fn show(State(app): App, visit: Visit, request: HeaderMap) -> Response {
    let network = NetworkCount::of(&app.read.vantages());
    let frame = Frame::new(&app, &visit, "/about");
    let record = format!("{OPT_OUT_LABEL}.example.com. 300 IN TXT \"{OPT_OUT_TEXT}\"");
    page(&About { t: visit.t, frame, network, record }, StatusCode::OK, &request)
}

/// `GET /probes`: the address that a tester's User-Agent may give.
pub(crate) async fn probes(visit: Visit) -> Redirect {
    Redirect::permanent(&format!("{}/about#owners", visit.t.base()))
}

#[derive(Template)]
#[template(path = "pages/privacy.html")]
pub(crate) struct Privacy {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
}

/// `GET /privacy`.
pub(crate) async fn privacy(State(app): App, visit: Visit, request: HeaderMap) -> Response {
    page(&Privacy { t: visit.t, frame: Frame::new(&app, &visit, "/privacy") }, StatusCode::OK, &request)
}

#[derive(Template)]
#[template(path = "pages/status.html")]
pub(crate) struct Status {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) network: NetworkCount,
    pub(crate) sites: usize,
    /// Of those, how many are watched without anybody asking.
    pub(crate) watched: usize,
    /// How many have no verdict.
    pub(crate) unknown: usize,
    /// How much of what we have memory for is taken.
    pub(crate) load: Load,
    /// Incidents that last.
    pub(crate) open: usize,
    /// Age of the newest result; `None` before the first.
    pub(crate) newest: Option<String>,
    /// Age of the oldest of the watched sites' views.
    pub(crate) slowest: Option<String>,
    pub(crate) now: Moment,
    pub(crate) version: &'static str,
}

/// How many open incidents are counted at most.
const MAX_OPEN: u32 = 1_000;

/// `GET /status`.
pub(crate) async fn status(State(app): App, visit: Visit, request: HeaderMap) -> PageResult {
    let (t, now) = (visit.t, app.read.now());
    let sites = app.read.sites();
    let watched = || sites.iter().filter(|view| view.interval.is_some());
    let newest = sites.iter().map(|view| view.at).max();
    let slowest = watched().map(|view| view.at).min();
    let view = Status {
        t,
        frame: Frame::new(&app, &visit, "/status"),
        network: NetworkCount::of(&app.read.vantages()),
        sites: sites.len(),
        watched: watched().count(),
        unknown: sites.iter().filter(|view| view.diagnosis.verdict == Verdict::Unknown).count(),
        load: app.read.load(),
        open: app.read.incidents(None, true, MAX_OPEN).await?.len(),
        newest: newest.map(|at| when::between(t, at, now)),
        slowest: slowest.map(|at| when::between(t, at, now)),
        now: Moment::said(t, now),
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(page(&view, StatusCode::OK, &request))
}
