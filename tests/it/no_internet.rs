//! On a machine whose own line is down, nothing is called down: the answer is that we cannot tell, and why.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::support::outside::needed;
use crate::support::program::{Program, ask_with, binary};
use crate::support::until;

/// How long the agent beside the aggregator may take until it is online.
const ONLINE_DEADLINE: Duration = Duration::from_secs(30);

/// A network namespace with nothing but its loopback. Dropping it removes it.
struct NoInternet {
    ip: PathBuf,
    name: String,
}

impl NoInternet {
    /// Makes one; `None` where that is not allowed.
    fn new(ip: &Path) -> anyhow::Result<Option<Self>> {
        let space = Self { ip: ip.to_owned(), name: format!("parallax-{}", process::id()) };
        let run = |args: &[&str]| process::Command::new(ip).args(args).output().context("ip");
        if !run(&["netns", "add", &space.name])?.status.success() {
            return Ok(None);
        }
        let up = run(&["-n", &space.name, "link", "set", "lo", "up"])?;
        ensure!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        Ok(Some(space))
    }

    /// `parallax` inside.
    fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&self.ip);
        command.args(["netns", "exec", &self.name]).arg(binary()).args(args);
        command
    }
}

impl Drop for NoInternet {
    fn drop(&mut self) {
        // Nothing can be done about a namespace that stays.
        drop(process::Command::new(&self.ip).args(["netns", "del", &self.name]).output());
    }
}

/// Whether the one agent is connected, asked inside.
async fn agent_is_online(space: &NoInternet, program: &Program, data: &Path) -> anyhow::Result<()> {
    let key = data.join("operator.key").display().to_string();
    let list = space.command(&["agents", "list", "--json", "--server", &program.url(), "--key-file", &key]);
    let output = ask_with(list, "").await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        text.contains("\"state\":\"online\""),
        "no agent is online: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[tokio::test]
async fn nothing_is_called_down_without_internet() -> anyhow::Result<()> {
    let Some([ip]) = needed(["ip"]) else { return Ok(()) };
    let Some(space) = NoInternet::new(&ip)? else {
        println!("skipped: network namespaces need root");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let up = space.command(&["up", "--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0"]);
    let data = dir.path().join("data");
    let mut program = Program::start(up, &data).await?;
    until(ONLINE_DEADLINE, async || agent_is_online(&space, &program, &data).await).await?;
    let check = space.command(&["check", "example.com", "--json", "--server", &program.url()]);
    let output = ask_with(check, "").await?;
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let said: Value = serde_json::from_str(last)?;
    assert_eq!(said["verdict"], "unknown", "{said}");
    assert!(!text.contains("\"verdict\":\"down\""), "never down, not for a moment: {text}");
    assert_eq!(said["diagnosis"]["sentence"], "We cannot tell: our testers' own lines are down", "{said}");
    assert_eq!(said["here"]["state"], "line-broken", "{said}");
    let (status, _) = program.interrupt().await?;
    assert_eq!(status.code(), Some(0));
    Ok(())
}
