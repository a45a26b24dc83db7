//! One question to one server, with recursion off: what a zone's own servers say.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use hickory_net::NetError;
use hickory_net::tcp::TcpClientStream;
use hickory_net::udp::UdpClientStream;
use hickory_net::xfer::{DnsHandle, DnsRequestSender};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query};
use hickory_proto::rr::{Name, RecordType};

use super::runtime::{Connecting, DnsTcp};

/// How often a question over UDP is sent again when no answer comes.
const UDP_REPEATS: u8 = 1;
/// How long the answer is waited for before the question is sent again.
const UDP_REPEAT_AFTER_MS: u64 = 800;

/// A server to ask, and where the question leaves from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) source: Option<SocketAddr>,
}

impl Server {
    /// Asks over UDP, and over TCP when the answer does not fit (RFC 7766). Ends within `limit`.
    pub(crate) async fn ask(
        self,
        name: &Name,
        kind: RecordType,
        limit: Duration,
    ) -> Result<DnsResponse, NetError> {
        let both = async {
            let answer = self.over_udp(request(name, kind), limit).await?;
            if answer.metadata.truncation {
                self.over_tcp(request(name, kind), limit).await
            } else {
                Ok(answer)
            }
        };
        tokio::time::timeout(limit, both).await.unwrap_or(Err(NetError::Timeout))
    }

    async fn over_udp(self, request: DnsRequest, limit: Duration) -> Result<DnsResponse, NetError> {
        let mut stream = UdpClientStream::builder(self.addr, Connecting::default())
            .with_timeout(Some(limit))
            .with_bind_addr(self.source)
            .with_max_retries(UDP_REPEATS)
            .with_retry_interval_floor(UDP_REPEAT_AFTER_MS)
            .build();
        first(stream.send_message(request).next().await)
    }

    async fn over_tcp(self, request: DnsRequest, limit: Duration) -> Result<DnsResponse, NetError> {
        // It owns the task that works on the connection, so it is held until the answer is there.
        let runtime = Connecting::default();
        let connecting =
            TcpClientStream::<DnsTcp>::exchange(self.addr, self.source, limit, Some(1), runtime.clone());
        let exchange = connecting.await?;
        first(exchange.send(request).next().await)
    }
}

fn request(name: &Name, kind: RecordType) -> DnsRequest {
    let mut options = DnsRequestOptions::default();
    options.recursion_desired = false;
    DnsRequest::from_query(Query::query(name.clone(), kind), options)
}

fn first(answer: Option<Result<DnsResponse, NetError>>) -> Result<DnsResponse, NetError> {
    answer.unwrap_or(Err(NetError::Timeout))
}
