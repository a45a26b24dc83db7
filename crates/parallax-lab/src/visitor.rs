//! A plain client for the tests: asks the lab's resolver and its sites from one source address, as an agent would.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Seen {
    Answer(StatusCode, HeaderMap, Bytes),
    /// An operating system's error while connecting or in the TLS handshake.
    Broken(ErrorKind),
    /// The TLS library's words.
    Tls(String),
}

impl Seen {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(status, ..) => Some(status.as_u16()),
            _ => None,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        match self {
            Self::Answer(_, headers, _) => headers.get(name).map(|value| value.to_str().unwrap()),
            _ => None,
        }
    }

    pub(crate) fn body(&self) -> &str {
        match self {
            Self::Answer(_, _, body) => std::str::from_utf8(body).unwrap(),
            _ => "",
        }
    }
}

pub(crate) struct Visitor {
    pub(crate) source: Ipv4Addr,
    tls: Arc<ClientConfig>,
}

impl Visitor {
    pub(crate) fn new(source: Ipv4Addr, ca_pem: &str, alpn: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        Self { source, tls: Arc::new(tls) }
    }

    pub(crate) async fn connect(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((self.source, 0)))?;
        socket.connect(to).await
    }

    pub(crate) async fn plain(&self, to: SocketAddr, host: &str) -> Seen {
        match self.connect(to).await {
            Ok(stream) => speak_h1(stream, Method::GET, host).await,
            Err(error) => Seen::Broken(error.kind()),
        }
    }

    pub(crate) async fn secure(&self, to: SocketAddr, host: &str) -> Seen {
        self.secure_as(to, host, Method::GET).await
    }

    pub(crate) async fn secure_as(&self, to: SocketAddr, host: &str, method: Method) -> Seen {
        let stream = match self.connect(to).await {
            Ok(stream) => stream,
            Err(error) => return Seen::Broken(error.kind()),
        };
        let name = ServerName::try_from(host.to_owned()).unwrap();
        match TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await {
            Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                speak_h2(stream, method, host).await
            }
            Ok(stream) => speak_h1(stream, method, host).await,
            Err(error) if error.kind() == ErrorKind::InvalidData => Seen::Tls(error.to_string()),
            Err(error) => Seen::Broken(error.kind()),
        }
    }

    pub(crate) async fn ask(&self, resolver: SocketAddr, question: &Message) -> Message {
        let socket = UdpSocket::bind((self.source, 0)).await.unwrap();
        socket.send_to(&question.to_vec().unwrap(), resolver).await.unwrap();
        let mut answer = [0; 1_500];
        let (length, from) = socket.recv_from(&mut answer).await.unwrap();
        assert_eq!(from, resolver);
        Message::from_vec(&answer[..length]).unwrap()
    }

    pub(crate) async fn ask_tcp(&self, resolver: SocketAddr, question: &Message) -> Message {
        let mut stream = self.connect(resolver).await.unwrap();
        let question = question.to_vec().unwrap();
        stream.write_u16(u16::try_from(question.len()).unwrap()).await.unwrap();
        stream.write_all(&question).await.unwrap();
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        Message::from_vec(&answer).unwrap()
    }

    pub(crate) async fn address(&self, resolver: SocketAddr, host: &str) -> Ipv4Addr {
        let answer = self.ask(resolver, &question(host, RecordType::A)).await;
        match &answer.answers.first().expect(host).data {
            RData::A(a) => a.0,
            other => panic!("{host}: {other:?}"),
        }
    }
}

/// A recursive question.
pub(crate) fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    message.add_query(Query::query(name, kind));
    message
}

fn request(method: Method, uri: String, host: &str) -> Request<Empty<Bytes>> {
    Request::builder().method(method).uri(uri).header("host", host).body(Empty::new()).unwrap()
}

async fn speak_h1<S>(stream: S, method: Method, host: &str) -> Seen
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    seen(sender.send_request(request(method, "/".to_owned(), host)).await).await
}

async fn speak_h2<S>(stream: S, method: Method, host: &str) -> Seen
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    seen(sender.send_request(request(method, format!("https://{host}/"), host)).await).await
}

async fn seen(answer: hyper::Result<http::Response<hyper::body::Incoming>>) -> Seen {
    match answer {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            Seen::Answer(head.status, head.headers, body.collect().await.unwrap().to_bytes())
        }
        Err(error) => {
            let source = std::error::Error::source(&error).and_then(|s| s.downcast_ref::<std::io::Error>());
            Seen::Broken(source.map_or(ErrorKind::UnexpectedEof, std::io::Error::kind))
        }
    }
}

/// The address as the model has it.
pub(crate) fn ip(address: Ipv4Addr) -> IpAddr {
    IpAddr::V4(address)
}
