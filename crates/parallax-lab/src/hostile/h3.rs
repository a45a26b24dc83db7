//! Servers that break HTTP/3 (RFC 9114) and QPACK (RFC 9204) on sound QUIC connections.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, EndpointConfig, RecvStream, SendStream, TokioRuntime, VarInt};

use super::identity::{Flaw, Identity};
use super::{Behaviour, CONNECTION_LIFE, Ends, Forge, Script, Speaks};
use crate::LabError;
use crate::tasks::Tasks;
use crate::tls::CertificateError;

const FINE: Ends = &["ok"];
const PROTOCOL: Ends = &["http-protocol"];
const TIMEOUT: Ends = &["http-timeout"];
const TOO_LARGE: Ends = &["http-too-large"];
/// What ends a stream or a connection in anger may be told in several ways.
const BROKEN: Ends = &["http-protocol", "http-reset", "quic-closed"];
/// What the library lets pass, or what comes after the answer is there.
const LENIENT: Ends = &["ok", "http-protocol", "quic-closed"];

/// The time between two pieces of a trickle.
const TRICKLE: Duration = Duration::from_secs(1);
/// Most of a request that is read.
const MAX_REQUEST: usize = 16 * 1_024;
/// Frame types (RFC 9114, 7.2).
const DATA: u64 = 0;
const HEADERS: u64 = 1;
const CANCEL_PUSH: u64 = 3;
const SETTINGS: u64 = 4;
const PUSH_PROMISE: u64 = 5;
const GOAWAY: u64 = 7;
const MAX_PUSH_ID: u64 = 13;
/// Stream types (RFC 9114, 6.2; RFC 9204, 4.2).
const CONTROL: u64 = 0;
const PUSH: u64 = 1;
const QPACK_ENCODER: u64 = 2;
const QPACK_DECODER: u64 = 3;
/// Nothing is asked of the dynamic table, then `:status: 200` and `:status: 103` of the static one (RFC 9204, 4.5, A).
const OK: &[u8] = &[0, 0, 0xd9];
const EARLY_HINTS: &[u8] = &[0, 0, 0xd8];

/// One thing a hostile HTTP/3 server does once it has heard the request.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Opens a stream of its own, says this and leaves it open.
    Uni(Bytes),
    /// Says this where the answer belongs.
    Say(Bytes),
    /// Says it over and over.
    Flood(Bytes),
    /// Says it once a second.
    Trickle(Bytes),
    /// Opens one stream after the other, with this on each.
    FloodUni(Bytes),
    /// Ends the answer.
    Finish,
    /// Resets the answer's stream with a code.
    Abort(u32),
    /// Closes the connection with a code.
    Close(u32),
}

/// Who a QUIC server is, and what it plays.
#[derive(Debug, Clone)]
pub(super) struct Act {
    identity: Identity,
    /// Asks its clients to come to where nobody may go (RFC 9000, 9.6).
    prefers_witness: bool,
    steps: Vec<Step>,
}

/// Every behaviour over HTTP/3.
pub(super) fn behaviours() -> Vec<Behaviour> {
    [settings(), control_streams(), answers(), field_sections(), bodies(), handshakes()].concat()
}

fn h3(name: &'static str, ends: Ends, steps: Vec<Step>) -> Behaviour {
    as_who(name, ends, Identity { alpn: &["h3"], ..Identity::flawed(Flaw::None) }, steps)
}

fn as_who(name: &'static str, ends: Ends, identity: Identity, steps: Vec<Step>) -> Behaviour {
    Behaviour::new(name, Speaks::H3, ends, Script::H3(Act { identity, prefers_witness: false, steps }))
}

/// A proper control stream, then the answer.
fn answering(name: &'static str, ends: Ends, answer: Vec<u8>) -> Behaviour {
    h3(name, ends, vec![Step::Uni(greeting().into()), Step::Say(answer.into()), Step::Finish])
}

/// A proper answer beside these streams.
fn beside(name: &'static str, ends: Ends, streams: Vec<Vec<u8>>) -> Behaviour {
    let mut steps: Vec<Step> = streams.into_iter().map(|stream| Step::Uni(stream.into())).collect();
    steps.extend([Step::Say(fine().into()), Step::Finish]);
    h3(name, ends, steps)
}

fn after_greeting(name: &'static str, ends: Ends, steps: Vec<Step>) -> Behaviour {
    h3(name, ends, [vec![Step::Uni(greeting().into())], steps].concat())
}

