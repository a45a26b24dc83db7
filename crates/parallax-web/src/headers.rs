//! What every answer says to the browser about itself (threats T53, T54).

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api;

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
pub(crate) async fn every_answer(request: Request, next: Next) -> Response {
    let crossed = request.method() == Method::POST && is_cross_site(request.headers());
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
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "geolocation=(), camera=(), microphone=()"),
    ];
    for (name, value) in fixed {
        // The page that others may frame says so itself.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Browsers say where a request came from; programs that are no browsers say nothing and are let in.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|v| !matches!(v.as_bytes(), b"same-origin" | b"none"))
}
