//! The sockets that questions leave by. A UDP socket is connected to the one server it asks: so the system tells when nobody
//! listens there (an unreachable port is known after a round trip and not after a timeout), and nobody else can answer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hickory_net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_net::runtime::{DnsUdpSocket, RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime};
use tokio::io::{Interest, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};

/// A TCP stream as the resolver library wants it.
pub(super) type DnsTcp = AsyncIoTokioAsStd<TcpStream>;

/// An answer in the coming.
type Received<'f> = Pin<Box<dyn Future<Output = io::Result<(usize, SocketAddr)>> + Send + 'f>>;

/// Tokio's sockets, UDP ones connected.
#[derive(Clone, Default)]
pub(super) struct Connecting(TokioRuntimeProvider);

/// A UDP socket that speaks with one server only.
pub(super) struct Connected {
    socket: UdpSocket,
    server: SocketAddr,
}

impl RuntimeProvider for Connecting {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = Connected;
    type Tcp = DnsTcp;

    fn create_handle(&self) -> TokioHandle {
        self.0.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        source: Option<SocketAddr>,
        limit: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<DnsTcp>>>> {
        self.0.connect_tcp(server, source, limit)
    }

    fn bind_udp(
        &self,
        local: SocketAddr,
        server: SocketAddr,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Connected>>>> {
        Box::pin(async move {
            let socket = UdpSocket::bind(local).await?;
            socket.connect(server).await?;
            Ok(Connected { socket, server })
        })
    }
}

impl DnsUdpSocket for Connected {
    type Time = TokioTime;

    /// Waits for an answer or for the news that nobody listens. Tokio wakes a reader for data only, so that an error that comes by
    /// itself is asked for by name.
    fn recv_from<'s, 'b, 'f>(&'s self, buffer: &'b mut [u8]) -> Received<'f>
    where
        's: 'f,
        'b: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let received = self.socket.async_io(Interest::READABLE | Interest::ERROR, || {
                match self.socket.take_error()? {
                    Some(error) => Err(error),
                    None => self.socket.try_recv(buffer),
                }
            });
            Ok((received.await?, self.server))
        })
    }

    fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(self.socket.poll_recv(context, &mut buffer))?;
        Poll::Ready(Ok((buffer.filled().len(), self.server)))
    }

    fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        buffer: &[u8],
        _: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(context, buffer)
    }
}
