//! Servers that mean harm: every one is a row of data with what it does and how a probe of it must end.
//!
//! [`behaviours`] lists them; [`HostileServer::start`] plays one on loopback, on a port the system picks. What is played is
//! bytes and waits over TCP, TLS, HTTP/2, QUIC and DNS; certificates come from a [`Forge`]. The words for how a probe ends are
//! those of `parallax-model`: `ok`, or a failure kind.
//!
//! Nothing here probes or judges. A server that tries to lead its visitor astray has a witness at the place it leads to, and
//! [`HostileServer::strayed`] counts who came.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parallax_model::Protocol;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::LabError;
use crate::serve::{both_transports, listen, reserve};
use crate::tasks::{EndOnDrop, Tasks};
use crate::tls::CertificateError;

mod dns;
mod forge;
mod h1;
mod h2;
mod h3;
mod identity;
mod play;
mod quic;
mod redirect;
mod tls;

pub use forge::Forge;
use identity::Identity;
use play::{Place, Step, play};

#[cfg(test)]
mod tests;

/// The zone of every hostile name. It looks public, so that policy lets a probe ask for it.
pub const ZONE: &str = "site-under-test.com";
/// Where no probe may go: policy refuses it, and the witnesses listen there.
pub const FORBIDDEN: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Longest life of one connection: longer than any probe, so that it is the probe that ends first.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);
/// Longest TLS handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);

/// How a probe may end: outcomes in the words of `parallax-model`.
pub type Ends = &'static [&'static str];

/// What a hostile server speaks, or pretends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaks {
    /// HTTP/1.1 over TCP.
    H1,
    /// TLS, and HTTP/1.1 inside where it comes so far.
    Tls,
    /// HTTP/2 over TLS.
    H2,
    /// HTTP/3 over QUIC.
    H3,
    /// DNS over UDP and TCP; behind it stands an ordinary site.
    Dns,
}

/// What a probe must have read of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// So many bytes; `None` where time decides.
    pub length: Option<u32>,
    /// Whether there was more.
    pub truncated: bool,
}

/// One way to be hostile.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Its name: unique, and a label of its server's host name.
    pub name: &'static str,
    /// What it is asked with.
    pub speaks: Speaks,
    /// The HTTP version the probe asks for; `None` leaves it to ALPN.
    pub protocol: Option<Protocol>,
    /// How a probe of it may end.
    pub ends: Ends,
    /// What must have been read, where that is the point.
    pub reads: Option<Reads>,
    script: Script,
    /// What everybody but the first visitor gets.
    others: Option<Vec<Step>>,
}

/// What a server plays.
#[derive(Debug, Clone)]
enum Script {
    /// Nobody listens.
    Refuse,
    /// The port listens and nobody takes connections, as when the program is stopped.
    Stopped,
    /// The same, and no more connections fit: the next SYN is swallowed.
    Full,
    /// Steps over TCP.
    Tcp(Vec<Step>),
    /// A handshake, then steps inside.
    Tls(Identity, Vec<Step>),
    /// A QUIC connection, then steps of HTTP/3.
    H3(h3::Act),
    /// Packets by hand where QUIC is expected.
    Quic(quic::Packets),
    /// A resolver.
    Dns(dns::Answers),
}

impl Behaviour {
    fn new(name: &'static str, speaks: Speaks, ends: Ends, script: Script) -> Self {
        let protocol = match speaks {
            Speaks::H2 => Some(Protocol::H2),
            Speaks::H3 => Some(Protocol::H3),
            Speaks::H1 | Speaks::Tls | Speaks::Dns => None,
        };
        Self { name, speaks, protocol, ends, reads: None, script, others: None }
    }

    fn tcp(name: &'static str, speaks: Speaks, ends: Ends, steps: Vec<Step>) -> Self {
        Self::new(name, speaks, ends, Script::Tcp(steps))
    }

    fn reading(self, length: Option<u32>, truncated: bool) -> Self {
        Self { reads: Some(Reads { length, truncated }), ..self }
    }

