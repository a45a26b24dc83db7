//! "Is it only you?": what a visitor's own browser found, beside what testers found.
//!
//! The browser's test is opt-in. Its result and the visitor's address are used for this one answer and kept nowhere.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parallax_aggregator::CheckRow;
use parallax_model::{CheckId, Vantage};
use serde::Deserialize;

use super::PageResult;
use super::error::{Part, missing, unusable};
use crate::api::checks::board_so_far;
use crate::escape::neutral;
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::serve::Peer;
use crate::state::App;
use crate::view::board::Board;
use crate::view::glyph::Glyph;
use crate::view::place::country_long;
use crate::view::sentence::Names;

/// `GET /beacon`: what a browser fetches of us while it fetches the site, to tell whether its own line works.
pub(crate) async fn beacon() -> Response {
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (headers, "ok\n").into_response()
}

/// How a try of the browser ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Try {
    /// Something was answered.
    Ok,
    /// Nothing, at once.
    Error,
    /// Nothing, in time.
    Timeout,
    /// The browser was not allowed to try: a redirect elsewhere, or a plain-text site seen from a secure page.
    Barred,
}

/// What the browser found.
#[derive(Debug, Deserialize)]
pub(crate) struct Found {
    /// A fetch of the site's front page, blind to what the answer says.
    site: Try,
    /// A picture of the site: drawn only when it really came.
    image: Try,
    /// A fetch of our own beacon at the same moment.
    beacon: Try,
}

#[derive(Template)]
#[template(path = "pages/you.html")]
pub(crate) struct YouPage {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) id: String,
    pub(crate) host: String,
    pub(crate) state: Glyph,
    pub(crate) headline: String,
    /// What it stands on, in the order of the layers: browser, testers near, the world.
    pub(crate) lines: Vec<String>,
    pub(crate) steps: Vec<String>,
}

/// What is concluded of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conclusion {
    /// Their browser reaches it.
    Works,
    /// Their own line failed at the same moment.
    OwnLine,
    /// The browser could not be asked.
    Barred,
    /// It fails for testers everywhere too.
    Everyone,
    /// It fails for testers of their network too.
    YourIsp,
    /// It works for several testers of their own network.
    JustYou,
    /// It works elsewhere, and nobody stands in their network.
    NobodyNear,
}

impl Conclusion {
    fn key(self) -> &'static str {
        match self {
            Self::Works => "you-works",
            Self::OwnLine => "you-own-line",
            Self::Barred => "you-barred",
            Self::Everyone => "you-everyone",
            Self::YourIsp => "you-your-isp",
            Self::JustYou => "you-just-you",
            Self::NobodyNear => "you-nobody-near",
        }
    }

    fn state(self) -> Glyph {
        match self {
            Self::Works => Glyph::Up,
            Self::OwnLine | Self::JustYou => Glyph::Partly,
            Self::Everyone | Self::YourIsp => Glyph::Down,
            Self::Barred | Self::NobodyNear => Glyph::Unknown,
        }
    }
}

/// Testers and how many of them fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tally {
    all: usize,
    fail: usize,
}

impl Tally {
    fn of<'a>(rows: impl Iterator<Item = &'a CheckRow>) -> Self {
        let outcomes: Vec<bool> = rows.map(|row| row.result.outcome.is_ok()).collect();
        Self { all: outcomes.len(), fail: outcomes.iter().filter(|ok| !**ok).count() }
    }
}

fn conclude(found: &Found, near: Tally, world: Tally) -> Conclusion {
    let reaches = found.site == Try::Ok || found.image == Try::Ok;
    match (found.site, found.beacon) {
        _ if reaches => Conclusion::Works,
        (Try::Barred, _) => Conclusion::Barred,
        (_, beacon) if beacon != Try::Ok => Conclusion::OwnLine,
        _ if world.all > 0 && 2 * world.fail > world.all => Conclusion::Everyone,
        _ if near.all == 0 => Conclusion::NobodyNear,
        _ if 2 * near.fail >= near.all => Conclusion::YourIsp,
        _ => Conclusion::JustYou,
    }
}

fn browser_line(t: Lang, found: &Found) -> String {
    let key = match (found.site, found.image) {
        (_, Try::Ok) => "you-browser-image",
        (Try::Ok, _) => "you-browser-ok",
        (Try::Error, _) => "you-browser-error",
        (Try::Timeout, _) => "you-browser-timeout",
        (Try::Barred, _) => "you-browser-barred",
    };
    t.text(key)
}

fn from_where(t: Lang, origin: &Vantage) -> String {
    let country = origin.country.as_ref().map(|country| country_long(t, country.as_str()));
    let isp = origin.isp.as_ref().map(|isp| neutral(isp.as_str()).into_owned());
    let isp = match (isp, origin.asn) {
        (Some(isp), Some(asn)) => Some(format!("{isp} ({asn})")),
        (isp, asn) => isp.or_else(|| asn.map(|asn| asn.to_string())),
    };
    match (isp, country) {
        (Some(isp), Some(country)) => t.with("you-from-both").s("isp", isp).s("country", country).text(),
        (Some(isp), None) => t.with("you-from-isp").s("isp", isp).text(),
        (None, Some(country)) => t.with("you-from-country").s("country", country).text(),
        (None, None) => t.text("you-from-unknown"),
    }
}

