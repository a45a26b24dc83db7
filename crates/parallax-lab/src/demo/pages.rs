//! The demonstration's answers, in the shape the real programs give them.

use http::header::{HeaderValue, LOCATION};
use http::{HeaderName, StatusCode};
use parallax_model::Target;

use super::cdn::PopCode;
use super::sites::Plot;
use crate::serve::Reply;

const HTML: &str = "text/html; charset=utf-8";
/// How the guard's edge names itself and the request (an invented ray).
const RAY: &str = "9a1c0b7d5e3f2468-LHR";

/// A page of a site that works, with the headers its servers would leave on it.
pub(super) fn works(plot: Plot, pop: Option<PopCode>) -> Reply {
    let reply = Reply::new(StatusCode::OK);
    match plot {
        Plot::Beacon => reply.text("content-type", "text/plain; charset=utf-8").body("beacon\n"),
        Plot::Works => page(reply.text("server", "Caddy"), "Fine", "Everything works here."),
        Plot::ProviderCutOff => page(reply.text("server", "nginx"), "Shop", "Boots, tents, lanterns."),
        Plot::PopDown => page(at_edge(reply, pop), "Video", "Four films a day."),
        Plot::Moved => page(reply.text("server", "Apache"), "Bank", "Please sign in."),
        Plot::Overloaded => page(reply.text("server", "envoy"), "Tickets", "You are through. Pick a seat."),
        Plot::Guarded => page(by_guard(reply), "Guard", "Welcome, human."),
        Plot::Intercepted => page(reply.text("server", "nginx"), "Games", "Press start."),
        Plot::Crashed | Plot::Closed => page(reply, "Open", "Open again."),
    }
}

/// The answer to a plain request: the same address over TLS.
pub(super) fn to_https(target: &Target, path: &str, plot: Plot) -> Reply {
    let location = HeaderValue::try_from(format!("https://{}{path}", target.host))
        .unwrap_or(HeaderValue::from_static("/"));
    let reply = Reply::new(StatusCode::MOVED_PERMANENTLY).header(LOCATION, location);
    match plot {
        Plot::Guarded => by_guard(reply),
        Plot::ProviderCutOff | Plot::Intercepted => reply.text("server", "nginx"),
        _ => reply,
    }
}

/// The request named another site (RFC 9110, 15.5.20).
pub(super) fn misdirected() -> Reply {
    Reply::new(StatusCode::MISDIRECTED_REQUEST)
        .text("content-type", "text/plain; charset=utf-8")
        .body("no such site here\n")
}

/// nginx, when the server behind it refuses the connection.
pub(super) fn nginx_502() -> Reply {
    Reply::new(StatusCode::BAD_GATEWAY).text("server", "nginx/1.26.2").text("content-type", "text/html").body(
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
         <center><h1>502 Bad Gateway</h1></center>\r\n\
         <hr><center>nginx/1.26.2</center>\r\n</body>\r\n</html>\r\n",
    )
}

/// HAProxy, when the server behind it hangs up in the middle.
pub(super) fn haproxy_502() -> Reply {
    Reply::new(StatusCode::BAD_GATEWAY)
        .text("cache-control", "no-cache")
        .text("content-type", "text/html")
        .body("<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n")
}

/// The failing PoP, when the origin does not accept its connection: it says so itself (RFC 9209).
pub(super) fn edge_504() -> Reply {
    Reply::new(StatusCode::GATEWAY_TIMEOUT)
        .text(
            "proxy-status",
            "edge-fra.riverlight.example; error=connection_timeout; details=\"no answer from the origin shield\"",
        )
        .text("via", "1.1 varnish")
        .text("x-served-by", PopCode::Fra.cache())
        .text("x-cache", "MISS")
        .text("content-type", HTML)
        .text("retry-after", "0")
        .body(format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE html>\n<html>\n  <head>\n    \
             <title>504 Gateway Timeout</title>\n  </head>\n  <body>\n    <h1>Error 504 Gateway Timeout</h1>\n    \
             <p>Gateway Timeout</p>\n    <h3>Error 54113</h3>\n    <p>Details: {}</p>\n    <hr>\n    \
             <p>Varnish cache server</p>\n  </body>\n</html>\n",
            PopCode::Fra.cache()
        ))
}

/// Envoy, when its circuit breaker is open.
pub(super) fn envoy_overflow() -> Reply {
    Reply::new(StatusCode::SERVICE_UNAVAILABLE)
        .text("server", "envoy")
        .text("x-envoy-overloaded", "true")
        .text("retry-after", "5")
        .text("content-type", "text/plain")
        .body("upstream connect error or disconnect/reset before headers. reset reason: overflow")
}

/// A site closed for work, as an administrator would set it up.
pub(super) fn maintenance() -> Reply {
    let reply =
        Reply::new(StatusCode::SERVICE_UNAVAILABLE).text("server", "Apache").text("retry-after", "7200");
    page(reply, "Down for maintenance", "We are doing scheduled maintenance and will be back in two hours.")
}

/// A bot guard's question.
pub(super) fn challenge() -> Reply {
    by_guard(Reply::new(StatusCode::FORBIDDEN))
        .text("cf-mitigated", "challenge")
        .text("cache-control", "private, max-age=0, no-store")
        .text("content-type", HTML)
        .body(
            "<!DOCTYPE html><html lang=\"en-US\"><head><title>Just a moment...</title>\
             <meta name=\"robots\" content=\"noindex,nofollow\"></head><body>\
             <noscript>Enable JavaScript and cookies to continue</noscript>\
             <script src=\"/cdn-cgi/challenge-platform/h/g/orchestrate/chl_page/v1\"></script></body></html>",
        )
}

fn by_guard(reply: Reply) -> Reply {
    reply.text("server", "cloudflare").text("cf-ray", RAY)
}

fn at_edge(reply: Reply, pop: Option<PopCode>) -> Reply {
    let reply = reply.text("via", "1.1 varnish").text("x-cache", "HIT");
    match pop {
        Some(pop) => reply
            .text("x-served-by", pop.cache())
            .header(HeaderName::from_static("proxy-status"), HeaderValue::from_static(pop.proxy_status())),
        None => reply,
    }
}

fn page(reply: Reply, title: &str, text: &str) -> Reply {
    reply.text("content-type", HTML).body(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><title>{title}</title></head>\n\
         <body><h1>{title}</h1><p>{text}</p></body>\n</html>\n"
    ))
}
