//! What the spool knows: which results wait for the aggregator, those of the newest epoch in memory, all of them on disk.
//!
//! An epoch ends when it holds as many waiting results as one batch takes, so a backlog is a row of short epochs behind the one that
//! is being written, and whoever sends can begin with the newest. While the disk cannot be written, memory alone keeps the newest
//! results, the oldest fall out and are counted, and the disk is tried again every second; the agent never stops for it.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use parallax_model::{Epoch, ProbeResult, Seq};
use parallax_proto::batch::MAX_BATCH_RESULTS;
use parallax_proto::v1::agent as wire;
use parallax_runtime::Rng;
use rand::Rng as _;
use tokio::time::Instant;

use super::gaps::{Gap, Gaps, Reason};
use super::segment::{Left, Segment, is_set_back};
use super::{Lane, Mark, Run};

/// Results kept in memory while the disk cannot be written.
pub(super) const RING_RESULTS: usize = 4_096;
/// Waiting results with which an epoch ends: one batch.
const EPOCH_RESULTS: u64 = MAX_BATCH_RESULTS as u64;
/// Bytes with which an epoch's file ends, however few of its results wait.
const EPOCH_BYTES: u64 = 1 << 20;
/// An epoch's file is at most this part of what the spool may hold, in bytes and in time, for whole files are dropped.
const EPOCH_SHARE: u32 = 8;
/// After a failed write, how long until the next try.
const WRITE_RETRY: Duration = Duration::from_secs(1);
/// What has waited this long is not in one batch with what has not, for a batch says how old only its last result is.
const OLD_AFTER: Duration = Duration::from_secs(30);
/// How long a result may wait until the disk itself is sure to have it: what a machine loses that loses its power.
pub(super) const SYNC_AFTER: Duration = Duration::from_secs(1);

/// How large and how old the spool may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of all files.
    pub(crate) max_bytes: u64,
    /// How long results wait at most.
    pub(crate) max_age: Duration,
}

/// Where the spool is and how much it may hold.
#[derive(Debug, Clone)]
pub(crate) struct SpoolSettings {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// How much it may hold.
    pub(crate) bounds: Bounds,
}

/// What a Hello says about the spool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SpoolReport {
    /// The newest epoch.
    pub(crate) epoch: Epoch,
    /// Its oldest result that waits; `Seq(0)` when none does.
    pub(crate) oldest: Seq,
    /// Its next place to be given out.
    pub(crate) next: Seq,
    /// What is lost and was not told yet.
    pub(crate) gaps: Vec<wire::Gap>,
}

/// A result of the newest epoch that waits.
#[derive(Debug)]
struct Waiting {
    seq: u64,
    came: Instant,
    result: ProbeResult,
}

/// The spool without its thread.
#[derive(Debug)]
pub(crate) struct Book {
    settings: SpoolSettings,
    rng: Rng,
    /// Epochs that ended, oldest first.
    older: VecDeque<Segment>,
    current: Segment,
    began: Instant,
    /// All of the newest epoch that waits, in order.
    tail: VecDeque<Waiting>,
    next_seq: u64,
    retry_at: Option<Instant>,
    /// Since when there is something that the disk itself may not have.
    unsynced: Option<Instant>,
    gaps: Gaps,
}

impl Book {
    /// Opens the spool. It always opens: without a usable folder it works in memory.
    pub(crate) fn open(settings: SpoolSettings, mut rng: Rng, now: Instant) -> Self {
        let mut gaps = Gaps::open(settings.folder.join("gaps"));
        let older = match left(&settings, &mut gaps, now) {
            Ok(older) => older,
            Err(error) => {
                tracing::error!(path = %settings.folder.display(), %error, "the spool cannot be opened: results are kept in memory until it can");
                VecDeque::new()
            }
        };
        let place = older.back().map_or(1, |newest| newest.order + 1);
        let current = Segment::begin(&settings.folder, place, Epoch(rng.random()), now);
        let mut book = Self {
            settings,
            rng,
            older,
            current,
            began: now,
            tail: VecDeque::new(),
            next_seq: 1,
            retry_at: None,
            unsynced: None,
            gaps,
        };
        book.flush(now);
        book
    }

