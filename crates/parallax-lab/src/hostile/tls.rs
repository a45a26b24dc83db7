//! Servers whose TLS is broken: on the wire, in the certificate, or after the handshake.

use bytes::Bytes;
use parallax_model::Protocol;

use super::identity::{Asks, Flaw, Identity, Versions};
use super::play::Step;
use super::play::Step::{Cut, Flood, Hear, HearHead, Hold, Reset, Say, Send, Wait};
use super::{Behaviour, Ends, Script, Speaks, h1};

const FINE: Ends = &["ok"];
const HANDSHAKE: Ends = &["tls-handshake"];
const TIMEOUT: Ends = &["tls-timeout"];
const CUT: Ends = &["tls-reset"];
const UNTRUSTED: Ends = &["tls-untrusted"];
const OTHER_NAME: Ends = &["tls-name-mismatch"];

/// TLS 1.2 on the record layer and in hellos (RFC 5246, 6.2.1).
const TLS12: [u8; 2] = [3, 3];
/// `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256`, which every client offers.
const ECDHE_ECDSA: [u8; 2] = [0xc0, 0x2b];
/// Record types (RFC 8446, 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE_RECORD: u8 = 22;
/// Handshake types (RFC 8446, 4; RFC 5246, 7.4).
const HELLO_REQUEST: u8 = 0;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;

/// Every behaviour over TLS.
pub(super) fn behaviours() -> Vec<Behaviour> {
    let mut all: Vec<Behaviour> = CERTIFICATES
        .iter()
        .map(|&(name, ends, flaw)| secured(name, ends, Identity::flawed(flaw), h1::ordinary()))
        .collect();
    all.extend(ALERTS.iter().map(|&(name, number)| {
        wire(name, HANDSHAKE, vec![Hear, Send(record(ALERT, TLS12, &[2, number]).into())])
    }));
    all.extend(HELLOS.iter().map(|&(name, version, suite)| {
        let hello = record(HANDSHAKE_RECORD, TLS12, &server_hello(version, suite));
        wire(name, HANDSHAKE, vec![Hear, Send(hello.into()), Hold])
    }));
    all.extend(broken_records());
    all.extend(not_tls());
    all.extend(agreements());
    all.extend(after_handshake());
    all
}

fn wire(name: &'static str, ends: Ends, steps: Vec<Step>) -> Behaviour {
    Behaviour::tcp(name, Speaks::Tls, ends, steps)
}

fn secured(name: &'static str, ends: Ends, identity: Identity, steps: Vec<Step>) -> Behaviour {
    Behaviour::new(name, Speaks::Tls, ends, Script::Tls(identity, steps))
}

