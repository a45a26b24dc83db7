//! Prometheus as a place for results: remote write of the 21 series that its blackbox exporter makes of one probe.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_lab::load::Mix;
use parallax_model::{ProbeResult, UnixMicros};
use parallax_runtime::{Clock as _, SystemClock};
use prost::Message;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::SITES;
use crate::process::Process;
use crate::report::Peer;

/// Agents that write.
const AGENTS: u64 = 10;
/// Rounds of all sites that each of them writes; one request holds one round.
const ROUNDS: usize = 50;
/// How long each step may take.
const DEADLINE: Duration = Duration::from_mins(2);
/// How often each site is probed, in milliseconds.
const ROUND_MS: i64 = 15_000;

/// `prometheus.WriteRequest` (prompb/remote.proto).
#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

pub(crate) async fn measure(program: &Path) -> anyhow::Result<Peer> {
    let dir = tempfile::tempdir().context("making a directory")?;
    let config = dir.path().join("prometheus.yml");
    std::fs::write(&config, "global: {}\n")?;
    let data = dir.path().join("data");
    // A port that is free now; nobody else takes it in the moment until Prometheus does.
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg(format!("--web.listen-address={address}"))
        .args(["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--log.level=error"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut server = Process::start(command)?;
    let mut stream = ready(address).await?;
    let requests = requests()?;
    let bytes: usize = requests.iter().map(Vec::len).sum();
    // The first round of each agent makes its series.
    let (first, rest) = requests.split_at(usize::try_from(AGENTS)?);
    for request in first {
        post(&mut stream, "/api/v1/write", request, address).await?;
    }
    server.idle().await?;
    let before = server.cpu()?;
    let began = Instant::now();
    for request in rest {
        post(&mut stream, "/api/v1/write", request, address).await?;
    }
    let took = began.elapsed();
    server.idle().await?;
    let cpu = server.cpu()?.since(&before).all();
    let all = requests.len() * SITES;
    let wal = size_of(&data.join("wal"))?;
    post(&mut stream, "/api/v1/admin/tsdb/snapshot", &[], address).await?;
    let blocks = size_of(&data.join("snapshots"))?;
    server.stop(Signal::TERM).await?;
    let results = rest.len() * SITES;
    Ok(Peer {
        what: format!("Prometheus remote write, 21 series a result, {SITES} results a request"),
        results,
        cpu_ns: cpu.as_nanos() as f64 / results as f64,
        per_second: results as f64 / took.as_secs_f64(),
        wire_bytes: bytes as f64 / all as f64,
        disk: vec![
            ("write-ahead log", wal as f64 / all as f64),
            ("block", blocks as f64 / all as f64),
            ("block, a sample", blocks as f64 / all as f64 / 21.0),
        ],
        durable: false,
    })
}

/// One request for each round of each agent, in the order of their times.
fn requests() -> anyhow::Result<Vec<Vec<u8>>> {
    let end = SystemClock.now_micros() / 1_000;
    let begin = end - i64::try_from(ROUNDS)? * ROUND_MS;
    let mut agents: Vec<Mix> =
        (0..AGENTS).map(|seed| Mix::new(seed, SITES, UnixMicros::from_millis(begin))).collect();
    let mut requests = Vec::new();
    for round in 0..ROUNDS {
        let at = begin + i64::try_from(round)? * ROUND_MS;
        for (agent, mix) in agents.iter_mut().enumerate() {
            let series = mix.results(SITES).iter().flat_map(|r| series(agent, r, at)).collect();
            let request = WriteRequest { timeseries: series }.encode_to_vec();
            requests.push(snap::raw::Encoder::new().compress_vec(&request).context("compressing")?);
        }
    }
    Ok(requests)
}

/// What blackbox_exporter tells of one probe.
fn series(agent: usize, r: &ProbeResult, timestamp: i64) -> Vec<TimeSeries> {
    let seconds = |m: Option<parallax_model::Micros>| m.map_or(0.0, |m| f64::from(m.0) / 1e6);
    let (p, ok) = (r.phases, f64::from(u8::from(r.outcome.is_ok())));
    let status = r.status.map_or(0.0, |s| f64::from(s.get()));
    let length = r.body.as_ref().map_or(0.0, |b| f64::from(b.length));
    let expiry = r.tls.as_ref().map_or(0.0, |t| t.not_after.as_secs() as f64);
    let plain = [
        ("up", 1.0),
        ("probe_success", ok),
        ("probe_duration_seconds", f64::from(p.total.0) / 1e6),
        ("probe_dns_lookup_time_seconds", seconds(p.dns)),
        ("probe_failed_due_to_regex", 0.0),
        ("probe_http_content_length", length),
        ("probe_http_uncompressed_body_length", length),
        ("probe_http_redirects", r.redirects.len() as f64),
        ("probe_http_ssl", 1.0),
        ("probe_http_status_code", status),
        ("probe_http_version", 2.0),
        ("probe_ip_addr_hash", r.address.map_or(0.0, |a| f64::from(u8::from(a.is_ipv4())) * 1e9)),
        ("probe_ip_protocol", 4.0),
        ("probe_ssl_earliest_cert_expiry", expiry),
        ("probe_ssl_last_chain_expiry_timestamp_seconds", expiry),
        ("probe_tls_version_info", 1.0),
    ];
    let phases = [
        ("resolve", p.dns),
        ("connect", p.connect),
        ("tls", p.tls),
        ("processing", p.first_byte),
        ("transfer", p.body),
    ];
    let site = r.target.to_string();
    let one = |name: &str, value: f64, phase: Option<&str>| {
        let label = |name: &str, value: &str| Label { name: name.to_owned(), value: value.to_owned() };
        let mut labels = vec![
            label("__name__", name),
            label("agent", &format!("load-{agent}")),
            label("instance", &site),
            label("job", "blackbox"),
        ];
        labels.extend(phase.map(|phase| label("phase", phase)));
        TimeSeries { labels, samples: vec![Sample { value, timestamp }] }
    };
    let plain = plain.iter().map(|(name, value)| one(name, *value, None));
    let phases =
        phases.iter().map(|(phase, took)| one("probe_http_duration_seconds", seconds(*took), Some(phase)));
    plain.chain(phases).collect()
}

async fn ready(address: std::net::SocketAddr) -> anyhow::Result<TcpStream> {
    let asking = async {
        loop {
            if let Ok(mut stream) = TcpStream::connect(address).await
                && post(&mut stream, "/-/reload", &[], address)
                    .await
                    .is_err_and(|e| e.to_string().contains("403"))
            {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(DEADLINE, asking).await.context("Prometheus does not start")
}

/// A request over a connection that stays open, as a remote writer does; the answers are short.
async fn post(
    stream: &mut TcpStream,
    path: &str,
    body: &[u8],
    address: std::net::SocketAddr,
) -> anyhow::Result<()> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
         X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let talk = async {
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
        let mut answer = Vec::new();
        let mut piece = [0; 4_096];
        loop {
            let read = stream.read(&mut piece).await?;
            ensure!(read > 0, "the connection was closed");
            answer.extend_from_slice(&piece[..read]);
            if whole(&answer) {
                return Ok(String::from_utf8_lossy(&answer).into_owned());
            }
        }
    };
    let answer: String = timeout(DEADLINE, talk).await.context("no answer")??;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    ensure!(status.starts_with('2'), "{path}: {status}: {answer}");
    Ok(())
}

/// Whether an answer has come to its end.
fn whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_none_or(|length| body.len() >= length)
}

fn size_of(path: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
