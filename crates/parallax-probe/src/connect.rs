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

/// Connects to the first address that lets us. All tries share one deadline: each gets an equal part of what is left, so that
/// an address that swallows packets leaves time for the next. When several were tried, the detail says which failed.
pub(crate) async fn connect(
    addresses: &[VettedAddr],
    settings: &ProberSettings,
    progress: &mut Progress,
) -> Result<TcpStream, StageFailure> {
    let tries = &addresses[..addresses.len().min(MAX_CONNECT_TRIES)];
    let until = Instant::now() + settings.deadlines.connect;
    let mut notes: Vec<String> = Vec::new();
    let mut first: Option<StageFailure> = None;
    for (done, vetted) in tries.iter().enumerate() {
        let addr = vetted.socket_addr();
        progress.trying(addr.ip());
        let place = place_of(addr.ip(), progress);
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(tries.len() - done).unwrap_or(1);
        match connect_one(addr, settings, share).await {
            Ok(stream) => {
                if !notes.is_empty() {
                    notes.push(format!("{place} answered"));
                    progress.result.detail = crate::scrub::scrub(&notes.join(", "));
                }
                return Ok(stream);
            }
            Err(failure) => {
                notes.push(format!("{place} {}", failure.failure.kind));
                first.get_or_insert(failure);
            }
        }
    }
    let failure = first.unwrap_or_else(|| failed(ConnectFailure::Unreachable, Party::Unknown));
    if tries.len() > 1 { Err(failure.said(&notes.join(", "))) } else { Err(failure) }
}

/// How the detail calls an address: by its place in the answer of the resolver, because texts carry no addresses.
fn place_of(ip: IpAddr, progress: &Progress) -> String {
    let all = &progress.result.dns.addresses;
    let place = all.iter().position(|a| *a == ip).map_or(0, |at| at + 1);
    format!("address {place} of {}", all.len())
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
fn classify(error: &io::Error) -> StageFailure {
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
