//! `GET /api/v1/sites`, `/api/v1/sites/{host}`, `/api/v1/sites/{host}/history`.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_model::Host;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::ApiError;
use crate::state::{App, Shared};
use crate::view::incident::Moment;
use crate::view::site::{SiteJson, SiteLine};

/// How many sites a list holds at most.
const MAX_SITES: usize = 1_000;
/// How far history reaches at most, in hours.
const MAX_HISTORY_HOURS: u32 = 48;
/// How far history reaches when nothing is said, in hours.
const DEFAULT_HISTORY_HOURS: u32 = 24;

/// Every known site, trouble first.
pub(crate) async fn list(State(app): App, headers: HeaderMap) -> Response {
    let now = app.read.now();
    let sites = app.read.sites();
    let lines: Vec<SiteLine> = sites.iter().take(MAX_SITES).map(|view| SiteLine::new(view, now)).collect();
    super::json(&json!({ "sites": lines, "total": sites.len() }), &headers)
}

/// One site.
pub(crate) async fn show(
    State(app): App,
    Path(host): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let host = known_host(&app, &host)?;
    let view = app.read.site(&host).ok_or_else(|| ApiError::not_found("site"))?;
    Ok(super::json(&SiteJson::new(&view, app.read.now()), &headers))
}

/// How much of the past is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Past {
    hours: Option<u32>,
}

/// One minute.
#[derive(Debug, Serialize)]
struct Minute {
    at: Moment,
    results: u32,
    failures: u32,
    first_byte_us: Option<u32>,
}

/// The minutes of a site.
pub(crate) async fn history(
    State(app): App,
    Path(host): Path<String>,
    Query(past): Query<Past>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let host = known_host(&app, &host)?;
    let hours = past.hours.unwrap_or(DEFAULT_HISTORY_HOURS).clamp(1, MAX_HISTORY_HOURS);
    let since = app.read.now().plus_secs(-3_600 * i64::from(hours));
    let minutes = app.read.history(&host, since).await?;
    let minutes: Vec<Minute> = minutes
        .iter()
        .map(|m| Minute {
            at: Moment::new(m.at),
            results: m.results,
            failures: m.failures,
            first_byte_us: m.first_byte.map(|us| us.0),
        })
        .collect();
    Ok(super::json(&json!({ "host": host, "minutes": minutes }), &headers))
}

/// A host as the policy reads it; what may not be probed has no page either.
fn known_host(app: &Shared, typed: &str) -> Result<Host, ApiError> {
    Ok(app.read.parse(typed)?.host)
}
