//! The REST API: the same views as the pages, as JSON.

pub(crate) mod checks;
pub(crate) mod error;
pub(crate) mod incidents;
pub(crate) mod network;
pub(crate) mod sites;
pub(crate) mod vantages;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::assets::tag;

/// A JSON answer with its tag; 304 when the client has it.
pub(crate) fn json(value: &impl Serialize, request: &HeaderMap) -> Response {
    let body = match serde_json::to_vec(value) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            return error::ApiError::internal().into_response();
        }
    };
    let (tag, known) = tag(&body, request);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
