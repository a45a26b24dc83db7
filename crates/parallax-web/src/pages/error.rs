//! The pages for what is not there and for what failed.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use parallax_aggregator::ReadError;

use super::AskBox;
use crate::render::{Frame, page};
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
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Our records cannot be read just now. Please try again in a minute.\n",
        )
            .into_response()
    }
}

#[derive(Template)]
#[template(path = "errors/missing.html")]
pub(crate) struct Missing {
    pub(crate) frame: Frame,
    pub(crate) headline: &'static str,
    pub(crate) second: &'static str,
    pub(crate) ask: AskBox,
}

/// There is no such thing.
pub(crate) fn missing(
    app: &Shared,
    request: &HeaderMap,
    (headline, second): (&'static str, &'static str),
) -> Response {
    let view = Missing { frame: Frame::new(app, ""), headline, second, ask: AskBox::default() };
    page(&view, StatusCode::NOT_FOUND, request)
}

/// Whatever is not in the table of routes.
pub(crate) async fn no_such_page(State(app): App, request: HeaderMap) -> Response {
    missing(&app, &request, ("There is no such page", "The address is mistyped, or what was there is gone."))
}

/// An address that is only sent to was opened, as when the answer to a form is loaded again.
pub(crate) async fn wrong_method(State(app): App, request: HeaderMap) -> Response {
    let headline = "There is nothing to see at this address";
    let view =
        Missing { frame: Frame::new(&app, ""), headline, second: "Ask again here.", ask: AskBox::default() };
    page(&view, StatusCode::METHOD_NOT_ALLOWED, &request)
}
