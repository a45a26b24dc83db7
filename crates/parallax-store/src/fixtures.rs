//! What the tests of this crate keep.

use bytes::Bytes;
use parallax_model::{AgentId, Epoch, Host, Seq, UnixMicros};
use tempfile::TempDir;

use crate::{JournalBatch, JournalEntry, Store};

/// 2026-01-01T00:00:00Z, the start of a quarter hour.
pub(crate) const NOW: UnixMicros = UnixMicros(1_767_225_600_000_000);

/// A store in a directory that goes away with it.
pub(crate) fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(dir.path()).expect("a new store");
    (dir, store)
}

pub(crate) fn agent(name: &str) -> AgentId {
    name.parse().expect(name)
}

pub(crate) fn host(name: &str) -> Host {
    name.parse().expect(name)
}

/// A batch of agent `a` whose columns have one byte per result: its seq's lowest.
pub(crate) fn batch(epoch: u64, first_seq: u64, count: u32) -> JournalBatch {
    JournalBatch {
        agent: agent("a"),
        epoch: Epoch(epoch),
        first_seq: Seq(first_seq),
        count,
        received_at: NOW,
        columns: (0..u64::from(count)).map(|i| byte(first_seq + i)).collect::<Bytes>(),
    }
}

pub(crate) fn byte(seq: u64) -> u8 {
    seq.to_le_bytes()[0]
}

/// Seq and byte of every result that counts, in the order of the entries.
pub(crate) fn results(entries: &[JournalEntry]) -> Vec<(u64, u8)> {
    let of = |e: &JournalEntry| {
        let first = e.batch.first_seq.0;
        let all = (first..).zip(e.batch.columns.to_vec());
        all.skip(e.skip as usize).collect::<Vec<_>>()
    };
    entries.iter().flat_map(of).collect()
}
