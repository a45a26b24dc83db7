use super::*;
use crate::MinuteRow;
use crate::fixtures::{NOW, batch, host, store};

#[test]
fn the_formula() {
    let load = Load { sites: 1_000, results_per_s: 2_000.0, name_bytes: 12 };
    let expected = Expected::of(&load);
    assert_eq!(expected.journal, 2_000 * 604_800 * 8);
    assert_eq!((expected.minutes, expected.hours), (1_000 * 43_200 * 72, 1_000 * 9_600 * 72));
    assert_eq!(expected.total(), 9_676_800_000 + 3_110_400_000 + 691_200_000 + FIXED_BYTES);
}

/// Rollups take what the formula says, within a fifth, when they came in the order they do: a minute of each site, minute by minute.
#[tokio::test]
async fn rollups_take_what_the_formula_says() {
    const SITES: u64 = 50;
    const MINUTES: i64 = 1_000;
    let (dir, store) = store();
    for minute in 0..MINUTES {
        let row = |n| MinuteRow {
            site: host(&format!("site-{n:02}.example")),
            minute: NOW.plus_secs(60 * minute),
            results: 200,
            failures: 3,
            first_byte: Some(parallax_model::Micros(48_211)),
        };
        store.add_minutes((0..SITES).map(row).collect()).await.unwrap();
    }
    let status = status(dir.path()).unwrap();
    let minutes = status.tables.iter().find(|t| t.table == "minutes").unwrap();
    let name = "site-00.example".len() as u64;
    let expected = SITES * MINUTES.unsigned_abs() * (ROLLUP_BYTES + 2 * name);
    let share = minutes.bytes as f64 / expected as f64;
    assert!((0.8..=1.2).contains(&share), "{} bytes, {expected} expected: {share:.2}", minutes.bytes);
}

#[tokio::test]
async fn the_status_of_a_store_that_works() {
    let (dir, store) = store();
    store.append(batch(1, 1, 30)).await.unwrap();
    let later = crate::JournalBatch { received_at: NOW.plus_secs(9), ..batch(1, 31, 10) };
    store.append(later).await.unwrap();
    let row = |site, at| MinuteRow {
        site: host(site),
        minute: NOW.plus_secs(at),
        results: 1,
        failures: 0,
        first_byte: None,
    };
    store.add_minutes(vec![row("a.example", 0), row("b.example", 60), row("b.example", 120)]).await.unwrap();
    let status = status(dir.path()).unwrap();
    assert_eq!((status.version, status.results, status.sites), (crate::SCHEMA_VERSION, 40, 2));
    assert_eq!(status.journal, Some((NOW, NOW.plus_secs(9))));
    assert_eq!(status.minutes, Some((NOW, NOW.plus_secs(120))));
    assert_eq!((status.hours, status.damage, status.aside), (None, None, Vec::new()));
    assert_eq!(status.reserve_bytes, crate::RESERVE_BYTES);
    let rows: Vec<_> =
        status.tables.iter().filter(|t| t.rows > 0).map(|t| (t.table.as_str(), t.rows)).collect();
    assert_eq!(rows, [("journal", 2), ("marks", 1), ("minutes", 3)]);
}
