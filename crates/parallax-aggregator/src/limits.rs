//! What an aggregator takes on, by the memory it may have: agents, windows, visitors, batches on their way. Their sum stays below it.
//!
//! A pure function of the memory, but for [`memory`], which asks the system. What is beyond a limit is refused or waits, and is counted.

use std::fs;

/// The program, its threads, the store's and the pages' caches, and what the allocator keeps for itself.
const PROGRAM: u64 = 48 * MIB;
/// Values of batches that were met before: four shelves of 4 MiB as they came, three to four times as much decoded.
const DICTIONARIES: u64 = 60 * MIB;
/// Into so many parts the rest of the memory is divided.
const PARTS: u64 = 16;
/// Of these, for agents' connections …
const FOR_AGENTS: u64 = 7;
/// … for windows …
const FOR_CELLS: u64 = 4;
/// … for visitors' connections, and one each for batches on their way to disk, for decoded ones, and for strangers.
const FOR_VISITORS: u64 = 2;

/// One agent's connection under load: TLS, HTTP/2, its task and outbox (62 KiB while it rests), a full window of the stream, and a
/// batch in hand. Measured with 5,000 of them: 137 KiB.
const AGENT_BYTES: u64 = 140 * 1_024;
/// One cell: an agent's past with a target, its places in the window's indices, the row of the newest view, and what the allocator
/// adds. Measured: about 475 with half a million of them, and 110 for the marks of half an hour, every 15 seconds.
const CELL_BYTES: u64 = 640;
/// One visitor's connection: 16 KiB for a request's head, and the answer.
const VISITOR_BYTES: u64 = 24 * 1_024;
/// A connection that has shown no certificate yet.
const STRANGER_BYTES: u64 = 12 * 1_024;
/// One decoded batch of 1,000 results.
const DECODED_BYTES: u64 = 136 * 1_024;

const KIB: u64 = 1_024;
const MIB: u64 = 1_024 * 1_024;

/// What an aggregator may take on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The memory this was made for, in bytes.
    pub memory: u64,
    /// Agents that are connected; one more is refused.
    pub agents: usize,
    /// Cells of all windows: one for each agent and target.
    pub cells: usize,
    /// Visitors' connections; further ones wait.
    pub visitors: usize,
    /// Connections that have shown no certificate; one more takes another's place.
    pub strangers: usize,
    /// Batches on their way to disk, in KiB as they came; further ones wait.
    pub journalling_kib: usize,
    /// Decoded batches, in hand and on the bus; further ones wait.
    pub decoded: usize,
}

impl Limits {
    /// The limits under which so many bytes of memory are enough, with a floor and a ceiling each. Below 160 MiB the floors do not
    /// fit any more.
    pub fn of(memory: u64) -> Self {
        let part = memory.saturating_sub(PROGRAM + DICTIONARIES) / PARTS;
        let fit = |parts: u64, each: u64, (least, most): (usize, usize)| {
            usize::try_from(part.saturating_mul(parts) / each).unwrap_or(usize::MAX).clamp(least, most)
        };
        Self {
            memory,
            agents: fit(FOR_AGENTS, AGENT_BYTES, (32, 50_000)),
            cells: fit(FOR_CELLS, CELL_BYTES, (8_192, 4_194_304)),
            visitors: fit(FOR_VISITORS, VISITOR_BYTES, (128, 8_192)),
            strangers: fit(1, STRANGER_BYTES, (128, 2_000)),
            journalling_kib: fit(1, KIB, (2_048, 65_536)),
            decoded: fit(1, DECODED_BYTES, (16, 320)),
        }
    }

    /// These, with so many MiB for windows.
    #[must_use]
    pub fn with_windows_of(self, mib: u64) -> Self {
        let cells = usize::try_from(mib.saturating_mul(MIB) / CELL_BYTES).unwrap_or(usize::MAX);
        Self { cells: cells.max(1), ..self }
    }

