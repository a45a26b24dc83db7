//! Who wrote an answer.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::word::{canonical_text, words};

words! {
    /// Where on the way from the site's own program to the visitor the answer was written.
    pub enum Layer ("layer") {
        /// A content delivery network's edge.
        Edge = "edge",
        /// A reverse proxy or load balancer in front of the site's program.
        Gateway = "gateway",
        /// The site's own program.
        Origin = "origin",
        /// Something on the path that is neither: a filter, a captive portal.
        Middlebox = "middlebox",
        /// Nothing names it.
        Unknown = "unknown",
    }
}

/// A text that is not a point of presence's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a PoP is 1 to 24 letters, digits or '-', got {0:?}")]
pub struct PopError(String);

/// A point of presence of a CDN as it names itself, upper case: `FRA`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pop(Arc<str>);

impl Pop {
    /// The PoP's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pop {
    type Err = PopError;

    fn from_str(text: &str) -> Result<Self, PopError> {
        let ok =
            (1..=24).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if ok {
            Ok(Self(text.to_ascii_uppercase().into()))
        } else {
            Err(PopError(text.chars().take(40).collect()))
        }
    }
}

impl fmt::Display for Pop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

canonical_text!(Pop);

/// Who wrote an answer, with what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emitter {
    /// Product or service in lower case: `nginx`, `haproxy`, `cloudflare`; `unknown` when nothing names it.
    pub name: Arc<str>,
    /// Where it stands.
    pub layer: Layer,
    /// The point of presence the answer came through: the writer's own, or that of the edge which passed it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop: Option<Pop>,
    /// Who passed the answer on without writing it, nearest to the visitor first.
    #[serde(default)]
    pub via: Vec<Arc<str>>,
}

impl Emitter {
    /// Nothing names the emitter.
    pub fn unknown() -> Self {
        Self { name: "unknown".into(), layer: Layer::Unknown, pop: None, via: Vec::new() }
    }
}
