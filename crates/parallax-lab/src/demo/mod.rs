//! The demonstration: a few sites on loopback that break on purpose, and the vantage points that see it.
//!
//! Nothing here needs root, port 443 or the Internet: sites listen at 127.80.x.y on ports the system picks, agents leave from
//! 127.64.0.x, and [`DemoWorld`] holds what agents must be told (connect-to rules, an extra root certificate, a resolver).
//! Who sees what is decided by the asker's address alone, so every run shows the same.

mod agents;
mod cdn;
mod dns;
mod pages;
mod sites;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use parallax_model::{AgentId, CauseKind, Host, Pop, Scheme, Scope, Target, Vantage, Verdict};
use tokio::net::TcpSocket;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::LabError;
use crate::serve::{Door, PORT_TRIES, both_transports, listen, open, reserve};
use crate::tasks::{EndOnDrop, Tasks};
use crate::tls::{Authority, Validity};
use agents::{PLACES, Place};
use dns::{ADDRESS, ZONE, Zone};
use sites::{PLANS, Plan, Plot, Stage, Visits};

/// Everything of the demonstration listens inside this network.
const NETWORK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 80, 0, 0), 16);

/// What can be chosen about the demonstration.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// How much longer `tickets.demo` takes with each request of one asker, until it starts over after sixteen.
    pub overload_step: Duration,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { overload_step: Duration::from_millis(90) }
    }
}

/// What agents must be told to stand in the demonstration, and what they should find there.
#[derive(Debug, Clone)]
pub struct DemoWorld {
    /// The lab's DNS server for the zone, over UDP and TCP. What it answers depends on the asker's source address.
    pub resolver: SocketAddr,
    /// The zone's own server: the same one, for questions without recursion. It always knows the addresses of today.
    pub authority: SocketAddr,
    /// The zone it answers for; it refuses every other name. `gone` in it does not exist.
    pub zone: Host,
    /// The extra root certificate (PEM) under which the sites' certificates stand.
    pub ca_pem: String,
    /// The addresses agents must be allowed to connect to.
    pub allow: Vec<IpNet>,
    /// curl's `--connect-to` rules, `HOST1:PORT1:HOST2:PORT2`: keep the host, change the port (`shop.demo:443::34443`).
    pub connect_to: Vec<String>,
    /// Targets that always work, over plain HTTP and over TLS: they tell an agent that its own line does.
    pub beacons: Vec<Target>,
    /// The sites.
    pub sites: Vec<DemoSite>,
    /// The agents.
    pub agents: Vec<DemoAgent>,
}

/// One site, and what should be said about it.
#[derive(Debug, Clone)]
pub struct DemoSite {
    /// What is probed.
    pub target: Target,
    /// What it shows, in one line.
    pub shows: String,
    /// The expected verdict.
    pub verdict: Verdict,
    /// The expected scopes; empty when up.
    pub scopes: Vec<Scope>,
    /// The expected cause, where one can be told from outside.
    pub cause: Option<CauseKind>,
    /// The agents that do not get a good answer from it: always, or for the overloaded site now and then.
    pub affected: Vec<AgentId>,
}

/// One vantage point.
#[derive(Debug, Clone)]
pub struct DemoAgent {
    /// Its name.
    pub name: AgentId,
    /// The loopback address its packets, questions to the resolver included, must leave from.
    pub source: Ipv4Addr,
    /// What that address stands for.
    pub vantage: Vantage,
    /// The name of the resolver it asks: `isp` or `public-one`.
    pub resolver: String,
    /// The PoP of the lab's CDN that it is sent to.
    pub pop: Pop,
}

/// The running demonstration. Dropping it ends its tasks too, without waiting for them.
#[derive(Debug)]
pub struct DemoLab {
    world: DemoWorld,
    tasks: EndOnDrop,
    /// Ports at addresses that sites left behind: held, so that connecting stays refused.
    _refusing: Vec<TcpSocket>,
}

