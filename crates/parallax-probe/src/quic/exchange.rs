//! One request over HTTP/3 (RFC 9114) and its answer, under the same limits as over TCP.

use std::future::poll_fn;
use std::task::Poll;

use bytes::{Buf as _, Bytes};
use h3::client::{Connection as Http3, RequestStream, SendRequest};
use h3::error::{ConnectionError as H3ConnectionError, StreamError};
use http::Response;
use parallax_model::{HttpFailure, Party, Protocol, QuicFailure};
use quinn::ConnectionError;

use super::{Session, failed as quic_failed};
use crate::exchange::{
    Answer, Begun, MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_HEADER_LINES, MAX_INFORMATIONAL, Reading, failed,
    request,
};
use crate::hop::Hop;
use crate::progress::{Progress, Stage, StageFailure};

/// What each header line counts for beside its bytes (RFC 9114, 4.2.2).
const LINE_OVERHEAD: usize = 32;
/// Most bytes on the wire until the final head is there. The library holds a frame until it is whole and knows no limit of its
/// own, so this is the limit of what a server can make us hold.
const MAX_HEAD_WIRE_BYTES: u64 = 4 * MAX_HEADER_BYTES as u64;
/// Most bytes on the wire for the part of a body that is read: padding and frames without meaning count, too.
const MAX_BODY_WIRE_BYTES: u64 = 4 * MAX_BODY_BYTES as u64;

type Sender = SendRequest<h3_quinn::OpenStreams, Bytes>;
type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// Sends the request over a fresh connection and reads the answer.
pub(crate) async fn exchange(
    session: Session,
    hop: &Hop<'_>,
    progress: &mut Progress,
) -> Result<Answer, StageFailure> {
    let mut http = Http { session, driver: None, limit: MAX_HEAD_WIRE_BYTES };
    let answer = http.converse(hop, progress).await;
    http.session.close().await;
    answer
}

/// HTTP/3 over a session. Its connection-wide streams are worked on only while we wait for something.
struct Http {
    session: Session,
    driver: Option<Http3<h3_quinn::Connection, Bytes>>,
    /// Bytes on the wire after which we hear no more.
    limit: u64,
}

impl Http {
    async fn converse(&mut self, hop: &Hop<'_>, progress: &mut Progress) -> Result<Answer, StageFailure> {
        progress.begin(Stage::FirstByte);
        let limit = hop.settings.deadlines.first_byte;
        let head = match tokio::time::timeout(limit, Box::pin(self.head(hop))).await {
            Ok(head) => head,
            Err(_) => Err(failed(HttpFailure::Timeout, Party::Target)),
        };
        progress.end();
        // The sender is kept: dropping it closes the connection.
        let (_sender, mut stream, response) = head?;
        let (parts, ()) = response.into_parts();
        let mut begun = Begun::new(parts, progress)?;
        let Some(until) = begun.read_until(hop, progress) else { return Ok(begun.led_elsewhere()) };
        progress.begin(Stage::Body);
        self.limit = self.session.received() + MAX_BODY_WIRE_BYTES;
        let promised = begun.promised();
        let reading = self.read(&mut stream, &mut begun.reading, promised);
        let ended = tokio::time::timeout_at(until, reading).await;
        progress.end();
        begun.end(ended.ok())
    }

    /// Sends the request and waits for the head of the final answer.
    async fn head(&mut self, hop: &Hop<'_>) -> Result<(Sender, Stream, Response<()>), StageFailure> {
        let request = request(Protocol::H3, hop)?;
        let connection = h3_quinn::Connection::new(self.session.connection.clone());
        let mut builder = h3::client::builder();
        let lines = (MAX_HEADER_BYTES + LINE_OVERHEAD * MAX_HEADER_LINES) as u64;
        builder.max_field_section_size(lines).send_grease(false);
        let built = self.session.drive(builder.build(connection)).await?;
        let (driver, mut sender) = built.map_err(|error| self.of_connection(&error))?;
        self.driver = Some(driver);
        let sent = self.drive(sender.send_request(request)).await?;
        let mut stream = sent.map_err(|error| self.of_stream(&error))?;
        // A server may answer without waiting for the end of the request; what is wrong is told by the answer.
        drop(self.drive(stream.finish()).await?);
        for _ in 0..=MAX_INFORMATIONAL {
            let response = self.drive(stream.recv_response()).await?;
            let response = response.map_err(|error| self.of_stream(&error))?;
            if !response.status().is_informational() {
                return Ok((sender, stream, response));
            }
        }
        Err(failed(HttpFailure::Protocol, Party::Target).said("too many informational answers"))
    }

    /// Reads the body to its end, or to as much as is wanted.
    async fn read(
        &mut self,
        stream: &mut Stream,
        reading: &mut Reading,
        promised: Option<u64>,
    ) -> Result<(), StageFailure> {
        loop {
            let piece = self
                .drive(stream.recv_data())
                .await?
                .map(|piece| piece.map(|mut piece| piece.copy_to_bytes(piece.remaining())));
            match piece {
                Ok(Some(bytes)) => {
                    if !reading.take(&bytes) {
                        return Ok(());
                    }
                }
                Ok(None) if promised.is_some_and(|length| length != reading.length()) => {
                    let told = "the body has another length than the head says";
                    return Err(failed(HttpFailure::Protocol, Party::Target).said(told));
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.of_stream(&error)),
            }
        }
    }

    /// Works on the connection until `wanted` is there, or the peer has sent more than it may.
    async fn drive<F: Future>(&mut self, wanted: F) -> Result<F::Output, StageFailure> {
        let mut wanted = std::pin::pin!(wanted);
        poll_fn(|cx| {
            if let Err(moved) = self.session.work(cx) {
                return Poll::Ready(Err(moved));
            }
            // Once it has ended, its reason reaches us through the stream.
            if let Some(driver) = &mut self.driver
                && driver.poll_close(cx).is_ready()
            {
                self.driver = None;
            }
            if let Poll::Ready(there) = wanted.as_mut().poll(cx) {
                return Poll::Ready(Ok(there));
            }
            if self.session.received() > self.limit {
                return Poll::Ready(Err(failed(HttpFailure::TooLarge, Party::Target)));
            }
            Poll::Pending
        })
        .await
    }

    /// What the end of the connection means.
    fn of_connection(&self, error: &H3ConnectionError) -> StageFailure {
        match self.session.connection.close_reason() {
            Some(ConnectionError::TimedOut) => failed(HttpFailure::Timeout, Party::Target),
            // We closed it because of what was said: the error says what.
            None | Some(ConnectionError::LocallyClosed) => {
                failed(HttpFailure::Protocol, Party::Target).told(error)
            }
            Some(reason) => quic_failed(QuicFailure::Closed, Party::Target).told(&reason),
        }
    }

    /// What an error of the request's stream means.
    fn of_stream(&self, error: &StreamError) -> StageFailure {
        match error {
            StreamError::HeaderTooBig { .. } => failed(HttpFailure::TooLarge, Party::Target),
            StreamError::RemoteTerminate { .. } => failed(HttpFailure::Reset, Party::Target).told(error),
            StreamError::RemoteClosing { .. } => quic_failed(QuicFailure::Closed, Party::Target).told(error),
            StreamError::ConnectionError { 0: error, .. } => self.of_connection(error),
            _ => failed(HttpFailure::Protocol, Party::Target).told(error),
        }
    }
}
