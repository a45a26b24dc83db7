//! Whether an answer advertises HTTP/3 where it came from (RFC 7838). A hint at any other host or port is not looked at twice:
//! nothing a server says here leads anywhere.

use http::HeaderMap;
use http::header::ALT_SVC;
use parallax_model::{Host, Port};

#[cfg(test)]
mod tests;

/// Most bytes of the header that are looked at, all its lines together.
const MAX_BYTES: usize = 4 * 1_024;
/// Most alternatives that are looked at.
const MAX_ALTERNATIVES: usize = 32;

/// Whether the answer of a host and port says that HTTP/3 is spoken on the same host and port, and for how long is not over.
pub(crate) fn says_h3(headers: &HeaderMap, host: &Host, port: Port) -> bool {
    let mut found = false;
    let mut left = MAX_BYTES;
    let mut alternatives = 0;
    for line in headers.get_all(ALT_SVC) {
        let Ok(line) = line.to_str() else { continue };
        let Some(rest) = left.checked_sub(line.len()) else { return found };
        left = rest;
        for alternative in split(line, b',') {
            alternatives += 1;
            if alternatives > MAX_ALTERNATIVES {
                return found;
            }
            // `clear` takes back all that was advertised, whatever else the answer says (RFC 7838, 3).
            if alternative == "clear" {
                return false;
            }
            found |= is_h3_here(alternative, host, port);
        }
    }
    found
}

/// Whether one alternative (`h3=":443"; ma=86400`) is HTTP/3 at this host and port.
fn is_h3_here(alternative: &str, host: &Host, port: Port) -> bool {
    let mut parts = split(alternative, b';');
    let Some(("h3", authority)) = parts.next().and_then(|first| first.split_once('=')) else {
        return false;
    };
    let Some(authority) = authority.strip_prefix('"').and_then(|a| a.strip_suffix('"')) else {
        return false;
    };
    let Some((named, number)) = authority.rsplit_once(':') else { return false };
    let here = named.is_empty() || named.eq_ignore_ascii_case(host.as_str());
    let over = parts.filter_map(|part| part.split_once('=')).any(|(name, value)| {
        name.eq_ignore_ascii_case("ma") && value.trim_matches('"').bytes().all(|digit| digit == b'0')
    });
    here && !over && is_number(number, port)
}

fn is_number(text: &str, port: Port) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse() == Ok(port.get())
}

/// The parts of a list, trimmed, without the empty ones. A separator in quotes is none (RFC 9110, 5.6.1 and 5.6.4).
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = whole.bytes().position(|byte| {
            if escaped {
                escaped = false;
                return false;
            }
            match byte {
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
            byte == separator && !quoted
        });
        let (part, behind) = match end {
            Some(end) => (&whole[..end], Some(&whole[end + 1..])),
            None => (whole, None),
        };
        rest = behind;
        Some(part.trim_matches([' ', '\t']))
    })
    .filter(|part| !part.is_empty())
}
