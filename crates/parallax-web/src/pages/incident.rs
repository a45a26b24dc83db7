//! One incident, step by step.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use parallax_model::{Incident, IncidentId, UnixMicros};

use super::PageResult;
use super::error::missing;
use crate::render::{Frame, page};
use crate::state::App;
use crate::view::incident::IncidentView;

#[derive(Template)]
#[template(path = "pages/incident.html")]
pub(crate) struct IncidentPage {
    pub(crate) frame: Frame,
    pub(crate) incident: IncidentView,
    /// Most testers that failed at once, of how many.
    pub(crate) peak: Option<(u32, u32)>,
}

impl IncidentPage {
    pub(crate) fn new(frame: Frame, incident: &Incident, now: UnixMicros) -> Self {
        let counts = incident.steps.iter().map(|s| (s.diagnosis.failing, s.diagnosis.agents));
        Self {
            frame,
            incident: IncidentView::new(incident, now),
            peak: counts.max_by_key(|(failing, _)| *failing).filter(|(failing, _)| *failing > 0),
        }
    }
}

/// `GET /i/{id}`.
pub(crate) async fn show(State(app): App, Path(id): Path<String>, request: HeaderMap) -> PageResult {
    let nowhere = ("There is no such incident", "The link is mistyped.");
    let Ok(id) = id.parse::<IncidentId>() else { return Ok(missing(&app, &request, nowhere)) };
    match app.read.incident(id).await? {
        Some(incident) => {
            let view = IncidentPage::new(Frame::new(&app, ""), &incident, app.read.now());
            Ok(page(&view, StatusCode::OK, &request))
        }
        None => Ok(missing(&app, &request, nowhere)),
    }
}
