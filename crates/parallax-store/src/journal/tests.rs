use std::fs;

use parallax_model::{Epoch, Seq};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::*;
use crate::fixtures::{NOW, agent, batch, byte, results, store};
use crate::schema;

/// What a batch with these seqs is answered after 1 to 10 are kept.
#[tokio::test]
async fn every_way_a_batch_can_meet_the_mark() {
    // (first seq, count, skip, through, missing, results kept afterwards)
    let cases = [
        (11, 5, 0, 15, 0, 15),  // continues
        (1, 10, 10, 10, 0, 10), // the same again
        (3, 4, 4, 10, 0, 10),   // a part again
        (10, 1, 1, 10, 0, 10),  // the last again
        (6, 10, 5, 15, 0, 15),  // known and new
        (1, 11, 10, 11, 0, 11),
        (12, 1, 0, 12, 1, 11),    // one never came
        (101, 2, 0, 102, 90, 12), // many never came
    ];
    let (_dir, store) = store();
    for (epoch, (first, count, skip, through, missing, kept)) in (1..).zip(cases) {
        let before = store.journal_count_results().await.unwrap();
        store.append(batch(epoch, 1, 10)).await.unwrap();
        let appended = store.append(batch(epoch, first, count)).await.unwrap();
        assert_eq!(appended, Appended { skip, through: Seq(through), missing }, "{first}+{count}");
        assert_eq!(store.acked_through(&agent("a"), Epoch(epoch)).await.unwrap(), Seq(through));
        assert_eq!(store.missing(&agent("a"), Epoch(epoch)).await.unwrap(), missing);
        assert_eq!(store.journal_count_results().await.unwrap() - before, kept);
        let entries = store.journal_batches_of(&agent("a"), Epoch(epoch)).await.unwrap();
        assert_eq!(entries.len(), if skip == count { 1 } else { 2 }, "{first}+{count}");
        assert_eq!(results(&entries).len() as u64, kept, "{first}+{count}");
    }
}

#[tokio::test]
async fn epochs_and_agents_are_apart() {
    let (_dir, store) = store();
    let other = |epoch| JournalBatch { agent: agent("b"), ..batch(epoch, 1, 3) };
    for b in [batch(1, 1, 9), batch(u64::MAX, 1, 2), other(1)] {
        assert_eq!(store.append(b).await.unwrap().skip, 0);
    }
    assert_eq!(store.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(9));
    assert_eq!(store.acked_through(&agent("a"), Epoch(u64::MAX)).await.unwrap(), Seq(2));
    assert_eq!(store.acked_through(&agent("b"), Epoch(1)).await.unwrap(), Seq(3));
    assert_eq!(store.acked_through(&agent("b"), Epoch(2)).await.unwrap(), Seq(0));
}

#[tokio::test]
async fn batches_that_cannot_be_kept_are_refused() {
    let (_dir, store) = store();
    for (first, count) in [(1, 0), (0, 1), (u64::MAX, 1), (u64::MAX, 2), (i64::MAX as u64, 2)] {
        let b = JournalBatch { first_seq: Seq(first), count, ..batch(1, 1, 1) };
        let refused = store.append(b).await.unwrap_err();
        assert!(matches!(refused, StoreError::BatchRange { .. }), "{first}+{count}: {refused}");
    }
    assert_eq!(store.append(batch(1, i64::MAX as u64, 1)).await.unwrap().through, Seq(i64::MAX as u64));
}

/// One thing an agent or the network does.
#[derive(Debug, Clone)]
enum Step {
    /// Session `who` sends its next `count` results.
    Send { who: usize, count: u32 },
    /// Session `who` begins anew, `back` results before what was acked.
    Reconnect { who: usize, back: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, 1..20_u32).prop_map(|(who, count)| Step::Send { who, count }),
        1 => (0..3_usize, 0..30_u64).prop_map(|(who, back)| Step::Reconnect { who, back }),
    ]
}

