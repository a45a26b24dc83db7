//! What it costs to watch 1,000 sites every 15 seconds by one agent: agent and aggregator together, everything stored; and the memory
//! that each holds, beside that of an agent with nothing to do.
//!
//! Both are the programs as they are shipped. The sites are in this process, whose time nobody counts; names are led to them by the
//! agent's own rules, so that no name server is asked.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parallax_agent::{AgentConfig, enroll};
use parallax_lab::load::LoadSites;
use parallax_lab::tls::Authority;
use parallax_model::{Outcome, UnixMicros};
use parallax_proto::batch::{Known, read};
use parallax_proto::v1::admin::CreateTokenRequest;
use parallax_proto::v1::admin::admin_service_client::AdminServiceClient;
use parallax_runtime::SystemClock;
use parallax_store::Store;
use tokio::process::Command;
use tonic::Request;
use tonic::transport::Endpoint;

use crate::process::Process;
use crate::report::say;
use crate::server::Server;

/// Sites, each probed as often as [`Server::start`] says: every 15 seconds.
const SITES: usize = 1_000;
/// How long an agent has nothing to do before its memory is looked at.
const IDLE: Duration = Duration::from_secs(10);
/// How long is counted: four rounds, after the first.
const COUNTED: Duration = Duration::from_mins(1);
/// How long the first round may take.
const FIRST_DEADLINE: Duration = Duration::from_mins(1);
/// How often it is looked whether it is over.
const LOOK: Duration = Duration::from_millis(100);
/// The certificate of the sites holds for this, and they are called so.
const NAMES: &str = "*.site-under-test.com";

pub(crate) async fn measure(parallax: &Path) -> anyhow::Result<()> {
    let authority = Authority::new("Parallax watched")?;
    let sites = LoadSites::start(&authority, NAMES)?;
    let program = parallax.with_file_name("parallax-agent");
    let bytes = std::fs::metadata(&program).with_context(|| format!("finding {}", program.display()))?.len();
    say(format_args!("parallax-agent is a file of {:.1} MiB", bytes as f64 / f64::from(1 << 20)));
    let idle = Watch::start(parallax, &[], &sites, &authority).await?;
    tokio::time::sleep(IDLE).await;
    say(format_args!("an agent with nothing to do holds {:.1} MiB", idle.agent.resident_mib()?));
    drop(idle);
    for scheme in ["http", "https"] {
        let targets: Vec<String> = (0..SITES).map(|n| format!("{scheme}://{}/", name(n))).collect();
        say(Watch::start(parallax, &targets, &sites, &authority).await?.count().await.context(scheme)?);
    }
    Ok(())
}

/// An aggregator and its one agent.
struct Watch {
    server: Server,
    agent: Process,
}

impl Watch {
    async fn start(
        parallax: &Path,
        targets: &[String],
        sites: &LoadSites,
        authority: &Authority,
    ) -> anyhow::Result<Self> {
        let server = Server::start(parallax, targets, None).await?;
        let own = server.data().with_file_name("agent");
        std::fs::create_dir(&own).context("making the agent's directory")?;
        let config = AgentConfig {
            aggregator: server.agents.to_string(),
            data_dir: own.clone(),
            ..AgentConfig::default()
        };
        enroll(&config, &token(&server).await?, Arc::new(SystemClock)).await?;
        std::fs::write(own.join("sites.pem"), authority.pem()).context("writing the sites' authority")?;
        let text = format!(
            "aggregator = \"{}\"\ndata_dir = \"{}\"\n[limits]\nlevel = \"operator\"\n[probe]\nallow_cidr = [\"127.0.0.0/8\"]\n\
             beacons = []\nca = \"{}\"\nconnect_to = [{}]\n",
            server.agents,
            own.display(),
            own.join("sites.pem").display(),
            rules(sites)
        );
        std::fs::write(own.join("agent.toml"), text).context("writing the agent's configuration")?;
        let mut command = Command::new(parallax.with_file_name("parallax-agent"));
        command.args(["run", "--log", "warn", "--config"]).arg(own.join("agent.toml")).stdin(Stdio::null());
        Ok(Self { server, agent: Process::start(command)? })
    }

    /// What probes cost after the first round.
    async fn count(mut self) -> anyhow::Result<String> {
        let stored = async || self.server.metric("parallax_results_total").await;
        let first = async {
            while stored().await? < SITES as f64 {
                tokio::time::sleep(LOOK).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(FIRST_DEADLINE, first).await.context("no first round")??;
        let (agent, server, results) = (self.agent.cpu()?, self.server.process.cpu()?, stored().await?);
        tokio::time::sleep(COUNTED).await;
        let agent = self.agent.cpu()?.since(&agent).all();
        let server = self.server.process.cpu()?.since(&server).all();
        let results = stored().await? - results;
        anyhow::ensure!(results > 0.0, "no result came");
        let ms = |used: Duration| used.as_secs_f64() * 1e3 / results;
        let told = format!(
            "{results} results stored in {} s: {:.3} ms of CPU each, {:.3} of the agent and {:.3} of the aggregator; \
             agent {:.1} MiB resident ({:.1} at most), aggregator {:.1} ({:.1})",
            COUNTED.as_secs(),
            ms(agent + server),
            ms(agent),
            ms(server),
            self.agent.resident_mib()?,
            self.agent.most_resident_mib()?,
            self.server.process.resident_mib()?,
            self.server.process.most_resident_mib()?,
        );
        ensure_all_work(&mut self.server).await?;
        Ok(told)
    }
}

fn name(site: usize) -> String {
    NAMES.replace('*', &format!("site-{site}"))
}

/// Where the agent is led for each name. No address has more sites than an agent may probe there.
fn rules(sites: &LoadSites) -> String {
    let rule = |(n, (plain, secure)): (usize, (&SocketAddr, &SocketAddr))| {
        let (name, from) = (name(n), [(80, plain), (443, secure)]);
        from.map(|(port, to)| format!("\"{name}:{port}:{}:{}\"", to.ip(), to.port())).join(", ")
    };
    let addresses = sites.http.iter().zip(&sites.https).cycle();
    (0..SITES).zip(addresses).map(rule).collect::<Vec<_>>().join(", ")
}

/// Ends the aggregator and looks whether every result that it stored says that the site works.
async fn ensure_all_work(server: &mut Server) -> anyhow::Result<()> {
    server.process.kill().await?;
    let store = Store::open(&server.data())?;
    let mut journal = store.journal_since(UnixMicros(0)).await?;
    while let Some(page) = journal.next_page().await? {
        for entry in page.entries {
            let results = read(&entry.batch.columns, entry.batch.count, &Known::default())?;
            let other = results.iter().find(|result| result.outcome != Outcome::Ok);
            anyhow::ensure!(other.is_none(), "not every probe worked: {other:?}");
        }
    }
    Ok(store.close().await?)
}

/// A token for one agent, from the operator's port.
async fn token(server: &Server) -> anyhow::Result<String> {
    let key = std::fs::read_to_string(server.data().join("operator.key")).context("the operator's key")?;
    let channel = Endpoint::from_shared(format!("http://{}", server.page))?.connect().await?;
    let mut request = Request::new(CreateTokenRequest { agent_id: "watcher".to_owned(), lifetime_s: 0 });
    request.metadata_mut().insert("authorization", format!("Bearer {}", key.trim()).parse()?);
    Ok(AdminServiceClient::new(channel).create_token(request).await?.into_inner().token)
}
