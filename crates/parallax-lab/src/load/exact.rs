//! A site whose every step takes a known time. It serves one connection after the other on a thread of its own, so that no
//! scheduler but the system's stands between its clock and the wire.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::time::Instant;

use super::wait;
use crate::LabError;
use crate::tls::{Authority, Validity};

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 8_192;
/// Exchanges that are kept until somebody takes them; later ones are not kept.
const MAX_HELD: usize = 10_000;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\n";
const BODY: &[u8] = b"exact\n";

/// How long each step is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delays {
    /// From the client's first byte of TLS until the handshake is begun.
    pub tls: Duration,
    /// From the end of the request's head until the answer's first byte.
    pub first_byte: Duration,
    /// From the answer's head until its body.
    pub body: Duration,
}

/// How long each step of one exchange took by the site's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// The delay and the handshake itself, until the client's last message of it was read; zero without TLS.
    pub tls: Duration,
    /// As in [`Delays`].
    pub first_byte: Duration,
    /// As in [`Delays`].
    pub body: Duration,
}

/// A running site. Dropping it ends its thread.
#[derive(Debug)]
pub struct ExactSite {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    held: Mutex<Vec<Held>>,
}

impl ExactSite {
    /// Serves HTTP/1.1 on a free port of 127.0.0.1.
    pub fn plain(delays: Delays) -> Result<Self, LabError> {
        Self::start(delays, None)
    }

    /// Serves HTTP/1.1 over TLS in the name of `name`.
    pub fn secure(delays: Delays, authority: &Authority, name: &str) -> Result<Self, LabError> {
        let certificate = |source| LabError::Certificate { name: name.to_owned(), source };
        let mut config = authority.server(name, Validity::NOW).map_err(certificate)?;
        Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
        Self::start(delays, Some(config))
    }

    fn start(delays: Delays, tls: Option<Arc<ServerConfig>>) -> Result<Self, LabError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let failed = |source| LabError::Bind { what: "an exact site".to_owned(), address: wanted, source };
        let listener = TcpListener::bind(wanted).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let serve = move || serve(&listener, delays, tls.as_ref(), &for_thread);
        let thread =
            std::thread::Builder::new().name("exact-site".to_owned()).spawn(serve).map_err(failed)?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The exchanges since the last call, in their order.
    pub fn take_held(&self) -> Vec<Held> {
        std::mem::take(&mut self.shared.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for ExactSite {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // A connection wakes the thread out of its accept. When none can be made, the thread ends with the process.
        let woken = TcpStream::connect_timeout(&self.address, PATIENCE).is_ok();
        if let Some(thread) = self.thread.take()
            && woken
        {
            drop(thread.join());
        }
    }
}

fn serve(listener: &TcpListener, delays: Delays, tls: Option<&Arc<ServerConfig>>, shared: &Shared) {
    loop {
        let accepted = listener.accept();
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok((stream, _)) = accepted else { return };
        match converse(stream, delays, tls) {
            Ok(exchange) => {
                let mut held = shared.held.lock().unwrap_or_else(PoisonError::into_inner);
                if held.len() < MAX_HELD {
                    held.push(exchange);
                }
            }
            Err(error) => tracing::debug!(%error, "a timed exchange broke off"),
        }
    }
}

fn converse(stream: TcpStream, delays: Delays, tls: Option<&Arc<ServerConfig>>) -> io::Result<Held> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let Some(config) = tls else { return exchange(stream, delays, Duration::ZERO) };
    if stream.peek(&mut [0])? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let asked = Instant::now();
    wait::until(asked + delays.tls);
    let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let took = asked.elapsed();
    exchange(stream, delays, took)
}

fn exchange(mut stream: impl Read + Write, delays: Delays, tls: Duration) -> io::Result<Held> {
    let mut head = Vec::new();
    let mut piece = [0; 1_024];
    while !head.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut piece)?;
        if length == 0 || head.len() + length > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(&piece[..length]);
    }
    let asked = Instant::now();
    let answered = wait::until(asked + delays.first_byte);
    let mut took = Held { tls, first_byte: answered - asked, body: Duration::ZERO };
    if delays.body.is_zero() {
        stream.write_all(&[HEAD, BODY].concat())?;
    } else {
        stream.write_all(HEAD)?;
        stream.flush()?;
        took.body = wait::until(answered + delays.body) - answered;
        stream.write_all(BODY)?;
    }
    stream.flush()?;
    // Only the client's close ends the connection. How it closes is its own affair.
    while matches!(stream.read(&mut piece), Ok(1..)) {}
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAYS: Delays =
        Delays { tls: Duration::ZERO, first_byte: Duration::from_millis(5), body: Duration::from_millis(3) };

    #[test]
    fn every_step_is_held_back_as_long_as_asked() {
        let site = ExactSite::plain(DELAYS).expect("a site");
        let mut stream = TcpStream::connect(site.address()).expect("a connection");
        let asked = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: exact\r\n\r\n").expect("a request");
        let mut answer = vec![0; HEAD.len() + BODY.len()];
        stream.read_exact(&mut answer).expect("an answer");
        let took = asked.elapsed();
        assert_eq!(answer, [HEAD, BODY].concat());
        assert!(took >= DELAYS.first_byte + DELAYS.body, "{took:?}");
        drop(stream);
        drop(TcpStream::connect(site.address()).expect("another connection, taken after the first is done"));
        let held = loop {
            let held = site.take_held();
            if !held.is_empty() {
                break held;
            }
            std::thread::yield_now();
        };
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].tls, Duration::ZERO);
        assert!(held[0].first_byte >= DELAYS.first_byte && held[0].body >= DELAYS.body, "{held:?}");
    }
}
