//! The prober that is measured: told what to probe line by line, answering with what came of it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_model::{Phases, ProbeResult, Protocol, Target, UnixMicros};
use parallax_policy::Policy;
use parallax_probe::{ProbeRequest, Prober, ProberSettings, ResolverSetting};
use parallax_proto::batch::encode;
use prost::Message as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::bare;
use crate::process::Answer;
use crate::world::{LOAD_NAME, TIMED_NAME, Timed, World};

/// Results in one encoded batch.
const BATCH: usize = 250;
/// Different names that are asked for. The resolver's library asks once for one name at one time.
const NAMES: usize = 256;
/// When every probe of the bench begins; what time it is does not matter here.
const NOW: UnixMicros = UnixMicros(1_700_000_000_000_000);

/// What a prober must know before it starts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    names: SocketAddr,
    timed_names: SocketAddr,
    timed_plain: SocketAddr,
    timed_secure: SocketAddr,
    roots: Vec<String>,
}

/// What is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// An address, HTTP/1.1.
    Http,
    /// A name whose A and AAAA records are asked for each time, HTTP/1.1.
    HttpByName,
    /// TLS 1.3, HTTP/1.1.
    Https,
    /// TLS 1.3, HTTP/2.
    Https2,
}

/// A task of the prober.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Many probes.
    Load {
        what: What,
        probes: usize,
        in_flight: usize,
        /// Microseconds from the start of one to the start of the next; without, as fast as they go.
        every_us: Option<u64>,
    },
    /// As many exchanges over bare sockets: what no prober can do without.
    Bare { secure: bool, probes: usize, in_flight: usize },
    /// Some probes with known delays, one after the other.
    Timed { secure: bool, probes: usize },
}

/// What came of a load.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) wall_us: u64,
    /// Bytes of all encoded batches.
    pub(crate) encoded_bytes: usize,
}

/// The phases of one probe with known delays, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) dns: Option<f64>,
    pub(crate) connect: Option<f64>,
    pub(crate) tls: Option<f64>,
    pub(crate) first_byte: Option<f64>,
    pub(crate) body: Option<f64>,
}

impl From<Phases> for Seen {
    fn from(phases: Phases) -> Self {
        let ms = |phase: Option<parallax_model::Micros>| phase.map(parallax_model::Micros::as_millis_f64);
        Self {
            dns: ms(phases.dns),
            connect: ms(phases.connect),
            tls: ms(phases.tls),
            first_byte: ms(phases.first_byte),
            body: ms(phases.body),
        }
    }
}

impl Setup {
    pub(crate) fn new(world: &World, timed: &Timed) -> Self {
        Self {
            http: world.http.clone(),
            https: world.https.clone(),
            names: world.names,
            timed_names: timed.names.address(),
            timed_plain: timed.plain.address(),
            timed_secure: timed.secure.address(),
            roots: vec![world.root.clone(), timed.root.clone()],
        }
    }

    fn prober(&self) -> anyhow::Result<Prober> {
        let policy = Policy::allowing(vec!["127.0.0.0/8".parse()?]);
        let mut settings = ProberSettings::new(policy);
        settings.resolver = ResolverSetting::Servers { name: "bench".into(), addrs: vec![self.names] };
        settings.zones = vec![format!("{TIMED_NAME}={},exact", self.timed_names).parse()?];
        for site in &self.https {
            settings.resolve.push(format!("{LOAD_NAME}:{}:{}", site.port(), site.ip()).parse()?);
        }
        settings.extra_roots = self.roots()?;
        Ok(Prober::new(settings)?)
    }

    fn roots(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let read = |root: &String| CertificateDer::from_pem_slice(root.as_bytes()).context("reading a root");
        self.roots.iter().map(read).collect()
    }

    fn requests(&self, what: What) -> anyhow::Result<Vec<ProbeRequest>> {
        let (urls, protocol): (Vec<String>, _) = match what {
            What::Http => (self.http.iter().map(|site| format!("http://{site}/")).collect(), None),
            What::HttpByName => {
                let port = self.http[0].port();
                ((0..NAMES).map(|n| format!("http://n{n}.{LOAD_NAME}:{port}/")).collect(), None)
            }
            What::Https => (self.secure_urls(), Some(Protocol::H1)),
            What::Https2 => (self.secure_urls(), Some(Protocol::H2)),
        };
        let request = |url: &String| {
            let target: Target = url.parse().with_context(|| format!("{url} is no target"))?;
            Ok(ProbeRequest { protocol, ..ProbeRequest::new(target) })
        };
        urls.iter().map(request).collect()
    }

    fn timed_url(&self, secure: bool) -> String {
        if secure {
            format!("https://{TIMED_NAME}:{}/", self.timed_secure.port())
        } else {
            format!("http://{TIMED_NAME}:{}/", self.timed_plain.port())
        }
    }

    fn secure_urls(&self) -> Vec<String> {
        self.https.iter().map(|site| format!("https://{LOAD_NAME}:{}/", site.port())).collect()
    }
}

