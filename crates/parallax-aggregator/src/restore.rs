//! Bringing the board to where it was when the process last ended: what was said, open incidents, and of the journal only its tail.

use std::collections::BTreeMap;
use std::sync::Arc;

use parallax_bus::Published;
use parallax_model::{AgentId, Vantage};
use parallax_proto::batch::{self, Known};
use parallax_store::{JournalEntry, StoreError};

use crate::board::Board;
use crate::core::Core;
use crate::evaluation::Said;
use crate::window;

/// Brings the board to where it was. What is read of the journal is bounded by what windows look back on, however much there is:
/// three intervals of the slowest target, at least 2 and at most 15 minutes; and the results that are in no minute yet.
pub(crate) async fn restore(core: &Core) -> Result<Board, StoreError> {
    let now = core.now();
    let mut board = Board::new(core.store.open_incidents().await?);
    let mut reach = window::reach(None);
    for (target, watched) in core.watched() {
        board.watch(&target, watched.interval, now);
        reach = reach.max(window::reach(Some(watched.interval)));
    }
    resume(core, &mut board).await?;
    // Minutes are written when they end. What came after the last written one is counted again from the journal.
    let counted_until = core.store.last_minute().await?.map(|m| m.plus_secs(60));
    let windows = now.plus_micros(-i64::try_from(reach.as_micros()).unwrap_or(0));
    let since = counted_until.map_or(windows, |counted| counted.min(windows));
    let vantages: BTreeMap<AgentId, Arc<Vantage>> =
        core.snapshot.vantages().iter().map(|v| (v.agent.clone(), Arc::new(v.vantage.clone()))).collect();
    let mut journal = core.store.journal_since(since).await?;
    let known = Known::default();
    let (mut results, mut unreadable) = (0_usize, 0_usize);
    while let Some(page) = journal.next_page().await? {
        unreadable += page.damaged as usize;
        for entry in page.entries {
            match replayed(&vantages, &known, entry) {
                Some(published) => {
                    results += published.results.len();
                    let uncounted = counted_until.is_none_or(|counted| published.received_at >= counted);
                    board.add(&published, uncounted);
                }
                None => unreadable += 1,
            }
        }
    }
    if unreadable > 0 {
        tracing::warn!(
            batches = unreadable,
            "batches of the journal are damaged or cannot be read; the rest counts"
        );
    }
    tracing::info!(results, since_us = since.0, "windows are rebuilt from the journal");
    Ok(board)
}

/// Takes up what was said of each site.
async fn resume(core: &Core, board: &mut Board) -> Result<(), StoreError> {
    let mut forgotten = 0_usize;
    for state in core.store.site_states().await? {
        if let Ok(Said { target, diagnosis, since, at }) = serde_json::from_str(&state.state) {
            board.resume(&target, diagnosis, since, at);
        } else {
            tracing::debug!(target.host = %state.site, "what was said of this site cannot be read");
            forgotten += 1;
        }
    }
    if forgotten > 0 {
        tracing::warn!(
            sites = forgotten,
            "what was said of some sites cannot be read; it will be found out anew"
        );
    }
    Ok(())
}

fn replayed(
    vantages: &BTreeMap<AgentId, Arc<Vantage>>,
    known: &Known,
    entry: JournalEntry,
) -> Option<Published> {
    let results = batch::read(&entry.batch.columns, entry.batch.count, known).ok()?;
    let vantage = vantages.get(&entry.batch.agent).cloned();
    Some(Published {
        agent: entry.batch.agent,
        vantage: vantage.unwrap_or_default(),
        received_at: entry.batch.received_at,
        results: Arc::new(results.without_first(entry.skip as usize)),
    })
}
