//! One check: live while it runs, frozen when it is over.

use askama::Template;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use parallax_aggregator::Note;
use parallax_model::{CheckId, Diagnosis};
use serde::Deserialize;

use super::error::{Part, missing};
use super::{AskBox, PageResult};
use crate::api::checks::board_so_far;
use crate::headers;
use crate::live::{self, Feed};
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::serve::Peer;
use crate::state::App;
use crate::view::advice::{Advice, advise};
use crate::view::band::Band;
use crate::view::board::Board;
use crate::view::clues;
use crate::view::facts::Facts;
use crate::view::hops::{Hop, hops};
use crate::view::incident::Moment;
use crate::view::map::{Pin, pins};
use crate::view::matrix::{Group, Matrix};
use crate::view::row::Row;
use crate::view::sentence::{Names, people};

/// What check, site and streamed page say of a board.
pub(crate) struct Findings {
    pub(crate) band: Band,
    pub(crate) hops: Vec<Hop>,
    pub(crate) matrix: Matrix,
    pub(crate) groups: Vec<Group>,
    pub(crate) rows: Vec<Row>,
    pub(crate) facts: Facts,
    /// What extra probes said, counted.
    pub(crate) clues: Vec<String>,
    /// Scopes that explain the same results equally well, as people.
    pub(crate) same: Vec<String>,
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
    pub(crate) words: String,
    /// Why, with how sure.
    pub(crate) title: String,
    pub(crate) percent: String,
    pub(crate) evidence_for: Vec<String>,
    pub(crate) evidence_against: Vec<String>,
}

/// From which probability a cause is called likely.
const LIKELY: f64 = 0.6;

impl CauseView {
    pub(crate) fn new(t: Lang, cause: &parallax_model::Cause) -> Self {
        let p = cause.confidence.get();
        Self {
            words: t.text(&format!("cause-{}", cause.kind)),
            title: t.text(if p >= LIKELY { "why-likely" } else { "why-possible" }),
            percent: format!("{:.0} %", p * 100.0),
            evidence_for: cause.evidence_for.clone(),
            evidence_against: cause.evidence_against.clone(),
        }
    }
}

impl Findings {
    pub(crate) fn new(t: Lang, board: &Board, band: Band) -> Self {
        let matrix = Matrix::new(t, board);
        let mut rows: Vec<Row> = board.rows.iter().map(|row| Row::said(t, row)).collect();
        rows.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.agent.cmp(&b.agent)));
        let seen = board.rows.iter().map(|row| (&row.vantage, row.result.outcome.into()));
        let names = Names::of_rows(&board.rows);
        let same = board.diagnosis.iter().flat_map(|d| &d.same_coverage);
        Self {
            band,
            hops: hops(t, board),
            groups: matrix.groups(),
            matrix,
            facts: Facts::new(t, &rows),
            rows,
            clues: clues::of_rows(t, &board.rows),
            same: same.map(|scope| people(t, scope, &names)).collect(),
            advice: advise(t, board),
            diagnosis: board.diagnosis.clone(),
            cause: board.diagnosis.as_ref().and_then(|d| d.cause.as_ref()).map(|c| CauseView::new(t, c)),
            pins: pins(seen),
            done: board.is_done(),
        }
    }
}

/// What a visitor's own browser may be asked to try.
#[derive(Debug, Clone)]
pub(crate) struct OwnTest {
    /// `https://example.com`: what the page may connect to beside ourselves.
    pub(crate) origin: String,
}

#[derive(Template)]
#[template(path = "pages/check.html")]
pub(crate) struct CheckPage {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) id: String,
    pub(crate) host: String,
    pub(crate) target: String,
    /// What whoever typed it should know about it.
    pub(crate) notes: Vec<String>,
    pub(crate) started: Option<Moment>,
    pub(crate) found: Findings,
    pub(crate) own: OwnTest,
    pub(crate) ask: AskBox,
}

impl CheckPage {
    pub(crate) fn new(t: Lang, frame: Frame, (id, notes): (CheckId, &[Note]), board: &Board) -> Self {
        let target = &board.target;
        Self {
            t,
            frame,
            id: id.to_string(),
            host: target.host.to_string(),
            target: target.to_string(),
            notes: notes.iter().map(|note| said(t, note)).collect(),
            started: board.started_at.map(|at| Moment::said(t, at)),
            found: Findings::new(t, board, Band::of_check(t, board)),
            own: OwnTest { origin: format!("{}://{}", target.scheme.as_str(), target.host) },
            ask: AskBox::of(target.host.as_str()),
        }
    }
}

