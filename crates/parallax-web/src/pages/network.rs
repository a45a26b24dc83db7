//! Where we look from, and where we do not; and one tester's page.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use parallax_aggregator::{SiteView, VantagePoint};
use parallax_model::{Continent, Family, NetworkKind, UnixMicros};

use super::error::{Part, missing};
use super::home::{NetworkCount, tester_pins};
use crate::escape::neutral;
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::state::App;
use crate::view::glyph::Glyph;
use crate::view::incident::Moment;
use crate::view::map::Pin;
use crate::view::row::Row;
use crate::view::{place, when};

/// One tester's line.
#[derive(Debug, Clone)]
pub(crate) struct Tester {
    pub(crate) agent: String,
    pub(crate) place: String,
    pub(crate) region: String,
    pub(crate) network: String,
    pub(crate) asn: String,
    pub(crate) line: String,
    pub(crate) families: String,
    pub(crate) online: bool,
    pub(crate) heard: String,
    pub(crate) heard_at: Moment,
    pub(crate) version: String,
}

impl Tester {
    fn new(t: Lang, point: &VantagePoint, now: UnixMicros) -> Self {
        let v = &point.vantage;
        let families: Vec<&str> = v.families.iter().map(|f| Family::as_str(*f)).collect();
        Self {
            agent: point.agent.to_string(),
            place: place::city(t, v),
            region: place::region(t, v),
            network: place::network(t, v),
            asn: v.asn.map(|asn| asn.to_string()).unwrap_or_default(),
            line: place::kind_name(t, v.network),
            families: if families.is_empty() { t.text("line-unknown") } else { families.join(", ") },
            online: point.online,
            heard: when::between(t, point.last_heard, now),
            heard_at: Moment::said(t, point.last_heard),
            version: point.version.clone(),
        }
    }
}

#[derive(Template)]
#[template(path = "pages/network.html")]
pub(crate) struct NetworkPage {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) network: NetworkCount,
    pub(crate) testers: Vec<Tester>,
    /// What we cannot see, each a sentence.
    pub(crate) gaps: Vec<String>,
    /// Networks whose testers fell silent at once.
    pub(crate) notices: Vec<String>,
    pub(crate) pins: Vec<Pin>,
    /// Feeds of networks, and of regions.
    pub(crate) feeds: [Vec<(String, String)>; 2],
}

fn gaps(t: Lang, points: &[VantagePoint]) -> Vec<String> {
    let online = || points.iter().filter(|point| point.online);
    let lived_in = Continent::ALL.iter().copied().filter(|c| *c != Continent::Antarctica);
    let without: Vec<String> = lived_in
        .filter(|c| !online().any(|point| point.vantage.continent == Some(*c)))
        .map(|c| place::continent_name(t, c))
        .collect();
    let mut gaps = Vec::new();
    if !without.is_empty() {
        gaps.push(t.with("gap-continents").s("where", without.join(", ")).text());
    }
    for (kind, key) in [(NetworkKind::Home, "gap-home"), (NetworkKind::Mobile, "gap-mobile")] {
        if !online().any(|point| point.vantage.network == kind) {
            gaps.push(t.text(key));
        }
    }
    if !online().any(|point| point.vantage.families.contains(&Family::V6)) {
        gaps.push(t.text("gap-ipv6"));
    }
    let unplaced = online().filter(|point| point.vantage.asn.is_none()).count();
    if unplaced > 0 {
        gaps.push(t.with("gap-unplaced").n("n", unplaced).text());
    }
    let quiet = points.iter().filter(|point| !point.online).count();
    if quiet > 0 {
        gaps.push(t.with("gap-quiet").n("n", quiet).text());
    }
    gaps
}

/// Feeds that one page names at most, of each kind.
const MAX_FEEDS: usize = 60;

/// Networks and regions that testers stand in, each with its feed: address and name.
fn feeds(t: Lang, points: &[VantagePoint]) -> [Vec<(String, String)>; 2] {
    let named = |v: &parallax_model::Vantage| {
        let asn = v.asn?;
        let name = v.isp.as_ref().map_or_else(|| asn.to_string(), |isp| neutral(isp.as_str()).into_owned());
        Some((name, format!("/network/isp/{}/feed.atom", asn.0)))
    };
    let region = |v: &parallax_model::Vantage| {
        let region = v.region.as_ref()?;
        Some((place::region_short(t, region.as_str()), format!("/network/region/{region}/feed.atom")))
    };
    let networks: BTreeMap<String, String> = points.iter().filter_map(|p| named(&p.vantage)).collect();
    let regions: BTreeMap<String, String> = points.iter().filter_map(|p| region(&p.vantage)).collect();
    [networks, regions].map(|feeds| feeds.into_iter().take(MAX_FEEDS).map(|(name, at)| (at, name)).collect())
}