    /// Gives a result its place.
    pub(crate) fn push(&mut self, result: ProbeResult, came: Instant) {
        self.tail.push_back(Waiting { seq: self.next_seq, came, result });
        self.next_seq += 1;
        if self.tail.len() as u64 == EPOCH_RESULTS {
            self.flush(came);
        }
    }

    /// Brings the files up to date; when they cannot be, keeps what memory can hold.
    pub(crate) fn flush(&mut self, now: Instant) {
        if self.retry_at.is_none_or(|at| at <= now) {
            match self.write(now) {
                Ok(()) if self.retry_at.take().is_some() => tracing::info!("the spool is written again"),
                Ok(()) => {}
                Err(error) => self.cannot_write(&error, now),
            }
        }
        while self.tail.len() > RING_RESULTS {
            let Some(dropped) = self.tail.pop_front() else { break };
            self.gaps.add(Gap::of_one(dropped.result.started_at, Reason::Disk));
        }
        self.keep_bounds(now);
        self.gaps.flush();
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        let before = self.current.last;
        let new = self.tail.iter().filter(|waiting| waiting.seq > before);
        if new.clone().next().is_some() {
            self.current.append(new.map(|waiting| (waiting.seq, &waiting.result)), now)?;
            self.unsynced.get_or_insert(now);
        }
        let Bounds { max_bytes, max_age } = self.settings.bounds;
        let large = self.current.bytes >= EPOCH_BYTES.min(max_bytes / u64::from(EPOCH_SHARE));
        let old = now.saturating_duration_since(self.began) >= max_age / EPOCH_SHARE;
        if self.tail.len() as u64 >= EPOCH_RESULTS || (!self.tail.is_empty() && (large || old)) {
            self.sync(now);
            // Still so, unless the disk failed to keep it.
            if self.current.last + 1 == self.next_seq {
                self.end_epoch(now);
            }
        }
        Ok(())
    }

    /// Begins a new epoch with what the file does not have: nobody has seen it under its old places.
    fn end_epoch(&mut self, now: Instant) {
        let order = self.current.order + 1;
        let fresh = Segment::begin(&self.settings.folder, order, Epoch(self.rng.random()), now);
        let mut ended = std::mem::replace(&mut self.current, fresh);
        ended.close();
        self.tail.retain(|waiting| waiting.seq > ended.last);
        for (seq, waiting) in (1..).zip(&mut self.tail) {
            waiting.seq = seq;
        }
        self.next_seq = self.tail.len() as u64 + 1;
        (self.began, self.unsynced) = (now, None);
        if ended.waiting() > 0 {
            self.older.push_back(ended);
        } else {
            ended.remove();
        }
    }

    fn cannot_write(&mut self, error: &io::Error, now: Instant) {
        if self.retry_at.is_none() {
            tracing::error!(%error, "the spool cannot be written: results are kept in memory until it can");
            // What the file has is safe there. The rest was handed to nobody yet: every batch comes after a flush.
            if self.current.results > 0 {
                self.end_epoch(now);
            }
        }
        self.retry_at = Some(now + WRITE_RETRY);
    }

    /// When the disk must be asked for certainty, if it must.
    pub(crate) fn sync_at(&self) -> Option<Instant> {
        self.unsynced.map(|since| since + SYNC_AFTER)
    }

    /// Makes sure that the disk has everything. Where it says that it has not, its file is left and what is in memory is written
    /// to another: asked again, it would say yes without having it.
    pub(crate) fn sync(&mut self, now: Instant) {
        self.unsynced = None;
        if let Err(error) = self.current.sync() {
            tracing::error!(%error, "the disk does not keep the spool's file: it is written again elsewhere");
            let order = self.current.order + 1;
            self.current.leave_file(&self.settings.folder, order, now);
        }
    }

