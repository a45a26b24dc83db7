//! The aggregator under load: the program as it is shipped, in a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use parallax_lab::load::{AckedThrough, EPOCH};
use parallax_model::{AgentId, Epoch, UnixMicros};
use parallax_store::Store;
use std::collections::BTreeMap;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cage::Cage;
use crate::process::Process;

/// How long it may take to start.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running aggregator.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) agents: SocketAddr,
    pub(crate) page: SocketAddr,
    dir: TempDir,
    // After the process, which runs in it.
    cage: Option<Cage>,
}

impl Server {
    /// Starts it with these sites to watch.
    pub(crate) async fn start(program: &Path, sites: &[String], mib: Option<u64>) -> anyhow::Result<Self> {
        let cage = mib.map(Cage::new).transpose()?;
        let dir = tempfile::tempdir().context("making a directory")?;
        let config = dir.path().join("aggregator.toml");
        std::fs::write(&config, configuration(&dir.path().join("data"), sites))?;
        let mut command = cage.as_ref().map_or_else(|| Command::new(program), |cage| cage.around(program));
        command.arg("aggregator").arg("--config").arg(&config).stdout(Stdio::piped()).env("RUST_LOG", "warn");
        command.args(["--log", "warn"]);
        let mut process = Process::start(command)?;
        let stdout = process.child().stdout.take().context("it has a standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let announced = timeout(START_DEADLINE, async {
            let first = lines.next_line().await?.context("it ended")?;
            let second = lines.next_line().await?.context("it ended")?;
            anyhow::Ok((first, second))
        });
        let (first, second) = announced.await.context("it does not start")??;
        let page = first.split("http://").nth(1).context("it says where its page is")?;
        let agents = second.split("Agents connect to ").nth(1).context("it says where agents connect")?;
        let agents = agents.split(". ").next().context("it says where agents connect")?;
        Ok(Self { process, agents: agents.parse()?, page: page.trim_end_matches('/').parse()?, dir, cage })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// One of its own numbers.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let mut stream = tokio::net::TcpStream::connect(self.page).await?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.page);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        timeout(START_DEADLINE, stream.read_to_end(&mut answer)).await.context("no metrics")??;
        let answer = String::from_utf8_lossy(&answer);
        let line = answer.lines().find(|l| l.split([' ', '{']).next() == Some(name));
        Ok(line.and_then(|l| l.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0))
    }

    /// Kills it with SIGKILL and looks into what it left: every acked seq must be there. Returns the bytes of the store.
    pub(crate) async fn kill_and_check(mut self, acked: &[AckedThrough]) -> anyhow::Result<Kept> {
        if let Some(cage) = &self.cage {
            anyhow::ensure!(cage.kills()? == 0, "it was killed for want of memory");
        }
        self.process.kill().await?;
        let store = Store::open(&self.data())?;
        let mut kept: BTreeMap<AgentId, u64> = BTreeMap::new();
        let mut journal = store.journal_since(UnixMicros(0)).await?;
        let (mut results, mut blobs) = (0, 0);
        while let Some(page) = journal.next_page().await? {
            anyhow::ensure!(page.damaged == 0, "{} batches are damaged", page.damaged);
            for entry in page.entries.into_iter().filter(|e| e.batch.epoch == Epoch(EPOCH)) {
                let through = kept.entry(entry.batch.agent.clone()).or_default();
                let (first, count) = (entry.batch.first_seq.0, u64::from(entry.batch.count));
                anyhow::ensure!(
                    first <= *through + 1,
                    "{}: nothing from {through} to {first}",
                    entry.batch.agent
                );
                *through = first + count - 1;
                results += count - u64::from(entry.skip);
                blobs += entry.batch.columns.len();
            }
        }
        let missing = |a: &&AckedThrough| kept.get(&a.agent).copied().unwrap_or(0) < a.seq;
        let lost: Vec<&AckedThrough> = acked.iter().filter(missing).collect();
        anyhow::ensure!(lost.is_empty(), "acked and lost: {lost:?}");
        store.close().await?;
        let file = std::fs::metadata(self.data().join("parallax.db")).context("reading the store's size")?;
        Ok(Kept { results, blobs, file: file.len() })
    }
}

/// What was found in a store.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) results: u64,
    /// Bytes of the batches themselves.
    pub(crate) blobs: usize,
    /// Bytes of the file.
    pub(crate) file: u64,
}

/// Whom it asks for owners' wishes: the sites are nobody's.
const NOBODY: &str = "127.0.0.1:9";

fn configuration(data: &Path, sites: &[String]) -> String {
    let head = format!(
        "data_dir = {:?}\nlisten = \"127.0.0.1:0\"\nagents_listen = \"127.0.0.1:0\"\n[opt_out]\nresolvers = [{NOBODY:?}]\n",
        data.display().to_string()
    );
    let target = |site: &String| format!("\n[[target]]\nsite = {site:?}\ninterval_ms = 15000\n");
    head + &sites.iter().map(target).collect::<String>()
}
