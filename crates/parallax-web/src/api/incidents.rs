//! `GET /api/v1/incidents`, `/api/v1/incidents/{id}`.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_model::IncidentId;
use serde::Deserialize;
use serde_json::json;

use super::error::ApiError;
use crate::state::App;
use crate::view::incident::IncidentView;

/// How many incidents a list holds at most.
const MAX_INCIDENTS: u32 = 200;
/// How many it holds when nothing is said.
const DEFAULT_INCIDENTS: u32 = 50;

/// Which incidents are asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    site: Option<String>,
    #[serde(default)]
    open: bool,
    limit: Option<u32>,
}

/// Incidents, newest first.
pub(crate) async fn list(
    State(app): App,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let site = match which.site {
        Some(typed) => Some(app.read.parse(&typed)?.host),
        None => None,
    };
    let limit = which.limit.unwrap_or(DEFAULT_INCIDENTS).clamp(1, MAX_INCIDENTS);
    let incidents = app.read.incidents(site.as_ref(), which.open, limit).await?;
    let now = app.read.now();
    let views: Vec<IncidentView> = incidents.iter().map(|i| IncidentView::new(i, now)).collect();
    Ok(super::json(&json!({ "incidents": views }), &headers))
}

/// One incident.
pub(crate) async fn show(
    State(app): App,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: IncidentId = id.parse().map_err(|_| ApiError::not_found("incident"))?;
    let incident = app.read.incident(id).await?.ok_or_else(|| ApiError::not_found("incident"))?;
    Ok(super::json(&IncidentView::new(&incident, app.read.now()), &headers))
}
