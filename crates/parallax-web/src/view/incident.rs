//! Incidents for people and programs.

use parallax_model::{Diagnosis, Incident, UnixMicros};
use serde::Serialize;

use super::band::headline;
use super::glyph::Glyph;
use super::when;

/// A moment, for `<time>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Moment {
    /// RFC 3339.
    pub(crate) machine: String,
    /// For people.
    #[serde(skip)]
    pub(crate) people: String,
}

impl Moment {
    pub(crate) fn new(at: UnixMicros) -> Self {
        Self { machine: when::rfc3339(at), people: when::day_and_time(at) }
    }
}

/// One step of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StepView {
    pub(crate) at: Moment,
    #[serde(skip)]
    pub(crate) state: Glyph,
    #[serde(skip)]
    pub(crate) word: &'static str,
    #[serde(skip)]
    pub(crate) headline: String,
    pub(crate) diagnosis: Diagnosis,
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct IncidentView {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) site: String,
    pub(crate) state: Glyph,
    /// The gravest verdict of its course.
    pub(crate) worst: &'static str,
    /// What is said now, or was said last.
    pub(crate) headline: String,
    pub(crate) opened_at: Moment,
    pub(crate) closed_at: Option<Moment>,
    /// How long it lasted, or lasts, for people.
    pub(crate) lasted: String,
    /// Newest first.
    pub(crate) steps: Vec<StepView>,
}

impl IncidentView {
    pub(crate) fn new(incident: &Incident, now: UnixMicros) -> Self {
        let worst = incident.worst();
        let step = |s: &parallax_model::IncidentStep| StepView {
            at: Moment::new(s.at),
            state: s.diagnosis.verdict.into(),
            word: s.diagnosis.verdict.in_words(),
            headline: headline(&s.diagnosis),
            diagnosis: s.diagnosis.clone(),
        };
        // The step that says it is over says nothing of what it was.
        let told = incident.steps.iter().rev().find(|s| s.diagnosis.verdict == worst);
        let told = told.map(|s| headline(&s.diagnosis)).unwrap_or_default();
        Self {
            id: incident.id.to_string(),
            url: format!("/i/{}", incident.id),
            site: incident.site.to_string(),
            state: worst.into(),
            worst: worst.as_str(),
            headline: match incident.closed_at {
                Some(_) => past_tense(&told),
                None => told,
            },
            opened_at: Moment::new(incident.opened_at),
            closed_at: incident.closed_at.map(Moment::new),
            lasted: when::between(incident.opened_at, incident.closed_at.unwrap_or(now)),
            steps: incident.steps.iter().rev().map(step).collect(),
        }
    }
}

/// What the verdicts' sentences say, of something that is over. The words are fixed, so the pairs are all there are.
const OVER: [(&str, &str); 10] = [
    (" is down ", " was down "),
    (" looks down ", " looked down "),
    (" fails ", " failed "),
    (" comes and goes", " came and went"),
    (" works but is slow", " worked but was slow"),
    ("We cannot see ", "We could not see "),
    (": it refuses ", ": it refused "),
    (" refuses ", " refused "),
    ("; elsewhere it works", "; elsewhere it worked"),
    (" still get ", " still got "),
];

fn past_tense(sentence: &str) -> String {
    OVER.iter().fold(sentence.to_owned(), |text, (now, then)| text.replacen(now, then, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_told_as_over() {
        for (now, then) in [
            ("a.example is down for everyone we asked", "a.example was down for everyone we asked"),
            (
                "We cannot see a.example: it refuses our testers",
                "We could not see a.example: it refused our testers",
            ),
            ("a.example refuses people; elsewhere it works", "a.example refused people; elsewhere it worked"),
            ("a.example fails over IPv6 only", "a.example failed over IPv6 only"),
        ] {
            assert_eq!(past_tense(now), then);
        }
    }
}