impl DemoLab {
    /// Binds everything on ports the system picks and returns when all listeners are ready.
    ///
    /// # Errors
    /// When a loopback address cannot be bound or a certificate cannot be made.
    pub async fn start(options: DemoOptions) -> Result<Self, LabError> {
        let tasks = EndOnDrop(Tasks::new());
        let certificate = |name: &str| {
            let name = name.to_owned();
            move |source| LabError::Certificate { name, source }
        };
        let authority = Authority::new("Parallax demonstration CA").map_err(certificate(ZONE))?;
        let visits = Arc::new(Visits::new());
        let (mut connect_to, mut refusing) = (Vec::new(), Vec::new());
        for plan in &PLANS {
            let host = plan.target().host;
            let tls = authority.server(host.as_str(), Validity::NOW).map_err(certificate(host.as_str()))?;
            let stage = Stage::new(plan, Arc::clone(&visits), options.overload_step);
            for scheme in [Scheme::Https, Scheme::Http] {
                let tls = (scheme == Scheme::Https).then(|| TlsAcceptor::from(Arc::clone(&tls)));
                let port = play(&stage, plan, tls.as_ref(), &tasks.0, &mut refusing)?;
                connect_to.push(format!("{host}:{}::{port}", scheme.default_port()));
            }
        }
        let (udp, tcp, resolver) = both_transports(ADDRESS, "the resolver").await?;
        dns::serve(&Zone::new(Instant::now()), udp, tcp, &tasks.0);
        let world = world(resolver, authority.pem(), connect_to);
        Ok(Self { world, tasks, _refusing: refusing })
    }

    /// What agents and tests need to know of it.
    pub fn world(&self) -> &DemoWorld {
        &self.world
    }

    /// Ends every task and waits for them.
    pub async fn stop(self) {
        self.tasks.0.stop().await;
    }
}

/// Opens one door at each address of a site, all on one port, which it returns. The site's left-behind address gets the same
/// port held and closed.
fn play(
    stage: &Stage,
    plan: &Plan,
    tls: Option<&TlsAcceptor>,
    tasks: &Tasks,
    refusing: &mut Vec<TcpSocket>,
) -> Result<u16, LabError> {
    let serving = plan.serving();
    let addresses: Vec<Ipv4Addr> = serving.iter().copied().chain(plan.left_behind()).collect();
    let (port, sockets) = reserve_everywhere(plan.name, &addresses)?;
    let mut sockets = sockets.into_iter();
    for (address, socket) in serving.iter().zip(sockets.by_ref()) {
        let listener = listen(socket, SocketAddr::from((*address, port)), plan.name)?;
        open(Door { listener, tls: tls.cloned(), script: Arc::new(stage.at(*address)) }, tasks);
    }
    refusing.extend(sockets);
    Ok(port)
}

/// Takes one port at every address.
fn reserve_everywhere(what: &str, addresses: &[Ipv4Addr]) -> Result<(u16, Vec<TcpSocket>), LabError> {
    for _ in 0..PORT_TRIES {
        let mut port = 0;
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            match reserve(SocketAddr::from((*address, port)), what) {
                Ok((socket, bound)) => {
                    port = bound.port();
                    sockets.push(socket);
                }
                Err(error) if port == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if sockets.len() == addresses.len() {
            return Ok((port, sockets));
        }
    }
    Err(LabError::NoPort { what: what.to_owned(), tries: PORT_TRIES })
}

fn world(resolver: SocketAddr, ca_pem: &str, connect_to: Vec<String>) -> DemoWorld {
    DemoWorld {
        resolver,
        authority: resolver,
        zone: ZONE.parse().expect("the zone is a host"),
        ca_pem: ca_pem.to_owned(),
        allow: vec![IpNet::V4(NETWORK)],
        connect_to,
        beacons: beacons(),
        sites: PLANS.iter().filter(|plan| plan.plot != Plot::Beacon).map(site).collect(),
        agents: PLACES.iter().enumerate().map(agent).collect(),
    }
}

fn beacons() -> Vec<Target> {
    let secure = PLANS.iter().filter(|plan| plan.plot == Plot::Beacon).map(Plan::target);
    let plain = |target: Target| Target { scheme: Scheme::Http, port: Scheme::Http.default_port(), ..target };
    secure.flat_map(|target| [plain(target.clone()), target]).collect()
}

fn site(plan: &Plan) -> DemoSite {
    let affected = PLACES.iter().filter(|place| plan.affects(place));
    DemoSite {
        target: plan.target(),
        shows: plan.shows.to_owned(),
        verdict: plan.verdict(),
        scopes: plan.scopes(),
        cause: plan.cause(),
        affected: affected.map(agent_id).collect(),
    }
}

fn agent((index, place): (usize, &Place)) -> DemoAgent {
    DemoAgent {
        name: agent_id(place),
        source: agents::source(index),
        vantage: place.vantage(),
        resolver: place.resolver.as_str().to_owned(),
        pop: place.pop.pop(),
    }
}

fn agent_id(place: &Place) -> AgentId {
    place.name.parse().expect("names of the table are agent ids")
}
