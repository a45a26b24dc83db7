//! Blocks: batches of one epoch joined into one row, once nobody needs them by themselves any more. A batch tells its targets and
//! certificates anew each time; a block tells them once.
//!
//! 1. How batches become a block is the caller's affair ([`Join`]): the store does not look into them.
//! 2. A block takes the place of its batches in one transaction. Whenever the process ends, the results are there once.
//! 3. It is done in small steps beside everything else: batches are read and joined away from the writer, which only deletes and
//!    inserts.
//! 4. While somebody reads the journal nothing is joined, for a reader would miss results or meet them twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use parallax_model::{Seq, UnixMicros};
use rusqlite::Connection;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::journal::{self, BLOCKS, JOURNAL};
use crate::writer::Writing;
use crate::{JournalBatch, JournalEntry, Store, StoreError, rows};

/// Batches of one stretch of this many seconds are joined: the longer, the fewer bytes a result is.
pub const JOINED_SPAN_S: i64 = 2 * 60 * 60;
/// A stretch is joined this many seconds after its end: a start looks back on less, and reads batches faster than blocks.
pub const JOINED_AFTER_S: i64 = 30 * 60;
/// Most results in a block that the store asks for.
pub const BLOCK_RESULTS: u32 = 65_536;
/// Most bytes of batches in a block that the store asks for.
const BLOCK_BYTES: u64 = 16 * 1024 * 1024;
/// One call joins about so many results: enough that looking for them costs little beside it.
const RESULTS_A_CALL: u64 = 1_048_576;
/// Most batches of a stretch that are looked at together.
const LOOK_BATCHES: u32 = 262_144;

/// Makes the bytes of a block of batches of one epoch that follow each other; `None` when one of them cannot be read.
pub type Join = Arc<dyn Fn(&[JournalEntry]) -> Option<Bytes> + Send + Sync>;

/// How far a store has come with joining.
#[derive(Debug, Default)]
pub(crate) struct Joining {
    /// The last batch of the journal that was looked at.
    until: AtomicI64,
    /// Held shared while the journal is read, alone while batches are joined.
    as_it_is: Arc<RwLock<()>>,
}

impl Joining {
    /// Keeps the journal as it is while this is held.
    pub(crate) async fn as_it_is(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.as_it_is).read_owned().await
    }

    /// For joining; `None` while somebody reads the journal.
    fn alone(&self) -> Option<OwnedRwLockWriteGuard<()>> {
        Arc::clone(&self.as_it_is).try_write_owned().ok()
    }
}

/// What was joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Joined {
    /// Batches that are in blocks now.
    pub batches: u64,
    /// Blocks that were made of them.
    pub blocks: u64,
    /// Results in them.
    pub results: u64,
    /// Whether there is more to be joined now.
    pub more: bool,
}

/// A batch of the journal, without its bytes.
struct Head {
    id: i64,
    /// Seq of its first result that counts, and of its last.
    first: u64,
    last: u64,
    bytes: u64,
}

/// Batches that may be joined: of one epoch, each following the one before.
#[derive(Default)]
struct Run {
    ids: Vec<i64>,
    first: u64,
    last: u64,
    bytes: u64,
}

impl Run {
    fn begin(head: &Head) -> Self {
        Self { ids: vec![head.id], first: head.first, last: head.last, bytes: head.bytes }
    }

    fn may_take(&self, head: &Head) -> bool {
        head.first == self.last + 1
            && head.last - self.first < u64::from(BLOCK_RESULTS)
            && self.bytes + head.bytes <= BLOCK_BYTES
    }

    const fn results(&self) -> u64 {
        self.last - self.first + 1
    }

    fn take(&mut self, head: &Head) {
        self.ids.push(head.id);
        self.last = head.last;
        self.bytes += head.bytes;
    }
}

/// What lies beyond a place in the journal.
struct Stretch {
    runs: Vec<Run>,
    /// The place behind it.
    last: i64,
}

impl Store {
    /// Joins batches of the oldest stretch that is over, about a million results of them. Answers with nothing, and does nothing, while
    /// somebody reads the journal.
    pub async fn join_batches(&self, now: UnixMicros, join: &Join) -> Result<Joined, StoreError> {
        let (from, mut joined) = (self.joining().until.load(Ordering::Relaxed), Joined::default());
        let look = self.read_raw("look for batches to join", move |c| look(c, from, now)).await?;
        let Some(stretch) = look else { return Ok(joined) };
        joined.more = true;
        for run in stretch.runs {
            if joined.results >= RESULTS_A_CALL {
                // The rest is looked for again: what was joined is not there any more.
                return Ok(joined);
            }
            let Some(alone) = self.joining().alone() else { return Ok(Joined { more: false, ..joined }) };
            let join = Arc::clone(join);
            let made = self.read_raw("join batches", move |c| Ok((make(c, &run, &join)?, run)));
            let (Some(block), run) = made.await? else { continue };
            let (batches, results) = (run.ids.len() as u64, u64::from(block.count));
            let replaced = self.write("join batches", move |w| replace(w, &run, &block)).await?;
            drop(alone);
            if replaced {
                joined.batches += batches;
                joined.blocks += 1;
                joined.results += results;
            }
        }
        self.joining().until.store(stretch.last, Ordering::Relaxed);
        Ok(joined)
    }
}