fn near_line(t: Lang, origin: &Vantage, near: Tally) -> String {
    match (origin.asn, near.all) {
        (None, _) => t.text("you-near-unknown"),
        (Some(_), 0) => t.text("you-near-nobody"),
        (Some(_), n) => t.with("you-near").n("works", n - near.fail).n("total", n).text(),
    }
}

/// `POST /c/{id}/you`: the browser's result, answered with what it means. Nothing is stored.
pub(crate) async fn answer(
    State(app): App,
    (visit, Part(id)): (Visit, Part),
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HeaderMap,
    form: Result<Form<Found>, FormRejection>,
) -> PageResult {
    let t = visit.t;
    let found = match id.parse::<CheckId>() {
        Ok(id) => app.read.find_check(id).await?,
        Err(_) => None,
    };
    let Some(stream) = found else {
        return Ok(missing(&app, (&visit, &request), ("missing-check", "missing-check-why")));
    };
    let Ok(Form(found)) = form else {
        return Ok(unusable(&app, (&visit, &request), ("you-unread", "you-unread-why")));
    };
    let board = board_so_far(&stream);
    let origin = app.read.origin(peer.ip());
    let others = others_there(&app, &board, &origin).await?;
    let view = told(t, Frame::new(&app, &visit, ""), (&board, &origin), (&found, others, id));
    let mut response = page(&view, StatusCode::OK, &request);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// How many visitors of the same network reported a problem with the site lately; `None` when the network is not known.
async fn others_there(
    app: &crate::state::Shared,
    board: &Board,
    origin: &Vantage,
) -> Result<Option<u32>, parallax_aggregator::ReadError> {
    let Some(asn) = origin.asn else { return Ok(None) };
    let shares = app.read.report_shares(&board.target.host).await?;
    Ok(Some(shares.networks.iter().find(|(of, _)| *of == asn).map_or(0, |(_, n)| *n)))
}

fn told(
    t: Lang,
    frame: Frame,
    (board, origin): (&Board, &Vantage),
    (found, others, id): (&Found, Option<u32>, String),
) -> YouPage {
    let same = |row: &&CheckRow| origin.asn.is_some() && row.vantage.asn == origin.asn;
    let (near, world) = (Tally::of(board.rows.iter().filter(same)), Tally::of(board.rows.iter()));
    let conclusion = conclude(found, near, world);
    let host = board.target.host.to_string();
    let mut lines = vec![browser_line(t, found)];
    if found.beacon != Try::Ok {
        lines.push(t.text("you-beacon-failed"));
    }
    lines.push(from_where(t, origin));
    lines.push(near_line(t, origin, near));
    if let Some(n) = others {
        lines.push(
            t.with("you-others")
                .n("n", n)
                .s("isp", origin.asn.map(|asn| Names::of_rows(&board.rows).of_asn(asn)).unwrap_or_default())
                .text(),
        );
    }
    lines.push(t.with("you-world").n("works", world.all - world.fail).n("total", world.all).text());
    let helps = matches!(conclusion, Conclusion::JustYou | Conclusion::NobodyNear | Conclusion::OwnLine);
    let steps = if helps {
        crate::view::advice::ONLY_YOU.iter().map(|key| t.text(key)).collect()
    } else {
        Vec::new()
    };
    YouPage {
        t,
        frame,
        id,
        headline: t.with(conclusion.key()).s("host", &host).text(),
        host,
        state: conclusion.state(),
        lines,
        steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_layers_are_weighed() {
        use Try::{Barred, Error, Ok, Timeout};
        let cases = [
            ((Ok, Error, Ok), (3, 0), (27, 0), Conclusion::Works),
            ((Error, Ok, Ok), (3, 0), (27, 0), Conclusion::Works),
            ((Error, Error, Error), (3, 0), (27, 0), Conclusion::OwnLine),
            ((Barred, Barred, Ok), (3, 0), (27, 0), Conclusion::Barred),
            ((Timeout, Error, Ok), (3, 3), (27, 27), Conclusion::Everyone),
            ((Timeout, Error, Ok), (3, 2), (27, 3), Conclusion::YourIsp),
            ((Error, Error, Ok), (3, 0), (27, 0), Conclusion::JustYou),
            ((Error, Error, Ok), (0, 0), (27, 0), Conclusion::NobodyNear),
        ];
        for ((site, image, beacon), near, world, expected) in cases {
            let tally = |(all, fail)| Tally { all, fail };
            let found = Found { site, image, beacon };
            assert_eq!(conclude(&found, tally(near), tally(world)), expected, "{found:?}");
        }
    }
}
