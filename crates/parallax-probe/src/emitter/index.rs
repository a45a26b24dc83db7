//! Every mark of every fingerprint, ready to be tried: a mark is only looked at when the one thing it hangs on is there, so an
//! ordinary answer costs a search of its page and a look at each of its headers, however many fingerprints there are.

use std::cmp::Reverse;
use std::sync::LazyLock;

use http::HeaderMap;
use parallax_model::{BlockedFailure, Layer};

use super::ResponseCause;
use super::glob;
use super::known::{
    BY_ANY_LEAD, BY_HEADER, BY_LEAD, BY_WHOLE, BY_WORD, FINGERPRINTS, Fingerprint, HEADER_WEIGHT,
    LEAD_SPELLINGS, MARKS, Mark, MarkId, SPELLINGS, Start,
};
use super::page::{self, Page, WordId, Words};

/// The longest page that is compared as a whole, in bytes.
const MAX_WHOLE_BYTES: usize = 512;

/// An answer as marks look at it.
pub(super) struct Answer<'a> {
    pub(super) status: Option<u16>,
    pub(super) headers: &'a HeaderMap,
    /// Whether the status says that all is well, so that what the page says need not be about itself.
    is_good: bool,
    page: Page<'a>,
    /// Where it leads.
    leads: Vec<String>,
}

impl<'a> Answer<'a> {
    /// Looks at an answer.
    pub(super) fn new(status: Option<u16>, headers: &'a HeaderMap, body: &'a [u8]) -> Self {
        let is_good = status.is_some_and(|status| status < 400);
        let page = Page::search(body, is_good, words());
        Self { status, headers, is_good, page, leads: page::leads(status, headers, body) }
    }
}

/// What fits of one emitter.
pub(super) struct Fit {
    pub(super) known: &'static Fingerprint,
    /// The heaviest mark's; 0 when the answer only went through.
    pub(super) weight: u8,
    pub(super) cause: Option<ResponseCause>,
    pub(super) kind: Option<BlockedFailure>,
    /// Whether the answer went through it.
    pub(super) passed: bool,
    /// Heaviest first.
    pub(super) marks: Vec<&'static Mark>,
}

impl Fit {
    /// Where it stands, as the heaviest mark says, else as it usually does.
    pub(super) fn layer(&self, status: Option<u16>) -> Layer {
        self.marks.first().and_then(|mark| mark.more.layer).unwrap_or(self.known.layer).layer(status)
    }

    /// Whether it is known by a page, or by a header that only the writer sets.
    pub(super) fn is_firm(&self) -> bool {
        self.weight >= HEADER_WEIGHT || self.marks.first().is_some_and(|mark| mark.reads_page())
    }
}

/// The search for all words of pages.
fn words() -> &'static Words {
    static ALL: LazyLock<Words> = LazyLock::new(|| Words::new(&SPELLINGS));
    &ALL
}

/// The search for the words without which no expression for where an answer leads can fit.
fn lead_words() -> &'static Words {
    static ALL: LazyLock<Words> = LazyLock::new(|| Words::new(&LEAD_SPELLINGS));
    &ALL
}

/// What fits an answer, in the order of the files.
pub(super) fn fits(answer: &Answer<'_>) -> Vec<Fit> {
    let mut fitting: Vec<&'static Mark> =
        worth_trying(answer).into_iter().map(mark).filter(|mark| mark_fits(mark, answer)).collect();
    fitting.sort_by_key(|mark| (mark.who, Reverse(mark.weight)));
    fitting.chunk_by(|a, b| a.who == b.who).map(fit_of).collect()
}

/// The marks of which the one thing they hang on is there.
fn worth_trying(answer: &Answer<'_>) -> Vec<MarkId> {
    let mut tried: Vec<MarkId> = Vec::new();
    for word in answer.page.words() {
        tried.extend(hanging_on_word(&BY_WORD, word));
    }
    for (name, value) in answer.headers {
        let value = value.as_bytes().trim_ascii();
        let first = value.first().map(u8::to_ascii_lowercase);
        let starts = hanging_on_header(name.as_str()).iter();
        let starts = starts.filter(|start| start.letter.is_none() || start.letter == first);
        let starts = starts.filter(|start| glob::fits(mark(start.mark).headers[0].1, value));
        tried.extend(starts.map(|start| start.mark));
    }
    if answer.page.text.len() <= MAX_WHOLE_BYTES {
        tried.extend(&BY_WHOLE);
    }
    for lead in &answer.leads {
        tried.extend(&BY_ANY_LEAD);
        for hit in lead_words().found(lead.as_bytes()) {
            tried.extend(hanging_on_word(&BY_LEAD, hit.word));
        }
    }
    // Several lines of one header may lead to the same mark.
    tried.sort_unstable();
    tried.dedup();
    tried
}

fn mark(id: MarkId) -> &'static Mark {
    &MARKS[usize::from(id)]
}

fn hanging_on_word(table: &'static [(WordId, MarkId)], word: WordId) -> impl Iterator<Item = MarkId> {
    let from = table.partition_point(|(other, _)| *other < word);
    table[from..].iter().take_while(move |(other, _)| *other == word).map(|(_, mark)| *mark)
}

fn hanging_on_header(name: &str) -> &'static [Start] {
    let from = BY_HEADER.partition_point(|start| start.name < name);
    let rest = &BY_HEADER[from..];
    &rest[..rest.partition_point(|start| start.name == name)]
}

/// What the fitting marks of one fingerprint say together.
fn fit_of(all: &[&'static Mark]) -> Fit {
    let marks: Vec<&'static Mark> = all.iter().copied().filter(|mark| !mark.passes).collect();
    Fit {
        known: &FINGERPRINTS[usize::from(all[0].who)],
        weight: marks.first().map_or(0, |mark| mark.weight),
        cause: marks.iter().find_map(|mark| mark.cause),
        kind: marks.iter().find_map(|mark| mark.kind),
        passed: all.iter().any(|mark| mark.passes),
        marks,
    }
}

fn mark_fits(mark: &Mark, answer: &Answer<'_>) -> bool {
    let (page, more) = (&answer.page, mark.more);
    let status_fits =
        mark.status.is_empty() || answer.status.is_some_and(|status| mark.status.contains(&status));
    let reads_good_page = answer.is_good && mark.reads_page();
    status_fits
        && (page.plain || !(mark.plain || reads_good_page))
        // On a good answer only marks that say what a notice means count: anybody may write about products.
        && (!reads_good_page || mark.kind.is_some() || !mark.status.is_empty())
        && mark.headers.iter().all(|(name, pattern)| has(answer.headers, name, pattern))
        && !more.without.iter().any(|name| answer.headers.contains_key(*name))
        && mark.body.iter().all(|piece| page.holds(piece.words))
        && more.body_is.is_none_or(|whole| glob::same_words(whole.as_bytes(), page.text))
        && more.shape_fits(page.text)
        && more.leads_fit(&answer.leads)
}

fn has(headers: &HeaderMap, name: &str, pattern: &str) -> bool {
    headers.get_all(name).iter().any(|value| glob::fits(pattern, value.as_bytes().trim_ascii()))
}

/// The marks that fit an answer but hang on something that was not found in it: there must be none.
#[cfg(test)]
pub(super) fn missed(answer: &Answer<'_>) -> Vec<&'static Mark> {
    let tried = worth_trying(answer);
    let others = MARKS.iter().enumerate().filter(|(at, _)| !tried.iter().any(|id| usize::from(*id) == *at));
    others.map(|(_, mark)| mark).filter(|mark| mark_fits(mark, answer)).collect()
}
