//! A check while it runs: as server-sent events for the script and for programs, as streamed HTML for browsers without script.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use parallax_aggregator::{CheckEvent, CheckRow, CheckStream};
use parallax_model::CheckId;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::api::error::ApiError;
use crate::say::Lang;
use crate::serve::Peer;
use crate::state::{App, Shared};
use crate::view::band::Band;
use crate::view::board::Board;
use crate::view::hops::hops;
use crate::view::matrix::{Cell, Matrix};
use crate::view::row::Row;

/// How often a silent stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Rows that come so soon after one another are told as one event: each by itself would be a third framing …
const GATHER: Duration = Duration::from_millis(50);
/// … and at most so many.
const MAX_GATHERED: usize = 64;
/// Longest life of a stream: longer than any check; a client that wants more comes again with `Last-Event-ID`.
pub(crate) const MAX_STREAM: Duration = Duration::from_mins(2);
/// Streams at once from one address, or the /64 of a household (threat T59): as many as a browser opens over HTTP/1.1. A page that
/// gets none is whole all the same, and looks again by itself.
pub(crate) const MAX_STREAMS_PER_ADDRESS: usize = 6;
/// Of the connections there may be, so many quarters may be streams: the rest is for pages.
const STREAM_QUARTERS: usize = 3;

/// Who holds streams.
#[derive(Debug, Clone)]
pub(crate) struct StreamSlots {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

impl StreamSlots {
    /// Slots where there may be so many connections.
    pub(crate) fn of(connections: usize) -> Self {
        Self { held: Arc::default(), most: connections / 4 * STREAM_QUARTERS }
    }

    /// A slot for one more stream of `ip`, if neither it nor everybody has too many.
    pub(crate) fn take(&self, ip: IpAddr) -> Option<StreamSlot> {
        let ip = household(ip);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = held.values().sum();
        let mine = held.get(&ip).copied().unwrap_or_default();
        if mine >= MAX_STREAMS_PER_ADDRESS || all >= self.most {
            return None;
        }
        held.insert(ip, mine + 1);
        Some(StreamSlot { slots: self.clone(), ip })
    }
}

/// One address, or the /64 of a household, which may choose among its addresses (threat T51).
fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// One stream's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct StreamSlot {
    slots: StreamSlots,
    ip: IpAddr,
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut held = self.slots.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = held.get_mut(&self.ip) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                held.remove(&self.ip);
            }
        }
    }
}

