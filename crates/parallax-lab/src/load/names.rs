//! A name server that gives one address for every name, each answer after the same known time.
//!
//! One thread reads questions, another sends the answers: questions that come at once are answered at once, each after its
//! own delay. UDP only.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Metadata};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::time::Instant;

use super::wait;
use crate::LabError;

/// Answers that may wait for their time; a question that finds no room is lost, as on a real line.
const MAX_WAITING: usize = 1_024;
/// How often the reading thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);
/// Seconds an answer may be kept.
const TTL_S: u32 = 60;
/// Largest question that is read, in bytes.
const MAX_QUESTION_BYTES: usize = 1_500;

/// A running name server. Dropping it ends its threads.
#[derive(Debug)]
pub struct ExactNames {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// An answer that waits for its time.
struct Waiting {
    due: Instant,
    answer: Vec<u8>,
    asker: SocketAddr,
}

impl ExactNames {
    /// Answers questions for addresses with `gives`, `delay` after each question, on a free port of 127.0.0.1.
    pub fn start(gives: Ipv4Addr, delay: Duration) -> Result<Self, LabError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let failed =
            |source| LabError::Bind { what: "an exact resolver".to_owned(), address: wanted, source };
        let socket = UdpSocket::bind(wanted).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        socket.set_read_timeout(Some(LOOK)).map_err(failed)?;
        let out = socket.try_clone().map_err(failed)?;
        let ended = Arc::new(AtomicBool::new(false));
        let (queue, due) = sync_channel(MAX_WAITING);
        let end = Arc::clone(&ended);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(failed)
        };
        let threads = vec![
            spawn("exact-names", Box::new(move || read(&socket, gives, delay, &queue, &end)))?,
            spawn("exact-answers", Box::new(move || send(&out, &due)))?,
        ];
        Ok(Self { address, ended, threads })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ExactNames {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn read(
    socket: &UdpSocket,
    gives: Ipv4Addr,
    delay: Duration,
    queue: &SyncSender<Waiting>,
    ended: &AtomicBool,
) {
    let mut question = [0; MAX_QUESTION_BYTES];
    while !ended.load(Ordering::SeqCst) {
        match socket.recv_from(&mut question) {
            Ok((length, asker)) => {
                let due = Instant::now() + delay;
                let Some(answer) = answer(&question[..length], gives) else { continue };
                drop(queue.try_send(Waiting { due, answer, asker }));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => tracing::debug!(%error, "a question got lost"),
        }
    }
}

/// Every answer waits equally long, so the order of the questions is that of the answers.
fn send(socket: &UdpSocket, due: &Receiver<Waiting>) {
    while let Ok(Waiting { due, answer, asker }) = due.recv() {
        wait::until(due);
        if let Err(error) = socket.send_to(&answer, asker) {
            tracing::debug!(%error, "an answer got lost");
        }
    }
}

/// The answer to one message; `None` where there is nothing to answer.
fn answer(question: &[u8], gives: Ipv4Addr) -> Option<Vec<u8>> {
    let request = Message::from_vec(question).ok()?;
    let [query] = request.queries.as_slice() else { return None };
    if request.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut reply = Message::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&request.metadata);
    reply.metadata.recursion_available = true;
    reply.add_query(query.clone());
    let name = query.name().clone();
    if query.query_type() == RecordType::A {
        reply.add_answer(Record::from_rdata(name, TTL_S, RData::A(gives.into())));
    } else {
        // RFC 2308: nothing there, and the SOA says how long that may be kept.
        let soa = SOA::new(Name::root(), Name::root(), 1, 7_200, 900, 1_209_600, TTL_S);
        reply.add_authority(Record::from_rdata(name, TTL_S, RData::SOA(soa)));
    }
    reply.to_vec().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{OpCode, Query};

    fn ask(names: &ExactNames, kind: RecordType) -> (Message, Duration) {
        let mut question = Message::new(7, MessageType::Query, OpCode::Query);
        question.add_query(Query::query(Name::from_ascii("any.name.").expect("a name"), kind));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let asked = Instant::now();
        socket.send_to(&question.to_vec().expect("a message"), names.address()).expect("a question");
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).expect("an answer");
        (Message::from_vec(&answer[..length]).expect("a message"), asked.elapsed())
    }

    #[test]
    fn an_address_comes_after_the_delay_and_nothing_else_is_known() {
        let delay = Duration::from_millis(4);
        let names = ExactNames::start(Ipv4Addr::new(127, 0, 0, 9), delay).expect("a resolver");
        let (a, took) = ask(&names, RecordType::A);
        assert!(took >= delay, "{took:?}");
        let addresses: Vec<RData> = a.answers.iter().map(|record| record.data.clone()).collect();
        assert_eq!(addresses, [RData::A(Ipv4Addr::new(127, 0, 0, 9).into())]);
        let (aaaa, took) = ask(&names, RecordType::AAAA);
        assert!(took >= delay, "{took:?}");
        assert_eq!((aaaa.answers.len(), aaaa.authorities.len()), (0, 1));
    }
}
