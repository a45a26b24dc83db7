//! What the spool knows: which results wait for the aggregator, the newest of them in memory, all of them on disk.
//!
//! The file is a mirror of what memory cannot hold for long. While the file cannot be written, memory alone keeps the newest
//! results, the oldest fall out and are counted, and every so often the file is tried again; the agent never stops for it.

use std::collections::VecDeque;
use std::path::PathBuf;

use parallax_model::{Epoch, ProbeResult, Seq};
use parallax_runtime::Rng;
use rand::Rng as _;

use super::disk::{self, Bounds, Disk, Life};

/// Results kept in memory while the file works: enough that a live session never reads from disk.
const TAIL_RESULTS: usize = 256;
/// Results kept in memory while the file cannot be written.
const RING_RESULTS: usize = 4_096;
/// After a failed write, how many results come before the next try.
const WRITE_RETRY_RESULTS: u64 = 64;
/// How many results come before the age of the oldest is looked at.
const AGE_CHECK_RESULTS: u64 = 256;

/// Where the spool is and how much it may hold.
#[derive(Debug, Clone)]
pub(crate) struct SpoolSettings {
    /// The database file.
    pub(crate) path: PathBuf,
    /// How much it may hold.
    pub(crate) bounds: Bounds,
}

/// What a Hello says about the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpoolReport {
    /// The spool's life.
    pub(crate) epoch: Epoch,
    /// The oldest result that waits; `Seq(0)` when none does.
    pub(crate) oldest: Seq,
    /// The next place to be given out.
    pub(crate) next: Seq,
    /// Results of this epoch that were dropped.
    pub(crate) dropped: u64,
}

/// Results with consecutive places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// The place of the first.
    pub(crate) first: Seq,
    /// The results.
    pub(crate) results: Vec<ProbeResult>,
}

/// The spool without its thread.
#[derive(Debug)]
pub(crate) struct Book {
    settings: SpoolSettings,
    rng: Rng,
    disk: Option<Disk>,
    life: Life,
    /// The newest results, in order and without holes.
    tail: VecDeque<(u64, ProbeResult)>,
    written_through: u64,
    acked_through: u64,
    deleted_through: u64,
    retry_write_at: u64,
    newest_us: i64,
    /// The first place this process gives out, until the aggregator has said that it knows nothing beyond.
    opened_at: Option<u64>,
}

impl Book {
    /// Opens the spool. It always opens: without a usable file it works in memory.
    pub(crate) fn open(settings: SpoolSettings, mut rng: Rng) -> Self {
        let fresh = fresh_life(&mut rng);
        let (disk, life) = match open_disk(&settings, fresh) {
            Ok((disk, life)) => (Some(disk), life),
            Err(error) => {
                tracing::error!(path = %settings.path.display(), %error, "the spool cannot be opened: results are kept in memory only");
                (None, fresh)
            }
        };
        Self {
            settings,
            rng,
            disk,
            life,
            tail: VecDeque::new(),
            written_through: life.next_seq - 1,
            acked_through: 0,
            deleted_through: 0,
            retry_write_at: 0,
            newest_us: i64::MIN,
            opened_at: Some(life.next_seq),
        }
    }

    /// Gives a result its place.
    pub(crate) fn push(&mut self, result: ProbeResult) {
        self.newest_us = self.newest_us.max(result.started_at.0);
        self.tail.push_back((self.life.next_seq, result));
        self.life.next_seq += 1;
    }

    /// Brings the file up to date; when it cannot be, keeps what memory can hold.
    pub(crate) fn flush(&mut self) {
        if self.life.next_seq >= self.retry_write_at
            && let Err(error) = self.write()
        {
            self.on_disk_error(&error);
        }
        while self.tail.len() > self.tail_limit() {
            let Some((seq, _)) = self.tail.pop_front() else { break };
            if seq > self.written_through {
                self.life.dropped += 1;
            }
        }
    }

