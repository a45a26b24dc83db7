//! Where we look from, and where we do not.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use parallax_aggregator::VantagePoint;
use parallax_model::{Continent, Family, NetworkKind, UnixMicros};

use super::home::{NetworkCount, tester_pins};
use crate::render::{Frame, page};
use crate::state::App;
use crate::view::map::Pin;
use crate::view::{place, when};

/// One tester's line.
#[derive(Debug, Clone)]
pub(crate) struct Tester {
    pub(crate) agent: String,
    pub(crate) place: String,
    pub(crate) region: String,
    pub(crate) network: String,
    pub(crate) asn: String,
    pub(crate) line: &'static str,
    pub(crate) families: String,
    pub(crate) online: bool,
    pub(crate) heard: String,
    pub(crate) version: String,
}

impl Tester {
    fn new(point: &VantagePoint, now: UnixMicros) -> Self {
        let v = &point.vantage;
        let families: Vec<&str> = v.families.iter().map(|f| Family::as_str(*f)).collect();
        Self {
            agent: point.agent.to_string(),
            place: place::city(v),
            region: place::region(v),
            network: place::network(v),
            asn: v.asn.map(|asn| asn.to_string()).unwrap_or_default(),
            line: place::kind_name(v.network),
            families: if families.is_empty() { "not known".to_owned() } else { families.join(", ") },
            online: point.online,
            heard: when::between(point.last_heard, now),
            version: point.version.clone(),
        }
    }
}

#[derive(Template)]
#[template(path = "pages/network.html")]
pub(crate) struct Network {
    pub(crate) frame: Frame,
    pub(crate) count: NetworkCount,
    pub(crate) testers: Vec<Tester>,
    /// What we cannot see, each a sentence.
    pub(crate) gaps: Vec<String>,
    pub(crate) pins: Vec<Pin>,
}

impl Network {
    pub(crate) fn new(frame: Frame, points: &[VantagePoint], now: UnixMicros) -> Self {
        let mut testers: Vec<Tester> = points.iter().map(|point| Tester::new(point, now)).collect();
        testers.sort_by(|a, b| (&a.region, &a.network, &a.agent).cmp(&(&b.region, &b.network, &b.agent)));
        Self {
            frame,
            count: NetworkCount::of(points),
            testers,
            gaps: gaps(points),
            pins: tester_pins(points),
        }
    }
}

fn gaps(points: &[VantagePoint]) -> Vec<String> {
    let online = || points.iter().filter(|point| point.online);
    let lived_in = Continent::ALL.iter().copied().filter(|c| *c != Continent::Antarctica);
    let without: Vec<&str> = lived_in
        .filter(|c| !online().any(|point| point.vantage.continent == Some(*c)))
        .map(place::continent_name)
        .collect();
    let mut gaps = Vec::new();
    if !without.is_empty() {
        gaps.push(format!("No tester is online in: {}.", without.join(", ")));
    }
    for (kind, words) in [(NetworkKind::Home, "home lines"), (NetworkKind::Mobile, "mobile networks")] {
        if !online().any(|point| point.vantage.network == kind) {
            gaps.push(format!("No tester looks from {words}: we see what servers see, not what people see."));
        }
    }
    if !online().any(|point| point.vantage.families.contains(&Family::V6)) {
        gaps.push("No tester has IPv6: what fails over IPv6 only stays unseen.".to_owned());
    }
    let unplaced = online().filter(|point| point.vantage.asn.is_none()).count();
    if unplaced > 0 {
        gaps.push(format!(
            "The network of {unplaced} testers is not known, so they cannot tell one provider from another."
        ));
    }
    let quiet = points.iter().filter(|point| !point.online).count();
    if quiet > 0 {
        gaps.push(format!("{quiet} testers of the last seven days are not online now."));
    }
    gaps
}

/// `GET /network`.
pub(crate) async fn show(State(app): App, request: HeaderMap) -> Response {
    let points = app.read.vantages();
    let view = Network::new(Frame::new(&app, "/network"), &points, app.read.now());
    page(&view, StatusCode::OK, &request)
}
