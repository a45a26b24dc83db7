//! A state as shape, word and colour: never one of them alone.

use parallax_model::{FailureKind, Outcome, Verdict};
use serde::Serialize;

/// How a state is drawn. The spelling is the CSS class and the icon's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Glyph {
    /// Not asked, or no answer to go by: dashed circle.
    Unknown,
    /// Asked, not answered yet: open ring.
    Waiting,
    /// Works: circle with a tick.
    Up,
    /// Refuses us: shield.
    Hidden,
    /// Slow: triangle.
    Slow,
    /// Fails for some: half diamond.
    Partly,
    /// Fails: solid square.
    Down,
}

impl Glyph {
    /// The icon's and the class's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Waiting => "waiting",
            Self::Up => "up",
            Self::Hidden => "hidden",
            Self::Slow => "slow",
            Self::Partly => "partly",
            Self::Down => "down",
        }
    }

    /// The message that says the state in a word or two, for who cannot see the shape.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Unknown => "glyph-unknown",
            Self::Waiting => "glyph-waiting",
            Self::Up => "glyph-up",
            Self::Hidden => "glyph-hidden",
            Self::Slow => "glyph-slow",
            Self::Partly => "glyph-partly",
            Self::Down => "glyph-down",
        }
    }
}

/// The message that says a verdict in a word or two.
pub(crate) fn verdict_key(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "verdict-up",
        Verdict::Down => "verdict-down",
        Verdict::Partial => "verdict-partial",
        Verdict::Degraded => "verdict-degraded",
        Verdict::Flaky => "verdict-flaky",
        Verdict::Blocked => "verdict-blocked",
        Verdict::Unknown => "verdict-unknown",
    }
}

impl From<Verdict> for Glyph {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Up => Self::Up,
            Verdict::Down => Self::Down,
            Verdict::Partial | Verdict::Flaky => Self::Partly,
            Verdict::Degraded => Self::Slow,
            Verdict::Blocked => Self::Hidden,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

impl From<Outcome> for Glyph {
    fn from(outcome: Outcome) -> Self {
        match outcome.kind() {
            None => Self::Up,
            Some(FailureKind::Blocked(_)) => Self::Hidden,
            Some(FailureKind::Agent(_)) => Self::Unknown,
            Some(_) => Self::Down,
        }
    }
}
