//! Plays a script of bytes on a connection, plain or inside TLS.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Most bytes of one request that are kept while its end is looked for.
const MAX_HEARD: usize = 64 * 1_024;
/// The time between two pieces of a trickle.
const TRICKLE: Duration = Duration::from_secs(1);
/// What an HTTP/2 client says first (RFC 9113, 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The frame type of HEADERS (RFC 9113, 6.2).
const H2_HEADERS: u8 = 1;

/// One thing a hostile server does to a connection.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads until the client has said anything.
    Hear,
    /// Reads to the end of an HTTP/1.1 request's head.
    HearHead,
    /// Reads to the end of an HTTP/2 request's HEADERS frame.
    HearStream,
    /// Sends a text in which [`Place`] fills in the names in braces.
    Say(&'static str),
    /// Sends bytes.
    Send(Bytes),
    /// Sends the same bytes over and over, as fast as the client takes them.
    Flood(Bytes),
    /// Sends pieces over and over, one a second.
    Trickle(Vec<Bytes>),
    /// Waits, neither reading nor writing.
    Wait(Duration),
    /// Reads and says nothing until the client leaves.
    Hold,
    /// Sends bytes past TLS, straight on the TCP connection.
    Naked(Bytes),
    /// Ends the TCP connection without TLS's goodbye.
    Cut,
    /// Resets the TCP connection.
    Reset,
}

impl Step {
    /// One byte a second of a text, over and over.
    pub(crate) fn bytewise(text: &'static str) -> Self {
        Self::Trickle(text.as_bytes().chunks(1).map(Bytes::from_static).collect())
    }

    /// A second's pause before each repetition of a text.
    pub(crate) fn every_second(text: &'static str) -> Self {
        Self::Trickle(vec![Bytes::from_static(text.as_bytes())])
    }
}

/// What the names in braces of a [`Step::Say`] stand for.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `{self}`: the server's own authority.
    pub(crate) own: String,
    /// `{witness}`: `address:port` where nobody may go.
    pub(crate) witness: String,
    /// `{port}`: the witness's port.
    pub(crate) port: String,
}

impl Place {
    /// Fills in a text. `{path}` is what the client asked for last, and `{long}` 7,000 letters.
    fn fill(&self, text: &str, path: &str) -> String {
        text.replace("{self}", &self.own)
            .replace("{witness}", &self.witness)
            .replace("{port}", &self.port)
            .replace("{path}", path)
            .replace("{long}", &"a".repeat(7_000))
    }
}

/// A connection a script can be played on.
pub(crate) trait Line: AsyncRead + AsyncWrite + Unpin + Send {
    /// The TCP connection underneath.
    fn tcp(&self) -> &TcpStream;
}

impl Line for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Line for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Plays the steps; at the end of the script the connection is closed as it should be. Ends early when the client leaves.
pub(crate) async fn play(mut line: impl Line, steps: &[Step], place: &Place) {
    let mut heard = Heard::default();
    for step in steps {
        let done = match step {
            Step::Hear => heard.until(&mut line, |bytes| !bytes.is_empty()).await,
            Step::HearHead => heard.until(&mut line, ends_head).await,
            Step::HearStream => heard.until(&mut line, holds_stream).await,
            Step::Say(text) => line.write_all(place.fill(text, &heard.path()).as_bytes()).await.is_ok(),
            Step::Send(bytes) => line.write_all(bytes).await.is_ok(),
            Step::Flood(bytes) => flood(&mut line, bytes).await,
            Step::Trickle(pieces) => trickle(&mut line, pieces).await,
            Step::Wait(time) => {
                tokio::time::sleep(*time).await;
                true
            }
            Step::Hold => {
                drain(&mut line).await;
                true
            }
            Step::Naked(bytes) => line.tcp().try_write(bytes).is_ok(),
            Step::Cut => return,
            Step::Reset => {
                // What is sent must arrive before the reset overtakes it.
                let flushed = line.flush().await;
                if flushed.is_ok() && line.tcp().set_zero_linger().is_err() {
                    tracing::debug!("a connection could not be made to end in a reset");
                }
                return;
            }
        };
        if !done {
            return;
        }
        if line.flush().await.is_err() {
            return;
        }
    }
    if line.shutdown().await.is_ok() {
        drain(&mut line).await;
    }
}

async fn flood(line: &mut impl Line, bytes: &Bytes) -> bool {
    while line.write_all(bytes).await.is_ok() {}
    false
}

async fn trickle(line: &mut impl Line, pieces: &[Bytes]) -> bool {
    for piece in pieces.iter().cycle() {
        tokio::time::sleep(TRICKLE).await;
        if line.write_all(piece).await.is_err() || line.flush().await.is_err() {
            return false;
        }
    }
    false
}

async fn drain(line: &mut impl Line) {
    let mut words = [0; 1_024];
    while matches!(line.read(&mut words).await, Ok(1..)) {}
}

/// What the client has said so far.
#[derive(Default)]
struct Heard(Vec<u8>);

impl Heard {
    /// Reads until `enough`; false when the client is gone or says too much.
    async fn until(&mut self, line: &mut impl Line, enough: impl Fn(&[u8]) -> bool) -> bool {
        while !enough(&self.0) {
            let read = line.read_buf(&mut self.0).await;
            if !matches!(read, Ok(1..)) || self.0.len() > MAX_HEARD {
                return false;
            }
        }
        true
    }

    /// The path of the request line.
    fn path(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        text.split(' ').nth(1).unwrap_or("/").to_owned()
    }
}

fn ends_head(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|four| four == b"\r\n\r\n")
}

/// Whether a whole HEADERS frame stands behind the preface.
fn holds_stream(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.strip_prefix(H2_PREFACE) else { return false };
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let Some(next) = after.get(length..) else { return false };
        if *kind == H2_HEADERS {
            return true;
        }
        rest = next;
    }
    false
}
