//! A name server on loopback that answers as the first label of the question says.

use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::ResolverSetting;

/// The zone of every name here.
pub(crate) const ZONE: &str = "site-under-test.com";

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    _serving: JoinSet<()>,
}

impl Server {
    pub(crate) async fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let addr = socket.local_addr().expect("an address");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut buffer = [0; 1_500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
                let Some(answer) = answer(&question) else { continue };
                let _ = socket.send_to(&answer.to_vec().expect("a message"), peer).await;
            }
        });
        Self { addr, _serving: serving }
    }

    pub(crate) fn setting(&self) -> ResolverSetting {
        ResolverSetting::Servers { name: "fake".into(), addrs: vec![self.addr] }
    }
}

fn name(label: &str) -> Name {
    Name::from_ascii(format!("{label}.{ZONE}.")).expect("a name")
}

fn answer(question: &Message) -> Option<Message> {
    let query = question.queries.first()?.clone();
    let asked = query.name().clone();
    let kind = query.query_type();
    let text = asked.to_ascii().to_ascii_lowercase();
    let label = text.split('.').next().unwrap_or_default().to_owned();
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.metadata.recursion_available = true;
    message.add_query(query);
    let v4 = |owner: &Name, ttl| Record::from_rdata(owner.clone(), ttl, RData::A(A::new(192, 0, 2, 7)));
    let v6 = |owner: &Name| {
        Record::from_rdata(owner.clone(), 60, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)))
    };
    let alias = |owner: &Name, to: &str| Record::from_rdata(owner.clone(), 20, RData::CNAME(CNAME(name(to))));
    match (label.as_str(), kind) {
        ("silent", _) | ("onlyv4", RecordType::AAAA) => return None,
        ("servfail", _) => message.metadata.response_code = ResponseCode::ServFail,
        ("refused", _) => message.metadata.response_code = ResponseCode::Refused,
        ("both" | "onlyv4", RecordType::A) => drop(message.add_answer(v4(&asked, 300))),
        ("both", RecordType::AAAA) => drop(message.add_answer(v6(&asked))),
        ("alias", RecordType::A) => {
            message.add_answer(alias(&asked, "both"));
            message.add_answer(v4(&name("both"), 300));
        }
        ("ring", _) => drop(message.add_answer(alias(&asked, "ring2"))),
        ("ring2", _) => drop(message.add_answer(alias(&asked, "ring"))),
        ("alias" | "both" | "onlyv4" | "nodata", _) => {}
        _ => message.metadata.response_code = ResponseCode::NXDomain,
    }
    Some(message)
}
