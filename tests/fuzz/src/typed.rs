//! What a visitor typed.

use std::net::IpAddr;

use parallax_model::{Scheme, Target};
use parallax_policy::{Note, ParsedTarget, Policy};

use super::text::{MAX_SENTENCE_BYTES, assert_plain};
use super::vetting::assert_open;

/// Put before every `@` of an input, where passwords stand; lower case.
const SECRET: &str = "pw-zq9x";
/// Longest canonical target, in bytes: scheme, a name of 253 octets, a path of 1,024.
const MAX_TARGET_BYTES: usize = 8 + 255 + 1_024;

/// Reads bytes as a visitor's input. An accepted target is canonical, allowed and reads as itself; a refusal is one plain
/// sentence without anybody's password.
pub fn typed(bytes: &[u8]) {
    let policy = Policy::public();
    match policy.parse_target_bytes(bytes) {
        Ok(parsed) => assert_accepted(&policy, &parsed),
        Err(refusal) => {
            let sentence = refusal.to_string();
            assert_plain("a refusal", &sentence, MAX_SENTENCE_BYTES);
            assert!(sentence.ends_with('.'), "a refusal is a sentence: {sentence:?}");
        }
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    let answer =
        serde_json::to_string(&parallax_policy::answer(&policy, text)).expect("answers are plain data");
    assert!(!answer.contains('\n'), "an answer is one line: {answer}");
    if text.contains('@') {
        assert_no_password(&policy, text);
    }
}

/// With an `@` somewhere, what stands before it may be a password, and no refusal repeats any part of the input.
fn assert_no_password(policy: &Policy, text: &str) {
    let with_secret = told(policy, &text.replace('@', &format!("{SECRET}@")));
    assert!(
        told(policy, text).contains(SECRET) || !with_secret.contains(SECRET),
        "a password is told: {with_secret:?}"
    );
    if let Err(refusal) = policy.parse_target(&format!("{SECRET}{text}")) {
        assert!(!refusal.to_string().contains(SECRET), "a refusal repeats what may be a password: {refusal}");
    }
}

/// What a visitor is told of the host they typed, in lower case.
fn told(policy: &Policy, text: &str) -> String {
    let parsed = policy.parse_target(text);
    parsed.map_or_else(|refusal| refusal.to_string(), |parsed| parsed.target.authority()).to_lowercase()
}

fn assert_accepted(policy: &Policy, parsed: &ParsedTarget) {
    let target = &parsed.target;
    let text = target.to_string();
    assert_plain("a target", &text, MAX_TARGET_BYTES);
    assert!(text.is_ascii(), "a target is ASCII: {text}");
    assert_eq!(text.parse::<Target>().as_ref(), Ok(target), "a target survives its own text");
    let again = policy.parse_target(&text).map(|parsed| parsed.target);
    assert_eq!(again.as_ref(), Ok(target), "an accepted target reads as itself");
    assert_eq!(policy.check_target(target), Ok(()), "{text}: accepted when typed, refused when checked");
    assert_public(policy, target);
    assert!(!parsed.shown().contains('?'), "a query is shown: {}", parsed.shown());
    assert_notes(&parsed.notes);
}

fn assert_public(policy: &Policy, target: &Target) {
    let port = if target.scheme == Scheme::Http { 80 } else { 443 };
    assert_eq!(target.port.get(), port, "{target}: a port that is not the scheme's own");
    let url = url::Url::parse(&target.to_string()).expect("a target is a URL");
    assert_eq!((url.username(), url.password(), url.fragment()), ("", None, None), "{target}");
    match (target.host.ip(), url.host()) {
        (Some(ip), Some(host)) => {
            assert_open(ip);
            assert!(
                policy.vet(&target.host, target.port, &[ip]).is_ok(),
                "{target}: accepted but not connected to"
            );
            let same = match host {
                url::Host::Ipv4(v4) => IpAddr::V4(v4) == ip,
                url::Host::Ipv6(v6) => IpAddr::V6(v6) == ip,
                url::Host::Domain(_) => false,
            };
            assert!(same, "{target}: a browser sees {host}");
        }
        (None, Some(url::Host::Domain(name))) => {
            assert_eq!(name, target.host.as_str(), "a browser sees another host");
            assert!(name.contains('.'), "{target}: a name of one label");
        }
        (_, host) => panic!("{target}: a browser sees {host:?}"),
    }
}

fn assert_notes(notes: &[Note]) {
    for (at, note) in notes.iter().enumerate() {
        assert_plain("a note", &note.to_string(), 2 * MAX_SENTENCE_BYTES);
        let same = |other: &&Note| std::mem::discriminant(*other) == std::mem::discriminant(note);
        assert!(notes[..at].iter().find(same).is_none(), "two notes of one kind: {notes:?}");
    }
}
