use super::*;

#[test]
fn locations_are_resolved_against_their_sender() {
    let policy = Policy::public();
    let from: Target = "https://www.site-under-test.com/a/b?c".parse().expect("a target");
    for (location, expected) in [
        ("/x", "https://www.site-under-test.com/x"),
        ("y", "https://www.site-under-test.com/a/y"),
        ("?q=1#part", "https://www.site-under-test.com/a/b?q=1"),
        ("//other.site-under-test.com", "https://other.site-under-test.com/"),
        ("http://site-under-test.com", "http://site-under-test.com/"),
        ("HTTPS://SITE-under-test.com:443/%20x", "https://site-under-test.com/%20x"),
        ("/gr\u{fc}n", "https://www.site-under-test.com/gr%C3%BCn"),
    ] {
        let led = resolve(&policy, &from, location.as_bytes());
        assert_eq!(led.target().map(ToString::to_string).as_deref(), Some(expected), "{location}");
        assert!(led.allowed().is_ok(), "{location}");
    }
}

#[test]
fn what_policy_refuses_is_blocked_and_still_recorded() {
    let policy = Policy::public();
    let from: Target = "https://www.site-under-test.com/".parse().expect("a target");
    let long = format!("/{}", "x".repeat(MAX_LOCATION_BYTES));
    for (location, recorded) in [
        ("http://127.0.0.1/", Some("http://127.0.0.1/")),
        ("http://[::1]/", Some("http://[::1]/")),
        ("https://www.site-under-test.com:8443/", Some("https://www.site-under-test.com:8443/")),
        ("http://printer.local/", Some("http://printer.local/")),
        ("file:///etc/passwd", None),
        ("data:text/html,x", None),
        (long.as_str(), None),
        ("http://", None),
    ] {
        let led = resolve(&policy, &from, location.as_bytes());
        assert_eq!(led.target().map(ToString::to_string).as_deref(), recorded, "{location}");
        let failure = led.allowed().expect_err(location);
        assert_eq!(failure.failure.kind.to_string(), "http-redirect-blocked", "{location}");
    }
}

#[test]
fn another_site_is_another_registrable_domain_or_address() {
    let cases = [
        ("https://www.example.com/", "https://example.com/x", false),
        ("https://www.example.com/", "/blocked", false),
        ("https://www.example.com/", "http://block.example.net/", true),
        ("https://a.example.co.uk/", "https://b.other.co.uk/", true),
        ("https://www.example.com/", "http://192.0.2.9/", true),
        ("https://192.0.2.9/", "http://192.0.2.9/blocked", false),
        ("https://www.example.com/", "http://[::1", false),
        ("https://www.example.com/", "mailto:a@example.net", false),
    ];
    for (from, location, expected) in cases {
        let from: Target = from.parse().expect("a target");
        assert_eq!(leaves_site(&from, location.as_bytes()), expected, "{from} {location}");
    }
}
