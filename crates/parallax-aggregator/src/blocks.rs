//! Batches of the journal and the blocks they are joined into: what lies between the store, which knows no results, and the codec,
//! which knows no store.

use std::sync::Arc;

use parallax_proto::batch::{Known, Part, join, split};
use parallax_store::{Join, JournalBatch, JournalEntry};

/// How the store's batches are joined.
pub fn joining() -> Join {
    let known = Arc::new(Known::default());
    Arc::new(move |entries| {
        let part = |e: &JournalEntry| Part {
            columns: e.batch.columns.clone(),
            count: e.batch.count,
            skip: e.skip,
            received_at: e.batch.received_at,
        };
        let parts: Vec<Part> = entries.iter().map(part).collect();
        let block = join(&parts, &known);
        block
            .inspect_err(|error| tracing::debug!(%error, "batches that cannot be read stay as they are"))
            .ok()
    })
}

/// The batches of an entry of the journal: itself, or those it was joined of; `None` for a block that cannot be read.
pub(crate) fn batches(entry: JournalEntry) -> Option<Vec<JournalEntry>> {
    if !entry.joined {
        return Some(vec![entry]);
    }
    let parts = split(&entry.batch.columns)
        .inspect_err(|error| tracing::warn!(agent.id = %entry.batch.agent, %error, "a block cannot be read"))
        .ok()?;
    let mut first_seq = entry.batch.first_seq;
    let batch = |part: Part| {
        let batch = JournalBatch {
            first_seq,
            count: part.count,
            received_at: part.received_at,
            columns: part.columns,
            ..entry.batch.clone()
        };
        first_seq.0 += u64::from(part.count);
        JournalEntry { batch, skip: 0, joined: false }
    };
    Some(parts.into_iter().map(batch).collect())
}

#[cfg(test)]
mod tests {
    use parallax_model::{Epoch, ProbeResult, Seq, UnixMicros};
    use parallax_proto::batch::{encode, message, read};

    use super::*;
    use crate::window::tests::result;

    #[test]
    fn a_block_is_read_as_its_batches() {
        let batch = |n: i64| {
            let results: Vec<ProbeResult> = (0..30).map(|_| result(200).as_ref().clone()).collect();
            let message = message(1, 1 + n.unsigned_abs() * 20, &encode(&results));
            let batch = JournalBatch {
                agent: "a".parse().expect("an id"),
                epoch: Epoch(1),
                first_seq: Seq(message.first_seq),
                count: message.count,
                received_at: UnixMicros(n * 1_000_000),
                columns: message.columns,
            };
            JournalEntry { batch, skip: if n == 0 { 0 } else { 10 }, joined: false }
        };
        let parts = [batch(0), batch(1), batch(2)];
        let columns = joining()(&parts).expect("good batches");
        let block = JournalEntry {
            batch: JournalBatch { count: 70, columns, ..parts[0].batch.clone() },
            skip: 0,
            joined: true,
        };
        let split = batches(block.clone()).expect("own block");
        let shape: Vec<_> = split
            .iter()
            .map(|e| (e.batch.first_seq.0, e.batch.count, e.batch.received_at.as_secs()))
            .collect();
        assert_eq!(shape, [(1, 30, 0), (31, 20, 1), (51, 20, 2)]);
        assert!(split.iter().all(|e| read(&e.batch.columns, e.batch.count, &Known::default()).is_ok()));
        assert_eq!(batches(parts[1].clone()), Some(vec![parts[1].clone()]));
        let torn = JournalBatch { columns: block.batch.columns.slice(..40), ..block.batch.clone() };
        assert_eq!(batches(JournalEntry { batch: torn, skip: 0, joined: true }), None);
        // What an agent sent is never taken for a block.
        let sent = JournalEntry { joined: false, ..block };
        assert_eq!(batches(sent.clone()), Some(vec![sent]));
    }
}
