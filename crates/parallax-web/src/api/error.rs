//! Errors of the API: `{"error":{"code","message"}}` with the status that fits.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parallax_aggregator::{CheckRefusal, ReadError};
use serde_json::json;

/// An error as a program is told it.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: String,
    message: String,
    retry_after_s: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), retry_after_s: None }
    }

    /// Something is not there; `what` is a noun with its article.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no {what} of that name"))
    }

    /// The request's body or query is not what the documentation says.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    /// Too many streams of one client.
    pub(crate) fn too_many_streams() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_STREAMS", "close a stream before you open another")
    }

    /// Our fault; the text says nothing of what.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "something failed on our side")
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        tracing::warn!(%error, "an API request failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "the records cannot be read just now")
    }
}

impl From<CheckRefusal> for ApiError {
    fn from(refusal: CheckRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            CheckRefusal::Input { code, .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, &code, message),
            CheckRefusal::Busy { retry_after, .. } => Self {
                retry_after_s: Some(retry_after_s(retry_after)),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "BUSY", message)
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(s) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(s));
        }
        response
    }
}

/// Longest text of a refusal that is passed on.
const MAX_REASON_BYTES: usize = 1_024;

/// A refusal the router itself made (a wrong method, an address or a query that cannot be read), as programs are told every other
/// one.
pub(crate) async fn as_json(refusal: Response) -> Response {
    let told = refusal.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !refusal.status().is_client_error() || told == Some(b"application/json") {
        return refusal;
    }
    let is_text = told.is_some_and(|kind| kind.starts_with(b"text/plain"));
    let (mut head, body) = refusal.into_parts();
    let text = if is_text {
        axum::body::to_bytes(body, MAX_REASON_BYTES).await.unwrap_or_default()
    } else {
        Bytes::new()
    };
    let name = head.status.canonical_reason().unwrap_or("Refused");
    let message = if text.is_empty() { name.into() } else { String::from_utf8_lossy(&text) };
    let error = ApiError::new(head.status, &name.to_uppercase().replace(' ', "_"), message.trim());
    let (json, body) = error.into_response().into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::ETAG);
    head.headers.extend(json.headers);
    Response::from_parts(head, body)
}

/// Whole seconds for a Retry-After header, never too early.
pub(crate) fn retry_after_s(wait: std::time::Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}
