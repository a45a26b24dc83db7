//! The aggregator: ingest → journal → windows → diagnose → incidents → publish, and the gRPC services around it.
//!
//! The only thing pages and APIs may know of it is the [`ReadSide`].

#![forbid(unsafe_code)]

mod admission;
mod authority;
mod blocks;
mod board;
mod budget;
mod checks;
mod config;
mod connection;
mod core;
mod crowd;
mod elsewhere;
mod evaluation;
mod ingest;
mod kept;
mod lapsed;
mod limits;
mod listener;
mod minutes;
mod opt_outs;
mod panel;
mod place;
mod read;
mod reader;
mod reported;
mod reporter;
mod restore;
mod services;
mod sessions;
mod share;
mod silence;
mod snapshot;
mod start;
mod twins;
mod upkeep;
mod vantages;
mod window;

pub use authority::AuthorityError;
pub use blocks::joining;
pub use config::{AggregatorConfig, DEFAULT_INTERVAL_MS, OptOutSection, TargetSection};
pub use limits::Limits;
pub use listener::TlsSetupError;
pub use parallax_policy::{Note, OPT_OUT_LABEL, OPT_OUT_TEXT};
pub use place::Place;
pub use read::{
    BoxFuture, CheckEvent, CheckRefusal, CheckRow, CheckStream, HistoryHour, HistoryMinute, Load,
    NetworkState, OurSide, PanelMember, ReadError, ReadSide, ReportInput, ReportKind, ReportShares, SiteView,
    VantageNotice, VantagePoint,
};
pub use reader::Reader;
pub use start::{Aggregator, AggregatorParts, KEPT_FILES, OPERATOR_KEY_FILE, StartError};
pub use window::Rows;
