//! The pages, asked as a browser without scripts would.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a page may take.
const PAGE_DEADLINE: Duration = Duration::from_secs(10);

/// Fetches a page.
pub(crate) async fn show(at: SocketAddr, path: &str) -> anyhow::Result<(StatusCode, String)> {
    send(at, Request::get(path).body(Full::default())?).await
}

/// Types a site into the box and presses the button.
pub(crate) async fn submit(at: SocketAddr, site: &str) -> anyhow::Result<(StatusCode, String)> {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let body: String = "site=".chars().map(String::from).chain(site.bytes().map(encode)).collect();
    let request = Request::builder().method(Method::POST).uri("/check");
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(at, request.body(Full::from(body))?).await
}

async fn send(at: SocketAddr, mut request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, String)> {
    request.headers_mut().insert(header::HOST, at.to_string().parse()?);
    let exchange = async {
        let stream = TcpStream::connect(at).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        tokio::select! {
            answer = answer => answer,
            ended = connection => Err(ended.err().map_or_else(|| anyhow::anyhow!("closed"), Into::into)),
        }
    };
    timeout(PAGE_DEADLINE, exchange).await.context("the page does not come")?
}

/// The text of HTML with its character references resolved.
pub(crate) fn resolved(html: &str) -> String {
    let references = [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
    ];
    let text = references.iter().fold(html.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&#38;", "&").replace("&amp;", "&")
}
