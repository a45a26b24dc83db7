//! What the store keeps of what agents send.

use std::cell::RefCell;
use std::collections::BTreeMap;

use parallax_model::{AgentId, Epoch, Seq, UnixMicros};
use parallax_store::{JournalBatch, Store};

/// Steps of one run.
const MAX_STEPS: usize = 24;
/// How often a store is used before a fresh one takes its place.
const RUNS_PER_STORE: u64 = 500;

/// One store for many runs: each run is an agent of its own in it.
struct Shelf {
    // Held for its end: the directory goes with it.
    _dir: tempfile::TempDir,
    store: Store,
    runs: u64,
}

thread_local! {
    static SHELF: RefCell<Option<Shelf>> = const { RefCell::new(None) };
}

/// Reads bytes as batches that one agent sends, four bytes each: epoch, first seq, count, and whether the seqs are enormous. What is
/// acked is kept, nothing is kept twice, and what never came is counted.
pub fn journal(bytes: &[u8]) {
    SHELF.with_borrow_mut(|place| {
        let shelf = place.get_or_insert_with(Shelf::new);
        shelf.runs += 1;
        let agent: AgentId = format!("run-{}", shelf.runs).parse().expect("an agent's id");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(run(&shelf.store, &agent, bytes));
        if shelf.runs.is_multiple_of(RUNS_PER_STORE) {
            *place = None;
        }
    });
}

impl Shelf {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path()).expect("a store");
        Self { _dir: dir, store, runs: 0 }
    }
}

/// What must be true of one epoch.
#[derive(Debug, Default)]
struct Known {
    through: u64,
    missing: u64,
}

async fn run(store: &Store, agent: &AgentId, bytes: &[u8]) {
    let mut epochs: BTreeMap<u64, Known> = BTreeMap::new();
    for step in bytes.chunks_exact(4).take(MAX_STEPS) {
        let [epoch, first, count, high] = [step[0], step[1], step[2], step[3]].map(u64::from);
        let epoch = epoch % 3;
        let above = if high >= 0xf0 { (i64::MAX as u64) - 300 + (high - 0xf0) * 20 } else { 0 };
        let batch = JournalBatch {
            agent: agent.clone(),
            epoch: Epoch(epoch),
            first_seq: Seq(above + first),
            count: u32::try_from(count).expect("a byte"),
            received_at: UnixMicros(0),
            columns: step.to_vec().into(),
        };
        append(store, batch, epochs.entry(epoch).or_default()).await;
    }
    for (epoch, known) in epochs {
        assert_kept(store, agent, Epoch(epoch), &known).await;
    }
}

async fn append(store: &Store, batch: JournalBatch, known: &mut Known) {
    let (first, count) = (batch.first_seq.0, u64::from(batch.count));
    let fits = first > 0 && count > 0 && i64::try_from(first + (count - 1)).is_ok();
    let Ok(appended) = store.append(batch).await else {
        assert!(!fits, "{count} results from {first} were refused");
        return;
    };
    assert!(fits, "{count} results from {first} were kept");
    let last = first + (count - 1);
    let missing = first.saturating_sub(known.through + 1);
    assert_eq!(appended.missing, missing, "{count} results from {first} after {known:?}");
    known.missing += missing;
    known.through = known.through.max(last);
    assert_eq!(appended.through.0, known.through, "an ack that is not the last seq kept");
}

/// Every seq up to the last is kept once or counted as missing.
async fn assert_kept(store: &Store, agent: &AgentId, epoch: Epoch, known: &Known) {
    assert_eq!(store.acked_through(agent, epoch).await.expect("a mark"), Seq(known.through));
    assert_eq!(store.missing(agent, epoch).await.expect("a mark"), known.missing);
    let mut next = 1;
    let mut kept = 0;
    for entry in store.journal_batches_of(agent, epoch).await.expect("the journal") {
        let first = entry.batch.first_seq.0 + u64::from(entry.skip);
        assert!(entry.skip < entry.batch.count, "a batch of which nothing counts");
        assert!(first >= next, "seq {first} is kept twice");
        kept += u64::from(entry.batch.count - entry.skip);
        next = entry.batch.first_seq.0 + u64::from(entry.batch.count);
        assert_eq!(entry.batch.columns.len(), 4, "the bytes changed");
    }
    assert_eq!(kept + known.missing, known.through, "results are lost");
}
