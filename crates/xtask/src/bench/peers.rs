//! The programs others wrote that ours are measured beside, as Debian ships them.

use std::path::PathBuf;

use anyhow::Context as _;
use rustix::process::geteuid;
use tokio::process::Command;

use crate::child::{self, BUILD_DEADLINE, say};
use crate::needs::APT_PATIENCE;
use crate::workspace::{find, root};

const BLACKBOX: &str = "prometheus-blackbox-exporter";
const CURL: &str = "curl";
const WRK: &str = "wrk";
const PROMETHEUS: &str = "prometheus";
/// The server; installing it makes and starts a cluster on loopback.
const POSTGRES: &str = "postgresql";

/// Where packages are unpacked to, under the root of the workspace.
const UNPACKED: &str = "target/bench/peers";

/// prometheus-blackbox-exporter.
pub(crate) async fn blackbox() -> anyhow::Result<Option<PathBuf>> {
    unpacked_program(BLACKBOX).await
}

/// prometheus.
pub(crate) async fn prometheus() -> anyhow::Result<Option<PathBuf>> {
    unpacked_program(PROMETHEUS).await
}

/// The folder of PostgreSQL's programs, installed when missing and we may; else a line that says it is left out.
pub(crate) async fn postgres() -> anyhow::Result<Option<PathBuf>> {
    if postgres_programs().is_none() {
        install(POSTGRES).await?;
    }
    Ok(postgres_programs())
}

/// Debian puts each version into a folder of its own; the newest.
fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
    versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("postgres").is_file()).max()
}

/// A program: installed, or else its package unpacked beside the build. Installing it would start a service that listens on every
/// address. `None`, and a line that says so, where it cannot be had.
async fn unpacked_program(program: &str) -> anyhow::Result<Option<PathBuf>> {
    let unpacked = root().join(UNPACKED).join("usr/bin").join(program);
    if let Some(there) = find(program).or_else(|| unpacked.is_file().then(|| unpacked.clone())) {
        return Ok(Some(there));
    }
    if find("apt-get").is_none() || find("dpkg-deb").is_none() {
        say(format_args!("    {program} is left out: it is not installed, and this is no Debian"));
        return Ok(None);
    }
    if let Err(error) = unpack(program).await {
        say(format_args!("    {program} is left out: {error:#}"));
        return Ok(None);
    }
    Ok(unpacked.is_file().then_some(unpacked))
}

/// curl, installed when missing and we may; else a line that says it is left out.
pub(crate) async fn curl() -> anyhow::Result<()> {
    if find(CURL).is_some() { Ok(()) } else { install(CURL).await }
}

/// wrk, which asks a server as fast as it answers; `None`, and a line that says so, where it cannot be had.
pub(crate) async fn wrk() -> anyhow::Result<Option<PathBuf>> {
    if find(WRK).is_none() {
        install(WRK).await?;
    }
    Ok(find(WRK))
}

async fn install(package: &str) -> anyhow::Result<()> {
    if !geteuid().is_root() || find("apt-get").is_none() {
        say(format_args!(
            "    {package} is left out: it is not installed, and only root with apt-get can do that"
        ));
        return Ok(());
    }
    child::run(apt(&["update"]), BUILD_DEADLINE).await?;
    child::run(apt(&["install", "-y", "--no-install-recommends", package]), BUILD_DEADLINE).await
}

async fn unpack(package: &str) -> anyhow::Result<()> {
    let folder = root().join(UNPACKED);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    if geteuid().is_root() {
        child::run(apt(&["update"]), BUILD_DEADLINE).await?;
    }
    let mut download = apt(&["download", package]);
    download.current_dir(&folder);
    child::run(download, BUILD_DEADLINE).await?;
    let files = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let paths = files.filter_map(Result::ok).map(|file| file.path());
    let file = paths
        .filter(|path| path.file_name().is_some_and(|name| is_package(&name.to_string_lossy(), package)))
        .max();
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(file.context("the package did not come")?).arg(&folder);
    child::run(unpack, BUILD_DEADLINE).await
}

/// Whether a file is what `apt-get download` made of a package: `NAME_VERSION_ARCHITECTURE.deb`.
fn is_package(file: &str, package: &str) -> bool {
    let version = file.strip_prefix(package).and_then(|rest| rest.strip_suffix(".deb"));
    version.is_some_and(|version| version.starts_with('_'))
}

fn apt(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", APT_PATIENCE]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
