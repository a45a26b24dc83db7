//! A response as text: what `curl -i` prints, read back into status, headers and the beginning of the page.

use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Most header lines that are kept.
const MAX_HEADERS: usize = 512;

/// Why a text is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum ResponseError {
    /// Nothing was read.
    #[error("there is nothing on standard input; try `curl -si https://example.com/ | parallax explain`")]
    Empty,
    /// It does not begin with a status line.
    #[error(
        "this is not `curl -i` text: it does not begin with a status line such as HTTP/1.1 502 Bad Gateway"
    )]
    NoStatusLine,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ResponseText<'a> {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: &'a [u8],
}

/// Reads a response. Of several header blocks (100 Continue, a proxy's CONNECT, redirects that were followed) the last counts.
/// Lines may end with CRLF or LF; a status line may lack its reason (HTTP/2). Header lines that are none are passed over.
pub(super) fn read(text: &[u8]) -> Result<ResponseText<'_>, ResponseError> {
    let mut rest = text.trim_ascii_start();
    if rest.is_empty() {
        return Err(ResponseError::Empty);
    }
    let mut last = None;
    loop {
        let (line, after) = split_line(rest);
        let Some(status) = status_of(line) else { break };
        let (headers, body) = headers_of(after);
        last = Some((status, headers));
        rest = body;
    }
    let (status, headers) = last.ok_or(ResponseError::NoStatusLine)?;
    Ok(ResponseText { status, headers, body: rest })
}

/// The first line without its end, and what follows it.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match text.iter().position(|b| *b == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &text[text.len()..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// The status of `HTTP/1.1 502 Bad Gateway` or `HTTP/2 502`; `None` for any other line.
fn status_of(line: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(line.get(..line.len().min(64))?).ok()?;
    let (version, rest) = text.strip_prefix("HTTP/")?.split_once(' ')?;
    let digits = rest.split(' ').find(|part| !part.is_empty())?;
    let plausible = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plausible || digits.len() != 3 {
        return None;
    }
    digits.parse().ok().filter(|status| (100..600).contains(status))
}

/// Header lines up to the blank one, and what follows it. A line that begins with a space goes on with the one before (RFC 9112,
/// 5.2).
fn headers_of(text: &[u8]) -> (HeaderMap, &[u8]) {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        rest = after;
        if line.is_empty() {
            break;
        }
        if let (true, Some(before)) = (line.starts_with(b" ") || line.starts_with(b"\t"), lines.last_mut()) {
            before.push(b' ');
            before.extend_from_slice(line.trim_ascii());
        } else if lines.len() < MAX_HEADERS {
            lines.push(line.to_vec());
        }
    }
    let mut headers = HeaderMap::new();
    for line in &lines {
        if let Some(colon) = line.iter().position(|b| *b == b':') {
            add_header(&mut headers, &line[..colon], &line[colon + 1..]);
        }
    }
    (headers, rest)
}

/// Adds a header unless its name or value is none.
pub(super) fn add_header(headers: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let name = HeaderName::from_bytes(name.trim_ascii());
    let value = HeaderValue::from_bytes(value.trim_ascii());
    if let (Ok(name), Ok(value)) = (name, value) {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (u16, Vec<(String, String)>, String) {
        let read = read(text.as_bytes()).expect("a response");
        let text_of = |v: &HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        let headers = read.headers.iter().map(|(n, v)| (n.as_str().to_owned(), text_of(v))).collect();
        (read.status, headers, String::from_utf8_lossy(read.body).into_owned())
    }

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn responses_are_read_as_curl_prints_them() {
        let nginx = vec![header("server", "nginx")];
        let cases = [
            ("HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\n\r\n<html>", (502, nginx.clone(), "<html>")),
            ("HTTP/2 502 \nserver: nginx\n\nbody\n", (502, nginx.clone(), "body\n")),
            ("HTTP/2 502\nserver: nginx", (502, nginx.clone(), "")),
            ("\n\nHTTP/1.0 200 OK\n\n", (200, vec![], "")),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\nHTTP/1.1 503 Busy\r\nServer: nginx\r\n\r\nno",
                (503, nginx.clone(), "no"),
            ),
            (
                "HTTP/1.1 200 OK\nServer:\n  nginx\nnot a header\nbad name: x\n\nHTTP/1.1 is a protocol",
                (200, nginx, "HTTP/1.1 is a protocol"),
            ),
        ];
        for (text, (status, headers, body)) in cases {
            assert_eq!(told(text), (status, headers, body.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        assert_eq!(read(b" \r\n"), Err(ResponseError::Empty));
        for text in ["hello", "<html>", "HTTP/1.1", "HTTP/1.1 999 x", "HTTP/x 200 OK", "HTTP/1.1 20 OK"] {
            assert_eq!(read(text.as_bytes()), Err(ResponseError::NoStatusLine), "{text}");
        }
    }
}
