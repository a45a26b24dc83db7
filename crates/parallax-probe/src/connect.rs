//! The TCP connection: to vetted addresses, from our source address, one after the other.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use parallax_model::{AgentFailure, ConnectFailure, FailureKind, Family, Party};
use parallax_policy::VettedAddr;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::progress::{Progress, StageFailure};
use crate::settings::ProberSettings;

/// Most addresses that are tried before a connection counts as failed.
pub const MAX_CONNECT_TRIES: usize = 4;

/// The addresses of one hop, tried one after the other under one deadline: each gets an equal part of what is left, so that an
/// address that swallows packets leaves time for the next.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    left: &'a [VettedAddr],
    several: bool,
    until: Instant,
    place: String,
    notes: Vec<String>,
    first: Option<StageFailure>,
}

impl<'a> Tries<'a> {
    /// The first [`MAX_CONNECT_TRIES`] addresses, within `limit` together.
    pub(crate) fn new(addresses: &'a [VettedAddr], limit: Duration) -> Self {
        let left = &addresses[..addresses.len().min(MAX_CONNECT_TRIES)];
        Self {
            left,
            several: left.len() > 1,
            until: Instant::now() + limit,
            place: String::new(),
            notes: Vec::new(),
            first: None,
        }
    }

    /// The next address and how long it may take.
    pub(crate) fn next(&mut self, progress: &mut Progress) -> Option<(SocketAddr, Duration)> {
        let (vetted, rest) = self.left.split_first()?;
        let addr = vetted.socket_addr();
        let time = self.until.saturating_duration_since(Instant::now());
        let share = time / u32::try_from(self.left.len()).unwrap_or(1);
        self.left = rest;
        self.place = place_of(addr.ip(), progress);
        progress.trying(addr.ip());
        Some((addr, share))
    }

    /// The address did not answer.
    pub(crate) fn failed(&mut self, failure: StageFailure) {
        self.notes.push(format!("{} {}", self.place, failure.failure.kind));
        self.first.get_or_insert(failure);
    }

    /// The address answered: where others did not before it, the detail says which.
    pub(crate) fn answered(mut self, progress: &mut Progress) {
        if !self.notes.is_empty() {
            self.notes.push(format!("{} answered", self.place));
            progress.result.detail = crate::scrub::scrub(&self.notes.join(", "));
        }
    }

    /// No address answered: the first failure, with what became of each address.
    pub(crate) fn end(self) -> StageFailure {
        let failure = self.first.unwrap_or_else(|| failed(ConnectFailure::Unreachable, Party::Unknown));
        if self.several { failure.said(&self.notes.join(", ")) } else { failure }
    }
}

/// Connects to the first address that lets us.
pub(crate) async fn connect(
    addresses: &[VettedAddr],
    settings: &ProberSettings,
    progress: &mut Progress,
) -> Result<TcpStream, StageFailure> {
    let mut tries = Tries::new(addresses, settings.deadlines.connect);
    while let Some((addr, share)) = tries.next(progress) {
        match connect_one(addr, settings, share).await {
            Ok(stream) => {
                tries.answered(progress);
                return Ok(stream);
            }
            Err(failure) => tries.failed(failure),
        }
    }
    Err(tries.end())
}

/// How the detail calls an address: by family and place in the answer of the resolver, because texts carry no addresses.
fn place_of(ip: IpAddr, progress: &Progress) -> String {
    let all = &progress.result.dns.addresses;
    let place = all.iter().position(|a| *a == ip).map_or(0, |at| at + 1);
    format!("{} address {place} of {}", Family::of(ip), all.len())
}

async fn connect_one(
    addr: SocketAddr,
    settings: &ProberSettings,
    limit: Duration,
) -> Result<TcpStream, StageFailure> {
    let family = Family::of(addr.ip());
    let attempt = async {
        let socket = match family {
            Family::V4 => TcpSocket::new_v4(),
            Family::V6 => TcpSocket::new_v6(),
        }?;
        socket.set_nodelay(true)?;
        if let Some(source) = settings.source(family) {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(addr).await?;
        // What answered must be what was vetted, whatever sits between.
        if stream.peer_addr()? == addr { Ok(stream) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(failed(ConnectFailure::Timeout, Party::Unknown)),
    }
}

fn failed(kind: ConnectFailure, party: Party) -> StageFailure {
    StageFailure::new(FailureKind::Connect(kind), party)
}

/// What an error of the system means while connecting.
pub(crate) fn classify(error: &io::Error) -> StageFailure {
    use io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused => failed(ConnectFailure::Refused, Party::Target),
        K::TimedOut => failed(ConnectFailure::Timeout, Party::Unknown),
        K::ConnectionReset | K::ConnectionAborted => failed(ConnectFailure::Reset, Party::Unknown),
        K::HostUnreachable => failed(ConnectFailure::Unreachable, Party::Unknown),
        // Without a route of our own, nothing was learnt about the target.
        K::NetworkUnreachable | K::NetworkDown => failed(ConnectFailure::Unreachable, Party::AccessNetwork),
        K::PermissionDenied => failed(ConnectFailure::Unreachable, Party::Agent).told(error),
        // No port left to leave from, or the source address is not ours.
        K::AddrNotAvailable | K::AddrInUse | K::ResourceBusy | K::OutOfMemory => {
            StageFailure::new(FailureKind::Agent(AgentFailure::Overloaded), Party::Agent).told(error)
        }
        _ if is_shortage(error) => {
            StageFailure::new(FailureKind::Agent(AgentFailure::Overloaded), Party::Agent).told(error)
        }
        _ => failed(ConnectFailure::Unreachable, Party::Unknown).told(error),
    }
}

/// The system is out of descriptors or buffers: EMFILE, ENFILE, ENOBUFS on Linux, which have no `ErrorKind` of their own.
fn is_shortage(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS))
}

/// Whether the system has a route to addresses of this family. No packet is sent: connecting a UDP socket only looks the
/// route up.
pub(crate) fn has_route(addr: SocketAddr) -> bool {
    let any: SocketAddr = match addr {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    std::net::UdpSocket::bind(any).and_then(|socket| socket.connect(addr)).is_ok()
}
