//! PostgreSQL as a place for results: COPY in transactions of a thousand rows, over its local socket, as it comes out of the box
//! (fsync on, synchronous commits).

use std::fmt::Write as _;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_model::ProbeResult;
use rustix::process::{Signal, geteuid};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::process::Process;
use crate::report::Peer;

/// Transactions that are measured, a thousand rows each.
const TRANSACTIONS: usize = 1_000;
/// Clients at the same time.
const CLIENTS: usize = 2;
/// How long each step may take.
const DEADLINE: Duration = Duration::from_mins(3);
/// The user that the packages make: the server does not run as root.
const USER: &str = "postgres";

const TABLE: &str = "CREATE TABLE results (agent int NOT NULL, epoch bigint NOT NULL, seq bigint NOT NULL, received_at bigint NOT NULL,
    started_at bigint NOT NULL, target text NOT NULL, failure text, status smallint, dns_us int, connect_us int, tls_us int,
    first_byte_us int, body_us int, total_us int NOT NULL, address inet, emitter text, ttl_left_s int";

pub(crate) async fn measure(
    programs: &Path,
    views: &[Vec<ProbeResult>],
    indexed: bool,
) -> anyhow::Result<Peer> {
    let dir = tempfile::tempdir().context("making a directory")?;
    let (data, script) = (dir.path().join("data"), dir.path().join("copy.sql"));
    std::fs::create_dir(&data)?;
    if geteuid().is_root() {
        let uid = number_of(USER)?;
        chown(dir.path(), Some(uid), None)?;
        chown(&data, Some(uid), None)?;
    }
    let mut init = as_user(&programs.join("initdb"));
    init.args(["--auth", "trust", "--username", USER, "--pgdata"]).arg(&data);
    run(init).await?;
    let mut start = as_user(&programs.join("postgres"));
    start.arg("-D").arg(&data).arg("-k").arg(dir.path()).args([
        "-c",
        "listen_addresses=",
        "-c",
        "logging_collector=off",
    ]);
    start.stderr(Stdio::null());
    let mut server = Process::start(start)?;
    let psql = || {
        let mut command = as_user(Path::new("psql"));
        command
            .args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", "postgres", "-h"])
            .arg(dir.path());
        command
    };
    ready(&psql).await?;
    let key = if indexed { ", PRIMARY KEY (agent, epoch, seq)" } else { "" };
    let mut make = psql();
    make.arg("-c").arg(format!("{TABLE}{key})"));
    run(make).await?;
    let bytes = write_script(&script, views)?;
    server.idle().await?;
    let before = server.cpu()?;
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let mut copy = psql();
        copy.args(["-v", &format!("agent={client}"), "-f"]).arg(script.with_extension(client.to_string()));
        run(copy)
    });
    futures_util::future::try_join_all(clients).await?;
    let took = began.elapsed();
    let mut checkpoint = psql();
    checkpoint.args(["-c", "CHECKPOINT"]);
    run(checkpoint).await?;
    server.idle().await?;
    let cpu = server.cpu()?.since(&before).all();
    let mut size = psql();
    size.args(["-t", "-A", "-c", "SELECT pg_total_relation_size('results'), count(*) FROM results"]);
    let size = timeout(DEADLINE, size.output()).await.context("psql takes too long")??;
    let size = String::from_utf8(size.stdout)?;
    let (size, rows) = size.trim().split_once('|').context("psql says how many")?;
    let (size, rows): (f64, usize) = (size.parse()?, rows.parse()?);
    ensure!(rows == TRANSACTIONS * 1_000, "{rows} rows are there");
    server.stop(Signal::INT).await?;
    Ok(Peer {
        what: format!(
            "PostgreSQL COPY, 1,000 rows a transaction, {CLIENTS} clients, {}",
            if indexed { "primary key (agent, epoch, seq)" } else { "no index" }
        ),
        results: rows,
        cpu_ns: cpu.as_nanos() as f64 / rows as f64,
        per_second: rows as f64 / took.as_secs_f64(),
        wire_bytes: bytes as f64 / rows as f64,
        disk: vec![("table", size / rows as f64)],
        durable: true,
    })
}

/// Under the packages' user when we are root.
fn as_user(program: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    // The process itself becomes the program, so that it is the one which is measured.
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program);
    command
}

fn number_of(user: &str) -> anyhow::Result<u32> {
    let users = std::fs::read_to_string("/etc/passwd").context("reading users")?;
    let line = users.lines().find(|l| l.split(':').next() == Some(user));
    Ok(line.and_then(|l| l.split(':').nth(2)).with_context(|| format!("there is no user {user}"))?.parse()?)
}

async fn run(mut command: Command) -> anyhow::Result<()> {
    let name = command.as_std().get_program().display().to_string();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let done = timeout(DEADLINE, command.output()).await.with_context(|| format!("{name} takes too long"))?;
    let done = done.with_context(|| format!("starting {name}"))?;
    ensure!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

async fn ready(psql: &impl Fn() -> Command) -> anyhow::Result<()> {
    let asking = async {
        loop {
            let mut ask = psql();
            ask.args(["-c", "SELECT 1"]);
            if run(ask).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(DEADLINE, asking).await.context("PostgreSQL does not start")
}

/// One script a client; returns the bytes of all rows.
fn write_script(path: &Path, views: &[Vec<ProbeResult>]) -> anyhow::Result<usize> {
    let mut bytes = 0;
    for client in 0..CLIENTS {
        let mut script = String::new();
        let mut seq = 0;
        for n in 0..TRANSACTIONS / CLIENTS {
            script.push_str("COPY results FROM STDIN;\n");
            let begin = script.len();
            for result in views.get(n % views.len()).into_iter().flatten() {
                seq += 1;
                row(&mut script, client, seq, result)?;
            }
            bytes += script.len() - begin;
            script.push_str("\\.\n");
        }
        std::fs::write(path.with_extension(client.to_string()), script)?;
    }
    Ok(bytes)
}

fn row(script: &mut String, agent: usize, seq: u64, r: &ProbeResult) -> std::fmt::Result {
    let p = r.phases;
    write!(script, "{agent}\t1\t{seq}\t{}\t{}\t{}\t", r.started_at.0, r.started_at.0, r.target)?;
    let mut field = |value: Option<String>| write!(script, "{}\t", value.as_deref().unwrap_or("\\N"));
    field(r.outcome.kind().map(|k| k.to_string()))?;
    field(r.status.map(|s| s.get().to_string()))?;
    for phase in [p.dns, p.connect, p.tls, p.first_byte, p.body, Some(p.total)] {
        field(phase.map(|us| us.0.to_string()))?;
    }
    field(r.address.map(|a| a.to_string()))?;
    field(r.emitter.as_ref().map(|e| e.name.to_string()))?;
    writeln!(script, "{}", r.dns.ttl_left_s.unwrap_or(0))
}
