//! A stream of chunks as a document.
//!
//! The next chunk is read while the present one is encoded and sent, and no further one, so a slow
//! client slows the reading down. A client that disconnects drops the body, which ends the
//! reading. A failure becomes an error of the body, so that the connection breaks instead of ending
//! an incomplete document.

mod compression;

use std::sync::Arc;

use axum::body::Body;
use axum::response::{AppendHeaders, IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use http::header::CONTENT_ENCODING;
use mymonit_services::ServiceError;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tracing::{Instrument, Span};

pub(crate) use compression::Coding;
use compression::{MIN_BYTES, Output, PIECE};

/// Chunks that are read from the database as they are asked for.
pub(crate) type Chunks<T> = BoxStream<'static, Result<T, ServiceError>>;

/// Writes the records of chunks.
pub(crate) trait Encoder: Send + 'static {
    /// Some records.
    type Chunk: Send + 'static;

    /// Writes what precedes the first record.
    fn begin(&mut self, out: &mut Vec<u8>);
    /// Writes the record of that index in the chunk; `false` if the chunk has no such record.
    fn record(&mut self, chunk: &Self::Chunk, index: usize, out: &mut Vec<u8>) -> Result<bool, ServiceError>;
    /// Writes what follows the last record; without it the document is incomplete.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ServiceError>;
    /// Takes note that the document cannot be completed.
    fn fail(&mut self) {}
}

/// The body of an answer, compressed if it is worthwhile, with its `Content-Encoding`.
///
/// # Errors
/// Those of the first chunk, while the status is not sent yet.
pub(crate) async fn document<E: Encoder>(
    mut chunks: Chunks<E::Chunk>,
    encoder: E,
    coding: Option<Coding>,
) -> Result<Response, ServiceError> {
    let mut document = Document { encoder, chunk: None, index: 0, rest: None, out: Output::new(coding) };
    document.encoder.begin(&mut document.out.text);
    match chunks.next().await.transpose() {
        Ok(first) => document.chunk = first,
        Err(error) => return Err(document.failed(error)),
    }
    // Most readings have one chunk, which is known without waiting.
    match chunks.next().now_or_never() {
        Some(None) => {}
        second => document.rest = Some(read_ahead(stream::iter(second.flatten()).chain(chunks).boxed())),
    }
    document.fill()?;
    let is_whole = document.chunk.is_none() && document.rest.is_none();
    if is_whole {
        document.end()?;
    }
    if is_whole && document.out.text.len() < MIN_BYTES {
        return Ok(Body::from(document.out.text).into_response());
    }
    let encoding = document.out.encoding().map(|encoding| (CONTENT_ENCODING, encoding));
    let body = match is_whole {
        // With a `Content-Length`.
        true => Body::from(document.out.end().map_err(|error| ServiceError::Internal(Arc::new(error)))?),
        false => Body::from_stream(stream::try_unfold(Some(document), |document| async move {
            match document {
                Some(document) => document.piece().await.map(Some),
                None => Ok(None),
            }
        })),
    };
    Ok((AppendHeaders(encoding), body).into_response())
}

/// A chunk, an error, or `None` at the end: a channel that is merely closed means that the task
/// panicked.
type Next<T> = Option<Result<T, ServiceError>>;

fn read_ahead<T: Send + 'static>(chunks: Chunks<T>) -> mpsc::Receiver<Next<T>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(read(chunks, sender).instrument(Span::current()));
    receiver
}

async fn read<T>(mut chunks: Chunks<T>, sender: mpsc::Sender<Next<T>>) {
    // A place is reserved before the chunk is read, so that only one is read ahead.
    while let Ok(place) = sender.reserve().await {
        let chunk = tokio::select! {
            biased;
            () = sender.closed() => return,
            chunk = chunks.next() => chunk,
        };
        let is_last = !matches!(chunk, Some(Ok(_)));
        place.send(chunk);
        if is_last {
            return;
        }
    }
}

/// Why a document is incomplete.
#[derive(Debug, Error)]
pub(crate) enum BrokenDocument {
    #[error("the reading failed on the way")]
    Failed(#[from] ServiceError),
    #[error("the task that reads panicked")]
    Panicked,
    #[error("compression failed")]
    Compression(#[from] std::io::Error),
}

struct Document<E: Encoder> {
    encoder: E,
    /// The current chunk.
    chunk: Option<E::Chunk>,
    /// Its next record.
    index: usize,
    /// The chunks after that one, if there are any.
    rest: Option<mpsc::Receiver<Next<E::Chunk>>>,
    out: Output,
}

impl<E: Encoder> Document<E> {
    /// Encodes the current chunk, up to one piece.
    fn fill(&mut self) -> Result<(), ServiceError> {
        while self.out.text.len() < PIECE
            && let Some(chunk) = &self.chunk
        {
            match self.encoder.record(chunk, self.index, &mut self.out.text) {
                Ok(true) => self.index += 1,
                Ok(false) => (self.chunk, self.index) = (None, 0),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    /// The next piece, and the document unless that was the last one.
    async fn piece(mut self) -> Result<(Bytes, Option<Self>), BrokenDocument> {
        loop {
            self.fill()?;
            if self.out.text.len() >= PIECE {
                match self.out.piece()? {
                    Some(piece) => return Ok((piece, Some(self))),
                    None => continue,
                }
            }
            let Some(rest) = &mut self.rest else {
                self.end()?;
                return Ok((self.out.end()?, None));
            };
            let next = match rest.try_recv() {
                Ok(next) => Some(next),
                // The client need not wait for what is encoded.
                Err(TryRecvError::Empty) if self.out.holds_back() => {
                    return Ok((self.out.flush()?, Some(self)));
                }
                Err(_) => rest.recv().await,
            };
            match next {
                Some(Some(Ok(chunk))) => self.chunk = Some(chunk),
                Some(Some(Err(error))) => return Err(self.failed(error).into()),
                Some(None) => self.rest = None,
                None => {
                    self.encoder.fail();
                    return Err(BrokenDocument::Panicked);
                }
            }
        }
    }

    /// Encodes what follows the last record.
    fn end(&mut self) -> Result<(), ServiceError> {
        match self.encoder.end(&mut self.out.text) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&mut self, error: ServiceError) -> ServiceError {
        self.encoder.fail();
        error
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Any number of chunks, counted.
    fn counted() -> (Chunks<()>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let chunks = stream::repeat_with(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        (chunks.boxed(), count)
    }

    /// Lets all other tasks run as far as they come.
    async fn others_run() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_chunk_is_read_ahead_and_the_next_when_it_is_taken() {
        let (chunks, count) = counted();
        let mut rest = read_ahead(chunks);
        for taken in 1..5 {
            others_run().await;
            assert_eq!(count.load(Ordering::SeqCst), taken);
            assert!(matches!(rest.recv().await, Some(Some(Ok(())))));
        }
    }

    #[tokio::test]
    async fn nothing_is_read_for_a_client_that_has_left() {
        let (chunks, count) = counted();
        drop(read_ahead(chunks));
        others_run().await;
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
