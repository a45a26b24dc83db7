//! Reading a world from JSON, and the checks that its types cannot make. Errors name the key or the agent, never a line.

use std::collections::BTreeSet;

use parallax_model::AgentId;
use serde::Deserialize;
use thiserror::Error;

use super::{Change, Elsewhere, World, WorldOutcome, WorldReports, WorldResult, WorldVisitor};

/// How many results one world may hold; a window of 2,000 agents with 25 results each fits.
pub const MAX_RESULTS: usize = 50_000;

/// Why a text or a value is not a world.
#[derive(Debug, Error)]
pub enum WorldError {
    /// The text is not JSON, or a key of the world itself is wrong.
    #[error("the world cannot be read")]
    Json(#[source] serde_json::Error),
    /// One entry of `agents` is wrong.
    #[error("agents[{index}] ({agent}) cannot be read")]
    Agent {
        /// Place in the list, from 0.
        index: usize,
        /// The name it gives, `?` when it has none.
        agent: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// One entry of `results` is wrong.
    #[error("results[{index}] (agent {agent}) cannot be read")]
    Result {
        /// Place in the list, from 0.
        index: usize,
        /// The agent it names, `?` when it names none.
        agent: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Two entries of `agents` have one name.
    #[error("agent {0} is listed twice in `agents`")]
    DuplicateAgent(AgentId),
    /// A result of an agent that `agents` does not list.
    #[error("agent {0} has results but is not listed in `agents`")]
    UnlistedAgent(AgentId),
    /// A baseline that is no probability.
    #[error("`fail_rate` of agent {agent} is a number from 0 to 1, got {got}")]
    FailRate {
        /// Whose.
        agent: AgentId,
        /// The value.
        got: f64,
    },
    /// The outcome is `http-status` and no status says which.
    #[error("a result of agent {0} has the outcome `http-status` without `status`")]
    StatusMissing(AgentId),
    /// A time or a share that is negative or not finite.
    #[error("`{key}` of {whose} is a number of at least 0, got {got}")]
    Negative {
        /// Which key.
        key: &'static str,
        /// The agent or the part of the world.
        whose: String,
        /// The value.
        got: f64,
    },
    /// More than [`MAX_RESULTS`] results.
    #[error("a world holds at most {MAX_RESULTS} results, got {0}")]
    TooManyResults(usize),
}

impl World {
    /// Reads and validates one world. Errors name the key or the agent, never a line of the text.
    pub fn from_json(text: &str) -> Result<Self, WorldError> {
        let raw: RawWorld = serde_json::from_str(text).map_err(WorldError::Json)?;
        let mut world = Self {
            id: raw.id,
            agents: Vec::with_capacity(raw.agents.len()),
            results: Vec::with_capacity(raw.results.len()),
            reports: raw.reports,
            visitor: raw.visitor,
            changes: raw.changes,
            elsewhere: raw.elsewhere,
        };
        for (index, value) in raw.agents.into_iter().enumerate() {
            let agent = name_in(&value);
            world.agents.push(serde_json::from_value(value).map_err(|source| WorldError::Agent {
                index,
                agent,
                source,
            })?);
        }
        for (index, value) in raw.results.into_iter().enumerate() {
            let agent = name_in(&value);
            world.results.push(serde_json::from_value(value).map_err(|source| WorldError::Result {
                index,
                agent,
                source,
            })?);
        }
        world.validate()?;
        Ok(world)
    }

    /// Checks what the types cannot: names, probabilities and times.
    pub fn validate(&self) -> Result<(), WorldError> {
        if self.results.len() > MAX_RESULTS {
            return Err(WorldError::TooManyResults(self.results.len()));
        }
        let mut listed = BTreeSet::new();
        for agent in &self.agents {
            if !listed.insert(&agent.agent) {
                return Err(WorldError::DuplicateAgent(agent.agent.clone()));
            }
            if let Some(got) = agent.fail_rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
                return Err(WorldError::FailRate { agent: agent.agent.clone(), got });
            }
        }
        for result in &self.results {
            if !listed.contains(&result.agent) {
                return Err(WorldError::UnlistedAgent(result.agent.clone()));
            }
            result.validate()?;
        }
        self.validate_surroundings()
    }

    fn validate_surroundings(&self) -> Result<(), WorldError> {
        if let Some(reports) = &self.reports {
            at_least_zero("expected", Some(reports.expected), || "`reports`".to_owned())?;
        }
        for change in &self.changes {
            at_least_zero("ago_s", Some(change.ago_s), || "`changes`".to_owned())?;
        }
        if let Some(elsewhere) = &self.elsewhere {
            let whose = || "`elsewhere`".to_owned();
            at_least_zero("same_asn_failing", elsewhere.same_asn_failing, whose)?;
            at_least_zero("same_pop_failing", elsewhere.same_pop_failing, whose)?;
            at_least_zero("same_host_failing", elsewhere.same_host_failing, whose)?;
        }
        Ok(())
    }
}

impl WorldResult {
    fn validate(&self) -> Result<(), WorldError> {
        if self.outcome == WorldOutcome::HttpStatus && self.status.is_none() {
            return Err(WorldError::StatusMissing(self.agent.clone()));
        }
        let whose = || format!("a result of agent {}", self.agent);
        at_least_zero("ttfb_ms", self.ttfb_ms, whose)?;
        at_least_zero("ttfb_usual_ms", self.ttfb_usual_ms, whose)?;
        at_least_zero("error_ms", self.error_ms, whose)?;
        at_least_zero("retry_after", self.retry_after, whose)
    }
}

fn at_least_zero(
    key: &'static str,
    value: Option<f64>,
    whose: impl Fn() -> String,
) -> Result<(), WorldError> {
    match value {
        Some(got) if !(got.is_finite() && got >= 0.0) => {
            Err(WorldError::Negative { key, whose: whose(), got })
        }
        _ => Ok(()),
    }
}

/// The world with its lists unread, so that an error can say whose entry it is in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorld {
    #[serde(default)]
    id: String,
    agents: Vec<serde_json::Value>,
    results: Vec<serde_json::Value>,
    #[serde(default)]
    reports: Option<WorldReports>,
    #[serde(default)]
    visitor: Option<WorldVisitor>,
    #[serde(default)]
    changes: Vec<Change>,
    #[serde(default)]
    elsewhere: Option<Elsewhere>,
}

fn name_in(value: &serde_json::Value) -> String {
    value
        .get("agent")
        .and_then(|v| v.as_str())
        .map_or_else(|| "?".to_owned(), |s| s.chars().take(80).collect())
}
