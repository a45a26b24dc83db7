//! The demo: what the lab's world means for aggregator and agents.
//!
//! Nothing here loosens anything for others: ranges, zone, rules and authority go into the demo agents' own configuration.

use std::time::Duration;

use ipnet::IpNet;
use parallax_agent::AgentConfig;
use parallax_agent::config::SourceSection;
use parallax_aggregator::{Aggregator, Place};
use parallax_lab::{DemoAgent, DemoWorld};
use parallax_model::AgentId;
use parallax_store::StoreError;

/// How often the demo's agents probe each site: quick enough that a newcomer sees every verdict within a minute.
const INTERVAL: Duration = Duration::from_secs(5);

/// Where the demo's agents are: each source address stands for its region and ISP.
pub(crate) fn places(world: &DemoWorld) -> Vec<Place> {
    world
        .agents
        .iter()
        .map(|a| Place { net: IpNet::from(std::net::IpAddr::V4(a.source)), vantage: a.vantage.clone() })
        .collect()
}

/// The demo's agents; `also` is what the operator allows them beyond the lab.
pub(crate) fn agents(world: &DemoWorld, also: &[IpNet]) -> Vec<(AgentId, AgentConfig)> {
    world.agents.iter().map(|a| (a.name.clone(), agent(world, a, also))).collect()
}

fn agent(world: &DemoWorld, agent: &DemoAgent, also: &[IpNet]) -> AgentConfig {
    let mut config =
        AgentConfig { source: SourceSection { v4: Some(agent.source), v6: None }, ..AgentConfig::default() };
    config.declared = agent.vantage.clone();
    config.probe.allow_cidr = world.allow.iter().chain(also).copied().collect();
    config.probe.connect_to.clone_from(&world.connect_to);
    config.probe.zones =
        vec![format!("{}={},{},{}", world.zone, world.resolver, agent.resolver, world.authority)];
    config.probe.ca_pem = Some(world.ca_pem.clone());
    config.probe.beacons = world.beacons.iter().map(ToString::to_string).collect();
    config
}

/// Watches the demo's sites.
pub(crate) async fn watch(aggregator: &Aggregator, world: &DemoWorld) -> Result<(), StoreError> {
    for site in &world.sites {
        aggregator.watch(site.target.clone(), INTERVAL).await?;
    }
    Ok(())
}