    fn asked_with(self, protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..self }
    }

    fn for_others(self, steps: Vec<Step>) -> Self {
        Self { others: Some(steps), ..self }
    }

    /// The RSA key of so many bits that the [`Forge`] must be given first.
    pub fn rsa_needed(&self) -> Option<usize> {
        match &self.script {
            Script::Tls(identity, _) => identity.rsa_needed(),
            _ => None,
        }
    }

    /// The name it is asked for.
    pub fn host(&self) -> String {
        format!("{}.{ZONE}", self.name)
    }
}

/// Every hostile behaviour. Names are unique.
pub fn behaviours() -> Vec<Behaviour> {
    [
        h1::behaviours(),
        redirect::behaviours(),
        tls::behaviours(),
        h2::behaviours(),
        h3::behaviours(),
        quic::behaviours(),
        dns::behaviours(),
    ]
    .concat()
}

/// One running hostile server. It ends when it is dropped.
#[derive(Debug)]
pub struct HostileServer {
    url: String,
    address: SocketAddr,
    resolver: Option<SocketAddr>,
    strayed: Arc<AtomicUsize>,
    _tasks: EndOnDrop,
    /// The bound socket of a server that refuses: it keeps the port from everybody else.
    refusing: Option<TcpSocket>,
}

impl HostileServer {
    /// Starts one at `at`, which must not be [`FORBIDDEN`], on a port the system picks.
    pub async fn start(at: Ipv4Addr, behaviour: &Behaviour, forge: &Forge) -> Result<Self, LabError> {
        let tasks = Tasks::new();
        let strayed = Arc::new(AtomicUsize::new(0));
        let witness = witness(&strayed, &tasks, behaviour.name).await?;
        let host = behaviour.host();
        let mut server = Self {
            url: String::new(),
            address: SocketAddr::from((at, 0)),
            resolver: None,
            strayed,
            _tasks: EndOnDrop(tasks.clone()),
            refusing: None,
        };
        match &behaviour.script {
            Script::H3(act) => server.address = h3::start(at, witness, (&host, act), forge, &tasks)?,
            Script::Quic(packets) => {
                server.address = quic::start(at, &host, *packets, forge, &tasks).await?;
            }
            Script::Full => server.fill(behaviour.name, &tasks).await?,
            Script::Refuse | Script::Stopped | Script::Tcp(_) | Script::Tls(..) | Script::Dns(_) => {
                server.start_tcp(behaviour, witness, forge, &tasks)?;
            }
        }
        if let Script::Dns(answers) = &behaviour.script {
            server.resolver = Some(dns::start(at, *answers, behaviour.name, &tasks).await?);
        }
        let port = server.address.port();
        server.url = match behaviour.speaks {
            Speaks::H1 => format!("http://{at}:{port}/"),
            Speaks::Dns => format!("http://{host}:{port}/"),
            Speaks::Tls | Speaks::H2 | Speaks::H3 => format!("https://{host}:{port}/"),
        };
        Ok(server)
    }

    /// Takes a TCP port, and listens there unless refusing is the point.
    fn start_tcp(
        &mut self,
        behaviour: &Behaviour,
        witness: SocketAddr,
        forge: &Forge,
        tasks: &Tasks,
    ) -> Result<(), LabError> {
        let (socket, address) = reserve(self.address, behaviour.name)?;
        self.address = address;
        let (steps, tls) = match &behaviour.script {
            Script::Tcp(steps) => (steps.clone(), None),
            Script::Tls(identity, steps) => {
                let config = forge.config(&behaviour.host(), identity);
                let flawed = |source| LabError::Certificate { name: behaviour.name.to_owned(), source };
                (steps.clone(), Some(config.map_err(flawed)?))
            }
            Script::Dns(_) => (h1::ordinary(), None),
            Script::Stopped => {
                let listener = listen(socket, address, behaviour.name)?;
                tasks.spawn(async move {
                    std::future::pending::<()>().await;
                    drop(listener);
                });
                return Ok(());
            }
            Script::Refuse | Script::Full | Script::H3(_) | Script::Quic(_) => {
                self.refusing = Some(socket);
                return Ok(());
            }
        };
        let stage = Stage {
            steps,
            others: behaviour.others.clone(),
            tls,
            place: Place {
                own: address.to_string(),
                witness: witness.to_string(),
                port: witness.port().to_string(),
            },
            visitors: AtomicUsize::new(0),
        };
        open(listen(socket, address, behaviour.name)?, stage, tasks);
        Ok(())
    }

