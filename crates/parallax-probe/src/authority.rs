//! What a zone's own servers say about a name, asked on demand: its addresses now, how long they hold, and the zone's serial.
//!
//! A resolver may hold an answer that is no longer given; only the zone's own servers can say so. Whoever writes a zone chooses
//! those servers, so their addresses go through the policy as a site's do, and everything is bounded: labels walked, servers
//! asked, questions, addresses and time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use parallax_model::{DnsFacts, Family, Host, MAX_ADDRESSES};
use parallax_policy::registrable_domain;
use thiserror::Error;

use crate::Prober;
use crate::connect::has_route;
use crate::dns::direct::Server;
use crate::dns::{MAX_CNAMES, bind_address, name_of};

#[cfg(test)]
mod tests;

/// How long the zone's own servers are looked for and asked, all together.
pub const AUTHORITY_DEADLINE: Duration = Duration::from_secs(5);
/// Most labels that are taken off a name to find its zone.
pub const MAX_LABELS_UP: usize = 3;
/// Most servers of a zone that are asked.
pub const MAX_AUTHORITY_SERVERS: usize = 2;
/// Most questions to a zone's own servers.
pub const MAX_AUTHORITY_QUESTIONS: usize = 3;
/// The longest that zones which steer visitors let an answer be kept, in seconds: CDNs say 20 to 300.
pub const STEERING_TTL_S: u32 = 300;
/// How long one question to one server may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);

/// What a zone's own servers say about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The zone.
    pub zone: Host,
    /// The name's addresses of the family that was asked for, at most [`MAX_ADDRESSES`]; empty where it has none.
    pub addresses: Vec<IpAddr>,
    /// The name of another zone that the name stands for; its addresses are that zone's affair and not among these.
    pub alias: Option<Arc<str>>,
    /// Seconds for which resolvers may keep the answer.
    pub ttl_s: Option<u32>,
    /// Whether two questions, to two servers where there are two, had the same answer. Where they had not, the zone gives its
    /// addresses in turns, and one that it did not give now may be as current as the others.
    pub steady: bool,
    /// Serial of the zone's SOA record (RFC 1035, 3.3.13).
    pub serial: Option<u32>,
    /// The zone's primary server by that record.
    pub primary: Option<Arc<str>>,
}

/// Why a zone's own servers said nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// The name is none that zones hold.
    #[error("{host} is no name of a zone")]
    NoName {
        /// What was asked about.
        host: Host,
    },
    /// No name above it has servers, or none of them has an address that may be asked.
    #[error("no server of {host}'s zone was found that may be asked")]
    NoServer {
        /// What was asked about.
        host: Host,
    },
    /// No server answered with authority.
    #[error("no server of {zone} answered with authority")]
    NoAnswer {
        /// The zone.
        zone: Host,
    },
    /// Time was up.
    #[error("the servers of {host}'s zone did not answer within {} s", AUTHORITY_DEADLINE.as_secs())]
    TimedOut {
        /// What was asked about.
        host: Host,
    },
}

impl Authority {
    /// Whether an address that a resolver gave is still given. `None` where that cannot be told:
    ///
    /// 1. It is among the addresses: yes.
    /// 2. Else, when the zone gives its addresses in turns: cannot be told.
    /// 3. Else, when the name stands for one in another zone and the resolver went through that one: cannot be told.
    /// 4. Else, when the answer may be kept for no longer than [`STEERING_TTL_S`] and what the resolver gave may have been the
    ///    zone's word less than that ago: cannot be told. So do zones that send visitors to a place near their resolver, and an
    ///    address for another place is as good as ours.
    /// 5. Else: no.
    pub fn still_gives(&self, address: IpAddr, resolved: &DnsFacts) -> Option<bool> {
        if self.addresses.contains(&address) {
            return Some(true);
        }
        let through =
            |alias: &Arc<str>| resolved.cnames.iter().any(|known| known.eq_ignore_ascii_case(alias));
        let steers = |ttl: u32| ttl <= STEERING_TTL_S && resolved.ttl_left_s.is_none_or(|left| left <= ttl);
        let unknown =
            !self.steady || self.alias.as_ref().is_some_and(through) || self.ttl_s.is_some_and(steers);
        (!unknown).then_some(false)
    }
}

/// What one server said about a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Said {
    addresses: Vec<IpAddr>,
    alias: Option<Arc<str>>,
    ttl_s: Option<u32>,
}

impl Said {
    /// Whether both say the same, in whatever order and with whatever time left.
    fn agrees_with(&self, other: &Self) -> bool {
        let sorted = |said: &Self| {
            let mut addresses = said.addresses.clone();
            addresses.sort();
            addresses
        };
        self.alias == other.alias && sorted(self) == sorted(other)
    }
}

impl Prober {
    /// Asks the zone's own servers about a name: with recursion off, at most [`MAX_AUTHORITY_QUESTIONS`] questions to
    /// [`MAX_AUTHORITY_SERVERS`] servers, within [`AUTHORITY_DEADLINE`]. Their addresses come from the own resolver and go
    /// through the policy; a server that the operator named for a zone by rule is taken as named.
    pub async fn authority(&self, host: &Host, family: Family) -> Result<Authority, AuthorityError> {
        let asking = Box::pin(self.ask_authority(host, family));
        let asked = tokio::time::timeout(AUTHORITY_DEADLINE, asking).await;
        asked.unwrap_or_else(|_| Err(AuthorityError::TimedOut { host: host.clone() }))
    }

