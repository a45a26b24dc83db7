//! One epoch of the spool and its file: what is known of it without reading it again.
//!
//! A file's name says its order among the others and its epoch, both in hexadecimal; its content is records and nothing else.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parallax_model::{Epoch, ProbeResult, Seq, UnixMicros};
use tokio::time::Instant;

use super::Run;
use super::gaps::{Gap, Reason, replace};
use super::record::{self, Found, Record, Records};

/// What the names of the files end with.
const SUFFIX: &str = "results";
/// Bytes of a record where none is left to be measured.
const USUAL_RECORD: usize = 128;
/// What stands in a backlog has waited at least this long; a wait of nothing would say that the whole batch is of now.
const SOME_TIME: Duration = Duration::from_secs(1);
/// What an earlier process left has waited at least this long: nobody knows how long the agent was gone, and its clock may be
/// wrong. It is long enough that such a result is never taken for one of now.
const LEFT_BEHIND: Duration = Duration::from_secs(61);

/// Probes end in another order than they began, but not by so much: then the wall clock was set back between them.
const SET_BACK: Duration = Duration::from_mins(1);

/// When the last result of an epoch came.
#[derive(Debug, Clone, Copy)]
enum Came {
    /// To this process.
    At(Instant),
    /// To one before it; this one began at that moment.
    Before(Instant),
}

/// One epoch.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) epoch: Epoch,
    pub(super) order: u64,
    path: PathBuf,
    file: Option<File>,
    /// Length of the file as far as it is whole.
    pub(super) bytes: u64,
    /// Results in it.
    pub(super) results: u64,
    /// Seq of its last result.
    pub(super) last: u64,
    /// Everything up to here is at the aggregator.
    pub(super) acked: u64,
    /// Everything up to here was handed out since the session began.
    pub(super) sent: u64,
    /// When the first and the last of its results began, by the wall clock.
    pub(super) span: (UnixMicros, UnixMicros),
    came: Came,
}

/// What an earlier process left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) segment: Option<Segment>,
    pub(super) lost: Option<Gap>,
}

impl Segment {
    /// An epoch that begins; its file is made with the first write.
    pub(super) fn begin(folder: &Path, order: u64, epoch: Epoch, now: Instant) -> Self {
        let path = folder.join(format!("{order:016x}-{:016x}.{SUFFIX}", epoch.0));
        let span = (UnixMicros(0), UnixMicros(0));
        let came = Came::At(now);
        Self { epoch, order, path, file: None, bytes: 0, results: 0, last: 0, acked: 0, sent: 0, span, came }
    }

    /// Reads a file that an earlier process left. A damaged one is written anew without the damage, if that can be.
    pub(super) fn left(path: &Path, now: Instant) -> io::Result<Left> {
        let Some((order, epoch)) = parse(path) else { return Ok(Left::default()) };
        let bytes = fs::read(path)?;
        let survey = Survey::of(&bytes, epoch);
        let mut segment = Self::begin(path.parent().unwrap_or_else(|| Path::new("")), order, epoch, now);
        segment.came = Came::Before(now);
        segment.bytes = bytes.len() as u64;
        survey.records.iter().for_each(|record| segment.note(record.seq, record.started_at));
        let (from, until) = segment.span;
        let results = survey.lost();
        let lost = (results > 0).then_some(Gap { results, from, until, reason: Reason::Damaged });
        if survey.records.is_empty() {
            fs::remove_file(path)?;
            return Ok(Left { segment: None, lost });
        }
        if lost.is_some() {
            let good = survey.good(epoch);
            // Where it cannot be, the damage is met and counted once more at the next start.
            if replace(path, &good).is_ok() {
                segment.bytes = good.len() as u64;
            }
        }
        Ok(Left { segment: Some(segment), lost })
    }

    fn note(&mut self, seq: u64, began: UnixMicros) {
        let (from, until) = if self.results == 0 { (began, began) } else { self.span };
        self.span = (from.min(began), until.max(began));
        self.results += 1;
        self.last = seq;
    }

    /// Writes results behind those that are there; all or, as far as anybody reads it, nothing.
    pub(super) fn append<'a>(
        &mut self,
        results: impl Iterator<Item = (u64, &'a ProbeResult)> + Clone,
        now: Instant,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        results.clone().for_each(|(seq, result)| record::put(&mut bytes, self.epoch, seq, result));
        let file = if let Some(file) = &self.file {
            file
        } else {
            self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let opened = OpenOptions::new().create(true).truncate(true).write(true).open(&self.path)?;
            self.bytes = 0;
            self.file.insert(opened)
        };
        if let Err(error) = file.write_all_at(&bytes, self.bytes) {
            // What was written of it is cut off, or else written over by the next try.
            let _ = file.set_len(self.bytes);
            if self.bytes == 0 {
                self.file = None;
            }
            return Err(error);
        }
        self.bytes += bytes.len() as u64;
        results.for_each(|(seq, result)| self.note(seq, result.started_at));
        self.came = Came::At(now);
        Ok(())
    }

    /// Brings what was written to the disk itself.
    pub(super) fn sync(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_data()?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Empties the file: everything in it is at the aggregator.
    pub(super) fn clear(&mut self) {
        if self.file.as_ref().is_some_and(|file| file.set_len(0).is_ok()) {
            (self.bytes, self.results) = (0, 0);
        }
    }

    /// Goes on in a new file with nothing in it, for the old one cannot be trusted.
    pub(super) fn leave_file(&mut self, folder: &Path, order: u64, now: Instant) {
        self.remove();
        let fresh = Self::begin(folder, order, self.epoch, now);
        *self = Self { last: self.acked, acked: self.acked, sent: self.sent, ..fresh };
    }

    /// Lets the file go; from now on it is only read.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Removes the file. One that stays is found by the next start, and its results are known to the aggregator then.
    pub(super) fn remove(&mut self) {
        self.file = None;
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a file of the spool cannot be removed");
        }
    }

