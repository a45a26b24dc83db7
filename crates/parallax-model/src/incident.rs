//! A stretch of time in which a site is not up.

use serde::{Deserialize, Serialize};

use crate::{Diagnosis, Host, IncidentId, UnixMicros, Verdict};

/// One change in the course of an incident: what was said from this moment on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentStep {
    /// From when.
    pub at: UnixMicros,
    /// What was said, with its scopes, cause and evidence.
    pub diagnosis: Diagnosis,
}

/// When something began, as well as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onset {
    /// The likeliest moment: of the first result that belongs to it.
    pub at: UnixMicros,
    /// Not before this moment.
    pub earliest: UnixMicros,
    /// Not after this moment.
    pub latest: UnixMicros,
}

/// A stretch of time in which a site is not up, with its scopes over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name.
    pub id: IncidentId,
    /// Whose.
    pub site: Host,
    /// When the first failing result of it was seen.
    pub opened_at: UnixMicros,
    /// When it was over; `None` while it lasts.
    pub closed_at: Option<UnixMicros>,
    /// When it began, with its interval; `None` when the results do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<Onset>,
    /// What was said, oldest first; never empty.
    pub steps: Vec<IncidentStep>,
}

impl Incident {
    /// The gravest verdict of its course, for lists.
    pub fn worst(&self) -> Verdict {
        let rank = |v: Verdict| match v {
            Verdict::Down => 5,
            Verdict::Partial => 4,
            Verdict::Flaky => 3,
            Verdict::Degraded => 2,
            Verdict::Blocked => 1,
            Verdict::Up | Verdict::Unknown => 0,
        };
        self.steps.iter().map(|s| s.diagnosis.verdict).max_by_key(|v| rank(*v)).unwrap_or(Verdict::Unknown)
    }

    /// What is said now, or was said last.
    pub fn latest(&self) -> Option<&IncidentStep> {
        self.steps.last()
    }
}
