//! Where things are: the root of the workspace, programs on the search path, the files that git knows.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// `cargo` with arguments, at the root. Started by cargo itself, it is the same cargo.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Where servers lie that an ordinary user's search path leaves out.
const SERVER_DIRS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Finds a program on the search path or where servers lie.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(SERVER_DIRS.map(PathBuf::from));
    dirs.map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// What a program writes to standard output; an error when it does not end well.
pub(crate) async fn output(mut command: Command) -> anyhow::Result<String> {
    let name = command.as_std().get_program().display().to_string();
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let run = tokio::time::timeout(crate::child::ASK_DEADLINE, command.output());
    let done = run.await.with_context(|| format!("{name} took too long"))?;
    let done = done.with_context(|| format!("starting {name}"))?;
    ensure!(done.status.success(), "{name}: {}", done.status);
    String::from_utf8(done.stdout).with_context(|| format!("{name} wrote no text"))
}

/// Every file of the tree that git has or would take, relative to the root, in order.
pub(crate) async fn files() -> anyhow::Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).current_dir(root());
    let list = output(git).await?;
    let mut files: Vec<String> = list.split_terminator('\0').map(str::to_owned).collect();
    files.retain(|file| root().join(file).is_file());
    files.sort_unstable();
    files.dedup();
    Ok(files)
}
