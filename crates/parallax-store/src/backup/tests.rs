use std::os::unix::fs::PermissionsExt as _;

use parallax_model::{Epoch, Seq};

use super::*;
use crate::Store;
use crate::fixtures::{agent, batch, results, store};

const FILES: [&str; 2] = ["operator.key", "missing.key"];

fn quiet() -> impl FnMut(Progress) {
    |_| {}
}

/// A store that works is copied as of one moment, with its keys; what comes later is not in it, and the way back brings both.
#[tokio::test]
async fn a_backup_of_a_store_that_works_comes_back() {
    let (dir, store) = store();
    fs::write(dir.path().join("operator.key"), "secret").unwrap();
    for seq in 1..=50 {
        store.append(batch(1, seq, 1)).await.unwrap();
    }
    let to = dir.path().join("today.db");
    let mut steps = Vec::new();
    let copied = backup(dir.path(), &FILES, &to, &mut |progress| steps.push(progress)).unwrap();
    assert!(copied.report.is_whole(), "{:?}", copied.report);
    assert_eq!(steps.last().map(|p| p.done == p.all && p.all > 0), Some(true));
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!to.with_extension("db.unfinished").exists());
    store.append(batch(1, 51, 1)).await.unwrap();

    let refused = backup(dir.path(), &FILES, &to, &mut quiet()).unwrap_err().to_string();
    assert_eq!(refused, format!("write backup {}", to.display()));
    let refused = restore(dir.path(), &FILES, &to, &mut quiet()).unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    store.close().await.unwrap();

    fs::write(dir.path().join("operator.key"), "another").unwrap();
    let restored = restore(dir.path(), &FILES, &to, &mut quiet()).unwrap();
    let aside = restored.aside.expect("the store that was there");
    assert!(crate::inspect_file(&aside, Depth::Thorough).unwrap().is_whole());
    assert_eq!(fs::read_to_string(dir.path().join("operator.key")).unwrap(), "secret");
    let again = Store::open(dir.path()).unwrap();
    assert!(again.salvaged().is_none() && again.mended_bytes() == 0);
    assert_eq!(again.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(50));
    let entries = again.journal_batches_of(&agent("a"), Epoch(1)).await.unwrap();
    assert_eq!(results(&entries).len(), 50);
    assert!(again.inspect(Depth::Thorough).await.unwrap().is_whole());
}

/// Into a directory without a store as well: another machine.
#[tokio::test]
async fn a_backup_goes_into_an_empty_directory() {
    let (dir, store) = store();
    store.append(batch(1, 1, 7)).await.unwrap();
    let to = dir.path().join("today.db");
    backup(dir.path(), &[], &to, &mut quiet()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let there = other.path().join("new");
    assert_eq!(restore(&there, &[], &to, &mut quiet()).unwrap().aside, None);
    assert_eq!(Store::open(&there).unwrap().acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(7));
}

/// What no backup of ours is, or a newer one, or a damaged one, changes nothing.
#[tokio::test]
async fn bad_backups_are_refused_and_change_nothing() {
    let (dir, store) = store();
    store.append(batch(1, 1, 1)).await.unwrap();
    let good = dir.path().join("good.db");
    backup(dir.path(), &[], &good, &mut quiet()).unwrap();
    store.close().await.unwrap();
    let before = fs::read(dir.path().join("parallax.db")).unwrap();
    let bad = dir.path().join("bad.db");
    let newer = crate::SCHEMA_VERSION + 1;
    let sql = |sql: String| {
        fs::copy(&good, &bad).unwrap();
        Connection::open(&bad).unwrap().execute_batch(&sql).unwrap();
    };
    let refusal = || restore(dir.path(), &[], &bad, &mut quiet()).unwrap_err();
    sql(format!("PRAGMA user_version = {newer}"));
    assert!(matches!(refusal(), StoreError::Newer { .. }), "{}", refusal());
    sql("PRAGMA application_id = 42".to_owned());
    assert!(matches!(refusal(), StoreError::Foreign { found: 42, .. }), "{}", refusal());
    sql("UPDATE journal SET columns = x'ff'".to_owned());
    let said = refusal().to_string();
    assert!(said.contains("table journal: 1 rows are damaged"), "{said}");
    fs::write(&bad, "no database").unwrap();
    assert!(matches!(refusal(), StoreError::Damaged { .. }), "{}", refusal());
    fs::remove_file(&bad).unwrap();
    assert!(matches!(refusal(), StoreError::Directory { op: "open database", .. }), "{}", refusal());
    assert_eq!(fs::read(dir.path().join("parallax.db")).unwrap(), before);
}

/// A process that ended between moving the old database away and naming the new one: the next opening finishes it.
#[tokio::test]
async fn a_restore_that_was_cut_off_is_finished() {
    let (dir, store) = store();
    store.append(batch(1, 1, 3)).await.unwrap();
    store.close().await.unwrap();
    let database = dir.path().join("parallax.db");
    fs::rename(&database, dir.path().join("parallax.db.next")).unwrap();
    fs::write(dir.path().join("parallax.db-wal"), "of the old one").unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(3));
    assert_eq!(fs::read_to_string(dir.path().join("parallax.db.aside-wal")).unwrap(), "of the old one");
    drop(store);
    // With the old one still there the new one was not whole.
    fs::write(dir.path().join("parallax.db.next"), "half").unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(3));
    assert!(!dir.path().join("parallax.db.next").exists());
}

/// A writer that goes on all the while neither spoils the copy nor makes it begin anew for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_of_one_moment() {
    let (dir, store) = store();
    let writer = store.clone();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writing = tokio::task::JoinSet::from_iter([async move {
        let mut seq = 0;
        while !*stopped.borrow() {
            seq += 1;
            writer
                .append(crate::JournalBatch { columns: vec![7; 20_000].into(), ..batch(1, seq, 1) })
                .await
                .unwrap();
        }
    }]);
    let to = dir.path().join("copy.db");
    let (from, target) = (dir.path().to_owned(), to.clone());
    while store.acked_through(&agent("a"), Epoch(1)).await.unwrap() < Seq(100) {
        tokio::task::yield_now().await;
    }
    let copied = tokio::task::spawn_blocking(move || backup(&from, &[], &target, &mut quiet()))
        .await
        .unwrap()
        .unwrap();
    stop.send(true).unwrap();
    writing.join_all().await;
    assert!(copied.report.is_whole(), "{:?}", copied.report);
    let rows = copied.report.tables.iter().find(|t| t.table == "journal").unwrap().rows;
    let connection = Connection::open(&to).unwrap();
    let through: u64 =
        connection.query_row("SELECT through FROM marks", [], |row| crate::rows::unsigned(row, 0)).unwrap();
    assert!(rows >= 100 && rows == through, "{rows} batches, marked through {through}");
}
