//! What answers UDP on port 443 and breaks QUIC itself (RFC 9000, RFC 9001): packets made by hand.
//!
//! There is no QUIC stack here: a server hears the client's first packet and answers with what its row says, sometimes with the
//! right keys, so that the client has to believe it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{DirectionalKeys, KeyChange, Keys, ServerConnection, Version};
use rustls::{ServerConfig, Side, SupportedCipherSuite};
use tokio::net::UdpSocket;

use super::h3::varint;
use super::identity::{Flaw, Identity};
use super::{Behaviour, Ends, Forge, Script, Speaks};
use crate::LabError;
use crate::tasks::Tasks;

const TIMEOUT: Ends = &["quic-timeout"];
const HANDSHAKE: Ends = &["quic-handshake"];
const BROKEN: Ends = &["quic-handshake", "quic-closed"];

/// QUIC version 1.
const V1: u32 = 1;
/// Our own connection id.
const OURS: [u8; 8] = *b"hostile!";
/// Long headers (RFC 9000, 17.2) with packet numbers of four bytes.
const INITIAL: u8 = 0xc3;
const HANDSHAKE_PACKET: u8 = 0xe3;
const RETRY: u8 = 0xf0;
/// A short header (RFC 9000, 17.3.1) with a packet number of four bytes.
const SHORT: u8 = 0x43;
/// The AEAD of Retry packets (RFC 9001, 5.8).
const RETRY_KEY: [u8; 16] =
    [0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e];
const RETRY_NONCE: [u8; 12] = [0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb];
/// Largest datagram.
const MAX_DATAGRAM: usize = 2_048;

