//! What holds for every text that a person is shown and a stranger had a hand in.

/// Longest sentence of a refusal, in bytes: 48 characters of input, each at most `\u{10ffff}`, and our own words.
pub(super) const MAX_SENTENCE_BYTES: usize = 800;

/// Asserts that a text is one line, bounded, and moves neither a cursor nor the reading direction.
pub(super) fn assert_plain(what: &str, text: &str, max_bytes: usize) {
    assert!(text.len() <= max_bytes, "{what} has {} bytes, {max_bytes} are the most: {text:?}", text.len());
    let bad = text.chars().find(|c| turns(*c) || c.is_control());
    assert!(bad.is_none(), "{what} has {bad:?}: {text:?}");
}

/// Whether a character breaks lines or turns the reading direction (UAX 9, 3.1).
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
