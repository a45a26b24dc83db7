//! The process that probes: told on its standard input whom to visit, it writes what became of each visit to a file.
//!
//! It is a process of its own so that its memory is the prober's and not the servers'. It is this test program again, which runs
//! [`visit_as_told`] alone; started by hand it has nothing to do.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::{env, fs};

use anyhow::{Context as _, ensure};
use parallax_model::{ProbeResult, Protocol, UnixMicros};
use parallax_policy::Policy;
use parallax_probe::{ProbeRequest, Prober, ProberSettings, ResolverSetting};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The test that is a visitor.
const THIS: &str = "hostile::visitor::visit_as_told";
/// When every probe says it began.
const NOW: UnixMicros = UnixMicros(1_760_000_000_000_000);

/// One visit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Visit {
    pub(super) url: String,
    pub(super) protocol: Option<Protocol>,
}

/// What a visitor is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Orders {
    /// The range that may be probed.
    pub(super) allowed: String,
    /// The root certificate to trust, DER.
    pub(super) root: Vec<u8>,
    /// `--resolve` rules.
    pub(super) resolve: Vec<String>,
    /// Zones with a resolver of their own.
    pub(super) zones: Vec<String>,
    /// Visits of ordinary sites before anything is measured.
    pub(super) warm_up: Vec<Visit>,
    pub(super) visits: Vec<Visit>,
    /// All visits at once; else one after the other, each with its [`Cost`].
    pub(super) at_once: bool,
    /// Where to write the [`Account`].
    pub(super) account: PathBuf,
}

/// What became of one visit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Seen {
    /// `ok`, a failure kind, or `panic`.
    pub(super) outcome: String,
    pub(super) took_ms: u64,
    pub(super) detail: Option<String>,
    /// Length of the body that was read, and whether there was more.
    pub(super) body: Option<(u32, bool)>,
    /// Every text of the result.
    pub(super) texts: Vec<String>,
    /// What it cost, where visits were made one after the other.
    pub(super) cost: Option<Cost>,
}

/// What one visit cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Cost {
    /// How much more memory the process held at its worst than before the first visit, in KiB, without pages of the program
    /// itself, which a debug build reads in as it goes.
    pub(super) grown_kib: u64,
    /// Processor time, in µs.
    pub(super) cpu_us: u64,
}

/// What a visitor writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Account {
    /// In the order of the visits.
    pub(super) seen: Vec<Seen>,
    /// How much more memory the process held at its worst than before the visits, in KiB.
    pub(super) grown_kib: u64,
    /// What all visits together cost.
    pub(super) cost: Cost,
}

