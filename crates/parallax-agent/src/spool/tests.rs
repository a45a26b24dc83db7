use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use parallax_model::{Micros, Outcome, Phases, ProbeResult, UnixMicros};
use parallax_runtime::seeded;

use super::book::{Book, RING_RESULTS};
use super::gaps::{Gap, Reason};
use super::*;

const HOUR: Duration = Duration::from_hours(1);

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
    SpoolSettings { folder: folder.join("spool"), bounds: Bounds { max_bytes: 1 << 20, max_age: HOUR } }
}

fn open(folder: &Path, seed: u64) -> Book {
    Book::open(settings(folder), seeded(seed), Instant::now())
}

fn push(book: &mut Book, numbers: std::ops::RangeInclusive<u32>) {
    push_at(book, numbers, Instant::now());
}

fn push_at(book: &mut Book, numbers: std::ops::RangeInclusive<u32>, now: Instant) {
    for number in numbers {
        book.push(result(number), now);
        book.flush(now);
    }
}

/// The first place and the numbers of a batch.
fn numbers(run: Option<Run>) -> Option<(u64, Vec<u32>)> {
    run.map(|run| (run.first.0, run.results.iter().map(|r| r.phases.total.0).collect()))
}

fn live(book: &mut Book, max: usize) -> Option<(u64, Vec<u32>)> {
    numbers(book.batch(Lane::Live, max, Instant::now()))
}

/// Everything there is, in the order in which it is handed out; each batch is acked.
fn drained(book: &mut Book) -> Vec<u32> {
    let mut all = Vec::new();
    for lane in [Lane::Live, Lane::Backlog] {
        while let Some(run) = book.batch(lane, 1_000, Instant::now()) {
            book.acked(run.epoch, Seq(run.next() - 1));
            all.extend(run.results.iter().map(|result| result.phases.total.0));
        }
    }
    assert_eq!(book.counts().0, 0, "nothing is left");
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("spool")).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn results_come_back_in_order_until_they_are_acked() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    assert_eq!(live(&mut book, 10), None);
    push(&mut book, 1..=5);
    let told = book.report();
    assert_eq!((told.oldest, told.next, &told.gaps[..]), (Seq(1), Seq(6), &[][..]));
    assert_eq!(live(&mut book, 2), Some((1, vec![1, 2])));
    assert_eq!(live(&mut book, 10), Some((3, vec![3, 4, 5])));
    assert_eq!(live(&mut book, 10), None);
    book.acked(told.epoch, Seq(3));
    // A session that begins hears again of what was not acked, and only of that.
    assert_eq!(book.report().oldest, Seq(4));
    assert_eq!(live(&mut book, 10), Some((4, vec![4, 5])));
    // Of a batch only a part was sent.
    book.sent(told.epoch, Seq(4));
    assert_eq!(live(&mut book, 10), Some((5, vec![5])));
    book.acked(told.epoch, Seq(99));
    assert_eq!((book.report().oldest, book.report().next), (Seq(0), Seq(6)));
    assert_eq!(fs::metadata(&files(folder.path())[0]).expect("a file").len(), 0, "all of it is acked");
}

#[test]
fn a_killed_process_finds_everything_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut killed = open(folder.path(), 1);
    push(&mut killed, 1..=300);
    let epoch = killed.report().epoch;
    killed.acked(epoch, Seq(10));
    // An end does nothing to the files that a kill would not do.
    drop(killed);
    let mut book = open(folder.path(), 2);
    assert_ne!(book.report().epoch, epoch, "a start begins an epoch");
    push(&mut book, 301..=302);
    assert_eq!(live(&mut book, 10), Some((1, vec![301, 302])), "what is new comes first");
    let run = book.batch(Lane::Backlog, 1_000, Instant::now()).expect("a backlog");
    assert_eq!((run.epoch, run.first, run.results.len()), (epoch, Seq(1), 300));
    assert!(run.waited > Duration::from_mins(1), "it is late, whatever the clocks say: {:?}", run.waited);
    book.acked(epoch, Seq(300));
    let current = book.report().epoch;
    book.acked(current, Seq(2));
    drop(book);
    assert_eq!(open(folder.path(), 3).counts(), (0, 0));
    assert_eq!(files(folder.path()), [] as [PathBuf; 0], "nothing is left to look at");
}

