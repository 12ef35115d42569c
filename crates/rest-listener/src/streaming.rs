//! A reading on its way to the client.
//!
//! The next portion is read from the database while the present one is encoded and sent, and no more than
//! that one: a client that reads slowly slows the reading down, and memory stays flat. A client that goes
//! away drops the body, which ends the reading, also while the database works on it. A failure on the way
//! becomes an error of the body, so that the connection breaks instead of ending a document that is not whole.

mod compression;

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use http::header::CONTENT_ENCODING;
use mymonit_services::ServiceError;
use thiserror::Error;
use tokio::sync::mpsc;
use tracing::{Instrument, Span};

use crate::encoder::Encoder;
pub(crate) use compression::Coding;
use compression::{Compressed, Compressor};

/// Bytes after which a piece of the document is handed on.
const CHUNK: usize = 64 * 1024;
/// Room for the item that reaches [`CHUNK`], so that the buffer need not grow for it.
const CHUNK_CAPACITY: usize = CHUNK + 1024;

/// Portions of a reading, read from the database as they are asked for.
pub(crate) type Pages<T> = BoxStream<'static, Result<Vec<T>, ServiceError>>;

/// The items of `pages` as a document, compressed if that is worth while.
///
/// # Errors
/// What the first portion says, while there still is a status to say it with.
pub(crate) async fn document<E: Encoder>(
    mut pages: Pages<E::Item>,
    encoder: E,
    coding: Option<Coding>,
) -> Result<Encoded, ServiceError> {
    let first = pages.next().await.transpose()?.unwrap_or_default();
    // Most readings have one portion. Nothing is waited for to learn that.
    let rest = match pages.next().now_or_never() {
        Some(None) => Rest::Nothing,
        second => Rest::Ahead(read_ahead(stream::iter(second.flatten()).chain(pages).boxed())),
    };
    Ok(Document::new(encoder, first, rest).into_body(coding))
}

/// A document as the body of an answer.
pub(crate) struct Encoded {
    body: Body,
    /// How it is compressed.
    coding: Option<Coding>,
}

impl IntoResponse for Encoded {
    fn into_response(self) -> Response {
        let mut response = self.body.into_response();
        if let Some(coding) = self.coding {
            response.headers_mut().insert(CONTENT_ENCODING, coding.header());
        }
        response
    }
}

/// What the reading task hands on.
enum Portion<T> {
    Items(Vec<T>),
    /// There is no more. Said in words, because a channel that just closes may also mean that the task died.
    End,
    Failed(ServiceError),
}

fn read_ahead<T: Send + 'static>(pages: Pages<T>) -> mpsc::Receiver<Portion<T>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(read(pages, sender).instrument(Span::current()));
    receiver
}

async fn read<T>(mut pages: Pages<T>, sender: mpsc::Sender<Portion<T>>) {
    // A place is taken before the portion is read, so that only one is ever read ahead.
    while let Ok(place) = sender.reserve().await {
        let page = tokio::select! {
            biased;
            () = sender.closed() => return,
            page = pages.next() => page,
        };
        match page {
            Some(Ok(items)) => place.send(Portion::Items(items)),
            Some(Err(error)) => return place.send(Portion::Failed(error)),
            None => return place.send(Portion::End),
        }
    }
}

