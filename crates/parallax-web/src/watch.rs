//! `GET /api/v1/sites/{host}/events`: a site as it changes, as server-sent events, for programs and for screens on a wall.
//!
//! A reader is given what is true when it reads: there is no queue for it. Who reads slowly misses what was true for a moment and
//! holds up nobody (threat T59).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use parallax_model::Host;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::api::error::ApiError;
use crate::live::StreamSlot;
use crate::outputs;
use crate::serve::Peer;
use crate::state::{App, Shared};

/// How often a silent stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Longest life of a stream; a browser comes again by itself.
const MAX_STREAM: Duration = Duration::from_mins(30);

struct Watched {
    app: Arc<Shared>,
    host: Host,
    changes: watch::Receiver<u64>,
    closing: CancellationToken,
    until: Instant,
    /// What was told last.
    told: String,
    _slot: StreamSlot,
}

impl Watched {
    /// What is said of the site when it is something else than before; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            self.changes.borrow_and_update();
            let view = self.app.read.site(&self.host)?;
            let said = outputs::site_event(&view);
            if said != self.told {
                self.told.clone_from(&said);
                return Some(Event::default().event("site").data(said));
            }
            tokio::select! {
                () = self.closing.cancelled() => return None,
                () = sleep_until(self.until) => return None,
                changed = self.changes.changed() => changed.ok()?,
            }
        }
    }
}

/// The first event says how the site is now; each further one that something else is said of it.
pub(crate) async fn events(
    State(app): App,
    Path(typed): Path<String>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Result<Response, ApiError> {
    let host = app.read.parse(&typed)?.host;
    if app.read.site(&host).is_none() {
        return Err(ApiError::not_found("site"));
    }
    let slot = app.streams.take(peer.ip()).ok_or_else(ApiError::too_many_streams)?;
    let watched = Watched {
        changes: app.read.changes(),
        closing: app.closing.clone(),
        until: Instant::now() + MAX_STREAM,
        told: String::new(),
        host,
        app,
        _slot: slot,
    };
    let events = stream::unfold(watched, |mut watched| async move {
        let event = watched.next().await?;
        Some((Ok::<_, Infallible>(event), watched))
    });
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok(([("x-accel-buffering", "no"), ("cache-control", "no-store")], sse).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WebState;
    use crate::sample::{FakeReadSide, sample_sites};

    #[tokio::test(start_paused = true)]
    async fn a_reader_is_told_once_what_is_so() {
        let site = sample_sites().remove(0);
        let read = Arc::new(FakeReadSide::with_sites(vec![site.clone()], Duration::ZERO));
        let app = Arc::new(Shared::new(WebState::new(read)));
        let slot = app.streams.take("192.0.2.1".parse().unwrap()).unwrap();
        let mut watched = Watched {
            changes: app.changes.clone(),
            closing: CancellationToken::new(),
            until: Instant::now() + MAX_STREAM,
            told: String::new(),
            host: site.host,
            app,
            _slot: slot,
        };
        assert!(watched.next().await.is_some());
        let began = Instant::now();
        assert!(watched.next().await.is_none(), "nothing else was said");
        assert_eq!(began.elapsed(), MAX_STREAM);
    }
}
