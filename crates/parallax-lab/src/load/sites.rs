//! Sites under load: the least work per request that is still HTTP.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::LabError;
use crate::serve::{OnTasks, listen, reserve};
use crate::tasks::{EndOnDrop, Tasks};
use crate::tls::{Authority, Validity};

/// How many sites of each kind there are, each at an address of its own. A client that closes first keeps each port it left
/// from busy for a minute, per address it went to; on many addresses that never slows it down.
pub const SITES: u8 = 16;
/// Bytes of the page.
pub const PAGE_BYTES: usize = 1_024;

/// Longest life of one connection.
const CONNECTION_LIFE: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 8_192;
/// Requests on one connection.
const MAX_REQUESTS: usize = 100;
/// Failed accepts in a row after which a listener gives up.
const MAX_FAILURES: usize = 64;

/// Head and page as they go over the wire.
static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: {PAGE_BYTES}\r\n\r\n"
    );
    [head.as_bytes(), &[b'p'; PAGE_BYTES]].concat()
});
static PAGE: [u8; PAGE_BYTES] = [b'p'; PAGE_BYTES];

/// Running sites. They end when this is dropped.
#[derive(Debug)]
pub struct LoadSites {
    /// Where HTTP/1.1 is served, one address a site.
    pub http: Vec<SocketAddr>,
    /// Where the same is served over TLS, HTTP/2 when asked for by ALPN.
    pub https: Vec<SocketAddr>,
    _tasks: EndOnDrop,
}

impl LoadSites {
    /// Starts [`SITES`] of each kind on 127.0.1.0/24, those with TLS in the name of `name`.
    pub fn start(authority: &Authority, name: &str) -> Result<Self, LabError> {
        let certificate = |source| LabError::Certificate { name: name.to_owned(), source };
        let config = authority.server(name, Validity::NOW).map_err(certificate)?;
        let tls = TlsAcceptor::from(config);
        let tasks = Tasks::new();
        let (mut http, mut https) = (Vec::new(), Vec::new());
        for number in 1..=SITES {
            let wanted = SocketAddr::from((Ipv4Addr::new(127, 0, 1, number), 0));
            let (plain, at) = open(wanted)?;
            http.push(at);
            tasks.spawn(accept(plain, None, tasks.clone()));
            let (secure, at) = open(wanted)?;
            https.push(at);
            tasks.spawn(accept(secure, Some(tls.clone()), tasks.clone()));
        }
        Ok(Self { http, https, _tasks: EndOnDrop(tasks) })
    }
}

fn open(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), LabError> {
    let (socket, address) = reserve(wanted, "a site under load")?;
    Ok((listen(socket, address, "a site under load")?, address))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, tasks: Tasks) {
    let mut failures = 0;
    while failures < MAX_FAILURES {
        let Ok((stream, _)) = listener.accept().await else {
            failures += 1;
            continue;
        };
        failures = 0;
        let Some(room) = tasks.connection().await else { return };
        let tls = tls.clone();
        let owner = tasks.clone();
        tasks.spawn(async move {
            // How a client ends the connection is its own affair.
            drop(tokio::time::timeout(CONNECTION_LIFE, visit(stream, tls, owner)).await);
            drop(room);
        });
    }
    tracing::warn!("a site under load cannot accept any more");
}

async fn visit(stream: TcpStream, tls: Option<TlsAcceptor>, tasks: Tasks) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return speak(stream).await };
    let stream = tls.accept(stream).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return speak(stream).await;
    }
    let page = |_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&PAGE))))
    };
    let server = hyper::server::conn::http2::Builder::new(OnTasks(tasks));
    server.serve_connection(TokioIo::new(stream), service_fn(page)).await.map_err(io::Error::other)
}

async fn speak(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut head = [0; MAX_HEAD_BYTES];
    for _ in 0..MAX_REQUESTS {
        let mut length = 0;
        while !head[..length].ends_with(b"\r\n\r\n") {
            match stream.read(&mut head[length..]).await? {
                0 => return Ok(()),
                more => length += more,
            }
        }
        stream.write_all(&ANSWER).await?;
        stream.flush().await?;
    }
    Ok(())
}
