//! A herd: many agents, each with the backlog of an hour, come back to the real aggregator in the same moment. All of them get in, what
//! they see now arrives at once, and the backlog arrives whole behind it.
//!
//! The agents are whole ones, in one process. How they spread over five minutes when nobody sends them all at once is seen in the
//! agent's own simulation. `PARALLAX_HERD_AGENTS` says how many, for the long run of `cargo xtask soak herd`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, ensure};
use parallax_agent::{AgentConfig, AgentParts, LinkState, RunningAgent, enroll, start};
use parallax_model::{Outcome, ProbeResult, UnixMicros};
use parallax_proto::batch::encode;
use parallax_proto::v1::admin::admin_service_client::AdminServiceClient;
use parallax_proto::v1::admin::{AddTargetRequest, CreateTokenRequest};
use parallax_runtime::{Clock as _, Lifecycle, SystemClock, seeded};
use prost::Message as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::kill_9::{by_operator, counted, journal};
use crate::support::api::Api;
use crate::support::program::{Program, command};
use crate::support::site::Site;
use crate::support::until;

/// How many agents there are when nothing else is said.
const AGENTS: u64 = 50;
/// Agents that enrol at the same time.
const ENROLLING: usize = 16;
/// What each agent saw in its hour: two targets, every half minute, in two epochs.
const BACKLOG: [u64; 2] = [120, 120];
/// What is watched, and how often.
const TARGETS: (usize, u32) = (2, 5_000);
/// Everybody is back within this.
const BACK: Duration = Duration::from_mins(5);
/// What an agent sees arrives within this after it is back.
const LIVE: Duration = Duration::from_secs(10);
/// The backlog of all is home within this after everybody is back.
const HOME: Duration = Duration::from_mins(5);
/// An hour.
const HOUR_US: i64 = 3_600_000_000;

/// A result's place: agent, epoch, seq.
type Place = (String, u64, u64);

fn name(number: u64) -> String {
    format!("herd-{number}")
}

fn config(dir: &Path, program: &Program, number: u64) -> AgentConfig {
    let mut config = AgentConfig {
        aggregator: program.agents.to_string(),
        data_dir: dir.join(name(number)),
        ..AgentConfig::default()
    };
    config.probe.allow_cidr = vec!["127.0.0.0/8".parse().expect("a range")];
    config.probe.beacons = Vec::new();
    config
}

async fn enrol_all(dir: &Path, data: &Path, program: &Program, agents: u64) -> anyhow::Result<()> {
    let api = Api::of(program).await?;
    let mut enrolling: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for number in 0..agents {
        if enrolling.len() >= ENROLLING {
            enrolling.join_next().await.context("they run")???;
        }
        let request = by_operator(data, CreateTokenRequest { agent_id: name(number), lifetime_s: 0 })?;
        let (channel, config) = (api.channel(), config(dir, program, number));
        enrolling.spawn(async move {
            let made = AdminServiceClient::new(channel).create_token(request).await?;
            Ok(enroll(&config, &made.into_inner().token, Arc::new(SystemClock)).await?)
        });
    }
    while let Some(enrolled) = enrolling.join_next().await {
        enrolled??;
    }
    Ok(())
}

/// Writes what an agent that was killed after an hour alone leaves behind, as the spool's format says.
fn leave_behind(dir: &Path, number: u64, now_us: i64) -> anyhow::Result<BTreeSet<Place>> {
    let folder = dir.join(name(number)).join("spool");
    fs::create_dir_all(&folder)?;
    let all: u64 = BACKLOG.iter().sum();
    let (mut places, mut before) = (BTreeSet::new(), 0);
    for (order, results) in (1_u64..).zip(BACKLOG) {
        let epoch = number << 8 | order;
        let mut file = Vec::new();
        for seq in 1..=results {
            let age = HOUR_US / i64::try_from(all)? * i64::try_from(all - before - seq)?;
            let target = format!("https://away.example/{seq}").parse()?;
            let result = ProbeResult::new(target, UnixMicros(now_us - age), Outcome::Ok);
            put(&mut file, epoch, seq, &result)?;
            places.insert((name(number), epoch, seq));
        }
        before += results;
        fs::write(folder.join(format!("{order:016x}-{epoch:016x}.results")), file)?;
    }
    Ok(places)
}

