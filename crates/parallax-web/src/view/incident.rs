//! Incidents for people and programs.

use parallax_model::{Diagnosis, Incident, UnixMicros};
use serde::Serialize;

use super::glyph::{Glyph, verdict_key};
use super::sentence::{Names, headline};
use super::when;
use crate::say::Lang;

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
    /// For programs, and for people who read English.
    pub(crate) fn new(at: UnixMicros) -> Self {
        Self::said(Lang::En, at)
    }

    /// In a language.
    pub(crate) fn said(t: Lang, at: UnixMicros) -> Self {
        Self { machine: when::rfc3339(at), people: when::day_and_time(t, at) }
    }
}

/// When something began, and the moments between which that lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OnsetView {
    pub(crate) at: Moment,
    pub(crate) earliest: Moment,
    pub(crate) latest: Moment,
}

/// One step of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StepView {
    pub(crate) at: Moment,
    #[serde(skip)]
    pub(crate) state: Glyph,
    #[serde(skip)]
    pub(crate) word: String,
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
    /// When the trouble itself began, as well as the results tell.
    pub(crate) onset: Option<OnsetView>,
    /// The same for people.
    #[serde(skip)]
    pub(crate) began: Option<String>,
    /// Newest first.
    pub(crate) steps: Vec<StepView>,
}

impl IncidentView {
    /// As programs are told it.
    pub(crate) fn new(incident: &Incident, now: UnixMicros) -> Self {
        Self::said(Lang::En, incident, &Names::default(), now)
    }

    /// In a language; `names` are those of the networks.
    pub(crate) fn said(t: Lang, incident: &Incident, names: &Names, now: UnixMicros) -> Self {
        let worst = incident.worst();
        let step = |s: &parallax_model::IncidentStep| StepView {
            at: Moment::said(t, s.at),
            state: s.diagnosis.verdict.into(),
            word: t.text(verdict_key(s.diagnosis.verdict)),
            headline: headline(t, &incident.site, &s.diagnosis, names),
            diagnosis: s.diagnosis.clone(),
        };
        // The step that says it is over says nothing of what it was.
        let told = incident.steps.iter().rev().find(|s| s.diagnosis.verdict == worst);
        let told = told.map(|s| headline(t, &incident.site, &s.diagnosis, names)).unwrap_or_default();
        Self {
            id: incident.id.to_string(),
            url: format!("{}/i/{}", t.base(), incident.id),
            site: incident.site.to_string(),
            state: worst.into(),
            worst: worst.as_str(),
            headline: match (incident.closed_at, t) {
                (Some(_), Lang::En) => past_tense(&told),
                // German headlines are told in the present, newspapers' way; beside them stands that it is over.
                _ => told,
            },
            opened_at: Moment::said(t, incident.opened_at),
            closed_at: incident.closed_at.map(|at| Moment::said(t, at)),
            lasted: when::between(t, incident.opened_at, incident.closed_at.unwrap_or(now)),
            onset: incident.onset.map(|onset| OnsetView {
                at: Moment::said(t, onset.at),
                earliest: Moment::said(t, onset.earliest),
                latest: Moment::said(t, onset.latest),
            }),
            // Within one minute the moment it was opened at says as much.
            began: incident.onset.and_then(|onset| {
                let (earliest, latest) = (when::time_of_day(onset.earliest), when::time_of_day(onset.latest));
                (earliest != latest)
                    .then(|| t.with("incident-began").s("earliest", earliest).s("latest", latest).text())
            }),
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
