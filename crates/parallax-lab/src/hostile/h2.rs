//! Servers that break HTTP/2 (RFC 9113) and HPACK (RFC 7541), frame by frame, over TLS.

use bytes::Bytes;

use super::identity::Identity;
use super::play::Step;
use super::play::Step::{Flood, Hear, HearStream, Hold, Reset, Say, Send};
use super::{Behaviour, Ends, Script, Speaks};

const FINE: Ends = &["ok"];
const PROTOCOL: Ends = &["http-protocol"];
const CUT: Ends = &["http-reset"];
const TIMEOUT: Ends = &["http-timeout"];
/// A peer that closes in anger may be seen as the anger or as the close.
const BROKEN: Ends = &["http-protocol", "http-reset"];

/// Frame types (RFC 9113, 6; ALTSVC: RFC 7838, 4; ORIGIN: RFC 8336, 2).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ALTSVC: u8 = 10;
const ORIGIN: u8 = 12;
/// Flags.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
/// `:status: 200`, from the static table.
const STATUS_200: u8 = 0x88;
/// The stream of the one request.
const OURS: u32 = 1;

/// Every behaviour over HTTP/2.
pub(super) fn behaviours() -> Vec<Behaviour> {
    [single_frames(), header_blocks(), bodies(), floods(), ends()].concat()
}

fn secured(name: &'static str, ends: Ends, steps: Vec<Step>) -> Behaviour {
    Behaviour::new(name, Speaks::H2, ends, Script::Tls(Identity::h2(), steps))
}

/// After the request and a proper greeting, these bytes; then silence.
fn answering(name: &'static str, ends: Ends, frames: Vec<u8>) -> Behaviour {
    after_request(name, ends, vec![Send(frames.into()), Hold])
}

fn after_request(name: &'static str, ends: Ends, steps: Vec<Step>) -> Behaviour {
    secured(name, ends, [vec![HearStream, Send(greeting().into())], steps].concat())
}

fn greeting() -> Vec<u8> {
    [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block in one frame.
fn headers(flags: u8, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, OURS, block)
}

/// 200, and more to come.
fn fine() -> Vec<u8> {
    headers(0, &[STATUS_200])
}

fn last_data(bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, OURS, bytes)
}

/// A setting (RFC 9113, 6.5.1).
fn setting(number: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&number.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// A literal header without indexing, names and values shorter than 127 bytes (RFC 7541, 6.2.2).
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0], &string(name)[..], &string(value)].concat()
}

fn string(text: &[u8]) -> Vec<u8> {
    [&integer(0, 7, text.len())[..], text].concat()
}

