//! A control group of its own for a program, with so much memory and no more: what takes more is killed by the kernel.
//!
//! It lies within the group that this process is in, so that limits which hold for both stay, and goes when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::process::Command;

/// Becomes the program given after the group's folder, inside of it.
const ENTER: &str = r#"echo $$ > "$1/cgroup.procs" && shift && exec "$@""#;

/// A control group. Dropping it removes it, when what ran in it has ended.
#[derive(Debug)]
pub(crate) struct Cage {
    folder: PathBuf,
    unified: bool,
}

impl Cage {
    /// A group of at most so many MiB. An error where this system, or this user, has none to give.
    pub(crate) fn new(mib: u64) -> anyhow::Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").context("reading our control group")?;
        let (parent, unified) = own_group(&groups).context("there is no memory controller")?;
        let cage = Self { folder: parent.join(format!("parallax-{}", std::process::id())), unified };
        let denied = || format!("making the control group {}", cage.folder.display());
        fs::create_dir(&cage.folder).with_context(denied)?;
        let limit = if unified { "memory.max" } else { "memory.limit_in_bytes" };
        let wrote = fs::write(cage.folder.join(limit), (mib * 1024 * 1024).to_string());
        wrote.with_context(|| format!("limiting {}", cage.folder.display()))?;
        Ok(cage)
    }

    /// This program, in the group from its first instruction on.
    pub(crate) fn around(&self, program: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(ENTER).arg("sh").arg(&self.folder).arg(program);
        command
    }

    /// How often the kernel killed something in it for want of memory.
    pub(crate) fn kills(&self) -> anyhow::Result<u64> {
        let file = self.folder.join(if self.unified { "memory.events" } else { "memory.oom_control" });
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.context("the kernel does not count")?.trim().parse().context("reading oom_kill")
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // Not empty while something in it still runs: then it stays, and does no harm.
        drop(fs::remove_dir(&self.folder));
    }
}

/// The folder of the group that limits our memory, and whether it is of version 2.
fn own_group(groups: &str) -> Option<(PathBuf, bool)> {
    let of = |wanted: fn(&str) -> bool, root: &str| {
        let line = groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            wanted(controllers).then_some(path)
        });
        let folder = Path::new(root).join(line?.trim_start_matches('/'));
        folder.is_dir().then_some(folder)
    };
    let first = of(|names| names.split(',').any(|name| name == "memory"), "/sys/fs/cgroup/memory");
    first.map(|folder| (folder, false)).or_else(|| {
        let folder = of(str::is_empty, "/sys/fs/cgroup")?;
        folder.join("memory.max").exists().then_some((folder, true))
    })
}
