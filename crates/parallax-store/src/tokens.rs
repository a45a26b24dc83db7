//! Enrolment tokens: one use each. Only a token's hash is kept.

use parallax_model::{AgentId, UnixMicros};
use rusqlite::{Connection, OptionalExtension};
use thiserror::Error;

use crate::{Store, StoreError, agents, rows};

/// A token as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// Whom it enrols.
    pub agent: AgentId,
    /// When it was made.
    pub created_at: UnixMicros,
    /// From when on it is worth nothing.
    pub expires_at: UnixMicros,
}

/// A token that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// Whom it enrolled.
    pub agent: AgentId,
    /// When it was first taken.
    pub at: UnixMicros,
    /// True when the same key had redeemed it before: the first answer got lost.
    pub again: bool,
}

/// Why a token was not taken. For the log: whoever sent it is told the same in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenRefusal {
    /// There is no such token.
    #[error("no such enrolment token")]
    Unknown,
    /// It is too old.
    #[error("the enrolment token has expired")]
    Expired,
    /// Another key has redeemed it.
    #[error("the enrolment token was used by another key")]
    Used,
    /// Its agent was revoked.
    #[error("the enrolment token's agent is revoked")]
    Revoked,
}

/// Why a token was not taken, or could not be looked at.
#[derive(Debug, Clone, Error)]
pub enum RedeemError {
    /// The token is no good.
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Keeps a new token.
    pub async fn create_token(&self, token: TokenRecord) -> Result<(), StoreError> {
        self.write("create token", move |w| {
            let sql = "INSERT INTO tokens (hash, agent, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)";
            let row = (token.hash, token.agent.as_str(), token.created_at.0, token.expires_at.0);
            w.connection.prepare_cached(sql)?.execute(row).map(drop)
        })
        .await
    }

    /// Takes a token and enrols its agent with the key, in one commit.
    ///
    /// 1. A token that is unknown or too old is refused, whoever comes.
    /// 2. So is one whose agent was revoked, before the token was made or after.
    /// 3. The first key to come has it; the same key gets the same answer again, any other is refused.
    pub async fn redeem_token(
        &self,
        hash: [u8; 32],
        key_fingerprint: [u8; 32],
        now: UnixMicros,
    ) -> Result<Redeemed, RedeemError> {
        let redeemed =
            self.write("redeem token", move |w| redeem(w.connection, hash, key_fingerprint, now)).await?;
        Ok(redeemed?)
    }
}

struct Kept {
    agent: AgentId,
    expires_at: UnixMicros,
    redeemed: Option<(UnixMicros, [u8; 32])>,
    revoked: bool,
}

fn find(connection: &Connection, hash: [u8; 32]) -> rusqlite::Result<Option<Kept>> {
    let sql = "SELECT t.agent, t.expires_at, t.redeemed_at, t.redeemed_by, a.revoked_at IS NOT NULL
        FROM tokens t LEFT JOIN agents a ON a.agent = t.agent WHERE t.hash = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let kept = statement.query_row([hash], |row| {
        Ok(Kept {
            agent: rows::text(row, 0)?,
            expires_at: rows::time(row, 1)?,
            redeemed: rows::optional_time(row, 2)?.zip(row.get(3)?),
            revoked: row.get(4)?,
        })
    });
    kept.optional()
}

fn redeem(
    connection: &Connection,
    hash: [u8; 32],
    key: [u8; 32],
    now: UnixMicros,
) -> rusqlite::Result<Result<Redeemed, TokenRefusal>> {
    let Some(token) = find(connection, hash)? else { return Ok(Err(TokenRefusal::Unknown)) };
    if now >= token.expires_at {
        return Ok(Err(TokenRefusal::Expired));
    }
    if token.revoked {
        return Ok(Err(TokenRefusal::Revoked));
    }
    let agent = token.agent;
    match token.redeemed {
        Some((at, by)) if by == key => return Ok(Ok(Redeemed { agent, at, again: true })),
        Some(_) => return Ok(Err(TokenRefusal::Used)),
        None => {}
    }
    let sql = "UPDATE tokens SET redeemed_at = ?2, redeemed_by = ?3 WHERE hash = ?1 AND redeemed_at IS NULL";
    connection.prepare_cached(sql)?.execute((hash, now.0, key))?;
    agents::enroll(connection, &agent, key, now)?;
    Ok(Ok(Redeemed { agent, at: now, again: false }))
}

#[cfg(test)]
mod tests;
