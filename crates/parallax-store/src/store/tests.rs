use std::time::Duration;

use parallax_model::{Epoch, IncidentId, Seq};
use rusqlite::ffi;

use super::*;
use crate::fixtures::{NOW, agent, batch, store};
use crate::{CheckRecord, JournalBatch, ReportRow, SiteState, TargetRecord, TokenRecord};

#[tokio::test]
async fn commits_are_synced_and_the_wal_is_on() {
    let (_dir, store) = store();
    let pragma = |name: &'static str| {
        store.write("read pragma", move |w| {
            w.connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        })
    };
    // 2 is FULL: an fsync of the WAL at every commit.
    assert_eq!(pragma("synchronous").await.unwrap(), 2.into());
    assert_eq!(pragma("journal_mode").await.unwrap(), "wal".to_owned().into());
    assert_eq!(pragma("wal_autocheckpoint").await.unwrap(), 0.into());
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_ends() {
    let (dir, store) = store();
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::InUse { dir: named } if named == dir.path()), "{refused}");
    let clone = store.clone();
    drop(store);
    assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse { .. })));
    drop(clone);
    Store::open(dir.path()).unwrap();
}

#[tokio::test]
async fn a_closed_store_says_so_and_can_be_opened_again() {
    let (dir, store) = store();
    let other = store.clone();
    store.append(batch(1, 1, 1)).await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(other.append(batch(1, 2, 1)).await, Err(StoreError::Closed { .. })));
    assert!(matches!(other.agents().await, Err(StoreError::Closed { .. })));
    let again = Store::open(dir.path()).unwrap();
    assert_eq!(again.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(1));
    other.close().await.unwrap();
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let (dir, store) = store();
    let site = crate::fixtures::host("example.com");
    let target: parallax_model::Target = "https://example.com/".parse().unwrap();
    store.append(batch(1, 1, 5)).await.unwrap();
    let token =
        TokenRecord { hash: [1; 32], agent: agent("a"), created_at: NOW, expires_at: NOW.plus_secs(60) };
    store.create_token(token).await.unwrap();
    let watched = TargetRecord { target: target.clone(), interval: Duration::from_secs(30), added_at: NOW };
    store.put_target(watched.clone()).await.unwrap();
    let check = CheckRecord { id: parallax_model::CheckId(7), at: NOW, target, events: vec![1, 2, 3] };
    store.put_check(check.clone()).await.unwrap();
    let state = SiteState { site: site.clone(), state: "{}".to_owned() };
    store.put_site_state(state.clone()).await.unwrap();
    let report = ReportRow { site: site.clone(), at: NOW, problem: None, reporter: u64::MAX, asn: None };
    assert!(store.add_report(report.clone()).await.unwrap());
    drop(store);

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.append(batch(1, 1, 5)).await.unwrap().skip, 5);
    assert_eq!(store.redeem_token([1; 32], [2; 32], NOW).await.unwrap().agent, agent("a"));
    assert_eq!(store.targets().await.unwrap(), std::slice::from_ref(&watched));
    assert_eq!(store.check(check.id).await.unwrap(), Some(check));
    assert_eq!(store.site_states().await.unwrap(), [state]);
    assert!(!store.add_report(report).await.unwrap());
    assert_eq!(store.incident(IncidentId(1)).await.unwrap(), None);
    assert!(store.remove_target(&watched.target).await.unwrap());
    assert!(!store.remove_target(&watched.target).await.unwrap());
    assert!(store.remove_site_state(&site).await.unwrap());
    assert!(store.site_states().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else_until_there_is_space() {
    let (_dir, store) = store();
    store.append(batch(1, 1, 1)).await.unwrap();
    let limit_pages = |pages: u32| {
        store.write("limit pages", move |w| w.connection.pragma_update(None, "max_page_count", pages))
    };
    limit_pages(1).await.unwrap();
    let big = || JournalBatch { columns: vec![0; 100_000].into(), ..batch(1, 2, 1) };
    let full = store.append(big()).await.unwrap_err();
    assert!(matches!(full, StoreError::Full { op: "append to journal", .. }) && full.is_full(), "{full}");
    assert_eq!(store.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(1));
    assert!(store.broken_now().is_none());
    limit_pages(u32::MAX / 2).await.unwrap();
    assert_eq!(store.append(big()).await.unwrap().through, Seq(2));
}

#[tokio::test]
async fn a_write_that_fails_takes_nothing_of_the_others_with_it() {
    let (_dir, store) = store();
    let half = store.write("half a write", |w| {
        w.connection.execute("INSERT INTO site_states (site, state) VALUES ('half.example', '{}')", [])?;
        w.connection.execute("INSERT INTO no_such_table VALUES (1)", [])
    });
    let (half, whole) = tokio::join!(half, store.append(batch(1, 1, 1)));
    assert!(matches!(half, Err(StoreError::Sqlite { op: "half a write", .. })));
    assert_eq!(whole.unwrap().through, Seq(1));
    assert_eq!(store.site_states().await.unwrap(), []);
}

/// SQLite ends the transaction itself when it has to: then nobody of the group is acked, and what was sent again is new.
#[tokio::test]
async fn a_group_that_fails_leaves_nothing_and_the_next_one_works() {
    let (_dir, store) = store();
    let (started, running) = oneshot::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hold = store.write("hold", move |_| {
        started.send(()).unwrap();
        wait.recv().unwrap();
        Ok(())
    });
    let end_transaction = store.write("end the transaction", |w| -> rusqlite::Result<()> {
        w.connection.execute_batch("ROLLBACK")?;
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None))
    });
    // While the writer is held, the others gather behind it.
    let gather = async {
        running.await.unwrap();
        tokio::join!(store.append(batch(1, 1, 1)), end_transaction, async { go.send(()).unwrap() })
    };
    let (let_go, (appended, ended, ())) = tokio::join!(hold, gather);
    let_go.unwrap();
    assert!(ended.unwrap_err().is_full());
    assert!(matches!(appended, Err(StoreError::Full { op: "append to journal", .. })));
    assert_eq!(store.append(batch(1, 1, 1)).await.unwrap().skip, 0);
    assert_eq!(store.journal_count_results().await.unwrap(), 1);
}

