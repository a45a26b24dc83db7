//! Who wrote an answer: an edge (and which point of presence), a gateway, the origin, or something on the path.
//!
//! 1. Where a `Proxy-Status` header (RFC 9209) says that a hop made the answer, that decides.
//! 2. Else every mark of every known emitter is tried; the heaviest that fits names the writer. A page of its own weighs more
//!    than a header that only the writer sets, and that more than `Server`, which many on the way rewrite.
//! 3. Known emitters that left a trace without having written it stand in `via`, nearest to the visitor first.
//! 4. Nothing fits: `unknown`. A guess would be worse.
//!
//! The marks are data: `fingerprints/*.toml`, each with its source and samples that the tests run; the build makes tables of them.
//! A page's text is looked at and forgotten; nothing of it is kept here.

mod cause;
mod glob;
mod index;
mod known;
mod page;
mod proxy_status;
pub(crate) mod retry_after;

use std::sync::Arc;

use http::HeaderMap;
use parallax_model::{BlockedFailure, Confidence, Emitter, FailureKind, Layer, Pop, StatusCode};

pub use self::cause::ResponseCause;
use self::index::{Answer, Fit};
use self::known::{FINGERPRINTS, Fingerprint, Place};
pub use self::page::MAX_PAGE_BYTES;

#[cfg(test)]
mod cost;
#[cfg(test)]
mod score;
#[cfg(test)]
mod spelling;
#[cfg(test)]
mod tests;

/// Most names in `via`: what the aggregator takes. A longer list would cost the whole batch it travels in.
const MAX_VIA: usize = 16;
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
    let answer = Answer::new(status, headers, body_prefix);
    let fits = index::fits(&answer);
    let stated = proxy_status::read(headers);
    if let Some(error) = stated.iter().find(|hop| hop.error.is_some()) {
        return by_proxy_status(error, &stated, &answer, &fits);
    }
    // The first of equals wins, so order in the files decides between marks of one weight.
    let mut best: Option<&Fit> = None;
    for fit in &fits {
        if fit.weight > best.map_or(0, |b| b.weight) {
            best = Some(fit);
        }
    }
    let via = passers(&fits, best.map(|fit| fit.known));
    let pop = answering_pop(best.map(|fit| fit.known), &fits, headers);
    let Some(fit) = best else {
        return Explained {
            emitter: Emitter { via, pop, ..Emitter::unknown() },
            cause: cause::of(status, None),
            confidence: Confidence::default(),
            evidence: Vec::new(),
            kind: kind_of(status, None),
        };
    };
    let kind = kind_of(status, Some(fit));
    let is_refusal = matches!(kind, Some(FailureKind::Blocked(_)));
    let usual = fit.known.cause.filter(|_| is_refusal || fit.is_firm());
    // Where nothing failed there is nothing to explain.
    let failed = kind.is_some() || status.is_none_or(|status| status >= 400);
    let cause = fit.cause.or(usual).filter(|_| failed);
    Explained {
        emitter: Emitter { name: fit.known.name.into(), layer: fit.layer(status), pop, via },
        cause: cause::of(status, cause),
        confidence: Confidence::new(f64::from(fit.weight) / 100.0),
        evidence: fit.marks.iter().take(MAX_EVIDENCE).map(|mark| mark.shown()).collect(),
        kind,
    }
}

/// The hop that says it made the answer is believed; what we know of its product adds layer and PoP.
fn by_proxy_status(
    error: &proxy_status::Stated,
    stated: &[proxy_status::Stated],
    answer: &Answer<'_>,
    fits: &[Fit],
) -> Explained {
    let known = FINGERPRINTS.iter().find(|known| known.calls_itself(&error.name));
    let name: Arc<str> = known.map_or(error.name.as_str(), |known| known.name).into();
    let mut via: Vec<Arc<str>> = Vec::new();
    // The list begins at the origin (RFC 9209, 2); we name the nearest to the visitor first.
    for hop in stated.iter().rev() {
        let known = FINGERPRINTS.iter().find(|known| known.calls_itself(&hop.name));
        let hop: Arc<str> = known.map_or(hop.name.as_str(), |known| known.name).into();
        if hop != name && !via.contains(&hop) {
            via.push(hop);
        }
    }
    for passer in passers(fits, known) {
        if !via.contains(&passer) {
            via.push(passer);
        }
    }
    via.truncate(MAX_VIA);
    let reason = error.error.as_deref().unwrap_or_default();
    Explained {
        emitter: Emitter {
            name,
            layer: known.map_or(Layer::Gateway, |known| known.layer.layer(answer.status)),
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
fn answering_pop(writer: Option<&Fingerprint>, fits: &[Fit], headers: &HeaderMap) -> Option<Pop> {
    let mut passed: Vec<&Fingerprint> = fits.iter().filter(|fit| fit.passed).map(|fit| fit.known).collect();
    passed.sort_by_key(|known| known.distance());
    writer.into_iter().chain(passed).find_map(|known| known.pop(headers))
}

/// Who else left a trace, nearest to the visitor first. The web server that a firewall runs in is no hop of its own.
fn passers(fits: &[Fit], writer: Option<&Fingerprint>) -> Vec<Arc<str>> {
    let hosts_it = |known: &Fingerprint| matches!(known.layer, Place::Proxy | Place::Origin);
    let counts = |known: &Fingerprint| match writer {
        Some(writer) => known.name != writer.name && !(writer.refuses && hosts_it(known)),
        None => true,
    };
    let mut passed: Vec<&Fingerprint> =
        fits.iter().filter(|fit| fit.passed && counts(fit.known)).map(|fit| fit.known).collect();
    passed.sort_by_key(|known| known.distance());
    passed.iter().take(MAX_VIA).map(|known| known.name.into()).collect()
}

/// What an answer counts as: what a mark says, else what the status says together with who wrote it.
fn kind_of(status: Option<u16>, writer: Option<&Fit>) -> Option<FailureKind> {
    use BlockedFailure as B;
    if let Some(kind) = writer.and_then(|fit| fit.kind) {
        return Some(FailureKind::Blocked(kind));
    }
    let refuses = writer.is_some_and(|fit| fit.known.refuses);
    let kept_out = refuses || writer.is_some_and(|fit| fit.layer(status) == Layer::Middlebox);
    match status? {
        451 => Some(FailureKind::Blocked(B::Legal)),
        403 | 406 | 429 if kept_out => Some(FailureKind::Blocked(B::BlockPage)),
        403 | 406 | 429 | 999 => Some(FailureKind::Blocked(B::Challenge)),
        // A firewall's name on an answer may only say that it passed: a 404 or a 502 has to carry its refusal.
        400.. if refuses && writer.is_some_and(Fit::is_firm) => Some(FailureKind::Blocked(B::BlockPage)),
        code @ 500.. => StatusCode::new(code).ok().map(FailureKind::status),
        _ => None,
    }
}
