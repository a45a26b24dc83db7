//! `parallax snapshot`: what it leaves is enough for a second host, whatever becomes of the first.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_model::Verdict;

use crate::support::api::Api;
use crate::support::program::{Program, ask};
use crate::support::until;

/// How long the demo may take to know its sites.
const KNOWN: Duration = Duration::from_mins(1);

/// Every address of a static file a page names.
fn files(html: &str) -> Vec<&str> {
    html.match_indices("\"/static/").filter_map(|(at, _)| html[at + 1..].split('"').next()).collect()
}

fn read(dir: &Path, path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(dir.join(path)).with_context(|| format!("reading {path}"))
}

#[tokio::test]
async fn a_copy_stands_by_itself() -> anyhow::Result<()> {
    let kept = tempfile::tempdir()?;
    let dir = kept.path().join("copy");
    let mut program = Program::up(&kept.path().join("data"), &["--demo"]).await?;
    let api = Api::of(&program).await?;
    until(KNOWN, async || {
        let sites = api.sites().await?;
        ensure!(sites.values().filter(|d| d.agents > 0).count() >= 9, "{} sites are known", sites.len());
        let shop = sites.get("shop.demo").map(|d| d.verdict);
        ensure!(shop == Some(Verdict::Partial), "who is affected at shop.demo is not known yet");
        Ok(())
    })
    .await?;
    let to = dir.to_str().context("a path in UTF-8")?;
    let live = "https://live.example";
    let made = ask(&["snapshot", to, "--from", &program.url(), "--live", live]).await?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    program.interrupt().await?;
    for path in ["index.html", "outages/index.html", "s/shop.demo/index.html", "s/fine.demo/index.html"] {
        let page = read(&dir, path)?;
        ensure!(page.contains("This is a copy of "), "{path} says what it is");
        ensure!(!page.contains("<script"), "{path} has no script");
        ensure!(page.contains("action=\"https://live.example/"), "{path} sends to the page itself");
        let named = files(&page);
        ensure!(!named.is_empty(), "{path} names its stylesheet");
        for file in named {
            ensure!(dir.join(file.trim_start_matches('/')).is_file(), "{path} names {file}");
        }
    }
    ensure!(
        read(&dir, "s/shop.demo/index.html")?.contains("Norrlight Fibre"),
        "who is affected is in the copy"
    );
    let gone = ask(&["snapshot", to, "--from", &program.url()]).await?;
    assert_eq!(gone.status.code(), Some(69), "nobody answers any more");
    ensure!(read(&dir, "index.html")?.contains("This is a copy of "), "the copy from before is still there");
    Ok(())
}
