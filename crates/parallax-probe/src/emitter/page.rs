//! What of a page is looked at: which known words stand where, and where the page leads.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use http::HeaderMap;
use regex::bytes::{Regex, RegexBuilder};

/// How much of a page's beginning is searched, in bytes.
pub const MAX_PAGE_BYTES: usize = 8 * 1_024;
/// How much of the page of a good answer is searched, in bytes: this is what every probe pays for.
const MAX_GOOD_PAGE_BYTES: usize = 6 * 1_024;
/// A page longer than this, in bytes, is somebody's content, not a notice.
const MAX_PLAIN_BYTES: usize = 32 * 1_024;
/// A page longer than this, in bytes, is more than a frame around another.
const MAX_FRAME_BYTES: usize = 4 * 1_024;
/// Most places of one word that are noted.
const MAX_PLACES: u8 = 8;
/// Most places that are noted.
const MAX_HITS: usize = 256;
/// How much may be remembered between trials of one expression, in bytes and for each thread; with less it is slower, not wrong.
const MAX_TRIAL_BYTES: usize = 128 * 1_024;
/// How far apart the words of one piece may stand, in bytes.
const MAX_GAP: usize = 256;
/// How much of an address that a page leads to is looked at, in bytes.
const MAX_LEAD_BYTES: usize = 400;
/// Most addresses that a page is taken to lead to.
const MAX_LEADS: usize = 4;

/// How much of the beginning of a word is searched for, in bytes; the rest is compared where the beginning is found. Whole words
/// would take five times the memory and find nothing more.
const MAX_START_BYTES: usize = 6;

/// One of the words that are searched for.
pub(super) type WordId = u16;
/// The word of a spelling that is a sign of content.
pub(super) const SIGN: WordId = WordId::MAX;

/// One spelling of a word, in small letters as far as they are ASCII.
#[derive(Debug)]
pub(super) struct Spelling {
    pub(super) word: WordId,
    pub(super) bytes: &'static [u8],
}

/// The words that are searched for, all at once.
#[derive(Debug)]
pub(super) struct Words {
    /// Finds the beginnings.
    automaton: AhoCorasick,
    /// The spellings of each beginning.
    begun: Vec<&'static [Spelling]>,
    /// How many words there are.
    known: usize,
}

impl Words {
    /// Prepares the search for words whose spellings come in order of their bytes.
    pub(super) fn new(spellings: &'static [Spelling]) -> Self {
        let words = spellings.iter().map(|spelling| spelling.word).filter(|word| *word != SIGN);
        let known = words.max().map_or(0, |word| usize::from(word) + 1);
        let begun: Vec<_> = spellings.chunk_by(|one, other| one.start() == other.start()).collect();
        // Every denser automaton would take several times the memory and save nothing that can be measured.
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .dense_depth(1)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(begun.iter().map(|spellings| spellings[0].start()))
            .unwrap_or_else(|e| panic!("the words of the fingerprint files cannot be searched for: {e}"));
        Self { automaton, begun, known }
    }

    /// Every place of every spelling in a text.
    pub(super) fn found<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = Hit> + 't {
        self.automaton.find_overlapping_iter(text).flat_map(move |found| {
            let (start, text) = (found.start(), &text[found.start()..]);
            let here = self.begun[found.pattern().as_usize()].iter().filter(|spelling| spelling.begins(text));
            here.map(move |spelling| Hit { word: spelling.word, start, end: start + spelling.bytes.len() })
        })
    }
}

impl Spelling {
    fn start(&self) -> &'static [u8] {
        &self.bytes[..self.bytes.len().min(MAX_START_BYTES)]
    }

    fn begins(&self, text: &[u8]) -> bool {
        text.get(..self.bytes.len()).is_some_and(|text| text.eq_ignore_ascii_case(self.bytes))
    }
}

