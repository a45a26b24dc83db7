//! `/s/{host}/incidents.ics` (RFC 5545): a site's outages in somebody's calendar. Nobody can announce maintenance here yet, so there
//! is none in it.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use icalendar::{Calendar, CalendarDateTime, Component as _, Event, EventLike as _, EventStatus, Property};
use parallax_model::{Incident, UnixMicros};

use super::words::{stamp, told};
use super::{answer, host};
use crate::api::error::ApiError;
use crate::escape::neutral;
use crate::state::App;

/// Incidents of a calendar.
const MAX_INCIDENTS: u32 = 100;

/// `GET /s/{host}/incidents.ics`.
pub(crate) async fn of_site(
    State(app): App,
    Path(typed): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let host = host(&app, &typed)?;
    let incidents = app.read.incidents(Some(&host), false, MAX_INCIDENTS).await?;
    let now = app.read.now();
    let mut calendar = Calendar::empty();
    for (name, value) in [("VERSION", "2.0"), ("PRODID", "-//Parallax//EN"), ("CALSCALE", "GREGORIAN")] {
        calendar.append_property(Property::new(name, value));
    }
    calendar.name(&format!("Outages of {host}"));
    for incident in &incidents {
        calendar.push(event(&app.base_url, incident, now));
    }
    Ok(answer("text/calendar; charset=utf-8", calendar.to_string(), &headers))
}

/// An incident that lasts ends now, to the minute; its event grows with it.
fn event(base: &str, incident: &Incident, now: UnixMicros) -> Event {
    let view = told(incident, now);
    let minute = UnixMicros(now.0 - now.0.rem_euclid(60_000_000));
    let end = incident.closed_at.unwrap_or(minute).max(incident.opened_at);
    let changed =
        incident.closed_at.or_else(|| incident.latest().map(|step| step.at)).unwrap_or(incident.opened_at);
    let mut event = Event::with_uid(&format!("{}@parallax", incident.id));
    event
        .summary(&neutral(&view.headline))
        .description(&neutral(&format!("{}{}", base, view.url)))
        .starts(moment(incident.opened_at))
        .ends(moment(end))
        .status(EventStatus::Confirmed);
    if let CalendarDateTime::Utc(changed) = moment(changed) {
        event.timestamp(changed);
    }
    if !base.is_empty() {
        event.url(&format!("{base}{}", view.url));
    }
    event.done()
}

fn moment(at: UnixMicros) -> CalendarDateTime {
    // What we write ourselves can be read again; the epoch is what remains.
    CalendarDateTime::Utc(stamp(at).parse().unwrap_or_default())
}