/// Three sessions of one agent, old ones still alive while newer ones send again, leave exactly what one session in order leaves.
#[test]
fn resending_in_any_order_changes_nothing() {
    let runtime = Runtime::new().unwrap();
    let (_dir, store) = store();
    let epochs = std::sync::atomic::AtomicU64::new(1);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..40), total in 1..200_u64)| {
        let epoch = epochs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let entries = runtime.block_on(async {
            let mut next = [1_u64; 3];
            for step in steps {
                let acked = store.acked_through(&agent("a"), Epoch(epoch)).await.unwrap().0;
                match step {
                    Step::Reconnect { who, back } => next[who] = (acked + 1).saturating_sub(back).max(1),
                    Step::Send { who, count } => {
                        let count = u64::from(count).min((total + 1).saturating_sub(next[who]));
                        if count > 0 {
                            let sent = batch(epoch, next[who], u32::try_from(count).unwrap());
                            store.append(sent).await.unwrap();
                            next[who] += count;
                        }
                    }
                }
            }
            store.append(batch(epoch, 1, u32::try_from(total).unwrap())).await.unwrap();
            store.journal_batches_of(&agent("a"), Epoch(epoch)).await.unwrap()
        });
        let in_order: Vec<_> = (1..=total).map(|seq| (seq, byte(seq))).collect();
        prop_assert_eq!(results(&entries), in_order);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_at_the_same_moment_keep_each_result_once() {
    let (_dir, store) = store();
    let mut sessions = JoinSet::new();
    for size in [1_u32, 7, 10, 25] {
        let store = store.clone();
        sessions.spawn(async move {
            for first in (1..=100).step_by(size as usize) {
                store.append(batch(1, first, size)).await.unwrap();
            }
        });
    }
    sessions.join_all().await;
    // Sizes that do not divide 100 go a little beyond it.
    let entries = store.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap();
    let expected: Vec<_> = (1..=105).map(|seq| (seq, byte(seq))).collect();
    assert_eq!(results(&entries), expected);
    assert_eq!(store.journal_count_results().await.unwrap(), 105);
}

async fn all_since(store: &Store, since: UnixMicros) -> (Vec<JournalEntry>, u32, usize) {
    let mut reader = store.journal_since(since).await.unwrap();
    let (mut entries, mut damaged, mut pages) = (Vec::new(), 0, 0);
    while let Some(page) = reader.next_page().await.unwrap() {
        entries.extend(page.entries);
        damaged += page.damaged;
        pages += 1;
    }
    (entries, damaged, pages)
}

#[tokio::test]
async fn the_journal_is_read_in_pages_in_the_order_it_was_kept() {
    let (_dir, store) = store();
    let at = |seq: u64| NOW.plus_secs(i64::try_from(seq).unwrap());
    let count = u64::from(PAGE_BATCHES) * 2 + 1;
    let mut appends = JoinSet::new();
    for seq in 1..=count {
        let store = store.clone();
        // One agent each: their order is that of the commits.
        let b = JournalBatch { agent: agent(&format!("a{seq}")), received_at: at(seq), ..batch(1, 1, 1) };
        appends.spawn(async move { store.append(b).await.unwrap() });
    }
    appends.join_all().await;
    let (entries, damaged, pages) = all_since(&store, NOW).await;
    assert_eq!((entries.len() as u64, damaged, pages), (count, 0, 3));
    let (entries, _, pages) = all_since(&store, at(count)).await;
    assert_eq!((entries.len(), pages), (1, 1));
    assert_eq!(all_since(&store, at(count + 1)).await, (Vec::new(), 0, 0));
}

#[tokio::test]
async fn a_page_ends_at_its_bytes() {
    let (_dir, store) = store();
    let columns = Bytes::from(vec![7; PAGE_BYTES / 4 + 1]);
    for seq in 1..=9 {
        let b = JournalBatch { columns: columns.clone(), ..batch(1, seq, 1) };
        store.append(b).await.unwrap();
    }
    let (entries, damaged, pages) = all_since(&store, NOW).await;
    assert_eq!((entries.len(), damaged, pages), (9, 0, 3));
}

#[tokio::test]
async fn what_comes_while_reading_is_not_waited_for() {
    let (_dir, store) = store();
    store.append(batch(1, 1, 1)).await.unwrap();
    let mut reader = store.journal_since(NOW).await.unwrap();
    store.append(batch(1, 2, 1)).await.unwrap();
    assert_eq!(reader.next_page().await.unwrap().unwrap().entries.len(), 1);
    assert_eq!(reader.next_page().await.unwrap(), None);
}

#[tokio::test]
async fn a_damaged_batch_is_left_out_and_counted() {
    let cases = [
        "UPDATE journal SET columns = x'00' WHERE first_seq = 2",
        "UPDATE journal SET received_at = received_at + 1 WHERE first_seq = 2",
        "UPDATE journal SET skip = 1 WHERE first_seq = 2",
        "UPDATE journal SET agent = 'NOT AN AGENT' WHERE first_seq = 2",
    ];
    for sql in cases {
        let (_dir, store) = store();
        for seq in 1..=3 {
            store.append(batch(1, seq, 1)).await.unwrap();
        }
        store.write("damage", move |w| w.connection.execute(sql, [])).await.unwrap();
        let (entries, damaged, _) = all_since(&store, NOW).await;
        assert_eq!((results(&entries), damaged), (vec![(1, 1), (3, 3)], 1), "{sql}");
        assert_eq!(store.damaged_batches(), 1, "{sql}");
    }
}

/// A store of 40 batches of 700 bytes as the bytes of its file, and its batches.
async fn file_of_40() -> (Vec<u8>, Vec<JournalEntry>) {
    let (dir, store) = store();
    for seq in 1..=40 {
        let columns = Bytes::from(vec![byte(seq); 700]);
        store.append(JournalBatch { columns, ..batch(1, seq, 1) }).await.unwrap();
    }
    let kept = store.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap();
    store.close().await.unwrap();
    (fs::read(dir.path().join("parallax.db")).unwrap(), kept)
}

/// With one page of the journal's tree unreadable, the batches of the other pages are served.
#[tokio::test]
async fn a_damaged_page_is_read_around() {
    let (mut file, kept) = file_of_40().await;
    let page_of_20 = file.chunks_mut(4096).find(|p| p.windows(700).any(|w| w == [20; 700])).unwrap();
    page_of_20[0] = 0;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.db");
    fs::write(&path, file).unwrap();
    let (page, next) =
        page(&schema::open_reader(&path, &crate::readers::Kind::Raw).unwrap(), JOURNAL, 1, 40).unwrap();
    assert!((1..=5).contains(&page.damaged), "{}", page.damaged);
    assert_eq!((page.entries.len(), next), (40 - page.damaged as usize, 41));
    assert!(page.entries.iter().all(|e| kept.contains(e) && e.batch.first_seq != Seq(20)));
}

/// Whatever byte of the file is wrong: what is served is what was kept, or it is missing; never something else, never a panic.
#[tokio::test]
async fn a_flipped_byte_anywhere_never_changes_a_result() {
    let (whole, kept) = file_of_40().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flipped.db");
    let (mut served, mut refused) = (0, 0);
    for place in (0..whole.len()).step_by(101) {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x55;
        fs::write(&path, &flipped).unwrap();
        let found =
            schema::open_reader(&path, &crate::readers::Kind::Raw).and_then(|c| page(&c, JOURNAL, 1, 40));
        match found {
            Ok((page, _)) => {
                assert!(page.entries.iter().all(|e| kept.contains(e)), "byte {place}");
                served += page.entries.len();
            }
            Err(_) => refused += 1,
        }
    }
    let tried = whole.len().div_ceil(101);
    assert!(refused < tried / 10 && served > tried * 36, "{refused} of {tried} refused, {served} served");
}