    /// Drops the oldest epochs while there is too much of them or they are too old.
    fn keep_bounds(&mut self, now: Instant) {
        let Bounds { max_bytes, max_age } = self.settings.bounds;
        let mut bytes = self.current.bytes + self.older.iter().map(|segment| segment.bytes).sum::<u64>();
        while let Some(oldest) = self.older.front_mut() {
            if bytes <= max_bytes && oldest.age(now) <= max_age {
                return;
            }
            bytes = bytes.saturating_sub(oldest.bytes);
            let ((from, until), results) = (oldest.span, oldest.waiting());
            tracing::warn!(results, "the spool is full: its oldest results are dropped");
            self.gaps.add(Gap { results, from, until, reason: Reason::SpoolFull });
            oldest.remove();
            self.older.pop_front();
        }
    }

    /// Results that were not handed out since the session began, at most `max` with consecutive places; `None` when there is none.
    pub(crate) fn batch(&mut self, lane: Lane, max: usize, now: Instant) -> Option<Run> {
        let run = match lane {
            Lane::Live => self.live(max, now),
            Lane::Backlog => self.backlog(max, now),
        }?;
        self.sent(run.epoch, Seq(run.next() - 1));
        Some(run)
    }

    fn live(&self, max: usize, now: Instant) -> Option<Run> {
        let waiting = self.tail.iter().skip_while(|waiting| waiting.seq <= self.current.sent);
        let first = waiting.clone().next()?;
        let is_old = |waiting: &Waiting| now.saturating_duration_since(waiting.came) >= OLD_AFTER;
        let mut run: Vec<&Waiting> = Vec::new();
        for (seq, next) in (first.seq..).zip(waiting.take(max)) {
            let set_back = run.last().is_some_and(|last| is_set_back(&last.result, &next.result));
            if seq != next.seq || is_old(next) != is_old(first) || set_back {
                break;
            }
            run.push(next);
        }
        let came = run.last().map_or(first.came, |last| last.came);
        Some(Run {
            epoch: self.current.epoch,
            first: Seq(first.seq),
            results: run.iter().map(|waiting| waiting.result.clone()).collect(),
            waited: now.saturating_duration_since(came),
        })
    }

    fn backlog(&mut self, max: usize, now: Instant) -> Option<Run> {
        let mut place = self.older.len();
        while let Some(next) = place.checked_sub(1) {
            place = next;
            let segment = &mut self.older[place];
            if segment.sent.max(segment.acked) >= segment.last {
                continue;
            }
            match segment.next_run(max, now) {
                Ok((run, lost)) => {
                    if let Some(gap) = lost {
                        self.lost(gap);
                    }
                    if run.is_some() {
                        return run;
                    }
                    self.remove_if_acked(place);
                }
                Err(error) => {
                    tracing::error!(%error, "a file of the spool cannot be read: what it holds is lost");
                    let ((from, until), results) = (segment.span, segment.waiting());
                    self.lost(Gap { results, from, until, reason: Reason::Damaged });
                    self.older.remove(place);
                }
            }
        }
        None
    }

    fn lost(&mut self, gap: Gap) {
        tracing::warn!(results = gap.results, "results in the spool cannot be read: they are lost");
        self.gaps.add(gap);
    }

    /// Everything of the epoch up to `through` is on its way, and nothing above it.
    pub(crate) fn sent(&mut self, epoch: Epoch, through: Seq) {
        let older = self.older.iter_mut().find(|segment| segment.epoch == epoch);
        let segment = older.or_else(|| Some(&mut self.current).filter(|current| current.epoch == epoch));
        if let Some(segment) = segment {
            segment.sent = through.0;
        }
    }