/// A note in words.
fn said(t: Lang, note: &Note) -> String {
    match note {
        Note::QueryIsPublic => t.text("note-query-public"),
        Note::QueryLooksSecret => t.text("note-query-secret"),
        Note::FragmentDropped => t.text("note-fragment"),
        Note::Respelled { read } => t.with("note-respelled").s("read", read).text(),
        Note::International { ascii, unicode } => {
            t.with("note-international").s("ascii", ascii).s("unicode", unicode).text()
        }
        Note::LookAlike { ascii } => t.with("note-lookalike").s("ascii", ascii).text(),
    }
}

/// The streamed page's beginning.
#[derive(Template)]
#[template(path = "pages/check_open.html")]
struct LiveOpen<'a> {
    t: Lang,
    frame: &'a Frame,
    host: &'a str,
    asked: usize,
}

/// One row of the streamed page.
#[derive(Template)]
#[template(path = "partials/live_row.html")]
struct LiveRow<'a> {
    t: Lang,
    row: &'a Row,
}

/// The verdict so far: the newest one hides those before it.
#[derive(Template)]
#[template(path = "partials/live_stage.html")]
struct LiveStage {
    t: Lang,
    band: Band,
    hops: Vec<Hop>,
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
    (visit, Part(id)): (Visit, Part),
    Query(how): Query<How>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HeaderMap,
) -> PageResult {
    let nowhere = ("missing-check", "missing-check-why");
    let t = visit.t;
    let Ok(id) = id.parse::<CheckId>() else { return Ok(missing(&app, (&visit, &request), nowhere)) };
    let Some(stream) = app.read.find_check(id).await? else {
        return Ok(missing(&app, (&visit, &request), nowhere));
    };
    let board = board_so_far(&stream);
    let notes = app.read.notes(&board.target);
    let host = &board.target.host;
    // A site that only this check knows has no feed.
    let feed = app.read.site(host).map(|_| format!("/s/{host}/feed.atom"));
    let frame = Frame::new(&app, &visit, "").with_feed(feed.unwrap_or_default());
    if how.live.as_deref() != Some("html") {
        return Ok(with_own_test(
            page(&CheckPage::new(t, frame, (id, &notes), &board), StatusCode::OK, &request),
            &board,
        ));
    }
    if board.is_done() {
        return Ok(Redirect::to(&format!("{}/c/{id}", t.base())).into_response());
    }
    match Feed::new(&app, t, stream, peer.ip()) {
        Some(feed) => Ok(streamed(feed, frame, (id, notes), &board)),
        None => Ok(page(&CheckPage::new(t, frame, (id, &notes), &board), StatusCode::OK, &request)),
    }
}

/// Lets the page, and no other, connect to the checked site and to where it sent our testers: the visitor's own test needs it.
fn with_own_test(mut response: Response, board: &Board) -> Response {
    let mut hosts = vec![board.target.host.to_string()];
    let redirects = board.rows.iter().flat_map(|row| &row.result.redirects);
    hosts.extend(redirects.map(|redirect| redirect.to.host.to_string()));
    if let Ok(policy) = HeaderValue::from_str(&headers::csp_with(&hosts)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn streamed(feed: Feed, frame: Frame, (id, notes): (CheckId, Vec<Note>), board: &Board) -> Response {
    let t = feed.t;
    let told = |text: Result<String, askama::Error>| {
        text.unwrap_or_else(|error| {
            tracing::error!(%error, "a part of a streamed page could not be rendered");
            String::new()
        })
    };
    let open = LiveOpen { t, frame: &frame, host: board.target.host.as_str(), asked: board.asked() };
    let open = told(open.render());
    let row = move |row: &Row| told(LiveRow { t, row }.render());
    let stage = move |board: &Board| {
        told(LiveStage { t, band: Band::of_check(t, board), hops: hops(t, board) }.render())
    };
    let close =
        move |board: &Board| told(LiveClose { page: CheckPage::new(t, frame, (id, &notes), board) }.render());
    live::html(feed, open, (row, stage), close)
}
