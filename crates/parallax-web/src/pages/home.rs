//! The box, what is down, what is fine, where we look from; and what happens to what is typed into the box.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use parallax_aggregator::{CheckRefusal, VantagePoint};
use parallax_model::Verdict;
use serde::Deserialize;

use super::AskBox;
use crate::api::checks::too_long as too_long_refusal;
use crate::api::error::retry_after_s;
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::serve::Peer;
use crate::state::{App, Shared};
use crate::view::glyph::Glyph;
use crate::view::map::{Pin, pins};
use crate::view::site::SiteLine;

/// How many outages the first page lists; the rest is behind a link.
const MAX_OUTAGES: usize = 12;
/// How many sites that are fine it names.
const MAX_FINE: usize = 12;

#[derive(Template)]
#[template(path = "pages/home.html")]
pub(crate) struct Home {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) ask: AskBox,
    pub(crate) outages: Vec<SiteLine>,
    /// How many outages are not listed.
    pub(crate) more: usize,
    pub(crate) fine: Vec<SiteLine>,
    /// How many sites are known.
    pub(crate) known: usize,
    pub(crate) network: NetworkCount,
    pub(crate) pins: Vec<Pin>,
}

/// Testers in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NetworkCount {
    pub(crate) testers: usize,
    pub(crate) online: usize,
    pub(crate) networks: usize,
    pub(crate) countries: usize,
}

impl NetworkCount {
    pub(crate) fn of(points: &[VantagePoint]) -> Self {
        let distinct = |mut values: Vec<String>| {
            values.sort();
            values.dedup();
            values.len()
        };
        let online = || points.iter().filter(|point| point.online);
        let asn = online().filter_map(|p| p.vantage.asn).map(|asn| asn.to_string());
        let country = online().filter_map(|p| p.vantage.country.as_ref()).map(ToString::to_string);
        Self {
            testers: points.len(),
            online: online().count(),
            networks: distinct(asn.collect()),
            countries: distinct(country.collect()),
        }
    }
}

/// The pins of these testers: a tick where one is online.
pub(crate) fn tester_pins(points: &[VantagePoint]) -> Vec<Pin> {
    let state = |online| if online { Glyph::Up } else { Glyph::Unknown };
    pins(points.iter().map(|point| (&point.vantage, state(point.online))))
}

impl Home {
    pub(crate) fn new(app: &Shared, visit: &Visit, ask: AskBox) -> Self {
        let (t, now) = (visit.t, app.read.now());
        let sites = app.read.sites();
        let points = app.read.vantages();
        let lines = || sites.iter().map(|view| SiteLine::said(t, view, now));
        let mut outages: Vec<SiteLine> = lines().filter(SiteLine::is_outage).collect();
        outages.sort_by_key(|line| std::cmp::Reverse(line.state));
        let more = outages.len().saturating_sub(MAX_OUTAGES);
        outages.truncate(MAX_OUTAGES);
        // A refused question is answered with this page at another address; its own is still the home's.
        let home = Visit { t, path: "/".to_owned() };
        Self {
            t,
            frame: Frame::new(app, &home, "/").with_feed("/outages.atom".to_owned()),
            ask,
            outages,
            more,
            fine: lines().filter(|line| line.verdict == Verdict::Up).take(MAX_FINE).collect(),
            known: sites.len(),
            network: NetworkCount::of(&points),
            pins: tester_pins(&points),
        }
    }
}

/// `GET /`.
pub(crate) async fn show(State(app): App, visit: Visit, request: HeaderMap) -> Response {
    page(&Home::new(&app, &visit, AskBox::default()), StatusCode::OK, &request)
}

/// What the box sends.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    site: String,
}

/// `POST /check`: to the check's page, or back to the box with the one sentence that says why not.
pub(crate) async fn check(
    State(app): App,
    visit: Visit,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HeaderMap,
    form: Result<Form<Asked>, FormRejection>,
) -> Response {
    let t = visit.t;
    let Asked { site } = match form {
        Ok(Form(asked)) => asked,
        Err(rejection) => {
            let too_long = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let refusal = too_long.then(|| too_long_refusal(&app)).flatten();
            let error = refusal.map_or_else(|| t.text("ask-unread"), |refusal| said_no(t, &refusal));
            return answer_no(&app, &visit, &request, AskBox { typed: String::new(), error });
        }
    };
    match app.read.check(&site, Some(peer.ip())).await {
        Ok(stream) => {
            app.asked.note(&stream.target.host, peer.ip());
            Redirect::to(&format!("{}/c/{}", t.base(), stream.id)).into_response()
        }
        Err(refusal) => {
            let ask = AskBox { typed: site, error: said_no(t, &refusal) };
            let CheckRefusal::Busy { retry_after, .. } = refusal else {
                return answer_no(&app, &visit, &request, ask);
            };
            let mut response = page(&Home::new(&app, &visit, ask), StatusCode::TOO_MANY_REQUESTS, &request);
            let wait = HeaderValue::from(retry_after_s(retry_after));
            response.headers_mut().insert(header::RETRY_AFTER, wait);
            response
        }
    }
}

/// Why not, in a language: English as the policy says it, others by the policy's code.
pub(crate) fn said_no(t: Lang, refusal: &CheckRefusal) -> String {
    match (t, refusal) {
        (Lang::En, _) => refusal.to_string(),
        (_, CheckRefusal::Busy { what, retry_after }) => {
            t.with("refused-busy").s("what", what).n("seconds", retry_after_s(*retry_after)).text()
        }
        (_, CheckRefusal::Input { code, .. }) => {
            let key = format!("refused-{code}");
            if t.has(&key) { t.text(&key) } else { refusal.to_string() }
        }
    }
}

/// The box again, with what is wrong beside it.
pub(crate) fn answer_no(app: &Shared, visit: &Visit, request: &HeaderMap, ask: AskBox) -> Response {
    page(&Home::new(app, visit, ask), StatusCode::UNPROCESSABLE_ENTITY, request)
}