/// A number with the first bits of its first byte given (RFC 7541, 5.1).
fn integer(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    let low = |n: usize| u8::try_from(n & 0x7f).unwrap_or_default();
    if value < most {
        return vec![first | low(value)];
    }
    let mut out = vec![first | u8::try_from(most).unwrap_or(u8::MAX)];
    let mut rest = value - most;
    while rest > 127 {
        out.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
    out
}

/// `:status` with any text.
fn status(text: &str) -> Vec<u8> {
    [&[8], &string(text.as_bytes())[..]].concat()
}

/// Frames that must not come, or not so.
fn single_frames() -> Vec<Behaviour> {
    let ok = [fine(), last_data(b"hello")].concat();
    let led = [
        frame(ALTSVC, 0, 0, b"\0\x18https://site-under-test.comh3=\"127.0.0.1:443\""),
        frame(ORIGIN, 0, 0, b"\0\x11https://127.0.0.1"),
        frame(200, 0xff, 0, &[7; 100]),
        ok.clone(),
    ];
    vec![
        answering("h2-fine", FINE, ok.clone()).reading(Some(5), false),
        answering("h2-hints-and-unknown-frames", FINE, led.concat()).reading(Some(5), false),
        answering("h2-goaway-first", BROKEN, frame(GOAWAY, 0, 0, &[0; 8])),
        secured(
            "h2-goaway-instead-of-settings",
            BROKEN,
            vec![HearStream, Send(frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11]).into()), Hold],
        ),
        answering(
            "h2-goaway-with-debug-data",
            BROKEN,
            frame(GOAWAY, 0, 0, &[&[0, 0, 0, 0, 0, 0, 0, 2][..], &[0x1b; 16_000]].concat()),
        ),
        answering("h2-reset-stream-refused", BROKEN, frame(RST_STREAM, 0, OURS, &[0, 0, 0, 7])),
        answering("h2-reset-stream-internal", BROKEN, frame(RST_STREAM, 0, OURS, &[0, 0, 0, 2])),
        answering("h2-reset-stream-http-1-1-required", BROKEN, frame(RST_STREAM, 0, OURS, &[0, 0, 0, 13])),
        answering("h2-reset-stream-unknown-code", BROKEN, frame(RST_STREAM, 0, OURS, &[0xff; 4])),
        answering("h2-data-before-headers", PROTOCOL, last_data(b"hello")),
        answering("h2-data-on-stream-0", PROTOCOL, frame(DATA, 0, 0, b"hello")),
        answering("h2-headers-on-stream-0", PROTOCOL, frame(HEADERS, END_HEADERS, 0, &[STATUS_200])),
        answering("h2-headers-on-idle-stream", PROTOCOL, frame(HEADERS, END_HEADERS, 3, &[STATUS_200])),
        answering("h2-headers-on-even-stream", PROTOCOL, frame(HEADERS, END_HEADERS, 2, &[STATUS_200])),
        answering(
            "h2-push-promise",
            PROTOCOL,
            frame(PUSH_PROMISE, END_HEADERS, OURS, &[0, 0, 0, 2, 0x82, 0x84]),
        ),
        answering("h2-frame-over-limit", PROTOCOL, frame(DATA, 0, OURS, &vec![0; 20_000])),
        answering("h2-ping-of-7", PROTOCOL, frame(PING, 0, 0, &[0; 7])),
        answering("h2-settings-of-5", PROTOCOL, frame(SETTINGS, 0, 0, &[0; 5])),
        answering("h2-settings-ack-with-payload", PROTOCOL, frame(SETTINGS, ACK, 0, &[0; 6])),
        answering("h2-settings-on-stream", PROTOCOL, frame(SETTINGS, 0, OURS, &[])),
        answering("h2-setting-frame-size-0", PROTOCOL, setting(5, 0)),
        answering("h2-setting-window-over-2-31", PROTOCOL, setting(4, u32::MAX)),
        answering("h2-setting-push-2", PROTOCOL, setting(2, 2)),
        answering("h2-setting-table-4-gib", FINE, [setting(1, u32::MAX), ok.clone()].concat()),
        answering("h2-setting-no-streams", FINE, [setting(3, 0), setting(6, 0), ok].concat()),
        answering("h2-window-update-0", BROKEN, frame(WINDOW_UPDATE, 0, OURS, &[0; 4])),
        answering("h2-window-overflow", BROKEN, frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        answering(
            "h2-priority-on-itself",
            &["http-protocol", "http-reset", "http-timeout"],
            frame(PRIORITY, 0, OURS, &[0, 0, 0, 1, 16]),
        ),
        answering("h2-continuation-alone", PROTOCOL, frame(CONTINUATION, END_HEADERS, OURS, &[STATUS_200])),
        answering("h2-padding-beyond-frame", PROTOCOL, frame(DATA, PADDED, OURS, &[255, 1, 2])),
        secured(
            "h2-answer-in-http-1-1",
            PROTOCOL,
            vec![HearStream, Say("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"), Hold],
        ),
        secured("h2-garbage", PROTOCOL, vec![HearStream, Send(vec![0xa5; 4_096].into()), Hold]),
    ]
}

