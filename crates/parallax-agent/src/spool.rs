//! Results that wait until the aggregator has them.
//!
//! Every result gets a place in the spool's newest epoch and stays, in memory or on disk, until it is acknowledged. One thread of its
//! own does the writing ([`book`]); everybody else holds a [`Spool`], which is a queue to that thread. Results that come together
//! are written together. A new result wakes whoever listens to [`Spool::watch`] at once.
//!
//! A killed process loses nothing that was written, a machine that loses power at most the last second. Each record has a checksum
//! of its own ([`record`]): what is damaged is found, counted and told, and costs nothing else.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread::{self, Thread};
use std::time::Duration;

use data_encoding::BASE64;
use parallax_model::{Epoch, ProbeResult, Seq};
use parallax_runtime::Rng;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

mod book;
mod gaps;
mod record;
mod segment;
#[cfg(test)]
mod tests;

use book::Book;
pub(crate) use book::{Bounds, SpoolReport, SpoolSettings};

/// Commands that may wait for the thread; a probe that ends while it is full waits with its result.
const QUEUE: usize = 256;
/// Largest file of refused results, in bytes; what comes after is only counted.
const MAX_QUARANTINE_BYTES: u64 = 1 << 20;

/// The newest epoch and its next place: changes with every result.
pub(crate) type Mark = (Epoch, Seq);

/// Which results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Those of the newest epoch.
    Live,
    /// Those of the others, the newest of them first.
    Backlog,
}

/// Results of one epoch with consecutive places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// Their epoch.
    pub(crate) epoch: Epoch,
    /// The place of the first.
    pub(crate) first: Seq,
    /// The results.
    pub(crate) results: Vec<ProbeResult>,
    /// How long the last of them waited, by a clock that never jumps.
    pub(crate) waited: Duration,
}

impl Run {
    /// The place after the last.
    pub(crate) fn next(&self) -> u64 {
        self.first.0 + self.results.len() as u64
    }
}

enum Command {
    Push(Box<ProbeResult>),
    Acked(Epoch, Seq),
    Sent(Epoch, Seq),
    Batch { lane: Lane, max: usize, reply: oneshot::Sender<Option<Run>> },
    TakeRefused { epoch: Epoch, seq: Seq, reply: oneshot::Sender<bool> },
    Report(oneshot::Sender<SpoolReport>),
    Welcomed(Box<SpoolReport>, Seq),
}

/// A handle to the spool. The thread ends, and the files are closed, when the last one is gone.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    commands: mpsc::Sender<Command>,
    mark: watch::Receiver<Mark>,
    thread: Option<Thread>,
}

/// The spool's thread is gone, which happens only when it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the spool's thread has ended")]
pub(crate) struct SpoolGone;

impl Spool {
    /// Opens the spool on a thread of its own.
    pub(crate) async fn open(settings: SpoolSettings, rng: Rng) -> io::Result<Self> {
        let (commands, mut queue) = mpsc::channel(QUEUE);
        let (opened, mark) = oneshot::channel();
        let thread = thread::Builder::new().name("spool".to_owned()).spawn(move || {
            let (mut writing, mark) = Writing::open(settings, rng);
            if opened.send(mark).is_ok() {
                while let Some(first) = writing.wait(&mut queue) {
                    writing.take(first, &mut queue);
                }
            }
        })?;
        let mark = mark.await.map_err(io::Error::other)?;
        Ok(Self { commands, mark, thread: Some(thread.thread().clone()) })
    }

    /// The same without a thread: what it does is a part of the runtime's own course, so that its paused clock stands meanwhile.
    #[cfg(test)]
    pub(crate) fn open_inline(
        settings: SpoolSettings,
        rng: Rng,
        tasks: &mut tokio::task::JoinSet<()>,
    ) -> Self {
        let (commands, mut queue) = mpsc::channel(QUEUE);
        let (mut writing, mark) = Writing::open(settings, rng);
        tasks.spawn(async move {
            while let Some(first) = queue.recv().await {
                writing.take(first, &mut queue);
            }
        });
        Self { commands, mark, thread: None }
    }

    /// Keeps a result. It waits only while the queue is full.
    pub(crate) async fn push(&self, result: ProbeResult) -> Result<(), SpoolGone> {
        self.send(Command::Push(Box::new(result))).await
    }

    /// Everything of `epoch` up to `through` is at the aggregator.
    pub(crate) async fn acked(&self, epoch: Epoch, through: Seq) -> Result<(), SpoolGone> {
        self.send(Command::Acked(epoch, through)).await
    }

    /// Of the last batch, only what is up to `through` was sent.
    pub(crate) async fn sent(&self, epoch: Epoch, through: Seq) -> Result<(), SpoolGone> {
        self.send(Command::Sent(epoch, through)).await
    }

    /// Results that were not handed out since the last report, at most `max` with consecutive places; all of them are in a file by
    /// now if one can be written.
    pub(crate) async fn batch(&self, lane: Lane, max: usize) -> Result<Option<Run>, SpoolGone> {
        self.ask(|reply| Command::Batch { lane, max, reply }).await
    }

