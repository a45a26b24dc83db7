//! The way from a visitor to the site, hop by hop, with what the testers saw at each.

use parallax_model::{ConnectFailure, FailureKind, HttpFailure, Layer, Micros, TlsFailure, VisitorVerdict};
use serde::Serialize;

use super::board::Board;
use super::failure;
use super::glyph::Glyph;
use super::row::{median, millis};

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Hop {
    pub(crate) name: &'static str,
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
pub(crate) fn hops(board: &Board) -> Vec<Hop> {
    let seen: Vec<_> = board
        .rows
        .iter()
        .filter(|row| !row.result.outcome.about_target().kind().is_some_and(FailureKind::is_agent))
        .map(|row| (reach(row), row.result.outcome.about_target().kind()))
        .collect();
    let connect = board.rows.iter().filter_map(|row| row.result.phases.connect).map(|m| m.0).collect();
    let network = match median(connect) {
        Some(us) => format!("Connects in {}", millis(Micros(us))),
        None => "Connects".to_owned(),
    };
    let runs = board.took.is_none();
    vec![
        you(board),
        hop((runs, &seen), ("DNS", Reach::Dns), "The name has an address".to_owned()),
        hop((runs, &seen), ("Network", Reach::Network), network),
        hop((runs, &seen), ("Front server", Reach::Front), "Answers".to_owned()),
        hop((runs, &seen), ("Site’s server", Reach::Origin), "Replies".to_owned()),
    ]
}

fn you(board: &Board) -> Hop {
    let (state, says) = match board.diagnosis.as_ref().and_then(|d| d.visitor) {
        Some(VisitorVerdict::JustYou) => (Glyph::Down, "It may be only you"),
        Some(VisitorVerdict::YourIsp) => (Glyph::Down, "Your provider fails too"),
        Some(VisitorVerdict::Affected) => (Glyph::Partly, "You are affected"),
        Some(VisitorVerdict::NotAffected) => (Glyph::Up, "Not affected"),
        Some(VisitorVerdict::Unknown) | None => (Glyph::Unknown, "Not tested from here"),
    };
    Hop { name: "You", state, says: says.to_owned() }
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

fn hop((runs, seen): (bool, &Seen), (name, at): (&'static str, Reach), fine: String) -> Hop {
    let came = seen.iter().filter(|(reach, _)| *reach >= at).count();
    let stuck: Vec<FailureKind> =
        seen.iter().filter(|(r, _)| *r == at).filter_map(|(_, kind)| *kind).collect();
    let (state, says) = match (came, stuck.first()) {
        (0, _) if seen.is_empty() && runs => (Glyph::Waiting, String::new()),
        (0, _) if seen.is_empty() => (Glyph::Unknown, "Not tested".to_owned()),
        (0, _) => (Glyph::Unknown, "Not reached".to_owned()),
        (_, None) => (Glyph::Up, fine),
        (n, Some(kind)) => {
            let state = match (kind.is_blocked(), stuck.len() == n) {
                (true, _) => Glyph::Hidden,
                (false, true) => Glyph::Down,
                (false, false) => Glyph::Partly,
            };
            (state, format!("{} of {n}: {}", stuck.len(), failure::short(*kind)))
        }
    };
    Hop { name, state, says }
}
