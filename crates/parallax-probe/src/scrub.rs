//! Makes an error's own words fit to travel: no address, no host name, nothing that moves a cursor or turns the reading
//! direction, at most [`MAX_DETAIL_BYTES`] bytes.

use std::fmt::Write as _;
use std::sync::Arc;

use parallax_model::MAX_DETAIL_BYTES;

/// What stands where an address or a host name stood.
const REMOVED: &str = "[…]";

/// Scrubs a text; `None` when nothing is left.
pub(crate) fn scrub(text: &str) -> Option<Arc<str>> {
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || moves(c)).filter(|w| !w.is_empty()) {
        let shown = if names_a_place(word) { REMOVED } else { word };
        let gap = usize::from(!out.is_empty());
        if out.len() + gap + shown.len() > MAX_DETAIL_BYTES {
            let room = MAX_DETAIL_BYTES.saturating_sub(out.len() + gap);
            let cut =
                shown.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
            if let Some(end) = cut {
                push_word(&mut out, &shown[..end]);
            }
            break;
        }
        push_word(&mut out, shown);
    }
    if out.is_empty() { None } else { Some(out.into()) }
}

/// Writes an error and everything under it, outermost first, scrubbed.
pub(crate) fn scrub_error(error: &(dyn std::error::Error + 'static)) -> Option<Arc<str>> {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(e) = next {
        let gap = if text.is_empty() { "" } else { ": " };
        if write!(text, "{gap}{e}").is_err() || text.len() > 4 * MAX_DETAIL_BYTES {
            break;
        }
        next = e.source();
    }
    scrub(&text)
}

/// Whether a character moves a cursor, breaks a line or turns the reading direction (UAX 9, 3.1).
pub(crate) fn moves(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_word(out: &mut String, word: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(word);
}

/// Whether a word may hold an address or a host name: a dot between letters or digits, or two colons. Too eager on purpose.
fn names_a_place(word: &str) -> bool {
    let dotted = word
        .as_bytes()
        .windows(3)
        .any(|w| w[1] == b'.' && w[0].is_ascii_alphanumeric() && w[2].is_ascii_alphanumeric());
    dotted || word.matches(':').count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_names_and_control_characters_do_not_travel() {
        let cases = [
            ("connection to 192.0.2.1:443 refused", "connection to […] refused"),
            ("no route to 2001:db8::1", "no route to […]"),
            (
                "certificate not valid for name \"secret.example.com\"; it is not",
                "certificate not valid for name […] it is not",
            ),
            ("line\r\nbreak\x1b[31m", "line break [31m"),
            ("not \u{202e}ko at all", "not ko at all"),
            ("os error 111: refused.", "os error 111: refused."),
        ];
        for (text, expected) in cases {
            assert_eq!(scrub(text).as_deref(), Some(expected), "{text:?}");
        }
        assert_eq!(scrub(" \n\t "), None);
    }

    #[test]
    fn long_texts_are_cut_on_a_character() {
        let told = scrub(&"ä".repeat(500)).expect("something is left");
        assert_eq!(told.len(), MAX_DETAIL_BYTES);
        assert_eq!(scrub(&"word ".repeat(100)).expect("something").len(), 159);
    }
}
