//! `POST /api/v1/checks`, `GET /api/v1/checks/{id}`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parallax_aggregator::{CheckRefusal, CheckStream};
use parallax_model::{CheckId, Diagnosis};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use crate::routes::MAX_BODY_BYTES;
use crate::serve::Peer;
use crate::state::{App, Shared};
use crate::view::board::Board;
use crate::view::incident::Moment;
use crate::view::row::Row;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// A site as a person would type it.
    site: String,
}

/// A check that runs now.
#[derive(Debug, Serialize)]
struct Started {
    id: String,
    /// Its page.
    url: String,
    /// Its events.
    events: String,
    target: String,
    /// What whoever asked should know about it: sentences.
    notes: Vec<String>,
    /// Whether it ran already.
    joined: bool,
}

/// A check as far as it is known.
#[derive(Debug, Serialize)]
struct CheckJson {
    id: String,
    url: String,
    target: String,
    /// `running` or `done`.
    state: &'static str,
    started_at: Option<Moment>,
    took_ms: Option<u64>,
    asked: usize,
    answered: usize,
    diagnosis: Option<Diagnosis>,
    rows: Vec<Row>,
}

/// Starts a check (201) or joins the one that runs (200).
pub(crate) async fn start(
    State(app): App,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Result<Json<Start>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(start) = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_long(&app).map_or_else(ApiError::internal, ApiError::from),
        _ => ApiError::bad_request(rejection.body_text()),
    })?;
    let stream = app.read.check(&start.site, Some(peer.ip())).await?;
    app.asked.note(&stream.target.host, peer.ip());
    let url = format!("{}/c/{}", app.base_url, stream.id);
    let started = Started {
        id: stream.id.to_string(),
        events: format!("{}/api/v1/checks/{}/events", app.base_url, stream.id),
        target: stream.target.to_string(),
        notes: app.read.notes(&stream.target).iter().map(ToString::to_string).collect(),
        joined: stream.joined,
        url: url.clone(),
    };
    let status = if stream.joined { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, [(header::LOCATION, url), (header::CACHE_CONTROL, "no-store".to_owned())], Json(started))
        .into_response())
}

/// What is said of an address that is longer than any body may be: the sentence for every address that is too long.
pub(crate) fn too_long(app: &Shared) -> Option<CheckRefusal> {
    app.read.parse(&"a".repeat(MAX_BODY_BYTES)).err()
}

/// A check as far as it is known.
pub(crate) async fn show(
    State(app): App,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: CheckId = id.parse().map_err(|_| ApiError::not_found("check"))?;
    let stream = app.read.find_check(id).await?.ok_or_else(|| ApiError::not_found("check"))?;
    let board = board_so_far(&stream);
    let check = CheckJson {
        id: id.to_string(),
        url: format!("{}/c/{id}", app.base_url),
        target: board.target.to_string(),
        state: if board.is_done() { "done" } else { "running" },
        started_at: board.started_at.map(Moment::new),
        took_ms: board.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        asked: board.asked(),
        answered: board.answered(),
        rows: board.rows.iter().filter(|row| !board.waiting.contains(&row.agent)).map(Row::new).collect(),
        diagnosis: board.diagnosis,
    };
    Ok(super::json(&check, &headers))
}

/// What a check's stream holds already.
pub(crate) fn board_so_far(stream: &CheckStream) -> Board {
    let mut board = Board::new(stream.target.clone());
    for event in stream.past() {
        board.fold(event);
    }
    board
}
