//! One incident, step by step.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use parallax_model::{Incident, IncidentId, UnixMicros};

use super::PageResult;
use super::check::CauseView;
use super::error::{Part, missing};
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::state::App;
use crate::view::incident::IncidentView;
use crate::view::sentence::{Names, people};

#[derive(Template)]
#[template(path = "pages/incident.html")]
pub(crate) struct IncidentPage {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) incident: IncidentView,
    /// Most testers that failed at once, of how many.
    pub(crate) peak: Option<(u32, u32)>,
    /// The scopes of its gravest moment, as people.
    pub(crate) who: Vec<String>,
    /// The last cause that was given, in words, and how likely.
    pub(crate) cause: Option<CauseView>,
}

impl IncidentPage {
    pub(crate) fn new(
        t: Lang,
        frame: Frame,
        incident: &Incident,
        (names, now): (&Names, UnixMicros),
    ) -> Self {
        let counts = incident.steps.iter().map(|s| (s.diagnosis.failing, s.diagnosis.agents));
        let worst = incident.worst();
        let told = || incident.steps.iter().rev().map(|step| &step.diagnosis);
        let scopes = told().find(|d| d.verdict == worst).map(|d| d.scopes.as_slice()).unwrap_or_default();
        Self {
            t,
            frame,
            incident: IncidentView::said(t, incident, names, now),
            peak: counts.max_by_key(|(failing, _)| *failing).filter(|(failing, _)| *failing > 0),
            who: scopes.iter().map(|scope| people(t, scope, names)).collect(),
            cause: told().find_map(|d| d.cause.as_ref()).map(|cause| CauseView::new(t, cause)),
        }
    }
}

/// `GET /i/{id}`.
pub(crate) async fn show(State(app): App, visit: Visit, Part(id): Part, request: HeaderMap) -> PageResult {
    let nowhere = ("missing-incident", "missing-incident-why");
    let found = match id.parse::<IncidentId>() {
        Ok(id) => app.read.incident(id).await?,
        Err(_) => None,
    };
    let Some(incident) = found else { return Ok(missing(&app, (&visit, &request), nowhere)) };
    let names = Names::of_points(&app.read.vantages());
    let frame = Frame::new(&app, &visit, "").with_feed(format!("/s/{}/feed.atom", incident.site));
    let view = IncidentPage::new(visit.t, frame, &incident, (&names, app.read.now()));
    Ok(page(&view, StatusCode::OK, &request))
}