#[test]
fn a_long_backlog_is_handed_out_newest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=3_500);
    let firsts: Vec<u32> = drained(&mut book).iter().step_by(500).copied().collect();
    assert_eq!(firsts, [3_001, 2_001, 2_501, 1_001, 1_501, 1, 501]);
    assert_eq!(files(folder.path()).len(), 1, "only the newest epoch's file is left");
}

#[test]
fn a_full_spool_drops_its_oldest_and_counts_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let bounds = Bounds { max_bytes: 64 << 10, max_age: HOUR };
    let bounded = SpoolSettings { bounds, ..settings(folder.path()) };
    let mut book = Book::open(bounded.clone(), seeded(1), Instant::now());
    push(&mut book, 1..=5_000);
    let (waiting, lost) = book.counts();
    assert_eq!(waiting + lost, 5_000);
    let size: u64 = files(folder.path()).iter().map(|f| fs::metadata(f).expect("a file").len()).sum();
    assert!(size <= 64 << 10 && size > 56 << 10, "{size}");
    let until = UnixMicros(i64::try_from(lost).expect("few"));
    assert_eq!(book.gaps(), [Gap { results: lost, from: UnixMicros(1), until, reason: Reason::SpoolFull }]);
    drop(book);
    let mut book = Book::open(bounded, seeded(2), Instant::now());
    assert_eq!(book.counts(), (waiting, lost), "the gap is still to be told");
    let told = book.report();
    book.welcomed(&told, Seq(0));
    book.flush(Instant::now());
    assert_eq!(book.counts(), (waiting, 0));
    let newest_first: BTreeSet<u32> = drained(&mut book).into_iter().collect();
    assert_eq!(newest_first.first().copied().map(u64::from), Some(lost + 1));
}

#[test]
fn results_older_than_the_bound_are_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    let start = Instant::now();
    push_at(&mut book, 1..=100, start);
    push_at(&mut book, 101..=101, start + HOUR / 2);
    // The first hundred share a file with what came half an hour later: it is as old as that.
    push_at(&mut book, 102..=200, start + HOUR + Duration::from_secs(1));
    assert_eq!(book.counts(), (200, 0));
    push_at(&mut book, 201..=201, start + HOUR * 2);
    assert_eq!(book.counts(), (100, 101));
}

#[test]
fn every_byte_of_a_small_spool_flipped_in_turn_costs_one_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=8);
    drop(book);
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let good = fs::read(file).expect("a file");
    let mut flips = 0;
    for at in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            fs::write(file, &bytes).expect("written");
            let _ = fs::remove_file(folder.path().join("spool/gaps"));
            let book = open(folder.path(), 2);
            assert_eq!(book.counts(), (7, 1), "byte {at} ^ {flip}");
            assert_eq!(book.gaps()[0].reason, Reason::Damaged);
            drop(book);
            let mut book = open(folder.path(), 3);
            assert_eq!(book.counts(), (7, 1), "byte {at} ^ {flip}: it is counted once");
            push(&mut book, 9..=9);
            let expected = at * 8 / good.len();
            let rest: Vec<u32> = drained(&mut book);
            assert_eq!(rest.len(), 8, "byte {at} ^ {flip}: {rest:?}");
            assert!(!rest.contains(&u32::try_from(expected + 1).expect("small")), "byte {at}: {rest:?}");
            flips += 1;
        }
    }
    assert_eq!(flips, good.len() * 3);
    println!("{flips} flips in {} bytes: each cost 1 of 8 results, which was told", good.len());
}

#[test]
fn a_file_cut_at_every_length_keeps_what_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=8);
    drop(book);
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let good = fs::read(file).expect("a file");
    let record = good.len() / 8;
    for length in 0..good.len() {
        fs::write(file, &good[..length]).expect("written");
        let _ = fs::remove_file(folder.path().join("spool/gaps"));
        let whole = length / record;
        let torn = u64::from(length % record > 0);
        let mut book = open(folder.path(), 2);
        assert_eq!(book.counts(), (whole as u64, torn), "cut at {length}");
        assert_eq!(drained(&mut book).len(), whole);
    }
}

