//! A name server on loopback that answers as the first label of the question says: with recursion desired as a resolver, without
//! as the zone's own server, which knows better where names moved to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, HTTPS, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::{NamedResolver, PublicResolver, ResolverSetting, ZoneResolver};

/// The zone of every name here.
pub(crate) const ZONE: &str = "site-under-test.com";
/// The serial of the zone.
pub(crate) const SERIAL: u32 = 2_026_112_201;
/// Where `moved` was, and where it is.
pub(crate) const MOVED: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 9), Ipv4Addr::LOCALHOST];

/// What was asked: the first label, the type and whether with recursion.
type Asked = Arc<Mutex<Vec<(String, RecordType, bool)>>>;

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    asked: Asked,
    _serving: JoinSet<()>,
}

impl Server {
    pub(crate) async fn new() -> Self {
        let (udp, tcp) = both_transports().await;
        let addr = udp.local_addr().expect("an address");
        let asked = Asked::default();
        let mut serving = JoinSet::new();
        serving.spawn(over_udp(udp, Arc::clone(&asked)));
        serving.spawn(over_tcp(tcp, Arc::clone(&asked)));
        Self { addr, asked, _serving: serving }
    }

    /// As the agent's own resolver.
    pub(crate) fn setting(&self) -> ResolverSetting {
        ResolverSetting::Servers { name: "fake".into(), addrs: vec![self.addr] }
    }

    /// As the public resolver of Quad9.
    pub(crate) fn public(&self) -> NamedResolver {
        NamedResolver { which: PublicResolver::Quad9, addrs: vec![self.addr] }
    }

    /// As the resolver for the zone and the zone's own server.
    pub(crate) fn zone(&self) -> ZoneResolver {
        format!("{ZONE}={0},fake,{0}", self.addr).parse().expect("a rule")
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<(String, RecordType, bool)> {
        self.asked.lock().expect("questions").clone()
    }
}

/// One port for UDP and TCP.
async fn both_transports() -> (UdpSocket, TcpListener) {
    for _ in 0..16 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("an address")).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for UDP and TCP");
}

async fn over_udp(socket: UdpSocket, asked: Asked) {
    let mut buffer = [0; 1_500];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let Some(mut answer) = reply(&buffer[..length], &asked) else { continue };
        if answer.queries.iter().any(|query| label_of(query.name()) == "large") {
            answer.answers.clear();
            answer.metadata.truncation = true;
        }
        let _ = socket.send_to(&answer.to_vec().expect("a message"), peer).await;
    }
}

async fn over_tcp(listener: TcpListener, asked: Asked) {
    let mut talks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        talks.spawn(converse(stream, Arc::clone(&asked)));
    }
}

async fn converse(mut stream: TcpStream, asked: Asked) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let Some(answer) = reply(&question, &asked) else { continue };
        let answer = answer.to_vec().expect("a message");
        let length = u16::try_from(answer.len()).expect("a short message");
        let _ = stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).await;
    }
}

fn reply(question: &[u8], asked: &Asked) -> Option<Message> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?;
    let recursive = question.metadata.recursion_desired;
    let mut asked = asked.lock().expect("questions");
    let turn = asked.len();
    asked.push((label_of(query.name()), query.query_type(), recursive));
    drop(asked);
    if recursive { resolved(&question) } else { authoritative(&question, turn) }
}

fn name(label: &str) -> Name {
    Name::from_ascii(format!("{label}.{ZONE}.")).expect("a name")
}

fn label_of(name: &Name) -> String {
    name.to_ascii().to_ascii_lowercase().split('.').next().unwrap_or_default().to_owned()
}

fn v4(owner: &Name, ttl: u32, ip: Ipv4Addr) -> Record {
    Record::from_rdata(owner.clone(), ttl, RData::A(A(ip)))
}

fn alias(owner: &Name, ttl: u32, to: Name) -> Record {
    Record::from_rdata(owner.clone(), ttl, RData::CNAME(CNAME(to)))
}

fn h3(owner: &Name) -> Record {
    let alpn = (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h3".into(), "h2".into()])));
    let hint =
        (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A(Ipv4Addr::new(127, 0, 0, 66))])));
    let record = HTTPS(SVCB::new(1, Name::root(), vec![alpn, hint]));
    Record::from_rdata(owner.clone(), 60, RData::HTTPS(record))
}

fn begin(question: &Message) -> Option<(Message, Name, RecordType)> {
    let query = question.queries.first()?.clone();
    let (asked, kind) = (query.name().clone(), query.query_type());
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.add_query(query);
    Some((message, asked, kind))
}

