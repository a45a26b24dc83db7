//! The journal: every result that was acked, in batches as they came, until it is pruned.
//!
//! An agent sends the results of an epoch in the order of their seqs, and after every reconnect goes back to what was not acked. So
//! one number per epoch, the last seq kept, tells what is new: everything above it. A batch that begins further above is what an
//! agent sends whose spool overflowed; what it skips will never come and is counted as missing.
//!
//! Batches that are old enough are joined ([`blocks`](crate::blocks)): a block is a row of the same shape in a table of its own.

use bytes::Bytes;
use parallax_model::{AgentId, Epoch, Seq, UnixMicros};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row};
use tokio::sync::OwnedRwLockReadGuard;

use crate::store::Submitted;
use crate::writer::{Mark, Writing};
use crate::{Store, StoreError, rows};

/// Batches as they came.
pub(crate) const JOURNAL: &str = "journal";
/// Batches that were joined.
pub(crate) const BLOCKS: &str = "blocks";
/// Both, the older first.
pub(crate) const RAW: [&str; 2] = [BLOCKS, JOURNAL];

/// How many batches a page of the journal holds at most.
pub const PAGE_BATCHES: u32 = 256;
/// A page of the journal ends when its batches reach this many bytes.
pub const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// A page of the journal ends when its batches and blocks hold this many results.
pub const PAGE_RESULTS: u64 = 262_144;

/// Results of one epoch with consecutive seqs, as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalBatch {
    /// Whose.
    pub agent: AgentId,
    /// Of which life of its spool.
    pub epoch: Epoch,
    /// Seq of the first result.
    pub first_seq: Seq,
    /// How many results `columns` holds.
    pub count: u32,
    /// When they came.
    pub received_at: UnixMicros,
    /// The encoded `ResultColumns`, or the block of several; not looked into.
    pub columns: Bytes,
}

impl JournalBatch {
    /// Seq of the last result; `None` for a batch that cannot be kept.
    fn last_seq(&self) -> Option<u64> {
        let last = self.first_seq.0.checked_add(u64::from(self.count.checked_sub(1)?))?;
        (self.first_seq.0 > 0 && i64::try_from(last).is_ok()).then_some(last)
    }

    fn checksum(&self, skip: u32) -> u32 {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(self.agent.as_str().as_bytes());
        checksum.update(&self.epoch.0.to_le_bytes());
        checksum.update(&self.first_seq.0.to_le_bytes());
        checksum.update(&self.count.to_le_bytes());
        checksum.update(&skip.to_le_bytes());
        checksum.update(&self.received_at.0.to_le_bytes());
        checksum.update(&self.columns);
        checksum.finalize()
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// How many of its leading results were kept before: all of them for a duplicate, of which nothing is kept again.
    pub skip: u32,
    /// Every result of the epoch up to here is on disk, or was dropped by the agent before it was sent: what to ack.
    pub through: Seq,
    /// How many results between the last one kept and this batch never came.
    pub missing: u64,
}

/// A batch that is on its way to disk. It arrives there whether or not somebody waits for it.
#[derive(Debug)]
pub struct Appending(Submitted<Appended>);

impl Appending {
    /// Answers once the batch is on disk.
    pub async fn kept(self) -> Result<Appended, StoreError> {
        self.0.answer().await
    }
}

/// A batch that was kept, with what of it counts; or a block of batches that were joined, all of which counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The batch as it came.
    pub batch: JournalBatch,
    /// How many of its leading results an earlier batch has.
    pub skip: u32,
    /// Whether this is a block, by where it is kept: what an agent sent is none, whatever it looks like.
    pub joined: bool,
}

/// A stretch of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JournalPage {
    /// In the order they were kept; blocks come before what is not joined.
    pub entries: Vec<JournalEntry>,
    /// How many batches were left out because their checksum is wrong or they cannot be read.
    pub damaged: u32,
}

