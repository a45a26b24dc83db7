//! The demonstration's DNS server: the zone `demo`, seen through the asker's resolver.
//!
//! A question with the RD bit is answered as the asker's resolver would: the CDN's name by place, the moved bank's name
//! with the old address where the provider's resolver still keeps it. A question without RD is answered by the zone
//! itself, with the AA bit and today's addresses, of the CDN's the one for the asker's place.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{NS, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::Instant;

use super::sites::{PLANS, Plan};
use crate::tasks::Tasks;

/// The zone.
pub(super) const ZONE: &str = "demo";
/// Where the zone's server stands.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 80, 0, 53);
/// Seconds an answer may be kept.
pub(super) const TTL_S: u32 = 60;
/// Seconds the old address of a moved site was allowed to be kept; what is left counts down and then starts over, so that
/// a long demonstration keeps showing it.
pub(super) const STALE_TTL_S: u32 = 3_600;
/// The zone's serial number, and the one before the bank moved.
pub(super) const SERIAL: u32 = 2_026_080_102;
const SERIAL_BEFORE: u32 = 2_026_080_101;
/// Seconds a "no such name" may be kept (the SOA's minimum, RFC 2308).
const NEGATIVE_TTL_S: u32 = 30;

/// Largest answer over UDP (the size agreed on DNS flag day 2020); ours are far smaller.
const UDP_PAYLOAD: u16 = 1_232;
/// How long a TCP client may be silent.
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Questions on one TCP connection.
const TCP_QUESTIONS: usize = 128;
/// Failures in a row after which a listener gives up.
const MAX_FAILURES: usize = 64;

/// The zone as it is served.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    origin: Name,
    started: Instant,
}

impl Zone {
    pub(super) fn new(started: Instant) -> Self {
        let mut origin = Name::from_ascii(ZONE).expect("the zone is a name");
        origin.set_fqdn(true);
        Self { origin, started }
    }

    /// Answers one message; `None` where RFC 1035 says nothing can be answered.
    fn answer(&self, question: &[u8], asker: IpAddr) -> Option<Vec<u8>> {
        let request = Message::from_vec(question).ok()?;
        if request.metadata.message_type != MessageType::Query {
            return None;
        }
        self.reply(&request, asker, self.started.elapsed()).to_vec().ok()
    }

    /// What is answered `elapsed` after the start.
    pub(super) fn reply(&self, request: &Message, asker: IpAddr, elapsed: Duration) -> Message {
        let mut reply = Message::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
        reply.metadata = Metadata::response_from_request(&request.metadata);
        reply.add_queries(request.queries.iter().cloned());
        if request.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_PAYLOAD);
            reply.set_edns(edns);
        }
        let [query] = request.queries.as_slice() else {
            reply.metadata.response_code = ResponseCode::FormErr;
            return reply;
        };
        if request.metadata.op_code != OpCode::Query {
            reply.metadata.response_code = ResponseCode::NotImp;
            return reply;
        }
        if query.query_class() != DNSClass::IN || !self.origin.zone_of(query.name()) {
            reply.metadata.response_code = ResponseCode::Refused;
            return reply;
        }
        let recursive = request.metadata.recursion_desired;
        reply.metadata.authoritative = !recursive;
        reply.metadata.recursion_available = true;
        self.fill(&mut reply, query, Asker { ip: asker, recursive }, elapsed);
        reply
    }

    fn fill(&self, reply: &mut Message, query: &Query, asker: Asker, elapsed: Duration) {
        let name = query.name().clone();
        let stale = asker.recursive && PLANS.iter().any(|plan| plan.stale_address(asker.ip).is_some());
        let label = if name == self.origin { Some(String::new()) } else { self.label(&name) };
        let server = label.as_deref() == Some("ns");
        let plan = PLANS.iter().find(|plan| Some(plan.name) == label.as_deref());
        if plan.is_none() && !server && name != self.origin {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        let answer = match (query.query_type(), plan) {
            (RecordType::A, Some(plan)) => {
                let (address, ttl) = address(plan, asker, elapsed);
                Some(Record::from_rdata(name, ttl, RData::A(address.into())))
            }
            (RecordType::A, None) if server => {
                Some(Record::from_rdata(name, TTL_S, RData::A(ADDRESS.into())))
            }
            (RecordType::SOA, _) if name == self.origin => Some(self.soa(stale)),
            (RecordType::NS, _) if name == self.origin => {
                Some(Record::from_rdata(name, TTL_S, RData::NS(NS(self.below("ns")))))
            }
            _ => None,
        };
        match answer {
            Some(record) => reply.add_answer(record),
            // RFC 2308: an empty answer carries the SOA, which says how long "nothing" may be kept.
            None => reply.add_authority(self.soa(stale)),
        };
    }

    /// The one label in front of the zone, lower case; `None` when there are more.
    fn label(&self, name: &Name) -> Option<String> {
        let ours = name.num_labels() == self.origin.num_labels() + 1;
        let first = name.iter().next().filter(|_| ours)?;
        Some(String::from_utf8_lossy(first).to_ascii_lowercase())
    }

    fn below(&self, label: &str) -> Name {
        self.origin.prepend_label(label).expect("labels of the zone are labels")
    }

    fn soa(&self, stale: bool) -> Record {
        let serial = if stale { SERIAL_BEFORE } else { SERIAL };
        let soa = SOA::new(
            self.below("ns"),
            self.below("hostmaster"),
            serial,
            7_200,
            900,
            1_209_600,
            NEGATIVE_TTL_S,
        );
        Record::from_rdata(self.origin.clone(), NEGATIVE_TTL_S, RData::SOA(soa))
    }
}

