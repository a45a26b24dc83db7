//! A check as far as it is known: its events folded into what a page shows.

use std::collections::BTreeSet;
use std::time::Duration;

use parallax_aggregator::{CheckEvent, CheckRow, PanelMember, SiteView};
use parallax_model::{AgentId, Diagnosis, FailureKind, Target, UnixMicros, Vantage};

/// Everything known of a check, or of a site's last round.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    pub(crate) target: Target,
    /// Who was asked, in the order of the matrix.
    pub(crate) panel: Vec<(AgentId, Vantage)>,
    /// What came, in the order it came: of each tester its answer, or what it has seen so far.
    pub(crate) rows: Vec<CheckRow>,
    /// Whose rows are no answers yet.
    pub(crate) waiting: BTreeSet<AgentId>,
    pub(crate) diagnosis: Option<Diagnosis>,
    pub(crate) started_at: Option<UnixMicros>,
    /// How long it took; `None` while it runs.
    pub(crate) took: Option<Duration>,
    pub(crate) asked: u32,
}

impl Board {
    /// Nothing is known yet.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            panel: Vec::new(),
            rows: Vec::new(),
            waiting: BTreeSet::new(),
            diagnosis: None,
            started_at: None,
            took: None,
            asked: 0,
        }
    }

    /// A site's latest results.
    pub(crate) fn of_site(view: &SiteView) -> Self {
        Self {
            target: view.target.clone(),
            panel: view.rows.iter().map(|row| (row.agent.clone(), row.vantage.clone())).collect(),
            rows: view.rows.to_vec(),
            waiting: BTreeSet::new(),
            diagnosis: Some(view.diagnosis.clone()),
            started_at: Some(view.at),
            took: Some(Duration::ZERO),
            asked: u32::try_from(view.rows.len()).unwrap_or(u32::MAX),
        }
    }

    /// Adds one event.
    pub(crate) fn fold(&mut self, event: &CheckEvent) {
        match event {
            CheckEvent::Started { target, panel, at, .. } => {
                self.target = target.clone();
                let member = |m: &PanelMember| (m.agent.clone(), m.vantage.clone());
                self.panel = panel.iter().map(member).collect();
                self.asked = u32::try_from(panel.len()).unwrap_or(u32::MAX);
                self.started_at = Some(*at);
            }
            CheckEvent::SoFar(row) => {
                self.waiting.insert(row.agent.clone());
                self.put(row);
            }
            CheckEvent::Row(row) => {
                self.waiting.remove(&row.agent);
                self.put(row);
            }
            CheckEvent::Verdict(diagnosis) => self.diagnosis = Some((**diagnosis).clone()),
            CheckEvent::Done { took, asked, .. } => {
                self.took = Some(*took);
                self.asked = *asked;
            }
        }
    }

    fn put(&mut self, row: &CheckRow) {
        // Who speaks without having been listed is listed from then on: the panel may grow while a check runs.
        if !self.panel.iter().any(|(agent, _)| *agent == row.agent) {
            self.panel.push((row.agent.clone(), row.vantage.clone()));
        }
        match self.rows.iter_mut().find(|known| known.agent == row.agent) {
            Some(known) => *known = row.clone(),
            None => self.rows.push(row.clone()),
        }
    }

    /// Whether no more will come.
    pub(crate) fn is_done(&self) -> bool {
        self.took.is_some()
    }

    /// How many testers answered.
    pub(crate) fn answered(&self) -> usize {
        self.rows.len() - self.waiting.len()
    }

    /// How many were asked: at least those who answered.
    pub(crate) fn asked(&self) -> usize {
        usize::try_from(self.asked).unwrap_or(usize::MAX).max(self.panel.len())
    }

    /// The failure most testers meet, with how many; agents' own failures do not count.
    pub(crate) fn commonest_failure(&self) -> Option<(FailureKind, usize)> {
        let mut counts: Vec<(FailureKind, usize)> = Vec::new();
        let kinds = self.rows.iter().filter_map(|row| row.result.outcome.about_target().kind());
        for kind in kinds.filter(|kind| !kind.is_agent()) {
            match counts.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, n)) => *n += 1,
                None => counts.push((kind, 1)),
            }
        }
        // Of equally common ones the first in the model's order, so that the words do not change from render to render.
        counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        counts.first().copied()
    }

    /// The typical time to the first byte of the results that worked, in microseconds.
    pub(crate) fn typical_first_byte(&self) -> Option<u32> {
        let ok = self.rows.iter().filter(|row| row.result.outcome.is_ok());
        super::row::median(ok.filter_map(|row| row.result.phases.first_byte).map(|m| m.0).collect())
    }
}
