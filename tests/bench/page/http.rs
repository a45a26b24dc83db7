//! As much of HTTP/1.1 as a measurement needs: one question, one answer, the connection closed.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Lower-case, one line each.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Asks for a path. Answers have a length; none of those that are asked for here comes in chunks.
pub(crate) async fn get(at: SocketAddr, path: &str, headers: &[&str]) -> anyhow::Result<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(request(path, headers).as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let mut answer = timeout(DEADLINE, exchange).await.with_context(|| format!("{path} does not come"))??;
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        bail!("{path}: no answer")
    };
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    if !head.starts_with("http/1.1 200") {
        bail!("{path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok(Answer { head, body })
}

/// One request, the last of its connection.
pub(crate) fn request(path: &str, headers: &[&str]) -> String {
    let lines: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n{lines}\r\n")
}
