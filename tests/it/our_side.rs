//! What looks like an outage and is none: a network's agents that fall silent, and sites that all break at the same moment. Real agents,
//! one process each, look at real servers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_lab::{Fault, FaultServer};
use parallax_model::Verdict;
use parallax_proto::v1::network::network_service_client::NetworkServiceClient;
use parallax_proto::v1::network::{GetCoverageRequest, GetCoverageResponse};
use tokio::process::Child;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::kill_9::{agent, enrol};
use crate::support::api::Api;
use crate::support::program::Program;
use crate::support::until;

/// The network whose agents are lost, and how many it has: as few as make a notice.
const LOST: (u8, u8) = (1, 5);
/// The others, enough to go on saying "up" without it: eight agents in four networks.
const OTHERS: [(u8, u8); 4] = [(2, 2), (3, 2), (4, 2), (5, 2)];
/// Sites in different networks: as few as tell something of ourselves.
const SITES: u8 = 6;
/// How often they are probed.
const INTERVAL_MS: u32 = 5_000;
/// Until something is said of all of them.
const SAID: Duration = Duration::from_secs(40);
/// Until an agent that was killed is missed: at the next look.
const MISSED: Duration = Duration::from_secs(10);
/// Until what broke is seen: every agent has looked, and looked again.
const SEEN: Duration = Duration::from_secs(30);
/// How long it is looked whether something bad is said after all: two rounds.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// How often what is said is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An aggregator that knows where the agents stand and watches these sites.
async fn aggregator(dir: &Path, sites: &[SocketAddr]) -> anyhow::Result<Program> {
    let mut config = String::new();
    for (network, _) in [LOST].iter().chain(&OTHERS) {
        writeln!(
            config,
            "[[place]]\nnet = \"127.88.{network}.0/24\"\n[place.vantage]\nasn = {}\nisp = \"Net {network}\"\nregion = \"area-{network}\"\ncountry = \"DE\"",
            64_500 + u32::from(*network)
        )?;
    }
    for site in sites {
        writeln!(config, "[[target]]\nsite = \"http://{site}/\"\ninterval_ms = {INTERVAL_MS}")?;
    }
    Program::aggregator(dir, &config).await
}

/// One agent of a network.
async fn agent_of(
    dir: &Path,
    program: &Program,
    data: &Path,
    (network, number): (u8, u8),
) -> anyhow::Result<PathBuf> {
    let name = format!("agent-{network}-{number}");
    let own = dir.join(&name);
    enrol(program, data, &own, &name).await?;
    agent::configure(&own, program.agents)?;
    let file = own.join("agent.toml");
    let config = std::fs::read_to_string(&file)?;
    std::fs::write(file, format!("{config}[source]\nv4 = \"127.88.{network}.{number}\"\n"))?;
    Ok(own)
}

/// All agents of all networks, started.
async fn start_all(
    dir: &Path,
    program: &Program,
    data: &Path,
) -> anyhow::Result<BTreeMap<(u8, u8), (PathBuf, Child)>> {
    let mut agents = BTreeMap::new();
    for (network, count) in [LOST].into_iter().chain(OTHERS) {
        for number in 1..=count {
            let own = agent_of(dir, program, data, (network, number)).await?;
            let process = agent::start(&own)?;
            agents.insert((network, number), (own, process));
        }
    }
    Ok(agents)
}

async fn coverage(api: &Api) -> anyhow::Result<GetCoverageResponse> {
    Ok(NetworkServiceClient::new(api.channel()).get_coverage(GetCoverageRequest {}).await?.into_inner())
}

/// Waits until every site has this verdict.
async fn all_are(api: &Api, wanted: Verdict, deadline: Duration) -> anyhow::Result<()> {
    until(deadline, async || {
        let sites = api.sites().await?;
        ensure!(!sites.is_empty(), "no site is known");
        match sites.into_iter().find(|(_, said)| said.verdict != wanted) {
            Some((host, said)) => anyhow::bail!("{host}: {}", said.sentence),
            None => Ok(()),
        }
    })
    .await
}

/// For a while, nothing but these verdicts is said of any site.
async fn nothing_else_is_said(api: &Api, of: &[Verdict]) -> anyhow::Result<()> {
    let end = Instant::now() + AFTERWARDS;
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < end {
        ticks.tick().await;
        for (host, said) in api.sites().await? {
            ensure!(of.contains(&said.verdict), "{host}: {}", said.sentence);
        }
    }
    Ok(())
}

#[tokio::test]
async fn agents_that_fall_silent_are_a_notice_and_no_outage() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let site = FaultServer::start(Ipv4Addr::new(127, 89, 1, 1), Fault::None)?;
    let program = aggregator(&data, &[site.address()]).await?;
    let mut agents = start_all(dir.path(), &program, &data).await?;
    let api = Api::of(&program).await?;
    api.online(agents.len()).await?;
    all_are(&api, Verdict::Up, SAID).await?;
    for (_, (_, process)) in agents.iter_mut().filter(|((network, _), _)| *network == LOST.0) {
        process.kill().await?;
    }
    let notice = until(MISSED, async || {
        let seen = coverage(&api).await?;
        ensure!(seen.our_side.is_none(), "{:?}", seen.our_side);
        seen.notices.into_iter().next().context("no notice")
    });
    let notice = notice.await?;
    assert_eq!((notice.asn, notice.lost, notice.of), (64_501, 5, 5), "{}", notice.sentence);
    ensure!(
        notice.sentence.contains("Net 1") && notice.sentence.contains("no outage"),
        "{}",
        notice.sentence
    );
    nothing_else_is_said(&api, &[Verdict::Up]).await?;
    assert_eq!(api.incidents().await?, [], "silence is no incident");
    for (_, (own, process)) in agents.iter_mut().filter(|((network, _), _)| *network == LOST.0) {
        *process = agent::start(own)?;
    }
    until(SAID, async || {
        let notices = coverage(&api).await?.notices;
        ensure!(notices.is_empty(), "{notices:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn sites_that_all_break_at_once_are_our_own_side() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let server = |n| FaultServer::start(Ipv4Addr::new(127, 89, n, 1), Fault::None);
    let servers = (1..=SITES).map(server).collect::<Result<Vec<_>, _>>()?;
    let sites: Vec<SocketAddr> = servers.iter().map(FaultServer::address).collect();
    let program = aggregator(&data, &sites).await?;
    let agents = start_all(dir.path(), &program, &data).await?;
    let api = Api::of(&program).await?;
    api.online(agents.len()).await?;
    all_are(&api, Verdict::Up, SAID).await?;
    drop(servers);
    let ours = until(SEEN, async || {
        let bad = api.sites().await?.into_iter().find(|(_, said)| {
            !matches!(said.verdict, Verdict::Up | Verdict::Unknown | Verdict::Degraded | Verdict::Flaky)
        });
        let ours = coverage(&api).await?.our_side;
        ensure!(ours.is_some() || bad.is_none(), "{bad:?}");
        ours.context("our own side is not suspected")
    });
    let ours = ours.await?;
    ensure!(ours.sentence.starts_with("Our own side has a problem"), "{}", ours.sentence);
    all_are(&api, Verdict::Unknown, MISSED).await?;
    nothing_else_is_said(&api, &[Verdict::Unknown]).await?;
    let open: Vec<_> =
        api.incidents().await?.into_iter().filter(|incident| incident.closed_at_us == 0).collect();
    assert_eq!(open, [], "no site has an incident");
    drop(agents);
    Ok(())
}