/// The errors of a disk that fails: while a statement runs, and at the commit itself.
#[tokio::test]
async fn a_failing_disk_breaks_the_store_for_good() {
    type Fault = fn(&mut Writing<'_>) -> rusqlite::Result<()>;
    let while_running: Fault =
        |_| Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_WRITE), None));
    // A deferred constraint is refused by COMMIT, as a failed fsync is.
    let at_commit: Fault = |w| {
        w.connection.execute_batch(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO child VALUES (1)",
        )
    };
    for fault in [while_running, at_commit] {
        let (dir, store) = store();
        store.append(batch(1, 1, 1)).await.unwrap();
        let failed = store.write("meet the fault", fault).await.unwrap_err();
        assert!(matches!(failed, StoreError::Broken { .. }), "{failed}");
        assert!(matches!(store.broken().await, StoreError::Broken { .. }));
        assert!(matches!(store.append(batch(1, 2, 1)).await, Err(StoreError::Broken { .. })));
        assert_eq!(store.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(1));
        assert!(matches!(store.close().await, Err(StoreError::Broken { .. })));
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.append(batch(1, 1, 2)).await.unwrap().skip, 1);
    }
}

#[tokio::test]
async fn the_wal_is_folded_into_the_database_while_it_grows() {
    let (dir, store) = store();
    let columns = bytes::Bytes::from(vec![1; 256 * 1024]);
    for seq in 1..=128 {
        store.append(JournalBatch { columns: columns.clone(), ..batch(1, seq, 1) }).await.unwrap();
    }
    // 32 MiB were written; with its checkpoints the WAL needs 8 MiB and a little.
    let (wal, mib) = (dir.path().join("parallax.db-wal").metadata().unwrap().len(), 1024 * 1024);
    assert!(wal < 10 * mib, "{wal} bytes");
    assert!((32 * mib..43 * mib).contains(&store.size_bytes()), "{} bytes", store.size_bytes());
}
