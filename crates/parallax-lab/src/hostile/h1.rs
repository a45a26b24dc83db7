//! Servers that speak HTTP/1.1 badly, over plain TCP.

use std::time::Duration;

use bytes::Bytes;

use super::play::Step;
use super::play::Step::{Flood, Hear, HearHead, Hold, Reset, Say, Send, Wait};
use super::{Behaviour, Ends, Script, Speaks};

const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const MEBI: usize = 1_024 * 1_024;

const FINE: Ends = &["ok"];
const TIMEOUT: Ends = &["http-timeout"];
const PROTOCOL: Ends = &["http-protocol"];
const TOO_LARGE: Ends = &["http-too-large"];
const CUT: Ends = &["http-reset"];

/// Every behaviour over plain HTTP/1.1.
pub(super) fn behaviours() -> Vec<Behaviour> {
    let mut all: Vec<Behaviour> =
        ANSWERS.iter().map(|&(name, ends, answer)| after_request(name, ends, vec![Say(answer)])).collect();
    all.extend(timing());
    all.extend(sizes());
    all.extend(connection_ends());
    all.extend(bombs());
    all
}

/// An ordinary site.
pub(super) fn ordinary() -> Vec<Step> {
    vec![HearHead, Say(OK)]
}

fn plain(name: &'static str, ends: Ends, steps: Vec<Step>) -> Behaviour {
    Behaviour::tcp(name, Speaks::H1, ends, steps)
}

fn after_request(name: &'static str, ends: Ends, steps: Vec<Step>) -> Behaviour {
    plain(name, ends, [vec![HearHead], steps].concat())
}

