use super::*;
use crate::fixtures::{NOW, host, store};

fn row(minute: i64, results: u32, failures: u32, first_byte: Option<u32>) -> MinuteRow {
    let first_byte = first_byte.map(Micros);
    MinuteRow { site: host("a.example"), minute: NOW.plus_secs(60 * minute), results, failures, first_byte }
}

#[tokio::test]
async fn counts_add_up_and_the_last_median_stays() {
    let (_dir, store) = store();
    assert_eq!(store.counted_until().await.unwrap(), None);
    let other = MinuteRow { site: host("b.example"), ..row(1, 7, 7, None) };
    store.add_minutes(vec![row(2, 1, 0, None), row(1, 10, 2, Some(500)), other]).await.unwrap();
    store.add_minutes(vec![row(1, 5, 1, Some(700)), row(3, 4, 4, None)]).await.unwrap();
    store.add_minutes(vec![row(1, 1, 1, None)]).await.unwrap();
    let all = [row(1, 16, 4, Some(700)), row(2, 1, 0, None), row(3, 4, 4, None)];
    let a = host("a.example");
    assert_eq!(store.minutes(&a, NOW, NOW.plus_secs(600)).await.unwrap(), all);
    let (since, until) = (NOW.plus_secs(120), NOW.plus_secs(180));
    assert_eq!(store.minutes(&a, since, until).await.unwrap(), all[1..2]);
    assert_eq!(store.counted_until().await.unwrap(), Some(NOW.plus_secs(240)));
    store.add_counted(vec![row(1, 1, 0, None)], NOW.plus_secs(300)).await.unwrap();
    // Whoever's clock was wrong says so by the next one.
    store.add_counted(Vec::new(), NOW.plus_secs(290)).await.unwrap();
    assert_eq!(store.counted_until().await.unwrap(), Some(NOW.plus_secs(290)));
}