/// Certificates: name, how a probe ends, what is wrong.
const CERTIFICATES: &[(&str, Ends, Flaw)] = &[
    ("cert-sound", FINE, Flaw::None),
    ("cert-expired", &["tls-expired"], Flaw::Expired),
    ("cert-not-yet-valid", &["tls-not-yet-valid"], Flaw::NotYetValid),
    ("cert-wrong-name", OTHER_NAME, Flaw::Named("other.example")),
    ("cert-wildcard", FINE, Flaw::Named("*.site-under-test.com")),
    ("cert-wildcard-two-levels", OTHER_NAME, Flaw::Named("*.com")),
    ("cert-wildcard-below", OTHER_NAME, Flaw::Named("*.{host}")),
    ("cert-name-with-nul", &["tls-name-mismatch", "tls-untrusted"], Flaw::Named("{host}\0.evil.example")),
    ("cert-name-with-markup", OTHER_NAME, Flaw::Named("<script>alert(1)</script>.example")),
    ("cert-name-with-escape", OTHER_NAME, Flaw::Named("\u{1b}[31m.example")),
    ("cert-no-names", OTHER_NAME, Flaw::NoNames),
    ("cert-subject-with-markup", FINE, Flaw::Subject("<script>alert(document.cookie)</script>")),
    ("cert-subject-with-escape", FINE, Flaw::Subject("\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\u{202e}moc")),
    ("cert-self-signed", &["tls-self-signed"], Flaw::SelfSigned),
    ("cert-unknown-root", UNTRUSTED, Flaw::UnknownRoot),
    ("cert-missing-intermediate", UNTRUSTED, Flaw::MissingIntermediate),
    ("cert-chain-of-3", FINE, Flaw::ChainOf(3)),
    ("cert-chain-of-11", HANDSHAKE, Flaw::ChainOf(11)),
    ("cert-chain-of-100", HANDSHAKE, Flaw::ChainOf(100)),
    ("cert-chain-of-one-name", UNTRUSTED, Flaw::SameNameChain(8)),
    ("cert-expired-intermediate", &["tls-expired"], Flaw::ExpiredIntermediate),
    ("cert-path-too-long", UNTRUSTED, Flaw::PathTooLong),
    ("cert-1000-names", FINE, Flaw::Names(1_000)),
    ("cert-10000-names", HANDSHAKE, Flaw::Names(10_000)),
    ("cert-name-of-16-kib", FINE, Flaw::LongName(16_384)),
    ("cert-name-of-60-kib", FINE, Flaw::LongName(60_000)),
    ("cert-excluded", UNTRUSTED, Flaw::Excluded),
    ("cert-constraint-bomb", &["tls-untrusted", "ok"], Flaw::Constraints(800)),
    ("cert-rsa-3072", FINE, Flaw::GivenRsa(3_072)),
    ("cert-rsa-4096", FINE, Flaw::GivenRsa(4_096)),
    ("cert-rsa-16384", HANDSHAKE, Flaw::RsaKey(16_384)),
    ("cert-rsa-16384-issuer", UNTRUSTED, Flaw::RsaIssuer(16_384)),
    ("cert-rsa-8192-issuer", UNTRUSTED, Flaw::RsaIssuer(8_192)),
    ("cert-sha1", UNTRUSTED, Flaw::Digest(5)),
    ("cert-md5", UNTRUSTED, Flaw::Digest(4)),
    ("cert-p384", FINE, Flaw::P384),
    ("cert-ed25519", FINE, Flaw::Ed25519),
    ("cert-client-only", UNTRUSTED, Flaw::ClientOnly),
    ("cert-authority-leaf", UNTRUSTED, Flaw::AuthorityLeaf),
    ("cert-critical-extension", UNTRUSTED, Flaw::CriticalExtension),
    ("cert-other-key", HANDSHAKE, Flaw::OtherKey),
    ("cert-garbage", &["tls-untrusted", "tls-handshake"], Flaw::Garbage),
    ("cert-absent", HANDSHAKE, Flaw::Absent),
    ("cert-twice", FINE, Flaw::Twice),
];

/// Fatal alerts after the ClientHello (RFC 8446, 6.2).
const ALERTS: &[(&str, u8)] = &[
    ("alert-unexpected-message", 10),
    ("alert-handshake-failure", 40),
    ("alert-illegal-parameter", 47),
    ("alert-decode-error", 50),
    ("alert-protocol-version", 70),
    ("alert-insufficient-security", 71),
    ("alert-internal-error", 80),
    ("alert-inappropriate-fallback", 86),
    ("alert-unrecognized-name", 112),
    ("alert-no-application-protocol", 120),
    ("alert-unknown", 255),
];

/// ServerHellos that choose what nobody offered: name, version, cipher suite.
const HELLOS: &[(&str, [u8; 2], [u8; 2])] = &[
    ("hello-ssl-3", [3, 0], [0, 5]),
    ("hello-tls-1-0", [3, 1], [0xc0, 0x13]),
    ("hello-tls-1-1", [3, 2], [0xc0, 0x13]),
    ("hello-tls-9-9", [9, 9], ECDHE_ECDSA),
    ("hello-rc4", TLS12, [0, 5]),
    ("hello-null", TLS12, [0, 2]),
    ("hello-cbc", TLS12, [0xc0, 0x13]),
    ("hello-static-rsa", TLS12, [0, 0x9c]),
    ("hello-dhe", TLS12, [0, 0x9e]),
    ("hello-export", TLS12, [0, 3]),
];

/// A record (RFC 8446, 5.1).
fn record(kind: u8, version: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind], &version[..], &length, payload].concat()
}

/// A handshake message (RFC 8446, 4) that says it is `length` bytes long.
fn message(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[kind], &length.to_be_bytes()[1..], body].concat()
}

/// A ServerHello without session id, compression and extensions (RFC 5246, 7.4.1.3).
fn server_hello(version: [u8; 2], suite: [u8; 2]) -> Vec<u8> {
    message(SERVER_HELLO, 38, &[&version[..], &[7; 32], &[0], &suite, &[0]].concat())
}

