//! Patterns for values of headers: plain text, where `*` stands for anything. Letters of ASCII are alike in both cases.

/// Whether the whole text fits.
pub(super) fn fits(pattern: &str, text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return text.eq_ignore_ascii_case(pattern.as_bytes());
    };
    let Some(mut text) = after_start(text, first.as_bytes()) else { return false };
    let (middle, last) = rest.rsplit_once('*').map_or((None, rest), |(middle, last)| (Some(middle), last));
    let Some(kept) = text.len().checked_sub(last.len()) else { return false };
    if !text[kept..].eq_ignore_ascii_case(last.as_bytes()) {
        return false;
    }
    text = &text[..kept];
    for piece in middle.into_iter().flat_map(|middle| middle.split('*')) {
        match find(text, piece.as_bytes()) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    true
}

fn after_start<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

fn find(text: &[u8], piece: &[u8]) -> Option<usize> {
    if piece.is_empty() {
        return Some(0);
    }
    text.windows(piece.len()).position(|window| window.eq_ignore_ascii_case(piece))
}

/// Whether two texts say the same: white space counts as one, case does not.
pub(super) fn same_words(one: &[u8], other: &[u8]) -> bool {
    let words = |text: &'_ [u8]| -> Vec<Vec<u8>> {
        text.split(u8::is_ascii_whitespace)
            .filter(|w| !w.is_empty())
            .map(<[u8]>::to_ascii_lowercase)
            .collect()
    };
    words(one) == words(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let cases = [
            ("nginx", "nginx", true),
            ("nginx", "nginx/1.29", false),
            ("nginx*", "NGINX/1.29", true),
            ("nginx*", "xnginx", false),
            ("*", "", true),
            ("*varnish*", "1.1 web1 (Varnish/7.6)", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(fits(pattern, text.as_bytes()), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn white_space_and_case_do_not_change_what_is_said() {
        assert!(same_words(b"Bad  Gateway\r\n", b"bad gateway"));
        assert!(!same_words(b"Bad Gateway!", b"bad gateway"));
    }
}