#[test]
fn damage_that_comes_while_results_wait_is_counted_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=1_000);
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let mut bytes = fs::read(file).expect("a file");
    let length = bytes.len();
    bytes[length / 2] ^= 1;
    bytes[length - 1] ^= 1;
    fs::write(file, &bytes).expect("written");
    assert_eq!(drained(&mut book).len(), 998);
    assert_eq!(book.counts(), (0, 2));
    push(&mut book, 1_001..=2_000);
    let [file, _] = &files(folder.path())[..] else {
        panic!("gaps and one file: {:?}", files(folder.path()))
    };
    fs::remove_file(file).expect("removed");
    assert_eq!(drained(&mut book).len(), 0);
    assert_eq!(book.counts(), (0, 1_002));
}

#[test]
fn a_full_disk_leaves_a_ring_in_memory_and_heals() {
    let folder = tempfile::tempdir().expect("a folder");
    let (spool, away) = (folder.path().join("spool"), folder.path().join("away"));
    let start = Instant::now();
    let mut book = open(folder.path(), 1);
    push_at(&mut book, 1..=10, start);
    let epoch = book.report().epoch;
    book.fill_disk();
    fs::rename(&spool, &away).expect("renamed");
    fs::write(&spool, "no folder").expect("written");
    push_at(&mut book, 11..=5_010, start + Duration::from_millis(10));
    let ring = RING_RESULTS as u64;
    assert_ne!(book.report().epoch, epoch, "what is written is apart from what is not");
    assert_eq!(book.counts(), (10 + ring, 5_000 - ring));
    assert_eq!(live(&mut book, 1), Some((905, vec![915])), "the newest are still sent");
    push_at(&mut book, 5_011..=5_011, start + Duration::from_secs(2));
    assert_eq!(book.counts(), (10 + ring, 5_001 - ring), "still full");
    fs::remove_file(&spool).expect("removed");
    fs::rename(&away, &spool).expect("renamed");
    push_at(&mut book, 5_012..=5_012, start + Duration::from_secs(4));
    let lost = 5_002 - ring;
    // It took one result more before it was written again, which is the one that fell out last.
    assert_eq!(book.counts(), (10 + ring + 1, lost - 1));
    drop(book);
    let mut book = open(folder.path(), 2);
    assert_eq!(book.counts(), (10 + ring + 1, lost - 1));
    let gap = Gap { results: lost - 1, from: UnixMicros(11), until: UnixMicros(915), reason: Reason::Disk };
    assert_eq!(book.gaps(), [gap], "how many are missing, and of when");
    assert_eq!(drained(&mut book).len() as u64, 10 + ring + 1);
}

#[test]
fn a_folder_that_cannot_be_used_leaves_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("spool"), "no folder").expect("written");
    let mut book = open(folder.path(), 1);
    push(&mut book, 1..=5_000);
    assert_eq!(book.counts(), (4_096, 904));
    assert_eq!(live(&mut book, 1), Some((905, vec![905])));
}

#[test]
fn a_disk_that_does_not_keep_a_file_gets_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = Instant::now();
    let mut book = open(folder.path(), 1);
    push_at(&mut book, 1..=3, now);
    assert_eq!(book.sync_at(), Some(now + book::SYNC_AFTER));
    // A file whose sync fails: the device knows no such thing.
    book.fill_disk();
    book.sync(now);
    assert_eq!(book.sync_at(), None);
    push_at(&mut book, 4..=4, now);
    drop(book);
    let mut book = open(folder.path(), 2);
    assert_eq!(drained(&mut book), [1, 2, 3, 4]);
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
    assert_eq!(numbers(spool.batch(Lane::Live, 9).await.expect("alive")), Some((1, vec![7])));
    spool.acked(Epoch(epoch.0.wrapping_add(1)), Seq(1)).await.expect("alive");
    assert_eq!(spool.report().await.expect("alive").oldest, Seq(1), "an ack of another epoch");
    assert!(!spool.take_refused(epoch, Seq(2)).await.expect("alive"));
    assert!(spool.take_refused(epoch, Seq(1)).await.expect("alive"));
    let report = spool.report().await.expect("alive");
    assert_eq!((report.epoch, report.oldest, report.next, report.gaps.len()), (epoch, Seq(0), Seq(2), 1));
    let refused = fs::read_to_string(folder.path().join("spool.refused")).expect("a line");
    assert!(refused.starts_with(&format!("{} 1 ok https://example.com/ ", epoch.0)), "{refused}");
}
