//! Pictures of the demo's pages.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::child::{self, BUILD_DEADLINE, TEST_DEADLINE, say};
use crate::needs;
use crate::workspace::{cargo, root};

/// What `parallax up` says when it is up, before the address.
const UP: &str = "Parallax is up: ";

/// Starts the demo, takes pictures of its pages into `dir`, ends the demo.
pub(crate) async fn take(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
    needs::install().await?;
    child::run(cargo(&["build", "--workspace", "--bin", "parallax"]), BUILD_DEADLINE).await?;
    let kept = root().join("target/shots");
    // Pictures of a demo that has just begun: what an earlier one kept would show in them.
    drop(std::fs::remove_dir_all(&kept));
    let mut demo = start_demo(&kept)?;
    let pictured = picture(&mut demo, &dir).await;
    child::end_group(&mut demo).await;
    pictured
}

fn start_demo(kept: &Path) -> anyhow::Result<Child> {
    let mut command = Command::new(root().join("target/debug/parallax"));
    command.args(["up", "--demo", "--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(kept).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
    command.spawn().context("starting the demo")
}

async fn picture(demo: &mut Child, dir: &Path) -> anyhow::Result<()> {
    let stdout = demo.stdout.take().context("the demo has no standard output")?;
    let (address, _lines) = tokio::time::timeout(child::ASK_DEADLINE, address(stdout))
        .await
        .context("the demo did not say its address in time")??;
    say(format_args!("    the demo is at {address}"));
    let mut node = Command::new("node");
    node.arg("shots.mjs").arg(address).arg(dir).current_dir(root().join("tests/browser"));
    child::run(node, TEST_DEADLINE).await
}

/// The address, and the rest of the output, which must stay open while the demo runs.
async fn address(stdout: ChildStdout) -> anyhow::Result<(String, tokio::io::Lines<BufReader<ChildStdout>>)> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(address) = line.strip_prefix(UP) {
            return Ok((address.trim().to_owned(), lines));
        }
    }
    bail!("the demo ended before it was up")
}
