use proptest::prelude::*;

use super::*;
use crate::{NameList, TargetAnswer, answer};

fn code(policy: &Policy, input: &str) -> Option<Code> {
    policy.parse_target(input).err().map(|refusal| refusal.code())
}

fn hosts(texts: &[&str]) -> Vec<Host> {
    texts.iter().map(|text| text.parse().expect("a host")).collect()
}

#[test]
fn listed_names_are_refused_in_every_spelling() {
    let policy = Policy::public()
        .refusing(NameList::Blocked, hosts(&["bad.example", "xn--bcher-kva.de"]))
        .refusing(NameList::OptedOut, hosts(&["shy.org"]))
        .refusing(NameList::Own, hosts(&["status.parallax.demo", "1.1.1.1", "2606:4700::1"]));
    let cases = [
        ("bad.example", Some(Code::Blocklisted)),
        ("sub.bad.example", Some(Code::Blocklisted)),
        ("BAD.example.", Some(Code::Blocklisted)),
        ("ｂad.example", Some(Code::Blocklisted)),
        ("b%61d.example", Some(Code::Blocklisted)),
        ("bücher.de", Some(Code::Blocklisted)),
        ("www.XN--BCHER-KVA.de", Some(Code::Blocklisted)),
        ("shy.org", Some(Code::OptedOut)),
        ("a.b.shy.org", Some(Code::OptedOut)),
        ("status.parallax.demo", Some(Code::SelfTarget)),
        ("1.1.1.1", Some(Code::SelfTarget)),
        ("[2606:4700:0::1]", Some(Code::SelfTarget)),
        ("notshy.org", None),
        ("parallax.demo", None),
        ("1.1.1.2", None),
    ];
    for (input, expected) in cases {
        assert_eq!(code(&policy, input), expected, "{input}");
    }
    let cname = &hosts(&["cdn.bad.example"])[0];
    assert_eq!(policy.check_host(cname).map_err(|refusal| refusal.code()), Err(Code::Blocklisted));
}

#[test]
fn allowed_ranges_may_be_typed_with_any_port() {
    let policy =
        Policy::allowing(vec!["127.0.0.0/8".parse().expect("a range"), "fd00::/8".parse().expect("a range")]);
    let cases = [
        ("http://127.0.0.1:8080/", None),
        ("127.0.0.1:8443", None),
        ("http://[fd00::1]:81/", None),
        ("http://site.demo:8081/", None),
        ("http://127.1:8080/", Some(Code::AddressFormNotAllowed)),
        ("http://10.0.0.1/", Some(Code::PrivateAddress)),
        ("http://1.1.1.1:8080/", Some(Code::PortNotAllowed)),
        ("http://localhost:8080/", Some(Code::PrivateName)),
    ];
    for (input, expected) in cases {
        assert_eq!(code(&policy, input), expected, "{input}");
    }
}

#[test]
fn targets_that_did_not_come_through_the_parser_are_judged_alike() {
    let cases = [
        ("https://example.com/", None),
        ("https://8.8.8.8/", None),
        ("https://127.1/", Some(Code::AddressFormNotAllowed)),
        ("https://2130706433/", Some(Code::AddressFormNotAllowed)),
        ("https://127.0.0.1/", Some(Code::PrivateAddress)),
        ("https://[::1]/", Some(Code::PrivateAddress)),
        ("https://xn--a.com/", Some(Code::BadHost)),
        ("https://a.1/", Some(Code::BadHost)),
        ("https://localhost/", Some(Code::PrivateName)),
        ("https://example.com:22/", Some(Code::PortNotAllowed)),
        ("http://example.com:443/", Some(Code::PortNotAllowed)),
    ];
    for (text, expected) in cases {
        let target: Target = text.parse().expect(text);
        let got = Policy::public().check_target(&target).err().map(|refusal| refusal.code());
        assert_eq!(got, expected, "{text}");
    }
}

#[test]
fn pages_show_no_query() {
    let shown = |input| Policy::public().parse_target(input).expect("public").shown();
    assert_eq!(shown("example.com/a?token=1"), "https://example.com/a");
    assert_eq!(shown("example.com/a"), "https://example.com/a");
}