/// One record, written by other code than the agent's own.
fn put(file: &mut Vec<u8>, epoch: u64, seq: u64, result: &ProbeResult) -> anyhow::Result<()> {
    let row = encode(std::slice::from_ref(result)).encode_to_vec();
    let length = u32::try_from(row.len())?.to_le_bytes();
    let body = [&seq.to_le_bytes()[..], &result.started_at.0.to_le_bytes(), &row].concat();
    let checksum = crc32fast::hash(&[&epoch.to_le_bytes()[..], &length, &body].concat());
    file.extend_from_slice(&[0xf7, b'P', b'X', 1]);
    file.extend_from_slice(&length);
    file.extend_from_slice(&checksum.to_le_bytes());
    file.extend_from_slice(&body);
    Ok(())
}

/// Processor time of the aggregator and of everything in this process: the agents and the site.
fn processor_times(program: &Program) -> anyhow::Result<(Duration, Duration)> {
    let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let own = Duration::new(u64::try_from(own.tv_sec)?, u32::try_from(own.tv_nsec)?);
    Ok((program.processor_time()?, own))
}

/// When each agent had its session: by name, and after how long.
async fn all_back(
    running: Vec<RunningAgent>,
    began: Instant,
) -> anyhow::Result<BTreeMap<String, (i64, Duration)>> {
    let mut waiting: JoinSet<anyhow::Result<_>> = JoinSet::new();
    for mut agent in running {
        waiting.spawn(async move {
            agent.link.wait_for(|state| *state == LinkState::Connected).await?;
            Ok((agent.id.to_string(), (SystemClock.now_micros(), began.elapsed())))
        });
    }
    let mut back = BTreeMap::new();
    while let Some(agent) = waiting.join_next().await {
        back.extend([agent??]);
    }
    Ok(back)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_with_the_backlog_of_an_hour_comes_home() -> anyhow::Result<()> {
    let agents =
        env::var_os("PARALLAX_HERD_AGENTS").map_or(Ok(AGENTS), |agents| agents.to_string_lossy().parse())?;
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let options = ["--agents", "0", "--allow-cidr", "127.0.0.0/8"];
    let mut program = Program::up(&data, &options).await?;
    let mut site = Site::start().await?;
    enrol_all(dir.path(), &data, &program, agents).await?;
    let api = Api::of(&program).await?;
    for number in 0..TARGETS.0 {
        let target =
            AddTargetRequest { site: format!("http://{}/{number}", site.address), interval_ms: TARGETS.1 };
        AdminServiceClient::new(api.channel()).add_target(by_operator(&data, target)?).await?;
    }
    let (page, agents_at) = (program.page.to_string(), program.agents.to_string());
    program.kill().await?;
    let now_us = SystemClock.now_micros();
    let mut away = BTreeSet::new();
    for number in 0..agents {
        away.extend(leave_behind(dir.path(), number, now_us)?);
    }
    let mut again = vec!["up", "--listen", &page, "--agents-listen", &agents_at];
    again.extend(options);
    let mut program = Program::start(command(&again), &data).await?;

    let lifecycle = Lifecycle::new();
    let (before, began) = (processor_times(&program)?, Instant::now());
    let mut running = Vec::new();
    for number in 0..agents {
        let parts =
            AgentParts { clock: Arc::new(SystemClock), rng: seeded(number), tasks: lifecycle.tasks() };
        running.push(start(config(dir.path(), &program, number), parts).await?);
    }
    println!("{agents} agents are started after {:.1} s", began.elapsed().as_secs_f64());
    let back = timeout(BACK, all_back(running, began)).await.context("not all are back")??;
    let last_back = back.values().map(|(_, after)| *after).max().unwrap_or_default();
    until(HOME, async || nothing_left(dir.path(), agents)).await?;
    let (home, after) = (began.elapsed(), processor_times(&program)?);
    // Two rounds of every agent: what the last of them saw first is in by then.
    site.asked(2 * agents * TARGETS.0 as u64).await?;
    ensure!(lifecycle.drain().await.is_ok(), "the agents do not end");
    let (status, _) = program.interrupt().await?;
    assert_eq!(status.code(), Some(0), "a clean end");
    report(&data, &back, &away).await?;
    println!(
        "all are back after {:.1} s, the backlog of {} results is home after {:.1} s",
        last_back.as_secs_f64(),
        away.len(),
        home.as_secs_f64()
    );
    println!(
        "processor time until then: aggregator {:.1} s, the agents and what they look at {:.1} s",
        (after.0.saturating_sub(before.0)).as_secs_f64(),
        (after.1.saturating_sub(before.1)).as_secs_f64()
    );
    Ok(())
}

/// Whether every file of the backlog is gone.
fn nothing_left(dir: &Path, agents: u64) -> anyhow::Result<()> {
    let mut left = 0;
    for number in 0..agents {
        let folder: PathBuf = dir.join(name(number)).join("spool");
        let backlog = |order: u64| {
            let epoch = number << 8 | order;
            folder.join(format!("{order:016x}-{epoch:016x}.results")).is_file()
        };
        left += (1..=BACKLOG.len() as u64).filter(|order| backlog(*order)).count();
    }
    ensure!(left == 0, "{left} files of the backlog still wait");
    Ok(())
}

/// What is new of one agent, by the aggregator's journal, in microseconds since 1970.
struct FirstLive {
    /// When its first result began to be seen …
    began: i64,
    /// … was seen …
    seen: i64,
    /// … and came.
    received: i64,
}

/// Looks for everything in the journal, and how soon the first of what is new was there.
async fn report(
    data: &Path,
    back: &BTreeMap<String, (i64, Duration)>,
    away: &BTreeSet<Place>,
) -> anyhow::Result<()> {
    let (mut kept, mut first_live) = (BTreeSet::new(), BTreeMap::new());
    for entry in journal(data).await? {
        let (agent, epoch) = (entry.batch.agent.to_string(), entry.batch.epoch.0);
        let results = counted(&entry)?;
        for (seq, _) in &results {
            ensure!(kept.insert((agent.clone(), epoch, *seq)), "{seq} of {agent} is there twice");
        }
        if away.contains(&(agent.clone(), epoch, 1)) {
            continue;
        }
        if let Some((_, first)) = results.first() {
            let (began, received) = (first.started_at.0, entry.batch.received_at.0);
            let seen = began + i64::from(first.phases.total.0);
            first_live.entry(agent).or_insert(FirstLive { began, seen, received });
        }
    }
    let lost = away.iter().filter(|place| !kept.contains(*place)).count();
    assert_eq!(lost, 0, "of {} results of the hour", away.len());
    let (mut live, mut until_seen, mut under_way) = (Vec::new(), Vec::new(), Vec::new());
    for (agent, (connected_us, _)) in back {
        let first = first_live.get(agent).with_context(|| format!("nothing new of {agent}"))?;
        live.push((first.received - connected_us) / 1_000);
        until_seen.push((first.began - connected_us) / 1_000);
        under_way.push((first.received - first.seen) / 1_000);
    }
    let longest = spread("live after it is back", live);
    spread("of that, until its turn to look", until_seen);
    spread("from seen to received", under_way);
    println!("lost 0, there twice 0");
    assert!(longest <= i64::try_from(LIVE.as_millis())?, "live data comes too late");
    Ok(())
}

/// Says how these milliseconds are spread; the longest is the answer.
fn spread(what: &str, mut ms: Vec<i64>) -> i64 {
    ms.sort_unstable();
    let at = |share: usize| ms[(ms.len() - 1) * share / 100];
    println!("{what}: p50 {} ms, p99 {} ms, max {} ms", at(50), at(99), at(100));
    at(100)
}
