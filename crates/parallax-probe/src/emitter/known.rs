//! The fingerprint files as data: who is known, and by which marks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::HeaderMap;
use parallax_model::{BlockedFailure, Layer, Pop};
use serde::Deserialize;

use super::ResponseCause;
use super::glob;

/// The files, in the order in which the first of equally heavy marks wins.
const FILES: [(&str, &str); 4] = [
    ("edges.toml", include_str!("../../fingerprints/edges.toml")),
    ("gateways.toml", include_str!("../../fingerprints/gateways.toml")),
    ("origins.toml", include_str!("../../fingerprints/origins.toml")),
    ("middleboxes.toml", include_str!("../../fingerprints/middleboxes.toml")),
];

/// Every known emitter.
pub(super) fn all() -> &'static [Fingerprint] {
    static ALL: LazyLock<Vec<Fingerprint>> = LazyLock::new(|| {
        let read = |(name, text): &(&str, &str)| -> Vec<Fingerprint> {
            let file: File = toml::from_str(text).unwrap_or_else(|e| unreadable(name, &e));
            file.emitter
        };
        FILES.iter().flat_map(read).collect()
    });
    &ALL
}

/// The files are compiled in and read by every test run, so this cannot be met in the field.
fn unreadable(name: &str, error: &toml::de::Error) -> ! {
    panic!("the fingerprint file {name} was compiled in although it cannot be read: {error}")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    emitter: Vec<Fingerprint>,
}

/// Where an emitter stands. A `proxy` stands before the origin when it speaks for one (502, 503, 504), and is it otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Edge,
    Gateway,
    Origin,
    Middlebox,
    Proxy,
    Unknown,
}

/// One known emitter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fingerprint {
    /// What results call it.
    pub(super) name: String,
    layer: Place,
    /// Where the marks are documented.
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever edits the files, and for the tests"))]
    pub(super) source: String,
    /// What it calls itself in `Proxy-Status`, as patterns.
    #[serde(default)]
    proxy_status: Vec<String>,
    pop: Option<PopRule>,
    /// Each shows that it wrote the answer.
    #[serde(default)]
    mark: Vec<Mark>,
    /// Each shows only that the answer went through it.
    #[serde(default)]
    pass: Vec<Mark>,
    /// Answers it wrote, for the tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests run them"))]
    #[serde(default)]
    pub(super) sample: Vec<Sample>,
}

/// Where the name of the point of presence stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PopRule {
    header: String,
    /// It begins after the last of these; without, the whole value counts.
    after: Option<String>,
    /// It has this many characters; without, it goes to the end.
    length: Option<usize>,
}

/// What an answer must have, all of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// How much it shows, 1 to 100.
    #[serde(default)]
    weight: u8,
    /// One of these statuses.
    #[serde(default)]
    status: Vec<u16>,
    /// Patterns for values of headers; any line of a header may fit.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Headers that must be missing.
    #[serde(default)]
    without: Vec<String>,
    /// Pieces of the page, lower case.
    #[serde(default)]
    body: Vec<String>,
    /// The whole page, white space around it left out, lower case.
    body_is: Option<String>,
    layer: Option<Place>,
    cause: Option<ResponseCause>,
    kind: Option<BlockedFailure>,
}

/// An answer with what must be found in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(test), expect(dead_code, reason = "the tests run them"))]
pub(super) struct Sample {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: String,
    /// The writer, when it is another.
    pub(super) emitter: Option<String>,
    pub(super) layer: Layer,
    pub(super) pop: Option<String>,
    #[serde(default)]
    pub(super) via: Vec<String>,
    pub(super) cause: Option<ResponseCause>,
    pub(super) kind: Option<String>,
}

/// An answer as marks look at it.
pub(super) struct Answer<'a> {
    pub(super) status: Option<u16>,
    pub(super) headers: &'a HeaderMap,
    /// Lower case.
    pub(super) page: &'a str,
}

/// What fits of one emitter.
pub(super) struct Fit<'a> {
    /// The heaviest mark's; 0 when the answer only went through.
    pub(super) weight: u8,
    pub(super) cause: Option<ResponseCause>,
    pub(super) kind: Option<BlockedFailure>,
    /// Whether the answer went through it.
    pub(super) passed: bool,
    pub(super) shown: Vec<String>,
    heaviest: Option<&'a Mark>,
}