/// Reads the journal page by page, up to what was kept when the reader was made. Nothing is joined meanwhile.
#[derive(Debug)]
pub struct JournalReader {
    store: Store,
    stretches: Vec<(&'static str, i64, i64)>,
    _as_it_is: OwnedRwLockReadGuard<()>,
}

impl JournalReader {
    /// The next page; `None` after the last one. At most [`PAGE_BATCHES`] batches and, but for the last one, [`PAGE_BYTES`] and
    /// [`PAGE_RESULTS`].
    pub async fn next_page(&mut self) -> Result<Option<JournalPage>, StoreError> {
        let Some((table, next, last)) = self.stretches.iter_mut().find(|(_, next, last)| next <= last) else {
            return Ok(None);
        };
        let (table, from, to) = (*table, *next, *last);
        let (page, after) = self.store.read_raw("read journal", move |c| page(c, table, from, to)).await?;
        *next = after;
        self.store.count_damaged(page.damaged);
        Ok(Some(page))
    }
}

impl Store {
    /// Keeps a batch. Answers once it is on disk; a batch that is known already is answered the same way and changes nothing.
    pub async fn append(&self, batch: JournalBatch) -> Result<Appended, StoreError> {
        self.begin_append(batch).await?.kept().await
    }

    /// Gives a batch its place in the writer's queue, so that the next one of the same agent can follow before this one is on disk.
    /// Batches of one epoch must be begun in the order of their seqs. Waits while the queue is full.
    pub async fn begin_append(&self, batch: JournalBatch) -> Result<Appending, StoreError> {
        let Some(last) = batch.last_seq() else {
            let JournalBatch { agent, first_seq, count, .. } = batch;
            return Err(StoreError::BatchRange { agent, first_seq, count });
        };
        let submitted = self.submit("append to journal", move |w| append(w, &batch, last)).await?;
        Ok(Appending(submitted))
    }

    /// The last seq of the epoch that is on disk; `Seq(0)` when nothing is.
    pub async fn acked_through(&self, agent: &AgentId, epoch: Epoch) -> Result<Seq, StoreError> {
        let agent = agent.clone();
        let mark = self.read("read mark", move |c| read_mark(c, &agent, epoch)).await?;
        Ok(Seq(mark.unwrap_or_default().through))
    }

    /// How many results of the epoch never came.
    pub async fn missing(&self, agent: &AgentId, epoch: Epoch) -> Result<u64, StoreError> {
        let agent = agent.clone();
        let mark = self.read("read mark", move |c| read_mark(c, &agent, epoch)).await?;
        Ok(mark.unwrap_or_default().missing)
    }

    /// A reader of everything that came at `since` or later, to build the windows anew at start.
    pub async fn journal_since(&self, since: UnixMicros) -> Result<JournalReader, StoreError> {
        let as_it_is = self.joining().as_it_is().await;
        let stretches = self.read_raw("read journal", move |c| {
            let bounds = |table| {
                let sql = format!("SELECT min(id), max(id) FROM {table} WHERE received_at >= ?1");
                c.prepare_cached(&sql)?.query_row([since.0], |row| {
                    let (first, last) = (row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?);
                    Ok((table, first.unwrap_or(1), last.unwrap_or(0)))
                })
            };
            RAW.into_iter().map(bounds).collect::<rusqlite::Result<Vec<_>>>()
        });
        Ok(JournalReader { store: self.clone(), stretches: stretches.await?, _as_it_is: as_it_is })
    }

    /// How many results were ever kept, pruned ones included, each counted once.
    pub async fn journal_count_results(&self) -> Result<u64, StoreError> {
        self.read("count results", |c| {
            let sql = "SELECT coalesce(sum(results), 0) FROM marks";
            c.prepare_cached(sql)?.query_row([], |row| rows::unsigned(row, 0))
        })
        .await
    }