    /// What all of it takes when every limit is reached, in bytes.
    pub fn sum(&self) -> u64 {
        let all = |count: usize, each: u64| (count as u64).saturating_mul(each);
        PROGRAM
            + DICTIONARIES
            + all(self.agents, AGENT_BYTES)
            + all(self.cells, CELL_BYTES)
            + all(self.visitors, VISITOR_BYTES)
            + all(self.strangers, STRANGER_BYTES)
            + all(self.journalling_kib, KIB)
            + all(self.decoded, DECODED_BYTES)
    }

    /// Says at the start what they are, and shows them.
    pub(crate) fn announce(&self) {
        metrics::gauge!("parallax_memory_limit_bytes").set(self.memory as f64);
        metrics::gauge!("parallax_memory_sum_bytes").set(self.sum() as f64);
        metrics::gauge!("parallax_agents_limit").set(self.agents as f64);
        tracing::info!(
            memory_mib = self.memory / MIB,
            sum_mib = self.sum() / MIB,
            agents = self.agents,
            cells = self.cells,
            visitors = self.visitors,
            "limits follow from the memory"
        );
        if self.sum() > self.memory {
            tracing::warn!(
                memory_mib = self.memory / MIB,
                sum_mib = self.sum() / MIB,
                "this is more than the memory there is: set less for windows, or give it more"
            );
        }
    }
}

/// Memory that this process may have, in bytes: the least of its control group's limit (versions 1 and 2) and the machine's. Where
/// the system does not say, 512 MiB.
pub(crate) fn memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let groups = limit_files(&groups).into_iter().filter_map(|file| fs::read_to_string(file).ok());
    let groups = groups.filter_map(|text| text.trim().parse().ok());
    machine.into_iter().chain(groups).min().unwrap_or(512 * MIB)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

/// Where the limits stand of the groups that /proc/self/cgroup names, and of those around them. In a file `max` is none.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
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
            files.push(format!("{root}{path}/{file}"));
            let Some((parent, _)) = path.rsplit_once('/') else { break };
            path = parent;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_what_is_taken_on_fits_into_the_memory() {
        // MiB, agents, cells, visitors, strangers, KiB on their way to disk, decoded batches
        let table = [
            (64, 32, 8_192, 128, 128, 2_048, 16),
            (256, 473, 60_620, 789, 789, 9_472, 69),
            (512, 1_292, 165_478, 2_154, 2_000, 25_856, 190),
            (2_048, 6_208, 794_624, 8_192, 2_000, 65_536, 320),
            (24_576, 50_000, 4_194_304, 8_192, 2_000, 65_536, 320),
        ];
        for (mib, agents, cells, visitors, strangers, journalling_kib, decoded) in table {
            let memory = mib * MIB;
            let limits = Limits::of(memory);
            let wanted = Limits { memory, agents, cells, visitors, strangers, journalling_kib, decoded };
            assert_eq!(limits, wanted, "{mib} MiB");
            assert_eq!(limits.sum() <= memory, mib >= 160, "{mib} MiB: {} MiB", limits.sum() / MIB);
        }
        for mib in 160..2_048 {
            assert!(Limits::of(mib * MIB).sum() <= mib * MIB, "{mib} MiB");
        }
    }

    #[test]
    fn windows_may_be_given_more_than_their_part() {
        let limits = Limits::of(512 * MIB);
        assert_eq!(limits.with_windows_of(1), Limits { cells: (MIB / CELL_BYTES) as usize, ..limits });
        assert!(limits.with_windows_of(4_096).sum() > limits.memory);
    }

    #[test]
    fn the_systems_limits_are_found() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2_097_152));
        assert_eq!(total("MemTotal: much"), None);
        let cases = [
            (
                "0::/a/b\n",
                "/sys/fs/cgroup/a/b/memory.max /sys/fs/cgroup/a/memory.max /sys/fs/cgroup/memory.max",
            ),
            (
                "5:cpu,memory:/a\n4:cpuset:/a\n",
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.limit_in_bytes",
            ),
            ("broken", ""),
        ];
        for (groups, files) in cases {
            assert_eq!(limit_files(groups).join(" "), files);
        }
    }
}
