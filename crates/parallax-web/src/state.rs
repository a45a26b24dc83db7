//! What every handler is given.

use std::fmt;
use std::sync::Arc;

use parallax_aggregator::ReadSide;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::assets::Assets;

/// What the pages and the API stand on.
#[derive(Clone)]
pub struct WebState {
    /// Where everything shown comes from.
    pub read: Arc<dyn ReadSide>,
    /// The address people reach this under, without a slash at the end: `https://parallax.example`. Links in JSON are relative
    /// without it. The `Host` header is never used for it.
    pub base_url: Option<String>,
    /// Cancelled when the program ends: streams end then.
    pub closing: CancellationToken,
    /// Visitors' connections there may be at once; streams take three quarters of them at most.
    pub connections: usize,
}

impl WebState {
    /// A state without a public address that never closes by itself.
    pub fn new(read: Arc<dyn ReadSide>) -> Self {
        Self { read, base_url: None, closing: CancellationToken::new(), connections: crate::MAX_CONNECTIONS }
    }
}

impl fmt::Debug for WebState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebState").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The state with what is made once at start.
pub(crate) struct Shared {
    pub(crate) read: Arc<dyn ReadSide>,
    pub(crate) base_url: String,
    pub(crate) closing: CancellationToken,
    pub(crate) assets: Assets,
    pub(crate) streams: crate::live::StreamSlots,
    /// The number of the snapshot behind every page.
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) pages: crate::cache::Pages,
    pub(crate) limits: crate::limits::Limits,
    pub(crate) cards: crate::outputs::card::Cards,
    pub(crate) asked: crate::indexing::Asked,
}

impl Shared {
    pub(crate) fn new(state: WebState) -> Self {
        let base_url = state.base_url.unwrap_or_default().trim_end_matches('/').to_owned();
        Self {
            changes: state.read.changes(),
            pages: crate::cache::Pages::default(),
            limits: crate::limits::Limits::default(),
            cards: crate::outputs::card::Cards::default(),
            asked: crate::indexing::Asked::default(),
            read: state.read,
            base_url,
            closing: state.closing,
            assets: Assets::embedded(),
            streams: crate::live::StreamSlots::of(state.connections),
        }
    }
}

/// The handlers' state extractor.
pub(crate) type App = axum::extract::State<Arc<Shared>>;
