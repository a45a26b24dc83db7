//! A site's rows: kept small until somebody reads them.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parallax_model::{AgentId, Target, UnixMicros, Vantage};

use super::seen::{Rest, Seen};
use crate::read::CheckRow;

/// One row that was not asked for yet.
#[derive(Debug, Clone)]
pub(crate) struct KeptRow {
    pub(super) agent: AgentId,
    pub(super) vantage: Arc<Vantage>,
    pub(super) seen: Seen,
    pub(super) rest: Rest,
}

/// Every agent's latest result. They are made when somebody reads the first of them, and kept until the site is looked at anew: a
/// thousand agents on each of thousands of sites are more than fits into memory, and few of those sites are read.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    kept: Option<(Target, UnixMicros, Vec<KeptRow>)>,
    made: OnceLock<Vec<CheckRow>>,
}

impl Rows {
    /// These of `target`, as of `now`.
    pub(crate) const fn new(target: Target, now: UnixMicros, kept: Vec<KeptRow>) -> Self {
        Self { kept: Some((target, now, kept)), made: OnceLock::new() }
    }

    /// How many there are, without making them.
    pub fn len(&self) -> usize {
        self.kept.as_ref().map_or_else(|| self.made().len(), |(.., kept)| kept.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn made(&self) -> &Vec<CheckRow> {
        self.made.get_or_init(|| {
            let all = self.kept.iter();
            let kept = all.flat_map(|(target, now, kept)| kept.iter().map(move |row| (target, now, row)));
            kept.map(|(target, now, row)| CheckRow {
                agent: row.agent.clone(),
                vantage: row.vantage.as_ref().clone(),
                result: row.rest.result(&row.seen, target),
                after: Duration::from_micros(now.since(row.seen.at)),
            })
            .collect()
        })
    }
}

impl Deref for Rows {
    type Target = [CheckRow];

    fn deref(&self) -> &[CheckRow] {
        self.made()
    }
}

impl DerefMut for Rows {
    fn deref_mut(&mut self) -> &mut [CheckRow] {
        self.made();
        self.kept = None;
        self.made.get_mut().map(Vec::as_mut_slice).unwrap_or_default()
    }
}

impl From<Vec<CheckRow>> for Rows {
    fn from(rows: Vec<CheckRow>) -> Self {
        Self { kept: None, made: OnceLock::from(rows) }
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a CheckRow;
    type IntoIter = std::slice::Iter<'a, CheckRow>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Rows {
    type Item = &'a mut CheckRow;
    type IntoIter = std::slice::IterMut<'a, CheckRow>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
