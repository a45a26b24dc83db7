//! An agent's connection after its TLS handshake: it ends when its place must be left, whatever the peer does.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Fuse, FusedFuture as _, FutureExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo, TlsConnectInfo};

/// A connection and what ends it.
pub(crate) struct AgentConnection {
    tls: TlsStream<TcpStream>,
    end: Fuse<BoxFuture<'static, ()>>,
}

impl std::fmt::Debug for AgentConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentConnection").field("ended", &self.end.is_terminated()).finish_non_exhaustive()
    }
}

impl AgentConnection {
    /// A connection that ends with `end`.
    pub(crate) fn new(tls: TlsStream<TcpStream>, end: BoxFuture<'static, ()>) -> Self {
        Self { tls, end: end.fuse() }
    }

    /// An error once it has ended; until then, whoever polls is woken when it does.
    fn live(&mut self, cx: &mut Context<'_>) -> io::Result<&mut TlsStream<TcpStream>> {
        if self.end.is_terminated() || self.end.poll_unpin(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(&mut self.tls)
    }
}

impl Connected for AgentConnection {
    type ConnectInfo = TlsConnectInfo<TcpConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.tls.connect_info()
    }
}

impl AsyncRead for AgentConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.live(cx) {
            Ok(tls) => Pin::new(tls).poll_read(cx, buf),
            Err(ended) => Poll::Ready(Err(ended)),
        }
    }
}

impl AsyncWrite for AgentConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.live(cx) {
            Ok(tls) => Pin::new(tls).poll_write(cx, buf),
            Err(ended) => Poll::Ready(Err(ended)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.live(cx) {
            Ok(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
            Err(ended) => Poll::Ready(Err(ended)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.live(cx) {
            Ok(tls) => Pin::new(tls).poll_flush(cx),
            Err(ended) => Poll::Ready(Err(ended)),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