/// Who asks: a resolver in the name of an address, or that address itself.
#[derive(Debug, Clone, Copy)]
struct Asker {
    ip: IpAddr,
    recursive: bool,
}

/// The address an asker's resolver knows, and how long it may keep it; the zone itself knows no old ones.
fn address(plan: &Plan, asker: Asker, elapsed: Duration) -> (Ipv4Addr, u32) {
    match plan.stale_address(asker.ip).filter(|_| asker.recursive) {
        Some(old) => (old, stale_ttl_left(elapsed)),
        None => (plan.address(asker.ip), TTL_S),
    }
}

/// Seconds left of the old answer, `elapsed` after the start: from [`STALE_TTL_S`] down, and over again before it could be an
/// answer of today's zone by its age.
pub(super) fn stale_ttl_left(elapsed: Duration) -> u32 {
    let cycle = u64::from(STALE_TTL_S - TTL_S);
    let gone = u32::try_from(elapsed.as_secs() % cycle).expect("a remainder of a u32 is one");
    STALE_TTL_S - gone
}

/// Serves the zone over UDP and TCP until the lab ends.
pub(super) fn serve(zone: &Zone, udp: UdpSocket, tcp: TcpListener, tasks: &Tasks) {
    tasks.spawn(serve_udp(zone.clone(), udp));
    tasks.spawn(serve_tcp(zone.clone(), tcp, tasks.clone()));
}

async fn serve_udp(zone: Zone, socket: UdpSocket) {
    let mut question = [0; 1_500];
    let mut failures = 0;
    while failures < MAX_FAILURES {
        let asked = socket.recv_from(&mut question).await;
        let sent = match asked {
            Ok((length, peer)) => match zone.answer(&question[..length], peer.ip()) {
                Some(answer) => socket.send_to(&answer, peer).await.map(drop),
                None => Ok(()),
            },
            Err(error) => Err(error),
        };
        failures = if let Err(error) = sent {
            tracing::debug!(%error, "a datagram got lost");
            failures + 1
        } else {
            0
        };
    }
    tracing::warn!("the demonstration's resolver stopped answering over UDP");
}

async fn serve_tcp(zone: Zone, listener: TcpListener, tasks: Tasks) {
    let mut failures = 0;
    while failures < MAX_FAILURES {
        match listener.accept().await {
            Ok((stream, peer)) => {
                failures = 0;
                let Some(room) = tasks.connection().await else { return };
                let zone = zone.clone();
                tasks.spawn(async move {
                    if let Err(error) = converse(&zone, stream, peer).await {
                        tracing::trace!(%error, "a DNS connection ended");
                    }
                    drop(room);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a DNS connection could not be accepted");
                failures += 1;
            }
        }
    }
    tracing::warn!("the demonstration's resolver stopped answering over TCP");
}

/// Answers the questions of one connection, each behind its length (RFC 1035, 4.2.2).
async fn converse(zone: &Zone, mut stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    for _ in 0..TCP_QUESTIONS {
        let exchange = async {
            let length = stream.read_u16().await?;
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await?;
            let Some(answer) = zone.answer(&question, peer.ip()) else { return Ok(false) };
            let length = u16::try_from(answer.len()).map_err(std::io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).await?;
            Ok::<bool, std::io::Error>(true)
        };
        if !tokio::time::timeout(TCP_IDLE, exchange).await?? {
            break;
        }
    }
    Ok(())
}
