//! Every address of the page and the API, in one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::cache::KeptPages;
use crate::say::Lang;
use crate::state::{Shared, WebState};
use crate::{api, assets, cache, compress, headers, indexing, limits, live, outputs, pages, watch};

/// Longest body anybody may send: one address of the longest kind with each byte written as `%XX`, or one category.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024;

/// The pages and the REST API. It has a fallback of its own (the page that says there is no such page): whoever merges other
/// routes in resets theirs first. Handlers need `ConnectInfo<Peer>` on every request: [`serve`](crate::serve()) puts it there.
pub fn router(state: WebState) -> Router {
    site(state).0
}

/// The same, and the pages it keeps, for [`serve`](crate::serve()) to look at first.
pub fn site(state: WebState) -> (Router, KeptPages) {
    let app = Arc::new(Shared::new(state));
    let kept = KeptPages(Arc::clone(&app));
    (routes(app), kept)
}

/// The same with gRPC services beside them, which are under the same limits.
pub fn site_with(state: WebState, grpc: Router) -> (Router, KeptPages) {
    let app = Arc::new(Shared::new(state));
    let kept = KeptPages(Arc::clone(&app));
    let grpc = grpc.route_layer(middleware::from_fn_with_state(Arc::clone(&app), limits::every_call));
    (routes(app).merge(grpc), kept)
}

fn routes(app: Arc<Shared>) -> Router {
    in_every_language()
        .route("/beacon", get(pages::you::beacon))
        .route("/api/openapi.json", get(pages::api_docs::openapi))
        .route("/static/{name}", get(assets::file))
        .route("/favicon.svg", get(assets::favicon))
        .route("/fonts/OFL.txt", get(assets::font_licence))
        .route("/robots.txt", get(indexing::robots_txt))
        .route("/sitemap.xml", get(indexing::sitemap))
        .merge(beside())
        .route("/api/v1/checks", post(api::checks::start))
        .route("/api/v1/checks/{id}", get(api::checks::show))
        .route("/api/v1/checks/{id}/events", get(live::events))
        .route("/api/v1/sites", get(api::sites::list))
        .route("/api/v1/sites/{host}", get(api::sites::show))
        .route("/api/v1/sites/{host}/events", get(watch::events))
        .route("/api/v1/sites/{host}/history", get(api::sites::history))
        .route("/api/v1/incidents", get(api::incidents::list))
        .route("/api/v1/incidents/{id}", get(api::incidents::show))
        .route("/api/v1/vantages", get(api::vantages::list))
        .route("/api/v1/network", get(api::network::show))
        .fallback(pages::error::no_such_page)
        .method_not_allowed_fallback(pages::error::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        // The last one is the outermost.
        .layer(middleware::from_fn_with_state(Arc::clone(&app), cache::pages))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), limits::every_request))
        .layer(middleware::from_fn(compress::answers))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), headers::every_answer))
        .with_state(app)
}

/// What stands beside the pages.
fn beside() -> Router<Arc<Shared>> {
    Router::new()
        .route("/outages.atom", get(outputs::feed::of_all))
        .route("/outages.json", get(outputs::outages::list))
        .route("/network/isp/{asn}/feed.atom", get(outputs::feed::of_isp))
        .route("/network/region/{region}/feed.atom", get(outputs::feed::of_region))
        .route("/s/{host}/feed.atom", get(outputs::feed::of_site))
        .route("/s/{host}/incidents.ics", get(outputs::calendar::of_site))
        .route("/s/{host}/og.png", get(outputs::card::show))
        .route("/s/{host}/badge.svg", get(outputs::badge::svg))
        .route("/s/{host}/badge.json", get(outputs::badge::json))
        .route("/s/{host}/embed", get(outputs::embed::show))
        .route("/s/{host}/api/v2/{what}", get(outputs::statuspage::one))
        .route("/s/{host}/api/v2/{what}/{which}", get(outputs::statuspage::part))
}

/// The pages, in English without a prefix and in every other language under its own. The language is read from the address.
fn in_every_language() -> Router<Arc<Shared>> {
    Lang::ALL.into_iter().map(Lang::base).fold(Router::new(), |router, base| {
        let at = |path: &str| format!("{base}{path}");
        let router = if base.is_empty() { router } else { router.route(base, get(pages::home::show)) };
        router
            .route(&at("/"), get(pages::home::show))
            .route(&at("/check"), post(pages::home::check))
            .route(&at("/c/{id}"), get(pages::check::show))
            .route(&at("/c/{id}/you"), post(pages::you::answer))
            .route(&at("/s/{host}"), get(pages::site::show))
            .route(&at("/s/{host}/report"), post(pages::site::report))
            .route(&at("/s/{host}/history"), get(pages::history::show))
            .route(&at("/outages"), get(pages::outages::show))
            .route(&at("/i/{id}"), get(pages::incident::show))
            .route(&at("/network"), get(pages::network::show))
            .route(&at("/network/{agent}"), get(pages::network::agent))
            .route(&at("/learn"), get(pages::learn::index))
            .route(&at("/learn/{slug}"), get(pages::learn::show))
            .route(&at("/about"), get(pages::about::show))
            .route(&at("/probes"), get(pages::about::probes))
            .route(&at("/privacy"), get(pages::about::privacy))
            .route(&at("/status"), get(pages::about::status))
            .route(&at("/api"), get(pages::api_docs::show))
    })
}
