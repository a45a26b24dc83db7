//! An aggregator for tests: it signs what it is asked to sign, and hands every session to the test that plays its part.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parallax_proto::v1::agent::agent_service_server::{AgentService, AgentServiceServer};
use parallax_proto::v1::agent::session_request::Message as Up;
use parallax_proto::v1::agent::session_response::Message as Down;
use parallax_proto::v1::agent::{
    Ack, EnrollRequest, EnrollResponse, Hello, RenewRequest, RenewResponse, ResultBatch, SessionRequest,
    SessionResponse, Welcome,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use ring::digest;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use parallax_proto::AGGREGATOR_NAME;
use parallax_proto::EnrollToken;

/// 2026-06-01T00:00:00Z, the moment of every test, in microseconds.
pub(crate) const NOW_US: i64 = 1_780_272_000_000_000;
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A CA with the certificate it gives to aggregators.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) ca: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).expect("a CA").der().clone();
        Self { issuer: Issuer::new(params, key), ca }
    }

    pub(crate) fn token(&self) -> EnrollToken {
        let hash = digest::digest(&digest::SHA256, &self.ca);
        EnrollToken::new([7; 32], hash.as_ref().try_into().expect("32 bytes"))
    }

    /// TLS as an aggregator speaks it, under `name`.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new([name.to_owned()]).expect("a name");
        let leaf = leaf.signed_by(&key, &self.issuer).expect("a leaf").der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).expect("a root");
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(clients.allow_unauthenticated().build().expect("a verifier"))
            .with_single_cert(vec![leaf, self.ca.clone()], key)
            .expect("a certificate");
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// Signs the public key of a request; the certificate ends at the start of `year`.
    pub(crate) fn sign(&self, csr: &[u8], year: i32) -> CertificateDer<'static> {
        let csr = CertificateSigningRequestDer::from(csr);
        let mut csr = CertificateSigningRequestParams::from_der(&csr).expect("a request");
        assert!(csr.params.distinguished_name.iter().next().is_none(), "the subject is empty");
        csr.params.not_before = date_time_ymd(2025, 1, 1);
        csr.params.not_after = date_time_ymd(year, 1, 1);
        csr.signed_by(&self.issuer).expect("a certificate").der().clone()
    }
}

/// The service. What it was called is counted.
#[derive(Clone)]
pub(crate) struct Fake {
    authority: Arc<Authority>,
    sessions: mpsc::Sender<Conversation>,
    pub(crate) renewals: Arc<AtomicU32>,
    /// The year in which certificates of Enroll end.
    enrolled_until: i32,
}

/// One session from the aggregator's side.
pub(crate) struct Conversation {
    inbox: Streaming<SessionRequest>,
    outbox: mpsc::Sender<Result<SessionResponse, Status>>,
    /// Whether the connection came with a certificate.
    pub(crate) authenticated: bool,
}

impl Fake {
    /// The service, and the sessions that are opened with it.
    pub(crate) fn new(enrolled_until: i32) -> (Self, mpsc::Receiver<Conversation>) {
        let (sessions, opened) = mpsc::channel(8);
        let fake = Self {
            authority: Arc::new(Authority::new()),
            sessions,
            renewals: Arc::default(),
            enrolled_until,
        };
        (fake, opened)
    }

    pub(crate) fn token(&self) -> EnrollToken {
        self.authority.token()
    }

    /// Serves one connection in memory and returns its other end.
    pub(crate) fn serve_in_memory(&self, tasks: &mut JoinSet<()>) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let server = Server::builder().add_service(AgentServiceServer::new(self.clone()));
        let incoming = tokio_stream::iter([Ok::<_, std::io::Error>(ours)]);
        tasks.spawn(async move { server.serve_with_incoming(incoming).await.expect("served") });
        theirs
    }

    /// Serves TLS on a free port of loopback and returns `host:port`.
    pub(crate) async fn serve_tls(&self, name: &str, tasks: &mut JoinSet<()>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let acceptor = self.authority.acceptor(name);
        let (accepted, incoming) = mpsc::channel(8);
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                // A client that hangs up during the handshake is part of some tests.
                if let Ok(tls) = acceptor.accept(tcp).await {
                    accepted.send(Ok::<_, std::io::Error>(tls)).await.expect("the server runs");
                }
            }
        });
        let server = Server::builder().add_service(AgentServiceServer::new(self.clone()));
        let serving = server.serve_with_incoming(ReceiverStream::new(incoming));
        tasks.spawn(async move { serving.await.expect("served") });
        address.to_string()
    }
}

