//! One way out for every page: rendered, tagged, and never an error's text on the screen.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::assets::tag;
use crate::state::Shared;

/// What the frame around every page needs.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Address of the stylesheet.
    pub(crate) css: String,
    /// Address of the script.
    pub(crate) js: String,
    /// Address of the text font.
    pub(crate) font: String,
    /// The navigation's current page, as its path.
    pub(crate) here: &'static str,
}

impl Frame {
    /// The frame of a page reached from the navigation entry `here`, or from none.
    pub(crate) fn new(app: &Shared, here: &'static str) -> Self {
        let a = &app.assets;
        Self { css: a.css.clone(), js: a.js.clone(), font: a.font.clone(), here }
    }
}

/// A page with its status.
pub(crate) fn page(template: &impl Template, status: StatusCode, request: &HeaderMap) -> Response {
    let body = match template.render() {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be made\n").into_response();
        }
    };
    let (tag, known) = tag(body.as_bytes(), request);
    let mut response = if known && status == StatusCode::OK {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
