//! A look at SQLite's log before SQLite reads it. SQLite reads it up to the first frame whose checksum is wrong and takes all the rest
//! for what a crash left unfinished. After a crash that is so; when one bit of it was flipped, commits that were acked lie behind.
//!
//! A frame's checksum goes on from the one its predecessor states. So frames behind a wrong one can be looked at by themselves:
//! where they are right and of the same log, a commit is lost, and it is said.
//!
//! The format is SQLite's own: <https://www.sqlite.org/fileformat2.html#walformat>.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The first four bytes of a log whose checksums read numbers little endian; with one more, big endian.
const MAGIC: u32 = 0x377f_0682;
/// Sizes of a page that SQLite knows.
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;

/// What was found in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WalState {
    /// Commits that SQLite will read.
    pub(crate) commits: u64,
    /// Commits behind damage, which it will not.
    pub(crate) lost: u64,
    /// Frames at the end that are of this log but no whole commit: written when the process ended, or damaged.
    pub(crate) cut: u64,
    /// Whether the head itself is damaged: then none of it is read.
    pub(crate) headless: bool,
}

/// Looks through the log beside a database; nothing when there is none.
pub(crate) fn look(wal: &Path) -> io::Result<WalState> {
    let file = match File::open(wal) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(WalState::default()),
        other => other?,
    };
    let mut file = BufReader::new(file);
    let Some(header) = read(&mut file, HEADER_BYTES)? else { return Ok(WalState::default()) };
    let magic = number(&header, 0);
    let big_endian = magic == MAGIC + 1;
    let sum = checksum(&header[..24], (0, 0), big_endian);
    let page = number(&header, 8) as usize;
    if magic & !1 != MAGIC || sum != (number(&header, 24), number(&header, 28)) || !PAGE_BYTES.contains(&page)
    {
        // A log that was only just begun, or cut to nothing, has no head at all.
        return Ok(WalState { headless: header.iter().any(|byte| *byte != 0), ..WalState::default() });
    }
    frames(&mut file, &header[16..24], page, (sum, big_endian))
}

fn frames(
    file: &mut impl io::Read,
    salt: &[u8],
    page: usize,
    (mut before, big_endian): ((u32, u32), bool),
) -> io::Result<WalState> {
    let (mut state, mut broken) = (WalState::default(), false);
    while let Some(frame) = read(file, FRAME_HEADER_BYTES + page)? {
        let (head, bytes) = frame.split_at(FRAME_HEADER_BYTES);
        let stated = (number(head, 16), number(head, 20));
        let sum = checksum(bytes, checksum(&head[..8], before, big_endian), big_endian);
        let right = &head[8..16] == salt && sum == stated;
        broken |= !right;
        // A frame of an earlier round of the log has neither number of its head.
        let of_this_log = head[8..12] == salt[..4] || head[12..16] == salt[4..];
        state.cut += u64::from(broken && of_this_log);
        let is_commit = number(head, 4) > 0;
        state.commits += u64::from(right && !broken && is_commit);
        state.lost += u64::from(right && broken && is_commit);
        before = stated;
    }
    Ok(state)
}

/// SQLite's checksum: two sums over pairs of numbers.
fn checksum(bytes: &[u8], (mut a, mut b): (u32, u32), big_endian: bool) -> (u32, u32) {
    for pair in bytes.chunks_exact(8) {
        let read = |at: usize| {
            let four = pair[at..at + 4].try_into().unwrap_or_default();
            if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
        };
        a = a.wrapping_add(read(0)).wrapping_add(b);
        b = b.wrapping_add(read(4)).wrapping_add(a);
    }
    (a, b)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// So many bytes; `None` at the end of the file or when fewer are left.
fn read(file: &mut impl io::Read, count: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; count];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}
