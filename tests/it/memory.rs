//! An aggregator that has little memory: it takes on what it can, says so to whoever is too much, and takes them when there is room.

use std::time::Duration;

use parallax_lab::load::{Fleet, Voucher};

use crate::ingest::{SIZE, cargo, counted, good};
use crate::support::program::Program;
use crate::support::{page, until};

/// The memory of the test's aggregator: less than it takes by itself, so that every limit is at its floor.
const MEMORY: &str = "memory_mib = 64\n";
/// Agents there is room for then.
const ROOM: usize = 32;
/// Agents that come beside those.
const BESIDE: usize = 8;
/// How soon others are let in after those before are gone.
const AGAIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn agents_that_are_too_many_are_told_so_and_let_in_when_others_leave() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let program = Program::aggregator(&data, MEMORY).await?;
    let voucher = Voucher::open(&data)?;
    let (mut fleet, refused) = Fleet::connect_while_room(program.agents, &voucher, ROOM + BESIDE).await?;
    assert_eq!((fleet.len(), refused), (ROOM, BESIDE));
    fleet.send(&cargo([good()]), 2).await?;
    assert!(fleet.acked().iter().all(|acked| acked.seq == 2 * SIZE), "who is in is served");
    assert_eq!(counted(&program, "parallax_agents_refused_total").await?, BESIDE as u64);
    let (_, said) = page::show(program.page, "/status").await?;
    assert!(said.contains("testers were turned away 8 times"), "{said}");
    assert!(said.contains("32 of 32 testers"), "{said}");
    drop(fleet);
    let others = until(AGAIN, async || {
        let (fleet, refused) = Fleet::connect_while_room(program.agents, &voucher, ROOM).await?;
        anyhow::ensure!(refused == 0, "{refused} are refused");
        Ok(fleet)
    });
    others.await?.send(&cargo([good()]), 1).await?;
    Ok(())
}