    /// Makes every further write fail as on a full disk.
    #[cfg(test)]
    pub(super) fn fill_disk(&mut self) {
        self.file = Some(OpenOptions::new().write(true).open("/dev/full").expect("Linux"));
    }

    /// How many results are not at the aggregator.
    pub(super) fn waiting(&self) -> u64 {
        self.last.saturating_sub(self.acked).min(self.results)
    }

    /// How long ago its last result came, by a clock that never jumps.
    pub(super) fn age(&self, now: Instant) -> Duration {
        match self.came {
            Came::At(came) => now.saturating_duration_since(came),
            Came::Before(began) => now.saturating_duration_since(began) + LEFT_BEHIND,
        }
    }

    /// The next results with consecutive places, at most `max`, and what is found to be lost on the way.
    pub(super) fn next_run(&mut self, max: usize, now: Instant) -> io::Result<(Option<Run>, Option<Gap>)> {
        let bytes = fs::read(&self.path)?;
        let survey = Survey::of(&bytes, self.epoch);
        let mut lost = self.results.saturating_sub(survey.records.len() as u64);
        self.results = survey.records.len() as u64;
        let after = self.sent.max(self.acked);
        let mut run: Option<Run> = None;
        for record in survey.records.iter().filter(|record| record.seq > after) {
            match (&mut run, record.result()) {
                (None, None) => lost += 1,
                (None, Some(result)) => {
                    let (epoch, first) = (self.epoch, Seq(record.seq));
                    run = Some(Run { epoch, first, results: vec![result], waited: Duration::ZERO });
                }
                (Some(run), Some(result))
                    if run.next() == record.seq
                        && run.results.len() < max
                        && run.results.last().is_none_or(|last| !is_set_back(last, &result)) =>
                {
                    run.results.push(result);
                }
                (Some(_), _) => break,
            }
        }
        match &mut run {
            Some(run) => {
                let newest = survey.records.last().and_then(Record::result);
                run.waited = self.waited(run.results.last(), newest.as_ref(), now);
            }
            None => self.last = after,
        }
        let (from, until) = self.span;
        let lost = (lost > 0).then_some(Gap { results: lost, from, until, reason: Reason::Damaged });
        Ok((run, lost))
    }

    /// How long the last result of a run has waited, when `newest` is the last one of the epoch.
    fn waited(&self, last: Option<&ProbeResult>, newest: Option<&ProbeResult>, now: Instant) -> Duration {
        let age = self.age(now);
        match last.zip(newest) {
            Some((last, newest)) if !is_set_back(last, newest) => {
                age.max(SOME_TIME) + Duration::from_micros(newest.started_at.since(last.started_at))
            }
            // How long before the newest it came, no clock tells.
            _ => age.max(LEFT_BEHIND),
        }
    }
}

/// Whether the wall clock was set back between two results, of which `later` came later. They are not in one batch: it says how old
/// its last result is, and the clock how much older the others are.
pub(super) fn is_set_back(result: &ProbeResult, later: &ProbeResult) -> bool {
    Duration::from_micros(result.started_at.since(later.started_at)) >= SET_BACK
}

/// Order and epoch from a file's name; `None` when it is not one of ours.
fn parse(path: &Path) -> Option<(u64, Epoch)> {
    let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.strip_suffix('.')?;
    let (order, epoch) = name.split_once('-')?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
    Some((number(order)?, Epoch(number(epoch)?)))
}

/// What a file holds.
#[derive(Debug, Default)]
struct Survey<'a> {
    records: Vec<Record<'a>>,
    damage: Vec<Damage>,
}

/// Bytes that are no record, and the records around them.
#[derive(Debug)]
struct Damage {
    bytes: usize,
    before: Option<u64>,
    after: Option<u64>,
}

impl<'a> Survey<'a> {
    fn of(bytes: &'a [u8], epoch: Epoch) -> Self {
        let mut survey = Self::default();
        for found in Records::new(bytes, epoch) {
            match found {
                Found::Damage(bytes) => {
                    let before = survey.records.last().map(|record| record.seq);
                    survey.damage.push(Damage { bytes, before, after: None });
                }
                Found::Record(record) => {
                    if let Some(damage) = survey.damage.last_mut() {
                        damage.after.get_or_insert(record.seq);
                    }
                    survey.records.push(record);
                }
            }
        }
        survey
    }

    /// The records alone.
    fn good(&self, epoch: Epoch) -> Vec<u8> {
        let mut good = Vec::new();
        self.records.iter().for_each(|record| record::copy(&mut good, epoch, record));
        good
    }

    /// How many results were where the damage is: by their places where both neighbours are there, else by its size.
    fn lost(&self) -> u64 {
        let sum: usize = self.records.iter().map(Record::len).sum();
        let usual = sum.checked_div(self.records.len()).unwrap_or(USUAL_RECORD);
        let of_one = |damage: &Damage| match (damage.before, damage.after) {
            (Some(before), Some(after)) => after.saturating_sub(before + 1).max(1),
            _ => ((damage.bytes + usual / 2) / usual).max(1) as u64,
        };
        self.damage.iter().map(of_one).sum()
    }
}