/// The text with the two-byte letters of UTF-8 in small, byte for byte: Cyrillic, Greek and Latin. ASCII is left to the search,
/// and whatever is no UTF-8 stays.
fn folded(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut text = text.to_vec();
    let mut at = 0;
    while let [lead, next, ..] = &mut text[at..] {
        let pair = match (*lead, *next) {
            (0xC3, 0x80..=0x96 | 0x98..=0x9E) | (0xCE, 0x91..=0x9F) | (0xD0, 0x90..=0x9F) => {
                (*lead, *next + 0x20)
            }
            (0xC4, 0x80..=0xB7) | (0xC5, 0x8A..=0xB7) | (0xC8, 0x80..=0xB3)
                if *lead != 0xC4 || *next != 0xB0 =>
            {
                (*lead, *next | 1)
            }
            (0xC4, 0xB9 | 0xBB | 0xBD) | (0xC5, 0x81 | 0x83 | 0x85 | 0x87 | 0xB9 | 0xBB | 0xBD) => {
                (*lead, *next + 1)
            }
            (0xCE, 0xA0..=0xA9) => (0xCF, *next - 0x20),
            (0xD0, 0x80..=0x8F) => (0xD1, *next + 0x10),
            (0xD0, 0xA0..=0xAF) => (0xD1, *next - 0x20),
            _ => (*lead, *next),
        };
        let width = if (0xC2..=0xDF).contains(lead) && (0x80..=0xBF).contains(next) { 2 } else { 1 };
        if width == 2 {
            (*lead, *next) = pair;
        }
        at += width;
    }
    Cow::Owned(text)
}

/// A place of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) word: WordId,
    start: usize,
    end: usize,
}

/// What was found in a page.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// The searched part.
    pub(super) text: &'a [u8],
    hits: Vec<Hit>,
    /// Whether it may be a notice: short, and without the signs of content.
    pub(super) plain: bool,
}

impl<'a> Page<'a> {
    /// Searches the beginning of a page. Of a good answer only a notice is of interest, so content is not searched at all.
    pub(super) fn search(body: &'a [u8], is_good: bool, words: &Words) -> Self {
        let most = if is_good { MAX_GOOD_PAGE_BYTES } else { MAX_PAGE_BYTES };
        let text = &body[..body.len().min(most)];
        let mut plain = body.len() <= MAX_PLAIN_BYTES;
        let mut hits = Vec::new();
        if text.is_empty() || is_good && !plain {
            return Self { text, hits, plain };
        }
        let mut places = vec![0_u8; words.known];
        for hit in words.found(folded(text).as_ref()) {
            let Some(seen) = places.get_mut(usize::from(hit.word)) else {
                plain = false;
                if is_good {
                    break;
                }
                continue;
            };
            if *seen < MAX_PLACES && hits.len() < MAX_HITS {
                *seen += 1;
                hits.push(hit);
            }
        }
        Self { text, hits, plain }
    }