#[tonic::async_trait]
impl AgentService for Fake {
    type SessionStream = ReceiverStream<Result<SessionResponse, Status>>;

    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        let request = request.into_inner();
        if request.token != self.token().reveal() {
            return Err(Status::unauthenticated("this token is not good"));
        }
        let leaf = self.authority.sign(&request.csr_der, self.enrolled_until);
        let chain_der = vec![leaf.to_vec().into()];
        Ok(Response::new(EnrollResponse { agent_id: "agent-7".to_owned(), chain_der }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        assert!(has_certificate(&request), "a renewal shows the certificate");
        self.renewals.fetch_add(1, Ordering::SeqCst);
        let leaf = self.authority.sign(&request.into_inner().csr_der, 2040);
        Ok(Response::new(RenewResponse { chain_der: vec![leaf.to_vec().into()] }))
    }

    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (outbox, stream) = mpsc::channel(64);
        let authenticated = has_certificate(&request);
        let conversation = Conversation { inbox: request.into_inner(), outbox, authenticated };
        self.sessions.send(conversation).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn has_certificate<T>(request: &Request<T>) -> bool {
    type Info = tonic::transport::server::TlsConnectInfo<tonic::transport::server::TcpConnectInfo>;
    let info = request.extensions().get::<Info>();
    info.and_then(Info::peer_certs).is_some_and(|chain| !chain.is_empty())
}

/// The next session that is opened.
pub(crate) async fn next_session(opened: &mut mpsc::Receiver<Conversation>) -> Conversation {
    tokio::time::timeout(PATIENCE, opened.recv()).await.expect("a session in time").expect("a session")
}

impl Conversation {
    /// What the agent says next, heartbeats left out.
    pub(crate) async fn hear(&mut self) -> Up {
        loop {
            match self.hear_all().await {
                Up::Heartbeat(_) => {}
                other => return other,
            }
        }
    }

    /// What the agent says next.
    pub(crate) async fn hear_all(&mut self) -> Up {
        let message = tokio::time::timeout(PATIENCE, self.inbox.message()).await.expect("in time");
        message.expect("an open stream").expect("a message").message.expect("a known message")
    }

    pub(crate) async fn hello(&mut self) -> Hello {
        let Up::Hello(hello) = self.hear().await else { panic!("Hello comes first") };
        hello
    }

    pub(crate) async fn results(&mut self) -> ResultBatch {
        let Up::Results(batch) = self.hear().await else { panic!("results") };
        batch
    }

    pub(crate) async fn say(&self, message: Down) {
        self.outbox.send(Ok(SessionResponse { message: Some(message) })).await.expect("an open stream");
    }

    /// Says Welcome: everything up to `acked` is known, `max_unacked` batches of `max_results` may be on their way.
    pub(crate) async fn welcome(&self, acked: u64, max_unacked: u32, max_results: u32) {
        let welcome = Welcome {
            agent_id: "agent-7".to_owned(),
            version: "1.2.3".to_owned(),
            acked_through_seq: acked,
            vantage: None,
            // Longer than a test waits, so that only what is asked for comes.
            heartbeat_ms: 60_000,
            max_unacked_batches: max_unacked,
            max_batch_results: max_results,
            seen_address: Vec::new().into(),
        };
        self.say(Down::Welcome(welcome)).await;
    }

    pub(crate) async fn ack(&self, epoch: u64, through_seq: u64) {
        self.say(Down::Ack(Ack { epoch, through_seq })).await;
    }

    /// Ends the session with a status.
    pub(crate) async fn end(self, status: Status) {
        self.outbox.send(Err(status)).await.expect("an open stream");
    }
}

/// The usual fake: certificates hold until 2040, the server has the right name.
pub(crate) async fn usual(tasks: &mut JoinSet<()>) -> (Fake, mpsc::Receiver<Conversation>, String) {
    let (fake, opened) = Fake::new(2040);
    let address = fake.serve_tls(AGGREGATOR_NAME, tasks).await;
    (fake, opened, address)
}