/// `GET /network`.
pub(crate) async fn show(State(app): App, visit: Visit, request: HeaderMap) -> Response {
    let (t, points, now) = (visit.t, app.read.vantages(), app.read.now());
    let mut testers: Vec<Tester> = points.iter().map(|point| Tester::new(t, point, now)).collect();
    testers.sort_by(|a, b| (&a.region, &a.network, &a.agent).cmp(&(&b.region, &b.network, &b.agent)));
    let notice = |n: &parallax_aggregator::VantageNotice| {
        let isp = n.isp.as_ref().map_or_else(|| n.asn.to_string(), ToString::to_string);
        let since = when::day_and_time(t, n.since);
        t.with("network-silent").s("isp", isp).n("lost", n.lost).n("of", n.of).s("since", since).text()
    };
    let view = NetworkPage {
        t,
        frame: Frame::new(&app, &visit, "/network"),
        network: NetworkCount::of(&points),
        testers,
        gaps: gaps(t, &points),
        notices: app.read.network().notices.iter().map(notice).collect(),
        pins: tester_pins(&points),
        feeds: feeds(t, &points),
    };
    page(&view, StatusCode::OK, &request)
}

/// What a tester last saw of one site, beside what is said of it.
#[derive(Debug, Clone)]
pub(crate) struct LastSeen {
    pub(crate) host: String,
    pub(crate) state: Glyph,
    pub(crate) words: String,
    pub(crate) total: String,
    pub(crate) age: String,
    /// How many testers of the same network say the same, of how many others there.
    pub(crate) same: usize,
    pub(crate) others: usize,
}

#[derive(Template)]
#[template(path = "pages/agent.html")]
pub(crate) struct AgentPage {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) tester: Tester,
    /// Trouble first.
    pub(crate) seen: Vec<LastSeen>,
    /// Results that worked, of all.
    pub(crate) works: usize,
    /// Results that none of several neighbours shares.
    pub(crate) alone: usize,
    pub(crate) pins: Vec<Pin>,
}

/// How many sites an agent's page lists.
const MAX_SEEN: usize = 100;

fn last_seen(t: Lang, view: &SiteView, agent: &str) -> Option<LastSeen> {
    let mine = view.rows.iter().find(|row| row.agent.as_str() == agent)?;
    let near = |row: &&parallax_aggregator::CheckRow| {
        row.agent != mine.agent && mine.vantage.asn.is_some() && row.vantage.asn == mine.vantage.asn
    };
    let others: Vec<_> = view.rows.iter().filter(near).collect();
    let ok = mine.result.outcome.is_ok();
    let row = Row::said(t, mine);
    Some(LastSeen {
        host: view.host.to_string(),
        state: row.state,
        total: row.took,
        words: row.words,
        age: when::span(t, u64::try_from(mine.after.as_micros()).unwrap_or(u64::MAX)),
        same: others.iter().filter(|row| row.result.outcome.is_ok() == ok).count(),
        others: others.len(),
    })
}

/// `GET /network/{agent}`.
pub(crate) async fn agent(State(app): App, visit: Visit, Part(name): Part, request: HeaderMap) -> Response {
    let (t, points) = (visit.t, app.read.vantages());
    let Some(point) = points.iter().find(|point| point.agent.as_str() == name) else {
        return missing(&app, (&visit, &request), ("missing-agent", "missing-agent-why"));
    };
    let sites = app.read.sites();
    let mut seen: Vec<LastSeen> =
        sites.iter().filter_map(|view| last_seen(t, view, &name)).take(MAX_SEEN).collect();
    seen.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.host.cmp(&b.host)));
    let view = AgentPage {
        t,
        frame: Frame::new(&app, &visit, "/network"),
        tester: Tester::new(t, point, app.read.now()),
        works: seen.iter().filter(|s| s.state == Glyph::Up).count(),
        alone: seen.iter().filter(|s| s.others > 1 && s.same == 0).count(),
        seen,
        pins: tester_pins(std::slice::from_ref(point)),
    };
    page(&view, StatusCode::OK, &request)
}
