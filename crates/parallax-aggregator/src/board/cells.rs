//! How many cells all windows together may have: one for each agent and target.
//!
//! When all are taken, an agent that is new to a target gets no cell while that target has its share of them: whoever is there stays,
//! so that those who are kept are followed without gaps. A target with less than its share takes a cell from the one with the most,
//! that of the agent longest unheard. What is refused a cell is in the journal and in the minutes as ever; it says nothing to the
//! verdict.

/// Cells of a board that was told no limit.
const DEFAULT_CELLS: usize = 2_097_152;

/// The cells that are taken, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells {
    limit: usize,
    taken: usize,
    refused: u64,
}

impl Default for Cells {
    fn default() -> Self {
        Self { limit: DEFAULT_CELLS, taken: 0, refused: 0 }
    }
}

impl Cells {
    /// Exactly so many.
    pub(crate) fn of(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.taken >= self.limit
    }

    /// How many a target may keep when all are taken.
    pub(super) const fn share(&self, targets: usize) -> usize {
        match self.limit.checked_div(targets) {
            Some(share) if share > 0 => share,
            _ => 1,
        }
    }

    pub(super) const fn take(&mut self) {
        self.taken += 1;
    }

    pub(super) const fn free(&mut self, cells: usize) {
        self.taken = self.taken.saturating_sub(cells);
    }

    pub(super) const fn refuse(&mut self) {
        self.refused += 1;
    }

    /// How many there may be.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// How many are taken.
    pub(crate) const fn taken(&self) -> usize {
        self.taken
    }

    /// How often an agent was refused one, since the start.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_its_share_of_the_cells() {
        assert_eq!(Cells::of(1_024).share(10), 102);
        assert_eq!((Cells::of(1_024).share(0), Cells::of(1_024).share(5_000)), (1, 1));
    }
}
