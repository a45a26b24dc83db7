//! The peer prometheus-blackbox-exporter: started on a port of its own, asked as Prometheus asks it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::prober::Seen;
use crate::process::Process;
use crate::world::{LOAD_NAME, TIMED_NAME, Timed, World};

/// How long it may take until it listens.
const START_DEADLINE: Duration = Duration::from_secs(10);
/// How long one answer may take: its own limit for a probe is half of it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How often it is tried whether it listens already.
const LOOK: Duration = Duration::from_millis(20);

/// A probe module of its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Module {
    Http,
    Https,
    Https2,
    Timed,
}

impl Module {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Https2 => "https2",
            Self::Timed => "timed",
        }
    }
}

/// The running exporter. It ends, and its configuration is removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Blackbox {
    pub(crate) process: Process,
    pub(crate) version: String,
    address: SocketAddr,
    http: Vec<String>,
    https: Vec<String>,
    _folder: TempDir,
}

impl Blackbox {
    pub(crate) async fn start(program: &Path, world: &World, timed: &Timed) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the exporter")?;
        let file = folder.path().join("blackbox.yml");
        for (root, text) in [("load.pem", &world.root), ("timed.pem", &timed.root)] {
            std::fs::write(folder.path().join(root), text).context("writing a root")?;
        }
        std::fs::write(&file, configuration(folder.path()))
            .context("writing the exporter's configuration")?;
        let address = free_port()?;
        let mut command = Command::new(program);
        command
            .arg("--config.file")
            .arg(&file)
            .arg(format!("--web.listen-address={address}"))
            .args(["--log.level=error", "--history.limit=1"])
            // One at a time on one core is cheapest for it, and comparable with CPU time per core.
            .env("GOMAXPROCS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let (process, ..) = Process::start(command)?;
        let version = version(program).await?;
        let http = world.http.iter().map(|site| format!("http://{site}/")).collect();
        let https = world.https.iter().map(|site| format!("https://{site}/")).collect();
        let started = Self { process, version, address, http, https, _folder: folder };
        timeout(START_DEADLINE, started.listening()).await.context("the exporter does not listen")?;
        Ok(started)
    }

    async fn listening(&self) {
        while TcpStream::connect(self.address).await.is_err() {
            sleep(LOOK).await;
        }
    }

    /// Lets it probe, `in_flight` at a time; with a pace, one every so many microseconds.
    pub(crate) async fn load(
        &self,
        module: Module,
        probes: usize,
        in_flight: usize,
        every_us: Option<u64>,
    ) -> anyhow::Result<()> {
        let targets = if module == Module::Http { &self.http } else { &self.https };
        let targets: Arc<[String]> = targets.as_slice().into();
        let next = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..in_flight {
            let (targets, next, mut asked) = (Arc::clone(&targets), Arc::clone(&next), self.ask().await?);
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= probes {
                        return Ok(());
                    }
                    if let Some(every_us) = every_us {
                        let due = Duration::from_micros(every_us * number as u64);
                        tokio::time::sleep_until(began + due).await;
                    }
                    asked.probe(module, &targets[number % targets.len()]).await?;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            let done: anyhow::Result<()> = ended?;
            done?;
        }
        Ok(())
    }

    /// Its phases of some probes with known delays, one after the other.
    pub(crate) async fn timed(&self, url: &str, probes: usize) -> anyhow::Result<Vec<Seen>> {
        let mut asked = self.ask().await?;
        let mut seen = Vec::new();
        for _ in 0..probes {
            let metrics = asked.probe(Module::Timed, url).await?;
            let phase = |name: &str| {
                let start = format!("probe_http_duration_seconds{{phase=\"{name}\"}} ");
                let value = metrics.lines().find_map(|line| line.strip_prefix(&start))?;
                value.parse::<f64>().ok().map(|seconds| seconds * 1_000.0)
            };
            seen.push(Seen {
                dns: None,
                connect: phase("connect"),
                tls: phase("tls").filter(|_| url.starts_with("https:")),
                first_byte: phase("processing"),
                body: phase("transfer"),
            });
        }
        Ok(seen)
    }

    async fn ask(&self) -> anyhow::Result<Asked> {
        let stream = TcpStream::connect(self.address).await.context("connecting to the exporter")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Its end shows in the request that meets it.
            drop(connection.await);
        });
        Ok(Asked { sender, host: self.address.to_string(), _connection: task })
    }
}

/// One connection to the exporter, kept open as Prometheus keeps its.
struct Asked {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
    _connection: JoinSet<()>,
}

impl Asked {
    async fn probe(&mut self, module: Module, url: &str) -> anyhow::Result<String> {
        let request = Request::get(format!("/probe?module={}&target={url}", module.name()))
            .header(HOST, &self.host)
            .body(Empty::new())?;
        let answer = async {
            self.sender.ready().await?;
            let answer = self.sender.send_request(request).await?;
            answer.into_body().collect().await
        };
        let body = timeout(ANSWER_DEADLINE, answer).await.context("the exporter does not answer")??;
        let metrics = String::from_utf8(body.to_bytes().to_vec())?;
        ensure!(metrics.contains("\nprobe_success 1"), "the exporter failed at {url}:\n{metrics}");
        Ok(metrics)
    }
}

/// Its modules: no redirect, no compression, IPv4, and the certificate verified.
fn configuration(folder: &Path) -> String {
    let module = |module: Module, rest: &str| {
        format!(
            "  {}:\n    prober: http\n    timeout: 5s\n    http:\n      preferred_ip_protocol: ip4\n{rest}",
            module.name()
        )
    };
    let tls = |root: &str, name: &str| {
        let root = folder.join(root);
        format!("      tls_config: {{ ca_file: {}, server_name: {name} }}\n", root.display())
    };
    let h1 = "      enable_http2: false\n";
    let only_h2 = "      valid_http_versions: [\"HTTP/2.0\"]\n";
    [
        "modules:\n".to_owned(),
        module(Module::Http, h1),
        module(Module::Https, &[h1, &tls("load.pem", LOAD_NAME)].concat()),
        module(Module::Https2, &[only_h2, &tls("load.pem", LOAD_NAME)].concat()),
        module(Module::Timed, &[h1, &tls("timed.pem", TIMED_NAME)].concat()),
    ]
    .concat()
}

/// A port nobody uses. The exporter cannot be told to choose one itself and say which.
fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port")?.local_addr()?)
}

async fn version(program: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(START_DEADLINE, command.output()).await.context("asking the exporter's version")??;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let version = text.split_ascii_whitespace().skip_while(|word| *word != "version").nth(1);
    Ok(version.unwrap_or("unknown").trim_end_matches(',').to_owned())
}
