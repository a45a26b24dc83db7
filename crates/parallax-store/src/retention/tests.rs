use bytes::Bytes;
use parallax_model::{CheckId, Epoch, Seq};

use super::*;
use crate::fixtures::{NOW, agent, batch, host, store};
use crate::{CheckRecord, JournalBatch, LearntRow, MinuteRow, ReportRow, TokenRecord};

/// Of everything one piece that is just kept and one that is just too old.
#[tokio::test]
async fn what_is_too_old_goes_and_the_rest_stays() {
    let (_dir, store) = store();
    for too_old in [1, 0] {
        let at = |kept_s: i64| NOW.plus_secs(-kept_s).plus_micros(-too_old);
        let id = 2 - too_old.cast_unsigned();
        store.append(JournalBatch { received_at: at(JOURNAL_KEPT_S), ..batch(1, id, 1) }).await.unwrap();
        let site = host("a.example");
        let minute = at(MINUTES_KEPT_S);
        let row = MinuteRow { site: site.clone(), minute, results: 1, failures: 0, first_byte: None };
        store.add_minutes(vec![row]).await.unwrap();
        let hour = at(HOURS_KEPT_S).0;
        store
            .write("add hour", move |w| {
                w.connection.execute(
                    "INSERT INTO hours (site, hour, results, failures) VALUES ('a.example', ?1, 1, 0)",
                    [hour],
                )
            })
            .await
            .unwrap();
        // Its results are long gone when the mark goes.
        let received_at = at(MARKS_KEPT_S);
        store.append(JournalBatch { received_at, ..batch(10 + id, 1, 1) }).await.unwrap();
        let target = "https://a.example/".parse().unwrap();
        let check = CheckRecord { id: CheckId(id.into()), at: at(CHECKS_KEPT_S), target, events: Vec::new() };
        store.put_check(check).await.unwrap();
        store
            .add_report(ReportRow { site, at: at(REPORTS_KEPT_S), problem: None, reporter: id, asn: None })
            .await
            .unwrap();
        let expires_at = at(TOKENS_KEPT_S);
        let hash = [id.to_le_bytes()[0]; 32];
        store
            .create_token(TokenRecord { hash, agent: agent("a"), created_at: expires_at, expires_at })
            .await
            .unwrap();
        let target = format!("https://learnt{id}.example/").parse().unwrap();
        let learnt = LearntRow { target, at: at(LEARNT_KEPT_S), state: Bytes::from_static(b"much") };
        store.put_learnt(vec![learnt]).await.unwrap();
    }
    let one = Pruned {
        journal_batches: 3,
        minutes: 1,
        hours: 1,
        checks: 1,
        reports: 1,
        tokens: 1,
        marks: 1,
        learnt: 1,
        over_limit: 0,
    };
    assert_eq!(store.prune(NOW).await.unwrap(), one);
    assert_eq!(store.prune(NOW).await.unwrap(), Pruned::default());
    assert_eq!(store.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap().len(), 1);
    assert_eq!(store.check(CheckId(1)).await.unwrap(), None);
    assert!(store.check(CheckId(2)).await.unwrap().is_some());
    // Of two epochs that ended long ago one is forgotten, and begins anew if it ever comes back.
    assert_eq!(store.append(batch(11, 1, 1)).await.unwrap().skip, 0);
    assert_eq!(store.append(batch(12, 1, 1)).await.unwrap().skip, 1);
    // What is gone is not taken again.
    assert_eq!(store.append(batch(1, 1, 1)).await.unwrap().skip, 1);
    assert_eq!(store.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(2));
}

#[tokio::test]
async fn pruning_takes_as_many_steps_as_it_needs() {
    let (_dir, store) = store();
    let old = NOW.plus_secs(-MINUTES_KEPT_S - 1);
    let rows = (0..=PRUNE_STEP * 2).map(|n| MinuteRow {
        site: host("a.example"),
        minute: old.plus_secs(-60 * i64::from(n)),
        results: 1,
        failures: 0,
        first_byte: None,
    });
    store.add_minutes(rows.collect()).await.unwrap();
    assert_eq!(store.prune(NOW).await.unwrap().minutes, u64::from(PRUNE_STEP) * 2 + 1);
}

/// Raw results over the limit go, oldest first and only as many as must; what is made of them stays.
#[tokio::test]
async fn a_store_over_its_limit_loses_its_oldest_raw_results() {
    const BATCH: usize = 64 * 1024;
    let (_dir, store) = store();
    for seq in 1..=256 {
        store.append(JournalBatch { columns: vec![1; BATCH].into(), ..batch(1, seq, 1) }).await.unwrap();
    }
    let before = store.used_bytes().await.unwrap();
    assert_eq!(store.prune(NOW).await.unwrap(), Pruned::default());
    let limit = before / 2;
    store.limit_size(limit);
    let pruned = store.prune(NOW).await.unwrap();
    let used = store.used_bytes().await.unwrap();
    assert!(pruned.over_limit > 128 && pruned.journal_batches == 0, "{pruned:?}");
    // A step is as large as PRUNE_STEP_BYTES, so not a step too many.
    assert!(used <= limit && used + 2 * PRUNE_STEP_BYTES > limit, "{used} of {limit}");
    let left = store.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap();
    assert_eq!(left.len() as u64, 256 - pruned.over_limit);
    assert_eq!(left[0].batch.first_seq, Seq(pruned.over_limit + 1));
    assert_eq!(store.prune(NOW).await.unwrap(), Pruned::default());
}

/// Somebody who writes while much is pruned waits for one step of it, not for all.
#[tokio::test]
async fn pruning_lets_others_in_between() {
    let (_dir, store) = store();
    let old = NOW.plus_secs(-JOURNAL_KEPT_S - 1);
    for seq in 1..=160 {
        let columns = vec![1; 256 * 1024].into();
        store.append(JournalBatch { columns, received_at: old, ..batch(1, seq, 1) }).await.unwrap();
    }
    let pruning = store.prune(NOW);
    tokio::pin!(pruning);
    // Ten steps of 4 MiB: an append that is sent after the first is done long before the last.
    let mut appended = 0;
    let pruned = loop {
        tokio::select! {
            biased;
            pruned = &mut pruning => break pruned.unwrap(),
            done = store.append(batch(2, appended + 1, 1)) => {
                done.unwrap();
                appended += 1;
            }
        }
    };
    assert_eq!(pruned.journal_batches, 160);
    assert!(appended >= 5, "{appended} appends while 40 MiB were pruned");
}
