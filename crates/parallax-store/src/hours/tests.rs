use super::*;
use crate::fixtures::{NOW, host, store};

fn minute(site: &str, minute: i64, results: u32, failures: u32, first_byte: u32) -> MinuteRow {
    let first_byte = (results > failures).then_some(Micros(first_byte));
    MinuteRow { site: host(site), minute: NOW.plus_secs(60 * minute), results, failures, first_byte }
}

fn hour(site: &str, hour: i64, results: u64, failures: u64, first_byte: Option<u32>) -> HourRow {
    let first_byte = first_byte.map(Micros);
    HourRow { site: host(site), hour: NOW.plus_secs(3_600 * hour), results, failures, first_byte }
}

async fn hours(store: &Store, site: &str) -> Vec<HourRow> {
    store.hours(&host(site), NOW.plus_secs(-86_400), NOW.plus_secs(86_400)).await.unwrap()
}

#[tokio::test]
async fn an_hour_is_the_sum_of_its_minutes_once_it_is_over() {
    let (dir, store) = store();
    let minutes = vec![
        minute("a.example", 0, 10, 1, 100),
        minute("a.example", 1, 2, 0, 9_000),
        minute("a.example", 59, 4, 4, 0),
        minute("a.example", 60, 1, 0, 5),
        minute("b.example", 3, 1, 1, 0),
    ];
    store.add_minutes(minutes).await.unwrap();
    assert_eq!(store.roll_hours(NOW.plus_secs(3_600 + HOUR_SETTLED_S - 1)).await.unwrap(), 0);
    assert_eq!(store.roll_hours(NOW.plus_secs(3_600 + HOUR_SETTLED_S)).await.unwrap(), 2);
    // Most results were as fast as the first minute's.
    let first = hour("a.example", 0, 16, 5, Some(100));
    assert_eq!(hours(&store, "a.example").await, std::slice::from_ref(&first));
    assert_eq!(hours(&store, "b.example").await, [hour("b.example", 0, 1, 1, None)]);
    assert_eq!(store.roll_hours(NOW.plus_secs(3_600 + HOUR_SETTLED_S)).await.unwrap(), 0);

    // A process that ended half-way makes the last hour again; nothing counts twice.
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    store.roll_hours(NOW.plus_secs(2 * 3_600 + HOUR_SETTLED_S)).await.unwrap();
    assert_eq!(hours(&store, "a.example").await, [first, hour("a.example", 1, 1, 0, Some(5))]);
}

#[tokio::test]
async fn minutes_that_come_too_late_count_in_their_hour() {
    let (_dir, store) = store();
    store.add_minutes(vec![minute("a.example", 0, 1, 0, 10)]).await.unwrap();
    store.roll_hours(NOW.plus_secs(4 * 3_600)).await.unwrap();
    store
        .add_minutes(vec![minute("a.example", 30, 5, 2, 70), minute("b.example", 90, 1, 1, 0)])
        .await
        .unwrap();
    assert_eq!(hours(&store, "a.example").await, [hour("a.example", 0, 6, 2, Some(70))]);
    assert_eq!(hours(&store, "b.example").await, [hour("b.example", 1, 1, 1, None)]);
}

#[tokio::test]
async fn many_sites_take_many_commits() {
    let (_dir, store) = store();
    let sites = 2 * ROLL_STEP + 1;
    let minutes = (0..sites).map(|n| minute(&format!("s{n}.example"), 0, 1, 0, 1)).collect();
    store.add_minutes(minutes).await.unwrap();
    assert_eq!(store.roll_hours(NOW.plus_secs(2 * 3_600)).await.unwrap(), sites as u64);
}

#[test]
fn half_of_the_results_are_below_the_median() {
    let cases = [
        (&[] as &[(u32, u64)], None),
        (&[(7, 1)], Some(7)),
        (&[(9, 1), (1, 1), (5, 1)], Some(5)),
        (&[(1, 1), (2, 10)], Some(2)),
        (&[(1, 0), (2, 0)], None),
    ];
    for (values, median) in cases {
        assert_eq!(weighted_median(values.to_vec()), median, "{values:?}");
    }
}
