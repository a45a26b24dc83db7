//! Every mark of every fingerprint, ready to be tried: a mark is only looked at when the one thing it hangs on is there, so an
//! ordinary answer costs a search of its page and a look at each of its headers, however many fingerprints there are.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName};
use parallax_model::{BlockedFailure, Layer};
use regex::Regex;

use super::ResponseCause;
use super::glob;
use super::known::{self, Fingerprint, Mark};
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
        let page = Page::search(body, is_good, &all().words);
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
        self.marks.first().and_then(|mark| mark.layer).unwrap_or(self.known.layer).layer(status)
    }

    /// Whether it is known by a page, or by a header that only the writer sets.
    pub(super) fn is_firm(&self) -> bool {
        self.weight >= known::HEADER_WEIGHT || self.marks.first().is_some_and(|mark| mark.reads_page())
    }
}

/// One mark with what it needs at hand.
struct Rule {
    /// The place of its fingerprint among all.
    who: usize,
    mark: &'static Mark,
    /// Whether it shows only that the answer went through.
    passes: bool,
    headers: Vec<(HeaderName, &'static str)>,
    without: Vec<HeaderName>,
    pieces: Vec<Vec<WordId>>,
    shape: Option<regex::bytes::Regex>,
    leads: Vec<Regex>,
    leads_not: Vec<Regex>,
}

/// What the value of a header must be like for a rule to be worth trying.
struct Start {
    /// The value's first letter, small; `None` when anything may come first.
    letter: Option<u8>,
    pattern: &'static str,
    rule: usize,
}

/// All marks, by what each hangs on.
pub(super) struct Index {
    rules: Vec<Rule>,
    words: Words,
    by_word: Vec<Vec<usize>>,
    by_header: HashMap<HeaderName, Vec<Start>>,
    by_whole: Vec<usize>,
    by_lead: Vec<usize>,
}

/// The index of everything known.
pub(super) fn all() -> &'static Index {
    static ALL: LazyLock<Index> = LazyLock::new(|| Index::new(known::all()));
    &ALL
}

impl Index {
    fn new(all: &'static [Fingerprint]) -> Self {
        let mut words: Vec<&'static str> = Vec::new();
        let mut ids: HashMap<&'static str, WordId> = HashMap::new();
        let mut rules = Vec::new();
        for (who, known) in all.iter().enumerate() {
            let marks = known.mark.iter().map(|mark| (mark, false));
            for (mark, passes) in marks.chain(known.pass.iter().map(|mark| (mark, true))) {
                let mut id_of = |word: &'static str| {
                    *ids.entry(word).or_insert_with(|| {
                        words.push(word);
                        WordId::try_from(words.len() - 1).unwrap_or(WordId::MAX)
                    })
                };
                let pieces = mark
                    .body
                    .iter()
                    .map(|piece| piece.split('*').filter(|word| !word.is_empty()).map(&mut id_of).collect());
                let pieces = pieces.collect();
                rules.push(Rule::new(who, mark, passes, pieces));
            }
        }
        let mut index = Self {
            by_word: vec![Vec::new(); words.len()],
            words: Words::new(&words),
            rules: Vec::new(),
            by_header: HashMap::new(),
            by_whole: Vec::new(),
            by_lead: Vec::new(),
        };
        for (at, rule) in rules.iter().enumerate() {
            // The longest word is the rarest.
            if let Some(word) = rule.pieces.iter().flatten().max_by_key(|word| words[**word as usize].len()) {
                index.by_word[*word as usize].push(at);
            } else if rule.mark.body_is.is_some() {
                index.by_whole.push(at);
            } else if let Some((name, pattern)) = rule.headers.first() {
                let letter = pattern.bytes().next().filter(|b| *b != b'*').map(|b| b.to_ascii_lowercase());
                index.by_header.entry(name.clone()).or_default().push(Start { letter, pattern, rule: at });
            } else {
                index.by_lead.push(at);
            }
        }
        index.rules = rules;
        index
    }

    /// What fits an answer, in the order of the files.
    pub(super) fn fits(&self, answer: &Answer<'_>) -> Vec<Fit> {
        let mut tried: Vec<usize> = Vec::new();
        for word in answer.page.words() {
            tried.extend(&self.by_word[word as usize]);
        }
        for (name, value) in answer.headers {
            let value = value.as_bytes().trim_ascii();
            let first = value.first().map(u8::to_ascii_lowercase);
            let starts = self.by_header.get(name).into_iter().flatten();
            let starts = starts.filter(|start| start.letter.is_none() || start.letter == first);
            tried.extend(starts.filter(|start| glob::fits(start.pattern, value)).map(|start| start.rule));
        }
        if answer.page.text.len() <= MAX_WHOLE_BYTES {
            tried.extend(&self.by_whole);
        }
        if !answer.leads.is_empty() {
            tried.extend(&self.by_lead);
        }
        // Several lines of one header may lead to the same rule.
        tried.sort_unstable();
        tried.dedup();
        let mut fitting: Vec<&Rule> =
            tried.into_iter().map(|at| &self.rules[at]).filter(|rule| rule.fits(answer)).collect();
        fitting.sort_by_key(|rule| (rule.who, std::cmp::Reverse(rule.mark.weight)));
        fitting.chunk_by(|a, b| a.who == b.who).map(fit_of).collect()
    }
}

