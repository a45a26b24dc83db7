//! What search engines may keep: pages that some people asked for, so that nobody can mint pages (reference/page.md 5).
//!
//! A site's page is for search engines when its operator watches it here, or when enough checks came from enough people. Who asked
//! is kept as a keyed hash of a network prefix, in memory, with a key of this process: after a restart the counting begins anew and
//! pages are hidden again, which is the harmless side.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parallax_model::Host;

use crate::outputs::stamp;
use crate::outputs::xml;
use crate::state::{App, Shared};

/// Checks a page needs.
pub(crate) const MIN_CHECKS: u32 = 20;
/// People (IPv4 /24, IPv6 /48) they must come from.
pub(crate) const MIN_PEOPLE: usize = 3;
/// Sites whose checks are counted; further ones are not counted until the process starts anew.
pub(crate) const MAX_COUNTED: usize = 20_000;
/// Addresses a sitemap holds at most (sitemaps.org: 50,000).
const MAX_ADDRESSES: usize = 50_000;

#[derive(Debug, Default)]
struct Interest {
    checks: u32,
    people: Vec<u64>,
}

/// Who asked for which site.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    sites: Mutex<HashMap<Host, Interest>>,
    hasher: RandomState,
}

impl Asked {
    /// Somebody had a site checked.
    pub(crate) fn note(&self, site: &Host, from: IpAddr) {
        let person = self.hasher.hash_one(prefix(from));
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        if sites.len() >= MAX_COUNTED && !sites.contains_key(site) {
            return;
        }
        let interest = sites.entry(site.clone()).or_default();
        interest.checks = interest.checks.saturating_add(1);
        if interest.people.len() < MIN_PEOPLE && !interest.people.contains(&person) {
            interest.people.push(person);
        }
    }

    fn is_enough(&self, site: &Host) -> bool {
        let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        sites.get(site).is_some_and(|i| i.checks >= MIN_CHECKS && i.people.len() >= MIN_PEOPLE)
    }
}

/// The /24 or /48 an address lies in.
fn prefix(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits() >> 8),
        IpAddr::V6(v6) => 1 << 127 | v6.to_bits() >> 80,
    }
}

/// Whether search engines may keep a site's page.
pub(crate) fn is_indexable(app: &Shared, site: &Host) -> bool {
    let watched = app.read.site(site).is_some_and(|view| view.interval.is_some());
    watched || app.asked.is_enough(site)
}

/// What is said to search engines about an address; nothing where they are welcome.
pub(crate) fn robots(app: &Shared, path: &str) -> Option<HeaderValue> {
    let bare = path.strip_prefix("/de/").unwrap_or_else(|| path.trim_start_matches('/'));
    let (first, rest) = bare.split_once('/').unwrap_or((bare, ""));
    let hidden = match first {
        "c" | "check" => true,
        "api" => !rest.is_empty(),
        "s" => {
            let host = rest.split('/').next().unwrap_or_default();
            !host.parse().is_ok_and(|host: Host| is_indexable(app, &host))
        }
        _ => false,
    };
    hidden.then(|| HeaderValue::from_static("noindex"))
}

/// `GET /robots.txt`: everything may be read but what costs work or means nothing later.
pub(crate) async fn robots_txt(State(app): App) -> Response {
    let mut text = "User-agent: *\nDisallow: /check\nDisallow: /c/\nDisallow: /de/check\nDisallow: /de/c/\nDisallow: /api/v1/\n".to_owned();
    if !app.base_url.is_empty() {
        text.extend(["Sitemap: ", &app.base_url, "/sitemap.xml\n"]);
    }
    ([(header::CACHE_CONTROL, "public, max-age=3600")], text).into_response()
}

/// `GET /sitemap.xml`: the pages of ours that say something, and those sites' that search engines may keep. The addresses of a
/// sitemap are whole ones, so there is none while the public address is not configured.
pub(crate) async fn sitemap(State(app): App) -> Response {
    if app.base_url.is_empty() {
        return (StatusCode::NOT_FOUND, "there is no sitemap: the public address is not configured\n")
            .into_response();
    }
    let ours = ["/", "/outages", "/network", "/learn", "/about", "/api", "/privacy"];
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    let mut add = |path: &str, since: Option<String>| {
        let since = since.map(|since| format!("<lastmod>{since}</lastmod>")).unwrap_or_default();
        text.extend(["<url><loc>", &app.base_url, &xml(path), "</loc>", &since, "</url>\n"]);
    };
    for path in ours {
        add(path, None);
    }
    let sites = app.read.sites();
    let shown = sites.iter().filter(|view| is_indexable(&app, &view.host)).take(MAX_ADDRESSES - ours.len());
    for view in shown {
        add(&format!("/s/{}", view.host), Some(stamp(view.since)));
    }
    text += "</urlset>\n";
    let headers =
        [(header::CONTENT_TYPE, "application/xml"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_checks_of_three_people_and_no_fewer() {
        let site: Host = "a.example".parse().unwrap();
        let counted = |from: &[&str], times: usize| {
            let asked = Asked::default();
            for n in 0..times {
                asked.note(&site, from[n % from.len()].parse().unwrap());
            }
            asked.is_enough(&site)
        };
        let three = ["192.0.2.1", "198.51.100.1", "2001:db8::1"];
        assert!(counted(&three, 20));
        assert!(!counted(&three, 19), "too few checks");
        assert!(!counted(&three[..2], 1_000), "too few people");
        assert!(!counted(&["192.0.2.1", "192.0.2.2", "192.0.2.3"], 1_000), "neighbours are one");
        assert!(!counted(&["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:ffff::1"], 1_000));
    }
}