/// What one event of a check tells.
enum Told {
    /// An event by itself, with its name.
    One(&'static str, Value),
    /// A row of an event with this name; rows of one name that come together are one event.
    Row(&'static str, Value),
}

/// A check's events with the board they make.
pub(crate) struct Feed {
    pub(crate) t: Lang,
    stream: CheckStream,
    pub(crate) board: Board,
    matrix: Matrix,
    /// What the verdict's events have told so far …
    shown: Value,
    /// … and each cell of the table, by its name.
    cells: HashMap<String, Cell>,
    closing: CancellationToken,
    until: Instant,
    _slot: StreamSlot,
}

impl Feed {
    /// The feed of a check for the client at `ip`; `None` when it has too many.
    pub(crate) fn new(app: &Shared, t: Lang, stream: CheckStream, ip: IpAddr) -> Option<Self> {
        let board = Board::new(stream.target.clone());
        Some(Self {
            t,
            matrix: Matrix::new(t, &board),
            board,
            stream,
            shown: json!({}),
            cells: HashMap::new(),
            closing: app.closing.clone(),
            until: Instant::now() + MAX_STREAM,
            _slot: app.streams.take(ip)?,
        })
    }

    /// The next event, already folded into the board; `None` at the end, at the program's end, and after [`MAX_STREAM`].
    pub(crate) async fn next(&mut self) -> Option<Arc<CheckEvent>> {
        if self.board.is_done() {
            return None;
        }
        let event = tokio::select! {
            () = self.closing.cancelled() => None,
            () = tokio::time::sleep_until(self.until) => None,
            event = self.stream.next() => event,
        }?;
        let known = self.board.panel.len();
        self.board.fold(&event);
        if self.board.panel.len() != known {
            self.matrix = Matrix::new(self.t, &self.board);
        }
        Some(event)
    }

    /// What is told of an event; `None` where it changes nothing of what was told.
    fn told(&mut self, event: &CheckEvent) -> Option<Told> {
        Some(match event {
            CheckEvent::Started { target, panel, .. } => {
                Told::One("start", json!({ "target": target.to_string(), "asked": panel.len() }))
            }
            CheckEvent::SoFar(row) => Told::Row("so-far", Value::Array(self.cell(row)?.to_vec())),
            CheckEvent::Row(row) => Told::Row("rows", self.row(row)),
            CheckEvent::Verdict(diagnosis) => {
                let band = Band::of_check(self.t, &self.board);
                let hops: Map<String, Value> = hops(self.t, &self.board)
                    .iter()
                    .enumerate()
                    .map(|(place, hop)| (place.to_string(), json!([hop.state, hop.says])))
                    .collect();
                let told = json!({ "verdict": diagnosis.verdict, "band": band, "hops": hops });
                let patch = patch(&self.shown, &told)?;
                self.shown = told;
                Told::One("verdict", patch)
            }
            CheckEvent::Done { took, answered, asked } => {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                Told::One("done", json!({ "took_ms": took_ms, "answered": answered, "asked": asked }))
            }
        })
    }

    /// One row, small: tester, outcome, microseconds to the first byte, and its cell where that changes.
    fn row(&mut self, row: &CheckRow) -> Value {
        let took = row.result.phases.first_byte.unwrap_or(row.result.phases.total);
        let outcome = row.result.outcome.about_target().to_string();
        let mut told = vec![json!(row.agent), json!(outcome), json!(took.0)];
        told.extend(self.cell(row).into_iter().flatten());
        Value::Array(told)
    }

    /// The cell of the page's table a row is in, as name, state and text; `None` where it was told so already.
    fn cell(&mut self, row: &CheckRow) -> Option<[Value; 3]> {
        let cell = self.matrix.cell_of(&self.board, &row.agent)?;
        let told = [json!(cell.id), json!(cell.state), json!(cell.text)];
        let same = self.cells.get(&cell.id) == Some(&cell);
        self.cells.insert(cell.id.clone(), cell);
        (!same).then_some(told)
    }
}

/// The JSON merge patch (RFC 7396) that makes `after` of `before`, which has no member that `after` lacks; `None` where they are the
/// same. A check's sentence stays while its counts go on: told whole each time it would be most of the stream.
fn patch(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let member = |(name, value): (&String, &Value)| {
        let changed = old.get(name).map_or_else(|| Some(value.clone()), |old| patch(old, value));
        changed.map(|changed| (name.clone(), changed))
    };
    let changed: Map<String, Value> = new.iter().filter_map(member).collect();
    (!changed.is_empty()).then_some(Value::Object(changed))
}

/// The language of the sentences.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Tongue {
    #[serde(default)]
    lang: String,
}

/// `GET /api/v1/checks/{id}/events`: every event from the first one on, or from after `Last-Event-ID`. Ends with `done`.
pub(crate) async fn events(
    State(app): App,
    Path(id): Path<String>,
    Query(tongue): Query<Tongue>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: CheckId = id.parse().map_err(|_| ApiError::not_found("check"))?;
    let stream = app.read.find_check(id).await?.ok_or_else(|| ApiError::not_found("check"))?;
    let feed = Feed::new(&app, Lang::of_code(&tongue.lang), stream, peer.ip())
        .ok_or_else(ApiError::too_many_streams)?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let sse = Sse::new(numbered(feed, last.unwrap_or(0))).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    let unbuffered = [("x-accel-buffering", "no"), ("cache-control", "no-store")];
    Ok((unbuffered, sse).into_response())
}

/// The events with their numbers, those up to `last` left out. Rows told together have the number of the last of them.
fn numbered(feed: Feed, last: u64) -> impl Stream<Item = Result<Event, Infallible>> {
    let told = stream::unfold((feed, 0_u64), move |(mut feed, mut number)| async move {
        loop {
            let event = feed.next().await?;
            number += 1;
            // What the reader has heard before it came again counts as told.
            let told = feed.told(&event);
            if let Some(told) = told.filter(|_| number > last) {
                return Some(((number, told), (feed, number)));
            }
        }
    });
    let event = |(number, name, value): (u64, &str, Value)| {
        Ok(Event::default().event(name).id(number.to_string()).data(value.to_string()))
    };
    let together = told.chunks_timeout(MAX_GATHERED, GATHER);
    futures_util::StreamExt::flat_map(together, move |told| {
        stream::iter(gathered(told).into_iter().map(event))
    })
}

/// Events with the number of the last that is in each: rows of one name, one after the other, are one event.
fn gathered(told: Vec<(u64, Told)>) -> Vec<(u64, &'static str, Value)> {
    let mut events: Vec<(u64, &'static str, Value)> = Vec::new();
    for (number, told) in told {
        match (told, events.last_mut()) {
            (Told::Row(name, row), Some((last, same, Value::Array(rows)))) if *same == name => {
                *last = number;
                rows.push(row);
            }
            (Told::Row(name, row), _) => events.push((number, name, Value::Array(vec![row]))),
            (Told::One(name, value), _) => events.push((number, name, value)),
        }
    }
    events
}

/// The page as a stream of HTML: `open`, one chunk for each row and each verdict, and what `close` makes of the finished board.
pub(crate) fn html(
    feed: Feed,
    open: String,
    (row, stage): (impl Fn(&Row) -> String + Send + 'static, impl Fn(&Board) -> String + Send + 'static),
    close: impl FnOnce(&Board) -> String + Send + 'static,
) -> Response {
    let begin = (feed, Some(open), Some((row, stage, close)));
    let chunks = stream::unfold(begin, |(mut feed, open, tail)| async move {
        if let Some(open) = open {
            return Some((Ok::<_, Infallible>(open), (feed, None, tail)));
        }
        let (row, stage, close) = tail?;
        while let Some(event) = feed.next().await {
            let chunk = match &*event {
                CheckEvent::Row(seen) => row(&Row::said(feed.t, seen)),
                CheckEvent::Verdict(_) => stage(&feed.board),
                CheckEvent::Started { .. } | CheckEvent::SoFar(_) | CheckEvent::Done { .. } => continue,
            };
            return Some((Ok(chunk), (feed, None, Some((row, stage, close)))));
        }
        let chunk = close(&feed.board);
        Some((Ok(chunk), (feed, None, None)))
    });
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/html; charset=utf-8"),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}

#[cfg(test)]
mod tests {
    use parallax_model::{Diagnosis, Verdict};

    use super::*;
    use crate::WebState;
    use crate::sample::{FakeReadSide, sample_sites};

    /// Every verdict's event of a check in which these diagnoses were published, one after the other, and the check's end.
    async fn verdicts(diagnoses: &[Diagnosis]) -> Vec<Value> {
        let target = sample_sites().remove(0).target;
        let mut events: Vec<Arc<CheckEvent>> =
            diagnoses.iter().map(|d| Arc::new(CheckEvent::Verdict(Box::new(d.clone())))).collect();
        events.push(Arc::new(CheckEvent::Done { took: Duration::from_secs(1), answered: 9, asked: 9 }));
        let app = Shared::new(WebState::new(Arc::new(FakeReadSide::new(Duration::ZERO))));
        let stream = CheckStream::new((CheckId(1), target, false), events, None);
        let mut feed = Feed::new(&app, Lang::En, stream, "192.0.2.1".parse().unwrap()).unwrap();
        let mut told = Vec::new();
        while let Some(event) = feed.next().await {
            if let Some(Told::One("verdict", value)) = feed.told(&event) {
                told.push(value);
            }
        }
        told
    }

    #[tokio::test]
    async fn a_verdict_says_only_what_is_other_than_before() {
        let down =
            Diagnosis { agents: 9, failing: 9, verdict: Verdict::Down, ..Diagnosis::unknown("", Vec::new()) };
        let more = Diagnosis { agents: 12, failing: 12, ..down.clone() };
        let told = verdicts(&[down.clone(), down.clone(), more]).await;
        assert_eq!(told.len(), 2, "said twice, told once");
        assert_eq!(told[0]["band"]["word"], "Down");
        assert_eq!(told[0]["hops"].as_object().map(Map::len), Some(5));
        let second = "12 of 12 testers fail. Most see: no answer.";
        assert_eq!(told[1], json!({ "band": { "second": told[1]["band"]["second"] } }));
        assert_eq!(told[1]["band"]["second"], second);
    }

    #[test]
    fn rows_that_come_together_are_one_event() {
        let row = |name, tester: &str| Told::Row(name, json!([tester]));
        let told = vec![
            (2, row("so-far", "a")),
            (3, row("rows", "b")),
            (4, row("rows", "a")),
            (5, Told::One("verdict", json!({}))),
            (6, row("rows", "c")),
        ];
        let events = [
            (2, "so-far", json!([["a"]])),
            (4, "rows", json!([["b"], ["a"]])),
            (5, "verdict", json!({})),
            (6, "rows", json!([["c"]])),
        ];
        assert_eq!(gathered(told), events);
    }

    #[test]
    fn a_patch_holds_what_differs() {
        for (before, after, expected) in [
            (json!({}), json!({ "a": { "b": 1 } }), json!({ "a": { "b": 1 } })),
            (
                json!({ "a": 1, "b": { "c": 2, "d": 3 } }),
                json!({ "a": 1, "b": { "c": 2, "d": 4 } }),
                json!({ "b": { "d": 4 } }),
            ),
            (
                json!({ "0": ["up", "resolves"] }),
                json!({ "0": ["down", "resolves"] }),
                json!({ "0": ["down", "resolves"] }),
            ),
        ] {
            assert_eq!(patch(&before, &after), Some(expected));
            assert_eq!(patch(&after, &after), None);
        }
    }
}
