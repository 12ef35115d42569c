//! Compressing a document on its way (RFC 9110 §8.4).
//!
//! Compression and encryption together can give a secret away to somebody who sees the length of an answer and can
//! put guesses into it (CRIME, BREACH). Only readings are compressed. They hold measures and names of one experiment,
//! all of which the reader may see, and nothing of the request but its `format`; no token, and nothing of other
//! users or experiments. So there is nothing to guess.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::Stream;
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::BrokenDocument;
use crate::weighted::{Weight, preferences};

/// Bytes below which nothing is gained: they fit into one packet of the network anyway.
pub(super) const WORTHWHILE: usize = 1_400;
/// Bytes after which compressed data are handed on.
const CHUNK: usize = 16 * 1024;
/// What is lost in size by the fastest level of each is little beside what it gains in time: readings are
/// repetitive.
const ZSTD_LEVEL: i32 = 1;

/// How a document is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Gzip,
}

impl Coding {
    /// The better ones first.
    const ALL: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// The coding that the client likes best, if it likes one at least as much as none.
    pub(crate) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let preferences = preferences(headers, ACCEPT_ENCODING)?;
        let weight_of = |name: &str| {
            let named = preferences.iter().filter(|each| each.what == name).map(|each| each.weight);
            named.max()
        };
        let others = weight_of("*");
        // Not to compress is always allowed, but never better than what is asked for.
        let none = weight_of("identity").unwrap_or(0);
        let weighted = Self::ALL.map(|coding| (coding, coding.weight(weight_of).or(others).unwrap_or(0)));
        let best = weighted.into_iter().rev().max_by_key(|(_, weight)| *weight)?;
        (best.1 > 0 && best.1 >= none).then_some(best.0)
    }

    fn weight(self, weight_of: impl Fn(&str) -> Option<Weight>) -> Option<Weight> {
        match self {
            Self::Zstd => weight_of("zstd"),
            Self::Gzip => weight_of("gzip").max(weight_of("x-gzip")),
        }
    }

    /// The name in `Content-Encoding`.
    pub(super) const fn header(self) -> HeaderValue {
        match self {
            Self::Zstd => HeaderValue::from_static("zstd"),
            Self::Gzip => HeaderValue::from_static("gzip"),
        }
    }

    /// A whole document, compressed.
    pub(super) fn compress(self, document: &[u8]) -> io::Result<Vec<u8>> {
        let mut compressor = Compressor::new(self)?;
        compressor.write(document)?;
        compressor.end()?;
        Ok(compressor.take())
    }
}

/// Compresses what is written to it.
pub(super) enum Compressor {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Compressor {
    /// Fails only where there is no memory for it.
    pub(super) fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Coding::Zstd => Self::Zstd(zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(gzip) => gzip.write_all(piece),
            Self::Zstd(zstd) => zstd.write_all(piece),
        }
    }

    /// Gives out all that came in.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(gzip) => gzip.flush(),
            Self::Zstd(zstd) => zstd.flush(),
        }
    }

    /// Ends the document, which is not whole otherwise.
    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(gzip) => gzip.try_finish(),
            Self::Zstd(zstd) => zstd.do_finish(),
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(gzip) => gzip.get_mut(),
            Self::Zstd(zstd) => zstd.get_mut(),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.out())
    }
}

/// The pieces of a document, compressed. Whatever breaks the document off breaks this off as well, without an end
/// that would make it look whole.
pub(super) struct Compressed<S> {
    pieces: S,
    compressor: Compressor,
    /// Whether something came in that has not been given out.
    holds_back: bool,
    is_over: bool,
}

impl<S> Compressed<S> {
    pub(super) const fn new(pieces: S, compressor: Compressor) -> Self {
        Self { pieces, compressor, holds_back: false, is_over: false }
    }

    fn broken(&mut self, why: BrokenDocument) -> Poll<Option<Result<Bytes, BrokenDocument>>> {
        self.is_over = true;
        Poll::Ready(Some(Err(why)))
    }

    /// Notes what came in, or that nothing did for now or ever, and tells whether to hand something on.
    fn advance(&mut self, next: &Poll<Option<Bytes>>) -> io::Result<bool> {
        match next {
            Poll::Ready(Some(piece)) => {
                self.compressor.write(piece)?;
                self.holds_back = true;
                return Ok(self.compressor.out().len() >= CHUNK);
            }
            Poll::Ready(None) => {
                self.compressor.end()?;
                self.is_over = true;
            }
            // The client need not wait for what is there.
            Poll::Pending if self.holds_back => {
                self.compressor.flush()?;
                self.holds_back = false;
            }
            Poll::Pending => {}
        }
        Ok(!self.compressor.out().is_empty())
    }
}

impl<S> Stream for Compressed<S>
where
    S: Stream<Item = Result<Bytes, BrokenDocument>> + Unpin,
{
    type Item = Result<Bytes, BrokenDocument>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.is_over {
            let next = match Pin::new(&mut this.pieces).poll_next(context) {
                Poll::Ready(Some(Err(error))) => return this.broken(error),
                Poll::Ready(Some(Ok(piece))) => Poll::Ready(Some(piece)),
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            };
            match this.advance(&next) {
                Err(error) => return this.broken(BrokenDocument::NotCompressed(error)),
                Ok(true) => return Poll::Ready(Some(Ok(this.compressor.take().into()))),
                Ok(false) if next.is_pending() => return Poll::Pending,
                Ok(false) => {}
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &'static str) -> Option<Coding> {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accept))]);
        Coding::wanted(&headers)
    }

    #[test]
    fn nothing_is_compressed_unless_the_client_says_that_it_understands_it() {
        assert_eq!(Coding::wanted(&HeaderMap::new()), None);
        for accept in [
            "",
            "identity",
            "br",
            "deflate",
            "gzip;q=0",
            "*;q=0",
            "identity, gzip;q=0.5",
            "zstd;q=0, gzip;q=0",
        ] {
            assert_eq!(wanted(accept), None, "{accept}");
        }
    }

    #[test]
    fn the_coding_that_the_client_likes_best_is_taken() {
        for (accept, coding) in [
            ("gzip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("gzip, deflate, br", Coding::Gzip),
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("zstd;q=0.5, gzip", Coding::Gzip),
            ("*", Coding::Zstd),
            ("*, zstd;q=0", Coding::Gzip),
            ("identity;q=0.5, GZIP;q=0.5", Coding::Gzip),
            ("gzip;q=0.001", Coding::Gzip),
        ] {
            assert_eq!(wanted(accept), Some(coding), "{accept}");
        }
    }
}
