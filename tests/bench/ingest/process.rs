//! Other programs, measured from outside: started, watched through /proc, killed when they are dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// Length of a clock tick of /proc/PID/stat.
const TICK: Duration = Duration::from_millis(10);
/// A program that was idle for so long is done with what it was given.
const LOOK: Duration = Duration::from_millis(200);
/// And with what it put off: an aggregator looks at a few sites every half a second.
const LONG_LOOK: Duration = Duration::from_millis(1_500);
/// Idle is below this share of one core.
const IDLE: f64 = 0.05;
/// How long a program may take to become idle.
const IDLE_DEADLINE: Duration = Duration::from_mins(1);

/// A program that is measured, with its children.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    id: u32,
}

/// CPU time used until now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// By the name of the thread.
    pub(crate) threads: BTreeMap<String, Duration>,
}

impl Cpu {
    pub(crate) fn all(&self) -> Duration {
        self.user + self.system
    }

    /// What was used since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let thread = |(name, used): (&String, &Duration)| {
            (name.clone(), used.saturating_sub(before.threads.get(name).copied().unwrap_or_default()))
        };
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            threads: self.threads.iter().map(thread).collect(),
        }
    }
}

impl Process {
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let name = command.as_std().get_program().display().to_string();
        let child = command.kill_on_drop(true).spawn().with_context(|| format!("starting {name}"))?;
        let id = child.id().with_context(|| format!("{name} ended at once"))?;
        Ok(Self { child, id })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// CPU time of the process and of the children it has, ended ones too.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let own = Stat::read(&format!("/proc/{}/stat", self.id))?;
        let mut cpu = Cpu {
            user: TICK * (own.user + own.ended_user),
            system: TICK * (own.system + own.ended_system),
            threads: BTreeMap::new(),
        };
        for entry in std::fs::read_dir("/proc").context("listing processes")?.filter_map(Result::ok) {
            let Ok(stat) = Stat::read(&entry.path().join("stat").display().to_string()) else { continue };
            if stat.parent == self.id {
                cpu.user += TICK * stat.user;
                cpu.system += TICK * stat.system;
            }
        }
        for task in std::fs::read_dir(format!("/proc/{}/task", self.id)).context("listing threads")? {
            let path = task.context("listing threads")?.path();
            let Ok(stat) = Stat::read(&path.join("stat").display().to_string()) else { continue };
            *cpu.threads.entry(stat.name).or_default() += TICK * (stat.user + stat.system);
        }
        Ok(cpu)
    }

    /// The most memory that was ever resident, in MiB.
    pub(crate) fn most_resident_mib(&self) -> anyhow::Result<f64> {
        self.mib("VmHWM:")
    }

    /// The memory that is resident now, in MiB.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        self.mib("VmRSS:")
    }

    fn mib(&self, field: &str) -> anyhow::Result<f64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id)).context("reading status")?;
        let line = status.lines().find_map(|l| l.strip_prefix(field)).context("reading status")?;
        let kib: f64 = line.split_ascii_whitespace().next().context("reading status")?.parse()?;
        Ok(kib / 1_024.0)
    }

    /// Waits until it does next to nothing: what it was given is done.
    pub(crate) async fn idle(&self) -> anyhow::Result<()> {
        self.idle_for(LOOK).await
    }

    /// Waits until it does next to nothing for longer: what it put off is done too.
    pub(crate) async fn settled(&self) -> anyhow::Result<()> {
        self.idle_for(LONG_LOOK).await
    }

    async fn idle_for(&self, look: Duration) -> anyhow::Result<()> {
        let waiting = async {
            let mut before = self.cpu()?.all();
            loop {
                tokio::time::sleep(look).await;
                let now = self.cpu()?.all();
                if now.saturating_sub(before).as_secs_f64()
                    < IDLE * look.as_secs_f64() + TICK.as_secs_f64() / 2.0
                {
                    return anyhow::Ok(());
                }
                before = now;
            }
        };
        tokio::time::timeout(IDLE_DEADLINE, waiting).await.context("it never comes to rest")?
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("killing it")
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(&mut self, signal: Signal) -> anyhow::Result<()> {
        let id = Pid::from_raw(i32::try_from(self.id)?).context("a process has an id")?;
        kill_process(id, signal).context("sending a signal")?;
        tokio::time::timeout(IDLE_DEADLINE, self.child.wait()).await.context("it does not end")??;
        Ok(())
    }
}

/// What proc(5) says of /proc/PID/stat, as far as it is of use here.
struct Stat {
    name: String,
    parent: u32,
    user: u32,
    system: u32,
    ended_user: u32,
    ended_system: u32,
}

impl Stat {
    fn read(path: &str) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
        let (head, tail) = text.rsplit_once(')').context("reading stat")?;
        let name = head.split_once('(').context("reading stat")?.1.to_owned();
        // The first of these is the third of the file.
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        let field = |n: usize| -> anyhow::Result<u32> {
            Ok(fields.get(n - 3).context("reading stat")?.parse().unwrap_or(0))
        };
        Ok(Self {
            name,
            parent: field(4)?,
            user: field(14)?,
            system: field(15)?,
            ended_user: field(16)?,
            ended_system: field(17)?,
        })
    }
}
