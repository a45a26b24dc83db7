//! Whether a page is the site's own, by the few words that web servers, hosters and maintainers always say.
//!
//! Of a good answer only the title is looked at: what a site writes about maintenance or parking is its own affair. The text is
//! looked at and forgotten.

use parallax_model::{PageKind, StatusCode};

/// How much of a page is looked at, in bytes.
const LOOKED_AT: usize = 4 * 1024;
/// The longest title that is read, in bytes.
const MAX_TITLE: usize = 160;

/// Titles of pages that stand where no site is set up, in lower case.
const DEFAULT_TITLES: [&str; 12] = [
    "welcome to nginx!",
    "welcome to openresty!",
    "welcome to tengine!",
    "apache2 ubuntu default page: it works",
    "apache2 debian default page: it works",
    "test page for the apache http server",
    "http server test page powered by",
    "iis windows server",
    "caddy works!",
    "default web site page",
    "domain default page",
    "web server's default page",
];
/// What names for sale say in their title.
const PARKED_TITLES: [&str; 6] = [
    "domain for sale",
    "domain is for sale",
    "is for sale | hugedomains",
    "parked domain",
    "domain parked",
    "buy this domain",
];
/// What a server says of a name it does not serve, in the text of a failing answer.
const WRONG_HOST_TEXTS: [&str; 7] = [
    "default backend - 404",
    "there isn't a github pages site here",
    "no such app",
    "nosuchbucket",
    "deployment_not_found",
    "fastly error: unknown domain",
    "the requested host is not configured",
];
/// What maintainers say, in the title or the text of a 5xx.
const MAINTENANCE_TEXTS: [&str; 8] = [
    "under maintenance",
    "down for maintenance",
    "scheduled maintenance",
    "undergoing maintenance",
    "maintenance mode",
    "maintenance in progress",
    "wartungsarbeiten",
    "en mantenimiento",
];

/// What the page says; `None` for the site's own.
pub(crate) fn page_kind(status: StatusCode, page: &[u8]) -> Option<PageKind> {
    let page = &page[..page.len().min(LOOKED_AT)];
    let title = title(page);
    let titled =
        |known: &[&str]| known.iter().any(|words| title.starts_with(words) || title.ends_with(words));
    if titled(&DEFAULT_TITLES) {
        return Some(PageKind::DefaultPage);
    }
    if titled(&PARKED_TITLES) {
        return Some(PageKind::Parked);
    }
    if status.get() < 400 {
        return None;
    }
    let text = String::from_utf8_lossy(page).to_lowercase();
    let says = |known: &[&str]| known.iter().any(|words| text.contains(words));
    if status.get() >= 500
        && (title.contains("maintenance") || title.contains("wartung") || says(&MAINTENANCE_TEXTS))
    {
        return Some(PageKind::Maintenance);
    }
    // RFC 9110, 15.5.20: the server does not serve this name.
    (status.get() == 421 || says(&WRONG_HOST_TEXTS)).then_some(PageKind::WrongHost)
}

/// The title in lower case, empty when there is none.
fn title(page: &[u8]) -> String {
    let is_title = |at: &usize| page.get(*at..*at + 6).is_some_and(|tag| tag.eq_ignore_ascii_case(b"<title"));
    let tags = page.iter().enumerate().filter(|(_, byte)| **byte == b'<').map(|(at, _)| at);
    let Some(begin) = tags.into_iter().find(is_title) else { return String::new() };
    let inside =
        page[begin..].iter().position(|byte| *byte == b'>').map_or(&[][..], |end| &page[begin + end + 1..]);
    let length = inside.iter().position(|byte| *byte == b'<').unwrap_or(inside.len()).min(MAX_TITLE);
    String::from_utf8_lossy(&inside[..length]).trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_are_not_the_sites_own_are_named() {
        use PageKind::{DefaultPage, Maintenance, Parked, WrongHost};
        let cases = [
            (200, "<html><head><title>Welcome to nginx!</title>", Some(DefaultPage)),
            (200, "<TITLE lang=en>\n  Apache2 Ubuntu Default Page: It works\n</TITLE>", Some(DefaultPage)),
            (200, "<title>example.org - Domain for sale</title>", Some(Parked)),
            (200, "<title>How to welcome to nginx! your users</title>", None),
            (200, "<title>Maintenance services</title><p>scheduled maintenance of lifts</p>", None),
            (503, "<title>Site maintenance</title>", Some(Maintenance)),
            (503, "<h1>We are down for maintenance</h1>", Some(Maintenance)),
            (
                503,
                "<title>503 Service Unavailable</title><p>due to maintenance downtime or capacity problems",
                None,
            ),
            (404, "default backend - 404", Some(WrongHost)),
            (404, "<title>Not found</title><p>scheduled maintenance</p>", None),
            (421, "", Some(WrongHost)),
            (502, "<title>502 Bad Gateway</title><center>nginx</center>", None),
            (200, "", None),
            (200, "<title", None),
            (200, "<title>", None),
        ];
        for (status, page, expected) in cases {
            let code = StatusCode::new(status).expect("a status");
            assert_eq!(page_kind(code, page.as_bytes()), expected, "{status} {page}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_title() {
        let code = StatusCode::new(500).expect("a status");
        assert_eq!(page_kind(code, &[0xff; 9_000]), None);
        assert_eq!(page_kind(code, b"<title>\xff\xfe</title>"), None);
    }
}
