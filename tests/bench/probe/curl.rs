//! The peer curl, which tells its phases with `-w`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tokio::time::timeout;

use crate::prober::Seen;
use crate::world::TIMED_NAME;

/// How long one run may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Seconds since its start: name looked up, connected, hands shaken, request about to be sent, first byte, end.
const WORDS: &str = "%{time_namelookup} %{time_connect} %{time_appconnect} %{time_pretransfer} %{time_starttransfer} %{time_total}";

/// Its version; `None` when it is not there.
pub(crate) async fn version() -> Option<String> {
    let mut command = Command::new("curl");
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.ok()?.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_ascii_whitespace().nth(1)?.to_owned())
}

/// Its phases of some requests with known delays, one after the other. It cannot be led to a resolver of ours, so the address
/// is given.
pub(crate) async fn timed(
    secure: bool,
    site: SocketAddr,
    root: &Path,
    requests: usize,
) -> anyhow::Result<Vec<Seen>> {
    let scheme = if secure { "https" } else { "http" };
    let mut seen = Vec::new();
    for _ in 0..requests {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--output", "/dev/null", "--http1.1", "--cacert"])
            .arg(root)
            .args(["--resolve", &format!("{TIMED_NAME}:{}:{}", site.port(), site.ip())])
            .args(["--write-out", WORDS])
            .arg(format!("{scheme}://{TIMED_NAME}:{}/", site.port()))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(DEADLINE, command.output()).await.context("curl took too long")??;
        ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let at: Vec<f64> = text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [lookup, connect, tls, ready, first_byte, end] = at[..] else {
            anyhow::bail!("curl said {text:?}");
        };
        let ms = |from: f64, to: f64| Some((to - from) * 1_000.0);
        seen.push(Seen {
            dns: None,
            connect: ms(lookup, connect),
            tls: if secure { ms(connect, tls) } else { None },
            first_byte: ms(ready, first_byte),
            body: ms(first_byte, end),
        });
    }
    Ok(seen)
}
