//! Running other programs: in a process group of their own, for a bounded time, ended with everything they started.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// How long a question to cargo or git may take.
pub(crate) const ASK_DEADLINE: Duration = Duration::from_mins(2);
/// How long something may compile: a cold build on two cores takes a quarter of it.
pub(crate) const BUILD_DEADLINE: Duration = Duration::from_mins(40);
/// How long tests may run, their compilation included.
pub(crate) const TEST_DEADLINE: Duration = Duration::from_mins(20);
/// How long an ended process group has to clean up.
const GRACE: Duration = Duration::from_secs(5);

/// Writes one line of progress at once. When nobody reads it any more, work goes on: the exit code still tells.
pub(crate) fn say(text: impl Display) {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Runs a program to its end. Too late, ^C and SIGTERM end its whole process group; an end that is not good is an error.
pub(crate) async fn run(mut command: Command, deadline: Duration) -> anyhow::Result<()> {
    let name = described(&command);
    say(format_args!("    $ {name}"));
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
    let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let stopped = tokio::select! {
        ended = child.wait() => {
            let status = ended.with_context(|| format!("waiting for {name}"))?;
            if status.success() {
                return Ok(());
            }
            bail!("{name}: {status}")
        }
        () = tokio::time::sleep(deadline) => format!("not done within {} s", deadline.as_secs()),
        _ = tokio::signal::ctrl_c() => "interrupted".to_owned(),
        _ = terminated.recv() => "terminated".to_owned(),
    };
    end_group(&mut child).await;
    bail!("{name}: {stopped}")
}

/// Asks a child's whole group to end, then ends it.
pub(crate) async fn end_group(child: &mut Child) {
    let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else {
        return;
    };
    // A group that is gone already is what was wanted.
    let _ = kill_process_group(group, Signal::INT);
    if timeout(GRACE, child.wait()).await.is_err() {
        let _ = kill_process_group(group, Signal::KILL);
        drop(child.wait().await);
    }
}

fn described(command: &Command) -> String {
    let command = command.as_std();
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let args = command.get_args().map(|a| a.to_string_lossy().into_owned());
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}
