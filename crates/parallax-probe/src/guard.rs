//! A connection that hears only so much: what the HTTP library would take for ever ends here.
//!
//! The library bounds heads, chunks and windows. It does not bound what says nothing: zeros before the size of a chunk, informational
//! answers over HTTP/2 (which it holds), and frames that are neither head nor body.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parallax_model::Protocol;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::exchange::{MAX_BODY_BYTES, MAX_INFORMATIONAL};

/// Most bytes of one answer on the wire: the part of a body that is read, in pieces of one byte each, and its head.
const MAX_WIRE_BYTES: usize = 16 * MAX_BODY_BYTES;
/// Most HTTP/2 frames that are not DATA. An ordinary answer has fewer than ten.
const MAX_CONTROL_FRAMES: usize = 100;
/// Most HEADERS frames that leave the stream open: those of informational answers, and of the final one.
const MAX_OPEN_HEADERS: usize = MAX_INFORMATIONAL + 1;
/// Length of a frame's head (RFC 9113, 4.1).
const FRAME_HEAD: usize = 9;
/// Frame types and the flag that ends a stream (RFC 9113, 6.1 and 6.2).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// A connection under guard.
pub(crate) struct Guarded<S> {
    inner: S,
    heard: usize,
    frames: Option<Frames>,
    moments: Moments,
}

impl<S> Guarded<S> {
    pub(crate) fn new(inner: S, protocol: Protocol, moments: Moments) -> Self {
        Self { inner, heard: 0, frames: (protocol == Protocol::H2).then(Frames::default), moments }
    }
}

/// When the request left and when its answer began, taken where the bytes pass: what the HTTP library does before and after
/// is no part of a site's time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moments(Arc<Mutex<[Option<Instant>; 2]>>);

impl Moments {
    const SENT: usize = 0;
    const HEARD: usize = 1;

    fn note(&self, which: usize) {
        let mut moments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moments[which].get_or_insert_with(Instant::now);
    }

    /// From the first write to the first byte of the answer (over HTTP/2: to its first HEADERS frame).
    pub(crate) fn first_byte(&self) -> Option<Duration> {
        let [sent, heard] = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard?.checked_duration_since(sent?)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        this.heard += new.len();
        if this.heard > MAX_WIRE_BYTES {
            return Poll::Ready(Err(io::Error::other("the answer is padded without end")));
        }
        let begun = match &mut this.frames {
            Some(frames) => frames.take(new)?,
            None => !new.is_empty(),
        };
        if begun {
            this.moments.note(Moments::HEARD);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.moments.note(Moments::SENT);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, bufs))?;
        this.moments.note(Moments::SENT);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Counts frames as they go by.
#[derive(Default)]
struct Frames {
    head: [u8; FRAME_HEAD],
    /// How much of the head is there.
    filled: usize,
    /// How much of the payload is still to come.
    payload: usize,
    control: usize,
    open_headers: usize,
}

impl Frames {
    /// Takes bytes; true when the head of an answer is among them.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        let mut answers = false;
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (FRAME_HEAD - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + wanted].copy_from_slice(&bytes[..wanted]);
            self.filled += wanted;
            bytes = &bytes[wanted..];
            if self.filled == FRAME_HEAD {
                self.filled = 0;
                answers |= self.count()?;
            }
        }
        Ok(answers)
    }

    /// Counts the frame whose head is complete; true when it begins an answer.
    fn count(&mut self) -> io::Result<bool> {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.control += usize::from(kind != DATA);
        self.open_headers += usize::from(kind == HEADERS && flags & END_STREAM == 0);
        if self.open_headers > MAX_OPEN_HEADERS {
            return Err(io::Error::other("too many informational answers"));
        }
        if self.control > MAX_CONTROL_FRAMES {
            return Err(io::Error::other("too many frames that carry nothing"));
        }
        Ok(kind == HEADERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [.., high, low] = payload.len().to_be_bytes();
        [&[0, high, low, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        const PING: u8 = 6;
        let data = frame(DATA, 0, &[7; 300]).repeat(500);
        let fits = [frame(PING, 0, &[0; 8]).repeat(MAX_CONTROL_FRAMES), data.clone()].concat();
        let pings = frame(PING, 0, &[0; 8]).repeat(MAX_CONTROL_FRAMES + 1);
        let heads = frame(HEADERS, 0, &[0x88]).repeat(MAX_OPEN_HEADERS);
        let ended = [heads.clone(), frame(HEADERS, END_STREAM, &[0x88])].concat();
        let open = [heads, frame(HEADERS, 0, &[0x88])].concat();
        for (bytes, passes) in [(data, true), (fits, true), (pings, false), (ended, true), (open, false)] {
            for size in [1, 5, 9, 10, 4_096, bytes.len()] {
                let mut frames = Frames::default();
                let taken = bytes.chunks(size).try_for_each(|piece| frames.take(piece).map(drop));
                assert_eq!(taken.is_ok(), passes, "{} bytes by {size}", bytes.len());
            }
        }
    }

    #[test]
    fn an_answer_over_http_2_begins_with_its_headers_and_not_with_settings() {
        const SETTINGS: u8 = 4;
        let mut frames = Frames::default();
        let began: Vec<bool> =
            [frame(SETTINGS, 0, &[0; 6]), frame(HEADERS, 0, &[0x88]), frame(DATA, 1, b"x")]
                .iter()
                .map(|bytes| frames.take(bytes).expect("few frames"))
                .collect();
        assert_eq!(began, [false, true, false]);
    }
}
