//! `/s/{host}/badge.svg` and `/s/{host}/badge.json`: a site's state in the corner of somebody's page.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_model::{Host, Verdict};
use serde::Serialize;

use super::{KEPT_S, answer, host, ink, xml};
use crate::api::error::ApiError;
use crate::state::{App, Shared};

/// Longest label in characters; a longer host keeps its end, which says whose it is.
const MAX_LABEL: usize = 40;
/// Space at each side of a text, in pixels.
const PADDING: usize = 7;

/// The endpoint schema of shields.io.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shield {
    schema_version: u8,
    label: String,
    message: &'static str,
    color: &'static str,
    is_error: bool,
    cache_seconds: u32,
}

/// A site's state in the words of a badge.
const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "up",
        Verdict::Down => "down",
        Verdict::Partial => "partly down",
        Verdict::Degraded => "slow",
        Verdict::Flaky => "comes and goes",
        Verdict::Blocked => "not visible to us",
        Verdict::Unknown => "not known",
    }
}

/// A site nobody asked about yet is not known either: a badge is no place for an error page.
fn verdict(app: &Shared, host: &Host) -> Verdict {
    app.read.site(host).map_or(Verdict::Unknown, |view| view.diagnosis.verdict)
}

fn label(host: &Host) -> String {
    let text = host.as_str();
    let length = text.chars().count();
    if length <= MAX_LABEL {
        return text.to_owned();
    }
    let end: String = text.chars().skip(length - (MAX_LABEL - 1)).collect();
    format!("…{end}")
}

/// `GET /s/{host}/badge.json`.
pub(crate) async fn json(
    State(app): App,
    Path(typed): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let host = host(&app, &typed)?;
    let verdict = verdict(&app, &host);
    let shield = Shield {
        schema_version: 1,
        label: label(&host),
        message: words(verdict),
        color: ink(verdict),
        is_error: verdict == Verdict::Down,
        cache_seconds: KEPT_S,
    };
    let body = serde_json::to_vec(&shield).map_err(|_| ApiError::internal())?;
    Ok(answer("application/json", body, &headers))
}

/// `GET /s/{host}/badge.svg`.
pub(crate) async fn svg(
    State(app): App,
    Path(typed): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let host = host(&app, &typed)?;
    Ok(answer("image/svg+xml", drawn(&label(&host), verdict(&app, &host)), &headers))
}

/// Two boxes with words. What the state is stands in words; the colour only repeats it.
fn drawn(label: &str, verdict: Verdict) -> String {
    let (message, colour) = (words(verdict), ink(verdict));
    let (left, right) = (width(label), width(message));
    let (a, b) = (left + 2 * PADDING, right + 2 * PADDING);
    let whole = a + b;
    let text = xml(label);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\"><title>{text}: {message}</title>\
         <rect width=\"{whole}\" height=\"20\" rx=\"3\" fill=\"#16222b\"/>\
         <path fill=\"{colour}\" d=\"M{a} 0h{}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{a}z\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\
         <text x=\"{PADDING}\" y=\"14\" textLength=\"{left}\">{text}</text>\
         <text x=\"{}\" y=\"14\" textLength=\"{right}\">{message}</text></g></svg>",
        b - 3,
        a + PADDING,
    )
}

/// How wide a text is in Verdana at 11 px, about: the drawing says the width, so nothing overlaps where another font is used.
fn width(text: &str) -> usize {
    let tenths = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '|' | '\'' | ' ' => 37,
        'f' | 't' | 'r' | '-' | '(' | ')' => 47,
        'm' | 'w' | 'M' | 'W' => 99,
        'A'..='Z' => 76,
        '…' => 90,
        _ => 68,
    };
    text.chars().map(tenths).sum::<usize>().div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_is_small_and_says_its_state_in_words() {
        let longest = "m".repeat(63) + "." + &"w".repeat(63) + ".example";
        for name in ["a.example", &longest] {
            let host: Host = name.parse().unwrap();
            for verdict in [Verdict::Up, Verdict::Flaky, Verdict::Blocked] {
                let svg = drawn(&label(&host), verdict);
                assert!(svg.len() <= 1_024, "{} bytes", svg.len());
                assert!(svg.contains(&format!(": {}</title>", words(verdict))), "{svg}");
            }
        }
        assert_eq!(label(&longest.parse().unwrap()).chars().count(), MAX_LABEL);
    }
}