/// What is wrong with the transport parameters (RFC 9000, 18).
#[derive(Debug, Clone, Copy)]
pub(super) enum Parameters {
    /// Nothing.
    Sound,
    /// The connection ids that prove who answered are left out (RFC 9000, 7.3).
    NoIds,
    /// They are somebody else's.
    OtherIds,
    /// One stands twice.
    Twice,
    /// These bytes stand behind the sound ones.
    And(&'static [u8]),
}

/// What one server does to a client's first packet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Packets {
    /// Nothing.
    Silence,
    /// No QUIC.
    Garbage,
    /// The client's own packet.
    Echo,
    /// Offers these versions only (RFC 9000, 6).
    Versions(&'static [u32]),
    /// Sends the client elsewhere and elsewhere (RFC 9000, 8.1.2); whether its packets are sealed as they must be.
    Retry { sealed: bool },
    /// A packet nobody asked for, that may be a stateless reset (RFC 9000, 10.3).
    StatelessReset,
    /// These frames in an Initial packet.
    Initial(&'static [u8]),
    /// Pings in Initial packets, many for each of the client's.
    Pings,
    /// A handshake with these transport parameters.
    Shake(Parameters),
    /// A sound handshake, then stream data with holes between all the pieces.
    Holes,
}

const RESERVED_VERSIONS: &[u32] = &[0x1a2a_3a4a, 0xff00_0010];

/// Every row: name, how a probe ends, what is sent.
const ROWS: &[(&str, Ends, Packets)] = &[
    ("quic-silent", TIMEOUT, Packets::Silence),
    ("quic-garbage", TIMEOUT, Packets::Garbage),
    ("quic-echo", TIMEOUT, Packets::Echo),
    ("quic-version-negotiation", HANDSHAKE, Packets::Versions(RESERVED_VERSIONS)),
    ("quic-version-negotiation-for-ours", TIMEOUT, Packets::Versions(&[V1])),
    ("quic-version-negotiation-empty", &["quic-timeout", "quic-handshake"], Packets::Versions(&[])),
    ("quic-retry-loop", TIMEOUT, Packets::Retry { sealed: true }),
    ("quic-retry-forged", TIMEOUT, Packets::Retry { sealed: false }),
    ("quic-stateless-reset", TIMEOUT, Packets::StatelessReset),
    // CONNECTION_CLOSE with CONNECTION_REFUSED (RFC 9000, 19.19 and 20.1), and with an alert of TLS.
    ("quic-refused", BROKEN, Packets::Initial(&[0x1c, 2, 0, 4, 0x1b, b'[', b'3', b'1'])),
    ("quic-alert", &["tls-handshake"], Packets::Initial(&[0x1c, 0x41, 0x28, 6, 0])),
    ("quic-unknown-frame", HANDSHAKE, Packets::Initial(&[0x3f])),
    ("quic-stream-in-initial", HANDSHAKE, Packets::Initial(&[0x0a, 0, 1, 7])),
    ("quic-ack-of-the-future", HANDSHAKE, Packets::Initial(&[0x02, 0x44, 0, 0, 0, 0])),
    ("quic-ack-range-underflow", HANDSHAKE, Packets::Initial(&[0x02, 0, 0, 0, 9])),
    ("quic-frame-cut", HANDSHAKE, Packets::Initial(&[0x06, 0, 0x7f, 0xff, 1])),
    (
        "quic-crypto-garbage",
        &["tls-handshake", "quic-handshake"],
        Packets::Initial(&[0x06, 0, 4, 9, 9, 9, 9]),
    ),
    (
        "quic-crypto-far-away",
        BROKEN,
        Packets::Initial(&[0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0, 1, 7]),
    ),
    ("quic-crypto-at-a-mib", BROKEN, Packets::Initial(&[0x06, 0x80, 0x10, 0, 0, 1, 7])),
    ("quic-pings", &["quic-handshake", "quic-timeout"], Packets::Pings),
    ("quic-holes", &["http-timeout", "http-too-large", "quic-closed"], Packets::Holes),
    ("quic-parameters-sound-then-silence", &["http-timeout"], Packets::Shake(Parameters::Sound)),
    ("quic-parameters-without-ids", HANDSHAKE, Packets::Shake(Parameters::NoIds)),
    ("quic-parameters-of-another", HANDSHAKE, Packets::Shake(Parameters::OtherIds)),
    ("quic-parameters-twice", HANDSHAKE, Packets::Shake(Parameters::Twice)),
    // ack_delay_exponent above 20, max_udp_payload_size below 1,200, active_connection_id_limit below 2, initial_max_streams above 2^60.
    ("quic-ack-delay-exponent-21", HANDSHAKE, Packets::Shake(Parameters::And(&[0x0a, 1, 21]))),
    ("quic-udp-payload-10", HANDSHAKE, Packets::Shake(Parameters::And(&[0x03, 1, 10]))),
    ("quic-connection-id-limit-1", HANDSHAKE, Packets::Shake(Parameters::And(&[0x0e, 1, 1]))),
    (
        "quic-streams-over-2-60",
        HANDSHAKE,
        Packets::Shake(Parameters::And(&[0x08, 8, 0xd0, 0, 0, 0, 0, 0, 0, 1])),
    ),
    ("quic-parameter-cut", HANDSHAKE, Packets::Shake(Parameters::And(&[0x04, 8, 1]))),
    (
        "quic-parameter-length-2-62",
        HANDSHAKE,
        Packets::Shake(Parameters::And(&[0x04, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    ),
    ("quic-retry-id-without-retry", HANDSHAKE, Packets::Shake(Parameters::And(&[0x10, 2, 1, 2]))),
    ("quic-preferred-address-cut", HANDSHAKE, Packets::Shake(Parameters::And(&[0x0d, 3, 127, 0, 0]))),
    // A preferred address with a connection id of 255 bytes: what quinn-proto once panicked on (RUSTSEC-2026-0037).
    (
        "quic-preferred-address-id-255",
        HANDSHAKE,
        Packets::Shake(Parameters::And(&[
            0x0d, 25, 127, 0, 0, 1, 1, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0xbb, 255,
        ])),
    ),
    ("quic-unknown-parameter", &["http-timeout"], Packets::Shake(Parameters::And(&[0x40, 0xff, 3, 1, 2, 3]))),
];

/// Every server of hand-made packets.
pub(super) fn behaviours() -> Vec<Behaviour> {
    ROWS.iter()
        .map(|&(name, ends, packets)| Behaviour::new(name, Speaks::H3, ends, Script::Quic(packets)))
        .collect()
}

/// Starts one at `at`.
pub(super) async fn start(
    at: Ipv4Addr,
    host: &str,
    packets: Packets,
    forge: &Forge,
    tasks: &Tasks,
) -> Result<SocketAddr, LabError> {
    let wanted = SocketAddr::from((at, 0));
    let bind = |source| LabError::Bind { what: host.to_owned(), address: wanted, source };
    let identity = Identity { alpn: &["h3"], ..Identity::flawed(Flaw::None) };
    let tls = forge
        .config(host, &identity)
        .map_err(|source| LabError::Certificate { name: host.to_owned(), source })?;
    let socket = UdpSocket::bind(wanted).await.map_err(bind)?;
    let address = socket.local_addr().map_err(bind)?;
    tasks.spawn(async move {
        let mut heard = [0; MAX_DATAGRAM];
        while let Ok((length, from)) = socket.recv_from(&mut heard).await {
            for datagram in answer(packets, &heard[..length], &tls) {
                if socket.send_to(&datagram, from).await.is_err() {
                    tracing::debug!("a datagram could not be sent");
                }
            }
        }
    });
    Ok(address)
}

/// The datagrams that answer one.
fn answer(packets: Packets, heard: &[u8], tls: &Arc<ServerConfig>) -> Vec<Vec<u8>> {
    match packets {
        Packets::Silence => return Vec::new(),
        Packets::Garbage => return vec![vec![0xa5; 1_200]],
        Packets::Echo => return vec![heard.to_vec()],
        Packets::StatelessReset => return vec![[&[0x41][..], &[0x5a; 60]].concat()],
        _ => {}
    }
    let Some(first) = First::read(heard) else { return Vec::new() };
    match packets {
        Packets::Versions(versions) => {
            let versions: Vec<u8> = versions.iter().flat_map(|version| version.to_be_bytes()).collect();
            vec![[&first.long_header(0x80, 0), &versions[..]].concat()]
        }
        Packets::Retry { sealed } => first.retry(sealed).into_iter().collect(),
        Packets::Initial(frames) => vec![first.initial(0, frames)],
        Packets::Pings => (0..500).map(|number| first.initial(number, &[1, 0, 0, 0])).collect(),
        Packets::Shake(parameters) => first.shake(parameters, tls, false).unwrap_or_default(),
        Packets::Holes => first.shake(Parameters::Sound, tls, true).unwrap_or_default(),
        Packets::Silence | Packets::Garbage | Packets::Echo | Packets::StatelessReset => Vec::new(),
    }
}

/// A client's Initial packet (RFC 9000, 17.2.2).
struct First<'a> {
    packet: &'a [u8],
    /// Whom the client calls, and what it calls itself.
    theirs: &'a [u8],
    caller: &'a [u8],
    /// Where the packet number begins, and where the packet ends.
    number_at: usize,
    end: usize,
    keys: Keys,
}

impl<'a> First<'a> {
    fn read(packet: &'a [u8]) -> Option<Self> {
        let initial = packet.first()? & 0xf0 == 0xc0 && packet.get(1..5)? == V1.to_be_bytes();
        let (theirs, at) = counted(packet, 5)?;
        let (caller, at) = counted(packet, at)?;
        let (token, at) = read_varint(packet, at)?;
        let (length, number_at) = read_varint(packet, at + token)?;
        let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else { return None };
        let keys = Keys::initial(Version::V1, suite, suite.quic?, theirs, Side::Server);
        let end = number_at + length;
        (initial && end <= packet.len()).then_some(Self { packet, theirs, caller, number_at, end, keys })
    }

    /// The TLS message inside; clients of one key share send it in one piece.
    fn client_hello(&self) -> Option<Vec<u8>> {
        let mut packet = self.packet[..self.end].to_vec();
        let sample = packet.get(self.number_at + 4..self.number_at + 20)?.to_vec();
        let (head, rest) = packet.split_at_mut(self.number_at);
        self.keys.remote.header.decrypt_in_place(&sample, &mut head[0], &mut rest[..4]).ok()?;
        let length = usize::from(head[0] & 3) + 1;
        let number = rest[..length].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (header, payload) = packet.split_at_mut(self.number_at + length);
        let frames = self.keys.remote.packet.decrypt_in_place(number, header, payload).ok()?;
        // PADDING and PING may stand before CRYPTO.
        let at = frames.iter().position(|kind| !matches!(kind, 0 | 1))?;
        let (offset, after) = read_varint(frames, at + 1)?;
        let (length, after) = read_varint(frames, after)?;
        (frames[at] == 6 && offset == 0).then(|| frames.get(after..after + length).map(<[u8]>::to_vec))?
    }

    /// The head of a packet for the client, up to its own connection id.
    fn long_header(&self, first: u8, version: u32) -> Vec<u8> {
        let length = |id: &[u8]| u8::try_from(id.len()).unwrap_or(20);
        let (to, from) = (self.caller, &OURS[..]);
        [&[first], &version.to_be_bytes()[..], &[length(to)], to, &[length(from)], from].concat()
    }

    fn initial(&self, number: u32, frames: &[u8]) -> Vec<u8> {
        // As large as such a datagram must be (RFC 9000, 14.1).
        let padded = [frames, &vec![0; 1_100_usize.saturating_sub(frames.len())]].concat();
        let header = [self.long_header(INITIAL, V1), vec![0]].concat();
        sealed(&self.keys.local, header, number, &padded)
    }

    /// A Retry packet (RFC 9000, 17.2.5) with a token.
    fn retry(&self, honest: bool) -> Option<Vec<u8>> {
        use ring::aead;
        let packet = [self.long_header(RETRY, V1), b"another token".to_vec()].concat();
        let original = [&[u8::try_from(self.theirs.len()).ok()?], self.theirs, &packet].concat();
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &RETRY_KEY).ok()?);
        let nonce = aead::Nonce::assume_unique_for_key(RETRY_NONCE);
        let tag = key.seal_in_place_separate_tag(nonce, aead::Aad::from(original), &mut []).ok()?;
        let tag = if honest { tag.as_ref().to_vec() } else { vec![0; 16] };
        Some([packet, tag].concat())
    }

    /// A server's whole flight, with these transport parameters; then, perhaps, pieces of a stream with holes between.
    fn shake(&self, parameters: Parameters, tls: &Arc<ServerConfig>, holes: bool) -> Option<Vec<Vec<u8>>> {
        let parameters = self.parameters(parameters);
        let mut session = ServerConnection::new(Arc::clone(tls), Version::V1, parameters).ok()?;
        session.read_hs(&self.client_hello()?).ok()?;
        let (mut hello, mut rest) = (Vec::new(), Vec::new());
        let Some(KeyChange::Handshake { keys }) = session.write_hs(&mut hello) else { return None };
        let Some(KeyChange::OneRtt { keys: data, .. }) = session.write_hs(&mut rest) else { return None };
        let mut sent = vec![self.initial(0, &[acknowledging(), crypto(0, &hello)].concat())];
        for (at, piece) in rest.chunks(1_000).enumerate() {
            let header = self.long_header(HANDSHAKE_PACKET, V1);
            let count = u32::try_from(at).ok()?;
            sent.push(sealed(&keys.local, header, count, &crypto(at * 1_000, piece)));
        }
        if holes {
            sent.extend((0..1_000).map(|count| {
                let frames: Vec<u8> =
                    (0..60).flat_map(|at| byte_of_stream(count * 120 + at * 2 + 1)).collect();
                let header = [&[SHORT], self.caller].concat();
                packet(&data.local, header, u32::try_from(count).unwrap_or(u32::MAX), &frames)
            }));
        }
        Some(sent)
    }

    /// Transport parameters (RFC 9000, 18.2): the ids that must be there, windows and streams enough for HTTP/3.
    fn parameters(&self, wanted: Parameters) -> Vec<u8> {
        let one =
            |number: u8, value: &[u8]| [&[number, u8::try_from(value.len()).unwrap_or(0)], value].concat();
        let (original, source) = (one(0x00, self.theirs), one(0x0f, &OURS));
        let room: Vec<u8> = [
            one(4, &varint(1 << 20)),
            one(5, &varint(1 << 20)),
            one(6, &varint(1 << 20)),
            one(7, &varint(1 << 20)),
            one(8, &varint(8)),
            one(9, &varint(8)),
        ]
        .concat();
        match wanted {
            Parameters::Sound => [original, source, room].concat(),
            Parameters::NoIds => room,
            Parameters::OtherIds => [one(0x00, b"somebody"), one(0x0f, b"anybody"), room].concat(),
            Parameters::Twice => [original, source.clone(), source, room].concat(),
            Parameters::And(more) => [original, source, room, more.to_vec()].concat(),
        }
    }
}

/// One byte of the server's first stream, far out (RFC 9000, 19.8).
fn byte_of_stream(offset: u64) -> Vec<u8> {
    [vec![0x0e, 3], varint(offset), vec![1, 7]].concat()
}

/// An ACK of the client's first packet (RFC 9000, 19.3).
fn acknowledging() -> Vec<u8> {
    vec![2, 0, 0, 0, 0]
}

fn crypto(offset: usize, message: &[u8]) -> Vec<u8> {
    [&[6][..], &varint(offset as u64), &varint(message.len() as u64), message].concat()
}

/// A packet with a long header, whose length is filled in.
fn sealed(keys: &DirectionalKeys, header: Vec<u8>, number: u32, frames: &[u8]) -> Vec<u8> {
    let length = varint((4 + frames.len() + keys.packet.tag_len()) as u64);
    packet(keys, [header, length].concat(), number, frames)
}

/// A protected packet (RFC 9001, 5).
fn packet(keys: &DirectionalKeys, header: Vec<u8>, number: u32, frames: &[u8]) -> Vec<u8> {
    let number_at = header.len();
    let header = [header, number.to_be_bytes().to_vec()].concat();
    let mut payload = frames.to_vec();
    let Ok(tag) = keys.packet.encrypt_in_place(number.into(), &header, &mut payload) else {
        return Vec::new();
    };
    let mut whole = [header, payload, tag.as_ref().to_vec()].concat();
    let sample = whole[number_at + 4..number_at + 4 + keys.header.sample_len()].to_vec();
    let (head, rest) = whole.split_at_mut(number_at);
    if keys.header.encrypt_in_place(&sample, &mut head[0], &mut rest[..4]).is_err() {
        return Vec::new();
    }
    whole
}

/// Bytes with their length in one byte before them, and where the next thing begins.
fn counted(packet: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = usize::from(*packet.get(at)?);
    Some((packet.get(at + 1..at + 1 + length)?, at + 1 + length))
}

/// A number of variable length (RFC 9000, 16), and where the next thing begins.
fn read_varint(packet: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = *packet.get(at)?;
    let length = 1 << (first >> 6);
    let rest = packet.get(at + 1..at + length)?;
    let value = rest.iter().fold(usize::from(first & 0x3f), |value, byte| value << 8 | usize::from(*byte));
    Some((value, at + length))
}