    /// Moves a result that the aggregator will never accept to the file of refused results. `false` when it is not the oldest of
    /// its epoch.
    pub(crate) async fn take_refused(&self, epoch: Epoch, seq: Seq) -> Result<bool, SpoolGone> {
        self.ask(|reply| Command::TakeRefused { epoch, seq, reply }).await
    }

    /// What a Hello says. From now on everything that is not acknowledged is handed out again.
    pub(crate) async fn report(&self) -> Result<SpoolReport, SpoolGone> {
        self.ask(Command::Report).await
    }

    /// The Hello that said `told` was answered by a Welcome: everything of its epoch up to `through` is at the aggregator.
    pub(crate) async fn welcomed(&self, told: SpoolReport, through: Seq) -> Result<(), SpoolGone> {
        self.send(Command::Welcomed(Box::new(told), through)).await
    }

    /// Changes with every result that is in a file, and when an epoch begins.
    pub(crate) fn watch(&self) -> watch::Receiver<Mark> {
        self.mark.clone()
    }

    async fn send(&self, command: Command) -> Result<(), SpoolGone> {
        self.commands.send(command).await.map_err(|_| SpoolGone)?;
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
        Ok(())
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, SpoolGone> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| SpoolGone)
    }
}

/// The other end of the queue.
struct Writing {
    book: Book,
    mark: watch::Sender<Mark>,
    quarantine: PathBuf,
}

impl Writing {
    fn open(settings: SpoolSettings, rng: Rng) -> (Self, watch::Receiver<Mark>) {
        let quarantine = settings.folder.with_extension("refused");
        let book = Book::open(settings, rng, Instant::now());
        let (mark, receiver) = watch::channel(book.mark());
        (Self { book, mark, quarantine }, receiver)
    }

    /// Waits for a command; meanwhile the disk is asked for certainty when it is time. `None` when the last handle is gone.
    fn wait(&mut self, queue: &mut mpsc::Receiver<Command>) -> Option<Command> {
        while let Some(at) = self.book.sync_at() {
            match queue.try_recv() {
                Ok(command) => return Some(command),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let now = Instant::now();
            if at <= now {
                self.book.sync(now);
            } else {
                thread::park_timeout(at - now);
            }
        }
        queue.blocking_recv()
    }

    /// Takes what has come, writes it together, tells who waits.
    fn take(&mut self, first: Command, queue: &mut mpsc::Receiver<Command>) {
        let now = Instant::now();
        self.handle(first, now);
        for _ in 1..QUEUE {
            let Ok(next) = queue.try_recv() else { break };
            self.handle(next, now);
        }
        self.book.flush(now);
        if self.book.sync_at().is_some_and(|at| at <= now) {
            self.book.sync(now);
        }
        self.tell();
    }

    /// Tells who listens of what is new.
    fn tell(&self) {
        let mark = self.book.mark();
        self.mark.send_if_modified(|old| std::mem::replace(old, mark) != mark);
    }

    /// Does what one command says. Nobody waits for an answer any more when sending it fails, which is no harm.
    fn handle(&mut self, command: Command, now: Instant) {
        let book = &mut self.book;
        match command {
            Command::Push(result) => book.push(*result, now),
            Command::Acked(epoch, through) => book.acked(epoch, through),
            Command::Sent(epoch, through) => book.sent(epoch, through),
            Command::Batch { lane, max, reply } => {
                book.flush(now);
                let _ = reply.send(book.batch(lane, max, now));
            }
            Command::TakeRefused { epoch, seq, reply } => {
                let taken = book.take_refused(epoch, seq, now);
                if let Some(result) = &taken {
                    keep_refused(&self.quarantine, (epoch, seq), result);
                }
                let _ = reply.send(taken.is_some());
            }
            Command::Report(reply) => {
                book.flush(now);
                let report = book.report();
                // Whoever begins with this report must not find older news.
                self.tell();
                let _ = reply.send(report);
            }
            Command::Welcomed(told, through) => book.welcomed(&told, through),
        }
    }
}

/// Appends a line to the file of refused results: epoch, seq, outcome, target, the encoded result in base64.
fn keep_refused(path: &Path, (epoch, seq): (Epoch, Seq), result: &ProbeResult) {
    let row = BASE64.encode(&record::encode_row(result));
    let line = format!("{} {} {} {} {row}\n", epoch.0, seq.0, result.outcome, result.target);
    let append = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if file.metadata()?.len() + line.len() as u64 <= MAX_QUARANTINE_BYTES {
            file.write_all(line.as_bytes())?;
        }
        io::Result::Ok(())
    };
    match append() {
        Ok(()) => {
            tracing::error!(seq = seq.0, path = %path.display(), "the aggregator refuses a result: it is set aside");
        }
        Err(error) => {
            tracing::error!(seq = seq.0, %error, "the aggregator refuses a result, and it cannot be set aside");
        }
    }
}
