//! The answer: verdict, scopes, cause, and the sentences that say them.

use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::word::words;

words! {
    /// What is said about a site.
    pub enum Verdict ("verdict") {
        /// It works everywhere we could look.
        Up = "up",
        /// It fails for everybody.
        Down = "down",
        /// It fails for some, and the scopes say whom.
        Partial = "partial",
        /// It works but is slow.
        Degraded = "degraded",
        /// It comes and goes.
        Flaky = "flaky",
        /// It refuses us (challenge, block page, legal): not the same as down.
        Blocked = "blocked",
        /// We cannot tell, and say what is missing.
        Unknown = "unknown",
    }
}

impl Verdict {
    /// The verdict in the words of lists and titles.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Up => "Up",
            Self::Down => "Down",
            Self::Partial => "Partly down",
            Self::Degraded => "Slow",
            Self::Flaky => "Comes and goes",
            Self::Blocked => "Refuses our testers",
            Self::Unknown => "Not known",
        }
    }
}

words! {
    /// What is said to one visitor.
    pub enum VisitorVerdict ("visitor verdict") {
        /// Only they fail.
        JustYou = "just-you",
        /// Their provider fails.
        YourIsp = "your-isp",
        /// They are in a scope that fails.
        Affected = "affected",
        /// They are outside every scope that fails.
        NotAffected = "not-affected",
        /// We cannot tell.
        Unknown = "unknown",
    }
}

words! {
    /// Why.
    pub enum CauseKind ("cause") {
        /// More work than the site can do.
        Overload = "overload",
        /// Loss or routing between somebody and the site.
        Network = "network",
        /// A firewall, WAF or filter refuses some.
        Firewall = "firewall",
        /// A wrong setting, usually after a change.
        Misconfiguration = "misconfiguration",
        /// The name moved and some still have the old answer.
        DnsChange = "dns-change",
        /// Certificates or TLS itself.
        Tls = "tls",
        /// A CDN's edge.
        CdnEdge = "cdn-edge",
        /// The program behind the front server is gone.
        OriginCrash = "origin-crash",
        /// Closed for work, and says so.
        Maintenance = "maintenance",
    }
}

/// A probability from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidence(f64);

impl Confidence {
    /// Clamps to 0..=1; NaN becomes 0.
    pub fn new(p: f64) -> Self {
        Self(if p.is_nan() { 0.0 } else { p.clamp(0.0, 1.0) })
    }

    /// The probability.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// A cause with what speaks for and against it, each line a sentence with its counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Which.
    pub kind: CauseKind,
    /// How sure.
    pub confidence: Confidence,
    /// Evidence for it.
    #[serde(rename = "for", default)]
    pub evidence_for: Vec<String>,
    /// Evidence against it.
    #[serde(rename = "against", default)]
    pub evidence_against: Vec<String>,
}

/// What was found out about one target at one moment: the object that pages render, checks stream and incidents keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The verdict.
    pub verdict: Verdict,
    /// How sure of verdict and scopes.
    pub confidence: Confidence,
    /// Whom it concerns; empty when up or unknown.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Scopes that explain the same results equally well.
    #[serde(default)]
    pub same_coverage: Vec<Scope>,
    /// Why, when it can be said.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// What is said to the visitor who asked, if one did.
    #[serde(default)]
    pub visitor: Option<VisitorVerdict>,
    /// One plain sentence for a visitor.
    pub sentence: String,
    /// One sentence for the site's operator.
    #[serde(default)]
    pub operator_sentence: String,
    /// What it stands on, each line with its counts.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// What would have been needed to say more.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Agents whose results were used.
    #[serde(default)]
    pub agents: u32,
    /// Of those, how many fail.
    #[serde(default)]
    pub failing: u32,
}

impl Diagnosis {
    /// Nothing is known yet; `missing` says why.
    pub fn unknown(sentence: impl Into<String>, missing: Vec<String>) -> Self {
        Self {
            verdict: Verdict::Unknown,
            confidence: Confidence::default(),
            scopes: Vec::new(),
            same_coverage: Vec::new(),
            cause: None,
            visitor: None,
            sentence: sentence.into(),
            operator_sentence: String::new(),
            evidence: Vec::new(),
            missing,
            agents: 0,
            failing: 0,
        }
    }
}