/// A number of variable length (RFC 9000, 16).
pub(super) fn varint(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    match value {
        0..0x40 => bytes[7..].to_vec(),
        0x40..0x4000 => vec![bytes[6] | 0x40, bytes[7]],
        0x4000..0x4000_0000 => vec![bytes[4] | 0x80, bytes[5], bytes[6], bytes[7]],
        _ => [&[bytes[0] | 0xc0], &bytes[1..]].concat(),
    }
}

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [varint(kind), varint(payload.len() as u64), payload.to_vec()].concat()
}

fn stream(kind: u64, said: &[u8]) -> Vec<u8> {
    [varint(kind), said.to_vec()].concat()
}

fn greeting() -> Vec<u8> {
    stream(CONTROL, &frame(SETTINGS, &[]))
}

fn fine() -> Vec<u8> {
    [frame(HEADERS, OK), frame(DATA, b"hello")].concat()
}

/// A literal field with a literal name, both shorter than 7 and 127 bytes (RFC 9204, 4.5.6).
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [&[0x20 | length(name)], name, &[length(value)], value].concat()
}

/// SETTINGS, and the stream they come on (RFC 9114, 6.2.1 and 7.2.4).
fn settings() -> Vec<Behaviour> {
    let setting = |number: u64, value: u64| {
        stream(CONTROL, &frame(SETTINGS, &[varint(number), varint(value)].concat()))
    };
    vec![
        beside("h3-fine", FINE, vec![greeting()]).reading(Some(5), false),
        beside("h3-no-control-stream", &["ok", "http-protocol", "http-timeout"], vec![]),
        beside("h3-control-without-settings", LENIENT, vec![stream(CONTROL, &frame(GOAWAY, &[0]))]),
        beside("h3-two-control-streams", LENIENT, vec![greeting(), greeting()]),
        beside("h3-settings-twice", LENIENT, vec![control(&[frame(SETTINGS, &[])])]),
        beside("h3-setting-of-http-2", LENIENT, vec![setting(2, 1)]),
        beside("h3-setting-fields-0", FINE, vec![setting(6, 0)]),
        beside("h3-setting-table-huge", FINE, vec![setting(1, (1 << 62) - 1)]),
        beside("h3-settings-cut", LENIENT, vec![stream(CONTROL, &[4, 9, 1])]),
    ]
}

/// A control stream with these frames behind its SETTINGS.
fn control(frames: &[Vec<u8>]) -> Vec<u8> {
    [greeting(), frames.concat()].concat()
}

/// What else comes on streams the server opens.
fn control_streams() -> Vec<Behaviour> {
    let ignored = [frame(0x21, b"grease"), frame(0x4b, &[7; 500])].concat();
    let encoder = |said: &[u8]| stream(QPACK_ENCODER, said);
    vec![
        beside(
            "h3-unknown-streams-and-frames",
            FINE,
            vec![control(&[ignored]), stream(0x21, b"grease"), stream(0x54, &[7; 100])],
        )
        .reading(Some(5), false),
        beside("h3-data-on-control", LENIENT, vec![control(&[frame(DATA, b"hello")])]),
        beside("h3-goaway", LENIENT, vec![control(&[frame(GOAWAY, &[0])])]),
        beside("h3-goaway-rising", LENIENT, vec![control(&[frame(GOAWAY, &[0]), frame(GOAWAY, &[4])])]),
        beside("h3-cancel-push", LENIENT, vec![control(&[frame(CANCEL_PUSH, &[9])])]),
        beside("h3-max-push-id", LENIENT, vec![control(&[frame(MAX_PUSH_ID, &[9])])]),
        beside("h3-push-stream", LENIENT, vec![greeting(), stream(PUSH, &[0])]),
        beside("h3-two-encoder-streams", LENIENT, vec![greeting(), encoder(&[]), encoder(&[])]),
        beside("h3-encoder-inserts", LENIENT, vec![greeting(), encoder(&[0x41, b'x', 1, b'y'].repeat(10))]),
        beside("h3-decoder-acknowledges", LENIENT, vec![greeting(), stream(QPACK_DECODER, &[0x84, 0x3f])]),
        after_greeting(
            "h3-control-flood",
            &["http-protocol", "http-too-large", "quic-closed"],
            vec![Step::Uni(stream(0x21, &[]).into()), Step::FloodUni(stream(0x21, &[7; 4_096]).into())],
        ),
    ]
}

