//! The way from a visitor to the site, hop by hop, with what the testers saw at each.

use parallax_model::{ConnectFailure, FailureKind, HttpFailure, Layer, Micros, TlsFailure, VisitorVerdict};
use serde::Serialize;

use super::board::Board;
use super::failure;
use super::glyph::Glyph;
use super::row::{median, millis};
use crate::say::Lang;

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Hop {
    pub(crate) name: String,
    pub(crate) state: Glyph,
    pub(crate) says: String,
}

/// Where a probe ended, counted from the visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Dns,
    Network,
    Front,
    Origin,
    Through,
}

/// How far each result came, and what stopped it.
type Seen = [(Reach, Option<FailureKind>)];

/// The five hops.
pub(crate) fn hops(t: Lang, board: &Board) -> Vec<Hop> {
    let seen: Vec<_> = board
        .rows
        .iter()
        .filter(|row| !row.result.outcome.about_target().kind().is_some_and(FailureKind::is_agent))
        .map(|row| (reach(row), row.result.outcome.about_target().kind()))
        .collect();
    let connect = board.rows.iter().filter_map(|row| row.result.phases.connect).map(|m| m.0).collect();
    // While answers come the middle of them moves with each: the time is told when it stands.
    let network = match median(connect).filter(|_| board.is_done()) {
        Some(us) => t.with("hop-connects-in").s("time", millis(t, Micros(us))).text(),
        None => t.text("hop-connects"),
    };
    let runs = board.took.is_none();
    let hop = |at, fine| hop(t, (runs, &seen), at, fine);
    vec![
        you(t, board),
        hop(("hop-dns", Reach::Dns), t.text("hop-resolves")),
        hop(("hop-network", Reach::Network), network),
        hop(("hop-front", Reach::Front), t.text("hop-answers")),
        hop(("hop-origin", Reach::Origin), t.text("hop-replies")),
    ]
}

fn you(t: Lang, board: &Board) -> Hop {
    let (state, says) = match board.diagnosis.as_ref().and_then(|d| d.visitor) {
        Some(VisitorVerdict::JustYou) => (Glyph::Down, "hop-you-only"),
        Some(VisitorVerdict::YourIsp) => (Glyph::Down, "hop-you-isp"),
        Some(VisitorVerdict::Affected) => (Glyph::Partly, "hop-you-affected"),
        Some(VisitorVerdict::NotAffected) => (Glyph::Up, "hop-you-fine"),
        Some(VisitorVerdict::Unknown) | None => (Glyph::Unknown, "hop-you-untested"),
    };
    Hop { name: t.text("hop-you"), state, says: t.text(says) }
}

/// Where on the way a result's failure lies. A gateway's 5xx was written by a front server that works, about a site's server
/// that does not.
fn reach(row: &parallax_aggregator::CheckRow) -> Reach {
    let layer = row.result.emitter.as_ref().map_or(Layer::Unknown, |e| e.layer);
    match row.result.outcome.about_target().kind() {
        None | Some(FailureKind::Agent(_)) => Reach::Through,
        Some(FailureKind::Dns(_)) => Reach::Dns,
        Some(FailureKind::Connect(ConnectFailure::Refused)) => Reach::Front,
        Some(
            FailureKind::Connect(_)
            | FailureKind::Quic(_)
            | FailureKind::Tls(TlsFailure::Reset | TlsFailure::Timeout),
        ) => Reach::Network,
        Some(FailureKind::Tls(_) | FailureKind::Blocked(_)) => Reach::Front,
        Some(FailureKind::Http(HttpFailure::Status(code))) => match (layer, code.get()) {
            (Layer::Edge | Layer::Gateway, 502..=504 | 520..=527)
            | (Layer::Origin, _)
            | (Layer::Unknown, 500..=504) => Reach::Origin,
            (Layer::Middlebox, _) => Reach::Network,
            _ => Reach::Front,
        },
        Some(FailureKind::Http(_)) => Reach::Origin,
    }
}

fn hop(t: Lang, (runs, seen): (bool, &Seen), (name, at): (&str, Reach), fine: String) -> Hop {
    let came = seen.iter().filter(|(reach, _)| *reach >= at).count();
    let stuck: Vec<FailureKind> =
        seen.iter().filter(|(r, _)| *r == at).filter_map(|(_, kind)| *kind).collect();
    let (state, says) = match (came, stuck.first()) {
        (0, _) if seen.is_empty() && runs => (Glyph::Waiting, String::new()),
        (0, _) if seen.is_empty() => (Glyph::Unknown, t.text("hop-untested")),
        (0, _) => (Glyph::Unknown, t.text("hop-unreached")),
        (_, None) => (Glyph::Up, fine),
        (n, Some(kind)) => {
            let state = match (kind.is_blocked(), stuck.len() == n) {
                (true, _) => Glyph::Hidden,
                (false, true) => Glyph::Down,
                (false, false) => Glyph::Partly,
            };
            let stuck = t.with("hop-stuck").n("failing", stuck.len()).n("total", n);
            (state, stuck.s("what", failure::short(t, *kind)).text())
        }
    };
    Hop { name: t.text(name), state, says }
}
