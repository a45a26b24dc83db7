//! Panels in which many lie, all at once and with a clean past: the worst that those who run agents can do.

use parallax_model::Scope;

use super::chance::Chance;
use super::fault::{Faults, Kind};
use super::panel::{Habit, Panel};
use super::params::Params;
use super::snapshot::{Case, case};

/// Share of the agents that lie when liars are spread.
pub const SPREAD: f64 = 0.2;
/// A site that is down beside liars is so beyond doubt: nearly every probe fails …
const DOWN: [f64; 3] = [0.97; 3];
/// … and fewer second tries pass than this.
const PASSES: f64 = 0.1;
/// A network that lies has at least so many agents.
const LEAST_OF_NETWORK: usize = 5;
/// Draws of a network, or of a fault, before the last one is taken.
const TRIES: usize = 50;

/// What the liars have agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plot {
    /// A fifth of the agents, spread over networks, say "fails" of a site that works.
    SpreadFails,
    /// A fifth, spread, say "ok" of a site that is down.
    SpreadOk,
    /// Every agent of one network says "fails" of a site that works.
    NetworkFails,
    /// Every agent of one network says "ok" of a site that is down.
    NetworkOk,
}

impl Plot {
    /// Every plot.
    pub const ALL: [Self; 4] = [Self::SpreadFails, Self::SpreadOk, Self::NetworkFails, Self::NetworkOk];

    const fn kind(self) -> Kind {
        match self {
            Self::SpreadFails | Self::NetworkFails => Kind::Healthy,
            Self::SpreadOk | Self::NetworkOk => Kind::Down,
        }
    }
}

/// A world in which the plot is played, and the network that lies, if it is one. Beside the liars the panel has its usual dirt, but
/// no other conspiracy and no blip.
pub fn plot(seed: u64, params: &Params, plot: Plot) -> (Case, Option<Scope>) {
    let params = Params { strengths: DOWN, blip: 0.0, collusion: 0.0, rumour: 0.0, ..params.clone() };
    let chance = &mut Chance::new(seed);
    let mut panel = Panel::draw(&params, chance);
    let kind = plot.kind();
    let mut faults = Vec::new();
    for _ in 0..TRIES {
        faults = Faults { params: &params, panel: &mut panel, chance }.of(kind).unwrap_or_default();
        if faults.iter().all(|fault| fault.story.retry_passes < PASSES) {
            break;
        }
    }
    let habit = match plot {
        Plot::SpreadFails | Plot::NetworkFails => Habit::AlwaysFail,
        Plot::SpreadOk | Plot::NetworkOk => Habit::AlwaysOk,
    };
    let network = match plot {
        Plot::SpreadFails | Plot::SpreadOk => None,
        Plot::NetworkFails | Plot::NetworkOk => network(&panel, chance),
    };
    for agent in &mut panel.agents {
        let lies = match &network {
            Some(scope) => agent.place.asn == scope.asn,
            None => chance.happens(SPREAD),
        };
        if lies {
            agent.habit = habit;
        }
    }
    (case(seed, &params, (kind, faults, panel), chance), network)
}

fn network(panel: &Panel, chance: &mut Chance) -> Option<Scope> {
    let of = |asn| Scope { asn, ..Scope::default() };
    let mut last = None;
    for _ in 0..TRIES {
        let asn = chance.one_of(&panel.agents).place.asn;
        last = Some(of(asn));
        if panel.agents.iter().filter(|a| a.place.asn == asn).count() >= LEAST_OF_NETWORK {
            break;
        }
    }
    last
}