/// Frames where the answer belongs.
fn answers() -> Vec<Behaviour> {
    vec![
        after_greeting("h3-silent", TIMEOUT, vec![Step::Trickle(Bytes::new())]),
        after_greeting(
            "h3-head-bytewise",
            TIMEOUT,
            vec![Step::Say(Bytes::from_static(&[1, 63])), Step::Trickle(Bytes::from_static(&[0]))],
        ),
        after_greeting("h3-finished-without-answer", BROKEN, vec![Step::Finish]),
        after_greeting("h3-stream-reset", BROKEN, vec![Step::Abort(0x102)]),
        after_greeting("h3-request-rejected", BROKEN, vec![Step::Abort(0x10b)]),
        after_greeting("h3-connection-closed", BROKEN, vec![Step::Close(0x102)]),
        after_greeting("h3-connection-closed-politely", BROKEN, vec![Step::Close(0x100)]),
        answering("h3-data-before-headers", BROKEN, frame(DATA, b"hello")),
        answering("h3-settings-on-request", BROKEN, frame(SETTINGS, &[])),
        answering("h3-goaway-on-request", BROKEN, frame(GOAWAY, &[0])),
        answering("h3-push-promise", BROKEN, frame(PUSH_PROMISE, &[0, 0, 0, 0xd1])),
        answering("h3-frame-of-http-2", BROKEN, frame(6, &[0; 8])),
        answering("h3-frame-cut", BROKEN, vec![1, 63, 0, 0, 0xd9]),
        answering(
            "h3-frame-of-2-62",
            &["http-too-large", "http-protocol", "http-reset"],
            [varint(HEADERS), varint((1 << 62) - 1), vec![0; 64]].concat(),
        ),
        answering("h3-http-1-1-inside", BROKEN, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()),
        after_greeting(
            "h3-headers-frame-endless",
            TOO_LARGE,
            vec![
                Step::Say([varint(HEADERS), varint(1 << 30)].concat().into()),
                Step::Flood(vec![0; 16_384].into()),
            ],
        ),
        after_greeting(
            "h3-unknown-frames-endless",
            &["http-too-large", "http-protocol"],
            vec![Step::Flood(frame(0x21, &[7; 1_000]).into())],
        ),
        after_greeting(
            "h3-informational-endless",
            PROTOCOL,
            vec![Step::Flood(frame(HEADERS, EARLY_HINTS).repeat(500).into())],
        ),
        answering("h3-informational-five", FINE, [frame(HEADERS, EARLY_HINTS).repeat(5), fine()].concat()),
        answering("h3-informational-six", PROTOCOL, [frame(HEADERS, EARLY_HINTS).repeat(6), fine()].concat()),
        answering("h3-503", &["http-503"], frame(HEADERS, &[0, 0, 0xdc])),
        answering(
            "h3-redirect-to-loopback",
            &["http-redirect-blocked"],
            frame(HEADERS, &[&[0, 0, 0xff, 3, 0x5c, 18][..], b"https://127.0.0.1/"].concat()),
        ),
    ]
}

/// Field sections that are wrong, or grow.
fn field_sections() -> Vec<Behaviour> {
    let headers = |block: &[u8]| frame(HEADERS, block);
    let with = |field: Vec<u8>| headers(&[OK.to_vec(), field].concat());
    let status = |text: &[u8]| {
        headers(&[&[0, 0, 0x5f, 9, u8::try_from(text.len()).unwrap_or_default()], text].concat())
    };
    vec![
        answering("h3-qpack-dynamic", BROKEN, headers(&[0, 0, 0x80])),
        answering("h3-qpack-waits-for-inserts", LENIENT, headers(&[9, 0, 0xd9])),
        answering("h3-qpack-static-beyond", BROKEN, headers(&[0, 0, 0xff, 0xff, 0x7f])),
        answering("h3-qpack-endless-number", BROKEN, headers(&[&[0, 0, 0xff][..], &[0xff; 64]].concat())),
        answering("h3-qpack-string-beyond", BROKEN, headers(&[0, 0, 0xd9, 0x21, b'x', 0x7f, 0xff, 0x7f])),
        answering("h3-qpack-bad-huffman", LENIENT, headers(&[0, 0, 0xd9, 0x21, b'x', 0x81, 0xff])),
        answering("h3-empty-section", BROKEN, headers(&[])),
        answering("h3-status-missing", BROKEN, headers(&[&[0, 0][..], &literal(b"x", b"y")].concat())),
        answering("h3-status-1000", BROKEN, status(b"1000")),
        answering("h3-status-99", BROKEN, status(b"99")),
        answering("h3-status-700", PROTOCOL, status(b"700")),
        answering("h3-status-words", BROKEN, status(b"OK")),
        answering("h3-header-upper-case", &["ok", "http-protocol"], with(literal(b"X-Up", b"y"))),
        answering("h3-header-with-line-break", BROKEN, with(literal(b"x", b"a\r\nb: c"))),
        answering("h3-header-with-nul", BROKEN, with(literal(b"x", b"a\0b"))),
        answering("h3-header-connection", &["ok", "http-protocol"], with(literal(b"te", b"chunked"))),
        answering("h3-headers-101", TOO_LARGE, with(literal(b"x", b"y").repeat(101))),
        answering("h3-headers-40-kib", TOO_LARGE, with(literal(b"x", &[b'y'; 100]).repeat(400))),
    ]
}

