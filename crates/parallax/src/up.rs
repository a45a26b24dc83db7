//! `parallax up` and `parallax aggregator`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parallax_agent::{AgentConfig, AgentParts};
use parallax_aggregator::{AggregatorConfig, OptOutSection};
use parallax_lab::DemoLab;
use parallax_model::AgentId;
use parallax_runtime::{Clock, ExitCode, Tasks, entropy};

use crate::cli::{AggregatorOptions, UpOptions};
use crate::compose::{self, ListenFlags, Running};
use crate::{demo, term};

/// A token that only has to live until the agent beside it has used it.
const TOKEN_LIFE: Duration = Duration::from_mins(5);

/// Runs everything on this machine.
pub(crate) async fn up(options: UpOptions) -> ExitCode {
    let lab = match start_lab(&options).await {
        Ok(lab) => lab,
        Err(code) => return code,
    };
    let config = configuration(&options, lab.as_ref());
    let flags = ListenFlags { page: "--listen", agents: "--agents-listen" };
    let running = match compose::start(&config, flags).await {
        Ok(running) => running,
        Err(error) => return term::failed(&term::chain(&error), error.code()),
    };
    announce(&running, &config.data_dir, lab.is_some());
    let agents = match &lab {
        Some(lab) => demo::agents(lab.world(), &options.allow_cidr),
        None => here(&options),
    };
    run_agents(&running, &config.data_dir, agents);
    if let Some(lab) = &lab
        && let Err(error) = demo::watch(&running.aggregator, lab.world()).await
    {
        let code = term::failed_because("the demo's sites cannot be watched", &error, ExitCode::Failed);
        compose::stop(running).await;
        return code;
    }
    let also = async move {
        if let Some(lab) = lab {
            lab.stop().await;
        }
    };
    compose::run(running, also).await
}

/// Runs an aggregator for agents elsewhere.
pub(crate) async fn aggregator(options: AggregatorOptions) -> ExitCode {
    let nothing = std::collections::BTreeMap::<String, String>::new();
    let config: AggregatorConfig = match parallax_runtime::config::load(options.config.as_deref(), nothing) {
        Ok(config) => config,
        Err(errors) => return term::failed(&errors.to_string(), ExitCode::BadConfig),
    };
    if options.check_config {
        drop(term::line("the configuration is fine"));
        return ExitCode::Ok;
    }
    let flags =
        ListenFlags { page: "`listen` in the configuration", agents: "`agents_listen` in the configuration" };
    match compose::start(&config, flags).await {
        Ok(running) => {
            announce(&running, &config.data_dir, false);
            compose::run(running, std::future::ready(())).await
        }
        Err(error) => term::failed(&term::chain(&error), error.code()),
    }
}

async fn start_lab(options: &UpOptions) -> Result<Option<DemoLab>, ExitCode> {
    if !options.demo {
        return Ok(None);
    }
    match DemoLab::start(parallax_lab::DemoOptions::default()).await {
        Ok(lab) => Ok(Some(lab)),
        Err(error) => {
            Err(term::failed_because("the demo's sites cannot start", &error, ExitCode::Unavailable))
        }
    }
}

fn configuration(options: &UpOptions, lab: Option<&DemoLab>) -> AggregatorConfig {
    let usual = if options.demo { "data/demo" } else { "data" };
    AggregatorConfig {
        data_dir: options.data_dir.clone().unwrap_or_else(|| PathBuf::from(usual)),
        listen: options.listen,
        agents_listen: options.agents_listen,
        allow_cidr: options.allow_cidr.clone(),
        // The demo's names are nobody else's to ask about, and its agents reach nothing beyond the lab.
        opt_out: OptOutSection {
            resolvers: lab.map(|l| l.world().resolver).into_iter().collect(),
            ..OptOutSection::default()
        },
        place: lab.map(|l| demo::places(l.world())).unwrap_or_default(),
        ..AggregatorConfig::default()
    }
}

/// One line with the address, which is what everybody waits for; the rest is for who wants to know.
fn announce(running: &Running, data_dir: &Path, demo: bool) {
    drop(term::line(format_args!("Parallax is up: http://{}/", running.page)));
    let what = if demo {
        "Sites that break on purpose are listed there within a minute."
    } else {
        "Type a site there."
    };
    let rest = format!(
        "{what} Agents connect to {}. Data is kept in {}. Stop with ^C.",
        running.agents,
        data_dir.display()
    );
    drop(term::line(format_args!("{}{rest}{}", term::DIM.render(), term::DIM.render_reset())));
}

/// Plain agents that see what this machine sees.
fn here(options: &UpOptions) -> Vec<(AgentId, AgentConfig)> {
    let agent = |n: u16| {
        let mut config = AgentConfig::default();
        config.probe.allow_cidr.clone_from(&options.allow_cidr);
        format!("here-{n}").parse().map(|id| (id, config))
    };
    (1..=options.agents).filter_map(|n| agent(n).ok()).collect()
}

/// Enrols and starts each agent over the same mutual TLS that an agent far away uses. An agent that fails is said; the others go on.
fn run_agents(running: &Running, data_dir: &Path, agents: Vec<(AgentId, AgentConfig)>) {
    let tasks = running.lifecycle.tasks();
    for (id, mut config) in agents {
        config.aggregator = running.agents.to_string();
        config.data_dir = data_dir.join("agents").join(id.as_str());
        let (aggregator, clock, owner) =
            (running.aggregator.clone(), Arc::clone(&running.clock), tasks.clone());
        tasks.spawn("agent-start", async move {
            let started = match aggregator.create_token(id.clone(), TOKEN_LIFE).await {
                Ok(token) => start_agent(config, &token, clock, owner).await,
                Err(error) => Err(term::chain(&error)),
            };
            if let Err(why) = started {
                tracing::error!(agent.id = %id, why, "an agent did not start");
                term::failed(&format!("agent {id} did not start: {why}"), ExitCode::Failed);
            }
        });
    }
}

/// Enrols anew at each start: a certificate from before may have ended while nothing ran.
async fn start_agent(
    config: AgentConfig,
    token: &str,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
) -> Result<(), String> {
    parallax_agent::enroll(&config, token, Arc::clone(&clock)).await.map_err(|e| term::chain(&e))?;
    let parts = AgentParts { clock, rng: entropy(), tasks };
    parallax_agent::start(config, parts).await.map(drop).map_err(|e| term::chain(&e))
}
