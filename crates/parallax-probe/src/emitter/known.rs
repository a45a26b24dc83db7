//! The fingerprint files as data: who is known, and by which marks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::HeaderMap;
use parallax_model::{BlockedFailure, Layer, Pop};
use serde::Deserialize;

use super::ResponseCause;
use super::glob;

/// The files, in the order in which the first of equally heavy marks wins.
const FILES: [(&str, &str); 8] = [
    ("edges.toml", include_str!("../../fingerprints/edges.toml")),
    ("gateways.toml", include_str!("../../fingerprints/gateways.toml")),
    ("firewalls.toml", include_str!("../../fingerprints/firewalls.toml")),
    ("platforms.toml", include_str!("../../fingerprints/platforms.toml")),
    ("origins.toml", include_str!("../../fingerprints/origins.toml")),
    ("middleboxes.toml", include_str!("../../fingerprints/middleboxes.toml")),
    ("blockpages.toml", include_str!("../../fingerprints/blockpages.toml")),
    ("regulators.toml", include_str!("../../fingerprints/regulators.toml")),
];

/// What a mark weighs that looks at the page, or at where the answer leads, unless it says so itself.
const PAGE_WEIGHT: u8 = 95;
/// What a mark weighs that looks at headers alone.
pub(super) const HEADER_WEIGHT: u8 = 85;
/// What a mark weighs that looks at nothing but `Server`: what many set on whatever they pass on.
const SERVER_WEIGHT: u8 = 60;
/// What a trace weighs on a refusal: more than a `Server` header that many send, less than any page.
const TRACE_WEIGHT: u8 = 65;
/// Statuses that refuse rather than fail.
const REFUSALS: [u16; 9] = [403, 405, 406, 418, 429, 444, 451, 493, 999];

/// Every known emitter.
pub(super) fn all() -> &'static [Fingerprint] {
    static ALL: LazyLock<Vec<Fingerprint>> = LazyLock::new(|| {
        let read = |(name, text): &(&str, &str)| -> Vec<Fingerprint> {
            let file: File = toml::from_str(text).unwrap_or_else(|e| unreadable(name, &e));
            file.emitter
        };
        FILES.iter().flat_map(read).map(Fingerprint::settled).collect()
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
pub(super) enum Place {
    Edge,
    Gateway,
    Origin,
    Middlebox,
    Proxy,
    Unknown,
}

impl Place {
    pub(super) fn layer(self, status: Option<u16>) -> Layer {
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

/// One known emitter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fingerprint {
    /// What results call it.
    pub(super) name: String,
    pub(super) layer: Place,
    /// Where the marks are documented.
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever edits the files, and for the tests"))]
    pub(super) source: String,
    /// What it calls itself in `Proxy-Status`, as patterns.
    #[serde(default)]
    proxy_status: Vec<String>,
    pop: Option<PopRule>,
    /// Why it writes what it writes, unless a mark says otherwise.
    pub(super) cause: Option<ResponseCause>,
    /// Whether it is there to refuse: what it writes with a status of 400 or more keeps people out.
    #[serde(default)]
    pub(super) refuses: bool,
    /// Each shows that it wrote the answer.
    #[serde(default)]
    pub(super) mark: Vec<Mark>,
    /// Each shows only that the answer went through it.
    #[serde(default)]
    pub(super) pass: Vec<Mark>,
    /// Headers it leaves on whatever goes through it. A refusal that nobody else claims is its own.
    #[serde(default)]
    trace: Vec<BTreeMap<String, String>>,
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
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// How much it shows, 1 to 100.
    #[serde(default)]
    pub(super) weight: u8,
    /// One of these statuses.
    #[serde(default)]
    pub(super) status: Vec<u16>,
    /// Patterns for values of headers; any line of a header may fit.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Headers that must be missing.
    #[serde(default)]
    pub(super) without: Vec<String>,
    /// Pieces of the page, each anywhere; `*` within a piece stands for a short stretch of anything.
    #[serde(default)]
    pub(super) body: Vec<String>,
    /// The whole page; white space counts as one.
    pub(super) body_is: Option<String>,
    /// A regular expression that fits somewhere in the searched part of the page. Only tried where `body` is found.
    pub(super) shape: Option<String>,
    /// Regular expressions for where the answer leads: `Location`, or the refresh or frame that is all there is of a page.
    #[serde(default)]
    pub(super) leads: Vec<String>,
    /// Regular expressions of which none may fit where the answer leads.
    #[serde(default)]
    pub(super) leads_not: Vec<String>,
    /// Counts only on a page that is not an article, a shop or an application: words alone could be about someone else.
    #[serde(default)]
    pub(super) plain: bool,
    pub(super) layer: Option<Place>,
    pub(super) cause: Option<ResponseCause>,
    pub(super) kind: Option<BlockedFailure>,
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
    /// Where the writer stands, when it is not where such emitters usually do.
    pub(super) layer: Option<Layer>,
    pub(super) pop: Option<String>,
    #[serde(default)]
    pub(super) via: Vec<String>,
    pub(super) cause: Option<ResponseCause>,
    pub(super) kind: Option<String>,
}

impl Fingerprint {
    /// Fills in what the files leave out, so that nobody after this has to know it.
    fn settled(mut self) -> Self {
        for headers in std::mem::take(&mut self.trace) {
            let status = REFUSALS.to_vec();
            self.mark.push(Mark {
                weight: TRACE_WEIGHT,
                status,
                headers: headers.clone(),
                ..Mark::default()
            });
            self.pass.push(Mark { headers, ..Mark::default() });
        }
        for mark in &mut self.mark {
            if mark.weight == 0 {
                mark.weight = match () {
                    () if mark.reads_page() => PAGE_WEIGHT,
                    () if mark.is_server_alone() => SERVER_WEIGHT,
                    () => HEADER_WEIGHT,
                };
            }
        }
        // A `Server` that a hop writes on whatever passes is a trace of it when the page is another's.
        let Self { mark, pass, .. } = &mut self;
        pass.extend(mark.iter().filter(|mark| mark.is_server_alone() && mark.status.is_empty()).map(
            |mark| {
                let (headers, without) = (mark.headers.clone(), mark.without.clone());
                Mark { headers, without, ..Mark::default() }
            },
        ));
        self
    }

    /// Whether a hop of this name in `Proxy-Status` is this emitter.
    pub(super) fn calls_itself(&self, name: &str) -> bool {
        self.name == name || self.proxy_status.iter().any(|pattern| glob::fits(pattern, name.as_bytes()))
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
    /// Whether it looks at nothing but `Server`.
    fn is_server_alone(&self) -> bool {
        !self.reads_page() && self.headers.len() == 1 && self.headers.contains_key("server")
    }

    /// Whether it looks at what only the writer of the page can have put there.
    pub(super) fn reads_page(&self) -> bool {
        !self.body.is_empty() || self.body_is.is_some() || !self.leads.is_empty()
    }

    /// Whether it looks at anything.
    #[cfg(test)]
    pub(super) fn looks(&self) -> bool {
        self.reads_page() || !self.headers.is_empty()
    }

    /// What the mark looked at, for people to read.
    pub(super) fn shown(&self) -> String {
        let headers = self.headers.iter().map(|(name, pattern)| format!("{name}: {pattern}"));
        let pieces = self.body.iter().chain(&self.body_is).map(|piece| format!("page has {piece:?}"));
        let leads = self.leads.iter().take(1).map(|_| "it leads to a known address of this kind".to_owned());
        headers.chain(pieces).chain(leads).collect::<Vec<_>>().join("; ")
    }
}
