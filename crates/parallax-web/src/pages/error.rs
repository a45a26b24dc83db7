//! The pages for what is not there and for what failed.

use askama::Template;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use parallax_aggregator::ReadError;

use super::AskBox;
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::state::{App, Shared};

/// Why a page cannot be made.
#[derive(Debug)]
pub(crate) enum PageError {
    /// The records cannot be read.
    Read(ReadError),
}

impl From<ReadError> for PageError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self::Read(error) = self;
        tracing::warn!(%error, "a page could not be made");
        // What could say it in the visitor's language cannot be asked here: English and German both stand there.
        let says: Vec<String> = Lang::ALL.iter().map(|t| t.text("failed-records")).collect();
        (StatusCode::SERVICE_UNAVAILABLE, says.join("\n") + "\n").into_response()
    }
}

#[derive(Template)]
#[template(path = "errors/missing.html")]
pub(crate) struct Missing {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) headline: String,
    pub(crate) second: String,
    pub(crate) ask: AskBox,
}

impl Missing {
    fn new(app: &Shared, visit: &Visit, (headline, second): (&str, &str)) -> Self {
        let t = visit.t;
        // What is not there is not there in another language either.
        let home = Visit { t, path: "/".to_owned() };
        Self {
            t,
            frame: Frame::new(app, &home, ""),
            headline: t.text(headline),
            second: t.text(second),
            ask: AskBox::default(),
        }
    }
}

/// There is no such thing; the keys of headline and second line.
pub(crate) fn missing(app: &Shared, (visit, request): (&Visit, &HeaderMap), keys: (&str, &str)) -> Response {
    page(&Missing::new(app, visit, keys), StatusCode::NOT_FOUND, request)
}

/// What was sent cannot be used.
pub(crate) fn unusable(app: &Shared, (visit, request): (&Visit, &HeaderMap), keys: (&str, &str)) -> Response {
    page(&Missing::new(app, visit, keys), StatusCode::UNPROCESSABLE_ENTITY, request)
}

/// Whatever is not in the table of routes.
pub(crate) async fn no_such_page(State(app): App, visit: Visit, request: HeaderMap) -> Response {
    missing(&app, (&visit, &request), ("missing-page", "missing-page-why"))
}

/// An address that is only sent to was opened, as when the answer to a form is loaded again.
pub(crate) async fn wrong_method(State(app): App, visit: Visit, request: HeaderMap) -> Response {
    let view = Missing::new(&app, &visit, ("missing-method", "missing-method-why"));
    page(&view, StatusCode::METHOD_NOT_ALLOWED, &request)
}

/// A part of a page's address; one that is no text (`%ff`) is an empty part, which names nothing.
#[derive(Debug)]
pub(crate) struct Part(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let read = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(read.map(|Path(text)| text).unwrap_or_default()))
    }
}