/// Answers tasks until standard input ends, with so many workers; without a number the runtime is as an agent's.
pub(crate) fn run(workers: Option<usize>) -> anyhow::Result<()> {
    let mut builder = match workers {
        Some(0) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(workers @ 1..) = workers {
        builder.worker_threads(workers);
    }
    let runtime = builder.enable_all().build()?;
    let mut lines = std::io::stdin().lines();
    let setup: Setup = serde_json::from_str(&lines.next().context("nothing was said")??)?;
    let prober = Arc::new(setup.prober()?);
    answer(&Answer::Done(()))?;
    for line in lines {
        match serde_json::from_str(&line?)? {
            Task::Load { what, probes, in_flight, every_us } => {
                let load = Arc::new(Load {
                    prober: Arc::clone(&prober),
                    requests: setup.requests(what)?,
                    probes,
                    in_flight,
                    started: AtomicUsize::new(0),
                    batch: Mutex::default(),
                });
                let every = every_us.map(Duration::from_micros);
                answer(&of(runtime.block_on(load.run(every))))?;
            }
            Task::Bare { secure, probes, in_flight } => {
                let sites: Arc<[SocketAddr]> =
                    if secure { &setup.https } else { &setup.http }.as_slice().into();
                let tls = if secure { Some(bare::connector(&setup.roots()?)?) } else { None };
                answer(&of(runtime.block_on(bare::load(&sites, tls, probes, in_flight))))?;
            }
            Task::Timed { secure, probes } => {
                let url = setup.timed_url(secure);
                let prober = Arc::clone(&prober);
                // A task of a worker, as every probe of an agent is.
                let task = runtime.spawn(async move { timed(&url, &prober, probes).await });
                answer(&of(runtime.block_on(task)?))?;
            }
        }
    }
    Ok(())
}

fn of<T>(done: anyhow::Result<T>) -> Answer<T> {
    done.map_or_else(|error| Answer::Failed(format!("{error:#}")), Answer::Done)
}

fn answer(answer: &Answer<impl Serialize>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(answer)?)?;
    Ok(out.flush()?)
}

/// Many probes at once. The tasks share one batch; whoever fills it encodes it.
struct Load {
    prober: Arc<Prober>,
    requests: Vec<ProbeRequest>,
    probes: usize,
    in_flight: usize,
    started: AtomicUsize,
    batch: Mutex<Batch>,
}

#[derive(Default)]
struct Batch {
    results: Vec<ProbeResult>,
    encoded_bytes: usize,
}

impl Load {
    async fn run(self: Arc<Self>, every: Option<Duration>) -> anyhow::Result<Loaded> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        match every {
            None => {
                for _ in 0..self.in_flight {
                    let load = Arc::clone(&self);
                    tasks.spawn(async move { load.as_fast_as_it_goes().await });
                }
            }
            Some(every) => {
                let load = Arc::clone(&self);
                tasks.spawn(async move { load.paced(every).await });
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        batch.encode();
        Ok(Loaded {
            wall_us: u64::try_from(began.elapsed().as_micros())?,
            encoded_bytes: batch.encoded_bytes,
        })
    }

    async fn as_fast_as_it_goes(&self) -> anyhow::Result<()> {
        loop {
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            if number >= self.probes {
                return Ok(());
            }
            self.probe(number).await?;
        }
    }

    async fn paced(self: Arc<Self>, every: Duration) -> anyhow::Result<()> {
        let mut due = tokio::time::interval(every);
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut running = JoinSet::new();
        for number in 0..self.probes {
            due.tick().await;
            let load = Arc::clone(&self);
            running.spawn(async move { load.probe(number).await });
            while let Some(ended) = running.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// One probe. One that failed is an error: it would cost less than one that did not.
    async fn probe(&self, number: usize) -> anyhow::Result<()> {
        let result = self.prober.probe(&self.requests[number % self.requests.len()], NOW).await;
        ensure!(result.outcome.is_ok(), "{} ended in {}: {:?}", result.target, result.outcome, result.detail);
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        batch.results.push(result);
        if batch.results.len() == BATCH {
            batch.encode();
        }
        Ok(())
    }
}

impl Batch {
    /// Encodes as an agent does, and counts the bytes.
    fn encode(&mut self) {
        self.encoded_bytes += encode(&self.results).encode_to_vec().len();
        self.results.clear();
    }
}

async fn timed(url: &str, prober: &Prober, count: usize) -> anyhow::Result<Vec<Seen>> {
    let request = ProbeRequest::new(url.parse().with_context(|| format!("{url} is no target"))?);
    let mut seen = Vec::new();
    for _ in 0..count {
        let result = prober.probe(&request, NOW).await;
        ensure!(result.outcome.is_ok(), "{} ended in {}: {:?}", result.target, result.outcome, result.detail);
        seen.push(result.phases.into());
    }
    Ok(seen)
}
