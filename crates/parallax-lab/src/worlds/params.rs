//! What worlds are like: sizes, shares and strengths. Every number that shapes a world is here or in the module of its subject.

/// From here to there; a world draws its own value between.
pub type Span = (f64, f64);

/// How worlds are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Agents that are asked.
    pub agents: usize,
    /// Networks they may stand in.
    pub networks: usize,
    /// Zipf exponent of the networks' sizes.
    pub zipf: Span,
    /// Results of each agent, one a minute.
    pub rounds: u32,
    /// Share of probes that a hard fault hits: each fault draws one of these.
    pub strengths: [f64; 3],
    /// The same for faults that come and go.
    pub flaky_strength: Span,
    /// A fault's scope has at least this many agents; faults that fewer could see are no question to ask.
    pub least_agents: usize,
    /// How often an agent that is fine fails a site that is fine.
    pub noise: Span,
    /// Share of agents that fail 15 to 30 % of their probes, and whose history shows it.
    pub flaky_agents: f64,
    /// Share of agents that nearly always fail, and whose history shows it.
    pub broken_agents: f64,
    /// Share of agents that say "ok" whatever they see.
    pub always_ok: f64,
    /// Share of agents that say "fails" whatever they see; half of them began today.
    pub always_fail: f64,
    /// Share of agents shown in a wrong network or country.
    pub misplaced: Span,
    /// Share of agents whose own line is down, as their beacon shows.
    pub offline: f64,
    /// Share of agents that the site always takes for robots.
    pub refused: f64,
    /// Probability that up to three agents of one network and region fail together for reasons of their own.
    pub blip: f64,
    /// Probability that five agents of one network have agreed to say "fails".
    pub collusion: f64,
    /// Share of results that never come; failures are twice as likely to be lost.
    pub missing: Span,
    /// Share of rounds in which an agent sees what it saw the round before.
    pub stickiness: f64,
    /// Share of failing results of which the way is known from the agent's last good one (PoP, address, protocol).
    pub remembers: f64,
    /// Probability of a surge of reports without a fault.
    pub rumour: f64,
    /// Only what the reference numbers were measured on: see [`Params::reference`].
    pub plain: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            agents: 200,
            networks: 60,
            zipf: (1.0, 1.3),
            rounds: 1,
            strengths: [0.5, 0.7, 0.95],
            flaky_strength: (0.15, 0.45),
            least_agents: 5,
            noise: (0.002, 0.03),
            flaky_agents: 0.05,
            broken_agents: 0.03,
            always_ok: 0.02,
            always_fail: 0.01,
            misplaced: (0.015, 0.03),
            offline: 0.01,
            refused: 0.01,
            blip: 0.07,
            collusion: 0.01,
            missing: (0.05, 0.15),
            stickiness: 0.3,
            remembers: 0.95,
            rumour: 0.03,
            plain: false,
        }
    }
}

impl Params {
    /// The same with so many results of each agent.
    #[must_use]
    pub fn with_rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }

    /// The plainer mix that the method's reference numbers were measured on: faults make probes fail and do nothing else, and pairs
    /// are those that are known to fail together.
    pub fn reference() -> Self {
        Self { plain: true, rumour: 0.0, ..Self::default() }
    }

    /// Wider ranges than anything was chosen on: weaker faults, more dirt.
    pub fn wide() -> Self {
        Self {
            networks: 120,
            zipf: (0.8, 1.5),
            strengths: [0.35, 0.6, 1.0],
            noise: (0.001, 0.05),
            flaky_agents: 0.08,
            broken_agents: 0.05,
            always_ok: 0.03,
            always_fail: 0.02,
            misplaced: (0.01, 0.06),
            offline: 0.02,
            refused: 0.02,
            blip: 0.15,
            collusion: 0.02,
            missing: (0.02, 0.25),
            stickiness: 0.5,
            rumour: 0.08,
            ..Self::default()
        }
    }
}
