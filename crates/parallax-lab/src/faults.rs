//! Servers that do one thing wrong, for end-to-end tests. Each has its own port and ends when it is dropped.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use tokio::net::TcpSocket;
use tokio_rustls::TlsAcceptor;

use crate::LabError;
use crate::serve::{Asked, Door, Greeting, Reply, Script, listen, open, reserve};
use crate::tasks::{EndOnDrop, Tasks};
use crate::tls::{Authority, CertificateError, Validity, self_signed_server};

/// What a server does wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing: 200 and a short text.
    None,
    /// The port is taken and nobody listens: connecting is refused.
    Refuses,
    /// Connections are reset as soon as they stand.
    ResetsOnAccept,
    /// Connections are reset after the client's first words: over TLS its ClientHello, else its request.
    ResetsAfterHello,
    /// Connections stand and nothing is ever said, neither TLS nor HTTP.
    Silent,
    /// 200, but not before this time has passed.
    SlowFirstByte(Duration),
    /// One answer to every request.
    Answers {
        /// Its status.
        status: StatusCode,
        /// Its Server header, if any.
        server: Option<HeaderValue>,
        /// Its body, as HTML.
        body: Bytes,
    },
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFlaw {
    /// Nothing.
    None,
    /// It is made out to another name.
    WrongName,
    /// It ended in 2020.
    Expired,
    /// It begins in 2048.
    NotYetValid,
    /// It vouches for itself.
    SelfSigned,
}

/// Who a TLS server says it is.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Who signs its certificate.
    pub authority: &'a Authority,
    /// The name clients ask for.
    pub name: &'a str,
    /// What is wrong with the certificate.
    pub flaw: CertificateFlaw,
}

/// The name on a [`CertificateFlaw::WrongName`] certificate.
pub const OTHER_NAME: &str = "other.example";

/// One running server.
#[derive(Debug)]
pub struct FaultServer {
    address: SocketAddr,
    _tasks: EndOnDrop,
    /// The bound socket of a server that refuses: it keeps the port from everybody else.
    _refusing: Option<TcpSocket>,
}

impl FaultServer {
    /// Starts a server over plain TCP at `at`, on a port the system picks.
    pub fn start(at: Ipv4Addr, fault: Fault) -> Result<Self, LabError> {
        Self::bind(at, fault, None)
    }

    /// Starts a server over TLS at `at`, on a port the system picks.
    pub fn start_tls(at: Ipv4Addr, fault: Fault, identity: Identity<'_>) -> Result<Self, LabError> {
        let config = match identity.flaw {
            CertificateFlaw::None => identity.authority.server(identity.name, Validity::NOW),
            CertificateFlaw::WrongName => identity.authority.server(OTHER_NAME, Validity::NOW),
            CertificateFlaw::Expired => identity.authority.server(identity.name, Validity::PAST),
            CertificateFlaw::NotYetValid => identity.authority.server(identity.name, Validity::FUTURE),
            CertificateFlaw::SelfSigned => self_signed_server(identity.name),
        };
        let failed =
            |source: CertificateError| LabError::Certificate { name: identity.name.to_owned(), source };
        Self::bind(at, fault, Some(TlsAcceptor::from(config.map_err(failed)?)))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn bind(at: Ipv4Addr, fault: Fault, tls: Option<TlsAcceptor>) -> Result<Self, LabError> {
        let tasks = Tasks::new();
        let (socket, address) = reserve(SocketAddr::from((at, 0)), "a faulty server")?;
        let refusing = if matches!(fault, Fault::Refuses) {
            Some(socket)
        } else {
            let listener = listen(socket, address, "a faulty server")?;
            open(Door { listener, tls, script: Arc::new(fault) }, &tasks);
            None
        };
        Ok(Self { address, _tasks: EndOnDrop(tasks), _refusing: refusing })
    }
}

impl Script for Fault {
    fn greet(&self, _peer: IpAddr) -> Greeting {
        match self {
            Self::ResetsOnAccept => Greeting::Reset,
            Self::ResetsAfterHello => Greeting::ResetAfterHello,
            Self::Silent => Greeting::Silence,
            Self::None | Self::Refuses | Self::SlowFirstByte(_) | Self::Answers { .. } => Greeting::Serve,
        }
    }

    fn reply(&self, _asked: &Asked) -> Reply {
        let well = Reply::new(StatusCode::OK).text("content-type", "text/plain").body("well\n");
        match self {
            Self::SlowFirstByte(delay) => well.after(*delay),
            Self::Answers { status, server, body } => {
                let reply = Reply::new(*status).text("content-type", "text/html").body(body.clone());
                match server {
                    Some(server) => reply.header(header::SERVER, server.clone()),
                    None => reply,
                }
            }
            Self::None | Self::Refuses | Self::ResetsOnAccept | Self::ResetsAfterHello | Self::Silent => well,
        }
    }
}

#[cfg(test)]
mod tests;
