//! How many cells all windows together may have: one for each agent and target.
//!
//! When all are taken, an agent that is new to a target gets no cell while that target has its share of them: whoever is there stays,
//! so that those who are kept are followed without gaps. A target with less than its share takes a cell from the one with the most,
//! that of the agent longest unheard. What is refused a cell is in the journal and in the minutes as ever; it says nothing to the
//! verdict.

use std::fs;

/// Memory that one cell takes at most on average, in bytes: itself, its marks of half an hour, what it is used to, its places in the
/// window's indices, the row of the newest view, and what the allocator adds. Measured: about 970, with a million of them.
const CELL_BYTES: u64 = 1_024;
/// Cells of a board that was told no limit.
const DEFAULT_CELLS: usize = 2_097_152;
/// The part of the memory that is there which windows may take: two in five.
const PART: (u64, u64) = (2, 5);

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
    /// As many as fit into so many MiB; with 0, into two fifths of the memory that the process may have, and at most
    /// [`DEFAULT_CELLS`].
    pub(crate) fn within(mib: u64) -> Self {
        let bytes = match mib {
            0 => memory().map_or(u64::MAX, |bytes| bytes / PART.1 * PART.0),
            mib => mib.saturating_mul(1024 * 1024),
        };
        let fit = usize::try_from(bytes / CELL_BYTES).unwrap_or(usize::MAX).max(1);
        let limit = if mib == 0 { fit.min(DEFAULT_CELLS) } else { fit };
        Self { limit, ..Self::default() }
    }

    /// Exactly so many.
    #[cfg(test)]
    pub(super) fn of(limit: usize) -> Self {
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

/// Memory that this process may have, in bytes: the least of its control group's limit (versions 1 and 2) and the machine's; `None`
/// where the system does not say.
fn memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    machine.into_iter().chain(limits_of(&groups)).min()
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The limits of the groups that /proc/self/cgroup names and of those around them.
fn limits_of(groups: &str) -> Vec<u64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            named if named.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            let limit = fs::read_to_string(format!("{root}{path}/{file}")).ok();
            limits.extend(limit.and_then(|text| text.trim().parse::<u64>().ok()));
            let Some((parent, _)) = path.rsplit_once('/') else { break };
            path = parent;
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_fits_into_the_limit() {
        assert_eq!(Cells::within(1).limit(), 1_024);
        assert!((1..=DEFAULT_CELLS).contains(&Cells::within(0).limit()));
        assert_eq!(Cells::within(1).share(10), 102);
        assert_eq!((Cells::within(1).share(0), Cells::within(1).share(5_000)), (1, 1));
    }

    #[test]
    fn the_machines_memory_is_read() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2_097_152));
        assert_eq!(total("MemTotal: much"), None);
    }
}
