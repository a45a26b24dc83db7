//! `Retry-After` (RFC 9110, 10.2.3): how long a server asks us to wait.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// How long a server asks us to wait, in seconds from `now_unix_s`; given as a number or as a date. A date gone by is 0, a number
/// beyond `u32` is the largest. `None` when there is no such header or it is neither.
pub(crate) fn retry_after_s(headers: &HeaderMap, now_unix_s: u64) -> Option<u32> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().unwrap_or(u32::MAX));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(now_unix_s))?;
    let wait = at.duration_since(now).unwrap_or_default();
    Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_date_is_read() {
        // 784111777 is Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110, 5.6.7).
        let now = 784_111_777 - 90;
        let cases = [
            ("120", Some(120)),
            ("0", Some(0)),
            ("99999999999", Some(u32::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(90)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(90)),
            ("Sun Nov  6 08:49:37 1994", Some(90)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().expect("a header value"));
            assert_eq!(retry_after_s(&headers, now), expected, "{value}");
        }
        assert_eq!(retry_after_s(&HeaderMap::new(), now), None);
    }
}