    async fn ask_authority(&self, host: &Host, family: Family) -> Result<Authority, AuthorityError> {
        let name = host.ip().is_none().then(|| name_of(host).ok()).flatten();
        let name = name.ok_or_else(|| AuthorityError::NoName { host: host.clone() })?;
        let (zone, servers) = self.zone_of(host).await?;
        let servers: Vec<Server> = servers.into_iter().map(|addr| self.server(addr)).collect();
        let (Some(first), Some(last)) = (servers.first(), servers.last()) else {
            return Err(AuthorityError::NoServer { host: host.clone() });
        };
        let kind = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let (one, two) = join(ask_for(*first, &name, kind), ask_for(*last, &name, kind)).await;
        let (said, again, by, questions_left) = match (one, two) {
            (Some(one), two) => (one, two, *first, MAX_AUTHORITY_QUESTIONS - 2),
            (None, Some(two)) => (two, None, *last, MAX_AUTHORITY_QUESTIONS - 2),
            (None, None) => return Err(AuthorityError::NoAnswer { zone }),
        };
        // One server's word once says nothing about taking turns, which weighs more than the serial.
        let (again, soa) = match again {
            Some(again) => (Some(again), self.ask_soa(by, &zone, questions_left).await),
            None => (ask_for(by, &name, kind).await, None),
        };
        let (serial, primary) = soa.unzip();
        Ok(Authority {
            zone,
            steady: again.is_some_and(|again| said.agrees_with(&again)),
            addresses: said.addresses,
            alias: said.alias,
            ttl_s: said.ttl_s,
            serial,
            primary,
        })
    }

    async fn ask_soa(&self, by: Server, zone: &Host, questions_left: usize) -> Option<(u32, Arc<str>)> {
        let name = name_of(zone).ok().filter(|_| questions_left > 0)?;
        let answer = by.ask(&name, RecordType::SOA, QUESTION_LIMIT).await.ok()?;
        answer.answers.iter().filter(|_| answer.metadata.authoritative).find_map(|record| {
            match &record.data {
                RData::SOA(soa) if record.name == name => Some((soa.serial, text_of(&soa.mname))),
                _ => None,
            }
        })
    }

    /// The zone that holds a name, and the addresses of its servers.
    async fn zone_of(&self, host: &Host) -> Result<(Host, Vec<SocketAddr>), AuthorityError> {
        if let Some((zone, server)) = self.names.zone(host).and_then(|z| Some((z.zone.clone(), z.authority?)))
        {
            return Ok((zone, vec![server]));
        }
        for zone in zones_above(host) {
            let servers = self.names.servers_of(&zone).await;
            if servers.is_empty() {
                continue;
            }
            let mut addresses = Vec::new();
            for server in servers.iter().take(MAX_AUTHORITY_SERVERS) {
                addresses.extend(self.address_of_server(server).await.filter(|a| !addresses.contains(a)));
            }
            return if addresses.is_empty() { break } else { Ok((zone, addresses)) };
        }
        Err(AuthorityError::NoServer { host: host.clone() })
    }

    /// One address of a name server that policy lets us ask, over a family this machine has.
    async fn address_of_server(&self, server: &Host) -> Option<SocketAddr> {
        let known = self.names.ask(server, None).await.ok()?;
        let policy = self.settings.policy.current();
        let vetted = policy.vet_name_server(server, &known.addresses).ok()?;
        let mut addresses = vetted.iter().map(|vetted| vetted.socket_addr());
        addresses.find(|addr| has_route(*addr))
    }

    fn server(&self, addr: SocketAddr) -> Server {
        Server { addr, source: bind_address(addr.ip(), &self.settings) }
    }
}

async fn ask_for(server: Server, name: &Name, kind: RecordType) -> Option<Said> {
    let answer = server.ask(name, kind, QUESTION_LIMIT).await.ok()?;
    read(name, &answer)
}

/// A name and those above it that may be a zone somebody registered, the longest first.
fn zones_above(host: &Host) -> Vec<Host> {
    let top = registrable_domain(host).unwrap_or(host.as_str()).len();
    let above = std::iter::successors(Some(host.as_str()), |name| name.split_once('.').map(|(_, rest)| rest));
    let zones = above.take_while(|name| name.len() >= top).take(MAX_LABELS_UP + 1);
    zones.filter_map(|name| name.parse().ok()).collect()
}

/// What an answer says about a name: nothing unless it speaks with authority. A name that does not exist, or has no address of
/// the family, has none.
fn read(name: &Name, answer: &Message) -> Option<Said> {
    let speaks = matches!(answer.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    if !answer.metadata.authoritative || !speaks {
        return None;
    }
    let mut said = Said::default();
    let mut owner = name;
    for _ in 0..MAX_CNAMES {
        let alias = answer.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(alias) if record.name == *owner => Some((&alias.0, record.ttl)),
            _ => None,
        });
        let Some((alias, ttl)) = alias else { break };
        owner = alias;
        said.ttl_s = Some(said.ttl_s.map_or(ttl, |least: u32| least.min(ttl)));
    }
    for record in answer.answers.iter().filter(|record| record.name == *owner) {
        let ip: IpAddr = match &record.data {
            RData::A(a) => a.0.into(),
            RData::AAAA(aaaa) => aaaa.0.into(),
            _ => continue,
        };
        if said.addresses.len() < MAX_ADDRESSES && !said.addresses.contains(&ip) {
            said.addresses.push(ip);
        }
        said.ttl_s = Some(said.ttl_s.map_or(record.ttl, |least| least.min(record.ttl)));
    }
    if said.addresses.is_empty() && owner != name {
        said.alias = Some(text_of(owner));
    }
    Some(said)
}

fn text_of(name: &Name) -> Arc<str> {
    name.to_ascii().to_ascii_lowercase().trim_end_matches('.').into()
}
