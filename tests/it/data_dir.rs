//! What is kept, by an operator's hands: `parallax data` beside a running aggregator and after it, and a disk that is full for a while.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parallax_proto::v1::admin::AddTargetRequest;
use parallax_proto::v1::admin::admin_service_client::AdminServiceClient;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::Instant;
use tonic::Request;

use crate::support::api::Api;
use crate::support::outside::needed;
use crate::support::program::{Program, ask, command};
use crate::support::site::Site;
use crate::support::until;

/// How long the first results may take.
const RESULTS_DEADLINE: Duration = Duration::from_secs(30);
/// How soon a full disk is told, from the next write on.
const FULL_DEADLINE: Duration = Duration::from_mins(1);
/// How soon everything goes on once there is space.
const RECOVERY: Duration = Duration::from_secs(10);
/// The disk's size.
const DISK: &str = "size=64m";

/// `parallax data …` with an answer in JSON: its code and what it says.
async fn data(args: &[&str], dir: &Path) -> anyhow::Result<(i32, Value, String)> {
    let dir = dir.display().to_string();
    let all: Vec<&str> =
        ["data"].into_iter().chain(args.iter().copied()).chain(["--json", "--data-dir", &dir]).collect();
    let output = ask(&all).await?;
    let said = String::from_utf8(output.stderr)?;
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    Ok((output.status.code().context("it ended by itself")?, answer, said))
}

/// Watches a site of our own, so that there are results.
async fn watch(program: &Program, dir: &Path, site: &Site) -> anyhow::Result<()> {
    let key = fs::read_to_string(dir.join("operator.key"))?;
    let target = AddTargetRequest { site: format!("http://{}/", site.address), interval_ms: 5_000 };
    let mut request = Request::new(target);
    request.metadata_mut().insert("authorization", format!("Bearer {}", key.trim()).parse()?);
    AdminServiceClient::new(Api::of(program).await?.channel()).add_target(request).await?;
    Ok(())
}

async fn results(dir: &Path) -> anyhow::Result<u64> {
    let (code, status, said) = data(&["status"], dir).await?;
    ensure!(code == 0, "{code}: {said}");
    status["results"].as_u64().context("results")
}

#[tokio::test]
async fn a_store_is_backed_up_while_it_works_and_comes_back() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (home, file) = (dir.path().join("data"), dir.path().join("backup.db"));
    let backup = file.display().to_string();
    let mut program = Program::up(&home, &["--allow-cidr", "127.0.0.0/8"]).await?;
    let site = Site::start().await?;
    watch(&program, &home, &site).await?;
    let some = async || match results(&home).await? {
        0 => bail!("no results yet"),
        _ => Ok(()),
    };
    until(RESULTS_DEADLINE, some).await?;

    let (code, copied, said) = data(&["backup", &backup], &home).await?;
    assert_eq!((code, &copied["whole"]), (0, &Value::Bool(true)), "{said}");
    assert!(said.contains("100 % of"), "progress: {said}");
    let (code, _, said) = data(&["backup", &backup], &home).await?;
    assert_eq!(code, 1, "a file that is there is not written over: {said}");
    assert_eq!(data(&["check", "--thorough"], &home).await?.0, 0);
    assert_eq!(data(&["check", &backup], &home).await?.0, 0);
    // Nobody else gets the store while it is in use.
    let (code, _, said) = data(&["restore", &backup], &home).await?;
    assert_eq!(code, 75, "{said}");
    let second = ["up", "--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0", "--data-dir"];
    let home_name = home.display().to_string();
    let second = ask(&second.iter().copied().chain([home_name.as_str()]).collect::<Vec<_>>()).await?;
    assert_eq!(second.status.code(), Some(75), "{}", String::from_utf8_lossy(&second.stderr));
    let (status, _) = program.interrupt().await?;
    assert_eq!(status.code(), Some(0));
    // Joined into blocks they are as many, and whole.
    let before = results(&home).await?;
    let (code, joined, said) = data(&["compact"], &home).await?;
    assert_eq!(code, 0, "{said}");
    ensure!(joined["results"].as_u64().is_some_and(|joined| joined <= before), "{joined}");
    assert_eq!(results(&home).await?, before);
    assert_eq!(data(&["check", "--thorough"], &home).await?.0, 0);

    // On another machine, from that one file, keys included.
    let other = dir.path().join("other");
    let (code, restored, said) = data(&["restore", &backup], &other).await?;
    assert_eq!((code, &restored["whole"]), (0, &Value::Bool(true)), "{said}");
    for file in ["operator.key", "ca.pem", "ca.key.pem"] {
        assert_eq!(fs::read(home.join(file))?, fs::read(other.join(file))?, "{file}");
    }
    let program = Program::up(&other, &["--agents", "0"]).await?;
    assert!(Api::of(&program).await?.sites().await?.contains_key(&site.address.ip().to_string()));
    Ok(())
}

