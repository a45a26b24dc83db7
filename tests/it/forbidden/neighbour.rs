//! The volunteer's own printer: a machine with a public IPv6 address behind the same router as the agent (threats.md T3).
//!
//! Three networks: the agent's, the router's, the neighbour's. The real program probes, the neighbour counts what arrives.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parallax_model::{BlockedFailure, FailureKind, Outcome, ProbeResult};
use parallax_proto::result_from_wire;
use parallax_proto::v1::check::CheckResponse;
use parallax_proto::v1::check::check_response::Event;
use tokio::time::timeout;

use super::space::{Space, made};
use crate::support::api::Api;
use crate::support::outside::needed;
use crate::support::program::Program;
use crate::support::until;

/// Where the agent stands, and two places at the neighbour's: one in the agent's /56, one in another.
const AGENT: &str = "2a01:4f8:1:201::5";
const NEAR: &str = "2a01:4f8:1:202::";
const FAR: &str = "2a06:98c0:1:302::";
/// The address that the agent gets when its provider renumbers: in the /56 that was another's before.
const RENUMBERED: &str = "2a06:98c0:1:301::5";
/// How long one row of a check may take.
const ROW_DEADLINE: Duration = Duration::from_secs(25);
/// The agent reads its network every 5 s; this is three times that.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

/// The three networks, with a neighbour who answers on port 80.
struct Street {
    agent: Space,
    neighbour: Space,
    _router: Space,
    nft: PathBuf,
}

impl Street {
    fn new(ip: &Path, nft: PathBuf) -> anyhow::Result<Option<Self>> {
        let [Some(agent), Some(router), Some(neighbour)] =
            [made(ip, "agent")?, made(ip, "router")?, made(ip, "neighbour")?]
        else {
            return Ok(None);
        };
        for (space, link, address) in
            [(&agent, "left", "2a01:4f8:1:201::1"), (&neighbour, "right", "2a01:4f8:1:202::1")]
        {
            space.ip(&format!("link add wan type veth peer name {link} netns {}", router.name()))?;
            space.ip("link set wan up")?;
            router.ip(&format!("link set {link} up"))?;
            router.ip(&format!("address add {address}/64 dev {link} nodad"))?;
        }
        router.run(Path::new("/bin/sh"), &["-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"], "")?;
        router.ip(&format!("route add {FAR}/64 via {NEAR}9"))?;
        router.ip(&format!("route add {RENUMBERED}/128 via {AGENT}"))?;
        agent.ip(&format!("address add {AGENT}/64 dev wan nodad"))?;
        agent.ip("-6 route add default via 2a01:4f8:1:201::1")?;
        neighbour.ip(&format!("address add {NEAR}9/64 dev wan nodad"))?;
        neighbour.ip("-6 route add default via 2a01:4f8:1:202::1")?;
        // Every address of the far network is the neighbour's, so that each question can be about another one.
        neighbour.ip(&format!("-6 route add local {FAR}/64 dev lo"))?;
        neighbour.run(&nft, &["-f", "-"], &rules())?;
        Ok(Some(Self { agent, neighbour, _router: router, nft }))
    }

    /// The addresses at which anything arrived.
    fn met(&self) -> anyhow::Result<String> {
        self.neighbour.run(&self.nft, &["list", "set", "ip6", "arrived", "met"], "")
    }
}

/// Notes each address of the neighbour's to which any packet comes.
fn rules() -> String {
    format!(
        "table ip6 arrived {{
            set met {{ type ipv6_addr; flags dynamic; size 1024; }}
            chain coming {{
                type filter hook input priority 0; policy accept;
                ip6 daddr {{ {NEAR}/64, {FAR}/64 }} meta l4proto {{ tcp, udp }} update @met {{ ip6 daddr }}
            }}
        }}"
    )
}

/// Answers every connection with 204.
fn answer(listener: &TcpListener) {
    use std::io::{Read as _, Write as _};
    while let Ok((mut stream, _)) = listener.accept() {
        let mut request = [0; 4_096];
        // A visitor who hangs up early is none of the test's business.
        drop(stream.read(&mut request));
        drop(stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"));
    }
}

/// What the one agent saw of a site.
async fn seen(api: &Api, site: &str) -> anyhow::Result<ProbeResult> {
    let mut events = api.start_check(site).await?;
    let row = async {
        while let Some(CheckResponse { event: Some(event) }) = events.message().await? {
            if let Event::Row(row) = event {
                return Ok(result_from_wire(&row.result.context("a row has a result")?)?);
            }
        }
        bail!("no row of {site}")
    };
    timeout(ROW_DEADLINE, row).await.with_context(|| format!("no row of {site} in time"))?
}

fn refused(result: &ProbeResult) -> anyhow::Result<()> {
    let kind = result.outcome.kind();
    ensure!(kind == Some(FailureKind::Blocked(BlockedFailure::Address)), "{}", result.outcome);
    let detail = result.detail.as_deref().unwrap_or_default();
    ensure!(detail.contains("the network that the probe itself stands in"), "{detail}");
    Ok(())
}

async fn nothing_reaches_the_neighbour(street: &Street) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let program = Program::up(&dir.path().join("data"), &["--agents", "1"]).await?;
    let api = Api::of(&program).await?;
    api.online(1).await?;
    let near = seen(&api, &format!("http://[{NEAR}9]/")).await?;
    refused(&near)?;
    let far = seen(&api, &format!("http://[{FAR}1]/")).await?;
    ensure!(far.outcome == Outcome::Ok, "a stranger is probed: {} {:?}", far.outcome, far.detail);
    let met = street.met()?;
    ensure!(met.contains(&format!("{FAR}1")) && !met.contains(NEAR), "{met}");

    street.agent.ip(&format!("address add {RENUMBERED}/64 dev wan nodad"))?;
    let mut number = 1;
    until(NOTICED_WITHIN, async || {
        number += 1;
        refused(&seen(&api, &format!("http://[{FAR}{number:x}]/")).await?)
    })
    .await
    .context("the agent notices that the far network is its own now")?;
    refused(&seen(&api, &format!("http://[{FAR}ffff]/")).await?)?;
    let met = street.met()?;
    ensure!(!met.contains(&format!("{FAR}ffff")) && !met.contains(NEAR), "{met}");
    println!("the neighbour was met at: {met}");
    Ok(())
}

#[test]
fn a_neighbour_with_a_public_address_never_hears_from_the_agent() -> anyhow::Result<()> {
    let Some([ip, nft]) = needed(["ip", "nft"]) else { return Ok(()) };
    let Some(street) = Street::new(&ip, nft)? else { return Ok(()) };
    let (ready, listening) = std::sync::mpsc::sync_channel(1);
    let neighbour = street.neighbour.door()?;
    // It waits for visitors until the test process ends.
    std::thread::spawn(move || {
        neighbour.enter().expect("inside");
        let listener = TcpListener::bind("[::]:80").expect("port 80");
        ready.send(()).expect("the test waits");
        answer(&listener);
    });
    listening.recv().context("the neighbour listens")?;
    std::thread::scope(|threads| {
        let probing = threads.spawn(|| {
            street.agent.door()?.enter()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(nothing_reaches_the_neighbour(&street))
        });
        probing.join().expect("no panic")
    })
}
