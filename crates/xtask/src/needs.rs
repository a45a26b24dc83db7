//! What the end-to-end tests need beside cargo, and how it is installed on Debian.

use std::path::Path;

use anyhow::{bail, ensure};
use rustix::process::geteuid;
use tokio::process::Command;

use crate::child::{self, BUILD_DEADLINE, say};
use crate::workspace::{find, root};

/// A program or file, and the Debian package that brings it.
struct Need {
    what: What,
    package: &'static str,
}

enum What {
    Program(&'static str),
    Folder(&'static str),
}

const NEEDS: [Need; 9] = [
    Need { what: What::Program("nginx"), package: "nginx-light" },
    Need { what: What::Program("haproxy"), package: "haproxy" },
    Need { what: What::Program("caddy"), package: "caddy" },
    Need { what: What::Program("ip"), package: "iproute2" },
    Need { what: What::Program("nft"), package: "nftables" },
    Need { what: What::Program("chromium"), package: "chromium" },
    Need { what: What::Folder("/usr/share/fonts/truetype/noto"), package: "fonts-noto-core" },
    Need { what: What::Program("node"), package: "nodejs" },
    Need { what: What::Program("npm"), package: "npm" },
];

/// Another process may hold dpkg's lock for a while.
pub(crate) const APT_PATIENCE: &str = "DPkg::Lock::Timeout=300";
/// Where the browser tests' own packages are named.
const BROWSER: &str = "tests/browser";

/// Installs what is missing; an error says what is missing when it cannot.
pub(crate) async fn install() -> anyhow::Result<()> {
    let missing: Vec<&str> = NEEDS.iter().filter(|n| !n.what.is_there()).map(|n| n.package).collect();
    if missing.is_empty() {
        say("    nothing to install from Debian: all there");
    } else {
        install_packages(&missing).await?;
    }
    install_node_modules().await
}

async fn install_packages(packages: &[&str]) -> anyhow::Result<()> {
    let list = packages.join(" ");
    if !geteuid().is_root() || find("apt-get").is_none() {
        bail!("the tests need these Debian packages, and only root with apt-get can install them: {list}");
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-o", APT_PATIENCE]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    child::run(apt(&["update"]), BUILD_DEADLINE).await?;
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    child::run(apt(&install), BUILD_DEADLINE).await?;
    let absent: Vec<&str> = NEEDS.iter().filter(|n| !n.what.is_there()).map(|n| n.package).collect();
    ensure!(absent.is_empty(), "still missing after the installation: {}", absent.join(" "));
    Ok(())
}

/// npm's own copy of the lock file says what was installed last.
async fn install_node_modules() -> anyhow::Result<()> {
    let folder = root().join(BROWSER);
    let wanted = versions(&folder.join("package-lock.json"))?;
    if versions(&folder.join("node_modules/.package-lock.json")).is_ok_and(|there| there == wanted) {
        say("    nothing to install from npm: all there");
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    child::run(npm, BUILD_DEADLINE).await
}

/// Package and version of every entry of a lock file, the root's own entry left out.
fn versions(lock: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let lock: serde_json::Value = serde_json::from_slice(&std::fs::read(lock)?)?;
    let packages = lock["packages"].as_object().into_iter().flatten();
    let version = |p: &serde_json::Value| p["version"].as_str().unwrap_or_default().to_owned();
    // Optional packages for other systems are in the lock file and never installed.
    let wanted = packages.filter(|(path, p)| !path.is_empty() && p["optional"] != true);
    Ok(wanted.map(|(path, p)| (path.clone(), version(p))).collect())
}

impl What {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(name) => find(name).is_some(),
            Self::Folder(path) => Path::new(path).is_dir(),
        }
    }
}
