//! Who may speak as an agent, and what was last heard of each.

use parallax_model::{AgentId, UnixMicros, Vantage};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{Store, StoreError, rows};

/// An agent as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Its name.
    pub agent: AgentId,
    /// SHA-256 of the public key its certificate is for.
    pub key_fingerprint: [u8; 32],
    /// When it was enrolled, or enrolled anew.
    pub enrolled_at: UnixMicros,
    /// Since when it may no longer speak.
    pub revoked_at: Option<UnixMicros>,
    /// When it was last heard; `None` before the first time.
    pub last_heard: Option<UnixMicros>,
    /// Its program's version; empty before it was first heard.
    pub version: String,
    /// Where its operator says it stands.
    pub declared: Vantage,
    /// Where the aggregator sees it stand.
    pub vantage: Vantage,
    /// How many results of it were kept, ever.
    pub results: u64,
}

/// News of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Of whom.
    pub agent: AgentId,
    /// When.
    pub at: UnixMicros,
    /// Its program's version.
    pub version: String,
    /// Where its operator says it stands.
    pub declared: Vantage,
    /// Where the aggregator sees it stand.
    pub vantage: Vantage,
    /// How many results came since the last news.
    pub results_added: u64,
}

const COLUMNS: &str =
    "agent, key_fingerprint, enrolled_at, revoked_at, last_heard, version, declared, vantage, results";

impl Store {
    /// Makes an agent known, or known anew with another key. A revocation stays: certificates name agents, not keys, so whoever has
    /// the revoked key would be let in again.
    pub async fn enroll(
        &self,
        agent: &AgentId,
        key_fingerprint: [u8; 32],
        now: UnixMicros,
    ) -> Result<(), StoreError> {
        let agent = agent.clone();
        self.write("enroll agent", move |w| enroll(w.connection, &agent, key_fingerprint, now)).await
    }

    /// Every agent, by name.
    pub async fn agents(&self) -> Result<Vec<AgentRecord>, StoreError> {
        self.read("read agents", |c| {
            let sql = format!("SELECT {COLUMNS} FROM agents ORDER BY agent");
            c.prepare_cached(&sql)?.query_map([], record)?.collect()
        })
        .await
    }

    /// One agent.
    pub async fn agent(&self, agent: &AgentId) -> Result<Option<AgentRecord>, StoreError> {
        let agent = agent.clone();
        self.read("read agent", move |c| {
            let sql = format!("SELECT {COLUMNS} FROM agents WHERE agent = ?1");
            c.prepare_cached(&sql)?.query_row([agent.as_str()], record).optional()
        })
        .await
    }

    /// From now on, for good, the agent may no longer speak; when it was revoked before, since then. `false` when there is no such
    /// agent.
    pub async fn revoke(&self, agent: &AgentId, now: UnixMicros) -> Result<bool, StoreError> {
        let agent = agent.clone();
        self.write("revoke agent", move |w| {
            let sql = "UPDATE agents SET revoked_at = coalesce(revoked_at, ?2) WHERE agent = ?1";
            Ok(w.connection.prepare_cached(sql)?.execute((agent.as_str(), now.0))? == 1)
        })
        .await
    }

    /// Notes what was heard of agents, all in one commit. Agents that are not enrolled are passed over.
    pub async fn heard(&self, news: Vec<Heard>) -> Result<(), StoreError> {
        self.write("note agents heard", move |w| {
            let sql = "UPDATE agents SET last_heard = max(coalesce(last_heard, ?2), ?2), version = ?3, declared = ?4,
                vantage = ?5, results = results + ?6 WHERE agent = ?1";
            let mut statement = w.connection.prepare_cached(sql)?;
            for heard in &news {
                statement.execute((
                    heard.agent.as_str(),
                    heard.at.0,
                    &heard.version,
                    rows::to_json(&heard.declared)?,
                    rows::to_json(&heard.vantage)?,
                    heard.results_added.cast_signed(),
                ))?;
            }
            Ok(())
        })
        .await
    }
}

pub(crate) fn enroll(
    connection: &Connection,
    agent: &AgentId,
    key_fingerprint: [u8; 32],
    now: UnixMicros,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO agents (agent, key_fingerprint, enrolled_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (agent) DO UPDATE SET key_fingerprint = excluded.key_fingerprint, enrolled_at = excluded.enrolled_at";
    connection.prepare_cached(sql)?.execute((agent.as_str(), key_fingerprint, now.0)).map(drop)
}

fn record(row: &Row<'_>) -> rusqlite::Result<AgentRecord> {
    Ok(AgentRecord {
        agent: rows::text(row, 0)?,
        key_fingerprint: row.get(1)?,
        enrolled_at: rows::time(row, 2)?,
        revoked_at: rows::optional_time(row, 3)?,
        last_heard: rows::optional_time(row, 4)?,
        version: row.get(5)?,
        declared: rows::json(row, 6)?,
        vantage: rows::json(row, 7)?,
        results: rows::unsigned(row, 8)?,
    })
}

#[cfg(test)]
mod tests;
