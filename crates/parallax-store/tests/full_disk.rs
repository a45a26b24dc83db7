//! A disk of 64 MiB that is full to the last byte: reading goes on, writing is refused with a clear word and goes on once there is space,
//! without a restart; what was acked is there. Pruning works although SQLite has to write for it.
//!
//! The disk is a real one, in memory. Making it needs root; without it the tests say so and pass, unless
//! `PARALLAX_TESTS_SKIP_NOTHING` is set.

#![expect(clippy::print_stdout, reason = "what a test says is shown when it fails")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use parallax_model::{Epoch, Seq, UnixMicros};
use parallax_store::{JOURNAL_KEPT_S, JournalBatch, Store, StoreError};
use tempfile::TempDir;
use tokio::time::Instant;

const NOW: UnixMicros = UnixMicros(1_767_225_600_000_000);
const DISK: u64 = 64 * 1024 * 1024;
/// How soon writing must go on after space was made.
const RECOVERY: Duration = Duration::from_secs(10);

/// A file system of its own, gone with it.
struct Disk(TempDir);

impl Disk {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs"]).arg(dir.path());
        if mount.output().is_ok_and(|done| done.status.success()) {
            return Some(Self(dir));
        }
        let nothing = std::env::var_os("PARALLAX_TESTS_SKIP_NOTHING").is_none();
        assert!(nothing, "a file system cannot be mounted");
        println!("skipped: a file system cannot be mounted");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it up to the last byte.
    fn fill(&self) {
        let mut ballast =
            File::options().create(true).append(true).open(self.path().join("ballast")).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            while ballast.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.path().join("ballast")).expect("it was full");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(
            unmounted.is_ok_and(|done| done.success()) || std::thread::panicking(),
            "it is still mounted"
        );
    }
}

fn batch(seq: u64, received_at: UnixMicros) -> JournalBatch {
    JournalBatch {
        agent: "a".parse().expect("an id"),
        epoch: Epoch(1),
        first_seq: Seq(seq),
        count: 1,
        received_at,
        columns: vec![seq.to_le_bytes()[0]; 32 * 1024].into(),
    }
}

/// Appends until the disk is full; the last seq that was acked.
async fn append_until_full(store: &Store, first: u64, received_at: UnixMicros) -> u64 {
    for seq in first.. {
        match store.append(batch(seq, received_at)).await {
            Ok(appended) => assert_eq!(appended.through, Seq(seq)),
            Err(error) => {
                assert!(error.is_full(), "{error:?}");
                assert!(error.to_string().contains("no space left for"), "{error}");
                return seq - 1;
            }
        }
    }
    unreachable!("a disk of 64 MiB")
}

async fn kept(store: &Store) -> u64 {
    let entries =
        store.journal_batches_of(&"a".parse().expect("an id"), Epoch(1)).await.expect("it can be read");
    for (seq, entry) in (1..).zip(&entries) {
        assert_eq!(entry.batch, JournalBatch { received_at: entry.batch.received_at, ..batch(seq, NOW) });
    }
    entries.len() as u64
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_space() {
    let Some(disk) = Disk::new() else { return };
    let store = Store::open(&disk.path().join("data")).expect("a new store");
    for seq in 1..=20 {
        store.append(batch(seq, NOW)).await.expect("room");
    }
    disk.fill();
    let acked = append_until_full(&store, 21, NOW).await;
    assert!(store.is_full() && !store.find_space().await);
    assert_eq!(
        store.trouble().as_deref(),
        Some("the disk is full: results are refused until there is space, agents keep them")
    );
    assert_eq!(kept(&store).await, acked);
    // And again: nothing was broken by it.
    assert!(matches!(store.append(batch(acked + 1, NOW)).await, Err(StoreError::Full { .. })));

    disk.empty();
    let freed = Instant::now();
    assert!(store.find_space().await, "there is space");
    assert_eq!(store.append(batch(acked + 1, NOW)).await.expect("room").through, Seq(acked + 1));
    let took = freed.elapsed();
    assert!(took < RECOVERY && store.trouble().is_none(), "{took:?}");
    println!("{acked} batches acked before the disk was full, writing again {took:?} after there was space");
    drop(store);
    let store = Store::open(&disk.path().join("data")).expect("the same store");
    assert_eq!((kept(&store).await, store.lost_commits()), (acked + 1, 0));
}

/// On a disk that is full to the last byte of what is too old: nobody has to free anything, pruning does.
#[tokio::test]
async fn pruning_works_on_a_full_disk() {
    let Some(disk) = Disk::new() else { return };
    let store = Store::open(&disk.path().join("data")).expect("a new store");
    let old = NOW.plus_secs(-JOURNAL_KEPT_S - 1);
    let acked = append_until_full(&store, 1, old).await;
    disk.fill();
    assert!(store.append(batch(acked + 1, NOW)).await.is_err());
    let pruned = store.prune(NOW).await.expect("space is set aside for it");
    assert_eq!(pruned.journal_batches, acked);
    let again = append_until_full(&store, acked + 1, NOW).await;
    assert!(again - acked > acked / 2, "{acked} batches before, {} after", again - acked);
    println!("{acked} batches filled the disk, pruned; {} more found room", again - acked);
}
