//! A UDP socket that knows one address only: the kernel sends nothing elsewhere and hands over nothing from elsewhere. Whatever a
//! server says about other addresses, no packet can leave to them.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Errors in a row after which a socket is given up.
const MAX_ERRORS: usize = 16;

/// The socket. It sends and receives one datagram at a time: a probe is a dozen of them, and buffers for batches would take
/// megabytes.
#[derive(Debug)]
pub(super) struct Tied {
    io: UdpSocket,
    peer: SocketAddr,
    refused: AtomicBool,
    received: AtomicU64,
}

impl Tied {
    /// Opens a socket from our source address (any when `None`) to a peer. No packet is sent.
    pub(super) fn open(source: Option<IpAddr>, peer: SocketAddr) -> io::Result<Self> {
        let any: IpAddr = match peer {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = std::net::UdpSocket::bind((source.unwrap_or(any), 0))?;
        socket.connect(peer)?;
        socket.set_nonblocking(true)?;
        let io = UdpSocket::from_std(socket)?;
        Ok(Self { io, peer, refused: AtomicBool::new(false), received: AtomicU64::new(0) })
    }

    /// Whether a host on the way answered that nobody takes our packets (ICMP port unreachable).
    pub(super) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Bytes received so far, whatever they are.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Errors that a later packet may not meet: a lost datagram is QUIC's everyday business.
    fn take_note(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            self.refused.store(true, Ordering::Relaxed);
        }
    }
}

impl AsyncUdpSocket for Tied {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if transmit.destination != self.peer {
            return Ok(());
        }
        match self.io.try_send(transmit.contents) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                self.take_note(&error);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(into), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        for _ in 0..MAX_ERRORS {
            let mut buffer = ReadBuf::new(into);
            match ready!(self.io.poll_recv(cx, &mut buffer)) {
                Ok(()) => {
                    let len = buffer.filled().len();
                    self.received.fetch_add(len as u64, Ordering::Relaxed);
                    *meta = RecvMeta { addr: self.peer, len, stride: len, ecn: None, dst_ip: None };
                    return Poll::Ready(Ok(1));
                }
                // The error is taken off the socket by being read; there may be datagrams behind it.
                Err(error) => self.take_note(&error),
            }
        }
        Poll::Ready(Err(io::ErrorKind::NetworkDown.into()))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }
}

/// Waits until the socket takes another datagram. There is one connection to a socket, so one waiter is enough.
#[derive(Debug)]
struct Writable(Arc<Tied>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io.poll_send_ready(cx)
    }
}
