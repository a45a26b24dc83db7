//! The network must never be a weapon: whatever an agent is told to probe, nothing leaves for a place where nothing may go.
//!
//! In a network namespace where every address there is answers, the kernel counts what leaves, by rules that share nothing with the
//! policy under test.

mod destinations;
mod inputs;
mod names;
mod neighbour;
mod servers;
mod space;
mod witness;

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;
use parallax_model::UnixMicros;
use parallax_policy::Policy;
use parallax_probe::{ProbeRequest, Prober, ProberSettings, ResolverSetting};
use parallax_runtime::seeded;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::outside::needed;
use destinations::{Destinations, Kind, PLAN};
use servers::Papers;
use space::{Space, made};
use witness::{RESOLVER, Witness};

/// How many destinations there are.
const DESTINATIONS: usize = 1_000_000;
/// The seed that all of them come from.
const SEED: u64 = 9_000;
/// Probes on their way at the same time.
const IN_FLIGHT: usize = 64;
/// The moment of every probe.
const NOW: UnixMicros = UnixMicros(1_780_272_000_000_000);

/// What the agent of the test refuses as its own network.
const OWN: [&str; 4] = ["185.12.64.7/32", "185.12.65.0/24", "2a01:4f8:1:200::/56", "9.9.9.9/32"];
/// The prefix under which its network translates.
const OWN_NAT64: &str = "2a02:898:64::/96";

/// A namespace in which every address is its own, or says why there is none.
fn space(ip: &Path, label: &str) -> anyhow::Result<Option<Space>> {
    let Some(space) = made(ip, label)? else { return Ok(None) };
    space.ip("route add local 0.0.0.0/0 dev lo")?;
    space.ip("-6 route add local ::/0 dev lo")?;
    // Servers can only be bound to IPv6 addresses that an interface has.
    space.ip(&format!("-6 address add {}/128 dev lo nodad", servers::PUBLIC.1))?;
    Ok(Some(space))
}

fn prober(papers: &Papers) -> anyhow::Result<Prober> {
    let own: Vec<IpNet> = OWN.iter().map(|range| range.parse()).collect::<Result<_, _>>()?;
    let policy = Policy::public().refusing_ranges(own).with_nat64([OWN_NAT64.parse()?]);
    let mut settings = ProberSettings::new(policy);
    settings.resolver = ResolverSetting::Servers { name: "test".into(), addrs: vec![(RESOLVER, 53).into()] };
    settings.extra_roots = vec![papers.root.clone()];
    Ok(Prober::new(settings)?)
}

/// Probes every destination of the plan; says how each kind ended.
async fn probe_all() -> anyhow::Result<BTreeMap<(Kind, String), usize>> {
    let papers = Papers::new()?;
    let mut servers = JoinSet::new();
    servers::serve(&papers, &mut servers).await?;
    let prober = Arc::new(prober(&papers)?);
    let mut destinations = Destinations::new(seeded(SEED));
    let mut ends = BTreeMap::new();
    let mut running = JoinSet::new();
    for (kind, count) in PLAN {
        let began = Instant::now();
        for _ in 0..count {
            if running.len() >= IN_FLIGHT {
                count_one(&mut ends, running.join_next().await.context("some run")??);
            }
            let probe = one(Arc::clone(&prober), kind, destinations.draw(kind));
            if kind.is_slow() {
                running.spawn(probe);
            } else {
                count_one(&mut ends, probe.await);
            }
        }
        println!("{kind:?}: {count} in {:?}", began.elapsed());
    }
    while let Some(ended) = running.join_next().await {
        count_one(&mut ends, ended?);
    }
    Ok(ends)
}

async fn one(prober: Arc<Prober>, kind: Kind, request: ProbeRequest) -> (Kind, String) {
    let result = match kind {
        Kind::Careful => prober.probe_with_care(&request, NOW, Duration::ZERO).await,
        _ => prober.probe(&request, NOW).await,
    };
    (kind, result.outcome.to_string())
}

fn count_one(ends: &mut BTreeMap<(Kind, String), usize>, end: (Kind, String)) {
    *ends.entry(end).or_default() += 1;
}

#[test]
fn a_million_destinations_and_nothing_leaves_for_a_forbidden_one() -> anyhow::Result<()> {
    let Some([ip, nft]) = needed(["ip", "nft"]) else { return Ok(()) };
    let Some(space) = space(&ip, "forbidden")? else { return Ok(()) };
    let witness = Witness::new(&space, nft)?;
    let done = AtomicBool::new(false);
    let ends = std::thread::scope(|threads| -> anyhow::Result<_> {
        let resolver = threads.spawn(|| {
            space.door()?.enter()?;
            names::serve(&done)
        });
        let probing = threads.spawn(|| {
            space.door()?.enter()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(probe_all())
        });
        let ends = probing.join().expect("no panic");
        done.store(true, Ordering::Relaxed);
        resolver.join().expect("no panic")?;
        ends
    })?;
    for ((kind, outcome), count) in &ends {
        println!("{kind:?} {outcome}: {count}");
    }
    let seen = witness.seen()?;
    println!("on the wire: {seen:?}");
    assert_eq!(ends.values().sum::<usize>(), DESTINATIONS);
    assert_eq!(seen.forbidden, 0, "{}", witness.caught()?);
    assert!(
        seen.connects > 10_000 && seen.questions > 10_000 && seen.datagrams > 100,
        "the witness sees: {seen:?}"
    );
    for ((kind, outcome), count) in &ends {
        let refused = ["blocked-address", "agent-policy"].contains(&outcome.as_str());
        assert!(refused || !kind.all_forbidden(), "{kind:?}: {count} ended with {outcome}");
    }
    catches(&space, &witness)
}

/// Connects on purpose to where nothing may go: the witness must count each.
fn catches(space: &Space, witness: &Witness<'_>) -> anyhow::Result<()> {
    let v4 = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "168.63.129.16", "185.12.64.7", "240.0.0.1"];
    let v6 = [
        "::1",
        "::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::808:808",
        "2a02:898:64::a9fe:a9fe",
        "2002:7f00:1::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "2a00:1450:1:2:0:5efe:a00:1",
        "2a00:1450:1:2:200:5efe:7f00:1",
        "2a01:4f8:1:2ff::9",
        "fd00:ec2::254",
        "4000::1",
    ];
    let places: Vec<IpAddr> = v4.iter().chain(&v6).map(|text| text.parse()).collect::<Result<_, _>>()?;
    std::thread::scope(|threads| {
        let connecting = threads.spawn(|| -> anyhow::Result<()> {
            space.door()?.enter()?;
            for ip in &places {
                // Nobody listens there: what matters is that the SYN leaves.
                drop(TcpStream::connect((*ip, 80)));
                let any = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                UdpSocket::bind(any)?.send_to(b"?", (*ip, 443))?;
            }
            Ok(())
        });
        connecting.join().expect("no panic")
    })?;
    let caught = witness.seen()?.forbidden;
    assert_eq!(caught, 2 * places.len() as u64, "a SYN and a datagram to each: {}", witness.caught()?);
    Ok(())
}
