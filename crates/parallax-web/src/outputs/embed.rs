//! `/s/{host}/embed`: a site's state in a frame on somebody else's page. The one page others may frame; it has no script and no form.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::words::{headline, stamp, utc};
use super::{answer, site};
use crate::api::error::ApiError;
use crate::state::App;
use crate::view::glyph::Glyph;

/// Like every page's, but without script and for everybody's frames.
const CSP: &str = "default-src 'none'; style-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *";

#[derive(Template)]
#[template(path = "pages/embed.html")]
struct Embed {
    css: String,
    base: String,
    host: String,
    state: Glyph,
    word: &'static str,
    headline: String,
    since: String,
    since_utc: String,
}

/// `GET /s/{host}/embed`.
pub(crate) async fn show(
    State(app): App,
    Path(typed): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = site(&app, &typed)?;
    let embed = Embed {
        css: app.assets.css.clone(),
        base: app.base_url.clone(),
        host: view.host.to_string(),
        state: view.diagnosis.verdict.into(),
        word: view.diagnosis.verdict.in_words(),
        headline: headline(&view.diagnosis),
        since: stamp(view.since),
        since_utc: utc(view.since),
    };
    let body = embed.render().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        ApiError::internal()
    })?;
    let mut response = answer("text/html; charset=utf-8", body, &headers);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    Ok(response)
}