    /// The batches of one epoch in the order of their seqs, all at once and by a walk through the whole journal: for tests and
    /// for looking into one agent.
    pub async fn journal_batches_of(
        &self,
        agent: &AgentId,
        epoch: Epoch,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let agent = agent.clone();
        let (entries, damaged) = self.read_raw("read journal", move |c| batches_of(c, &agent, epoch)).await?;
        self.count_damaged(damaged);
        Ok(entries)
    }
}

fn append(writing: &mut Writing<'_>, batch: &JournalBatch, last: u64) -> rusqlite::Result<Appended> {
    let key = (batch.agent.clone(), batch.epoch.0);
    let known = match writing.marks.get(&key) {
        Some(mark) => *mark,
        None => read_mark(writing.connection, &batch.agent, batch.epoch)?.unwrap_or_default(),
    };
    if last <= known.through {
        writing.marks.insert(key, known);
        return Ok(Appended { skip: batch.count, through: Seq(known.through), missing: 0 });
    }
    let expected = known.through + 1;
    let missing = batch.first_seq.0.saturating_sub(expected);
    // Below `count`, because `last` is above the mark.
    let skip = u32::try_from(expected.saturating_sub(batch.first_seq.0)).unwrap_or(batch.count);
    let mark = Mark {
        through: last,
        missing: known.missing.saturating_add(missing),
        results: known.results + u64::from(batch.count - skip),
    };
    insert(writing.connection, JOURNAL, batch, skip)?;
    write_mark(writing.connection, batch, mark)?;
    *writing.bytes += batch.columns.len() as u64;
    writing.marks.insert(key, mark);
    Ok(Appended { skip, through: Seq(last), missing })
}

pub(crate) fn insert(
    connection: &Connection,
    table: &str,
    batch: &JournalBatch,
    skip: u32,
) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT INTO {table} (agent, epoch, first_seq, count, skip, received_at, checksum, columns)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    );
    connection.prepare_cached(&sql)?.execute((
        batch.agent.as_str(),
        batch.epoch.0.cast_signed(),
        batch.first_seq.0.cast_signed(),
        batch.count,
        skip,
        batch.received_at.0,
        batch.checksum(skip),
        batch.columns.as_ref(),
    ))?;
    Ok(())
}

fn write_mark(connection: &Connection, batch: &JournalBatch, mark: Mark) -> rusqlite::Result<()> {
    let sql = "INSERT INTO marks (agent, epoch, through, missing, results, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (agent, epoch) DO UPDATE SET through = excluded.through, missing = excluded.missing,
        results = excluded.results, updated_at = excluded.updated_at";
    connection.prepare_cached(sql)?.execute((
        batch.agent.as_str(),
        batch.epoch.0.cast_signed(),
        mark.through.cast_signed(),
        mark.missing.cast_signed(),
        mark.results.cast_signed(),
        batch.received_at.0,
    ))?;
    Ok(())
}

fn read_mark(connection: &Connection, agent: &AgentId, epoch: Epoch) -> rusqlite::Result<Option<Mark>> {
    let sql = "SELECT through, missing, results FROM marks WHERE agent = ?1 AND epoch = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mark = statement.query_row((agent.as_str(), epoch.0.cast_signed()), |row| {
        Ok(Mark {
            through: rows::unsigned(row, 0)?,
            missing: rows::unsigned(row, 1)?,
            results: rows::unsigned(row, 2)?,
        })
    });
    mark.optional()
}

const ENTRY_COLUMNS: &str = "agent, epoch, first_seq, count, skip, received_at, checksum, columns, id";

/// A page of batches with ids from `from` to `to`, and the id the next one begins with.
pub(crate) fn page(
    connection: &Connection,
    table: &str,
    from: i64,
    to: i64,
) -> rusqlite::Result<(JournalPage, i64)> {
    match whole_page(connection, table, from, to) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            tracing::warn!(journal.id = from, error = %error, "damaged part of the journal: reading around it");
            page_around_damage(connection, table, from, to)
        }
        other => other,
    }
}