/// Header blocks that are wrong, large, or grow when read.
fn header_blocks() -> Vec<Behaviour> {
    let ended = |block: &[u8]| headers(END_STREAM, block);
    let with = |field: Vec<u8>| headers(END_STREAM, &[vec![STATUS_200], field].concat());
    // One entry of nearly the whole dynamic table, then a reference of one byte to it, again and again.
    let entry = [&[0x40], &string(b"x")[..], &string(&[b'y'; 4_000])].concat();
    let bomb = [&[STATUS_200][..], &entry, &[0xbe; 12_000]].concat();
    let large: Vec<u8> = (0..40).flat_map(|_| literal(b"x", &[b'y'; 1_000])).collect();
    vec![
        answering("h2-hpack-bomb", &["http-too-large", "http-protocol"], headers(END_STREAM, &bomb)),
        answering("h2-hpack-index-0", PROTOCOL, ended(&[STATUS_200, 0x80])),
        answering("h2-hpack-index-beyond", PROTOCOL, ended(&[STATUS_200, 0xff, 0xff, 0xff, 0x7f])),
        answering(
            "h2-hpack-endless-number",
            PROTOCOL,
            ended(&[&[STATUS_200, 0xff][..], &[0xff; 64]].concat()),
        ),
        answering("h2-hpack-table-4-gib", PROTOCOL, ended(&[0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f, STATUS_200])),
        answering("h2-hpack-bad-huffman", PROTOCOL, ended(&[STATUS_200, 0, 0x81, 0xff, 0x81, 0xff])),
        answering("h2-hpack-string-beyond-block", PROTOCOL, ended(&[STATUS_200, 0, 0x7f, 0xff, 0x7f, b'x'])),
        answering(
            "h2-headers-40-kib",
            &["http-too-large", "http-protocol"],
            in_pieces(&[vec![STATUS_200], large].concat()),
        ),
        answering("h2-headers-101", &["http-too-large"], with(literal(b"x", b"y").repeat(101))),
        answering("h2-header-upper-case", PROTOCOL, with(literal(b"X-Upper", b"y"))),
        answering("h2-header-with-line-break", PROTOCOL, with(literal(b"x", b"a\r\nset-cookie: b"))),
        answering("h2-header-with-nul", PROTOCOL, with(literal(b"x", b"a\0b"))),
        answering("h2-header-empty-name", PROTOCOL, with(literal(b"", b"y"))),
        answering("h2-header-connection", PROTOCOL, with(literal(b"connection", b"close"))),
        answering("h2-header-chunked", PROTOCOL, with(literal(b"transfer-encoding", b"chunked"))),
        answering("h2-status-missing", PROTOCOL, ended(&literal(b"x", b"y"))),
        answering("h2-status-twice", PROTOCOL, ended(&[STATUS_200, STATUS_200])),
        answering("h2-status-99", PROTOCOL, ended(&status("99"))),
        answering("h2-status-1000", PROTOCOL, ended(&status("1000"))),
        answering("h2-status-700", PROTOCOL, ended(&status("700"))),
        answering("h2-status-words", PROTOCOL, ended(&status("OK"))),
        answering(
            "h2-status-after-fields",
            PROTOCOL,
            ended(&[&literal(b"x", b"y")[..], &[STATUS_200]].concat()),
        ),
        answering("h2-pseudo-of-requests", &["ok", "http-protocol"], with(literal(b":path", b"/"))),
        answering("h2-status-101", PROTOCOL, ended(&status("101"))),
        answering("h2-empty-block", PROTOCOL, ended(&[])),
        answering("h2-informational-ends-stream", PROTOCOL, ended(&status("103"))),
        answering(
            "h2-informational-six",
            PROTOCOL,
            [headers(0, &status("103")).repeat(6), fine(), last_data(b"hello")].concat(),
        ),
        answering(
            "h2-informational-five",
            FINE,
            [headers(0, &status("103")).repeat(5), fine(), last_data(b"hello")].concat(),
        ),
        answering("h2-503", &["http-503"], headers(END_STREAM, &status("503"))),
        answering(
            "h2-redirect-to-loopback",
            &["http-redirect-blocked"],
            headers(END_STREAM, &[status("302"), literal(b"location", b"https://127.0.0.1/")].concat()),
        ),
    ]
}

/// A header block over HEADERS and as many CONTINUATION as it takes.
fn in_pieces(block: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = block.chunks(16_384).collect();
    let last = pieces.len() - 1;
    pieces
        .iter()
        .enumerate()
        .flat_map(|(at, piece)| {
            let kind = if at == 0 { HEADERS } else { CONTINUATION };
            frame(kind, if at == last { END_HEADERS } else { 0 }, OURS, piece)
        })
        .collect()
}

/// Bodies that are too long, too short or too slow.
fn bodies() -> Vec<Behaviour> {
    let promised = headers(0, &[&[STATUS_200][..], &literal(b"content-length", b"9")].concat());
    let piece = frame(DATA, 0, OURS, &[b'a'; 16_000]);
    // Longer in bytes than a probe waits in seconds.
    let slow_head = headers(0, &[&[STATUS_200][..], &literal(b"x", &[b'y'; 50])].concat());
    vec![
        // Four pieces fill the window that was given; what follows is taken without leave.
        answering("h2-body-over-window", &["ok", "http-protocol"], [fine(), piece.repeat(12)].concat()),
        answering(
            "h2-body-longer-than-length",
            PROTOCOL,
            [promised.clone(), last_data(b"hello hello")].concat(),
        ),
        answering("h2-body-shorter-than-length", PROTOCOL, [promised, last_data(b"hello")].concat()),
        answering(
            "h2-body-then-reset",
            BROKEN,
            [fine(), frame(DATA, 0, OURS, b"hello"), frame(RST_STREAM, 0, OURS, &[0, 0, 0, 2])].concat(),
        ),
        answering("h2-body-never", FINE, fine()).reading(Some(0), true),
        after_request(
            "h2-body-bytewise",
            FINE,
            vec![Send(fine().into()), Step::Trickle(vec![frame(DATA, 0, OURS, b"a").into()])],
        )
        .reading(None, true),
        after_request(
            "h2-headers-bytewise",
            TIMEOUT,
            vec![Step::Trickle(slow_head.iter().map(|byte| Bytes::from(vec![*byte])).collect())],
        ),
        after_request(
            "h2-body-cut",
            BROKEN,
            vec![Send([fine(), frame(DATA, 0, OURS, b"hello")].concat().into()), Step::Cut],
        ),
        answering(
            "h2-trailers-huge",
            &["ok", "http-protocol", "http-too-large"],
            [fine(), frame(DATA, 0, OURS, b"hello"), headers(END_STREAM, &literal(b"x", &[b'y'; 16_000]))]
                .concat(),
        ),
    ]
}