impl Fit<'_> {
    /// Where it stands, as the heaviest mark says, else as it usually does.
    pub(super) fn layer(&self, known: &Fingerprint, status: Option<u16>) -> Layer {
        self.heaviest.and_then(|mark| mark.layer).unwrap_or(known.layer).layer(status)
    }
}

impl Place {
    fn layer(self, status: Option<u16>) -> Layer {
        match self {
            Self::Edge => Layer::Edge,
            Self::Gateway => Layer::Gateway,
            Self::Middlebox => Layer::Middlebox,
            Self::Unknown => Layer::Unknown,
            Self::Proxy if matches!(status, Some(502..=504)) => Layer::Gateway,
            Self::Origin | Self::Proxy => Layer::Origin,
        }
    }
}

impl Fingerprint {
    /// What of it is in an answer; `None` when nothing is.
    pub(super) fn fit(&self, answer: &Answer<'_>) -> Option<Fit<'_>> {
        let mut marks: Vec<&Mark> = self.mark.iter().filter(|mark| mark.fits(answer)).collect();
        let passed = self.pass.iter().any(|mark| mark.fits(answer));
        if marks.is_empty() && !passed {
            return None;
        }
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.weight));
        let heaviest = marks.first().copied();
        Some(Fit {
            weight: heaviest.map_or(0, |mark| mark.weight),
            cause: marks.iter().find_map(|mark| mark.cause),
            kind: marks.iter().find_map(|mark| mark.kind),
            passed,
            shown: marks.iter().map(|mark| mark.shown()).collect(),
            heaviest,
        })
    }

    /// Whether a hop of this name in `Proxy-Status` is this emitter.
    pub(super) fn calls_itself(&self, name: &str) -> bool {
        self.name == name || self.proxy_status.iter().any(|pattern| glob::fits(pattern, name))
    }

    /// Where it stands when only its name is known.
    pub(super) fn plain_layer(&self, status: Option<u16>) -> Layer {
        self.layer.layer(status)
    }

    /// The point of presence the answer names.
    pub(super) fn pop(&self, headers: &HeaderMap) -> Option<Pop> {
        let rule = self.pop.as_ref()?;
        let value = headers.get_all(&rule.header).iter().next_back()?.to_str().ok()?;
        let text = match &rule.after {
            Some(after) => value.rsplit_once(after.as_str())?.1,
            None => value,
        };
        let text = rule.length.map_or(Some(text), |length| text.get(..length))?;
        text.trim().parse().ok()
    }

    /// Whether every mark weighs 1 to 100 and looks at something.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let looks = |mark: &Mark| !mark.headers.is_empty() || !mark.body.is_empty() || mark.body_is.is_some();
        self.mark.iter().all(|mark| (1..=100).contains(&mark.weight) && looks(mark))
            && self.pass.iter().all(looks)
    }

    /// How far from the visitor such emitters stand.
    pub(super) fn distance(&self) -> u8 {
        match self.layer {
            Place::Middlebox => 0,
            Place::Edge => 1,
            Place::Gateway => 2,
            Place::Proxy | Place::Unknown => 3,
            Place::Origin => 4,
        }
    }
}

impl Mark {
    fn fits(&self, answer: &Answer<'_>) -> bool {
        let status_fits =
            self.status.is_empty() || answer.status.is_some_and(|status| self.status.contains(&status));
        status_fits
            && self.headers.iter().all(|(name, pattern)| has(answer.headers, name, pattern))
            && !self.without.iter().any(|name| answer.headers.contains_key(name))
            && self.body.iter().all(|piece| glob::holds(piece, answer.page))
            && self.body_is.as_deref().is_none_or(|page| answer.page.trim() == page)
    }

    /// What the mark looked at, for people to read.
    fn shown(&self) -> String {
        let headers = self.headers.iter().map(|(name, pattern)| format!("{name}: {pattern}"));
        let pieces = self.body.iter().chain(&self.body_is).map(|piece| format!("page has {piece:?}"));
        headers.chain(pieces).collect::<Vec<_>>().join("; ")
    }
}

fn has(headers: &HeaderMap, name: &str, pattern: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        let value = String::from_utf8_lossy(value.as_bytes());
        pattern == "*" || glob::fits(pattern, value.trim().to_ascii_lowercase().as_str())
    })
}