#[tokio::test]
async fn what_is_no_good_store_is_said_with_its_own_code() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let home = dir.path().join("data");
    let (code, _, said) = data(&["status"], &home).await?;
    assert_eq!(code, 69, "{said}");
    drop(parallax_store::Store::open(&home)?);
    let database = home.join("parallax.db");
    let whole = fs::read(&database)?;

    // A row that is not what was written.
    let connection = rusqlite::Connection::open(&database)?;
    connection
        .execute("INSERT INTO site_states (site, state, checksum) VALUES ('a.example', '{}', 7)", [])?;
    drop(connection);
    let (code, report, _) = data(&["check"], &home).await?;
    assert_eq!((code, &report["whole"]), (65, &Value::Bool(false)));
    let states = report["tables"].as_array().into_iter().flatten().find(|t| t["table"] == "site_states");
    assert_eq!(states.map(|t| &t["damaged"]), Some(&Value::from(1)));

    // A version to come: nothing opens it, and it stays as it is.
    fs::write(&database, &whole)?;
    let connection = rusqlite::Connection::open(&database)?;
    connection.pragma_update(None, "user_version", parallax_store::SCHEMA_VERSION + 1)?;
    drop(connection);
    let newer = fs::read(&database)?;
    for args in [["check"], ["status"]] {
        let (code, _, said) = data(&args, &home).await?;
        assert!(code == 65 && said.contains("use a newer one"), "{code}: {said}");
    }
    let mut start =
        command(&["up", "--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0", "--data-dir"]);
    let started = start.arg(&home).output().await?;
    let said = String::from_utf8(started.stderr)?;
    assert!(started.status.code() == Some(78) && said.contains("use a newer one"), "{said}");
    assert_eq!(fs::read(&database)?, newer);
    Ok(())
}

/// A mounted file system, gone with it.
struct Disk(tempfile::TempDir);

impl Disk {
    async fn new() -> anyhow::Result<Option<Self>> {
        let Some([mount, _]) = needed(["mount", "umount"]) else { return Ok(None) };
        let dir = tempfile::tempdir()?;
        let mounted =
            Command::new(mount).args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(dir.path()).output().await?;
        if mounted.status.success() {
            return Ok(Some(Self(dir)));
        }
        println!("skipped: mounting needs root");
        Ok(None)
    }

    fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::create(self.0.path().join("ballast"))?;
        for size in [1 << 20, 1 << 12, 1] {
            while ballast.write_all(&vec![1; size]).is_ok() {}
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the program may still be ending.
        drop(std::process::Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

async fn readiness(program: &Program) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(program.page).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", program.page);
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The whole program on a disk of 64 MiB: it says that the disk is full, goes on serving, and goes on keeping once there is space.
#[tokio::test]
async fn a_full_disk_is_told_and_survived() -> anyhow::Result<()> {
    let Some(disk) = Disk::new().await? else { return Ok(()) };
    let home = disk.0.path().join("data");
    let dir = tempfile::tempdir()?;
    // Its log is on another disk: a log that cannot be written would tell nothing.
    let mut start = command(&["up", "--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0"]);
    start.args(["--allow-cidr", "127.0.0.0/8"]);
    let link = dir.path().join("data");
    fs::create_dir(&home)?;
    std::os::unix::fs::symlink(&home, &link)?;
    let mut program = Program::start(start, &link).await?;
    let site = Site::start().await?;
    watch(&program, &home, &site).await?;
    let more_than = async |known: u64| match results(&home).await? {
        found if found > known => Ok(()),
        found => bail!("{found} results"),
    };
    until(RESULTS_DEADLINE, async || more_than(0).await).await?;
    disk.fill()?;
    let full = async || match readiness(&program).await? {
        said if said.contains("store: degraded: the disk is full") => Ok(()),
        said => bail!("{said}"),
    };
    until(FULL_DEADLINE, full).await?;
    assert!(readiness(&program).await?.starts_with("HTTP/1.1 200"), "pages are served");
    assert!(Api::of(&program).await?.sites().await?.len() == 1);
    let known = results(&home).await?;

    fs::remove_file(disk.0.path().join("ballast"))?;
    let freed = Instant::now();
    let fine = async || match readiness(&program).await? {
        said if said.contains("store: ok") => Ok(()),
        said => bail!("{said}"),
    };
    until(RECOVERY, fine).await?;
    let took = freed.elapsed();
    until(RESULTS_DEADLINE, async || more_than(known).await).await?;
    println!(
        "the store says it is fine {took:.1?} after there was space; the next result was kept after {:.1?}",
        freed.elapsed()
    );
    let (status, _) = program.interrupt().await?;
    assert_eq!(status.code(), Some(0), "the same process, a clean end");
    Ok(())
}
