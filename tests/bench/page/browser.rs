//! The browser's part: node scripts that print one JSON object a line.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::demo::Demo;
use crate::report::{Report, say};

/// How long the scripts may take: a hundred checks, each site once a minute and scheme.
const DEADLINE: Duration = Duration::from_mins(30);
/// Sites that take a connection and never say a word, each asked once.
const DEAD: u8 = 5;
/// The pages Lighthouse looks at. A check's page is not for search engines, so it is left out.
const PAGES: [&str; 3] = ["/", "/s/shop.demo", "/learn/502"];

pub(crate) async fn measure(
    demo: &Demo,
    folder: &Path,
    runs: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    // The kernel takes connections for a listener that nobody accepts from.
    let silent: Vec<TcpListener> = (1..=DEAD)
        .map(|n| TcpListener::bind((Ipv4Addr::new(127, 77, 0, n), 0)))
        .collect::<Result<_, _>>()
        .context("binding a dead site")?;
    let mut command = script(folder, "measure.mjs", demo);
    command.arg(runs.to_string());
    for listener in &silent {
        command.arg(format!("http://{}/", listener.local_addr().context("finding a dead site")?));
    }
    run(command, report).await
}

pub(crate) async fn lighthouse(demo: &Demo, folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let mut command = script(folder, "lighthouse.mjs", demo);
    command.args(PAGES);
    run(command, report).await
}

fn script(folder: &Path, name: &str, demo: &Demo) -> Command {
    let mut command = Command::new("node");
    command.arg(name).arg(demo.url()).current_dir(folder);
    command
}

async fn run(mut command: Command, report: &mut Report) -> anyhow::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output())
        .await
        .context("the script does not end")?
        .context("starting node")?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(said) = serde_json::from_str::<Value>(line) else { continue };
        let what = said["what"].as_str().unwrap_or_default();
        match (&said["value"], what.split_once(" failed")) {
            (value, None) if value.is_number() => report.add(what, value.as_f64().unwrap_or_default()),
            _ => report.tell(what, &said),
        }
    }
    ensure!(output.status.success(), "the script failed: {}", output.status);
    say("the browser is done");
    Ok(())
}
