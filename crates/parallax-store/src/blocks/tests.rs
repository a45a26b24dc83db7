use parallax_model::{Epoch, Seq};

use super::*;
use crate::fixtures::{NOW, agent, batch, results, store};
use crate::{Appended, Depth};

/// Late enough for everything that came at [`NOW`].
const LATER: UnixMicros = NOW.plus_secs(JOINED_SPAN_S + JOINED_AFTER_S + 1);

/// The bytes of results that count, one after the other.
fn concatenate() -> Join {
    Arc::new(|entries| {
        let counting = entries.iter().map(|e| e.batch.columns.slice(e.skip as usize..));
        Some(counting.collect::<Vec<_>>().concat().into())
    })
}

async fn all(store: &Store, since: UnixMicros) -> Vec<JournalEntry> {
    let mut reader = store.journal_since(since).await.unwrap();
    let mut all = Vec::new();
    while let Some(page) = reader.next_page().await.unwrap() {
        assert_eq!(page.damaged, 0);
        all.extend(page.entries);
    }
    all
}

/// First seq and count of each.
fn shape(entries: &[JournalEntry]) -> Vec<(u64, u32)> {
    entries.iter().map(|e| (e.batch.first_seq.0, e.batch.count - e.skip)).collect()
}

#[tokio::test]
async fn batches_that_follow_each_other_become_a_block() {
    let (dir, store) = store();
    // The third overlaps the second; between the fourth and the fifth some never came.
    for (first, count) in [(1, 10), (11, 10), (16, 10), (26, 5), (41, 10), (51, 10)] {
        store.append(batch(1, first, count)).await.unwrap();
        store.append(JournalBatch { agent: agent("b"), ..batch(1, first, count) }).await.unwrap();
    }
    store.append(JournalBatch { agent: agent("c"), ..batch(1, 1, 9) }).await.unwrap();
    let before = results(&store.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap());

    let too_soon = NOW.plus_secs(JOINED_SPAN_S + JOINED_AFTER_S - 1);
    assert_eq!(store.join_batches(too_soon, &concatenate()).await.unwrap(), Joined::default());
    let joined = store.join_batches(LATER, &concatenate()).await.unwrap();
    assert_eq!(joined, Joined { batches: 12, blocks: 4, results: 100, more: true });
    assert_eq!(store.join_batches(LATER, &concatenate()).await.unwrap(), Joined::default());

    let after = store.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap();
    assert_eq!(shape(&after), [(1, 30), (41, 20)]);
    assert_eq!(results(&after), before);
    assert_eq!(store.journal_count_results().await.unwrap(), 109);
    // What is known stays known, and what comes next is a batch again.
    assert_eq!(store.append(batch(1, 51, 10)).await.unwrap().skip, 10);
    let next = store.append(batch(1, 56, 10)).await.unwrap();
    assert_eq!(next, Appended { skip: 5, through: Seq(65), missing: 0 });
    assert!(store.inspect(Depth::Thorough).await.unwrap().is_whole());
    store.close().await.unwrap();

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(shape(&all(&store, NOW).await), [(1, 30), (41, 20), (1, 30), (41, 20), (1, 9), (56, 5)]);
    assert!(all(&store, NOW.plus_secs(1)).await.is_empty());
    let pruned = store.prune(NOW.plus_secs(crate::JOURNAL_KEPT_S + 1)).await.unwrap();
    assert_eq!((pruned.journal_batches, all(&store, NOW).await.len()), (6, 0));
}

/// Whatever fails on the way, every result is there once.
#[tokio::test]
async fn what_cannot_be_joined_stays_as_it_is() {
    let (_dir, store) = store();
    for first in [1, 11, 21] {
        store.append(batch(1, first, 10)).await.unwrap();
    }
    let whole = shape(&all(&store, NOW).await);
    let cases: [(&str, Join); 3] = [
        ("a batch that cannot be read", Arc::new(|_| None)),
        ("a block that is larger", Arc::new(|_| Some(vec![0; 31].into()))),
        ("a block for somebody who reads meanwhile", concatenate()),
    ];
    for (name, join) in cases {
        let reader = store.journal_since(NOW).await.unwrap();
        let reads = name.contains("meanwhile").then_some(reader);
        assert_eq!(store.join_batches(LATER, &join).await.unwrap().blocks, 0, "{name}");
        drop(reads);
        assert_eq!(shape(&all(&store, NOW).await), whole, "{name}");
        store.joining().until.store(0, Ordering::Relaxed);
    }
    // One that pruning was faster with.
    let gone = store.write("delete", |w| w.connection.execute("DELETE FROM journal WHERE id = 2", []));
    let run = Run { ids: vec![1, 2], first: 1, last: 20, bytes: 20 };
    assert_eq!(gone.await.unwrap(), 1);
    let replaced = store.write("join", move |w| replace(w, &run, &batch(1, 1, 20))).await.unwrap();
    assert!(!replaced);
    assert_eq!(shape(&all(&store, NOW).await), [(1, 10), (21, 10)]);
}

#[tokio::test]
async fn a_block_is_bounded_and_a_stretch_is_joined_by_itself() {
    let (_dir, store) = store();
    let large = |first, at| JournalBatch { received_at: at, ..batch(1, first, 30_000) };
    for (n, at) in
        [(0, NOW), (1, NOW), (2, NOW), (3, NOW.plus_secs(JOINED_SPAN_S)), (4, NOW.plus_secs(JOINED_SPAN_S))]
    {
        store.append(large(1 + n * 30_000, at)).await.unwrap();
    }
    let much_later = LATER.plus_secs(JOINED_SPAN_S);
    for blocks in [1, 1, 0] {
        assert_eq!(store.join_batches(much_later, &concatenate()).await.unwrap().blocks, blocks);
    }
    let shapes = shape(&all(&store, NOW).await);
    assert_eq!(shapes, [(1, 60_000), (90_001, 60_000), (60_001, 30_000)]);
}

/// Damage of a block is found like that of a batch, and marks come back from blocks.
#[tokio::test]
async fn a_damaged_block_is_left_out_and_said() {
    let (dir, store) = store();
    for first in [1, 11, 21, 41, 51] {
        store.append(batch(1, first, 10)).await.unwrap();
    }
    store.join_batches(LATER, &concatenate()).await.unwrap();
    let break_one = store.write("damage", |w| {
        w.connection.execute_batch(
            "UPDATE blocks SET count = 21 WHERE id = 1; DROP TRIGGER marks_updated; UPDATE marks SET through = 9",
        )
    });
    break_one.await.unwrap();
    assert_eq!(shape(&store.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap()), [(41, 20)]);
    assert_eq!(store.damaged_batches(), 1);
    let report = store.inspect(Depth::Quick).await.unwrap();
    let damaged: Vec<_> =
        report.tables.iter().filter(|t| t.damaged > 0).map(|t| (t.table.as_str(), t.damaged)).collect();
    assert_eq!(damaged, [("marks", 1), ("blocks", 1)]);
    store.close().await.unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(60));
}
