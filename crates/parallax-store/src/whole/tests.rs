use parallax_model::{Epoch, Seq};

use super::*;
use crate::fixtures::{NOW, agent, batch, host, store};
use crate::{SiteState, Store, TokenRecord};

/// Whoever adds a table adds it to what is protected; nobody has to think of it.
#[tokio::test]
async fn every_table_has_a_checksum() {
    let (_dir, store) = store();
    let without = store.read_raw("list tables", |c| {
        Ok(tables(c)?.into_iter().filter(|t| !t.has_checksum).collect::<Vec<_>>())
    });
    assert_eq!(without.await.unwrap(), []);
}

async fn spoil(store: &Store, sql: &'static str) {
    // Behind the triggers' back, as a disk does it.
    let spoilt = store.write("spoil", move |w| {
        let triggers: Vec<String> = w
            .connection
            .prepare("SELECT name FROM temp.sqlite_schema WHERE type = 'trigger'")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_>>()?;
        triggers
            .iter()
            .try_for_each(|t| w.connection.execute_batch(&format!("DROP TRIGGER temp.\"{t}\"")))?;
        let done = w.connection.execute(sql, []);
        keep(w.connection)?;
        done
    });
    assert_eq!(spoilt.await.unwrap(), 1, "{sql}");
}

#[tokio::test]
async fn a_row_that_is_not_what_was_written_is_left_out_and_counted_once() {
    let (_dir, store) = store();
    for site in ["a.example", "b.example"] {
        store.put_site_state(SiteState { site: host(site), state: "{\"n\":1}".to_owned() }).await.unwrap();
    }
    spoil(&store, "UPDATE site_states SET state = '{\"n\":2}' WHERE site = 'a.example'").await;
    for _ in 0..2 {
        let sites: Vec<_> = store.site_states().await.unwrap().into_iter().map(|s| s.site).collect();
        assert_eq!(sites, [host("b.example")]);
    }
    assert_eq!(store.damaged_rows(), 1);
    // What is written anew is whole.
    store.put_site_state(SiteState { site: host("a.example"), state: "{}".to_owned() }).await.unwrap();
    assert_eq!(store.site_states().await.unwrap().len(), 2);
}

/// A wrong mark would make results be taken for known that never came. It is made anew from the journal.
#[tokio::test]
async fn a_wrong_mark_is_mended_at_the_next_opening() {
    let (dir, store) = store();
    store.append(batch(1, 1, 10)).await.unwrap();
    spoil(&store, "UPDATE marks SET through = 1000").await;
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.acked_through(&agent("a"), Epoch(1)).await.unwrap(), Seq(10));
    assert_eq!(store.append(batch(1, 11, 5)).await.unwrap().skip, 0);
}

/// A store of a version before checksums gets them, and loses nothing.
#[tokio::test]
async fn an_older_store_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("parallax.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("../schema/0001_first.sql")).unwrap();
    connection
        .execute_batch(
            "INSERT INTO site_states VALUES ('a.example', '{}');
             INSERT INTO tokens (hash, agent, created_at, expires_at) VALUES (zeroblob(32), 'a', 1, 2);
             PRAGMA application_id = 0x504c5831; PRAGMA user_version = 1;",
        )
        .unwrap();
    connection.close().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.site_states().await.unwrap().len(), 1);
    assert!(store.inspect(crate::Depth::Thorough).await.unwrap().is_whole());
    let token =
        TokenRecord { hash: [1; 32], agent: agent("b"), created_at: NOW, expires_at: NOW.plus_secs(9) };
    store.create_token(token).await.unwrap();
    assert_eq!(store.damaged_rows(), 0);
}

#[test]
fn types_and_borders_count() {
    let connection = Connection::open_in_memory().unwrap();
    define(&connection, &Damaged::default()).unwrap();
    let of = |values: &str| -> i64 {
        connection.query_row(&format!("SELECT row_checksum({values})"), [], |row| row.get(0)).unwrap()
    };
    let all = ["1", "'1'", "x'31'", "1.0", "NULL", "'a', 'bc'", "'ab', 'c'", "1, NULL", "NULL, 1"].map(of);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}
