//! Results that wait until the aggregator has them.
//!
//! Every result gets a place in the spool's epoch and stays, in memory and on disk, until it is acknowledged. One thread of its
//! own does the writing ([`book`]); everybody else holds a [`Spool`], which is a queue to that thread. Results that come together
//! are written together. A new result wakes whoever listens to [`Spool::watch`] at once.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use data_encoding::BASE64;
use parallax_model::{Epoch, ProbeResult, Seq};
use parallax_runtime::Rng;
use tokio::sync::{mpsc, oneshot, watch};

mod book;
mod disk;
#[cfg(test)]
mod tests;

use book::Book;
pub(crate) use book::{Run, SpoolReport, SpoolSettings};
pub(crate) use disk::Bounds;

/// Commands that may wait for the thread; a probe that ends while it is full waits with its result.
const QUEUE: usize = 256;
/// Largest file of refused results, in bytes; what comes after is only counted.
const MAX_QUARANTINE_BYTES: u64 = 1 << 20;

/// The epoch and the next place: changes with every result.
pub(crate) type Mark = (Epoch, Seq);

enum Command {
    Push(Box<ProbeResult>),
    Acked(Epoch, Seq),
    Batch { after: Seq, max: usize, reply: oneshot::Sender<Option<Run>> },
    Settle { acked_through: Seq, reply: oneshot::Sender<bool> },
    TakeRefused { seq: Seq, reply: oneshot::Sender<bool> },
    Report(oneshot::Sender<SpoolReport>),
}

/// A handle to the spool. The thread ends, and the file is closed, when the last one is gone.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    commands: mpsc::Sender<Command>,
    mark: watch::Receiver<Mark>,
}

/// The spool's thread is gone, which happens only when it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the spool's thread has ended")]
pub(crate) struct SpoolGone;

impl Spool {
    /// Opens the spool on a thread of its own.
    pub(crate) async fn open(settings: SpoolSettings, rng: Rng) -> io::Result<Self> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (opened, mark) = oneshot::channel();
        std::thread::Builder::new().name("spool".to_owned()).spawn(move || {
            let quarantine = settings.path.with_extension("refused");
            let book = Book::open(settings, rng);
            let (sender, receiver) = watch::channel(book.mark());
            if opened.send(receiver).is_ok() {
                run(book, queue, &sender, &quarantine);
            }
        })?;
        let mark = mark.await.map_err(io::Error::other)?;
        Ok(Self { commands, mark })
    }

    /// Keeps a result. It waits only while the queue is full.
    pub(crate) async fn push(&self, result: ProbeResult) -> Result<(), SpoolGone> {
        self.send(Command::Push(Box::new(result))).await
    }

    /// Everything of `epoch` up to `through` is at the aggregator. An ack of another epoch is not ours any more.
    pub(crate) async fn acked(&self, epoch: Epoch, through: Seq) -> Result<(), SpoolGone> {
        self.send(Command::Acked(epoch, through)).await
    }

    /// Results after `after` with consecutive places, at most `max`; all of them are in the file by now if it can be written.
    pub(crate) async fn batch(&self, after: Seq, max: usize) -> Result<Option<Run>, SpoolGone> {
        self.ask(|reply| Command::Batch { after, max, reply }).await
    }

    /// Takes in what a Welcome says; `false` when a new epoch had to begin and the session must too.
    pub(crate) async fn settle(&self, acked_through: Seq) -> Result<bool, SpoolGone> {
        self.ask(|reply| Command::Settle { acked_through, reply }).await
    }

    /// Moves a result that the aggregator will never accept to the file of refused results. `false` when it is not the oldest.
    pub(crate) async fn take_refused(&self, seq: Seq) -> Result<bool, SpoolGone> {
        self.ask(|reply| Command::TakeRefused { seq, reply }).await
    }

    /// What a Hello says. Everything pushed before is in the file then, if it can be written.
    pub(crate) async fn report(&self) -> Result<SpoolReport, SpoolGone> {
        self.ask(Command::Report).await
    }

    /// Changes with every result that is in the file, and when an epoch begins.
    pub(crate) fn watch(&self) -> watch::Receiver<Mark> {
        self.mark.clone()
    }

    async fn send(&self, command: Command) -> Result<(), SpoolGone> {
        self.commands.send(command).await.map_err(|_| SpoolGone)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, SpoolGone> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| SpoolGone)
    }
}

/// The thread: takes what has come, writes it together, tells who waits.
fn run(mut book: Book, mut queue: mpsc::Receiver<Command>, mark: &watch::Sender<Mark>, quarantine: &Path) {
    while let Some(first) = queue.blocking_recv() {
        handle(&mut book, first, quarantine);
        for _ in 1..QUEUE {
            let Ok(next) = queue.try_recv() else { break };
            handle(&mut book, next, quarantine);
        }
        book.flush();
        mark.send_if_modified(|old| std::mem::replace(old, book.mark()) != book.mark());
    }
}

/// Does what one command says. Nobody waits for an answer any more when sending it fails, which is no harm.
fn handle(book: &mut Book, command: Command, quarantine: &Path) {
    match command {
        Command::Push(result) => book.push(*result),
        Command::Acked(epoch, through) => {
            if epoch == book.mark().0 {
                book.acked(through);
            }
        }
        Command::Batch { after, max, reply } => {
            book.flush();
            let _ = reply.send(book.batch(after, max));
        }
        Command::Settle { acked_through, reply } => {
            let _ = reply.send(book.settle(acked_through));
        }
        Command::TakeRefused { seq, reply } => {
            let taken = book.take_refused(seq);
            if let Some(result) = &taken {
                keep_refused(quarantine, book.mark().0, seq, result);
            }
            let _ = reply.send(taken.is_some());
        }
        Command::Report(reply) => {
            book.flush();
            let _ = reply.send(book.report());
        }
    }
}

/// Appends a line to the file of refused results: epoch, seq, outcome, target, the encoded result in base64.
fn keep_refused(path: &Path, epoch: Epoch, seq: Seq, result: &ProbeResult) {
    let row = BASE64.encode(&disk::encode_row(result));
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
