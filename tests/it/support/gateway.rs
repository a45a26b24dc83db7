//! Real gateways in front of servers that fail: nginx, HAProxy and Caddy, each with its own configuration in its own folder.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::until;

/// How long a gateway may take to listen.
const LISTEN_DEADLINE: Duration = Duration::from_secs(10);
/// How often another port is tried when somebody took the first between two binds.
const PORT_TRIES: usize = 5;

/// A running gateway. Dropping it ends it.
pub(crate) struct Gateway {
    _child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it wrote; shown when a test fails.
    log: PathBuf,
}

/// Which program it is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
    Caddy,
}

impl Gateway {
    /// nginx, with this inside its `http` block; `LISTEN` in it stands for where it listens.
    pub(crate) async fn nginx(program: &Path, dir: &Path, http: &str) -> anyhow::Result<Self> {
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\nhttp {{\n\
             access_log access.log;\nclient_body_temp_path tmp;\nproxy_temp_path tmp;\nfastcgi_temp_path tmp;\n\
             uwsgi_temp_path tmp;\nscgi_temp_path tmp;\n{http}\n}}\n"
        );
        Self::start(Kind::Nginx, program, dir, &configuration).await
    }

    /// HAProxy, with this configuration; `LISTEN` in it stands for where it listens.
    pub(crate) async fn haproxy(program: &Path, dir: &Path, configuration: &str) -> anyhow::Result<Self> {
        Self::start(Kind::Haproxy, program, dir, configuration).await
    }

    /// Caddy, with these sites; `LISTEN_PORT` in it stands for the port it listens on. What it keeps is in `dir`.
    pub(crate) async fn caddy(program: &Path, dir: &Path, sites: &str) -> anyhow::Result<Self> {
        let kept = dir.display();
        let configuration = format!(
            "{{\nadmin off\nskip_install_trust\nauto_https disable_redirects\nstorage file_system {kept}\n}}\n{sites}\n"
        );
        Self::start(Kind::Caddy, program, dir, &configuration).await
    }

    async fn start(kind: Kind, program: &Path, dir: &Path, configuration: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut last = None;
        for _ in 0..PORT_TRIES {
            // The port is given back a moment before the gateway takes it: whether it did is looked at below.
            let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
            match Self::start_at(
                kind,
                program,
                dir,
                &configuration
                    .replace("LISTEN_PORT", &address.port().to_string())
                    .replace("LISTEN", &address.to_string()),
                address,
            )
            .await
            {
                Ok(gateway) => return Ok(gateway),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no port was tried")?)
    }

    async fn start_at(
        kind: Kind,
        program: &Path,
        dir: &Path,
        configuration: &str,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let file = dir.join("gateway.conf");
        fs::write(&file, configuration)?;
        let log = dir.join("gateway.log");
        let output = fs::File::create(&log)?;
        let mut command = Command::new(program);
        match kind {
            Kind::Nginx => command.arg("-e").arg(&log).arg("-p").arg(dir).arg("-c").arg(&file),
            Kind::Haproxy => command.arg("-db").arg("-f").arg(&file),
            Kind::Caddy => {
                command.env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file)
            }
        };
        command
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let listening = async || {
            if let Some(status) = child.try_wait()? {
                bail!("it ended with {status}");
            }
            Ok(TcpStream::connect(address).await.map(drop)?)
        };
        let up = until(LISTEN_DEADLINE, listening).await;
        up.with_context(|| {
            format!("{}: {}", program.display(), fs::read_to_string(&log).unwrap_or_default())
        })?;
        ensure!(owns(&child, address.port())?, "another program took port {}", address.port());
        Ok(Self { _child: child, address, log })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- {}:\n{}", self.log.display(), fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Whether the child itself listens on a port: its open sockets against the kernel's list.
fn owns(child: &Child, port: u16) -> anyhow::Result<bool> {
    let id = child.id().context("it ended")?;
    let table = fs::read_to_string("/proc/net/tcp")?;
    let port = format!(":{port:04X}");
    let listening = |fields: &Vec<&str>| fields.len() > 9 && fields[1].ends_with(&port) && fields[3] == "0A";
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let inodes: Vec<String> = lines.filter(listening).map(|f| format!("socket:[{}]", f[9])).collect();
    let open = fs::read_dir(format!("/proc/{id}/fd"))?;
    let mut targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Ok(targets.any(|t| inodes.iter().any(|i| t.to_string_lossy() == i.as_str())))
}
