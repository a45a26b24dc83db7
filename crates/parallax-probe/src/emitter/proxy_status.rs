//! `Proxy-Status` (RFC 9209): which hops say what, from the origin's side to the visitor's.
//!
//! Only what is asked of it is read: the names and the `error` parameter. A header that is no list is read as far as it goes.

use http::HeaderMap;

/// Most hops that are read.
const MAX_HOPS: usize = 16;
/// Longest name of a hop, and what is kept of an error's name, in bytes: both are ASCII.
const MAX_WORD_BYTES: usize = 64;

/// One hop's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    /// What it calls itself, lower case.
    pub(super) name: String,
    /// The error it met; a hop with one made the answer itself.
    pub(super) error: Option<String>,
}

/// Reads every hop.
pub(super) fn read(headers: &HeaderMap) -> Vec<Stated> {
    let lines = headers.get_all("proxy-status").iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| split(line, ',')).filter_map(hop).take(MAX_HOPS).collect()
}

fn hop(text: &str) -> Option<Stated> {
    let parts = split(text, ';');
    let name = unquoted(parts.first()?);
    if name.is_empty() || name.len() > MAX_WORD_BYTES {
        return None;
    }
    let error = parts.iter().skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case("error")
            .then(|| unquoted(value).chars().take(MAX_WORD_BYTES).collect())
    });
    Some(Stated { name, error })
}

/// Splits outside of quoted strings (RFC 8941, 3.3.3).
fn split(text: &str, at: char) -> Vec<&str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(|c| {
        let ends = c == at && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
    .collect()
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    bare.chars().filter(|c| !c.is_control() && *c != '\\').collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(value: &str) -> Vec<(String, Option<String>)> {
        let mut headers = HeaderMap::new();
        headers.insert("proxy-status", value.parse().expect("a header value"));
        read(&headers).into_iter().map(|s| (s.name, s.error)).collect()
    }

    #[test]
    fn hops_and_their_errors_are_read() {
        let one = |name: &str, error: Option<&str>| (name.to_owned(), error.map(str::to_owned));
        assert_eq!(
            stated("FooProxy, ExampleCDN; error=connection_timeout; details=\"a, b; c\""),
            [one("fooproxy", None), one("examplecdn", Some("connection_timeout"))]
        );
        assert_eq!(stated("\"edge.example\"; received-status=502"), [one("edge.example", None)]);
        assert_eq!(stated(""), []);
        assert_eq!(stated("x; details=\"\\\"; error=no\""), [one("x", None)]);
    }
}
