//! Names that look like others.
//!
//! This is the part of UTS 39 that meets visitors: labels that mix scripts whose letters look alike, and labels all of whose
//! letters exist, to the eye, in Latin too. It decides only how a name is shown and whether there is a warning; no name is
//! refused for its looks.

/// Lower-case letters that look like Latin ones, of the scripts that have many of them.
const LIKE_LATIN: &str = "асԁеһіјӏорԛѕԝхуъьҽпгѵѡ\u{3b1}γεικνορτυχω\u{570}\u{578}\u{57d}\u{581}\u{585}";

/// Scripts with letters that look like another's in this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Cherokee,
}

/// Whether a label of `unicode` can be taken for another name.
pub(crate) fn looks_like_another(unicode: &str) -> bool {
    unicode.split('.').any(label_looks_like_another)
}

fn label_looks_like_another(label: &str) -> bool {
    if label.is_ascii() {
        return false;
    }
    let mut scripts = label.chars().filter_map(script);
    let first = scripts.next();
    let mixed = scripts.any(|other| Some(other) != first);
    let letters = || label.chars().filter(|c| c.is_alphabetic());
    let all_like_latin = letters().next().is_some() && letters().all(|c| LIKE_LATIN.contains(c));
    mixed || all_like_latin || label.chars().any(odd_latin)
}

/// Letters of the Latin blocks that are made to look like plain ones or like punctuation.
fn odd_latin(c: char) -> bool {
    matches!(c, 'ı' | '\u{1c0}'..='\u{1c3}' | '\u{250}'..='\u{2ff}' | '\u{338}' | '\u{2044}' | '\u{2215}')
}

fn script(c: char) -> Option<Script> {
    match c {
        'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(Script::Latin),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Script::Greek),
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{a640}'..='\u{a69f}' => Some(Script::Cyrillic),
        '\u{530}'..='\u{58f}' => Some(Script::Armenian),
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => Some(Script::Cherokee),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_deceive_the_eye_are_marked() {
        let cases = [
            ("example.com", false),
            ("bücher.de", false),
            ("例え.jp", false),
            ("пример.com", false),
            ("βόλος.com", false),
            ("😀.com", false),
            ("日本語abc.jp", false),
            ("аpple.com", true),
            ("аррӏе.com", true),
            ("gοοgle.com", true),
            ("pаypal.com", true),
            ("ɡoogle.com", true),
            ("twıtter.com", true),
        ];
        for (name, expected) in cases {
            assert_eq!(looks_like_another(name), expected, "{name}");
        }
    }
}
