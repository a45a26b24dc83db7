//! Redirects to where nobody may go, and in circles (threat T6), over plain HTTP/1.1.

use std::time::Duration;

use super::play::Step::{HearHead, Say, Wait};
use super::{Behaviour, Ends, Speaks};

const BLOCKED: Ends = &["http-redirect-blocked"];
const LOOP: Ends = &["http-redirect-loop"];
const FINE: Ends = &["ok"];

/// Name, how a probe ends, and the answer; `{witness}` is a listener at an address policy refuses.
const ANSWERS: &[(&str, Ends, &str)] = &[
    ("to-loopback", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://{witness}/\r\n\r\n"),
    ("to-loopback-v6", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://[::1]:{port}/\r\n\r\n"),
    ("to-loopback-mapped", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://[::ffff:127.0.0.1]:{port}/\r\n\r\n"),
    ("to-loopback-hex", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://0x7f.1:{port}/\r\n\r\n"),
    ("to-loopback-octal", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://0177.0.0.1:{port}/\r\n\r\n"),
    ("to-loopback-number", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://2130706433:{port}/\r\n\r\n"),
    ("to-loopback-wide-digits", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://①②⑦.⓪.⓪.①:{port}/\r\n\r\n"),
    ("to-loopback-wide-dots", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://127。0。0。1:{port}/\r\n\r\n"),
    ("to-loopback-percent", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://%31%32%37.0.0.1:{port}/\r\n\r\n"),
    ("to-localhost", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://localhost:{port}/\r\n\r\n"),
    (
        "to-link-local",
        BLOCKED,
        "HTTP/1.1 302 F\r\nlocation: http://169.254.169.254/latest/meta-data/\r\n\r\n",
    ),
    ("to-metadata-name", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://metadata.google.internal/\r\n\r\n"),
    ("to-private", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://192.168.1.1/\r\n\r\n"),
    ("to-file", BLOCKED, "HTTP/1.1 302 F\r\nlocation: file:///etc/passwd\r\n\r\n"),
    ("to-gopher", BLOCKED, "HTTP/1.1 302 F\r\nlocation: gopher://{witness}/_x\r\n\r\n"),
    ("to-ftp", BLOCKED, "HTTP/1.1 302 F\r\nlocation: ftp://{witness}/\r\n\r\n"),
    ("to-javascript", BLOCKED, "HTTP/1.1 302 F\r\nlocation: javascript:alert(1)\r\n\r\n"),
    ("to-data", BLOCKED, "HTTP/1.1 302 F\r\nlocation: data:text/html,<script>\r\n\r\n"),
    ("to-user-name", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://{self}@{witness}/\r\n\r\n"),
    ("to-other-port", BLOCKED, "HTTP/1.1 302 F\r\nlocation: http://192.0.2.1:22/\r\n\r\n"),
    ("to-scheme-relative", BLOCKED, "HTTP/1.1 302 F\r\nlocation: //{witness}/\r\n\r\n"),
    ("to-backslashes", BLOCKED, "HTTP/1.1 302 F\r\nlocation: \\\\{witness}\\\r\n\r\n"),
    ("to-slash-backslash", BLOCKED, "HTTP/1.1 302 F\r\nlocation: /\\{witness}/\r\n\r\n"),
    ("to-tab-in-scheme", BLOCKED, "HTTP/1.1 302 F\r\nlocation: ht\ttp://{witness}/\r\n\r\n"),
    ("to-8-kib", BLOCKED, "HTTP/1.1 302 F\r\nlocation: /{long}\r\n\r\n"),
    ("to-16-kib", BLOCKED, "HTTP/1.1 302 F\r\nlocation: /{long}{long}\r\n\r\n"),
    (
        "to-not-utf8",
        &["http-redirect-blocked", "http-redirect-loop"],
        "HTTP/1.1 302 F\r\nlocation: /ä\r\n\r\n",
    ),
    // The line break ends the header, or is data of the path: no request is split, and the circle is seen.
    ("to-crlf", LOOP, "HTTP/1.1 302 F\r\nlocation: /%0d%0aset-cookie:%20a=b\r\n\r\n"),
    ("to-bare-cr", &["http-protocol"], "HTTP/1.1 302 F\r\nlocation: /\rset-cookie: a=b\r\n\r\n"),
    ("to-itself", LOOP, "HTTP/1.1 302 F\r\nlocation: http://{self}/\r\n\r\n"),
    ("to-itself-relative", LOOP, "HTTP/1.1 307 T\r\nlocation: {path}\r\n\r\n"),
    ("to-itself-fragment", LOOP, "HTTP/1.1 308 P\r\nlocation: #x\r\n\r\n"),
    ("to-nothing", LOOP, "HTTP/1.1 302 F\r\nlocation: \r\n\r\n"),
    ("six-hops", LOOP, "HTTP/1.1 301 M\r\nlocation: {path}a\r\n\r\n"),
    (
        "to-tls-where-none-is",
        &["tls-handshake", "tls-reset", "tls-timeout"],
        "HTTP/1.1 302 F\r\nlocation: https://{self}/\r\n\r\n",
    ),
    (
        "two-locations",
        BLOCKED,
        "HTTP/1.1 302 F\r\nlocation: http://{witness}/\r\nlocation: http://{witness}/b\r\n\r\n",
    ),
    ("without-location", FINE, "HTTP/1.1 302 F\r\ncontent-length: 0\r\n\r\n"),
    ("choices", FINE, "HTTP/1.1 300 M\r\nlocation: http://{witness}/\r\ncontent-length: 0\r\n\r\n"),
    ("created-elsewhere", FINE, "HTTP/1.1 201 C\r\nlocation: http://{witness}/\r\ncontent-length: 0\r\n\r\n"),
];

/// Every redirect.
pub(super) fn behaviours() -> Vec<Behaviour> {
    let mut all: Vec<Behaviour> = ANSWERS
        .iter()
        .map(|&(name, ends, answer)| Behaviour::tcp(name, Speaks::H1, ends, vec![HearHead, Say(answer)]))
        .collect();
    // Each hop stays below every deadline but the one of the whole probe.
    let slow =
        vec![HearHead, Wait(Duration::from_secs(8)), Say("HTTP/1.1 302 F\r\nlocation: {path}a\r\n\r\n")];
    all.push(Behaviour::tcp("slow-hops", Speaks::H1, &["http-timeout"], slow));
    all
}
