//! Readers of a site's events that wait for news, and readers of pages that never read.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::demo::Demo;
use crate::report::{Report, say};
use crate::speed::{SITE, ask};

/// Readers that wait.
const READERS: u32 = 5_000;
/// Each address may hold six streams; each of the bench's holds so many.
const EACH: u32 = 5;
/// Readers that ask for pages and read none of them.
const STUCK: u32 = 400;
/// Pages each of those asks for: 3 MiB uncompressed, more than the kernel takes.
const PAGES: usize = 100;
/// How long a connection may take to be heard.
const DEADLINE: Duration = Duration::from_secs(10);
/// Rest before memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// Rest until what the kernel takes for those who never read is made; they are given up after 30 s.
const STUFFED: Duration = Duration::from_secs(10);

pub(crate) async fn measure(demo: &Demo, wrk: Option<&Path>, report: &mut Report) -> anyhow::Result<()> {
    let alone = p99(wrk, demo).await?;
    let before = demo.resident_kib()?;
    let mut readers = Vec::new();
    for n in 0..READERS {
        readers.push(reader(demo.address, n / EACH).await.with_context(|| format!("reader {n}"))?);
    }
    sleep(SETTLE).await;
    let held = demo.resident_kib()?.saturating_sub(before);
    report.add("5,000 idle SSE readers: MiB more", held as f64 / 1_024.0);
    if let Some(beside) = p99(wrk, demo).await? {
        report.add("site page: p99 ms beside 5,000 SSE readers, 4 connections", beside);
    }
    drop(readers);
    sleep(SETTLE).await;
    let before = demo.resident_kib()?;
    let mut stuck = Vec::new();
    for n in 0..STUCK {
        stuck.push(never_reads(demo.address, n / EACH).await.with_context(|| format!("stuck reader {n}"))?);
    }
    sleep(STUFFED).await;
    let held = demo.resident_kib()?.saturating_sub(before);
    report.add("400 readers that never read: MiB more", held as f64 / 1_024.0);
    if let (Some(alone), Some(beside)) = (alone, p99(wrk, demo).await?) {
        say(format_args!("p99 alone {alone:.2} ms, beside {STUCK} readers that never read {beside:.2} ms"));
        report.add("site page: p99 ms beside 400 readers that never read, 4 connections", beside);
    }
    Ok(())
}

async fn p99(wrk: Option<&Path>, demo: &Demo) -> anyhow::Result<Option<f64>> {
    match wrk {
        Some(wrk) => Ok(Some(ask(wrk, demo.address, SITE, 4).await?.p99_ms)),
        None => Ok(None),
    }
}

/// A connection from an address in the `n`th /24 of a range of loopback's own: the neighbours of one share a limit.
async fn connect(to: SocketAddr, n: u32) -> anyhow::Result<TcpStream> {
    let [.., high, low] = n.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    socket.bind((Ipv4Addr::new(127, 66 + high, low, 1), 0).into())?;
    Ok(timeout(DEADLINE, socket.connect(to)).await.context("no connection")??)
}

/// Reads how the site is, and waits from then on.
async fn reader(to: SocketAddr, n: u32) -> anyhow::Result<TcpStream> {
    let mut stream = connect(to, n).await?;
    stream.write_all(b"GET /api/v1/sites/fine.demo/events HTTP/1.1\r\nhost: bench\r\n\r\n").await?;
    let mut seen = Vec::new();
    let heard = async {
        while !seen.windows(11).any(|part| part == b"event: site") {
            ensure!(stream.read_buf(&mut seen).await? > 0, "closed: {}", String::from_utf8_lossy(&seen));
        }
        anyhow::Ok(())
    };
    timeout(DEADLINE, heard).await.context("nothing is told")??;
    Ok(stream)
}

async fn never_reads(to: SocketAddr, n: u32) -> anyhow::Result<TcpStream> {
    let mut stream = connect(to, n).await?;
    let request = format!("GET {SITE} HTTP/1.1\r\nhost: bench\r\n\r\n").repeat(PAGES);
    timeout(DEADLINE, stream.write_all(request.as_bytes())).await.context("nothing is taken")??;
    Ok(stream)
}