/// Bodies.
fn bodies() -> Vec<Behaviour> {
    let promised = |length: &[u8]| {
        frame(
            HEADERS,
            &[OK.to_vec(), vec![0x54, u8::try_from(length.len()).unwrap_or(1)], length.to_vec()].concat(),
        )
    };
    let begun = || Step::Say(frame(HEADERS, OK).into());
    let flood = Step::Flood(frame(DATA, &[b'a'; 16_000]).into());
    vec![
        after_greeting("h3-body-endless", FINE, vec![begun(), flood]).reading(Some(65_536), true),
        after_greeting("h3-body-bytewise", FINE, vec![begun(), Step::Trickle(frame(DATA, b"a").into())])
            .reading(None, true),
        after_greeting("h3-body-never", FINE, vec![begun(), Step::Trickle(Bytes::new())])
            .reading(Some(0), true),
        after_greeting(
            "h3-empty-data-endless",
            &["ok", "http-too-large", "http-protocol"],
            vec![begun(), Step::Flood(frame(DATA, &[]).repeat(1_000).into())],
        ),
        after_greeting(
            "h3-frames-beside-body-endless",
            &["ok", "http-too-large"],
            vec![begun(), Step::Flood(frame(0x21, &[7; 1_000]).into())],
        ),
        after_greeting(
            "h3-data-frame-of-a-gib",
            FINE,
            vec![
                begun(),
                Step::Say([varint(DATA), varint(1 << 30)].concat().into()),
                Step::Flood(vec![b'a'; 16_384].into()),
            ],
        )
        .reading(Some(65_536), true),
        answering(
            "h3-body-longer-than-length",
            &["ok", "http-protocol"],
            [promised(b"3"), frame(DATA, b"hello")].concat(),
        ),
        answering("h3-body-shorter-than-length", BROKEN, [promised(b"9"), frame(DATA, b"hello")].concat()),
        after_greeting("h3-body-then-reset", BROKEN, vec![Step::Say(fine().into()), Step::Abort(0x102)]),
        after_greeting("h3-body-then-close", BROKEN, vec![Step::Say(fine().into()), Step::Close(0x102)]),
        answering(
            "h3-trailers",
            FINE,
            [fine(), frame(HEADERS, &[&[0, 0][..], &literal(b"x", b"y")].concat())].concat(),
        )
        .reading(Some(5), false),
    ]
}

/// Certificates and addresses: what TLS has to say is said over QUIC as over TCP.
fn handshakes() -> Vec<Behaviour> {
    let who = |flaw| Identity { alpn: &["h3"], ..Identity::flawed(flaw) };
    let fine_steps = || vec![Step::Uni(greeting().into()), Step::Say(fine().into()), Step::Finish];
    let flawed = |name, ends, flaw| as_who(name, ends, who(flaw), fine_steps());
    let mut moved = h3("h3-preferred-address", FINE, fine_steps());
    if let Script::H3(act) = &mut moved.script {
        act.prefers_witness = true;
    }
    vec![
        moved,
        flawed("h3-cert-expired", &["tls-expired"], Flaw::Expired),
        flawed("h3-cert-not-yet-valid", &["tls-not-yet-valid"], Flaw::NotYetValid),
        flawed("h3-cert-wrong-name", &["tls-name-mismatch"], Flaw::Named("other.example")),
        flawed("h3-cert-self-signed", &["tls-self-signed"], Flaw::SelfSigned),
        flawed("h3-cert-unknown-root", &["tls-untrusted"], Flaw::UnknownRoot),
        flawed("h3-cert-chain-of-100", &["tls-handshake"], Flaw::ChainOf(100)),
        flawed("h3-cert-1000-names", FINE, Flaw::Names(1_000)),
        flawed("h3-cert-10000-names", &["tls-handshake", "quic-handshake"], Flaw::Names(10_000)),
        flawed("h3-cert-other-key", &["tls-handshake"], Flaw::OtherKey),
        as_who(
            "h3-other-protocol",
            &["tls-handshake"],
            Identity { alpn: &["hq-29"], ..who(Flaw::None) },
            Vec::new(),
        ),
    ]
}

