//! How facts are said to people on a terminal: moments, lengths of time, places, scopes, tables. Nothing here writes anything.

use std::borrow::Cow;

use jiff::Timestamp;
use parallax_model::{Micros, Scope, UnixMicros, Vantage};

/// Widest line of text that is written, in characters.
pub(crate) const WIDTH: usize = 100;

/// Somebody else's text as a terminal may show it: control characters, which could move the cursor or recolour the screen,
/// become spaces.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let moves = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(moves) { Cow::Owned(text.replace(moves, " ")) } else { Cow::Borrowed(text) }
}

/// At most `width` characters of a text, with an ellipsis where something was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A text as lines of at most [`WIDTH`] characters: the first begins with `first`, the others are indented as deep. A word that
/// is longer than a line stands alone.
pub(crate) fn wrapped(first: &str, text: &str) -> Vec<String> {
    let indent = " ".repeat(first.chars().count());
    let mut lines = vec![first.to_owned()];
    let mut fresh = true;
    for word in plain(text).split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{indent}{word}"));
            continue;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    lines
}

/// Rows as lines with aligned columns, two spaces between them. The last column is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{:width$}", plain(cell)));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A moment as RFC 3339 in UTC with whole seconds. Moments outside the years -9999 to 9999 become the epoch.
pub(crate) fn moment(at: UnixMicros) -> String {
    stamp(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A moment for people, in UTC: `2026-11-22 12:58`.
pub(crate) fn short_moment(at: UnixMicros) -> String {
    stamp(at).strftime("%Y-%m-%d %H:%M").to_string()
}

fn stamp(at: UnixMicros) -> Timestamp {
    Timestamp::from_second(at.as_secs()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A length of time in its largest unit: `40 s`, `14 min`, `5 h`, `3 d`.
pub(crate) fn span(micros: u64) -> String {
    let s = micros / 1_000_000;
    match s {
        0..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        7_200..172_800 => format!("{} h", s / 3_600),
        _ => format!("{} d", s / 86_400),
    }
}

/// A phase's length: microseconds below a millisecond, else milliseconds with what fits in four digits.
pub(crate) fn length(us: Micros) -> String {
    let ms = us.as_millis_f64();
    match us.0 {
        0..1_000 => format!("{} µs", us.0),
        1_000..10_000 => format!("{ms:.2} ms"),
        10_000..1_000_000 => format!("{ms:.1} ms"),
        _ => format!("{ms:.0} ms"),
    }
}

/// A number with its word, in the plural unless it is one.
pub(crate) fn plural(count: u32, word: &str) -> String {
    if count == 1 { format!("{count} {word}") } else { format!("{count} {word}s") }
}

/// The network of a vantage in at most `width` characters: the operator's name and the number, the name cut first.
pub(crate) fn network(vantage: &Vantage, width: usize) -> Option<String> {
    let asn = vantage.asn.map(|asn| asn.to_string());
    match (&vantage.isp, asn) {
        (Some(isp), Some(asn)) => {
            let room = width.saturating_sub(asn.len() + 1);
            Some(format!("{} {asn}", cut(&plain(isp.as_str()), room)))
        }
        (Some(isp), None) => Some(cut(&plain(isp.as_str()), width)),
        (None, asn) => asn,
    }
}

/// Region and country of a vantage, as far as they are known.
pub(crate) fn place(vantage: &Vantage) -> String {
    let region = vantage.region.as_ref().map(ToString::to_string);
    let country = vantage.country.as_ref().map(ToString::to_string);
    [region, country].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Several scopes, separated by semicolons. They may hold others' text: see [`plain`].
pub(crate) fn scopes(list: &[Scope]) -> String {
    list.iter().map(Scope::in_words).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_text_moves_no_cursor() {
        assert_eq!(plain("a\x1b[31mb\r\n\u{202e}c"), "a [31mb   c");
        assert_eq!(plain("Zürich – ok"), "Zürich – ok");
    }

    #[test]
    fn long_texts_are_wrapped_under_their_first_word() {
        let lines = wrapped("Why: ", &"word ".repeat(30));
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:?}");
        assert!(lines[0].starts_with("Why: word") && lines[1].starts_with("     word"));
        assert_eq!(wrapped("  ", ""), ["  "]);
        assert_eq!(wrapped("+ ", &"x".repeat(150))[0].len(), 152);
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["A", "LONG", "Z"], ["Ümlaut", "b", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), ["A       LONG  Z", "Ümlaut  b"]);
        assert_eq!(table(&[]), Vec::<String>::new());
    }

    #[test]
    fn lengths_keep_what_matters() {
        let cases = [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.00 ms"),
            (12_345, "12.3 ms"),
            (999_949, "999.9 ms"),
            (5_000_321, "5000 ms"),
        ];
        for (us, expected) in cases {
            assert_eq!(length(Micros(us)), expected);
        }
        let spans = [(40, "40 s"), (119, "119 s"), (840, "14 min"), (7_200, "2 h"), (200_000, "2 d")];
        for (s, expected) in spans {
            assert_eq!(span(s * 1_000_000), expected);
        }
        assert_eq!(moment(UnixMicros(1_790_000_000_000_000)), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn a_networks_number_is_never_cut() {
        let vantage: Vantage = serde_json::from_str(
            r#"{"asn":64500,"isp":"A Very Long Internet Provider","region":"eu-west","country":"DE"}"#,
        )
        .expect("a vantage");
        assert_eq!(network(&vantage, 21).as_deref(), Some("A Very Long … AS64500"));
        assert_eq!(place(&vantage), "eu-west DE");
        assert_eq!(network(&Vantage::default(), 21), None);
    }
}