/// What a resolver answers.
fn resolved(question: &Message) -> Option<Message> {
    let (mut message, asked, kind) = begin(question)?;
    message.metadata.recursion_available = true;
    let usual = Ipv4Addr::new(192, 0, 2, 7);
    let v6 = |owner: &Name| {
        Record::from_rdata(owner.clone(), 60, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)))
    };
    let label = label_of(&asked);
    if let Some(number) = label.strip_prefix("chain").and_then(|n| n.parse::<u8>().ok()) {
        let next = if number < 20 {
            alias(&asked, 20, name(&format!("chain{}", number + 1)))
        } else {
            v4(&asked, 20, usual)
        };
        message.add_answer(next);
        return Some(message);
    }
    match (label.as_str(), kind) {
        ("silent", _) | ("onlyv4", RecordType::AAAA) | ("h3silent", RecordType::HTTPS) => return None,
        ("servfail", _) => message.metadata.response_code = ResponseCode::ServFail,
        ("refused", _) => message.metadata.response_code = ResponseCode::Refused,
        ("both" | "onlyv4" | "large", RecordType::A) => drop(message.add_answer(v4(&asked, 300, usual))),
        ("h3" | "h3silent" | "steady" | "turns" | "lame" | "gone" | "swung", RecordType::A) => {
            message.add_answer(v4(&asked, 300, Ipv4Addr::LOCALHOST));
        }
        ("h3", RecordType::HTTPS) => drop(message.add_answer(h3(&asked))),
        ("moved", RecordType::A) => drop(message.add_answer(v4(&asked, 300, MOVED[0]))),
        ("pair", RecordType::A) => {
            message.add_answer(v4(&asked, 300, Ipv4Addr::LOCALHOST));
            message.add_answer(v4(&asked, 300, Ipv4Addr::new(127, 0, 0, 2)));
        }
        ("both", RecordType::AAAA) => drop(message.add_answer(v6(&asked))),
        ("alias", RecordType::A) => {
            message.add_answer(alias(&asked, 20, name("both")));
            message.add_answer(v4(&name("both"), 300, usual));
        }
        ("all-at-once", RecordType::A) => {
            for number in 0..12_u8 {
                let (owner, to) = (name(&format!("step{number}")), name(&format!("step{}", number + 1)));
                message.add_answer(alias(if number == 0 { &asked } else { &owner }, 20, to));
            }
            message.add_answer(v4(&name("step12"), 300, usual));
        }
        ("ring", _) => drop(message.add_answer(alias(&asked, 20, name("ring2")))),
        ("ring2", _) => drop(message.add_answer(alias(&asked, 20, name("ring")))),
        ("site-under-test", RecordType::NS) => {
            let server = RData::NS(NS(name("ns1")));
            message.add_answer(Record::from_rdata(asked, 300, server));
        }
        // A zone's server that pretends to stand in our own network.
        ("ns1", RecordType::A) => drop(message.add_answer(v4(&asked, 300, Ipv4Addr::new(10, 0, 0, 1)))),
        (
            "site-under-test" | "ns1" | "nodata" | "alias" | "both" | "onlyv4" | "large" | "pair" | "h3"
            | "h3silent" | "steady" | "turns" | "lame" | "moved" | "gone" | "swung",
            _,
        ) => {}
        _ => message.metadata.response_code = ResponseCode::NXDomain,
    }
    Some(message)
}

/// What the zone's own server answers; `turn` counts the questions before.
fn authoritative(question: &Message, turn: usize) -> Option<Message> {
    let (mut message, asked, kind) = begin(question)?;
    message.metadata.authoritative = true;
    match (label_of(&asked).as_str(), kind) {
        ("silent", _) => return None,
        ("lame", _) => {
            message.metadata.authoritative = false;
            message.add_answer(v4(&asked, 60, MOVED[1]));
        }
        ("refused", _) => message.metadata.response_code = ResponseCode::Refused,
        ("moved" | "steady" | "large", RecordType::A) => drop(message.add_answer(v4(&asked, 60, MOVED[1]))),
        ("lasting", RecordType::A) => drop(message.add_answer(v4(&asked, 3_600, MOVED[1]))),
        ("swung", RecordType::A) => drop(message.add_answer(v4(&asked, 3_600, MOVED[0]))),
        ("turns", RecordType::A) => {
            let last = if turn.is_multiple_of(2) { 20 } else { 21 };
            message.add_answer(v4(&asked, 60, Ipv4Addr::new(127, 0, 0, last)));
        }
        ("elsewhere", RecordType::A) => {
            let cdn = Name::from_ascii("site.cdn.example.net.").expect("a name");
            message.add_answer(alias(&asked, 120, cdn));
        }
        ("inside", RecordType::A) => {
            message.add_answer(alias(&asked, 120, name("steady")));
            message.add_answer(v4(&name("steady"), 60, MOVED[1]));
        }
        ("site-under-test", RecordType::SOA) => {
            let soa = SOA::new(name("ns1"), name("hostmaster"), SERIAL, 7_200, 900, 1_209_600, 30);
            message.add_answer(Record::from_rdata(asked, 300, RData::SOA(soa)));
        }
        ("gone", _) => message.metadata.response_code = ResponseCode::NXDomain,
        _ => {}
    }
    Some(message)
}