/// One text after the request, then an orderly end: name, how a probe ends, the text.
const ANSWERS: &[(&str, Ends, &str)] = &[
    // Lengths (RFC 9112, 6.3).
    (
        "length-u64-max",
        &["http-protocol", "http-too-large"],
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\nhello",
    ),
    ("length-huge", CUT, "HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\nhello"),
    ("length-over-u64", PROTOCOL, "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nhello"),
    ("length-negative", PROTOCOL, "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello"),
    ("length-plus", PROTOCOL, "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello"),
    ("length-hex", PROTOCOL, "HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\nhello"),
    ("length-empty", PROTOCOL, "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\nhello"),
    (
        "length-two-different",
        PROTOCOL,
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    ),
    ("length-two-equal", FINE, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello"),
    (
        "length-and-chunked",
        &["ok", "http-protocol"],
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    ("length-beyond-body", CUT, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello"),
    ("length-below-body", FINE, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello"),
    // Chunks (RFC 9112, 7.1).
    (
        "chunk-size-no-hex",
        PROTOCOL,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk-size-negative",
        PROTOCOL,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk-size-overflow",
        PROTOCOL,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk-size-u64-max",
        CUT,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk-without-line-end",
        PROTOCOL,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    ),
    ("chunk-missing-last", CUT, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    (
        "encoding-unknown",
        &["ok", "http-protocol"],
        "HTTP/1.1 200 OK\r\ntransfer-encoding: bogus\r\n\r\nhello",
    ),
    (
        "encoding-chunked-twice",
        &["ok", "http-protocol"],
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    // Status lines (RFC 9112, 4).
    ("http-0-9", PROTOCOL, "<html>hello</html>"),
    ("http-1-0", FINE, "HTTP/1.0 200 OK\r\n\r\nhello"),
    ("http-9-9", PROTOCOL, "HTTP/9.9 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
    ("http-2-in-text", PROTOCOL, "HTTP/2 200\r\ncontent-length: 5\r\n\r\nhello"),
    ("icy", PROTOCOL, "ICY 200 OK\r\n\r\nhello"),
    ("lower-case-version", PROTOCOL, "http/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
    ("status-99", PROTOCOL, "HTTP/1.1 99 Low\r\ncontent-length: 5\r\n\r\nhello"),
    ("status-099", PROTOCOL, "HTTP/1.1 099 Low\r\ncontent-length: 5\r\n\r\nhello"),
    ("status-000", PROTOCOL, "HTTP/1.1 000 None\r\ncontent-length: 5\r\n\r\nhello"),
    ("status-1000", PROTOCOL, "HTTP/1.1 1000 High\r\ncontent-length: 5\r\n\r\nhello"),
    ("status-600", PROTOCOL, "HTTP/1.1 600 High\r\ncontent-length: 5\r\n\r\nhello"),
    ("status-999", PROTOCOL, "HTTP/1.1 999 Go Away\r\ncontent-length: 5\r\n\r\nhello"),
    ("status-words", PROTOCOL, "HTTP/1.1 OK\r\ncontent-length: 5\r\n\r\nhello"),
    ("no-reason", FINE, "HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello"),
    ("no-reason-but-a-space", FINE, "HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\nhello"),
    (
        "reason-with-escape",
        &["ok", "http-protocol"],
        "HTTP/1.1 200 \u{1b}[31mOK\u{1b}]0;x\u{7}\r\ncontent-length: 5\r\n\r\nhello",
    ),
    ("failing-reason-with-escape", &["http-500", "http-protocol"], "HTTP/1.1 500 \u{1b}[31m\r\n\r\n"),
    (
        "server-with-markup",
        FINE,
        "HTTP/1.1 200 OK\r\nserver: <script>alert(1)</script>\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "server-with-escape",
        &["ok", "http-protocol"],
        "HTTP/1.1 200 OK\r\nserver: \u{1b}[31mred\r\ncontent-length: 0\r\n\r\n",
    ),
    ("switching-protocols", PROTOCOL, "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhello"),
    ("informational-only", CUT, "HTTP/1.1 103 Early Hints\r\n\r\n"),
    // Header lines (RFC 9112, 5).
    ("header-with-nul", PROTOCOL, "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 5\r\n\r\nhello"),
    ("header-with-bare-cr", PROTOCOL, "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 5\r\n\r\nhello"),
    ("header-without-colon", PROTOCOL, "HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 5\r\n\r\nhello"),
    ("header-without-name", PROTOCOL, "HTTP/1.1 200 OK\r\n: x\r\ncontent-length: 5\r\n\r\nhello"),
    ("header-space-before-colon", PROTOCOL, "HTTP/1.1 200 OK\r\nx : y\r\ncontent-length: 5\r\n\r\nhello"),
    ("header-folded", PROTOCOL, "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 5\r\n\r\nhello"),
    ("header-not-utf8-name", PROTOCOL, "HTTP/1.1 200 OK\r\nä: b\r\ncontent-length: 5\r\n\r\nhello"),
    ("lines-end-in-lf", FINE, "HTTP/1.1 200 OK\ncontent-length: 5\n\nhello"),
    ("head-cut", &["http-reset", "http-protocol"], "HTTP/1.1 200 OK\r\ncontent-le"),
    ("half-a-status-line", &["http-reset", "http-protocol"], "HTTP/1."),
    ("no-header-at-all", FINE, "HTTP/1.1 200 OK\r\n\r\n"),
    // Bodies where there must be none.
    ("no-content-with-body", FINE, "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello"),
    ("not-modified-with-body", FINE, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello"),
    ("two-answers", FINE, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 500 No\r\n\r\n"),
    ("failing-and-cut", &["http-503"], "HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nhello"),
    // Kept out, not down.
    ("data-centre-403", &["blocked-challenge"], "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
    ("data-centre-429", &["blocked-challenge"], "HTTP/1.1 429 Slow\r\nretry-after: 9999999999999\r\n\r\n"),
    ("data-centre-503", &["http-503"], "HTTP/1.1 503 Busy\r\nretry-after: -1\r\ncontent-length: 0\r\n\r\n"),
    ("country-451", &["blocked-legal"], "HTTP/1.1 451 Unavailable\r\ncontent-length: 0\r\n\r\n"),
    (
        "country-block-page",
        &["blocked-block-page"],
        "HTTP/1.1 403 Forbidden\r\n\r\n<h1>This site has been blocked by the network administrator.</h1>",
    ),
    // Hints that lead elsewhere (threat T7): nobody follows.
    (
        "alt-svc-elsewhere",
        FINE,
        "HTTP/1.1 200 OK\r\nalt-svc: h3=\"{witness}\", h2=\"{witness}\"\r\ncontent-length: 5\r\n\r\nhello",
    ),
    (
        "refresh-elsewhere",
        FINE,
        "HTTP/1.1 200 OK\r\nrefresh: 0; url=http://{witness}/\r\nlocation: http://{witness}/\r\ncontent-length: 5\r\n\r\nhello",
    ),
    (
        "early-hints-elsewhere",
        FINE,
        "HTTP/1.1 103 Early Hints\r\nlink: <http://{witness}/a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nlink: <http://{witness}/>; rel=preconnect\r\ncontent-length: 5\r\n\r\nhello",
    ),
];

/// Time itself is the weapon.
fn timing() -> Vec<Behaviour> {
    vec![
        plain("silent", TIMEOUT, vec![Hold]),
        plain("deaf", TIMEOUT, vec![Wait(Duration::from_mins(1))]),
        after_request(
            "head-bytewise",
            TIMEOUT,
            vec![Step::bytewise("HTTP/1.1 200 OK\r\nx: yyyyyyyyyyyyyyyy\r\n")],
        ),
        after_request("headers-linewise", TIMEOUT, vec![Say(HEAD), Step::every_second("x: y\r\n")]),
        after_request(
            "informational-every-second",
            PROTOCOL,
            vec![Step::every_second("HTTP/1.1 103 E\r\n\r\n")],
        ),
        after_request(
            "body-bytewise",
            FINE,
            vec![Say("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"), Step::bytewise("a")],
        )
        .reading(None, true),
        after_request("chunks-bytewise", FINE, vec![Say(CHUNKED), Step::bytewise("1\r\na\r\n")])
            .reading(None, true),
        after_request("body-never", FINE, vec![Say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"), Hold])
            .reading(Some(0), true),
        after_request(
            "failing-body-never",
            &["http-502"],
            vec![Say("HTTP/1.1 502 Bad\r\ncontent-length: 5\r\n\r\n"), Hold],
        ),
        after_request("first-byte-after-9-s", FINE, vec![Wait(Duration::from_secs(9)), Say(OK)]),
    ]
}

/// Size is the weapon.
fn sizes() -> Vec<Behaviour> {
    let big = |byte: u8, size: usize| Send(Bytes::from(vec![byte; size]));
    let endless = |text: &'static str| Flood(Bytes::from(text.repeat(16 * 1_024 / text.len())));
    vec![
        after_request("headers-endless", TOO_LARGE, vec![Say(HEAD), endless("x: y\r\n")]),
        after_request("header-line-endless", TOO_LARGE, vec![Say("HTTP/1.1 200 OK\r\nx: "), endless("y")]),
        after_request(
            "header-10-mib",
            TOO_LARGE,
            vec![Say("HTTP/1.1 200 OK\r\nx: "), big(b'y', 10 * MEBI), Say("\r\n\r\n")],
        ),
        after_request(
            "headers-101",
            TOO_LARGE,
            vec![Say(HEAD), Send("x: y\r\n".repeat(101).into()), Say("\r\n")],
        ),
        after_request(
            "headers-33-kib",
            TOO_LARGE,
            vec![Say("HTTP/1.1 200 OK\r\nx: "), big(b'y', 33 * 1_024), Say("\r\n\r\n")],
        ),
        after_request(
            "headers-99-lines",
            FINE,
            vec![Say(HEAD), Send("x: y\r\n".repeat(98).into()), Say("content-length: 0\r\n\r\n")],
        ),
        after_request("reason-endless", TOO_LARGE, vec![Say("HTTP/1.1 200 "), endless("O")]),
        after_request("empty-lines-endless", &["http-too-large", "http-protocol"], vec![endless("\r\n")]),
        after_request("spaces-endless", PROTOCOL, vec![endless(" ")]),
        after_request("continue-endless", PROTOCOL, vec![endless("HTTP/1.1 100 Continue\r\n\r\n")]),
        after_request(
            "early-hints-endless",
            PROTOCOL,
            vec![endless("HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n")],
        ),
        after_request(
            "informational-five",
            FINE,
            vec![Send("HTTP/1.1 103 E\r\n\r\n".repeat(5).into()), Say(OK)],
        ),
        after_request(
            "informational-six",
            PROTOCOL,
            vec![Send("HTTP/1.1 103 E\r\n\r\n".repeat(6).into()), Say(OK)],
        ),
        after_request("body-endless", FINE, vec![Say("HTTP/1.1 200 OK\r\n\r\n"), endless("a")])
            .reading(Some(65_536), true),
        after_request("chunks-of-one-endless", FINE, vec![Say(CHUNKED), endless("1\r\na\r\n")])
            .reading(Some(65_536), true),
        after_request("chunk-of-a-gib", FINE, vec![Say(CHUNKED), Say("40000000\r\n"), endless("a")])
            .reading(Some(65_536), true),
        after_request(
            "chunk-extension-1-mib",
            PROTOCOL,
            vec![Say(CHUNKED), Say("5;x="), big(b'y', MEBI), Say("\r\nhello\r\n0\r\n\r\n")],
        ),
        after_request(
            "chunk-extensions-endless",
            PROTOCOL,
            vec![Say(CHUNKED), endless("1;x=yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\na\r\n")],
        ),
        after_request("chunk-size-endless-zeros", PROTOCOL, vec![Say(CHUNKED), endless("0")]),
        after_request(
            "trailers-endless",
            &["http-protocol", "http-too-large"],
            vec![Say(CHUNKED), Say("0\r\n"), endless("x: y\r\n")],
        ),
    ]
}

/// How connections end, and what is no HTTP at all.
fn connection_ends() -> Vec<Behaviour> {
    let banner = |name, text| plain(name, PROTOCOL, vec![Say(text), Hold]);
    let garbage: Vec<u8> =
        (0..=255).cycle().map(|byte: u8| byte.wrapping_mul(167) ^ 0x5a).take(4_096).collect();
    vec![
        plain("ssh-banner", PROTOCOL, vec![Say("SSH-2.0-OpenSSH_9.6\r\n"), Hold]),
        banner("smtp-banner", "220 mail.example ESMTP\r\n"),
        banner("ftp-banner", "220 FTP ready\r\n"),
        banner("redis-error", "-ERR unknown command 'GET'\r\n"),
        plain("binary-garbage", PROTOCOL, vec![Hear, Send(garbage.clone().into())]),
        plain("binary-garbage-endless", PROTOCOL, vec![Hear, Flood(garbage.into())]),
        plain("zeros-endless", PROTOCOL, vec![Flood(vec![0; 16_384].into())]),
        plain(
            "tls-alert-on-plain-port",
            PROTOCOL,
            vec![Hear, Send(Bytes::from_static(&[21, 3, 3, 0, 2, 2, 40]))],
        ),
        plain(
            "h2-settings-on-plain-port",
            PROTOCOL,
            vec![Send(Bytes::from_static(&[0, 0, 0, 4, 0, 0, 0, 0, 0]))],
        ),
        plain("answer-before-request", &["ok", "http-protocol", "http-reset"], vec![Say(OK)]),
        plain("reset-on-accept", &["http-reset", "connect-reset"], vec![Reset]),
        plain("reset-after-request", CUT, vec![HearHead, Reset]),
        plain("close-on-accept", CUT, vec![]),
        plain("close-after-request", CUT, vec![HearHead]),
        after_request("reset-mid-head", CUT, vec![Say("HTTP/1.1 200 OK\r\nx: "), Reset]),
        after_request(
            "reset-mid-body",
            CUT,
            vec![Say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello"), Reset],
        ),
        after_request("reset-mid-chunk", CUT, vec![Say(CHUNKED), Say("40\r\nhello"), Reset]),
        after_request("only-first-visitor", &["ok", "blocked-challenge"], vec![Say(OK)])
            .for_others(vec![HearHead, Say("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")]),
        Behaviour::new("reset-after-syn", Speaks::H1, &["connect-refused"], Script::Refuse),
        Behaviour::new("stopped", Speaks::H1, TIMEOUT, Script::Stopped),
        Behaviour::new("queue-full", Speaks::H1, &["connect-timeout"], Script::Full),
    ]
}

/// Bodies that would be large if anybody unpacked them. We ask for `identity` and unpack nothing.
fn bombs() -> Vec<Behaviour> {
    // Zstandard (RFC 8878, 3.1.1): magic, a window of 128 KiB, then run-length blocks of 128 KiB of zeros in four bytes each.
    let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38][..], &[2, 0, 0x10, 0].repeat(4_096)].concat();
    // Gzip (RFC 1952, 2.3) and deflate (RFC 1951, 3.2.6): a block with fixed codes of a zero and its repetitions, 258 each.
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &fixed_block_of_zeros()].concat();
    let bomb = |name, head, first: Vec<u8>, more: Vec<u8>| {
        after_request(name, FINE, vec![Say(head), Send(first.into()), Flood(more.into())])
            .reading(Some(65_536), true)
    };
    vec![
        bomb(
            "zstd-bomb",
            "HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\n\r\n",
            zstd,
            [2, 0, 0x10, 0].repeat(4_096),
        ),
        bomb("gzip-bomb", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", gzip, fixed_block_of_zeros()),
        bomb("br-bomb", "HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\n", vec![0x1b], vec![0xff; 16_384]),
        bomb(
            "ten-encodings",
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip\r\n\r\n",
            vec![0x1f, 0x8b],
            fixed_block_of_zeros(),
        ),
    ]
}

/// One deflate block, not the last, with fixed codes: a literal 0, then 258-byte copies at distance 1 (13 bits each), and the
/// end. Each copy is code 285 (`11000101`) and distance code 0 (`00000`), most significant bit first.
fn fixed_block_of_zeros() -> Vec<u8> {
    const COPIES: usize = 4_096;
    let copy = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
    // Not final, type 1, the literal 0 (`00110000`), the copies, the end of the block (`0000000`), up to a whole byte.
    let mut bits = vec![0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    bits.extend(copy.repeat(COPIES));
    bits.extend([0; 7]);
    // A stored block of length 0 ends on a byte (what zlib calls a sync flush).
    bits.extend([0, 0, 0]);
    bits.resize(bits.len().next_multiple_of(8), 0);
    let mut bytes: Vec<u8> =
        bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect();
    bytes.extend([0, 0, 0xff, 0xff]);
    bytes
}
