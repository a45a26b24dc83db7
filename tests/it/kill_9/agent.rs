//! The agent is killed with SIGKILL again and again under load, on a whole line and on one that was cut before. Everything that was in
//! a file of its spool at a kill reaches the aggregator after it, once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_proto::v1::admin::AddTargetRequest;
use parallax_proto::v1::admin::admin_service_client::AdminServiceClient;
use tokio::process::{Child, Command};

use super::{AGENT, by_operator, counted, enrol, journal, kills, said};
use crate::support::api::Api;
use crate::support::line::Line;
use crate::support::program::{Program, binary};
use crate::support::site::Site;
use crate::support::until;

/// Targets, each probed every five seconds: eighty results a second.
const TARGETS: usize = 400;
/// Shortest interval that the API takes.
const INTERVAL_MS: u32 = 5_000;
/// How long the last agent may take until nothing waits any more.
const DRAIN_DEADLINE: Duration = Duration::from_mins(1);
/// What a record begins with, and how many bytes are before its result.
const RECORD: ([u8; 4], usize) = ([0xf7, b'P', b'X', 1], 28);

/// A result's place: epoch and seq.
type Place = (u64, u64);

/// `parallax-agent`, from a configuration in its folder.
pub(crate) fn start(own: &Path) -> anyhow::Result<Child> {
    let log = File::options().create(true).append(true).open(own.with_extension("log"))?;
    let mut command = Command::new(binary().with_file_name("parallax-agent"));
    command.arg("run").arg("--config").arg(own.join("agent.toml")).env("PARALLAX_LOG", "info");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
    child.context("starting parallax-agent")
}

pub(crate) fn configure(own: &Path, aggregator: SocketAddr) -> anyhow::Result<()> {
    let config = format!(
        "aggregator = \"{aggregator}\"\ndata_dir = \"{}\"\n[probe]\nallow_cidr = [\"127.0.0.0/8\"]\nbeacons = []\n",
        own.display()
    );
    Ok(fs::write(own.join("agent.toml"), config)?)
}

/// What lies in the spool, read as its format says, by other code than the agent's own. A file's last record may be half there.
fn spooled(own: &Path) -> anyhow::Result<BTreeSet<Place>> {
    let mut places = BTreeSet::new();
    for entry in fs::read_dir(own.join("spool"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((_, epoch)) = name.strip_suffix(".results").and_then(|name| name.split_once('-')) else {
            continue;
        };
        let epoch = u64::from_str_radix(epoch, 16)?;
        let bytes = fs::read(&path)?;
        let mut rest = &bytes[..];
        while let Some(head) = rest.get(..RECORD.1) {
            ensure!(head.starts_with(&RECORD.0), "{name} has something that is no record");
            let length = u32::from_le_bytes(head[4..8].try_into()?) as usize;
            let Some(next) = rest.get(RECORD.1 + length..) else { break };
            places.insert((epoch, u64::from_le_bytes(head[12..20].try_into()?)));
            rest = next;
        }
    }
    Ok(places)
}

#[tokio::test]
async fn every_spooled_result_survives_kills_of_the_agent() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (data, own) = (dir.path().join("data"), dir.path().join("agent"));
    let mut program = Program::up(&data, &["--agents", "0", "--allow-cidr", "127.0.0.0/8"]).await?;
    enrol(&program, &data, &own, AGENT).await?;
    let line = Line::to(program.agents).await?;
    configure(&own, line.address)?;
    let mut site = Site::start().await?;
    let api = Api::of(&program).await?;
    for number in 0..TARGETS {
        let target =
            AddTargetRequest { site: format!("http://{}/{number}", site.address), interval_ms: INTERVAL_MS };
        AdminServiceClient::new(api.channel()).add_target(by_operator(&data, target)?).await?;
    }
    let kills = kills()?;
    let (mut waiting, mut at_most) = (BTreeSet::new(), 0);
    for round in 0..kills {
        let mut agent = start(&own)?;
        // It has its schedule once it probes; where the line is cut after that, what it sees can only wait.
        site.asked(3 + round * 7 % 11).await?;
        if round % 3 != 0 {
            line.cut();
            site.asked(5 + round * 5 % 23).await?;
        }
        agent.kill().await?;
        said(round, kills, "the agent");
        line.mend();
        let found = spooled(&own)?;
        at_most = at_most.max(found.len());
        waiting.extend(found);
    }
    let mut survivor = start(&own)?;
    site.asked(1).await?;
    let drained = async || match spooled(&own) {
        Ok(left) if left.is_disjoint(&waiting) => Ok(()),
        Ok(left) => Err(anyhow::anyhow!("{} results still wait", left.intersection(&waiting).count())),
        Err(error) => Err(error),
    };
    until(DRAIN_DEADLINE, drained).await?;
    survivor.kill().await?;
    let (status, _) = program.interrupt().await?;
    assert_eq!(status.code(), Some(0), "a clean end");

    let kept = kept(&data).await?;
    let lost: Vec<_> = waiting.iter().filter(|place| !kept.contains(place)).collect();
    assert!(lost.is_empty(), "{} of {} results that waited are lost: {lost:?}", lost.len(), waiting.len());
    println!(
        "{} results over {kills} kills of the agent, {} of them in its spool at a kill (at most {at_most} at once): lost 0, there twice 0",
        kept.len(),
        waiting.len(),
    );
    Ok(())
}

/// Every place in the journal; an error when a place, or a result under another place, is there twice, or when an epoch has a hole.
async fn kept(data: &Path) -> anyhow::Result<BTreeSet<Place>> {
    let (mut places, mut seen) = (BTreeSet::new(), BTreeMap::new());
    for entry in journal(data).await? {
        for (seq, result) in counted(&entry)? {
            let place = (entry.batch.epoch.0, seq);
            ensure!(places.insert(place), "{place:?} is there twice");
            // As exactly as a batch of any size keeps it; the same target comes again after seconds only.
            let began_cs = result.started_at.0 / 10_000;
            if let Some(other) = seen.insert((result.target.to_string(), began_cs), place) {
                anyhow::bail!(
                    "{} of {began_cs} cs is there twice, as {other:?} and {place:?}",
                    result.target
                );
            }
        }
    }
    let ends: BTreeMap<u64, u64> = places.iter().copied().collect();
    let whole: u64 = ends.values().sum();
    ensure!(whole == places.len() as u64, "{whole} places were given out and {} are there", places.len());
    Ok(places)
}