/// What the fitting marks of one fingerprint say together.
fn fit_of(rules: &[&Rule]) -> Fit {
    let known = &known::all()[rules[0].who];
    let marks: Vec<&'static Mark> = rules.iter().filter(|rule| !rule.passes).map(|rule| rule.mark).collect();
    Fit {
        known,
        weight: marks.first().map_or(0, |mark| mark.weight),
        cause: marks.iter().find_map(|mark| mark.cause),
        kind: marks.iter().find_map(|mark| mark.kind),
        passed: rules.iter().any(|rule| rule.passes),
        marks,
    }
}

impl Rule {
    fn new(who: usize, mark: &'static Mark, passes: bool, pieces: Vec<Vec<WordId>>) -> Self {
        let name_of = |name: &String| -> HeaderName {
            name.parse().unwrap_or_else(|e| panic!("{name:?} in a fingerprint file is no header's name: {e}"))
        };
        Self {
            who,
            mark,
            passes,
            headers: mark.headers.iter().map(|(name, pattern)| (name_of(name), pattern.as_str())).collect(),
            without: mark.without.iter().map(name_of).collect(),
            pieces,
            shape: mark.shape.as_ref().map(|text| {
                regex::bytes::Regex::new(&format!("(?i){text}")).unwrap_or_else(|e| broken(text, &e))
            }),
            leads: mark.leads.iter().map(expression).collect(),
            leads_not: mark.leads_not.iter().map(expression).collect(),
        }
    }

    fn fits(&self, answer: &Answer<'_>) -> bool {
        let mark = self.mark;
        let page = &answer.page;
        let status_fits =
            mark.status.is_empty() || answer.status.is_some_and(|status| mark.status.contains(&status));
        let reads_good_page = answer.is_good && mark.reads_page();
        status_fits
            && (page.plain || !(mark.plain || reads_good_page))
            // On a good answer only marks that say what a notice means count: anybody may write about products.
            && (!reads_good_page || mark.kind.is_some() || !mark.status.is_empty())
            && self.headers.iter().all(|(name, pattern)| has(answer.headers, name, pattern))
            && !self.without.iter().any(|name| answer.headers.contains_key(name))
            && self.pieces.iter().all(|piece| page.holds(piece))
            && mark.body_is.as_deref().is_none_or(|whole| glob::same_words(whole.as_bytes(), page.text))
            && self.shape.as_ref().is_none_or(|shape| shape.is_match(page.text))
            && self.leads_fit(answer)
    }

    fn leads_fit(&self, answer: &Answer<'_>) -> bool {
        let one_of = |known: &[Regex], lead: &str| known.iter().any(|known| known.is_match(lead));
        self.leads.is_empty()
            || answer.leads.iter().any(|lead| one_of(&self.leads, lead) && !one_of(&self.leads_not, lead))
    }
}

fn expression(text: &String) -> Regex {
    Regex::new(&format!("(?i){text}")).unwrap_or_else(|e| broken(text, &e))
}

/// The files are compiled in and used by every test run, so this cannot be met in the field.
fn broken(text: &str, error: &regex::Error) -> ! {
    panic!("the expression {text:?} in a fingerprint file is broken: {error}")
}

fn has(headers: &HeaderMap, name: &HeaderName, pattern: &str) -> bool {
    headers.get_all(name).iter().any(|value| glob::fits(pattern, value.as_bytes().trim_ascii()))
}
