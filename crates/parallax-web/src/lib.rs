//! The public face: pages, REST and server-sent events, made from the aggregator's [`ReadSide`](parallax_aggregator::ReadSide).
//!
//! Pages are complete without JavaScript. A page and its JSON are made by the same view code, so they cannot say different things.
//!
//! It decides nothing: what may be probed is said by the policy behind the read side, what results mean by the diagnosis.
//! It keeps nothing: no visitor's address is stored, logged or passed on. It opens no socket by itself: [`serve()`] is given one.

#![forbid(unsafe_code)]

mod api;
mod assets;
mod cache;
mod compress;
mod escape;
mod forwarded;
mod headers;
mod indexing;
mod limits;
mod live;
mod outputs;
mod pages;
mod render;
mod routes;
pub mod sample;
mod say;
mod serve;
mod stall;
mod state;
mod told;
mod view;
mod watch;

pub use cache::KeptPages;
pub use forwarded::{MAX_HOPS, TrustedProxies};
pub use routes::{router, site, site_with};
pub use serve::{
    ACCEPT_PAUSE, CONNECTION_MAX_AGE, GRACE, HEADER_READ_TIMEOUT, HTTP1_HEADER_BYTES, HTTP1_HEADERS,
    HTTP2_HEADER_LIST_BYTES, HTTP2_IDLE, HTTP2_LOCAL_RESETS, HTTP2_PENDING_RESETS, HTTP2_STREAMS,
    KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_IP, Peer, serve,
};
pub use stall::WRITE_STALL;
pub use state::WebState;
