//! What every answer says to the browser about itself (threats T53, T54).

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api;
use crate::state::App;

/// How long an answer may take to begin, the wait for the request's body included: who trickles a body is cut (threat T56).
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Nothing from elsewhere, nothing inline, no frame around us.
pub(crate) const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Hosts that one page may be allowed to connect to beside ourselves.
const MAX_OWN_TEST_HOSTS: usize = 4;

/// The policy of a check's page: the visitor's own test may also ask the checked site and where that redirects, nothing else.
/// Names of hosts hold letters, digits, dots and hyphens alone (parallax-model), so none can end the directive.
pub(crate) fn csp_with(hosts: &[String]) -> String {
    let mut sources: Vec<String> = Vec::new();
    for host in hosts {
        // A site and its www name redirect to each other, for visitors too.
        let bare = host.strip_prefix("www.").unwrap_or(host);
        for name in [bare.to_owned(), format!("www.{bare}")] {
            if !sources.contains(&name) && sources.len() < 2 * MAX_OWN_TEST_HOSTS {
                sources.push(name);
            }
        }
    }
    let each = sources.iter().flat_map(|name| [" https://", name.as_str(), " http://", name.as_str()]);
    let allowed: String = each.collect();
    CSP.replace("connect-src 'self'", &format!("connect-src 'self'{allowed}"))
        .replace("img-src 'self' data:", &format!("img-src 'self' data:{allowed}"))
}

/// Adds the headers every answer has, and refuses writes that another site's page caused.
pub(crate) async fn every_answer(State(app): App, request: Request, next: Next) -> Response {
    let crossed = request.method() == Method::POST && is_cross_site(request.headers(), &app.base_url);
    let for_programs = request.uri().path().starts_with("/api/v1");
    let mut response = if crossed {
        let says = "this can only be sent from our own pages\n";
        (StatusCode::FORBIDDEN, says).into_response()
    } else {
        let late = (StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive\n");
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await;
        answer.unwrap_or_else(|_| late.into_response())
    };
    if for_programs {
        response = api::error::as_json(response).await;
    }
    add(response.headers_mut());
    response
}

/// Adds what is not said yet.
pub(crate) fn add(headers: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Nobody else learns where a visitor was; we must, to know our own forms (`is_cross_site`).
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "geolocation=(), camera=(), microphone=()"),
    ];
    for (name, value) in fixed {
        // The page that others may frame says so itself.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Browsers say where a request came from; programs that are no browsers say nothing and are let in. Old browsers say less: their
/// `Origin` must then be ours, by the public address or by the name they asked for (our policy for referrers lets them say it).
fn is_cross_site(headers: &HeaderMap, base_url: &str) -> bool {
    if let Some(from) = headers.get("sec-fetch-site") {
        return !matches!(from.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let named = origin.split_once("://").map(|(_, name)| name);
    let ours = (!base_url.is_empty() && origin == base_url) || (named.is_some() && named == host);
    !ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_that_another_page_sent_it_is_refused() {
        for (site, origin, crossed) in [
            (Some("same-origin"), None, false),
            (Some("none"), Some("null"), false),
            (Some("cross-site"), None, true),
            (Some("same-site"), Some("https://parallax.example"), true),
            (None, None, false),
            (None, Some("https://parallax.example"), false),
            (None, Some("http://inside:8080"), false),
            (None, Some("https://evil.example"), true),
            (None, Some("https://parallax.example.evil.example"), true),
            (None, Some("null"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("inside:8080"));
            let lines = [("sec-fetch-site", site), ("origin", origin)];
            for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                headers.insert(name, HeaderValue::from_static(value));
            }
            assert_eq!(is_cross_site(&headers, "https://parallax.example"), crossed, "{site:?} {origin:?}");
        }
    }
}
