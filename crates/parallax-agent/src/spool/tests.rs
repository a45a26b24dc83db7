use std::path::Path;

use parallax_model::{Micros, Outcome, Phases, ProbeResult, UnixMicros};
use parallax_runtime::seeded;

use super::book::Book;
use super::*;

const HOUR_US: i64 = 3_600_000_000;

fn result(number: u32) -> ProbeResult {
    ProbeResult {
        phases: Phases { total: Micros(number), ..Phases::default() },
        ..ProbeResult::new(
            "https://example.com/".parse().expect("a target"),
            UnixMicros(i64::from(number)),
            Outcome::Ok,
        )
    }
}

fn settings(folder: &Path) -> SpoolSettings {
    SpoolSettings {
        path: folder.join("spool.db"),
        bounds: Bounds { max_bytes: 1 << 20, max_age_us: HOUR_US },
    }
}

fn open(folder: &Path, seed: u64) -> Book {
    Book::open(settings(folder), seeded(seed))
}

fn push(book: &mut Book, numbers: std::ops::RangeInclusive<u32>) {
    numbers.for_each(|number| book.push(result(number)));
    book.flush();
}

/// The first place and the numbers of a batch.
fn numbers(run: Option<Run>) -> Option<(u64, Vec<u32>)> {
    run.map(|run| (run.first.0, run.results.iter().map(|r| r.phases.total.0).collect()))
}

fn summary(book: &Book) -> (u64, u64, u64) {
    let report = book.report();
    (report.oldest.0, report.next.0, report.dropped)
}

#[test]
fn results_come_back_in_order_until_they_are_acked() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    assert_eq!(summary(&book), (0, 1, 0));
    assert_eq!(book.batch(Seq(0), 10), None);
    push(&mut book, 1..=5);
    assert_eq!(summary(&book), (1, 6, 0));
    assert_eq!(numbers(book.batch(Seq(0), 2)), Some((1, vec![1, 2])));
    assert_eq!(numbers(book.batch(Seq(2), 10)), Some((3, vec![3, 4, 5])));
    assert_eq!(book.batch(Seq(5), 10), None);
    book.acked(Seq(3));
    book.flush();
    assert_eq!(summary(&book), (4, 6, 0));
    assert_eq!(numbers(book.batch(Seq(0), 10)), Some((4, vec![4, 5])));
    book.acked(Seq(99));
    book.flush();
    assert_eq!(summary(&book), (0, 6, 0));
}

#[test]
fn a_killed_process_finds_everything_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut killed = open(folder.path(), 1);
    push(&mut killed, 1..=300);
    killed.acked(Seq(10));
    killed.flush();
    let epoch = killed.report().epoch;
    // Neither closed nor checkpointed: what a kill leaves behind.
    let found = tempfile::tempdir().expect("a folder");
    for name in ["spool.db", "spool.db-wal"] {
        std::fs::copy(folder.path().join(name), found.path().join(name)).expect("a copy");
    }
    let folder = found;
    let mut book = open(folder.path(), 2);
    assert_eq!(book.report(), SpoolReport { epoch, oldest: Seq(11), next: Seq(301), dropped: 0 });
    assert_eq!(numbers(book.batch(Seq(0), 3)), Some((11, vec![11, 12, 13])));
    push(&mut book, 301..=301);
    assert_eq!(numbers(book.batch(Seq(299), 10)), Some((300, vec![300, 301])));
    book.acked(Seq(301));
    book.flush();
    drop(book);
    assert_eq!(summary(&open(folder.path(), 3)), (0, 302, 0));
}

#[test]
fn a_full_spool_drops_its_oldest_and_counts_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let row = disk::encode_row(&result(1_000)).len() as u64 + 32;
    let bounds = Bounds { max_bytes: row * 100, max_age_us: HOUR_US };
    let mut book = Book::open(SpoolSettings { bounds, ..settings(folder.path()) }, seeded(1));
    push(&mut book, 1_001..=1_250);
    assert_eq!(summary(&book), (151, 251, 150));
    assert_eq!(numbers(book.batch(Seq(0), 1)), Some((151, vec![1_151])));
    drop(book);
    assert_eq!(summary(&open(folder.path(), 2)), (151, 251, 150));
}

#[test]
fn results_older_than_the_bound_are_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=300);
    for number in 301..=600 {
        book.push(ProbeResult { started_at: UnixMicros(HOUR_US + 201), ..result(number) });
    }
    book.flush();
    assert_eq!(summary(&book), (201, 601, 200));
}

#[test]
fn a_corrupt_file_is_set_aside_and_a_new_epoch_begins() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=3);
    let epoch = book.report().epoch;
    drop(book);
    let path = folder.path().join("spool.db");
    std::fs::write(&path, [0x55; 8_192]).expect("writable");
    let mut book = open(folder.path(), 2);
    assert_eq!(summary(&book), (0, 1, 0));
    assert_ne!(book.report().epoch, epoch);
    assert!(folder.path().join("spool.db.corrupt").is_file());
    push(&mut book, 4..=4);
    assert_eq!(numbers(book.batch(Seq(0), 9)), Some((1, vec![4])));
}

