//! Serves the made-up sites on a port of this machine: `cargo run -p parallax-web --example sample -- 8977`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use parallax_web::sample::FakeReadSide;
use parallax_web::{MAX_CONNECTIONS, TrustedProxies, WebState, serve, site};
use tokio_util::sync::CancellationToken;

/// Between two rows of a made-up check.
const PACE: Duration = Duration::from_millis(70);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(8977);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let state = WebState::new(Arc::new(FakeReadSide::new(PACE)));
    let cancel = CancellationToken::new();
    let (pages, kept) = site(state);
    serve(listener, (pages, Some(kept)), TrustedProxies::default(), MAX_CONNECTIONS, cancel).await;
    Ok(())
}
