//! What stands beside the pages, for programs and other people's pages: feeds, calendars, badges, share cards, the summary in the
//! words of status pages. All of it is made from the same views as the pages.

pub(crate) mod badge;
pub(crate) mod calendar;
pub(crate) mod card;
pub(crate) mod embed;
pub(crate) mod feed;
pub(crate) mod outages;
pub(crate) mod statuspage;
mod words;

pub(crate) use words::stamp;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parallax_aggregator::SiteView;
use parallax_model::{Host, Verdict};

use crate::api::error::ApiError;
use crate::assets::tag;
use crate::state::Shared;

/// How long others may keep an answer without asking again, in seconds: short enough to be told of an outage in time.
const KEPT_S: u32 = 60;

/// An answer with its tag; 304 when the client has it.
fn answer(kind: &'static str, body: impl Into<Bytes>, request: &HeaderMap) -> Response {
    let body = body.into();
    let (tag, known) = tag(&body, request);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    };
    let kept = HeaderValue::try_from(format!("public, max-age={KEPT_S}"));
    let headers = response.headers_mut();
    headers.extend(kept.ok().map(|kept| (header::CACHE_CONTROL, kept)));
    headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (header::ETAG, tag)));
    // Other sites' pages and scripts are who this is for.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

/// Whether an address is that of something beside the pages, by its end.
pub(crate) fn is_one(path: &str) -> bool {
    [".atom", ".ics", ".png", ".svg", ".json", ".xml", "/embed"].iter().any(|end| path.ends_with(end))
}

/// A host as the policy reads it; what may not be probed has nothing here either.
fn host(app: &Shared, typed: &str) -> Result<Host, ApiError> {
    Ok(app.read.parse(typed)?.host)
}

/// A site that is known.
fn site(app: &Shared, typed: &str) -> Result<Arc<SiteView>, ApiError> {
    let host = host(app, typed)?;
    app.read.site(&host).ok_or_else(|| ApiError::not_found("site"))
}

/// What a reader of a site's stream is told: what does not change from round to round while nothing happens.
pub(crate) fn site_event(view: &SiteView) -> String {
    let d = &view.diagnosis;
    let event = serde_json::json!({
        "host": view.host,
        "verdict": d.verdict,
        "sentence": words::headline(d),
        "scopes": d.scopes,
        "since": stamp(view.since),
        "incident": view.incident.as_ref().map(|incident| format!("/i/{}", incident.id)),
    });
    event.to_string()
}

/// A verdict's ink on paper, as in the stylesheet's light theme.
const fn ink(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "#00517a",
        Verdict::Degraded => "#8f6400",
        Verdict::Partial | Verdict::Flaky => "#97390b",
        Verdict::Down => "#6e0b22",
        Verdict::Blocked => "#7a4aa8",
        Verdict::Unknown => "#5c6670",
    }
}

/// Text for XML: escaped, and without characters XML or a reader would stumble over.
pub(crate) fn xml(text: &str) -> String {
    use askama::filters::Escaper as _;
    let mut out = String::with_capacity(text.len());
    let written = crate::escape::PlainHtml.write_escaped_str(&mut out, text);
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    out
}

#[cfg(test)]
mod tests;
