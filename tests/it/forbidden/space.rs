//! A network namespace of the test's own, entered by one thread.

use std::env;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use anyhow::{Context as _, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip netns` keeps its namespaces.
const SPACES: &str = "/run/netns";
/// With this variable set nothing may be skipped.
const SKIP_NOTHING: &str = "PARALLAX_TESTS_SKIP_NOTHING";

/// A network of its own. Dropping it removes it.
pub(super) struct Space {
    ip: PathBuf,
    name: String,
}

impl Space {
    /// Makes one with nothing but its loopback; `None` where that is not allowed.
    fn new(ip: &Path, label: &str) -> anyhow::Result<Option<Self>> {
        let name = format!("parallax-{label}-{}", process::id());
        let added = Command::new(ip).args(["netns", "add", &name]).output().context("ip")?;
        if !added.status.success() {
            return Ok(None);
        }
        let space = Self { ip: ip.to_owned(), name };
        space.ip("link set lo up")?;
        Ok(Some(space))
    }

    /// What `ip netns` calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` inside.
    pub(super) fn ip(&self, arguments: &str) -> anyhow::Result<()> {
        let mut command = Command::new(&self.ip);
        command.args(["-n", &self.name]).args(arguments.split_ascii_whitespace());
        said(&mut command, "").with_context(|| format!("ip {arguments}"))?;
        Ok(())
    }

    /// Runs a program inside, with a text to read; gives back what it wrote.
    pub(super) fn run(&self, program: &Path, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut command = self.command(program);
        said(command.args(arguments), input).with_context(|| program.display().to_string())
    }

    /// A command that will run inside.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.ip);
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// The way in for a thread.
    pub(super) fn door(&self) -> anyhow::Result<Door> {
        Ok(Door(File::open(Path::new(SPACES).join(&self.name)).context("the namespace")?))
    }
}

/// The way into a namespace.
pub(super) struct Door(File);

impl Door {
    /// Moves the calling thread inside, with all the sockets it will open, and all the threads and processes it will start.
    pub(super) fn enter(&self) -> anyhow::Result<()> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).context("entering it")
    }
}

/// Makes a namespace, or says that the test is skipped; a failure where nothing may be skipped.
pub(super) fn made(ip: &Path, label: &str) -> anyhow::Result<Option<Space>> {
    let space = Space::new(ip, label)?;
    if space.is_none() {
        assert!(env::var_os(SKIP_NOTHING).is_none(), "network namespaces need root");
        println!("skipped: network namespaces need root");
    }
    Ok(space)
}

impl Drop for Space {
    fn drop(&mut self) {
        // Nothing can be done about a namespace that stays.
        drop(Command::new(&self.ip).args(["netns", "del", &self.name]).output());
    }
}

fn said(command: &mut Command, input: &str) -> anyhow::Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("a standard input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
