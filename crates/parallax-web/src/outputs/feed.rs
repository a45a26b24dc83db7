//! Atom (RFC 4287): what changes, one entry a change. For a site, a provider, a region, and for everything.

use atom_syndication::{Entry, Feed, FixedDateTime, Generator, Link, Person, Text};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_model::{Asn, Incident, Region, Scope, UnixMicros};

use super::words::{headline, stamp, told};
use super::{answer, host};
use crate::api::error::ApiError;
use crate::escape::neutral;
use crate::state::{App, Shared};

/// Entries of a feed, newest first.
pub(crate) const MAX_ENTRIES: usize = 60;
/// Incidents that are looked through for them.
const MAX_INCIDENTS: u32 = 200;
/// Ids of entries stay what they are whatever address the page moves to (RFC 4151).
const TAG: &str = "tag:parallax,2026:";

/// What a feed is of.
struct Whose {
    /// The rest of its id.
    id: String,
    title: String,
    /// Its own address.
    path: String,
    /// The page that says the same to people.
    page: String,
}

/// `GET /s/{host}/feed.atom`. A site nobody asked about yet has a feed without entries: it can be subscribed before it fails.
pub(crate) async fn of_site(
    State(app): App,
    Path(typed): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let host = host(&app, &typed)?;
    let incidents = app.read.incidents(Some(&host), false, MAX_INCIDENTS).await?;
    let whose = Whose {
        id: format!("site/{host}"),
        title: format!("Is {host} down?"),
        path: format!("/s/{host}/feed.atom"),
        page: format!("/s/{host}"),
    };
    written(&app, &whose, &incidents, &headers)
}

/// `GET /outages.atom`.
pub(crate) async fn of_all(State(app): App, headers: HeaderMap) -> Result<Response, ApiError> {
    let incidents = app.read.incidents(None, false, MAX_INCIDENTS).await?;
    let whose = Whose {
        id: "outages".to_owned(),
        title: "Outages".to_owned(),
        path: "/outages.atom".to_owned(),
        page: "/outages".to_owned(),
    };
    written(&app, &whose, &incidents, &headers)
}

/// `GET /network/isp/{asn}/feed.atom`: what concerns the customers of one provider. `AS64500` or `64500`.
pub(crate) async fn of_isp(
    State(app): App,
    Path(asn): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let bare = asn.strip_prefix("AS").or_else(|| asn.strip_prefix("as")).unwrap_or(&asn);
    let asn = bare.parse().map(Asn).map_err(|_| ApiError::not_found("network"))?;
    let named =
        app.read.vantages().iter().find(|p| p.vantage.asn == Some(asn)).and_then(|p| p.vantage.isp.clone());
    let name = named.map_or_else(|| asn.to_string(), |isp| format!("{isp} ({asn})"));
    let incidents = concerning(&app, |scope| scope.all || scope.asn == Some(asn)).await?;
    let whose = Whose {
        id: format!("isp/{}", asn.0),
        title: format!("Outages for customers of {name}"),
        path: format!("/network/isp/{}/feed.atom", asn.0),
        page: "/network".to_owned(),
    };
    written(&app, &whose, &incidents, &headers)
}

/// `GET /network/region/{region}/feed.atom`: what concerns people in one region, in our words for regions (`eu-west`).
pub(crate) async fn of_region(
    State(app): App,
    Path(region): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let region: Region = region.parse().map_err(|_| ApiError::not_found("region"))?;
    let incidents = concerning(&app, |scope| scope.all || scope.region.as_ref() == Some(&region)).await?;
    let whose = Whose {
        id: format!("region/{region}"),
        title: format!("Outages in {}", region.in_words()),
        path: format!("/network/region/{region}/feed.atom"),
        page: "/network".to_owned(),
    };
    written(&app, &whose, &incidents, &headers)
}

/// Incidents with a scope of this kind at some time.
async fn concerning(app: &Shared, fits: impl Fn(&Scope) -> bool) -> Result<Vec<Incident>, ApiError> {
    let mut incidents = app.read.incidents(None, false, MAX_INCIDENTS).await?;
    incidents.retain(|incident| incident.steps.iter().flat_map(|step| &step.diagnosis.scopes).any(&fits));
    Ok(incidents)
}

fn written(
    app: &Shared,
    whose: &Whose,
    incidents: &[Incident],
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let now = app.read.now();
    let mut entries: Vec<(UnixMicros, Entry)> =
        incidents.iter().flat_map(|incident| changes(&app.base_url, incident, now)).collect();
    entries.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    entries.truncate(MAX_ENTRIES);
    // A feed that nothing happened in was updated when time began: the same on every reading.
    let updated = entries.first().map_or(UnixMicros(0), |(at, _)| *at);
    let feed = Feed {
        title: plain(&whose.title),
        id: format!("{TAG}{}", whose.id),
        updated: moment(updated),
        authors: vec![Person { name: "Parallax".to_owned(), ..Person::default() }],
        generator: Some(Generator { value: "Parallax".to_owned(), ..Generator::default() }),
        links: vec![link("self", &app.base_url, &whose.path), link("alternate", &app.base_url, &whose.page)],
        entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        lang: Some("en".to_owned()),
        ..Feed::default()
    };
    let mut body = Vec::new();
    feed.write_to(&mut body).map_err(|error| {
        tracing::error!(%error, "a feed could not be written");
        ApiError::internal()
    })?;
    Ok(answer("application/atom+xml; charset=utf-8", body, headers))
}

/// One entry for each step of an incident, and one for its end.
fn changes(base: &str, incident: &Incident, now: UnixMicros) -> Vec<(UnixMicros, Entry)> {
    let view = told(incident, now);
    let entry = |n: usize, at: UnixMicros, title: String, summary: String| {
        let entry = Entry {
            title: plain(&title),
            id: format!("{TAG}i/{}/{n}", incident.id),
            updated: moment(at),
            published: Some(moment(at)),
            links: vec![link("alternate", base, &view.url)],
            summary: Some(plain(&summary)),
            ..Entry::default()
        };
        (at, entry)
    };
    let mut all: Vec<(UnixMicros, Entry)> = incident
        .steps
        .iter()
        .enumerate()
        .map(|(n, step)| {
            let d = &step.diagnosis;
            let counts = format!("{} of {} testers fail.", d.failing, d.agents);
            let summary = match d.operator_sentence.trim_end_matches('.') {
                "" => counts,
                why => format!("{why}. {counts}"),
            };
            entry(n, step.at, headline(d), summary)
        })
        .collect();
    if let Some(closed) = incident.closed_at {
        let title = format!("{} works again", incident.site);
        let lasted = format!("It lasted {}. {}.", view.lasted, view.headline);
        all.push(entry(incident.steps.len(), closed, title, lasted));
    }
    all
}

fn plain(text: &str) -> Text {
    Text::plain(neutral(text).into_owned())
}

fn link(rel: &str, base: &str, path: &str) -> Link {
    Link { href: format!("{base}{path}"), rel: rel.to_owned(), ..Link::default() }
}

fn moment(at: UnixMicros) -> FixedDateTime {
    // What we write ourselves can be read again; the epoch is what remains.
    stamp(at).parse().unwrap_or_default()
}