#[test]
fn a_file_that_breaks_while_it_is_used_costs_an_epoch_and_nothing_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=3);
    let epoch = book.report().epoch;
    let connection = book.disk().expect("a file").connection();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("checkpoint");
    std::fs::write(folder.path().join("spool.db"), [0x55; 8_192]).expect("writable");
    connection.execute_batch("PRAGMA shrink_memory; PRAGMA cache_size = 0").expect("an empty cache");
    push(&mut book, 4..=4);
    push(&mut book, 5..=5);
    assert_ne!(book.report().epoch, epoch);
    assert_eq!(numbers(book.batch(Seq(0), 9)), Some((1, vec![1, 2, 3, 4, 5])));
    drop(book);
    assert_eq!(numbers(open(folder.path(), 2).batch(Seq(0), 9)), Some((1, vec![1, 2, 3, 4, 5])));
}

#[test]
fn a_full_disk_leaves_a_ring_in_memory_and_heals() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=10);
    let set_limit = |book: &Book, pages: u32| {
        let connection = book.disk().expect("a file").connection();
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).expect("a limit");
    };
    set_limit(&book, 1);
    for number in 11..=5_000 {
        push(&mut book, number..=number);
    }
    let (oldest, next, dropped) = summary(&book);
    assert!(dropped > 0, "{dropped}");
    assert_eq!((oldest, next), (1, 5_001), "the first are still in the file");
    assert_eq!(numbers(book.batch(Seq(5_000 - 4_096), 1)), Some((905, vec![905])));
    set_limit(&book, 1_000_000);
    push(&mut book, 5_001..=5_064);
    push(&mut book, 5_065..=5_065);
    let (_, next, dropped_then) = summary(&book);
    drop(book);
    let mut book = open(folder.path(), 2);
    assert_eq!(summary(&book), (1, next, dropped_then));
    assert_eq!(numbers(book.batch(Seq(5_064), 9)), Some((5_065, vec![5_065])));
}

#[test]
fn a_folder_that_cannot_be_used_leaves_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(&folder.path().join("missing"), 1);
    push(&mut book, 1..=5_000);
    assert_eq!(summary(&book), (905, 5_001, 904));
    assert_eq!(numbers(book.batch(Seq(0), 1)), Some((905, vec![905])));
}

#[test]
fn lost_writes_are_noticed_when_the_aggregator_has_more() {
    // (next place when opened, pushed since, what the Welcome says, settled, oldest afterwards)
    let cases = [
        (4, 2, 3, true, 4),
        (4, 2, 0, true, 1),
        (4, 2, 4, false, 4),
        (4, 2, 9, false, 4),
        (1, 0, 5, false, 0),
    ];
    for (opened_at, pushed, acked, settled, oldest) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = open(folder.path(), 1);
        if opened_at > 1 {
            push(&mut book, 1..=opened_at - 1);
        }
        drop(book);
        let mut book = open(folder.path(), 2);
        let epoch = book.report().epoch;
        if pushed > 0 {
            push(&mut book, opened_at..=opened_at + pushed - 1);
        }
        assert_eq!(book.settle(Seq(acked)), settled, "{opened_at} {acked}");
        book.flush();
        assert_eq!(book.report().epoch == epoch, settled, "{opened_at} {acked}");
        assert_eq!(book.report().oldest.0, oldest, "{opened_at} {acked}");
        assert!(book.settle(Seq(0)), "only the first Welcome can tell");
    }
}

#[tokio::test]
async fn the_thread_wakes_and_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(settings(folder.path()), seeded(1)).await.expect("open");
    let mut news = spool.watch();
    let (epoch, next) = *news.borrow_and_update();
    assert_eq!(next, Seq(1));
    spool.push(result(7)).await.expect("alive");
    news.changed().await.expect("alive");
    assert_eq!(*news.borrow_and_update(), (epoch, Seq(2)));
    assert_eq!(numbers(spool.batch(Seq(0), 9).await.expect("alive")), Some((1, vec![7])));
    spool.acked(Epoch(epoch.0.wrapping_add(1)), Seq(1)).await.expect("alive");
    assert_eq!(spool.report().await.expect("alive").oldest, Seq(1), "an ack of another epoch");
    assert!(!spool.take_refused(Seq(2)).await.expect("alive"));
    assert!(spool.take_refused(Seq(1)).await.expect("alive"));
    assert_eq!(spool.report().await, Ok(SpoolReport { epoch, oldest: Seq(0), next: Seq(2), dropped: 1 }));
    let refused = std::fs::read_to_string(folder.path().join("spool.refused")).expect("a line");
    assert!(refused.starts_with(&format!("{} 1 ok https://example.com/ ", epoch.0)), "{refused}");
}