/// Records that stop, trickle, lie about their length or never end.
fn broken_records() -> Vec<Behaviour> {
    let hello = record(HANDSHAKE_RECORD, TLS12, &server_hello(TLS12, ECDHE_ECDSA));
    let half = || Send(hello[..20].to_vec().into());
    let bytes: Vec<Bytes> = hello.iter().map(|byte| Bytes::from(vec![*byte])).collect();
    // A certificate list that says it is longer than the message that holds it.
    let cut = message(CERTIFICATE, 8, &[0, 0x10, 0, 0, 9, 9, 0x30, 0x82]);
    let cut_certificate = [hello.clone(), record(HANDSHAKE_RECORD, TLS12, &cut)].concat();
    let endless = |record: Vec<u8>| Flood(record.repeat(256).into());
    vec![
        wire("tls-silent", TIMEOUT, vec![Hold]),
        Behaviour::new("tls-stopped", Speaks::Tls, TIMEOUT, Script::Stopped),
        wire("tls-deaf", TIMEOUT, vec![Wait(std::time::Duration::from_mins(1))]),
        wire("tls-hello-bytewise", TIMEOUT, vec![Hear, Step::Trickle(bytes)]),
        wire("tls-half-a-hello", CUT, vec![Hear, half()]),
        wire("tls-half-a-hello-then-silence", TIMEOUT, vec![Hear, half(), Hold]),
        wire("tls-half-a-hello-then-reset", CUT, vec![Hear, half(), Reset]),
        wire("tls-hello-then-silence", TIMEOUT, vec![Hear, Send(hello.clone().into()), Hold]),
        wire("tls-close-on-accept", CUT, vec![]),
        wire("tls-close-after-hello", CUT, vec![Hear]),
        wire("tls-reset-on-accept", &["tls-reset", "connect-reset"], vec![Reset]),
        wire("tls-reset-after-hello", CUT, vec![Hear, Reset]),
        wire("tls-cut-certificate", HANDSHAKE, vec![Hear, Send(cut_certificate.into()), Hold]),
        wire(
            "tls-record-of-64-kib",
            HANDSHAKE,
            vec![Hear, Send(Bytes::from_static(&[22, 3, 3, 255, 255])), Flood(vec![0; 16_384].into())],
        ),
        wire(
            "tls-message-of-16-mib",
            HANDSHAKE,
            vec![
                Hear,
                Send(record(HANDSHAKE_RECORD, TLS12, &message(SERVER_HELLO, 0xff_ffff, &[0; 1_024])).into()),
                endless(record(HANDSHAKE_RECORD, TLS12, &[0; 16_384])),
            ],
        ),
        wire(
            "tls-empty-records-endless",
            &["tls-handshake", "tls-timeout"],
            vec![Hear, endless(record(HANDSHAKE_RECORD, TLS12, &[]))],
        ),
        wire(
            "tls-change-cipher-endless",
            &["tls-handshake", "tls-timeout"],
            vec![Hear, endless(record(CHANGE_CIPHER_SPEC, TLS12, &[1]))],
        ),
        wire(
            "tls-warnings-endless",
            &["tls-handshake", "tls-timeout"],
            vec![Hear, endless(record(ALERT, TLS12, &[1, 90]))],
        ),
        wire(
            "tls-hello-requests-endless",
            HANDSHAKE,
            vec![Hear, endless(record(HANDSHAKE_RECORD, TLS12, &message(HELLO_REQUEST, 0, &[])))],
        ),
        wire("tls-two-hellos", HANDSHAKE, vec![Hear, Send(hello.repeat(2).into()), Hold]),
        wire("tls-unknown-record", HANDSHAKE, vec![Hear, Send(record(99, TLS12, &[0; 16]).into()), Hold]),
    ]
}