    /// The words that were found, each once.
    pub(super) fn words(&self) -> Vec<WordId> {
        let mut words: Vec<WordId> = self.hits.iter().map(|hit| hit.word).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    /// Whether words stand one after the other, each at most [`MAX_GAP`] after the one before.
    pub(super) fn holds(&self, piece: &[WordId]) -> bool {
        let Some((first, rest)) = piece.split_first() else { return false };
        let of = |word: WordId| self.hits.iter().filter(move |hit| hit.word == word);
        let mut ends: Vec<usize> = of(*first).map(|hit| hit.end).collect();
        for word in rest {
            let follows = |hit: &&Hit| ends.iter().any(|end| (*end..=end + MAX_GAP).contains(&hit.start));
            ends = of(*word).filter(follows).map(|hit| hit.end).collect();
        }
        !ends.is_empty()
    }
}

/// Makes an expression ready to be tried on bytes. Only letters of ASCII are alike in both cases: the tables for all others would
/// be most of what an expression takes.
pub(super) fn ready(expression: &str) -> Regex {
    let mut builder = RegexBuilder::new(expression);
    builder.case_insensitive(true).unicode(false).dfa_size_limit(MAX_TRIAL_BYTES);
    // Every expression is compiled in and tried by the tests, so this cannot be met in the field.
    builder.build().unwrap_or_else(|e| panic!("the expression {expression:?} was compiled in broken: {e}"))
}

/// Where an answer leads: its `Location` when it redirects, else what a page that is nothing but a frame or a refresh shows.
pub(super) fn leads(status: Option<u16>, headers: &HeaderMap, body: &[u8]) -> Vec<String> {
    static LEAD: LazyLock<Regex> = LazyLock::new(|| {
        let frames = r#"(?:http-equiv=.?refresh[^>]{0,80}url=|<i?frame\s[^>]{0,200}?src=|\blocation(?:\.href)?\s*=\s*|\blocation\.(?:replace|assign)\()\s*["']*([^"'\s>)]{4,})"#;
        ready(frames)
    });
    if status.is_none_or(|status| (300..400).contains(&status))
        && let Some(location) = headers.get(http::header::LOCATION)
    {
        return vec![String::from_utf8_lossy(location.as_bytes()).trim().to_owned()];
    }
    if body.is_empty() || body.len() > MAX_FRAME_BYTES {
        return Vec::new();
    }
    let found = LEAD.captures_iter(body).filter_map(|found| found.get(1));
    let found = found.map(|lead| &lead.as_bytes()[..lead.len().min(MAX_LEAD_BYTES)]);
    found.take(MAX_LEADS).map(|lead| String::from_utf8_lossy(lead).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::spelling;
    use super::*;

    fn words(words: &[&str]) -> Words {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let spellings =
            spelling::of_all(&words, &spelling::CONTENT_SIGNS).into_iter().map(|(bytes, word)| Spelling {
                word: word.map_or(SIGN, |word| WordId::try_from(word).expect("few words")),
                bytes: bytes.leak(),
            });
        Words::new(spellings.collect::<Vec<_>>().leak())
    }

    #[test]
    fn words_are_found_in_every_spelling() {
        let words = words(&["доступ ограничен", "blocked by"]);
        let cyrillic =
            [0xC4, 0xEE, 0xF1, 0xF2, 0xF3, 0xEF, 0x20, 0xEE, 0xE3, 0xF0, 0xE0, 0xED, 0xE8, 0xF7, 0xE5, 0xED];
        let cases: [(&[u8], &[WordId]); 6] = [
            ("ДОСТУП ОГРАНИЧЕН".as_bytes(), &[0]),
            ("Доступ Ограничен".as_bytes(), &[0]),
            ("<h1>Доступ ограничен".as_bytes(), &[0]),
            (&cyrillic, &[0]),
            (b"BLOCKED by", &[1]),
            (b"nothing", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Page::search(text, false, &words).words(),
                expected,
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn words_of_a_piece_stand_near_each_other_in_order() {
        let words = words(&["<title>", "blocked", "</title>"]);
        let holds = |text: &str| Page::search(text.as_bytes(), false, &words).holds(&[0, 1, 2]);
        assert!(holds("<title>Page blocked</title>"));
        assert!(!holds("<title>Page</title> blocked </title x"));
        assert!(!holds(&format!("<title>{}blocked</title>", "x".repeat(MAX_GAP + 1))));
        assert!(holds("<title></title><title>blocked</title>"));
    }

    #[test]
    fn articles_are_not_plain() {
        let words = words(&["x"]);
        assert!(Page::search(b"<h1>x</h1>", false, &words).plain);
        assert!(!Page::search(b"<meta property=\"og:title\"><h1>x</h1>", false, &words).plain);
        assert!(!Page::search("x".repeat(MAX_PLAIN_BYTES + 1).as_bytes(), false, &words).plain);
    }

    #[test]
    fn redirects_and_frames_lead_somewhere() {
        let mut headers = HeaderMap::new();
        assert_eq!(leads(Some(302), &headers, b""), Vec::<String>::new());
        let pages = [
            "<iframe width=1 src=\"http://x.example/a\">",
            "<meta http-equiv=\"refresh\" content=\"0;url='http://x.example/a'\">",
            "<script>window.location.href = 'http://x.example/a'</script>",
            "<script>location.replace(\"http://x.example/a\")</script>",
        ];
        for page in pages {
            assert_eq!(leads(Some(200), &headers, page.as_bytes()), ["http://x.example/a"], "{page}");
        }
        headers.insert("location", "/a".parse().expect("a value"));
        assert_eq!(leads(Some(302), &headers, b""), ["/a"]);
        assert_eq!(leads(Some(200), &headers, b""), Vec::<String>::new());
    }
}
