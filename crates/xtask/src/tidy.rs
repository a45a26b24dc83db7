//! Rules of the repository that no compiler knows: names, lengths, what may depend on what, what must not be written.
//!
//! [`sources`] judges texts, [`arrows`] judges dependencies. Each rule answers with lines that say where and what.

use anyhow::bail;
use tokio::process::Command;

use crate::child::say;
use crate::workspace::{cargo, files, output, root};

mod arrows;
mod sources;

/// Judges the whole tree and fails when anything is wrong.
pub(crate) async fn run() -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    let files = files().await?;
    for file in &files {
        // What is no text (fonts, pictures) has no rules.
        if let Ok(text) = std::fs::read_to_string(root().join(file)) {
            wrong.extend(sources::judge(file, &text));
        }
    }
    wrong.extend(sources::unreferenced(&files, &|file| std::fs::read_to_string(root().join(file)).ok()));
    let metadata = output(cargo(&["metadata", "--format-version", "1", "--no-deps"])).await?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    wrong.extend(arrows::judge(&metadata));
    for pure in arrows::PURE {
        wrong.extend(arrows::impure(pure, &output(tree(pure)).await?));
    }
    for line in &wrong {
        say(format_args!("    {line}"));
    }
    if wrong.is_empty() {
        say(format_args!("    {} files keep the rules", files.len()));
        return Ok(());
    }
    bail!("{} things break the rules", wrong.len())
}

/// What a package is built with, one crate a line.
fn tree(package: &str) -> Command {
    cargo(&["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", package])
}
