//! Sites on loopback that do what a test asks for: on ports of the system's choice, gone with the test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use parallax_model::{Port, Scheme, Target, UnixMicros};
use parallax_policy::Policy;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::{Prober, ProberSettings, ResolverSetting};

pub(crate) mod h3;

/// A name that policy takes for a public one; tests lead it to loopback with a rule.
pub(crate) const NAME: &str = "www.site-under-test.com";
/// When every probe of the tests begins.
pub(crate) const NOW: UnixMicros = UnixMicros(1_700_000_000_000_000);

/// A site: an address, what was said to it, and the task that serves it.
pub(crate) struct Site {
    pub(crate) addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    peers: Arc<Mutex<Vec<IpAddr>>>,
    requests: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Site {
    /// Runs `talk` on every connection.
    pub(crate) async fn talking<F, R>(talk: F) -> Self
    where
        F: Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::talking_at((Ipv4Addr::LOCALHOST, 0).into(), talk).await
    }

    /// The same at an address of the test's choice.
    pub(crate) async fn talking_at<F, R>(addr: SocketAddr, talk: F) -> Self
    where
        F: Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(addr).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let peers = Arc::new(Mutex::new(Vec::new()));
        let (count, heard, seen) = (accepted.clone(), requests.clone(), peers.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, peer)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                seen.lock().expect("peers").push(peer.ip());
                talks.spawn(talk(stream, heard.clone()));
            }
        });
        Self { addr, accepted, peers, requests, _serving: serving }
    }

    /// Answers every request with the same bytes, then closes.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self::answering_in_turn(vec![answer.into()]).await
    }

    /// Answers every request for a path that is listed with its bytes, and every other with the last ones.
    pub(crate) async fn answering_paths(answers: &'static [(&'static str, &'static str)]) -> Self {
        Self::talking(move |mut stream, heard| async move {
            let head = read_head(&mut stream).await;
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            heard.lock().expect("requests").push(head);
            let found = answers.iter().find(|(listed, _)| *listed == path).or_else(|| answers.last());
            let _ = stream.write_all(found.map_or("", |(_, answer)| answer).as_bytes()).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await
    }

    /// Answers the first request with the first bytes and so on; the last answer repeats.
    pub(crate) async fn answering_in_turn(answers: Vec<Vec<u8>>) -> Self {
        let answers = Arc::new(answers);
        let turn = Arc::new(AtomicUsize::new(0));
        Self::talking(move |mut stream, heard| {
            let (answers, turn) = (answers.clone(), turn.clone());
            async move {
                let head = read_head(&mut stream).await;
                heard.lock().expect("requests").push(head);
                let at = turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                let _ = stream.write_all(&answers[at]).await;
                let _ = stream.shutdown().await;
                // Reading to the end lets the answer arrive before the connection is torn down.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        })
        .await
    }

    /// Accepts and says nothing.
    pub(crate) async fn silent() -> Self {
        Self::talking(|mut stream, _| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await
    }

    /// Cuts every connection with RST after its first bytes.
    pub(crate) async fn cutting() -> Self {
        Self::talking(|mut stream, _| async move {
            let _ = stream.read(&mut [0; 1_024]).await;
            let _ = stream.set_zero_linger();
        })
        .await
    }

    /// Speaks TLS, then HTTP/2 or HTTP/1.1 as agreed, and answers 200 with `hello` and an advert of HTTP/3 at its own place.
    pub(crate) async fn secure(config: ServerConfig) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::talking(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let port = stream.local_addr().expect("an address").port();
                let Ok(stream) = acceptor.accept(stream).await else { return };
                serve_hello(stream, port).await;
            }
        })
        .await
    }

    /// How many connections came.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Where they came from.
    pub(crate) fn peers(&self) -> Vec<IpAddr> {
        self.peers.lock().expect("peers").clone()
    }

    /// What was asked, head by head.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }

    /// `http://address:port/`.
    pub(crate) fn target(&self) -> Target {
        target(&format!("http://{}/", self.addr))
    }

    /// The site under [`NAME`], at its own port.
    pub(crate) fn named(&self, scheme: Scheme) -> Target {
        let port = Port::new(self.addr.port()).expect("a port");
        Target { port, scheme, ..target(&format!("https://{NAME}/")) }
    }

    /// The rule that leads [`NAME`] here.
    pub(crate) fn rule(&self) -> crate::ResolveRule {
        format!("{NAME}:{}:{}", self.addr.port(), self.addr.ip()).parse().expect("a rule")
    }
}

/// HTTP over a stream by hyper: HTTP/2 when it begins so, else HTTP/1.1.
async fn serve_hello<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, port: u16) {
    let service = hyper::service::service_fn(move |_| async move {
        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"hello"));
        http::Response::builder().header("alt-svc", format!("h3=\":{port}\"")).body(body)
    });
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ = hyper_util::server::conn::auto::Builder::new(executor).serve_connection(io, service).await;
}

pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

pub(crate) fn target(text: &str) -> Target {
    text.parse().expect(text)
}

/// Loopback allowed, no resolver worth the name.
pub(crate) fn settings() -> ProberSettings {
    let loopback = vec!["127.0.0.0/8".parse().expect("a range")];
    let nobody = ResolverSetting::Servers { name: "nobody".into(), addrs: vec![([127, 0, 0, 1], 9).into()] };
    ProberSettings {
        resolver: nobody,
        public_resolvers: Vec::new(),
        ..ProberSettings::new(Policy::allowing(loopback))
    }
}

pub(crate) fn prober(settings: ProberSettings) -> Prober {
    Prober::new(settings).expect("a prober")
}

/// A certificate authority of the test's own.
pub(crate) struct Authority {
    pub(crate) root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root").der().clone();
        Self { root, issuer: Issuer::new(params, key) }
    }

    /// A server certificate for a name, good for years `from` to `to`.
    pub(crate) fn server(&self, name: &str, from: i32, to: i32) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a leaf").der().clone();
        server_config(leaf, &key)
    }
}

/// A certificate that signed itself.
pub(crate) fn self_signed(name: &str) -> ServerConfig {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    server_config(made.cert.der().clone(), &made.signing_key)
}

fn server_config(leaf: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .expect("a certificate for its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
