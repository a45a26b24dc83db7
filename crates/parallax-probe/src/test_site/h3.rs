//! A site on loopback that speaks HTTP/3, or QUIC and something else.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h3::server::RequestStream;
use http::{Request, Response};
use parallax_model::{Port, Scheme, Target};
use quinn::Endpoint;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::ServerConfig;
use tokio::task::JoinSet;

use super::{NAME, target};

/// The stream of one request.
pub(crate) type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// A site: where it is, and what was asked.
pub(crate) struct H3Site {
    pub(crate) addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

/// The settings of a QUIC server with a certificate.
pub(crate) fn quic(config: ServerConfig) -> quinn::ServerConfig {
    quic_speaking(config, b"h3")
}

/// The settings of a QUIC server for another protocol.
pub(crate) fn quic_speaking(mut config: ServerConfig, protocol: &[u8]) -> quinn::ServerConfig {
    config.alpn_protocols = vec![protocol.to_vec()];
    quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config).expect("TLS 1.3")))
}

impl H3Site {
    /// Runs `talk` on every connection whose handshake is done.
    pub(crate) fn raw<F, R>(ip: IpAddr, config: quinn::ServerConfig, talk: F) -> Self
    where
        F: Fn(quinn::Connection) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let endpoint = Endpoint::server(config, (ip, 0).into()).expect("a port");
        let addr = endpoint.local_addr().expect("an address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut talks = JoinSet::new();
            while let Some(incoming) = endpoint.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(connecting) = incoming.accept() else { continue };
                let Ok(connection) = connecting.await else { continue };
                talks.spawn(talk(connection));
            }
        });
        Self { addr, accepted, requests: Arc::default(), _serving: serving }
    }

    /// Runs `talk` on every request.
    pub(crate) fn talking<F, R>(ip: IpAddr, config: quinn::ServerConfig, talk: F) -> Self
    where
        F: Fn(Stream) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Option<()>> + Send + 'static,
    {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = requests.clone();
        let site = Self::raw(ip, config, move |connection| {
            let (talk, heard) = (talk.clone(), heard.clone());
            async move {
                let connection = h3_quinn::Connection::new(connection);
                let Ok(mut connection) = h3::server::Connection::<_, Bytes>::new(connection).await else {
                    return;
                };
                while let Ok(Some(resolver)) = connection.accept().await {
                    let Ok((request, stream)) = resolver.resolve_request().await else { continue };
                    heard.lock().expect("requests").push(written(&request));
                    talk(stream).await;
                }
            }
        });
        Self { requests, ..site }
    }

    /// Answers every request with this head and body.
    pub(crate) fn answering(ip: IpAddr, config: quinn::ServerConfig, head: Response<()>, body: &str) -> Self {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Self::talking(ip, config, move |mut stream| {
            let (head, body) = (head.clone(), body.clone());
            async move {
                stream.send_response(head).await.ok()?;
                stream.send_data(body).await.ok()?;
                stream.finish().await.ok()
            }
        })
    }

    /// How many connections came.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// What was asked, head by head.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }

    /// The site under [`NAME`], at its own port.
    pub(crate) fn named(&self) -> Target {
        let port = Port::new(self.addr.port()).expect("a port");
        Target { port, scheme: Scheme::Https, ..target(&format!("https://{NAME}/")) }
    }

    /// The rule that leads [`NAME`] here.
    pub(crate) fn rule(&self) -> crate::ResolveRule {
        rule(&[self.addr])
    }
}

/// The rule that leads [`NAME`] to addresses of one port.
pub(crate) fn rule(addrs: &[SocketAddr]) -> crate::ResolveRule {
    let ips: Vec<String> = addrs
        .iter()
        .map(|addr| match addr.ip() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        })
        .collect();
    format!("{NAME}:{}:{}", addrs[0].port(), ips.join(",")).parse().expect("a rule")
}

/// A head with a status and lines.
pub(crate) fn head(status: u16, lines: &[(&'static str, &str)]) -> Response<()> {
    let mut head = Response::builder().status(status);
    for (name, value) in lines {
        head = head.header(*name, *value);
    }
    head.body(()).expect("a head")
}

fn written(request: &Request<()>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        writeln!(text, "{name}: {}", value.to_str().expect("text")).expect("a String takes all");
    }
    text
}
