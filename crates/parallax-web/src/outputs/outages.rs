//! `/outages.json`: what the outages page says, for programs.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::answer;
use super::words::{line, told};
use crate::api::error::ApiError;
use crate::state::App;
use crate::view::incident::IncidentView;
use crate::view::site::SiteLine;

/// Past incidents that are listed.
const MAX_INCIDENTS: u32 = 100;

/// `GET /outages.json`: sites that are not up now, and what is over, newest first.
pub(crate) async fn list(State(app): App, headers: HeaderMap) -> Result<Response, ApiError> {
    let now = app.read.now();
    let sites = app.read.sites();
    let lines: Vec<SiteLine> = sites.iter().map(|view| line(view, now)).filter(SiteLine::is_outage).collect();
    let incidents = app.read.incidents(None, false, MAX_INCIDENTS).await?;
    let past = incidents.iter().filter(|incident| incident.closed_at.is_some());
    let past: Vec<IncidentView> = past.map(|incident| told(incident, now)).collect();
    let body = json!({ "now": lines, "past": past, "sites": sites.len() });
    let body = serde_json::to_vec(&body).map_err(|_| ApiError::internal())?;
    Ok(answer("application/json", body, &headers))
}
