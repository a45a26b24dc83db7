//! Sites for people and programs.

use parallax_aggregator::SiteView;
use parallax_model::{Diagnosis, Disagreement, Path, ReportCounts, Target, UnixMicros, Verdict};
use serde::Serialize;

use super::board::Board;
use super::failure;
use super::glyph::Glyph;
use super::incident::{IncidentView, Moment};
use super::row::Row;
use super::sentence::{Names, headline};
use super::when;
use crate::say::Lang;

/// A site in a list.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SiteLine {
    pub(crate) host: String,
    pub(crate) url: String,
    pub(crate) verdict: Verdict,
    #[serde(skip)]
    pub(crate) state: Glyph,
    pub(crate) sentence: String,
    /// The sentence for a list that names the site already, with what those get who fail.
    #[serde(skip)]
    pub(crate) why: String,
    pub(crate) since: Moment,
    /// How long it has been so, for people.
    #[serde(skip)]
    pub(crate) lasted: String,
    pub(crate) measured_at: Moment,
}

impl SiteLine {
    /// As programs are told it.
    pub(crate) fn new(view: &SiteView, now: UnixMicros) -> Self {
        Self::said(Lang::En, view, now)
    }

    /// In a language.
    pub(crate) fn said(t: Lang, view: &SiteView, now: UnixMicros) -> Self {
        let sentence = headline(t, &view.host, &view.diagnosis, &Names::of_rows(&view.rows));
        Self {
            host: view.host.to_string(),
            url: format!("{}/s/{}", t.base(), view.host),
            verdict: view.diagnosis.verdict,
            state: view.diagnosis.verdict.into(),
            why: why(t, view, &sentence),
            sentence,
            since: Moment::said(t, view.since),
            lasted: when::between(t, view.since, now),
            measured_at: Moment::said(t, view.at),
        }
    }

    /// Whether it belongs among the outages: something is wrong, and we can say so.
    pub(crate) fn is_outage(&self) -> bool {
        !matches!(self.verdict, Verdict::Up | Verdict::Unknown)
    }
}

/// A site with everything known of it, as JSON.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SiteJson {
    #[serde(flatten)]
    pub(crate) line: SiteLine,
    pub(crate) target: String,
    pub(crate) diagnosis: Diagnosis,
    pub(crate) reports: ReportCounts,
    /// What people and testers do not agree about.
    pub(crate) disagreement: Option<Disagreement>,
    /// Seconds between two probes of an agent; null when it is not watched.
    pub(crate) interval_s: Option<u64>,
    pub(crate) incident: Option<IncidentView>,
    pub(crate) rows: Vec<Row>,
}

impl SiteJson {
    pub(crate) fn new(view: &SiteView, now: UnixMicros) -> Self {
        Self {
            line: SiteLine::new(view, now),
            target: front(&view.target),
            diagnosis: view.diagnosis.clone(),
            reports: view.reports,
            disagreement: view.disagreement,
            interval_s: view.interval.map(|d| d.as_secs()),
            incident: view.incident.as_ref().map(|incident| IncidentView::new(incident, now)),
            rows: view.rows.iter().map(Row::new).collect(),
        }
    }
}

/// A site's address without path and query: what one visitor had checked may be their secret, and is not told to everybody.
pub(crate) fn front(target: &Target) -> String {
    Target { path: Path::root(), ..target.clone() }.to_string()
}

/// `Down for everyone we asked: 503 Service Unavailable.`
fn why(t: Lang, view: &SiteView, sentence: &str) -> String {
    let rest = sentence.strip_prefix(view.host.as_str()).map_or(sentence, str::trim_start);
    // The verb goes with the name: "is down" becomes "Down".
    let rest =
        t.text("verb-is").split(' ').find_map(|is| rest.strip_prefix(is)?.strip_prefix(' ')).unwrap_or(rest);
    let mut letters = rest.chars();
    let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    match Board::of_site(view).commonest_failure() {
        Some((kind, _)) if view.diagnosis.verdict != Verdict::Up => {
            t.with("why-with").s("sentence", capital).s("what", failure::long(t, kind)).text()
        }
        _ => format!("{capital}."),
    }
}
