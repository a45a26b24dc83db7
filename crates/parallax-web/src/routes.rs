//! Every address of the page and the API, in one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::state::{Shared, WebState};
use crate::{api, assets, headers, live, pages};

/// Longest body anybody may send: one address of the longest kind with each byte written as `%XX`, or one category.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024;

/// The pages and the REST API. It has a fallback of its own (the page that says there is no such page): whoever merges other
/// routes in resets theirs first. Handlers need `ConnectInfo<Peer>` on every request: [`serve`](crate::serve) puts it there.
pub fn router(state: WebState) -> Router {
    let app = Arc::new(Shared::new(state));
    Router::new()
        .route("/", get(pages::home::show))
        .route("/check", post(pages::home::check))
        .route("/c/{id}", get(pages::check::show))
        .route("/s/{host}", get(pages::site::show))
        .route("/s/{host}/report", post(pages::site::report))
        .route("/outages", get(pages::outages::show))
        .route("/i/{id}", get(pages::incident::show))
        .route("/network", get(pages::network::show))
        .route("/learn/{code}", get(pages::learn::show))
        .route("/about", get(pages::about::show))
        .route("/api", get(pages::about::api))
        .route("/static/{name}", get(assets::file))
        .route("/favicon.svg", get(assets::favicon))
        .route("/fonts/OFL.txt", get(assets::font_licence))
        .route("/robots.txt", get(assets::robots))
        .route("/api/v1/checks", post(api::checks::start))
        .route("/api/v1/checks/{id}", get(api::checks::show))
        .route("/api/v1/checks/{id}/events", get(live::events))
        .route("/api/v1/sites", get(api::sites::list))
        .route("/api/v1/sites/{host}", get(api::sites::show))
        .route("/api/v1/sites/{host}/history", get(api::sites::history))
        .route("/api/v1/incidents", get(api::incidents::list))
        .route("/api/v1/incidents/{id}", get(api::incidents::show))
        .route("/api/v1/vantages", get(api::vantages::list))
        .fallback(pages::error::no_such_page)
        .method_not_allowed_fallback(pages::error::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(headers::every_answer))
        .with_state(app)
}