fn whole_page(
    connection: &Connection,
    table: &str,
    from: i64,
    to: i64,
) -> rusqlite::Result<(JournalPage, i64)> {
    let sql = format!("SELECT {ENTRY_COLUMNS} FROM {table} WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query((from, to, PAGE_BATCHES))?;
    let mut page = JournalPage::default();
    let (mut next, mut batches, mut bytes, mut results) = (to + 1, 0, 0, 0);
    while let Some(row) = found.next()? {
        let id: i64 = row.get(8)?;
        match entry(table, row) {
            Some(entry) => {
                bytes += entry.batch.columns.len();
                results += u64::from(entry.batch.count);
                page.entries.push(entry);
            }
            None => page.damaged += 1,
        }
        batches += 1;
        if batches == PAGE_BATCHES || bytes >= PAGE_BYTES || results >= PAGE_RESULTS {
            next = id + 1;
            break;
        }
    }
    Ok((page, next))
}

/// A walk along the rows ends where the database's tree is damaged, but single rows beyond can be asked for by their ids.
fn page_around_damage(
    connection: &Connection,
    table: &str,
    from: i64,
    to: i64,
) -> rusqlite::Result<(JournalPage, i64)> {
    let sql = format!("SELECT {ENTRY_COLUMNS} FROM {table} WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut page = JournalPage::default();
    let last = to.min(from.saturating_add(i64::from(PAGE_BATCHES) - 1));
    for id in from..=last {
        match statement.query_row([id], |row| Ok(entry(table, row))).optional() {
            Ok(Some(Some(entry))) => page.entries.push(entry),
            Ok(None) => {}
            Ok(Some(None)) | Err(_) => page.damaged += 1,
        }
    }
    Ok((page, last + 1))
}

fn batches_of(
    connection: &Connection,
    agent: &AgentId,
    epoch: Epoch,
) -> rusqlite::Result<(Vec<JournalEntry>, u32)> {
    let (mut entries, mut damaged) = (Vec::new(), 0);
    for table in RAW {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM {table} WHERE agent = ?1 AND epoch = ?2");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query((agent.as_str(), epoch.0.cast_signed()))?;
        while let Some(row) = found.next()? {
            match entry(table, row) {
                Some(entry) => entries.push(entry),
                None => damaged += 1,
            }
        }
    }
    entries.sort_by_key(|entry| entry.batch.first_seq.0 + u64::from(entry.skip));
    Ok((entries, damaged))
}

/// One batch; `None` when there is none of this id, or it is damaged.
pub(crate) fn one(connection: &Connection, table: &str, id: i64) -> rusqlite::Result<Option<JournalEntry>> {
    let sql = format!("SELECT {ENTRY_COLUMNS} FROM {table} WHERE id = ?1");
    let found = connection.prepare_cached(&sql)?.query_row([id], |row| Ok(entry(table, row))).optional()?;
    Ok(found.flatten())
}

/// The row as a batch; `None`, and a warning, when it is not what was written.
fn entry(table: &str, row: &Row<'_>) -> Option<JournalEntry> {
    let read = || -> rusqlite::Result<(JournalEntry, u32)> {
        let batch = JournalBatch {
            agent: rows::text(row, 0)?,
            epoch: Epoch(rows::unsigned(row, 1)?),
            first_seq: Seq(rows::unsigned(row, 2)?),
            count: row.get(3)?,
            received_at: rows::time(row, 5)?,
            columns: Bytes::from(row.get::<_, Vec<u8>>(7)?),
        };
        Ok((JournalEntry { batch, skip: row.get(4)?, joined: table == BLOCKS }, row.get(6)?))
    };
    let id = row.get::<_, i64>(8).unwrap_or(0);
    match read() {
        Ok((entry, checksum)) if entry.batch.checksum(entry.skip) == checksum => Some(entry),
        Ok((entry, _)) => {
            tracing::warn!(journal.id = id, agent = %entry.batch.agent, "damaged batch left out: wrong checksum");
            None
        }
        Err(error) => {
            tracing::warn!(journal.id = id, error = %error, "damaged batch left out: unreadable");
            None
        }
    }
}

#[cfg(test)]
mod tests;