/// Starts a server at `at` that leads its clients to `witness` where its act says so.
pub(super) fn start(
    at: Ipv4Addr,
    witness: SocketAddr,
    (host, act): (&str, &Act),
    forge: &Forge,
    tasks: &Tasks,
) -> Result<SocketAddr, LabError> {
    let flawed = |source| LabError::Certificate { name: host.to_owned(), source };
    let tls = forge.config(host, &act.identity).map_err(flawed)?;
    let tls = QuicServerConfig::try_from(tls)
        .map_err(|error| flawed(CertificateError::Serve(rustls::Error::General(error.to_string()))))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    if let (true, SocketAddr::V4(witness)) = (act.prefers_witness, witness) {
        config.preferred_address_v4(Some(SocketAddrV4::new(*witness.ip(), witness.port())));
    }
    let wanted = SocketAddr::from((at, 0));
    let bind = |source| LabError::Bind { what: host.to_owned(), address: wanted, source };
    let socket = std::net::UdpSocket::bind(wanted).map_err(bind)?;
    let address = socket.local_addr().map_err(bind)?;
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
        .map_err(bind)?;
    let (owner, steps) = (tasks.clone(), Arc::new(act.steps.clone()));
    tasks.spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let steps = Arc::clone(&steps);
            owner.spawn(async move {
                let Ok(connection) = incoming.await else { return };
                // Whatever a client does to the script is what these servers are for.
                drop(tokio::time::timeout(CONNECTION_LIFE, play(&connection, &steps)).await);
            });
        }
    });
    Ok(address)
}

/// Hears the request, plays the steps, and waits for the client to leave.
async fn play(connection: &Connection, steps: &[Step]) {
    let Ok((mut answer, mut request)) = connection.accept_bi().await else { return };
    drop(request.read_to_end(MAX_REQUEST).await);
    let mut open = Vec::new();
    for step in steps {
        if !take(step, connection, (&mut answer, &mut open)).await {
            break;
        }
    }
    connection.closed().await;
    drop::<(Vec<SendStream>, RecvStream)>((open, request));
}

/// One step; false when the client does not want it.
async fn take(
    step: &Step,
    connection: &Connection,
    (answer, open): (&mut SendStream, &mut Vec<SendStream>),
) -> bool {
    match step {
        Step::Uni(bytes) => return uni(connection, bytes, open).await,
        Step::FloodUni(bytes) => {
            while uni(connection, bytes, open).await {
                if let Some(mut last) = open.pop() {
                    // The stream may be gone already; so it shall be.
                    let _ = last.finish();
                }
            }
            return false;
        }
        Step::Say(bytes) => return answer.write_all(bytes).await.is_ok(),
        Step::Flood(bytes) => {
            while answer.write_all(bytes).await.is_ok() {}
            return false;
        }
        Step::Trickle(bytes) => loop {
            tokio::time::sleep(TRICKLE).await;
            if connection.close_reason().is_some() || answer.write_all(bytes).await.is_err() {
                return false;
            }
        },
        Step::Finish => return answer.finish().is_ok(),
        Step::Abort(code) => return answer.reset(VarInt::from_u32(*code)).is_ok(),
        Step::Close(code) => connection.close(VarInt::from_u32(*code), b"\x1b[31mclosed"),
    }
    true
}

async fn uni(connection: &Connection, bytes: &Bytes, open: &mut Vec<SendStream>) -> bool {
    let Ok(mut stream) = connection.open_uni().await else { return false };
    let said = stream.write_all(bytes).await.is_ok();
    open.push(stream);
    said
}
