//! One way out for every page: rendered, tagged, and never an error's text on the screen.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::assets::tag;
use crate::say::{Lang, Visit};
use crate::state::Shared;

/// A page in one language.
#[derive(Debug, Clone)]
pub(crate) struct Tongue {
    pub(crate) code: &'static str,
    /// The language's name for itself.
    pub(crate) name: &'static str,
    /// The path there.
    pub(crate) path: String,
}

impl Tongue {
    fn new(t: Lang, path: &str) -> Self {
        Self { code: t.code(), name: t.own_name(), path: format!("{}{path}", t.base()) }
    }
}

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
    /// This page in every language.
    pub(crate) languages: Vec<Tongue>,
    /// The public address, without a slash at the end; may be empty.
    pub(crate) base: String,
    /// Address of the page's feed; empty when it has none.
    pub(crate) feed: String,
    /// What is wrong with ourselves, in English, when something is.
    pub(crate) ours: Option<String>,
}

impl Frame {
    /// The frame of a page reached from the navigation entry `here`, or from none.
    pub(crate) fn new(app: &Shared, visit: &Visit, here: &'static str) -> Self {
        let a = &app.assets;
        Self {
            css: a.css.clone(),
            js: a.js.clone(),
            font: a.font.clone(),
            here,
            languages: Lang::ALL.into_iter().map(|t| Tongue::new(t, &visit.path)).collect(),
            base: app.base_url.clone(),
            feed: String::new(),
            ours: app.read.network().our_side.as_ref().map(|ours| ours.sentence.clone()),
        }
    }

    /// The same with a feed.
    pub(crate) fn with_feed(self, feed: String) -> Self {
        Self { feed, ..self }
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
