//! How many bytes a raw result is, as it came and in a block of two hours, and what joining costs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parallax_lab::load::Mix;
use parallax_model::{AgentId, Epoch, Seq, UnixMicros};
use parallax_proto::batch::{Known, Part, encode, join, pack};
use parallax_store::{JOINED_AFTER_S, JOINED_SPAN_S, Join, JournalBatch, Store};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// 2026-01-01T00:00:00Z.
const DAY: UnixMicros = UnixMicros(1_767_225_600_000_000);
/// Sites that each agent watches, every 15 s.
const SITES: usize = 100;
/// Agents.
const AGENTS: u64 = 4;
/// What each of them sees in the two hours of a block.
const RESULTS: usize = 48_000;

/// What was measured with batches of one size.
#[derive(Debug, Serialize)]
pub(crate) struct Blocks {
    batch: usize,
    results: u64,
    /// Bytes of a result as it came, and in a block.
    before: f64,
    after: f64,
    /// CPU time of joining, of the whole process, per result.
    cpu_ns: f64,
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, results, before, after, cpu_ns } = self;
        write!(
            f,
            "raw results on disk, batches of {batch:>4}: {before:>5.1} B each as they came, {after:.2} B in blocks of two hours; \
             joining costs {cpu_ns:.0} ns CPU per result ({results} results)"
        )
    }
}

/// Joins the results of some agents that send batches of `size`: all different, as an agent sees them one after the other.
pub(crate) async fn measure(size: usize) -> anyhow::Result<Blocks> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path())?;
    let empty = store.used_bytes().await?;
    for agent in 0..AGENTS {
        fill(&store, agent, size).await?;
    }
    let before = store.used_bytes().await? - empty;
    let later = DAY.plus_secs(2 * JOINED_SPAN_S + JOINED_AFTER_S);
    let began = cpu();
    let mut results = 0;
    loop {
        let joined = store.join_batches(later, &joining()).await?;
        results += joined.results;
        if !joined.more {
            break;
        }
    }
    let took = cpu().saturating_sub(began);
    let after = store.used_bytes().await? - empty;
    store.close().await?;
    let each = |sum: f64| sum / (AGENTS as f64 * RESULTS as f64);
    Ok(Blocks {
        batch: size,
        results,
        before: each(before as f64),
        after: each(after as f64),
        cpu_ns: each(took.as_nanos() as f64),
    })
}

async fn fill(store: &Store, agent: u64, size: usize) -> anyhow::Result<()> {
    let mut mix = Mix::new(agent, SITES, DAY);
    let results = mix.results(RESULTS);
    let name: AgentId = format!("agent-{agent}").parse()?;
    let span = JOINED_SPAN_S * 1_000_000;
    let mut first_seq = 1;
    for batch in results.chunks(size) {
        let columns = encode(batch);
        let share = span / i64::try_from(RESULTS)? * i64::try_from(first_seq)?;
        let batch = JournalBatch {
            agent: name.clone(),
            epoch: Epoch(1),
            first_seq: Seq(first_seq),
            count: columns.count,
            received_at: DAY.plus_micros(share.min(span - 1)),
            columns: pack(&columns),
        };
        first_seq += u64::from(batch.count);
        drop(store.begin_append(batch).await.context("the store")?);
    }
    let through = store.acked_through(&name, Epoch(1)).await?;
    anyhow::ensure!(through <= Seq(first_seq), "more than was sent");
    store.add_minutes(Vec::new()).await.context("what was sent before")
}

fn joining() -> Join {
    let known = Known::default();
    Arc::new(move |entries| {
        let part = |e: &parallax_store::JournalEntry| Part {
            columns: e.batch.columns.clone(),
            count: e.batch.count,
            skip: e.skip,
            received_at: e.batch.received_at,
        };
        join(&entries.iter().map(part).collect::<Vec<_>>(), &known).ok()
    })
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