/// As many frames as fit through the connection.
fn floods() -> Vec<Behaviour> {
    let flood = |name, ends, first: Vec<u8>, again: &[u8]| {
        let times = (16_384 / again.len()).max(1);
        after_request(name, ends, vec![Send(first.into()), Flood(again.repeat(times).into())])
    };
    let literal_entry = [&[0x40], &string(b"x")[..], &string(&[b'y'; 100])].concat();
    vec![
        flood("h2-settings-flood", PROTOCOL, Vec::new(), &frame(SETTINGS, 0, 0, &[])),
        flood("h2-settings-ack-flood", PROTOCOL, Vec::new(), &frame(SETTINGS, ACK, 0, &[])),
        flood("h2-ping-flood", PROTOCOL, Vec::new(), &frame(PING, 0, 0, &[1; 8])),
        flood("h2-ping-ack-flood", PROTOCOL, Vec::new(), &frame(PING, ACK, 0, &[1; 8])),
        flood("h2-priority-flood", PROTOCOL, Vec::new(), &frame(PRIORITY, 0, 5, &[0, 0, 0, 3, 16])),
        flood(
            "h2-window-update-flood",
            PROTOCOL,
            Vec::new(),
            &frame(WINDOW_UPDATE, 0, OURS, &[0, 0x10, 0, 0]),
        ),
        flood("h2-unknown-frame-flood", PROTOCOL, Vec::new(), &frame(99, 0, 0, &[0; 100])),
        flood("h2-reset-flood", BROKEN, Vec::new(), &frame(RST_STREAM, 0, OURS, &[0, 0, 0, 8])),
        flood("h2-goaway-flood", BROKEN, Vec::new(), &frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])),
        flood(
            "h2-continuation-flood",
            &["http-protocol", "http-too-large"],
            frame(HEADERS, 0, OURS, &[STATUS_200]),
            &frame(CONTINUATION, 0, OURS, &literal_entry),
        ),
        flood(
            "h2-empty-continuation-flood",
            &["http-protocol", "http-too-large"],
            frame(HEADERS, 0, OURS, &[STATUS_200]),
            &frame(CONTINUATION, 0, OURS, &[]),
        ),
        flood("h2-informational-flood", PROTOCOL, Vec::new(), &headers(0, &status("103"))),
        flood(
            "h2-push-flood",
            PROTOCOL,
            Vec::new(),
            &frame(PUSH_PROMISE, END_HEADERS, OURS, &[0, 0, 0, 2, 0x82, 0x84]),
        ),
        flood("h2-empty-data-flood", &["ok", "http-protocol"], fine(), &frame(DATA, 0, OURS, &[])),
        flood(
            "h2-padding-flood",
            &["ok", "http-protocol"],
            fine(),
            &frame(DATA, PADDED, OURS, &[&[255][..], &[0; 255]].concat()),
        ),
        flood("h2-body-flood", &["ok", "http-protocol"], fine(), &frame(DATA, 0, OURS, &[b'a'; 16_000])),
        flood(
            "h2-trailer-flood",
            &["ok", "http-protocol", "http-too-large"],
            [fine(), frame(DATA, 0, OURS, b"hello")].concat(),
            &frame(CONTINUATION, 0, OURS, &literal_entry),
        ),
    ]
}

/// How connections end.
fn ends() -> Vec<Behaviour> {
    vec![
        secured("h2-silent", TIMEOUT, vec![Hold]),
        secured("h2-only-settings", TIMEOUT, vec![Send(greeting().into()), Hold]),
        secured("h2-closed-at-once", BROKEN, vec![]),
        secured("h2-closed-after-preface", BROKEN, vec![Hear]),
        after_request("h2-closed-after-request", BROKEN, vec![]),
        after_request("h2-reset-after-request", CUT, vec![Reset]),
    ]
}
