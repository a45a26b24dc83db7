//! A resolver whose answers a test chooses: every name is at 127.0.0.1, and what texts there are can change at any time.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use hickory_proto::op::{Message, MessageType, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long so many questions may take to come.
const QUESTIONS_DEADLINE: Duration = Duration::from_secs(30);

/// What is answered to who asks for texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    /// By name, in lower case without a final dot.
    pub(crate) of: BTreeMap<String, String>,
    /// What a wildcard says of every other name; without it there is none.
    pub(crate) of_all: Option<String>,
    /// Whether every question for a text fails instead.
    pub(crate) broken: bool,
}

/// A running resolver. It ends when it is dropped.
pub(crate) struct Resolver {
    pub(crate) address: SocketAddr,
    texts: watch::Sender<Texts>,
    /// How often it was asked for a text.
    asked: watch::Receiver<u64>,
    _tasks: JoinSet<anyhow::Result<()>>,
}

impl Resolver {
    pub(crate) async fn start(texts: Texts) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let (texts, answers) = watch::channel(texts);
        let (count, asked) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut question = [0; 1_500];
            loop {
                let (length, peer) = socket.recv_from(&mut question).await?;
                let Ok(request) = Message::from_vec(&question[..length]) else { continue };
                let reply = reply(&request, &answers.borrow()).to_vec()?;
                socket.send_to(&reply, peer).await?;
                if request.queries.iter().any(|query| query.query_type() == RecordType::TXT) {
                    count.send_modify(|asked| *asked += 1);
                }
            }
        });
        Ok(Self { address, texts, asked, _tasks: tasks })
    }

    /// Changes what is answered from now on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Texts)) {
        self.texts.send_modify(change);
    }

    /// Waits until it was asked for a text so often again.
    pub(crate) async fn asked(&self, times: u64) -> anyhow::Result<()> {
        let mut asked = self.asked.clone();
        let before = *asked.borrow_and_update();
        let enough = asked.wait_for(|asked| *asked >= before + times);
        timeout(QUESTIONS_DEADLINE, enough).await.context("nobody asks")??;
        Ok(())
    }
}

/// No answer may be kept.
fn reply(request: &Message, texts: &Texts) -> Message {
    let mut reply = Message::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&request.metadata);
    reply.metadata.recursion_available = true;
    reply.add_queries(request.queries.iter().cloned());
    let Some(query) = request.queries.first() else { return reply };
    let name = query.name().to_ascii().to_ascii_lowercase();
    let data = match query.query_type() {
        RecordType::A => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
        RecordType::TXT if texts.broken => {
            reply.metadata.response_code = ResponseCode::ServFail;
            None
        }
        RecordType::TXT => {
            let text = texts.of.get(name.trim_end_matches('.')).or(texts.of_all.as_ref());
            if text.is_none() {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            text.map(|text| RData::TXT(TXT::new(vec![text.clone()])))
        }
        _ => None,
    };
    if let Some(data) = data {
        reply.add_answer(Record::from_rdata(query.name().clone(), 0, data));
    }
    reply
}