/// Why a document was not sent to its end.
#[derive(Debug, Error)]
pub(crate) enum BrokenDocument {
    #[error("the reading failed on the way")]
    Failed(#[source] ServiceError),
    #[error("the task that read died")]
    Died,
    #[error("it could not be compressed")]
    NotCompressed(#[source] std::io::Error),
}

/// What comes after the portion in hand.
enum Rest<T> {
    Nothing,
    Ahead(mpsc::Receiver<Portion<T>>),
    /// The document has been ended, or broken off.
    Over,
}

struct Document<E: Encoder> {
    encoder: E,
    items: std::vec::IntoIter<E::Item>,
    rest: Rest<E::Item>,
    out: Vec<u8>,
}

impl<E: Encoder> Document<E> {
    fn new(mut encoder: E, first: Vec<E::Item>, rest: Rest<E::Item>) -> Self {
        let mut out = Vec::with_capacity(CHUNK_CAPACITY.min(128 + first.len() * 128));
        encoder.begin(&mut out);
        Self { encoder, items: first.into_iter(), rest, out }
    }

    /// A document that is whole in its first piece gets a `Content-Length` with it.
    fn into_body(mut self, coding: Option<Coding>) -> Encoded {
        self.fill();
        if self.items.as_slice().is_empty() && matches!(self.rest, Rest::Nothing) {
            self.encoder.end(&mut self.out);
            let worthwhile = coding.filter(|_| self.out.len() >= compression::WORTHWHILE);
            return match worthwhile.and_then(|coding| Some((coding, coding.compress(&self.out).ok()?))) {
                Some((coding, compressed)) => Encoded { body: compressed.into(), coding: Some(coding) },
                None => Encoded { body: self.out.into(), coding: None },
            };
        }
        match coding.and_then(|coding| Some((coding, Compressor::new(coding).ok()?))) {
            Some((coding, compressor)) => {
                Encoded { body: Body::from_stream(Compressed::new(self, compressor)), coding: Some(coding) }
            }
            None => Encoded { body: Body::from_stream(self), coding: None },
        }
    }

    /// Encodes what is in hand, up to one piece.
    fn fill(&mut self) {
        while self.out.len() < CHUNK
            && let Some(item) = self.items.next()
        {
            self.encoder.item(&item, &mut self.out);
        }
    }

    fn piece(&mut self) -> Poll<Option<Result<Bytes, BrokenDocument>>> {
        let piece = std::mem::replace(&mut self.out, Vec::with_capacity(CHUNK_CAPACITY));
        Poll::Ready(Some(Ok(piece.into())))
    }

    fn broken(&mut self, why: BrokenDocument) -> Poll<Option<Result<Bytes, BrokenDocument>>> {
        self.rest = Rest::Over;
        Poll::Ready(Some(Err(why)))
    }
}

impl<E: Encoder> Stream for Document<E> {
    type Item = Result<Bytes, BrokenDocument>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            this.fill();
            if this.out.len() >= CHUNK {
                return this.piece();
            }
            let portion = match &mut this.rest {
                Rest::Over => return Poll::Ready(None),
                Rest::Nothing => {
                    this.encoder.end(&mut this.out);
                    this.rest = Rest::Over;
                    return this.piece();
                }
                Rest::Ahead(portions) => match portions.poll_recv(context) {
                    Poll::Ready(portion) => portion,
                    // The client need not wait for what is there.
                    Poll::Pending if !this.out.is_empty() => return this.piece(),
                    Poll::Pending => return Poll::Pending,
                },
            };
            match portion {
                Some(Portion::Items(items)) => this.items = items.into_iter(),
                Some(Portion::End) => this.rest = Rest::Nothing,
                Some(Portion::Failed(error)) => return this.broken(BrokenDocument::Failed(error)),
                None => return this.broken(BrokenDocument::Died),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// As many empty portions as anybody wants, counted.
    fn counted() -> (Pages<()>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let pages = stream::repeat_with(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Vec::new())
        });
        (pages.boxed(), count)
    }

    /// Lets all other tasks run as far as they come.
    async fn others_run() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_portion_is_read_ahead_and_the_next_when_it_is_taken() {
        let (pages, count) = counted();
        let mut portions = read_ahead(pages);
        for taken in 1..5 {
            others_run().await;
            assert_eq!(count.load(Ordering::SeqCst), taken);
            assert!(matches!(portions.recv().await, Some(Portion::Items(_))));
        }
    }

    #[tokio::test]
    async fn nothing_is_read_for_a_client_that_has_left() {
        let (pages, count) = counted();
        drop(read_ahead(pages));
        others_run().await;
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
