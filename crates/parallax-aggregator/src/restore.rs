//! Bringing the board to where it was when the process last ended: what was said, open incidents, and of the journal only its tail.

use std::collections::BTreeMap;
use std::sync::Arc;

use parallax_bus::Published;
use parallax_model::{AgentId, Vantage};
use parallax_proto::batch::{self, Known};
use parallax_store::{JournalEntry, JournalReader, LEARNT_KEPT_S, StoreError};
use tokio::task::JoinSet;

use crate::blocks;
use crate::board::{Board, Cells, Gathered};
use crate::core::{Core, store_failed};
use crate::evaluation::Said;
use crate::window;

/// Pages of the journal that are read at once while windows take up those before.
const PAGES_AT_ONCE: usize = 2;
/// A problem of our own side that began longer ago, in seconds, is looked at anew.
const OUR_SIDE_S: i64 = 3_600;

/// Brings the board to where it was. What is read of the journal is bounded by what windows look back on, however much there is:
/// three intervals of the slowest target, at least 2 and at most 15 minutes; and the results that are in no minute yet.
pub(crate) async fn restore(core: &Core, cells: Cells) -> Result<Board, StoreError> {
    let now = core.now();
    let mut board = Board::new(core.store.open_incidents().await?, cells);
    let mut reach = window::reach(None);
    for (target, watched) in core.probed() {
        board.watch(&target, watched.interval, now);
        reach = reach.max(window::reach(Some(watched.interval)));
    }
    resume(core, &mut board).await?;
    if let Some(state) = core.store.our_side(now.plus_secs(-OUR_SIDE_S)).await? {
        match serde_json::from_str(&state) {
            Ok(breaker) => board.recall_breaker(breaker),
            Err(error) => tracing::warn!(%error, "how our own side was cannot be read"),
        }
    }
    let vantages: BTreeMap<AgentId, Arc<Vantage>> =
        core.snapshot.vantages().iter().map(|v| (v.agent.clone(), Arc::new(v.vantage.clone()))).collect();
    // Minutes are written when they end. What came after what is counted is counted again from the journal.
    let counted_until = core.store.counted_until().await?;
    let windows = now.plus_micros(-i64::try_from(reach.as_micros()).unwrap_or(0));
    let since = counted_until.map_or(windows, |counted| counted.min(windows));
    let replay = Arc::new(Replay { vantages, known: Known::default() });
    let journal = core.store.journal_since(since).await?;
    let mut pages =
        Pages { journal, replay: Arc::clone(&replay), more: true, reading: JoinSet::new(), damaged: 0 };
    // The first of them are read while what was learnt is taken up, which must be before any result.
    pages.read_ahead().await?;
    recall(core, &mut board, &replay.vantages).await;
    let (mut results, mut unreadable) = (0_usize, 0_usize);
    while pages.more || !pages.reading.is_empty() {
        pages.read_ahead().await?;
        // In no order: none of it changes a window. A page that could not be read to its end is like a batch that cannot be read.
        match pages.reading.join_next().await {
            Some(Ok(read)) => {
                unreadable += read.unreadable;
                results += read.batches.batches().iter().map(|batch| batch.results.len()).sum::<usize>();
                let uncounted = |batch: &Published| counted_until.is_none_or(|c| batch.received_at >= c);
                board.add_all(&read.batches, uncounted);
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a page of the journal was not read");
                unreadable += 1;
            }
            None => {}
        }
    }
    unreadable += pages.damaged;
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

/// Takes up what was learnt of each watched target. Without it the start goes on: it is learnt again.
async fn recall(core: &Core, board: &mut Board, agents: &BTreeMap<AgentId, Arc<Vantage>>) {
    let now = core.now();
    let learnt = match core.store.learnt_since(now.plus_secs(-LEARNT_KEPT_S)).await {
        Ok(learnt) => learnt,
        Err(error) => return drop(store_failed("read what is learnt", &error)),
    };
    let targets = learnt.len();
    let unreadable = board.recall(learnt.into_iter().map(|row| (row.target, row.state)), agents, now);
    if unreadable > 0 {
        tracing::warn!(
            targets = unreadable,
            "what was learnt of some targets cannot be read; it will be learnt anew"
        );
    }
    tracing::info!(targets, cells = board.cells().taken(), "what was learnt is taken up");
}

/// The journal's pages, some of them being read.
struct Pages {
    journal: JournalReader,
    replay: Arc<Replay>,
    /// Whether there may be further ones.
    more: bool,
    reading: JoinSet<Read>,
    /// Batches that are damaged.
    damaged: usize,
}

impl Pages {
    async fn read_ahead(&mut self) -> Result<(), StoreError> {
        while self.more && self.reading.len() < PAGES_AT_ONCE {
            let Some(page) = self.journal.next_page().await? else {
                self.more = false;
                break;
            };
            self.damaged += page.damaged as usize;
            let replay = Arc::clone(&self.replay);
            self.reading.spawn_blocking(move || replay.read(page.entries));
        }
        Ok(())
    }
}

/// What reading pages of the journal shares.
struct Replay {
    vantages: BTreeMap<AgentId, Arc<Vantage>>,
    known: Known,
}

/// A page's batches.
struct Read {
    batches: Gathered,
    unreadable: usize,
}

impl Replay {
    fn read(&self, entries: Vec<JournalEntry>) -> Read {
        let (mut read, mut unreadable) = (Vec::new(), 0);
        for entry in entries {
            let Some(batches) = blocks::batches(entry) else {
                unreadable += 1;
                continue;
            };
            for batch in batches {
                match self.published(batch) {
                    Some(published) => read.push(published),
                    None => unreadable += 1,
                }
            }
        }
        Read { batches: Gathered::new(read), unreadable }
    }

    fn published(&self, entry: JournalEntry) -> Option<Published> {
        let results = batch::read(&entry.batch.columns, entry.batch.count, &self.known).ok()?;
        let vantage = self.vantages.get(&entry.batch.agent).cloned();
        Some(Published {
            agent: entry.batch.agent,
            vantage: vantage.unwrap_or_default(),
            received_at: entry.batch.received_at,
            results: Arc::new(results.without_first(entry.skip as usize)),
        })
    }
}
