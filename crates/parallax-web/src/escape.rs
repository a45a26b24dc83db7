//! How text that others wrote is put on a page: escaped, and unable to play tricks with direction or terminals.

use std::borrow::Cow;
use std::fmt;

use askama::filters::{Escaper, Html};

/// HTML escaping that also shows control, bidi and invisible format characters as U+FFFD. askama.toml names it for every template.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainHtml;

impl Escaper for PlainHtml {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, string: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &neutral(string))
    }
}

/// `text` with control, bidi and invisible format characters replaced by U+FFFD; line feeds and tabs become spaces.
pub(crate) fn neutral(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| !is_tricky(c)) {
        return Cow::Borrowed(text);
    }
    let replaced = text.chars().map(|c| match c {
        '\n' | '\t' | '\r' => ' ',
        c if is_tricky(c) => '\u{fffd}',
        c => c,
    });
    Cow::Owned(replaced.collect())
}

/// Characters that change how the text around them looks without being seen (Unicode TR36, 2.5; CVE-2021-42574).
fn is_tricky(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tricky_characters_become_visible_and_markup_becomes_text() {
        let cases = [
            ("plain text", "plain text"),
            ("<b>&\"'", "&#60;b&#62;&#38;&#34;&#39;"),
            ("a\u{202e}b", "a\u{fffd}b"),
            ("a\u{1b}[31mb\u{0}", "a\u{fffd}[31mb\u{fffd}"),
            ("one\ntwo", "one two"),
            ("zero\u{200b}width\u{2066}", "zero\u{fffd}width\u{fffd}"),
        ];
        for (input, expected) in cases {
            let mut out = String::new();
            PlainHtml.write_escaped_str(&mut out, input).unwrap();
            assert_eq!(out, expected, "{input:?}");
        }
    }
}
