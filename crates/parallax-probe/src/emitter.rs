//! Who wrote an answer: an edge (and which point of presence), a gateway, the origin, or something on the path.
//!
//! 1. Where a `Proxy-Status` header (RFC 9209) says that a hop made the answer, that decides.
//! 2. Else every mark of every known emitter is tried; the heaviest that fits names the writer. A page of its own weighs more
//!    than a header that only the writer sets, and that more than `Server`, which many on the way rewrite.
//! 3. Known emitters that left a trace without having written it stand in `via`, nearest to the visitor first.
//! 4. Nothing fits: `unknown`. A guess would be worse.
//!
//! The marks are data: `fingerprints/*.toml`, each with its source and samples that the tests run. A page's text is looked at
//! and forgotten; nothing of it is kept here.

mod cause;
mod glob;
mod known;
mod proxy_status;

use std::sync::Arc;

use http::HeaderMap;
use parallax_model::{BlockedFailure, Confidence, Emitter, FailureKind, Layer, Pop, StatusCode};

pub use self::cause::ResponseCause;
use self::known::{Answer, Fingerprint, Fit};

#[cfg(test)]
mod tests;

/// How much of a page's beginning is searched, in bytes.
pub const MAX_PAGE_BYTES: usize = 8 * 1_024;
/// Most lines of evidence.
const MAX_EVIDENCE: usize = 8;
/// A `Proxy-Status` decides; this is how sure it makes us.
const PROXY_STATUS_CONFIDENCE: f64 = 0.98;

/// What an answer says about who wrote it, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Who wrote it.
    pub emitter: Emitter,
    /// Why, as far as the answer alone says.
    pub cause: ResponseCause,
    /// How sure of the emitter.
    pub confidence: Confidence,
    /// What shows it, one line each, most telling first.
    pub evidence: Vec<String>,
    /// What the answer counts as; `None` when it counts as ok.
    pub kind: Option<FailureKind>,
}

/// Explains an answer by its status, its headers and the beginning of its page. Of the page, [`MAX_PAGE_BYTES`] are searched.
pub fn emitter(status: Option<u16>, headers: &HeaderMap, body_prefix: &[u8]) -> Explained {
    let page =
        String::from_utf8_lossy(&body_prefix[..body_prefix.len().min(MAX_PAGE_BYTES)]).to_ascii_lowercase();
    let answer = Answer { status, headers, page: &page };
    let fits: Vec<(&Fingerprint, Fit<'_>)> =
        known::all().iter().filter_map(|known| known.fit(&answer).map(|fit| (known, fit))).collect();
    let stated = proxy_status::read(headers);
    if let Some(error) = stated.iter().find(|hop| hop.error.is_some()) {
        return by_proxy_status(error, &stated, &answer, &fits);
    }
    // The first of equals wins, so order in the files decides between marks of one weight.
    let mut best: Option<(&Fingerprint, &Fit<'_>)> = None;
    for (known, fit) in &fits {
        if fit.weight > best.map_or(0, |(_, b)| b.weight) {
            best = Some((known, fit));
        }
    }
    let via = passers(&fits, best.map(|(known, _)| known.name.as_str()));
    let Some((writer, fit)) = best else {
        return Explained {
            emitter: Emitter { via, pop: answering_pop(None, &fits, headers), ..Emitter::unknown() },
            cause: cause::of(status, None, &page),
            confidence: Confidence::default(),
            evidence: Vec::new(),
            kind: kind_of(status, None),
        };
    };
    let emitter = Emitter {
        name: writer.name.as_str().into(),
        layer: fit.layer(writer, status),
        pop: answering_pop(Some(writer), &fits, headers),
        via,
    };
    Explained {
        emitter,
        cause: cause::of(status, fit.cause, &page),
        confidence: Confidence::new(f64::from(fit.weight) / 100.0),
        evidence: fit.shown.iter().take(MAX_EVIDENCE).cloned().collect(),
        kind: kind_of(status, fit.kind),
    }
}

/// The hop that says it made the answer is believed; what we know of its product adds layer and PoP.
fn by_proxy_status(
    error: &proxy_status::Stated,
    stated: &[proxy_status::Stated],
    answer: &Answer<'_>,
    fits: &[(&Fingerprint, Fit<'_>)],
) -> Explained {
    let known = known::all().iter().find(|known| known.calls_itself(&error.name));
    let name: Arc<str> = known.map_or(error.name.as_str(), |known| known.name.as_str()).into();
    let mut via: Vec<Arc<str>> = Vec::new();
    // The list begins at the origin (RFC 9209, 2); we name the nearest to the visitor first.
    for hop in stated.iter().rev() {
        let known = known::all().iter().find(|known| known.calls_itself(&hop.name));
        let hop: Arc<str> = known.map_or(hop.name.as_str(), |known| known.name.as_str()).into();
        if hop != name && !via.contains(&hop) {
            via.push(hop);
        }
    }
    for passer in passers(fits, Some(&name)) {
        if !via.contains(&passer) {
            via.push(passer);
        }
    }
    let reason = error.error.as_deref().unwrap_or_default();
    Explained {
        emitter: Emitter {
            name,
            layer: known.map_or(Layer::Gateway, |known| known.plain_layer(answer.status)),
            pop: answering_pop(known, fits, answer.headers),
            via,
        },
        cause: cause::of_proxy_error(reason),
        confidence: Confidence::new(PROXY_STATUS_CONFIDENCE),
        evidence: vec![format!("Proxy-Status: {} says {reason}", error.name)],
        kind: kind_of(answer.status, None),
    }
}

/// The point of presence the answer came through: the writer's own, else that of whoever passed it on nearest to the visitor.
fn answering_pop(
    writer: Option<&Fingerprint>,
    fits: &[(&Fingerprint, Fit<'_>)],
    headers: &HeaderMap,
) -> Option<Pop> {
    let mut passed: Vec<&Fingerprint> =
        fits.iter().filter(|(_, fit)| fit.passed).map(|(known, _)| *known).collect();
    passed.sort_by_key(|known| known.distance());
    writer.into_iter().chain(passed).find_map(|known| known.pop(headers))
}

/// Who else left a trace, nearest to the visitor first.
fn passers(fits: &[(&Fingerprint, Fit<'_>)], writer: Option<&str>) -> Vec<Arc<str>> {
    let mut passed: Vec<&Fingerprint> = fits
        .iter()
        .filter(|(known, fit)| fit.passed && Some(known.name.as_str()) != writer)
        .map(|(known, _)| *known)
        .collect();
    passed.sort_by_key(|known| known.distance());
    passed.iter().map(|known| known.name.as_str().into()).collect()
}

/// What an answer counts as: what a mark says, else what the status says.
fn kind_of(status: Option<u16>, marked: Option<BlockedFailure>) -> Option<FailureKind> {
    if let Some(kind) = marked {
        return Some(FailureKind::Blocked(kind));
    }
    match status? {
        451 => Some(FailureKind::Blocked(BlockedFailure::Legal)),
        403 | 406 | 429 => Some(FailureKind::Blocked(BlockedFailure::Challenge)),
        code @ 500.. => StatusCode::new(code).ok().map(FailureKind::status),
        _ => None,
    }
}