/// Starts a visitor and waits for its account.
pub(super) async fn send(orders: &Orders) -> anyhow::Result<Account> {
    let told = orders.account.with_extension("orders");
    fs::write(&told, serde_json::to_vec(orders)?)?;
    let child = Command::new(env::current_exe()?)
        .args([THIS, "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::from(fs::File::open(&told)?))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.wait_with_output().await?;
    ensure!(
        output.status.success(),
        "a visitor failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&fs::read(&orders.account)?).context("reading a visitor's account")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other tests of this module start it with orders"]
async fn visit_as_told() -> anyhow::Result<()> {
    let mut told = String::new();
    std::io::stdin().read_to_string(&mut told)?;
    if told.is_empty() {
        println!("skipped: no orders");
        return Ok(());
    }
    let orders: Orders = serde_json::from_str(&told)?;
    let prober = Arc::new(prober(&orders)?);
    for visit in &orders.warm_up {
        let seen = probe(&prober, visit).await?;
        ensure!(seen.outcome == "ok", "warming up at {}: {seen:?}", visit.url);
    }
    Memory::forget_largest()?;
    let (before, cpu) = (Memory::now()?, processor_time()?);
    let seen = if orders.at_once { crowd(&prober, &orders).await? } else { queue(&prober, &orders).await? };
    let after = Memory::now()?;
    let cost = Cost { grown_kib: after.grown_since(&before), cpu_us: (processor_time()? - cpu) / 1_000 };
    let account = Account { seen, grown_kib: after.largest.saturating_sub(before.resident), cost };
    fs::write(&orders.account, serde_json::to_vec(&account)?)?;
    Ok(())
}

/// All visits at once, each in a task of its own.
async fn crowd(prober: &Arc<Prober>, orders: &Orders) -> anyhow::Result<Vec<Seen>> {
    let mut visits = JoinSet::new();
    for (at, visit) in orders.visits.iter().cloned().enumerate() {
        let prober = Arc::clone(prober);
        visits.spawn(async move { (at, probe(&prober, &visit).await) });
    }
    let mut seen: Vec<Option<Seen>> = vec![None; orders.visits.len()];
    while let Some(done) = visits.join_next().await {
        if let Ok((at, result)) = done {
            seen[at] = Some(result?);
        }
    }
    Ok(seen.into_iter().map(|seen| seen.unwrap_or_else(Seen::panicked)).collect())
}

/// One visit after the other.
async fn queue(prober: &Prober, orders: &Orders) -> anyhow::Result<Vec<Seen>> {
    let before = Memory::now()?;
    let mut all = Vec::new();
    for visit in &orders.visits {
        Memory::forget_largest()?;
        let cpu = processor_time()?;
        let seen = probe(prober, visit).await?;
        let grown_kib = Memory::now()?.grown_since(&before);
        let cpu_us = (processor_time()? - cpu) / 1_000;
        all.push(Seen { cost: Some(Cost { grown_kib, cpu_us }), ..seen });
    }
    Ok(all)
}

fn prober(orders: &Orders) -> anyhow::Result<Prober> {
    let nobody = ResolverSetting::Servers { name: "nobody".into(), addrs: vec![([127, 0, 0, 1], 9).into()] };
    Ok(Prober::new(ProberSettings {
        resolver: nobody,
        zones: orders.zones.iter().map(|rule| rule.parse()).collect::<Result<_, _>>()?,
        resolve: orders.resolve.iter().map(|rule| rule.parse()).collect::<Result<_, _>>()?,
        extra_roots: vec![orders.root.clone().into()],
        ..ProberSettings::new(Policy::allowing(vec![orders.allowed.parse()?]))
    })?)
}

async fn probe(prober: &Prober, visit: &Visit) -> anyhow::Result<Seen> {
    let target = visit.url.parse().with_context(|| visit.url.clone())?;
    let request = ProbeRequest { protocol: visit.protocol, ..ProbeRequest::new(target) };
    let began = Instant::now();
    let result = prober.probe(&request, NOW).await;
    Ok(Seen::of(&result, u64::try_from(began.elapsed().as_millis())?))
}

impl Seen {
    fn of(result: &ProbeResult, took_ms: u64) -> Self {
        let tls = result.tls.iter().flat_map(|tls| {
            [&tls.version, &tls.subject, &tls.issuer].into_iter().chain(&tls.alpn).chain(&tls.names)
        });
        let texts = tls.chain(&result.detail).chain(&result.dns.cnames).map(ToString::to_string);
        let emitter = result.emitter.iter().map(|emitter| emitter.name.to_string());
        let led = result.redirects.iter().map(|redirect| redirect.to.to_string());
        Self {
            outcome: result.outcome.to_string(),
            took_ms,
            detail: result.detail.as_deref().map(str::to_owned),
            body: result.body.as_ref().map(|body| (body.length, body.truncated)),
            texts: texts.chain(emitter).chain(led).collect(),
            cost: None,
        }
    }

    fn panicked() -> Self {
        Self {
            outcome: "panic".to_owned(),
            took_ms: 0,
            detail: None,
            body: None,
            texts: Vec::new(),
            cost: None,
        }
    }
}

/// What the kernel says this process holds, in KiB.
struct Memory {
    largest: u64,
    resident: u64,
    of_files: u64,
}

impl Memory {
    /// Makes the kernel count the largest resident size anew (proc(5)).
    fn forget_largest() -> anyhow::Result<()> {
        Ok(fs::write("/proc/self/clear_refs", "5")?)
    }

    /// How much more than before was held at the worst, without pages of files.
    fn grown_since(&self, before: &Self) -> u64 {
        (self.largest + before.of_files).saturating_sub(self.of_files + before.resident)
    }

    fn now() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a missing field")?;
            Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Self { largest: field("VmHWM")?, resident: field("VmRSS")?, of_files: field("RssFile")? })
    }
}

/// Processor time of all threads, in ns.
fn processor_time() -> anyhow::Result<u64> {
    let mut spent = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        spent += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(spent)
}
