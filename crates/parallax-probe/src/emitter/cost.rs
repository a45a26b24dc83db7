//! What telling an emitter costs, in memory and time. Measurements for people, each in a process of its own:
//! `cargo nextest run -p parallax-probe emitter::cost --run-ignored only --no-capture`.

use std::hint::black_box;

use http::{HeaderMap, HeaderValue};

use super::emitter;

/// One line of `/proc/self/status`, in KiB.
fn kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().expect(name), HeaderValue::from_static(value))).collect()
}

/// An ordinary page of 6 KiB.
fn page() -> (HeaderMap, String) {
    let headers = headers(&[
        ("server", "nginx/1.29.0"),
        ("content-type", "text/html; charset=utf-8"),
        ("date", "Sun, 01 Feb 2026 10:00:00 GMT"),
        ("cache-control", "max-age=600"),
        ("vary", "accept-encoding"),
        ("etag", "\"65c1-18c0\""),
        ("strict-transport-security", "max-age=31536000"),
        ("x-frame-options", "SAMEORIGIN"),
    ]);
    let paragraph = "<div class=\"entry\"><h2><a href=\"/posts/on-keeping-bees\">On keeping bees in the city</a></h2>\
        <p>The access to the roof is by the back stairs, and this is where the hives have stood since the \
        spring; the server at the cafe below brings them sugar water when the weather is bad.</p></div>\n";
    let head =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Bees</title></head><body>\n";
    let page: String = head.chars().chain(paragraph.chars().cycle()).take(6 * 1_024).collect();
    (headers, page)
}

#[test]
#[ignore = "prints what memory is taken"]
fn memory() {
    let (good, page) = page();
    let bad = headers(&[("server", "cloudflare"), ("cf-ray", "9f00aa11bb22cc33-FRA")]);
    let moved = headers(&[("server", "nginx"), ("location", "https://www.example.com/")]);
    let blocked = headers(&[("location", "http://block.isp.example/")]);
    let answers: [(&str, u16, &HeaderMap, &str); 5] = [
        ("a good page", 200, &good, &page),
        (
            "a bad gateway",
            502,
            &bad,
            "<html><title>502 Bad Gateway</title><center>cloudflare</center></html>",
        ),
        ("a frame", 200, &good, "<html><iframe src=\"https://www.example.com/\"></iframe></html>"),
        ("a redirect", 301, &moved, ""),
        ("a redirect to a notice", 302, &blocked, ""),
    ];
    let print = |what: &str| {
        println!(
            "{what:>24}: anonymous {:>6} KiB, all {:>6} KiB, peak {:>6} KiB",
            kib("RssAnon"),
            kib("VmRSS"),
            kib("VmHWM")
        );
    };
    print("before");
    for (what, status, headers, body) in answers {
        black_box(emitter(Some(status), headers, body.as_bytes()));
        print(what);
    }
}

#[test]
#[ignore = "prints what time is taken"]
#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn time() {
    let (good, page) = page();
    let moved = headers(&[("server", "nginx"), ("location", "https://www.example.com/")]);
    let answers: [(&str, u16, &HeaderMap, &str); 3] = [
        ("a good page", 200, &good, &page),
        ("a bad page", 503, &good, &page),
        ("a redirect", 301, &moved, ""),
    ];
    for (what, status, headers, body) in answers {
        black_box(emitter(Some(status), headers, body.as_bytes()));
        let start = std::time::Instant::now();
        for _ in 0..1_000 {
            black_box(emitter(Some(status), headers, black_box(body.as_bytes())));
        }
        println!("{what:>24}: {:?}", start.elapsed() / 1_000);
    }
}
