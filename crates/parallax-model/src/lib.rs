//! The words of Parallax as types: site, target, agent, vantage, result, outcome, emitter, scope, cause, verdict, incident.
//!
//! Everything here is plain data that can be compared, ordered, printed and serialised. There is no I/O, no async, no clock and
//! no random number in this crate, and it knows no other crate of the workspace: whoever needs a word starts here.
//!
//! It does not decide anything. What may be probed is `parallax-policy`; what results mean is `parallax-diagnose`; how the
//! words travel is `parallax-proto`.
//!
//! The closed vocabularies are made with one macro (`words!`), so the same spelling is used in JSON, SQL, metrics, HTML and on
//! the command line.

#![forbid(unsafe_code)]

mod emitter;
mod id;
mod incident;
mod outcome;
mod report;
mod result;
mod scope;
mod target;
mod time;
mod vantage;
mod verdict;
mod word;

pub use emitter::{Emitter, Layer, Pop, PopError};
pub use id::{AgentId, CheckId, Epoch, IdError, IncidentId, Seq};
pub use incident::{Incident, IncidentStep, Onset};
pub use outcome::{
    AgentFailure, BlockedFailure, ConnectFailure, DnsFailure, Failure, FailureKind, HttpFailure, Outcome,
    Party, QuicFailure, StatusCode, StatusCodeError, TlsFailure,
};
pub use report::{Disagreement, ReportCategory, ReportCounts};
pub use result::{
    BeaconState, BodyFacts, DnsFacts, Family, H3Advert, MAX_ADDRESSES, MAX_DETAIL_BYTES, MAX_REDIRECTS,
    PageKind, Phases, ProbeResult, Protocol, Redirect, RetryOutcome, TieBreakers, TlsFacts,
};
pub use scope::{Attribute, Scope, ScopeError};
pub use target::{Host, HostError, Path, PathError, Port, Scheme, Target, TargetError};
pub use time::{Micros, UnixMicros};
pub use vantage::{Asn, Continent, Country, IspName, NetworkKind, Region, Vantage, VantageError};
pub use verdict::{Cause, CauseKind, Confidence, Diagnosis, Verdict, VisitorVerdict};
pub use word::UnknownWord;