    /// Listens with the smallest queue there is, and fills it.
    async fn fill(&mut self, what: &str, tasks: &Tasks) -> Result<(), LabError> {
        /// What the kernel is asked for; it lets one more in.
        const QUEUE: u32 = 1;
        let (socket, address) = reserve(self.address, what)?;
        let bind = |source| LabError::Bind { what: what.to_owned(), address, source };
        let listener = socket.listen(QUEUE).map_err(bind)?;
        let mut queued = Vec::new();
        for _ in 0..=QUEUE {
            queued.push(TcpStream::connect(address).await.map_err(bind)?);
        }
        self.address = address;
        tasks.spawn(async move {
            std::future::pending::<()>().await;
            drop((listener, queued));
        });
        Ok(())
    }

    /// What to probe: by address over plain HTTP, else by the behaviour's host name.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The resolver to ask for its name, when resolving is what is hostile.
    pub fn resolver(&self) -> Option<SocketAddr> {
        self.resolver
    }

    /// How many connections and datagrams came to where it leads astray.
    pub fn strayed(&self) -> usize {
        self.strayed.load(Ordering::SeqCst)
    }
}

/// What one server plays, to whom and where.
struct Stage {
    steps: Vec<Step>,
    others: Option<Vec<Step>>,
    tls: Option<Arc<ServerConfig>>,
    place: Place,
    visitors: AtomicUsize,
}

impl Stage {
    async fn visit(&self, stream: TcpStream) {
        let first = self.visitors.fetch_add(1, Ordering::SeqCst) == 0;
        let steps = match &self.others {
            Some(others) if !first => others,
            _ => &self.steps,
        };
        let Some(tls) = &self.tls else { return play(stream, steps, &self.place).await };
        let shaking = TlsAcceptor::from(Arc::clone(tls)).accept(stream).into_fallible();
        match tokio::time::timeout(HANDSHAKE_DEADLINE, shaking).await {
            Ok(Ok(stream)) => play(stream, steps, &self.place).await,
            Ok(Err((error, stream))) => {
                tracing::trace!(%error, "a TLS handshake ended");
                // Closed with something unread, the reset would overtake the alert that says why.
                play(stream, &[], &self.place).await;
            }
            Err(_) => tracing::trace!("a TLS handshake took too long"),
        }
    }
}

/// Lets everybody in until the server ends.
fn open(listener: TcpListener, stage: Stage, tasks: &Tasks) {
    let owner = tasks.clone();
    let stage = Arc::new(stage);
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Some(room) = owner.connection().await else { return };
            let stage = Arc::clone(&stage);
            owner.spawn(async move {
                if stream.set_nodelay(true).is_ok()
                    && tokio::time::timeout(CONNECTION_LIFE, stage.visit(stream)).await.is_err()
                {
                    tracing::debug!("a connection reached the end of its life");
                }
                drop(room);
            });
        }
    });
}

/// Listens at [`FORBIDDEN`], over TCP and UDP at one port, and counts who comes.
async fn witness(strayed: &Arc<AtomicUsize>, tasks: &Tasks, what: &str) -> Result<SocketAddr, LabError> {
    let (datagrams, listener, address) = both_transports(FORBIDDEN, what).await?;
    let (over_tcp, over_udp) = (Arc::clone(strayed), Arc::clone(strayed));
    tasks.spawn(async move {
        while listener.accept().await.is_ok() {
            over_tcp.fetch_add(1, Ordering::SeqCst);
        }
    });
    tasks.spawn(async move {
        while datagrams.recv_from(&mut [0; 64]).await.is_ok() {
            over_udp.fetch_add(1, Ordering::SeqCst);
        }
    });
    Ok(address)
}

/// A certificate, or why there is none.
type Made<T> = Result<T, CertificateError>;