    /// Everything of the epoch up to `through` is at the aggregator and need not be kept.
    pub(crate) fn acked(&mut self, epoch: Epoch, through: Seq) {
        if let Some(place) = self.older.iter().position(|segment| segment.epoch == epoch) {
            let segment = &mut self.older[place];
            segment.acked = segment.acked.max(through.0);
            self.remove_if_acked(place);
        } else if self.current.epoch == epoch {
            let through = through.0.min(self.next_seq - 1);
            while self.tail.front().is_some_and(|waiting| waiting.seq <= through) {
                self.tail.pop_front();
            }
            self.current.acked = self.current.acked.max(through);
            // What was acked before it could be written need not be.
            self.current.last = self.current.last.max(through);
            if self.tail.is_empty() && self.current.bytes > 0 {
                self.current.clear();
                self.unsynced = None;
            }
        }
    }

    fn remove_if_acked(&mut self, place: usize) {
        if self.older.get(place).is_some_and(|segment| segment.acked >= segment.last)
            && let Some(mut done) = self.older.remove(place)
        {
            done.remove();
        }
    }

    /// Takes a result out, if it is the oldest of its epoch that waits: the aggregator will never accept it.
    pub(crate) fn take_refused(&mut self, epoch: Epoch, seq: Seq, now: Instant) -> Option<ProbeResult> {
        let run = if self.current.epoch == epoch {
            self.current.sent = seq.0 - 1;
            self.live(1, now)
        } else {
            let segment = self.older.iter_mut().find(|segment| segment.epoch == epoch)?;
            segment.sent = seq.0 - 1;
            segment.next_run(1, now).ok()?.0
        };
        let result = run.filter(|run| run.first == seq)?.results.into_iter().next()?;
        self.gaps.add(Gap::of_one(result.started_at, Reason::Refused));
        self.acked(epoch, seq);
        Some(result)
    }

    /// A session begins: says what its Hello says, and hands out again what is not acked.
    pub(crate) fn report(&mut self) -> SpoolReport {
        self.older.iter_mut().chain([&mut self.current]).for_each(|segment| segment.sent = segment.acked);
        SpoolReport {
            epoch: self.current.epoch,
            oldest: Seq(self.tail.front().map_or(0, |waiting| waiting.seq)),
            next: Seq(self.next_seq),
            gaps: self.gaps.to_wire(),
        }
    }

    /// The Hello that said `told` was answered: everything of its epoch up to `through` is at the aggregator.
    pub(crate) fn welcomed(&mut self, told: &SpoolReport, through: Seq) {
        self.gaps.told(&told.gaps);
        self.acked(told.epoch, through);
    }

    /// The newest epoch and its next place, for whoever waits for news.
    pub(crate) fn mark(&self) -> Mark {
        (self.current.epoch, Seq(self.next_seq))
    }

    /// How many results wait, and how many are lost and not told yet.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (u64, u64) {
        let older: u64 = self.older.iter().map(Segment::waiting).sum();
        (older + self.tail.len() as u64, self.gaps.results())
    }

    #[cfg(test)]
    pub(super) fn gaps(&self) -> &[Gap] {
        self.gaps.all()
    }

    /// Makes the newest file fail as on a full disk.
    #[cfg(test)]
    pub(super) fn fill_disk(&mut self) {
        self.current.fill_disk();
    }
}

/// What an earlier process left, oldest first.
fn left(settings: &SpoolSettings, gaps: &mut Gaps, now: Instant) -> io::Result<VecDeque<Segment>> {
    fs::create_dir_all(&settings.folder)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&settings.folder)? {
        let path = entry?.path();
        match Segment::left(&path, now) {
            Ok(Left { segment, lost }) => {
                if let Some(gap) = lost {
                    tracing::warn!(path = %path.display(), results = gap.results, "a file of the spool is damaged: the rest of it counts");
                    gaps.add(gap);
                }
                found.extend(segment);
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a file of the spool cannot be read");
            }
        }
    }
    found.sort_by_key(|segment| segment.order);
    Ok(found.into())
}
