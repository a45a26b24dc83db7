//! Agents that send what they should not, or more than they may: each is told, none holds up the others, and nothing acked is lost.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use parallax_lab::load::{AckedThrough, Cargo, EPOCH, Fleet, FleetError, Mix, Voucher};
use parallax_model::{AgentId, Epoch, UnixMicros};
use parallax_proto::batch::{MAX_BATCH_BYTES, encode, message};
use parallax_proto::v1::agent::ResultBatch;
use parallax_store::Store;
use tonic::Code;

use crate::support::page;
use crate::support::program::Program;

/// Results in every batch here.
pub(crate) const SIZE: u64 = 20;

pub(crate) fn good() -> ResultBatch {
    let results = Mix::new(1, 4, UnixMicros(1_795_000_000_000_000)).results(20);
    message(0, 0, &encode(&results))
}

/// Bytes that begin like a compressed batch and are none.
fn poison() -> ResultBatch {
    let mut columns = vec![0x28, 0xb5, 0x2f, 0xfd];
    columns.resize(300, 7);
    ResultBatch { columns: columns.into(), ..good() }
}

pub(crate) fn cargo(batches: impl IntoIterator<Item = ResultBatch>) -> Cargo {
    Cargo { batches: batches.into_iter().collect::<Arc<[_]>>(), results: SIZE }
}

async fn one_agent(program: &Program, data: &Path) -> anyhow::Result<Fleet> {
    Ok(Fleet::connect(program.agents, &Voucher::open(data)?, 1).await?)
}

/// A counter of the aggregator.
pub(crate) async fn counted(program: &Program, name: &str) -> anyhow::Result<u64> {
    let (_, metrics) = page::show(program.page, "/metrics").await?;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(Ok(0), |count| Ok(count.parse()?))
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_set_aside_and_holds_up_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let mut program = Program::up(&data, &["--agents", "0"]).await?;
    let mut fleet = one_agent(&program, &data).await?;
    let miscounted = ResultBatch { count: 20, ..message(0, 0, &encode(&[])) };
    let sent = cargo([good(), poison(), miscounted, good()]);
    let acks = fleet.send(&sent, 4).await?;
    assert_eq!(acks.len(), 4, "every batch is acked, the unreadable too: it could only come again");
    assert_eq!(fleet.acked(), [AckedThrough { agent: "load-0".parse()?, seq: 4 * SIZE }]);
    assert_eq!(counted(&program, "parallax_poison_batches_total").await?, 2);
    drop(fleet);
    program.kill().await?;
    let store = Store::open(&data)?;
    let kept = store.journal_batches_of(&"load-0".parse::<AgentId>()?, Epoch(EPOCH)).await?;
    let firsts: Vec<u64> = kept.iter().map(|entry| entry.batch.first_seq.0).collect();
    assert_eq!(firsts, [1, 21, 41, 61]);
    assert_eq!(
        kept.get(1).context("four")?.batch.columns,
        poison().columns,
        "its bytes are kept as they came"
    );
    Ok(())
}

#[tokio::test]
async fn what_no_batch_may_be_ends_the_stream_and_not_the_next_one() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let program = Program::up(&data, &["--agents", "0"]).await?;
    let large = ResultBatch { columns: Bytes::from(vec![7; MAX_BATCH_BYTES + 8_192]), ..good() };
    let cases = [
        ("no results", ResultBatch { count: 0, ..good() }, Code::InvalidArgument),
        ("too many results", ResultBatch { count: 1_001, ..good() }, Code::InvalidArgument),
        ("too many bytes", large, Code::OutOfRange),
    ];
    for (name, batch, code) in cases {
        let mut fleet = one_agent(&program, &data).await?;
        let refused = fleet.send(&cargo([batch]), 1).await;
        let Err(FleetError::Stream { source, .. }) = refused else {
            anyhow::bail!("{name}: {refused:?}");
        };
        assert_eq!(source.code(), code, "{name}: {source}");
    }
    let mut fleet = one_agent(&program, &data).await?;
    fleet.send(&cargo([good()]), 1).await?;
    assert_eq!(counted(&program, "parallax_results_total").await?, SIZE);
    Ok(())
}

#[tokio::test]
async fn an_agent_that_does_not_wait_for_acks_waits_all_the_same() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let program = Program::up(&data, &["--agents", "0"]).await?;
    let mut greedy = one_agent(&program, &data).await?;
    // Far more on their way than Welcome allows: the aggregator stops reading, HTTP/2 does the rest, and all arrives in order.
    greedy.allow_unacked(400);
    let acks = greedy.send(&cargo([good()]), 400).await?;
    assert_eq!(acks.len(), 400);
    assert_eq!(counted(&program, "parallax_results_total").await?, 400 * SIZE);
    Ok(())
}

#[tokio::test]
async fn results_sent_again_count_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let program = Program::up(&data, &["--agents", "0"]).await?;
    for _ in 0..2 {
        // A fleet that has just connected begins at seq 1 again, as an agent does whose acks were lost.
        let mut fleet = one_agent(&program, &data).await?;
        fleet.send(&cargo([good()]), 3).await?;
        assert_eq!(fleet.acked(), [AckedThrough { agent: "load-0".parse()?, seq: 3 * SIZE }]);
    }
    assert_eq!(counted(&program, "parallax_results_total").await?, 3 * SIZE);
    Ok(())
}