/// What stands on port 443 and is something else.
fn not_tls() -> Vec<Behaviour> {
    vec![
        wire(
            "tls-plain-http",
            HANDSHAKE,
            vec![
                Hear,
                Say("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nplain HTTP to an HTTPS port"),
            ],
        ),
        wire("tls-ssh-banner", HANDSHAKE, vec![Say("SSH-2.0-OpenSSH_9.6\r\n"), Hold]),
        wire("tls-smtp-banner", HANDSHAKE, vec![Say("220 mail.example ESMTP\r\n"), Hold]),
        wire("tls-zeros-endless", HANDSHAKE, vec![Flood(vec![0; 16_384].into())]),
        wire(
            "tls-garbage-endless",
            HANDSHAKE,
            vec![Hear, Flood((1..=255).cycle().take(16_384).collect::<Vec<u8>>().into())],
        ),
        // SSLv2 SERVER-HELLO: a two-byte length with the top bit, type 4, no session, a certificate, version 0.2.
        wire(
            "tls-ssl-2",
            HANDSHAKE,
            vec![Hear, Send(Bytes::from_static(&[0x80, 0x0b, 4, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0])), Hold],
        ),
    ]
}

/// Versions, ALPN and client certificates.
fn agreements() -> Vec<Behaviour> {
    let sound = Identity::flawed(Flaw::None);
    let strict = |versions| Identity { versions, asks: Asks::Strictly, ..sound };
    let polite = Identity { asks: Asks::Politely, ..sound };
    let demand = vec![
        HearHead,
        Say("HTTP/1.1 400 Bad Request\r\nserver: nginx\r\n\r\nNo required SSL certificate was sent"),
    ];
    vec![
        secured("tls-1-2-only", FINE, Identity { versions: Versions::Only12, ..sound }, h1::ordinary()),
        secured("tls-1-3-only", FINE, Identity { versions: Versions::Only13, ..sound }, h1::ordinary()),
        secured("tls-alpn-only-h2", HANDSHAKE, Identity::h2(), h1::ordinary()).asked_with(Protocol::H1),
        secured("tls-alpn-h1-for-h2", HANDSHAKE, sound, h1::ordinary()).asked_with(Protocol::H2),
        secured("tls-alpn-none-for-h2", HANDSHAKE, Identity { alpn: &[], ..sound }, h1::ordinary())
            .asked_with(Protocol::H2),
        secured("tls-alpn-none", FINE, Identity { alpn: &[], ..sound }, h1::ordinary()),
        secured("tls-client-certificate-wanted", FINE, polite, demand),
        secured("tls-client-certificate-demanded-1-2", HANDSHAKE, strict(Versions::Only12), h1::ordinary()),
        secured("tls-client-certificate-demanded-1-3", HANDSHAKE, strict(Versions::Only13), h1::ordinary()),
    ]
}

/// A sound handshake, and then.
fn after_handshake() -> Vec<Behaviour> {
    let then = |name, ends, steps| secured(name, ends, Identity::flawed(Flaw::None), steps);
    vec![
        then("tls-then-silence", &["http-timeout"], vec![Hold]),
        then("tls-then-close", &["http-reset"], vec![]),
        then("tls-then-cut", &["http-reset"], vec![HearHead, Cut]),
        then("tls-then-reset", &["http-reset"], vec![HearHead, Reset]),
        then("tls-then-garbage", &["http-protocol"], vec![HearHead, Send(vec![0x80; 1_024].into())]),
        then("tls-body-without-goodbye", FINE, vec![HearHead, Say("HTTP/1.1 200 OK\r\n\r\nhello"), Cut])
            .reading(Some(5), false),
        then(
            "tls-body-cut",
            &["http-reset"],
            vec![HearHead, Say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"), Cut],
        ),
        then(
            "tls-body-endless",
            FINE,
            vec![HearHead, Say("HTTP/1.1 200 OK\r\n\r\n"), Flood(vec![b'a'; 16_384].into())],
        )
        .reading(Some(65_536), true),
        then(
            "tls-headers-endless",
            &["http-too-large"],
            vec![HearHead, Say("HTTP/1.1 200 OK\r\n"), Flood("x: y\r\n".repeat(1_000).into())],
        ),
        then(
            "tls-headers-bytewise",
            &["http-timeout"],
            vec![HearHead, Step::bytewise("HTTP/1.1 200 OK\r\nx: yyyyyyyy\r\n")],
        ),
        then(
            "tls-plain-text-after-handshake",
            &["http-protocol", "tls-handshake"],
            vec![HearHead, Step::Naked(Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n")), Hold],
        ),
        then(
            "tls-alert-after-handshake",
            &["http-protocol", "tls-handshake"],
            vec![
                HearHead,
                Step::Naked(Bytes::from_static(&[
                    23, 3, 3, 0, 19, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                ])),
                Hold,
            ],
        ),
    ]
}
