//! How we measure, and how programs ask.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::render::{Frame, page};
use crate::state::App;

#[derive(Template)]
#[template(path = "pages/about.html")]
pub(crate) struct About {
    pub(crate) frame: Frame,
}

#[derive(Template)]
#[template(path = "pages/api.html")]
pub(crate) struct ApiDocs {
    pub(crate) frame: Frame,
    /// The address to put before the paths.
    pub(crate) base: String,
}

/// `GET /about`.
pub(crate) async fn show(State(app): App, request: HeaderMap) -> Response {
    page(&About { frame: Frame::new(&app, "/about") }, StatusCode::OK, &request)
}

/// `GET /api`.
pub(crate) async fn api(State(app): App, request: HeaderMap) -> Response {
    let base = if app.base_url.is_empty() { "http://127.0.0.1:8080" } else { &app.base_url };
    page(&ApiDocs { frame: Frame::new(&app, "/api"), base: base.to_owned() }, StatusCode::OK, &request)
}
