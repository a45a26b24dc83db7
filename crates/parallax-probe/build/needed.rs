//! What must stand in a text for an expression to fit it: plain words, found without making the expression ready. Understands
//! what the files use: letters, classes, escapes, `(?:…|…)` and quantifiers. Where it is in doubt it asks for less.

use std::iter::Peekable;
use std::str::Chars;

/// Shorter words are everywhere, in bytes.
const MIN_WORD_BYTES: usize = 3;
/// Words that are part of these say nothing about an address.
const USUAL: [&str; 2] = ["https://www.", "http://www."];

/// Words in small letters of which one stands in everything that the expression fits; `None` when there are no such words.
pub(crate) fn one_of(expression: &str) -> Option<Vec<String>> {
    Reader { rest: expression.chars().peekable() }.alternatives()
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

/// One thing an expression is made of.
enum Part {
    Letter(char),
    Group(Option<Vec<String>>),
    /// What says nothing about words: a class, an anchor.
    Silent,
}

impl Reader<'_> {
    /// Reads to the end of the group or of the expression.
    fn alternatives(&mut self) -> Option<Vec<String>> {
        let mut all = Some(Vec::new());
        loop {
            let branch = self.sequence();
            all = all.zip(branch).map(|(all, branch)| [all, branch].concat());
            if self.rest.next() != Some('|') {
                return all;
            }
        }
    }

    fn sequence(&mut self) -> Option<Vec<String>> {
        let mut best = None;
        let mut run = String::new();
        while let Some(next) = self.rest.next_if(|next| !matches!(next, '|' | ')')) {
            let part = self.part(next);
            let is_repeated = self.skip_quantifier();
            if let Part::Letter(letter) = part
                && !is_repeated
            {
                run.push(letter.to_ascii_lowercase());
                continue;
            }
            best = better(best, Some(vec![std::mem::take(&mut run)]));
            if let Part::Group(words) = part
                && !is_repeated
            {
                best = better(best, words);
            }
        }
        better(best, Some(vec![run])).filter(|words| worth(words) > 0)
    }

    fn part(&mut self, first: char) -> Part {
        match first {
            '(' => {
                // Every group is written `(?:`.
                self.rest.nth(1);
                Part::Group(self.alternatives())
            }
            '[' => {
                while let Some(next) = self.rest.next().filter(|next| *next != ']') {
                    if next == '\\' {
                        self.rest.next();
                    }
                }
                Part::Silent
            }
            '\\' => match self.rest.next() {
                Some(letter) if letter.is_ascii_punctuation() => Part::Letter(letter),
                _ => Part::Silent,
            },
            '.' | '^' | '$' => Part::Silent,
            letter => Part::Letter(letter),
        }
    }

    /// Skips what says how often the last part comes; whether there was such a thing.
    fn skip_quantifier(&mut self) -> bool {
        let mut found = false;
        while let Some(next) = self.rest.next_if(|next| matches!(next, '?' | '*' | '+' | '{')) {
            found = true;
            if next == '{' {
                self.rest.find(|next| *next == '}');
            }
        }
        found
    }
}

/// Those of two that say more.
fn better(one: Option<Vec<String>>, other: Option<Vec<String>>) -> Option<Vec<String>> {
    let says = |words: &Option<Vec<String>>| words.as_ref().map_or(0, |words| worth(words));
    if says(&other) > says(&one) { other } else { one }
}

/// The length of the shortest word, 0 when one of them says nothing.
fn worth(words: &[String]) -> usize {
    let says = |word: &String| {
        word.len() >= MIN_WORD_BYTES && !USUAL.iter().any(|usual| usual.contains(word.as_str()))
    };
    if words.iter().all(says) { words.iter().map(String::len).min().unwrap_or(0) } else { 0 }
}
