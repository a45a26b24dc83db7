//! Lines of the diagnosis in other languages than English.
//!
//! The diagnosis writes sentences, in English. The English catalogue holds them with placeables where the counts and names stand: a
//! line is recognised by that, and said again from the other catalogue with the same counts and names. A line that nobody knows (one
//! that a newer version stored) stays as it is. It finds out nothing: what is said is what the diagnosis said.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::say::Lang;

mod lines;

use lines::{Kind, Shape};

/// Longest line that is looked at, in bytes; the diagnosis writes shorter ones.
const MAX_LINE: usize = 1_024;

/// Where a placeable stands in a pattern, by its number: characters that no line holds.
const FIRST_MARK: u32 = 0xe000;

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) text: String,
    /// Whether it is English on a page that is not.
    pub(crate) foreign: bool,
}

impl Lang {
    /// A line of the diagnosis in this language.
    pub(crate) fn told(self, line: &str) -> Told {
        if self == Self::En {
            return Told { text: line.to_owned(), foreign: false };
        }
        match said(self, lines::LINES, line) {
            Some(text) => Told { text, foreign: false },
            None => Told { text: line.to_owned(), foreign: true },
        }
    }

    /// A headline of the diagnosis that says more than verdict and scopes do.
    pub(crate) fn told_headline(self, sentence: &str) -> Option<String> {
        said(self, lines::HEADLINES, sentence)
    }
}

/// The first shape a line has, said in this language.
fn said(t: Lang, shapes: &[Shape], line: &str) -> Option<String> {
    if line.len() > MAX_LINE {
        return None;
    }
    let line = line.replace('\'', "’");
    shapes.iter().find_map(|shape| as_shape(t, shape, &line))
}

fn as_shape(t: Lang, (key, placeables): &Shape, line: &str) -> Option<String> {
    let pieces = PATTERNS.get(key)?;
    let mut values = vec![None; placeables.len()];
    if !fill(t, placeables, pieces, line, &mut values) {
        return None;
    }
    let message = placeables
        .iter()
        .zip(values)
        .fold(t.with(*key), |message, ((name, _), value)| message.s(name, value.unwrap_or_default()));
    Some(message.text())
}

/// A pattern's fixed parts: before the first placeable, and after each one with its number.
type Pieces = (String, Vec<(usize, String)>);

/// The patterns, taken from the English catalogue.
static PATTERNS: LazyLock<HashMap<&'static str, Pieces>> =
    LazyLock::new(|| lines::shapes().into_iter().map(|shape| (shape.0, pieces(&shape))).collect());

fn pieces((key, placeables): &Shape) -> Pieces {
    let mark =
        |n: usize| u32::try_from(n).ok().and_then(|n| char::from_u32(FIRST_MARK + n)).unwrap_or_default();
    let message = placeables.iter().enumerate();
    let pattern =
        message.fold(Lang::En.with(*key), |message, (n, (name, _))| message.s(name, mark(n))).text();
    let is_mark = |c: char| (FIRST_MARK..FIRST_MARK + 16).contains(&u32::from(c));
    let mut parts = pattern.split_inclusive(is_mark);
    let mut fixed = Vec::new();
    let mut numbers = Vec::new();
    for part in parts.by_ref() {
        let number = part.chars().next_back().filter(|c| is_mark(*c)).map(|c| u32::from(c) - FIRST_MARK);
        fixed.push(part.trim_end_matches(is_mark).to_owned());
        numbers.extend(number.and_then(|n| usize::try_from(n).ok()));
    }
    fixed.resize(numbers.len() + 1, String::new());
    let first = fixed.remove(0);
    (first, numbers.into_iter().zip(fixed).collect())
}

/// Finds what stands at each placeable so that the whole line is used, and says it in the language.
fn fill(
    t: Lang,
    placeables: &[(&'static str, Kind)],
    (first, rest): &Pieces,
    line: &str,
    values: &mut [Option<String>],
) -> bool {
    line.strip_prefix(first.as_str()).is_some_and(|line| fill_rest(t, placeables, rest, line, values))
}

fn fill_rest(
    t: Lang,
    placeables: &[(&'static str, Kind)],
    rest: &[(usize, String)],
    line: &str,
    values: &mut [Option<String>],
) -> bool {
    let Some(((number, after), rest)) = rest.split_first() else { return line.is_empty() };
    let Some((_, kind)) = placeables.get(*number) else { return false };
    // The last placeable takes what is left, else each place where the text goes on is tried, the nearest first.
    let ends: Vec<usize> = if rest.is_empty() {
        line.strip_suffix(after.as_str()).map(str::len).into_iter().collect()
    } else {
        line.match_indices(after.as_str()).map(|(at, _)| at).collect()
    };
    for end in ends.into_iter().filter(|end| *end > 0) {
        let Some(value) = value(t, *kind, &line[..end]) else { continue };
        if fill_rest(t, placeables, rest, &line[end + after.len()..], values) {
            values[*number] = Some(value);
            return true;
        }
    }
    false
}

/// What stands at a placeable, in the language; nothing where it cannot stand there.
fn value(t: Lang, kind: Kind, text: &str) -> Option<String> {
    match kind {
        Kind::Text => Some(text.to_owned()),
        Kind::Number => {
            let fine = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') || text == "inf";
            fine.then(|| if t == Lang::De { text.replace('.', ",") } else { text.to_owned() })
        }
        Kind::One(shapes) => shapes.iter().find_map(|shape| as_shape(t, shape, text)),
        Kind::Perhaps(shapes) => {
            Some(shapes.iter().find_map(|shape| as_shape(t, shape, text)).unwrap_or_else(|| text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;
