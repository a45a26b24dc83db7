//! Addresses that a probe may connect to.

use std::net::{IpAddr, SocketAddr};

use parallax_model::{Host, Port};

use crate::address::Origin;
use crate::{Code, Policy, Reason, Refusal};

/// Most answers of one name that are judged. Those beyond are neither judged nor returned, so a name with thousands of
/// addresses costs no more than this and reaches no more than these.
pub const MAX_ANSWERS: usize = 32;

/// An address the policy has judged and a probe may connect to. Nothing outside this crate can make one:
///
/// ```compile_fail,E0423
/// let addr = parallax_policy::VettedAddr("127.0.0.1:80".parse().unwrap());
/// ```
///
/// ```compile_fail,E0599
/// let addr = parallax_policy::VettedAddr::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VettedAddr(SocketAddr);

impl VettedAddr {
    /// Address and port to connect to.
    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }
}

/// The port of name servers (RFC 1035, 4.2).
const DNS_PORT: u16 = 53;

/// The address of a zone's name server that the policy has judged and that may be asked for names, at port 53. It is no
/// [`VettedAddr`]: nothing but a question for names goes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VettedNameServer(SocketAddr);

impl VettedNameServer {
    /// Address and port to ask.
    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }
}

impl Policy {
    /// Judges the addresses of a zone's name server as [`Policy::vet`] judges a site's: one refused address refuses all, and of
    /// more than [`MAX_ANSWERS`] only the first ones are judged and returned. Whoever writes a zone chooses these addresses, so
    /// they are as little to be trusted as the site's own.
    pub fn vet_name_server(
        &self,
        server: &Host,
        answers: &[IpAddr],
    ) -> Result<Vec<VettedNameServer>, Refusal> {
        let judged = |&ip: &IpAddr| {
            self.judge_address(ip, Origin::Resolved).map_err(|refusal| match refusal.reason() {
                Reason::IpSpecial => resolved_refusal(server, ip),
                _ => refusal,
            })?;
            Ok(VettedNameServer(SocketAddr::new(ip, DNS_PORT)))
        };
        answers.iter().take(MAX_ANSWERS).map(judged).collect()
    }

    /// Judges what `host` resolved to and gives back what may be connected to, in the order of `answers`.
    ///
    /// If one answer is refused, all are: a name that mixes public and private addresses is probing us, not asking. Of more
    /// than [`MAX_ANSWERS`] answers only the first ones are judged and returned. No answers give no addresses.
    pub fn vet(&self, host: &Host, port: Port, answers: &[IpAddr]) -> Result<Vec<VettedAddr>, Refusal> {
        let origin = if host.ip().is_some() { Origin::Typed } else { Origin::Resolved };
        answers
            .iter()
            .take(MAX_ANSWERS)
            .map(|&ip| {
                self.judge_address(ip, origin).map_err(|refusal| match (origin, refusal.reason()) {
                    (Origin::Resolved, Reason::IpSpecial) => resolved_refusal(host, ip),
                    _ => refusal,
                })?;
                if !self.allows_range(ip) && !matches!(port.get(), 80 | 443) {
                    return Err(port_refusal(port));
                }
                Ok(VettedAddr(SocketAddr::new(ip, port.get())))
            })
            .collect()
    }
}

fn resolved_refusal(host: &Host, ip: IpAddr) -> Refusal {
    Refusal::about(
        Reason::IpSpecial,
        host,
        format!(
            "is not probed because its name leads to {ip}, which is not an address of the public Internet."
        ),
    )
    .coded(Code::BlockedAddress)
}

pub(crate) fn port_refusal(port: Port) -> Refusal {
    let predicate = match port.get() {
        80 => "belongs to http:// and not to https://: leave the port out.",
        443 => "belongs to https:// and not to http://: leave the port out.",
        _ => "is not probed, only the usual ports of http:// and https:// are: leave the port out.",
    };
    Refusal::about(Reason::PortNotAllowed, format!("Port {port}"), predicate)
}

#[cfg(test)]
mod tests;
