//! What the pages say, in English: feeds and badges go to programs, which have no language.

use parallax_aggregator::SiteView;
use parallax_model::{Diagnosis, Incident, UnixMicros, Vantage};

use crate::say::Lang;
use crate::view::incident::IncidentView;
use crate::view::site::SiteLine;
use crate::view::{place, sentence, when};

/// An incident.
pub(super) fn told(incident: &Incident, now: UnixMicros) -> IncidentView {
    IncidentView::new(incident, now)
}

/// What is said, as a headline.
pub(super) fn headline(diagnosis: &Diagnosis) -> String {
    sentence::english(diagnosis)
}

/// A site in a list.
pub(super) fn line(view: &SiteView, now: UnixMicros) -> SiteLine {
    SiteLine::new(view, now)
}

/// The region a vantage is listed under.
pub(super) fn region(vantage: &Vantage) -> String {
    place::region(Lang::En, vantage)
}

/// The network a vantage is listed under.
pub(super) fn network(vantage: &Vantage) -> String {
    place::network(Lang::En, vantage)
}

/// A moment for programs: RFC 3339 with whole seconds.
pub(crate) fn stamp(at: UnixMicros) -> String {
    when::rfc3339(at)
}

/// A moment for people wherever they are: `2026-11-22 20:58 UTC`.
pub(super) fn utc(at: UnixMicros) -> String {
    let text = stamp(at);
    format!("{} UTC", text.get(..16).unwrap_or_default().replace('T', " "))
}
