//! One check: live while it runs, frozen when it is over.

use askama::Template;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use parallax_model::{CheckId, Diagnosis};
use serde::Deserialize;

use super::error::missing;
use super::{AskBox, PageResult};
use crate::api::checks::board_so_far;
use crate::live::{self, Feed};
use crate::render::{Frame, page};
use crate::serve::Peer;
use crate::state::App;
use crate::view::advice::{Advice, advise};
use crate::view::band::Band;
use crate::view::board::Board;
use crate::view::facts::Facts;
use crate::view::hops::{Hop, hops};
use crate::view::incident::Moment;
use crate::view::map::{Pin, pins};
use crate::view::matrix::{Group, Matrix};
use crate::view::row::Row;

/// What check, site and streamed page say of a board.
pub(crate) struct Findings {
    pub(crate) band: Band,
    pub(crate) hops: Vec<Hop>,
    pub(crate) matrix: Matrix,
    pub(crate) groups: Vec<Group>,
    pub(crate) rows: Vec<Row>,
    pub(crate) facts: Facts,
    pub(crate) advice: Option<Advice>,
    pub(crate) diagnosis: Option<Diagnosis>,
    /// The cause, as far as it can be said.
    pub(crate) cause: Option<CauseView>,
    /// Where it fails and where it works.
    pub(crate) pins: Vec<Pin>,
    /// Whether the rows are a check's: they came one after the other.
    pub(crate) done: bool,
}

/// A cause in words.
#[derive(Debug, Clone)]
pub(crate) struct CauseView {
    pub(crate) words: &'static str,
    /// `likely`, `possible`.
    pub(crate) how_sure: &'static str,
    pub(crate) percent: String,
    pub(crate) evidence_for: Vec<String>,
    pub(crate) evidence_against: Vec<String>,
}

/// From which probability a cause is called likely.
const LIKELY: f64 = 0.6;

impl CauseView {
    fn new(cause: &parallax_model::Cause) -> Self {
        use parallax_model::CauseKind as K;
        let words = match cause.kind {
            K::Overload => "overload: more work than the site can do",
            K::Network => "the network: loss or routing between people and the site",
            K::Firewall => "a firewall or filter that refuses some",
            K::Misconfiguration => "a wrong setting, usually after a change",
            K::DnsChange => "the name moved, and some still have the old answer",
            K::Tls => "the certificate or the secure line itself",
            K::CdnEdge => "the CDN’s edge",
            K::OriginCrash => "the program behind the front server is gone",
            K::Maintenance => "maintenance: closed for work, and it says so",
        };
        let p = cause.confidence.get();
        Self {
            words,
            how_sure: if p >= LIKELY { "likely" } else { "possible" },
            percent: format!("{:.0} %", p * 100.0),
            evidence_for: cause.evidence_for.clone(),
            evidence_against: cause.evidence_against.clone(),
        }
    }
}

impl Findings {
    pub(crate) fn new(board: &Board, band: Band) -> Self {
        let matrix = Matrix::new(board);
        let mut rows: Vec<Row> = board.rows.iter().map(Row::new).collect();
        rows.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.agent.cmp(&b.agent)));
        let failure = board.commonest_failure().map(|(kind, _)| kind);
        let seen = board.rows.iter().map(|row| (&row.vantage, row.result.outcome.into()));
        Self {
            band,
            hops: hops(board),
            groups: matrix.groups(),
            matrix,
            facts: Facts::new(&rows),
            rows,
            advice: board.diagnosis.as_ref().map(|diagnosis| advise(diagnosis, failure)),
            diagnosis: board.diagnosis.clone(),
            cause: board.diagnosis.as_ref().and_then(|d| d.cause.as_ref()).map(CauseView::new),
            pins: pins(seen),
            done: board.is_done(),
        }
    }
}

#[derive(Template)]
#[template(path = "pages/check.html")]
pub(crate) struct CheckPage {
    pub(crate) frame: Frame,
    pub(crate) id: String,
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) started: Option<Moment>,
    pub(crate) found: Findings,
    pub(crate) ask: AskBox,
}

impl CheckPage {
    pub(crate) fn new(frame: Frame, id: CheckId, board: &Board) -> Self {
        Self {
            frame,
            id: id.to_string(),
            host: board.target.host.to_string(),
            target: board.target.to_string(),
            started: board.started_at.map(Moment::new),
            found: Findings::new(board, Band::of_check(board)),
            ask: AskBox::of(board.target.host.as_str()),
        }
    }
}

/// The streamed page's beginning.
#[derive(Template)]
#[template(path = "pages/check_open.html")]
struct LiveOpen<'a> {
    frame: &'a Frame,
    host: &'a str,
    asked: usize,
}

/// One row of the streamed page.
#[derive(Template)]
#[template(path = "partials/live_row.html")]
struct LiveRow<'a> {
    row: &'a Row,
}

/// The streamed page's end: the verdict and everything it stands on.
#[derive(Template)]
#[template(path = "pages/check_close.html")]
struct LiveClose {
    page: CheckPage,
}

/// How the page is wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct How {
    live: Option<String>,
}

/// `GET /c/{id}`, with `?live=html` as a stream of HTML.
pub(crate) async fn show(
    State(app): App,
    Path(id): Path<String>,
    Query(how): Query<How>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HeaderMap,
) -> PageResult {
    let nowhere = (
        "There is no such check",
        "The link is mistyped, or the check is too old: we keep them for a while only.",
    );
    let Ok(id) = id.parse::<CheckId>() else { return Ok(missing(&app, &request, nowhere)) };
    let Some(stream) = app.read.find_check(id).await? else {
        return Ok(missing(&app, &request, nowhere));
    };
    let board = board_so_far(&stream);
    let frame = Frame::new(&app, "");
    if how.live.as_deref() != Some("html") {
        return Ok(page(&CheckPage::new(frame, id, &board), StatusCode::OK, &request));
    }
    if board.is_done() {
        return Ok(Redirect::to(&format!("/c/{id}")).into_response());
    }
    match Feed::new(&app, stream, peer.ip()) {
        Some(feed) => Ok(streamed(feed, frame, id, &board)),
        None => Ok(page(&CheckPage::new(frame, id, &board), StatusCode::OK, &request)),
    }
}

fn streamed(feed: Feed, frame: Frame, id: CheckId, board: &Board) -> Response {
    let told = |text: Result<String, askama::Error>| {
        text.unwrap_or_else(|error| {
            tracing::error!(%error, "a part of a streamed page could not be rendered");
            String::new()
        })
    };
    let open = LiveOpen { frame: &frame, host: board.target.host.as_str(), asked: board.asked() };
    let open = told(open.render());
    let row = move |row: &Row| told(LiveRow { row }.render());
    let close = move |board: &Board| told(LiveClose { page: CheckPage::new(frame, id, board) }.render());
    live::html(feed, open, row, close)
}
