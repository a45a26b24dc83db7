//! An agent as a whole: its parts, started together.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::AgentId;
use parallax_probe::{Prober, ProberError};
use parallax_runtime::config::{ConfigErrors, Section as _};
use parallax_runtime::{Clock, Rng, Tasks};
use rand::SeedableRng as _;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, watch};

use crate::config::{AgentConfig, LimitsSection};
use crate::identity::{DataDir, IdentityError};
use crate::link::{History, Link, Place};
use crate::own_network::{OwnNetwork, OwnNetworkError};
use crate::runner::{Bench, ORDERS, OwnPlaces, Runner, SO_FAR, watchdog};
use crate::schedule::{Manners, Schedule};
use crate::spool::{Bounds, Spool, SpoolSettings};

#[cfg(test)]
mod tests;

/// What an agent is given by the process it runs in.
#[derive(Debug)]
pub struct AgentParts {
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// Where its jitter comes from.
    pub rng: Rng,
    /// Owns its tasks.
    pub tasks: Tasks,
}

/// Why an agent could not start.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The configuration has errors.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The data directory holds no identity: enrol first.
    #[error("this agent is not enrolled")]
    NotEnrolled,
    /// The identity cannot be used, or another process uses it.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What the agent must keep away from cannot be known.
    #[error(transparent)]
    OwnNetwork(#[from] OwnNetworkError),
    /// The prober cannot be built.
    #[error(transparent)]
    Prober(#[from] ProberError),
    /// The spool's thread cannot be started.
    #[error("starting the spool's thread")]
    Spool(#[source] std::io::Error),
}

/// How the agent stands with its aggregator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Not connected; it tries again.
    Connecting,
    /// The session is open.
    Connected,
    /// The aggregator does not want this agent; it asks again after an hour.
    Revoked,
}

/// An agent that runs. Its tasks end with the lifecycle they were started on; dropping this ends nothing.
#[derive(Debug)]
pub struct RunningAgent {
    /// Who it is.
    pub id: AgentId,
    /// How it stands with its aggregator.
    pub link: watch::Receiver<LinkState>,
}

/// Starts an enrolled agent on `parts.tasks`. It returns as soon as the agent runs, connected or not.
pub async fn start(config: AgentConfig, parts: AgentParts) -> Result<RunningAgent, AgentError> {
    let mut errors = ConfigErrors::default();
    config.validate("", &mut errors);
    errors.into_result(())?;
    let settings = config.prober_settings()?;
    let network = OwnNetwork::read(settings.policy.clone(), config.limits.level)?;
    let AgentParts { clock, mut rng, tasks } = parts;
    let dir = DataDir::new(&config.data_dir);
    if !dir.is_enrolled() {
        return Err(AgentError::NotEnrolled);
    }
    let lock = dir.lock()?;
    let identity = dir.identity()?;
    let id = identity.id.clone();

    let spool_settings = SpoolSettings { folder: dir.path("spool"), bounds: bounds(&config.limits) };
    let spool = Spool::open(spool_settings, child(&mut rng)).await.map_err(AgentError::Spool)?;
    let own = OwnPlaces::new(config.probe.allow_cidr, settings.clone());
    let watchdog = watchdog(settings.deadlines);
    let prober = Arc::new(Prober::new(settings)?);
    let (seen, seen_from) = watch::channel(None);
    let following = network.follow(Arc::clone(&prober), seen_from, tasks.soft().clone());
    tasks.spawn_essential("agent-network", following);
    let (so_far, _) = broadcast::channel(SO_FAR);
    let bench =
        Bench { watchdog, prober, spool: spool.clone(), clock: Arc::clone(&clock), so_far: so_far.clone() };
    let manners = Manners::of(config.limits.level);
    let schedule = Schedule::new(id.clone(), config.limits.max_in_flight as usize, manners);
    let runner = Runner::new(schedule, own, bench, child(&mut rng));
    let (orders, queue) = mpsc::channel(ORDERS);
    tasks.spawn_essential("agent-runner", runner.run(queue, tasks.soft().clone()));

    let (state, link_state) = watch::channel(LinkState::Connecting);
    let place = Place {
        aggregator: config.aggregator,
        source: config.source,
        declared: config.declared,
        #[cfg(test)]
        lines: None,
    };
    let history = History::default();
    let link = Link { place, dir, identity, spool, orders, so_far, clock, rng, state, seen, history };
    let stop = tasks.soft().clone();
    tasks.spawn_essential("agent-link", async move {
        link.run(stop).await;
        drop(lock);
    });
    Ok(RunningAgent { id, link: link_state })
}

fn bounds(limits: &LimitsSection) -> Bounds {
    let max_age = Duration::from_hours(limits.spool_hours.into());
    Bounds { max_bytes: limits.spool_bytes, max_age }
}

/// A generator of its own for a part.
fn child(rng: &mut Rng) -> Rng {
    Rng::from_rng(rng)
}
