//! Requests a second on one core, and CPU time a request: our pages from memory beside nginx with the same bytes from a file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::demo::{CLIENT_CORE, Demo, SERVER_CORE, cpu, pinned};
use crate::http;
use crate::report::{Report, median, say};

/// The page that is asked for.
pub(crate) const SITE: &str = "/s/shop.demo";
/// What every browser says.
const BROTLI: &str = "accept-encoding: br";
/// Interleaved rounds.
const ROUNDS: usize = 3;
/// How long each round asks, in seconds.
const SECONDS: u32 = 6;
/// Connections that ask at once.
const CONNECTIONS: u32 = 32;
/// Longest wait for a program beyond its work.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a load generator saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) p99_ms: f64,
    pub(crate) requests: f64,
}

/// nginx with one file.
struct Peer {
    child: Child,
    address: SocketAddr,
    _kept: tempfile::TempDir,
}

pub(crate) async fn measure(
    demo: &Demo,
    wrk: &Path,
    nginx: Option<&Path>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let page = http::get(demo.address, SITE, &[BROTLI]).await?;
    anyhow::ensure!(page.head.contains("content-encoding: br"), "{SITE} is not compressed:\n{}", page.head);
    let peer = match nginx {
        Some(program) => Some(Peer::start(program, &page.body).await?),
        None => None,
    };
    // The demo's agents work on the same core all the time: what they use is theirs.
    let before = demo.cpu()?;
    sleep(Duration::from_secs(5)).await;
    let agents = demo.cpu()?.saturating_sub(before).as_secs_f64() / 5.0;
    say(format_args!(
        "the demo itself uses {:.0} % of its core; the page is {} bytes of brotli",
        agents * 100.0,
        page.body.len()
    ));
    let (mut ours, mut theirs, mut homes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = demo.cpu()?;
        let load = ask(wrk, demo.address, SITE, CONNECTIONS).await?;
        let used = demo.cpu()?.saturating_sub(start).as_secs_f64() - agents * f64::from(SECONDS);
        our_cpu.push(used * 1e6 / load.requests);
        ours.push(load);
        homes.push(ask(wrk, demo.address, "/", CONNECTIONS).await?.per_second);
        if let Some(peer) = &peer {
            let id = peer.child.id().context("nginx has ended")?;
            let start = cpu(id)?;
            let load = ask(wrk, peer.address, "/page", CONNECTIONS).await?;
            their_cpu.push(cpu(id)?.saturating_sub(start).as_secs_f64() * 1e6 / load.requests);
            theirs.push(load);
        }
    }
    let rate = |loads: &[Load]| median(loads.iter().map(|load| load.per_second).collect());
    report.add("site page from memory: requests/s", rate(&ours));
    report.add("home from memory: requests/s", median(homes));
    report.add(
        "site page from memory: p99 ms, saturated",
        median(ours.iter().map(|load| load.p99_ms).collect()),
    );
    report.add("site page from memory: µs CPU a request", median(our_cpu));
    if peer.is_some() {
        report.add("nginx, the same bytes: requests/s", rate(&theirs));
        report.add("nginx: p99 ms, saturated", median(theirs.iter().map(|load| load.p99_ms).collect()));
        report.add("nginx: µs CPU a request", median(their_cpu));
        report.add("site page: share of nginx's rate", rate(&ours) / rate(&theirs));
    }
    let quiet = ask(wrk, demo.address, SITE, 4).await?;
    report.add("site page: p99 ms, 4 connections", quiet.p99_ms);
    Ok(())
}

/// Asks for a path for some seconds.
pub(crate) async fn ask(wrk: &Path, at: SocketAddr, path: &str, connections: u32) -> anyhow::Result<Load> {
    let mut command = pinned(wrk, Some(CLIENT_CORE));
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{SECONDS}s"), "--latency", "-H", BROTLI]);
    command.arg(format!("http://{at}{path}")).stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(DEADLINE, command.output()).await.context("wrk does not end")?.context("starting wrk")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("Non-2xx") {
        bail!("not every answer was a good one:\n{text}");
    }
    read(&text).with_context(|| format!("reading what wrk says:\n{text}"))
}

fn read(text: &str) -> Option<Load> {
    let after = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    let per_second = after("Requests/sec:")?.parse().ok()?;
    let p99 = after("99%")?;
    let (number, unit) = p99.split_at(p99.find(|c: char| c.is_alphabetic())?);
    let times = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        _ => 1_000.0,
    };
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "))?.0.parse().ok()?;
    Some(Load { per_second, p99_ms: number.parse::<f64>().ok()? * times, requests })
}

impl Peer {
    /// One process on the server's core, the file kept open, nothing logged: as fast as it goes.
    async fn start(program: &Path, page: &[u8]) -> anyhow::Result<Self> {
        let kept = tempfile::tempdir().context("making a folder")?;
        let root = kept.path();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let configuration = format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=16;\n\
             server {{ listen {address}; root {0}; default_type 'text/html; charset=utf-8';\n\
             add_header content-encoding br; add_header vary accept-encoding; add_header cache-control no-cache; }} }}\n",
            root.display()
        );
        let file = root.join("nginx.conf");
        std::fs::write(root.join("page"), page)
            .and_then(|()| std::fs::write(&file, configuration))
            .context("writing for nginx")?;
        // The worker may run as another user.
        std::fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .context("opening the folder")?;
        let mut command: Command = pinned(program, Some(SERVER_CORE));
        command.arg("-p").arg(root).arg("-c").arg(&file).stdin(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().context("starting nginx")?;
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect(address).await.is_err() {
            anyhow::ensure!(Instant::now() < end, "nginx does not start");
            sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { child, address, _kept: kept })
    }
}
