//! The resolver of the test: it answers any name, and hostile ones as their first label says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use hickory_proto::op::{Message, MessageType, Metadata};
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, HTTPS, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use parallax_model::Host;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::destinations::disguises;
use super::servers::PUBLIC;
use super::witness::RESOLVER;

/// The site that redirects.
pub(super) const SITE: &str = "site.weapon.com";
/// The site that advertises other places.
pub(super) const HINTED: &str = "hinted.weapon.com";
/// How long the server waits for a question before it looks whether it should end.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a name does when it is asked for, as its label begins.
pub(super) const KINDS: [&str; 8] =
    ["plain", "private", "mixed", "rebind", "chain", "disguised", "own", "crowd"];

/// The name number `number` of a kind.
pub(super) fn of(kind: &str, number: usize) -> Host {
    format!("{kind}-{number}.weapon.com").parse().expect("a host")
}

/// A name that is refused before anybody is asked.
pub(super) fn private(rng: &mut StdRng) -> Host {
    const ENDS: [&str; 14] = [
        "localhost",
        "local",
        "internal",
        "onion",
        "home.arpa",
        "in-addr.arpa",
        "i2p",
        "test",
        "invalid",
        "example",
        "lan",
        "corp",
        "home",
        "localdomain",
    ];
    let n: u32 = rng.random();
    let name = match n % 4 {
        0 => format!("printer{n}"),
        1 => ENDS[n as usize % ENDS.len()].to_owned(),
        _ => format!("metadata{n}.{}", ENDS[n as usize % ENDS.len()]),
    };
    name.parse().expect("a host")
}

/// Answers questions until `done`.
pub(super) fn serve(done: &AtomicBool) -> anyhow::Result<()> {
    let socket = UdpSocket::bind((RESOLVER, 53)).context("the resolver's port")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut question = [0; 1_500];
    let mut asked = 0;
    while !done.load(Ordering::Relaxed) {
        let Ok((length, peer)) = socket.recv_from(&mut question) else { continue };
        asked += 1;
        if let Ok(request) = Message::from_vec(&question[..length]) {
            socket.send_to(&reply(&request, asked).to_vec()?, peer)?;
        }
    }
    Ok(())
}

/// Every answer may be kept for no time at all, and the next one may be another.
fn reply(request: &Message, asked: u32) -> Message {
    let mut reply = Message::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&request.metadata);
    reply.metadata.recursion_available = true;
    reply.add_queries(request.queries.iter().cloned());
    let Some(query) = request.queries.first() else { return reply };
    let mut name = query.name().clone();
    let first = String::from_utf8_lossy(name.iter().next().unwrap_or_default()).into_owned();
    let kind = first.split('-').next().unwrap_or_default();
    if kind == "chain" {
        for alias in ["one.weapon.com.", "two.weapon.net.", "printer.local."] {
            let alias = Name::from_ascii(alias).expect("a name");
            reply.add_answer(Record::from_rdata(name, 0, RData::CNAME(CNAME(alias.clone()))));
            name = alias;
        }
    }
    let data: Vec<RData> = match query.query_type() {
        RecordType::A => v4(kind, asked).into_iter().map(|ip| RData::A(A(ip))).collect(),
        RecordType::AAAA => v6(kind, asked).into_iter().map(|ip| RData::AAAA(AAAA(ip))).collect(),
        RecordType::NS => servers_of(asked).map(|server| RData::NS(NS(server))).into(),
        RecordType::HTTPS => vec![RData::HTTPS(HTTPS(hint(asked)))],
        _ => Vec::new(),
    };
    for rdata in data {
        reply.add_answer(Record::from_rdata(name.clone(), 0, rdata));
    }
    reply
}

/// A private address, another each time.
fn private_v4(asked: u32) -> Ipv4Addr {
    const PRIVATE: [Ipv4Addr; 8] = [
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(10, 0, 0, 1),
        Ipv4Addr::new(192, 168, 1, 1),
        Ipv4Addr::new(169, 254, 169, 254),
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(168, 63, 129, 16),
        Ipv4Addr::new(224, 0, 0, 251),
        Ipv4Addr::UNSPECIFIED,
    ];
    PRIVATE[asked as usize / 2 % PRIVATE.len()]
}

/// A public address where nobody listens.
fn empty_v4(asked: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(151, 101, 0, 0)) | (asked & 0xffff))
}

fn v4(kind: &str, asked: u32) -> Vec<Ipv4Addr> {
    let (public, private) = (empty_v4(asked), private_v4(asked));
    match kind {
        "site" | "hinted" => vec![PUBLIC.0],
        "plain" => vec![public],
        "private" | "chain" => vec![private],
        "mixed" => vec![public, private],
        "rebind" => vec![if asked.is_multiple_of(2) { public } else { private }],
        "own" => vec![Ipv4Addr::new(185, 12, 65, 9)],
        "crowd" => (0..40).map(|n| if n == 31 { private } else { empty_v4(asked + n) }).collect(),
        _ => Vec::new(),
    }
}

fn v6(kind: &str, asked: u32) -> Vec<Ipv6Addr> {
    let public = Ipv6Addr::from((0x2606_4700_u128 << 96) | u128::from(asked));
    let private: IpAddr =
        ["::1", "fd00:ec2::254", "fe80::1", "ff02::1"][asked as usize / 2 % 4].parse().expect("an address");
    let IpAddr::V6(private) = private else { return Vec::new() };
    match kind {
        "site" | "hinted" => vec![PUBLIC.1],
        "plain" => vec![public],
        "private" | "chain" => vec![private],
        "mixed" => vec![public, private],
        "rebind" => vec![if asked.is_multiple_of(2) { public } else { private }],
        "own" => vec!["2a01:4f8:1:2ff::9".parse().expect("an address")],
        "disguised" => {
            let forms = disguises(private_v4(asked), 7);
            vec![forms[asked as usize % forms.len()]]
        }
        _ => Vec::new(),
    }
}

/// The servers of a zone, whose writer would like questions to go to a printer.
fn servers_of(asked: u32) -> [Name; 2] {
    let kinds = ["private", "own", "mixed", "disguised", "plain"];
    [asked, asked / 5].map(|n| {
        let name = format!("{}-{n}.weapon.com.", kinds[n as usize % kinds.len()]);
        Name::from_ascii(name).expect("a name")
    })
}

/// An HTTPS record (RFC 9460) that sends its reader anywhere but to the name.
fn hint(asked: u32) -> SVCB {
    let elsewhere = ["elsewhere.weapon.net.", "printer.local.", "."][asked as usize % 3];
    let port = [22, 8_443, 443][asked as usize % 3];
    let hints = vec![
        (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h3".to_owned(), "h2".to_owned()]))),
        (SvcParamKey::Port, SvcParamValue::Port(port)),
        (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A(private_v4(asked))]))),
        (SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(IpHint(vec![AAAA(Ipv6Addr::LOCALHOST)]))),
    ];
    SVCB::new(1, Name::from_ascii(elsewhere).expect("a name"), hints)
}
