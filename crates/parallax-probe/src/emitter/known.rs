//! Who is known, and by which marks: what the build has made of `fingerprints/*.toml`.

use std::sync::OnceLock;

use http::HeaderMap;
use parallax_model::{BlockedFailure, Layer, Pop};
use regex::bytes::Regex;

use super::ResponseCause;
use super::glob;
use super::page::{self, SIGN, Spelling, WordId};

include!(concat!(env!("OUT_DIR"), "/fingerprints.rs"));

/// The place of a mark in [`MARKS`].
pub(super) type MarkId = u16;
/// The place of an expression in [`EXPRESSIONS`].
type ExpressionId = u16;

/// Where an emitter stands. A `proxy` stands before the origin when it speaks for one (502, 503, 504), and is it otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Edge,
    Gateway,
    Origin,
    Middlebox,
    Proxy,
}

impl Place {
    pub(super) fn layer(self, status: Option<u16>) -> Layer {
        match self {
            Self::Edge => Layer::Edge,
            Self::Gateway => Layer::Gateway,
            Self::Middlebox => Layer::Middlebox,
            Self::Proxy if matches!(status, Some(502..=504)) => Layer::Gateway,
            Self::Origin | Self::Proxy => Layer::Origin,
        }
    }
}

/// One known emitter.
#[derive(Debug)]
pub(super) struct Fingerprint {
    /// What results call it.
    pub(super) name: &'static str,
    pub(super) layer: Place,
    /// What it calls itself in `Proxy-Status`, as patterns.
    proxy_status: &'static [&'static str],
    pop: Option<PopRule>,
    /// Why it writes what it writes, unless a mark says otherwise.
    pub(super) cause: Option<ResponseCause>,
    /// Whether it is there to refuse: what it writes with a status of 400 or more keeps people out.
    pub(super) refuses: bool,
}

/// Where the name of the point of presence stands.
#[derive(Debug)]
struct PopRule {
    header: &'static str,
    /// It begins after the last of these; without, the whole value counts.
    after: Option<&'static str>,
    /// It has this many characters; without, it goes to the end.
    length: Option<usize>,
}

/// What an answer must have, all of it.
#[derive(Debug)]
pub(super) struct Mark {
    /// The place of its fingerprint.
    pub(super) who: u16,
    /// How much it shows, 1 to 100.
    pub(super) weight: u8,
    /// Whether it shows only that the answer went through.
    pub(super) passes: bool,
    /// Counts only on a page that is not an article, a shop or an application.
    pub(super) plain: bool,
    pub(super) cause: Option<ResponseCause>,
    pub(super) kind: Option<BlockedFailure>,
    /// One of these statuses.
    pub(super) status: &'static [u16],
    /// Patterns for values of headers.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// Pieces of the page, each anywhere.
    pub(super) body: &'static [Piece],
    /// What few marks look at.
    pub(super) more: &'static More,
}

/// A piece of a page.
#[derive(Debug)]
pub(super) struct Piece {
    /// As it is written in the files.
    text: &'static str,
    pub(super) words: &'static [WordId],
}

/// What few marks look at.
#[derive(Debug)]
pub(super) struct More {
    /// Headers that must be missing.
    pub(super) without: &'static [&'static str],
    /// The whole page; white space counts as one.
    pub(super) body_is: Option<&'static str>,
    /// Fits somewhere in the searched part of the page.
    shape: Option<ExpressionId>,
    /// Fits where the answer leads.
    leads: Option<ExpressionId>,
    /// Does not fit where the answer leads.
    leads_not: Option<ExpressionId>,
    pub(super) layer: Option<Place>,
}

static NOTHING_MORE: More =
    More { without: &[], body_is: None, shape: None, leads: None, leads_not: None, layer: None };

/// What the value of a header must be like for a mark to be worth trying.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) name: &'static str,
    /// The value's first letter, small; `None` when anything may come first.
    pub(super) letter: Option<u8>,
    pub(super) mark: MarkId,
}

/// A regular expression, made ready when it is first needed: most processes never meet what most of them are for.
#[derive(Debug)]
pub(super) struct Expression {
    text: &'static str,
    ready: OnceLock<Regex>,
}

impl Expression {
    const fn new(text: &'static str) -> Self {
        Self { text, ready: OnceLock::new() }
    }

    pub(super) fn fits(&self, text: &[u8]) -> bool {
        let ready = self.ready.get_or_init(|| page::ready(self.text));
        ready.is_match(text)
    }
}

impl More {
    /// Whether the page has the shape.
    pub(super) fn shape_fits(&self, text: &[u8]) -> bool {
        self.shape.is_none_or(|shape| EXPRESSIONS[usize::from(shape)].fits(text))
    }

    /// Whether the answer leads where it must, by one of these addresses.
    pub(super) fn leads_fit(&self, leads: &[String]) -> bool {
        let fits = |id: ExpressionId, lead: &str| EXPRESSIONS[usize::from(id)].fits(lead.as_bytes());
        self.leads.is_none_or(|known| {
            let barred = |lead: &str| self.leads_not.is_some_and(|not| fits(not, lead));
            leads.iter().any(|lead| fits(known, lead) && !barred(lead))
        })
    }
}

impl Fingerprint {
    /// Whether a hop of this name in `Proxy-Status` is this emitter.
    pub(super) fn calls_itself(&self, name: &str) -> bool {
        self.name == name || self.proxy_status.iter().any(|pattern| glob::fits(pattern, name.as_bytes()))
    }

    /// The point of presence the answer names.
    pub(super) fn pop(&self, headers: &HeaderMap) -> Option<Pop> {
        let rule = self.pop.as_ref()?;
        let value = headers.get_all(rule.header).iter().next_back()?.to_str().ok()?;
        let text = match rule.after {
            Some(after) => value.rsplit_once(after)?.1,
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
            Place::Proxy => 3,
            Place::Origin => 4,
        }
    }
}

impl Mark {
    /// Whether it looks at what only the writer of the page can have put there.
    pub(super) fn reads_page(&self) -> bool {
        !self.body.is_empty() || self.more.body_is.is_some() || self.more.leads.is_some()
    }

    /// Whether it looks at anything.
    #[cfg(test)]
    pub(super) fn looks(&self) -> bool {
        self.reads_page() || !self.headers.is_empty()
    }

    /// What the mark looked at, for people to read.
    pub(super) fn shown(&self) -> String {
        let headers = self.headers.iter().map(|(name, pattern)| format!("{name}: {pattern}"));
        let pieces = self.body.iter().map(|piece| piece.text).chain(self.more.body_is);
        let pieces = pieces.map(|piece| format!("page has {piece:?}"));
        let leads = self.more.leads.iter().map(|_| "it leads to a known address of this kind".to_owned());
        headers.chain(pieces).chain(leads).collect::<Vec<_>>().join("; ")
    }
}
