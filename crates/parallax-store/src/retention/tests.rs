use parallax_model::{CheckId, Epoch, Seq};

use super::*;
use crate::fixtures::{NOW, agent, batch, host, store};
use crate::{CheckRecord, JournalBatch, MinuteRow, ReportRow, TokenRecord};

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
    }
    let one = Pruned { journal_batches: 1, minutes: 1, checks: 1, reports: 1, tokens: 1 };
    assert_eq!(store.prune(NOW).await.unwrap(), one);
    assert_eq!(store.prune(NOW).await.unwrap(), Pruned::default());
    assert_eq!(store.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap().len(), 1);
    assert_eq!(store.check(CheckId(1)).await.unwrap(), None);
    assert!(store.check(CheckId(2)).await.unwrap().is_some());
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
