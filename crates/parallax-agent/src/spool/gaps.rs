//! Results that will never reach the aggregator: how many, of what time, and why. They are told in every Hello until one is answered.
//!
//! They are kept beside the results, so that a gap is told after a restart too. What cannot be written is kept in memory alone, and
//! a file that cannot be read is forgotten: the results are lost already, only their number would be known.

use std::fs;
use std::path::{Path, PathBuf};

use parallax_model::UnixMicros;
use parallax_proto::v1::agent as wire;
use prost::Message as _;

/// Most gaps that are kept apart; the last one is widened by what comes after.
const MAX_GAPS: usize = 32;

/// Why results are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The spool was as large, or its oldest results as old, as they may become.
    SpoolFull,
    /// The disk could not be written and memory was full.
    Disk,
    /// Their checksum is wrong.
    Damaged,
    /// The aggregator refuses them.
    Refused,
}

/// Results that are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// How many.
    pub(crate) results: u64,
    /// When the first of them began.
    pub(crate) from: UnixMicros,
    /// When the last of them began.
    pub(crate) until: UnixMicros,
    /// Why.
    pub(crate) reason: Reason,
}

impl Gap {
    /// One result.
    pub(crate) const fn of_one(began: UnixMicros, reason: Reason) -> Self {
        Self { results: 1, from: began, until: began, reason }
    }

    fn widen(&mut self, other: &Self) {
        self.results = self.results.saturating_add(other.results);
        self.from = self.from.min(other.from);
        self.until = self.until.max(other.until);
    }

    fn to_wire(self) -> wire::Gap {
        let reason = match self.reason {
            Reason::SpoolFull => wire::GapReason::SpoolFull,
            Reason::Disk => wire::GapReason::Disk,
            Reason::Damaged => wire::GapReason::Damaged,
            Reason::Refused => wire::GapReason::Refused,
        };
        wire::Gap {
            results: self.results,
            from_us: self.from.0,
            until_us: self.until.0,
            reason: reason.into(),
        }
    }

    fn from_wire(gap: &wire::Gap) -> Option<Self> {
        let reason = match gap.reason() {
            wire::GapReason::SpoolFull => Reason::SpoolFull,
            wire::GapReason::Disk => Reason::Disk,
            wire::GapReason::Damaged => Reason::Damaged,
            wire::GapReason::Refused => Reason::Refused,
            wire::GapReason::Unspecified => return None,
        };
        let (from, until) = (UnixMicros(gap.from_us), UnixMicros(gap.until_us));
        Some(Self { results: gap.results, from, until, reason })
    }
}

/// The gaps that were not told yet, and their file.
#[derive(Debug)]
pub(super) struct Gaps {
    path: PathBuf,
    untold: Vec<Gap>,
    dirty: bool,
}

impl Gaps {
    /// Reads what an earlier process could not tell.
    pub(super) fn open(path: PathBuf) -> Self {
        let untold = fs::read(&path).ok().and_then(|bytes| read(&bytes)).unwrap_or_default();
        Self { path, untold, dirty: false }
    }

    /// Notes a gap. One that follows on another of the same reason is part of it.
    pub(super) fn add(&mut self, gap: Gap) {
        self.dirty = true;
        let full = self.untold.len() >= MAX_GAPS;
        match self.untold.last_mut().filter(|last| full || last.reason == gap.reason) {
            Some(last) => last.widen(&gap),
            None => self.untold.push(gap),
        }
    }

    /// What a Hello says.
    pub(super) fn to_wire(&self) -> Vec<wire::Gap> {
        self.untold.iter().map(|gap| gap.to_wire()).collect()
    }

    /// A Welcome has answered the Hello that told the first `count` gaps and `results` in them.
    pub(super) fn told(&mut self, told: &[wire::Gap]) {
        for gap in told.iter().filter_map(Gap::from_wire) {
            // The last one may have been widened since: what was not told of it stays.
            if let Some(known) = self.untold.first_mut() {
                known.results = known.results.saturating_sub(gap.results);
                if known.results == 0 {
                    self.untold.remove(0);
                }
                self.dirty = true;
            }
        }
    }

    /// Results in all of them.
    #[cfg(test)]
    pub(super) fn results(&self) -> u64 {
        self.untold.iter().map(|gap| gap.results).sum()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[Gap] {
        &self.untold
    }

    /// Brings the file up to date, if it can be written.
    pub(super) fn flush(&mut self) {
        if !self.dirty {
            return;
        }
        let written = if self.untold.is_empty() {
            fs::remove_file(&self.path)
        } else {
            replace(&self.path, &self.bytes())
        };
        self.dirty = written.is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound);
    }

    fn bytes(&self) -> Vec<u8> {
        let hello = wire::Hello { gaps: self.to_wire(), ..wire::Hello::default() }.encode_to_vec();
        let mut bytes = crc32fast::hash(&hello).to_le_bytes().to_vec();
        bytes.extend_from_slice(&hello);
        bytes
    }
}

fn read(bytes: &[u8]) -> Option<Vec<Gap>> {
    let (expected, hello) = bytes.split_first_chunk::<4>()?;
    if crc32fast::hash(hello) != u32::from_le_bytes(*expected) {
        return None;
    }
    let hello = wire::Hello::decode(hello).ok()?;
    Some(hello.gaps.iter().filter_map(Gap::from_wire).take(MAX_GAPS).collect())
}

/// Puts a file in place as a whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(&new, path)
}
