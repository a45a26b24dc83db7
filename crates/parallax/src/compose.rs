//! From parts to a running whole: listeners, aggregator, pages. Shared by `up` and `aggregator`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{map_request, map_response};
use axum::response::Response;
use axum::routing::get;
use http::HeaderValue;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use parallax_aggregator::{Aggregator, AggregatorConfig, AggregatorParts, StartError};
use parallax_runtime::{
    Clock, DrainError, ExitCode, Health, HealthPart, Lifecycle, PartState, SystemClock, Tasks, entropy,
};
use parallax_web::{Peer, TrustedProxies, WebState};
use thiserror::Error;
use tokio::net::TcpListener;
use tonic::Status;
use tonic::transport::server::TcpConnectInfo;

use crate::term;

/// Why nothing was started.
#[derive(Debug, Error)]
pub(crate) enum ComposeError {
    /// A port cannot be listened on.
    #[error("cannot listen on {address}, choose another address or port with {flag}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What changes it.
        flag: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The aggregator does not start.
    #[error("the aggregator cannot start")]
    Aggregator(#[from] StartError),
}

impl ComposeError {
    /// The code the program ends with.
    pub(crate) const fn code(&self) -> ExitCode {
        match self {
            Self::Listen { .. } => ExitCode::Unavailable,
            Self::Aggregator(StartError::Store(parallax_store::StoreError::InUse { .. })) => ExitCode::InUse,
            Self::Aggregator(_) => ExitCode::BadConfig,
        }
    }
}

/// A running aggregator with its pages.
#[derive(Debug)]
pub(crate) struct Running {
    /// The aggregator.
    pub aggregator: Aggregator,
    /// Where the pages are.
    pub page: SocketAddr,
    /// Where agents connect.
    pub agents: SocketAddr,
    /// Owns every task.
    pub lifecycle: Lifecycle,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// What changes the two addresses, for the sentence about a port in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListenFlags {
    /// Of the page.
    pub page: &'static str,
    /// Of the agents' listener.
    pub agents: &'static str,
}

/// Binds both ports first, so that nothing is half started, then starts the aggregator and serves its pages.
pub(crate) async fn start(config: &AggregatorConfig, flags: ListenFlags) -> Result<Running, ComposeError> {
    let listener = bind(config.listen, flags.page).await?;
    let agents_listener = bind(config.agents_listen, flags.agents).await?;
    let page = listener.local_addr().unwrap_or(config.listen);
    let agents = agents_listener.local_addr().unwrap_or(config.agents_listen);
    let metrics = metrics_recorder();
    let health = Health::default();
    let ready = health.part("aggregator");
    let lifecycle = Lifecycle::new();
    let tasks = lifecycle.tasks();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let parts =
        AggregatorParts { clock: Arc::clone(&clock), rng: entropy(), tasks: tasks.clone(), agents_listener };
    let aggregator = Aggregator::start(config, parts).await?;
    ready.set(PartState::Ok);
    tasks.spawn_essential(
        "store-health",
        tell_health(aggregator.clone(), health.part("store"), tasks.clone()),
    );
    serve(listener, &aggregator, config, (health, metrics), &tasks);
    Ok(Running { aggregator, page, agents, lifecycle, clock })
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ComposeError> {
    TcpListener::bind(address).await.map_err(|source| ComposeError::Listen { address, flag, source })
}

/// One recorder a process; a second one (tests) is simply not installed.
fn metrics_recorder() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok().map(|()| handle)
}

fn serve(
    listener: TcpListener,
    aggregator: &Aggregator,
    config: &AggregatorConfig,
    (health, metrics): (Health, Option<PrometheusHandle>),
    tasks: &Tasks,
) {
    let mut state = WebState::new(Arc::new(aggregator.reader()));
    state.closing = tasks.soft().clone();
    state.base_url.clone_from(&config.public_url);
    state.connections = aggregator.limits().visitors;
    let (connections, soft) = (state.connections, tasks.soft().clone());
    let proxies = TrustedProxies::new(config.trusted_proxies.clone());
    let machine = Router::new()
        .route("/metrics", get(move || async move { metrics.map(|m| m.render()).unwrap_or_default() }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { readiness(&health) }));
    // What is neither a page nor a known gRPC method gets the pages' answer; gRPC clients read its 404 as UNIMPLEMENTED.
    let grpc = aggregator.grpc_routes().into_axum_router().reset_fallback();
    let grpc = grpc.route_layer(map_request(async |request| with_caller(request)));
    let grpc = grpc.route_layer(map_response(async |response| with_true_status(response)));
    let (pages, kept) = parallax_web::site_with(state, grpc);
    let served = (pages.merge(machine), Some(kept));
    tasks.spawn_essential("web", parallax_web::serve(listener, served, proxies, connections, soft));
}

/// tonic looks for the caller's address where its own listener would have put it; here the pages' listener accepted the call.
fn with_caller(mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>().copied() {
        let caller = TcpConnectInfo { local_addr: None, remote_addr: Some(peer) };
        request.extensions_mut().insert(caller);
    }
    request
}

/// What tonic says of a message that cannot be read or does not come, as it stands in a header.
const UNREADABLE: [&[u8]; 2] = [b"failed%20to%20decode%20Protobuf%20message", b"Missing%20request%20message"];

/// tonic calls a message it cannot read an error of its own (INTERNAL); it is the caller's (INVALID_ARGUMENT).
fn with_true_status(mut response: Response) -> Response {
    let head = response.headers_mut();
    let internal = head.get(Status::GRPC_STATUS).is_some_and(|code| code == "13");
    let said = head.get(Status::GRPC_MESSAGE).map(HeaderValue::as_bytes).unwrap_or_default();
    let unreadable = UNREADABLE.iter().any(|start| said.starts_with(start));
    if internal && unreadable {
        head.insert(Status::GRPC_STATUS, HeaderValue::from_static("3"));
    }
    response
}

/// How often the store is asked how it is.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// Says in `/readyz` what is wrong with the store: pages are served all the same.
async fn tell_health(aggregator: Aggregator, store: HealthPart, tasks: Tasks) {
    let mut turn = tokio::time::interval(HEALTH_EVERY);
    loop {
        tokio::select! {
            _ = turn.tick() => store.set(aggregator.store_trouble().map_or(PartState::Ok, PartState::Degraded)),
            () = tasks.soft().cancelled() => return,
        }
    }
}

fn readiness(health: &Health) -> (http::StatusCode, String) {
    let word = |state: &PartState| match state {
        PartState::Starting => "starting".to_owned(),
        PartState::Ok => "ok".to_owned(),
        PartState::Degraded(why) => format!("degraded: {why}"),
    };
    let lines: Vec<String> =
        health.parts().iter().map(|(name, state)| format!("{name}: {}\n", word(state))).collect();
    let status = if health.ready() { http::StatusCode::OK } else { http::StatusCode::SERVICE_UNAVAILABLE };
    (status, lines.concat())
}

/// Runs until a signal, drains, closes the store, and says how it went.
pub(crate) async fn run(running: Running, also: impl Future<Output = ()>) -> ExitCode {
    let Running { lifecycle, aggregator, .. } = running;
    let ended = lifecycle.run().await;
    also.await;
    aggregator.close().await;
    stopped(ended)
}

/// Stops at once: drains, closes the store, and says how it went.
pub(crate) async fn stop(running: Running) -> ExitCode {
    let Running { lifecycle, aggregator, .. } = running;
    let ended = lifecycle.drain().await;
    aggregator.close().await;
    stopped(ended)
}

fn stopped(ended: Result<(), DrainError>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::Ok,
        Err(error) => term::failed_because("stopping was not clean", &error, ExitCode::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_cannot_be_read_is_the_callers_fault() {
        for (status, code) in [
            (Status::internal("failed to decode Protobuf message: invalid varint"), "3"),
            (Status::internal("Missing request message."), "3"),
            (Status::internal("the store cannot be read"), "13"),
            (Status::not_found("failed to decode Protobuf message"), "5"),
        ] {
            let response = with_true_status(status.into_http::<axum::body::Body>());
            assert_eq!(response.headers()[Status::GRPC_STATUS], code);
        }
    }

    #[test]
    fn grpc_services_see_the_caller_that_the_pages_listener_accepted() {
        let peer: Peer = "192.0.2.1:1234".parse().expect("an address");
        let mut request = Request::default();
        request.extensions_mut().insert(ConnectInfo(peer));
        let (_, extensions, ()) = tonic::Request::from_http(with_caller(request).map(drop)).into_parts();
        let caller = extensions.get::<TcpConnectInfo>().and_then(|caller| caller.remote_addr);
        assert_eq!(caller, Some(peer));
    }
}
