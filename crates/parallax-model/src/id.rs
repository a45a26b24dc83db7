//! Names of things that are made while Parallax runs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::word::canonical_text;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// Agent ids are 1 to 63 characters of `a-z`, `0-9` and `-`.
    #[error("an agent id is 1 to 63 characters of a-z, 0-9 and '-', got {0:?}")]
    Agent(String),
    /// Check and incident ids are 32 lower-case hexadecimal digits.
    #[error("an id is 32 lower-case hexadecimal digits, got {0:?}")]
    Hex(String),
}

/// The name an agent's certificate carries. It says nothing about where the agent stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(Arc<str>);

impl AgentId {
    /// Longest agent id, in bytes.
    pub const MAX_BYTES: usize = 63;

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        if fits && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Agent(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

canonical_text!(AgentId);

macro_rules! hex_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let canonical = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !canonical {
                    return Err(IdError::Hex(text.chars().take(80).collect()));
                }
                u128::from_str_radix(text, 16).map(Self).map_err(|_| IdError::Hex(text.to_owned()))
            }
        }

        canonical_text!($name);
    };
}

hex_id! {
    /// One check: 128 random bits, so that a permalink cannot be guessed.
    CheckId
}
hex_id! {
    /// One incident: 128 random bits.
    IncidentId
}

/// One life of an agent's spool. It changes only when the agent starts a new spool, so `(agent, epoch, seq)` never repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Place of a result in its agent's epoch: 1, 2, 3 …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);
