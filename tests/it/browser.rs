//! The pages in a real browser: `tests/browser/suite.mjs` against the demo.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::api::Api;
use crate::support::outside::needed;
use crate::support::program::Program;
use crate::support::until;

/// How long the suite may take: some forty pages in three widths and two themes, about two minutes on an idle machine.
const SUITE_DEADLINE: Duration = Duration::from_mins(8);
/// How long the demo may take to be what the suite looks at.
const DEMO_DEADLINE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn pages_work_in_a_browser() -> anyhow::Result<()> {
    let Some([node, chromium]) = needed(["node", "chromium"]) else { return Ok(()) };
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    if !suite.join("node_modules").is_dir() {
        assert!(
            std::env::var_os("PARALLAX_TESTS_SKIP_NOTHING").is_none(),
            "npm ci in tests/browser is missing"
        );
        println!("skipped: run npm ci in tests/browser");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let program = Program::up(&dir.path().join("data"), &["--demo"]).await?;
    let api = Api::of(&program).await?;
    until(DEMO_DEADLINE, async || {
        let sites = api.sites().await?;
        let known = sites.values().filter(|d| d.agents > 0).count();
        anyhow::ensure!(known >= 9, "{known} sites are known");
        Ok(())
    })
    .await?;
    let mut command = Command::new(node);
    command.arg("suite.mjs").arg(program.url()).arg(chromium).current_dir(&suite);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(SUITE_DEADLINE, command.output()).await.context("the suite does not end")??;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "the suite found something, see above");
    Ok(())
}