    fn tail_limit(&self) -> usize {
        if self.written_through + 1 == self.life.next_seq { TAIL_RESULTS } else { RING_RESULTS }
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        if self.acked_through > self.deleted_through {
            disk.delete_through(self.acked_through)?;
            self.deleted_through = self.acked_through;
        }
        let before = self.written_through;
        if before + 1 < self.life.next_seq {
            let new = self.tail.iter().filter(|(seq, _)| *seq > before).map(|(seq, result)| (*seq, result));
            disk.write(&new.collect::<Vec<_>>(), self.life)?;
            self.written_through = self.life.next_seq - 1;
            if self.retry_write_at > 0 {
                tracing::info!("the spool is written again");
                self.retry_write_at = 0;
            }
        }
        self.trim(before)
    }

    fn trim(&mut self, before: u64) -> rusqlite::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        let check_age = before / AGE_CHECK_RESULTS != self.written_through / AGE_CHECK_RESULTS;
        let newest_us = if check_age { self.newest_us } else { i64::MIN };
        let trimmed = disk.trim(self.settings.bounds, newest_us)?;
        if trimmed == 0 {
            return Ok(());
        }
        self.life.dropped += trimmed;
        tracing::warn!(
            trimmed,
            dropped = self.life.dropped,
            "the spool is full: its oldest results were dropped"
        );
        let oldest = disk.oldest_seq()?.unwrap_or(self.life.next_seq);
        self.tail.retain(|(seq, _)| *seq >= oldest);
        disk.write(&[], self.life)
    }

    fn on_disk_error(&mut self, error: &rusqlite::Error) {
        if disk::is_corrupt(error) {
            self.start_over(error);
            return;
        }
        if self.retry_write_at == 0 {
            tracing::error!(%error, "the spool cannot be written: results are kept in memory until it can");
        }
        self.retry_write_at = self.life.next_seq + WRITE_RETRY_RESULTS;
    }

    /// Begins a new file and a new epoch with what is in memory; what was only in the broken file is lost.
    fn start_over(&mut self, error: &rusqlite::Error) {
        tracing::error!(%error, "the spool is corrupt: it is set aside and a new one begins");
        self.disk = None;
        self.life = Life { next_seq: self.life.next_seq, ..fresh_life(&mut self.rng) };
        self.opened_at = None;
        self.written_through = self.tail.front().map_or(self.life.next_seq, |(seq, _)| *seq) - 1;
        let path = &self.settings.path;
        let begun =
            disk::set_aside(path).map_err(OpenError::from).and_then(|()| Ok(Disk::open(path, self.life)?));
        match begun {
            Ok((disk, _)) => self.disk = Some(disk),
            Err(error) => {
                tracing::error!(%error, "no new spool can be made: results are kept in memory only");
            }
        }
    }

    /// Results after `after` with consecutive places, at most `max`; `None` when there is none.
    pub(crate) fn batch(&mut self, after: Seq, max: usize) -> Option<Run> {
        let after = after.0.max(self.acked_through);
        if after + 1 >= self.life.next_seq {
            return None;
        }
        let in_memory = self.tail.front().is_some_and(|(seq, _)| *seq <= after + 1);
        if !in_memory && let Some(run) = self.batch_from_disk(after, max) {
            return Some(run);
        }
        let mut wanted = self.tail.iter().skip_while(|(seq, _)| *seq <= after).take(max).peekable();
        let first = Seq(wanted.peek()?.0);
        Some(Run { first, results: wanted.map(|(_, result)| result.clone()).collect() })
    }

    fn batch_from_disk(&mut self, after: u64, max: usize) -> Option<Run> {
        let rows = match self.disk.as_ref()?.read(after, max) {
            Ok(rows) => rows,
            Err(error) => {
                self.on_disk_error(&error);
                return None;
            }
        };
        let mut run: Option<Run> = None;
        for (seq, result) in rows {
            match (&mut run, result) {
                (None, None) => self.drop_row(seq),
                (None, Some(result)) => run = Some(Run { first: Seq(seq), results: vec![result] }),
                (Some(run), Some(result)) if run.first.0 + run.results.len() as u64 == seq => {
                    run.results.push(result);
                }
                (Some(_), _) => break,
            }
        }
        run
    }

    fn drop_row(&mut self, seq: u64) {
        tracing::warn!(seq, "a result in the spool cannot be read: it is dropped");
        self.life.dropped += 1;
        if let Some(Err(error)) = self.disk.as_mut().map(|disk| disk.delete(seq)) {
            self.on_disk_error(&error);
        }
    }

    /// Everything up to `through` is at the aggregator and need not be kept.
    pub(crate) fn acked(&mut self, through: Seq) {
        let through = through.0.min(self.life.next_seq - 1);
        self.acked_through = self.acked_through.max(through);
        while self.tail.front().is_some_and(|(seq, _)| *seq <= through) {
            self.tail.pop_front();
        }
        self.written_through = self.written_through.max(through);
    }

    /// What the aggregator said in its Welcome. When it has more of this epoch than this process found on its disk, the disk lost
    /// its last writes and places were given out twice: a new epoch begins, under which nothing that waits is taken for known.
    /// `false` means so.
    pub(crate) fn settle(&mut self, acked_through: Seq) -> bool {
        let Some(opened_at) = self.opened_at.take().filter(|opened_at| acked_through.0 >= *opened_at) else {
            self.acked(acked_through);
            return true;
        };
        tracing::warn!("the spool lost its last writes: a new epoch begins");
        self.acked(Seq(opened_at - 1));
        self.life.epoch = fresh_life(&mut self.rng).epoch;
        if let Some(Err(error)) = self.disk.as_mut().map(|disk| disk.write(&[], self.life)) {
            self.on_disk_error(&error);
        }
        false
    }

    /// Takes the oldest waiting result out, if it is still `seq`: the aggregator will never accept it.
    pub(crate) fn take_refused(&mut self, seq: Seq) -> Option<ProbeResult> {
        let run = self.batch(Seq(seq.0 - 1), 1).filter(|run| run.first == seq)?;
        self.life.dropped += 1;
        self.acked(seq);
        run.results.into_iter().next()
    }

    /// What a Hello says.
    pub(crate) fn report(&self) -> SpoolReport {
        let on_disk = self.disk.as_ref().and_then(|disk| disk.oldest_seq().ok().flatten());
        let in_memory = self.tail.front().map(|(seq, _)| *seq);
        let oldest = [on_disk, in_memory].into_iter().flatten().filter(|seq| *seq > self.acked_through).min();
        SpoolReport {
            epoch: self.life.epoch,
            oldest: Seq(oldest.unwrap_or(0)),
            next: Seq(self.life.next_seq),
            dropped: self.life.dropped,
        }
    }

    /// The spool's life and the next place, for whoever waits for news.
    pub(crate) fn mark(&self) -> (Epoch, Seq) {
        (self.life.epoch, Seq(self.life.next_seq))
    }

    #[cfg(test)]
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }
}

fn fresh_life(rng: &mut Rng) -> Life {
    Life { epoch: Epoch(rng.random()), next_seq: 1, dropped: 0 }
}

/// Opens the file; one that is corrupt is set aside for a new one.
fn open_disk(settings: &SpoolSettings, fresh: Life) -> Result<(Disk, Life), OpenError> {
    match Disk::open(&settings.path, fresh) {
        Err(error) if disk::is_corrupt(&error) => {
            tracing::error!(path = %settings.path.display(), %error, "the spool is corrupt: it is set aside and a new one begins");
            disk::set_aside(&settings.path)?;
            Ok(Disk::open(&settings.path, fresh)?)
        }
        other => Ok(other?),
    }
}

/// Why there is no file to write to.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("opening the database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("setting the corrupt database aside: {0}")]
    SetAside(#[from] std::io::Error),
}
