//! Patterns of the fingerprint files: plain text, where `*` stands for anything. Text and pattern are lower case already.

/// Whether the whole text fits.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(first) else { return false };
    match rest.rsplit_once('*') {
        None => text.ends_with(rest),
        Some((middle, last)) => text.strip_suffix(last).is_some_and(|text| holds(middle, text)),
    }
}

/// Whether the text holds the pattern's pieces, in their order.
pub(super) fn holds(pattern: &str, text: &str) -> bool {
    let mut left = text;
    for piece in pattern.split('*') {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let cases = [
            ("nginx", "nginx", true),
            ("nginx", "nginx/1.29", false),
            ("nginx*", "nginx/1.29", true),
            ("nginx*", "xnginx", false),
            ("*", "", true),
            ("*varnish*", "1.1 web1 (varnish/7.6)", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(fits(pattern, text), expected, "{pattern} on {text}");
        }
        assert!(holds("<hr>*nginx", "x<hr><center>nginx</center>"));
        assert!(!holds("nginx*<hr>", "x<hr><center>nginx</center>"));
    }
}