/// The next stretch behind `from`; `None` while it is not over, or when there is nothing.
fn look(connection: &Connection, from: i64, now: UnixMicros) -> rusqlite::Result<Option<Stretch>> {
    let span = JOINED_SPAN_S * 1_000_000;
    let over = now.plus_secs(-JOINED_AFTER_S).0.div_euclid(span) * span;
    // The length of a batch is in its row's head: its bytes are not read for it.
    let sql = "SELECT id, agent, epoch, first_seq, count, skip, received_at, length(columns) FROM journal
        WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query((from, LOOK_BATCHES))?;
    let mut runs: BTreeMap<(String, i64), Vec<Run>> = BTreeMap::new();
    let (mut end, mut last) = (None, None);
    while let Some(row) = found.next()? {
        let received_at: i64 = row.get(6)?;
        if received_at > now.0 {
            // It came while the clock was ahead: nothing waits for its moment.
            continue;
        }
        let end = *end.get_or_insert_with(|| (received_at.div_euclid(span) + 1) * span);
        if received_at >= end.min(over) {
            break;
        }
        let id = row.get(0)?;
        last = Some(id);
        let (begin, count, skip) =
            (rows::unsigned(row, 3)?, rows::unsigned(row, 4)?, rows::unsigned(row, 5)?);
        let Some(end) = begin.checked_add(count).filter(|_| count > skip) else { continue };
        let head = Head { id, first: begin + skip, last: end - 1, bytes: rows::unsigned(row, 7)? };
        let of_epoch = runs.entry((row.get(1)?, row.get(2)?)).or_default();
        match of_epoch.last_mut() {
            Some(run) if run.may_take(&head) => run.take(&head),
            _ => of_epoch.push(Run::begin(&head)),
        }
    }
    let runs = runs.into_values().flatten().filter(|run| run.ids.len() > 1).collect();
    Ok(last.map(|last| Stretch { runs, last }))
}

/// The block of a run; `None` when a batch of it is damaged, is gone or cannot be read, or when the block would be larger than they are.
fn make(connection: &Connection, run: &Run, join: &Join) -> rusqlite::Result<Option<JournalBatch>> {
    let mut entries = Vec::with_capacity(run.ids.len());
    for id in &run.ids {
        let Some(entry) = journal::one(connection, JOURNAL, *id)? else { return Ok(None) };
        entries.push(entry);
    }
    let Some(last) = entries.last() else { return Ok(None) };
    let (agent, epoch, received_at) = (last.batch.agent.clone(), last.batch.epoch, last.batch.received_at);
    let same = |e: &JournalEntry| e.batch.agent == agent && e.batch.epoch == epoch;
    let count = entries.iter().map(|e| u64::from(e.batch.count - e.skip.min(e.batch.count))).sum::<u64>();
    let Some(columns) = join(&entries).filter(|block| (block.len() as u64) <= run.bytes) else {
        return Ok(None);
    };
    let whole = entries.iter().all(same) && count == run.results();
    Ok(u32::try_from(count).ok().filter(|_| whole).map(|count| JournalBatch {
        agent,
        epoch,
        first_seq: Seq(run.first),
        count,
        received_at,
        columns,
    }))
}

/// Puts a block in its batches' place; `false` when one of them is gone.
fn replace(writing: &mut Writing<'_>, run: &Run, block: &JournalBatch) -> rusqlite::Result<bool> {
    let there = "SELECT count(*) FROM journal WHERE id = ?1";
    for id in &run.ids {
        if writing.connection.prepare_cached(there)?.query_row([id], |row| row.get::<_, u32>(0))? == 0 {
            return Ok(false);
        }
    }
    for id in &run.ids {
        writing.connection.prepare_cached("DELETE FROM journal WHERE id = ?1")?.execute([id])?;
    }
    journal::insert(writing.connection, BLOCKS, block, 0)?;
    *writing.bytes += block.columns.len() as u64;
    Ok(true)
}

#[cfg(test)]
mod tests;