#[test]
fn passwords_are_never_repeated() {
    for input in [
        "https://me:hunter2@example.com/",
        "me:hunter2@example.com",
        "http:me:hunter2@example.com",
        "https://hunter2/x@example.com",
        "https://me:hunter2/x@example.com",
        "https://me:hunter2\\@example.com",
        "hunter2:x@example.com",
        "ftp://me:hunter2@example.com",
        "hunter2!@example.com",
        "hunter2!/@example.com",
        "https://hunter2.org:hunter2/x@example.com",
    ] {
        let refusal = Policy::public().parse_target(input).expect_err(input);
        assert!(!refusal.to_string().contains("hunter2"), "{input}: {refusal}");
        assert!(!format!("{refusal:?}").contains("hunter2"), "{input}: {refusal:?}");
    }
}

#[test]
fn numbers_that_may_be_passwords_are_not_repeated() {
    for (input, secret) in
        [("https://me.org:1234/x@example.com", "1234"), ("https://16843009/x@example.com", "1.1.1.1")]
    {
        let refusal = Policy::public().parse_target(input).expect_err(input);
        assert!(refusal.to_string().starts_with("This address is"), "{refusal}");
        assert!(!refusal.to_string().contains(secret), "{refusal}");
    }
}

#[test]
fn answers_are_the_documented_json() {
    let json = |input| serde_json::to_string(&answer(&Policy::public(), input)).expect("plain data");
    assert_eq!(
        json("Example.com/a?b"),
        r#"{"ok":true,"scheme":"https","host":"example.com","port":443,"path":"/a?b"}"#
    );
    assert_eq!(
        json("[2606:4700:4700::1111]"),
        r#"{"ok":true,"scheme":"https","host":"[2606:4700:4700::1111]","port":443,"path":"/"}"#
    );
    assert_eq!(
        json(""),
        r#"{"ok":false,"reason":"empty","message":"Nothing was typed: type the site's address, such as example.com."}"#
    );
    assert!(matches!(answer(&Policy::public(), "8.8.8.8"), TargetAnswer::Accepted { ok: true, .. }));
}

/// Pieces that mean something to one parser or another; addresses are strings of them.
const PIECES: [&str; 48] = [
    "http",
    "https",
    ":",
    "/",
    "//",
    "\\",
    "@",
    "?",
    "#",
    ".",
    "..",
    "-",
    "_",
    "%",
    "%2e",
    "%40",
    "%00",
    "[",
    "]",
    "::",
    "1",
    "0",
    "127",
    "0x7f",
    "255",
    "256",
    "443",
    "80",
    "8080",
    "a",
    "A",
    "example",
    "com",
    "co.uk",
    "xn--",
    "xn--a",
    "localhost",
    " ",
    "\t",
    "\u{ad}",
    "\u{200d}",
    "\u{202e}",
    "ü",
    "ß",
    "。",
    "①",
    "ａ",
    "😀",
];

proptest! {
    #[test]
    fn what_is_accepted_is_canonical_and_what_is_refused_says_so(
        picks in proptest::collection::vec(0..PIECES.len(), 0..14),
    ) {
        let policy = Policy::public();
        let input: String = picks.into_iter().map(|pick| PIECES[pick]).collect();
        match policy.parse_target(&input) {
            Ok(parsed) => {
                prop_assert_eq!(policy.check_target(&parsed.target), Ok(()));
                let text = parsed.target.to_string();
                prop_assert_eq!(text.parse::<Target>(), Ok(parsed.target.clone()));
                prop_assert_eq!(policy.parse_target(&text).map(|again| again.target), Ok(parsed.target));
            }
            Err(refusal) => {
                let sentence = refusal.to_string();
                prop_assert!(sentence.ends_with('.'), "{}", sentence);
                prop_assert!(!sentence.contains(|c: char| c.is_control() || c == '\u{202e}'), "{}", sentence);
            }
        }
    }
}
