//! Compresses a document (RFC 9110 §8.4).
//!
//! Compression under encryption can reveal a secret to an observer who adds guesses to it and sees
//! the length of the answer (CRIME, BREACH). Only readings are compressed. They hold measures and
//! names of one experiment, which the reader may see, and of the request nothing but its `format`:
//! no token, and nothing of other users or experiments.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

use crate::weighted::{Weight, preferences};

/// Bytes after which a piece of the document is handed on.
pub(super) const PIECE: usize = 64 * 1024;
/// Bytes below which compression gains nothing: they fit into one packet of the network.
pub(super) const MIN_BYTES: usize = 1_400;
/// Bytes after which compressed data are handed on.
const COMPRESSED_PIECE: usize = 16 * 1024;
/// Readings are repetitive: higher levels save little space and take much time.
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
}

/// The text of a document in transit, compressed if the client accepts that.
pub(super) struct Output {
    /// What has been written since the last piece.
    pub(super) text: Vec<u8>,
    compressor: Option<Compressor>,
    /// Whether the compressor has text that it has not given out.
    is_pending: bool,
}

enum Compressor {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Output {
    /// Without compression also where there is no memory for it.
    pub(super) fn new(coding: Option<Coding>) -> Self {
        let compressor = coding.and_then(|coding| match coding {
            Coding::Gzip => Some(Compressor::Gzip(GzEncoder::new(Vec::new(), Compression::fast()))),
            Coding::Zstd => zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).ok().map(Compressor::Zstd),
        });
        Self { text: Vec::with_capacity(4 * 1024), compressor, is_pending: false }
    }

    /// The `Content-Encoding`.
    pub(super) fn encoding(&self) -> Option<HeaderValue> {
        self.compressor.as_ref().map(|compressor| match compressor {
            Compressor::Zstd(_) => HeaderValue::from_static("zstd"),
            Compressor::Gzip(_) => HeaderValue::from_static("gzip"),
        })
    }

    pub(super) fn holds_back(&self) -> bool {
        self.is_pending || !self.text.is_empty()
    }

    /// Takes what is to be handed on of the text, if it is enough.
    pub(super) fn piece(&mut self) -> io::Result<Option<Bytes>> {
        self.compress()?;
        let is_enough = self.compressor.as_mut().is_none_or(|it| it.compressed().len() >= COMPRESSED_PIECE);
        Ok(is_enough.then(|| self.take()))
    }

    /// Takes all that has been written.
    pub(super) fn flush(&mut self) -> io::Result<Bytes> {
        self.compress()?;
        match &mut self.compressor {
            Some(Compressor::Gzip(gzip)) => gzip.flush()?,
            Some(Compressor::Zstd(zstd)) => zstd.flush()?,
            None => {}
        }
        self.is_pending = false;
        Ok(self.take())
    }

    /// Takes the rest. Without it compressed text is incomplete.
    pub(super) fn end(&mut self) -> io::Result<Bytes> {
        self.compress()?;
        match &mut self.compressor {
            Some(Compressor::Gzip(gzip)) => gzip.try_finish()?,
            Some(Compressor::Zstd(zstd)) => zstd.do_finish()?,
            None => {}
        }
        Ok(self.take())
    }

    fn compress(&mut self) -> io::Result<()> {
        match &mut self.compressor {
            Some(Compressor::Gzip(gzip)) => gzip.write_all(&self.text)?,
            Some(Compressor::Zstd(zstd)) => zstd.write_all(&self.text)?,
            None => return Ok(()),
        }
        self.text.clear();
        self.is_pending = true;
        Ok(())
    }

    fn take(&mut self) -> Bytes {
        match &mut self.compressor {
            Some(compressor) => std::mem::take(compressor.compressed()),
            // With room for the record that completes the piece.
            None => std::mem::replace(&mut self.text, Vec::with_capacity(PIECE + 1024)),
        }
        .into()
    }
}

impl Compressor {
    fn compressed(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(gzip) => gzip.get_mut(),
            Self::Zstd(zstd) => zstd.get_mut(),
        }
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
    fn responses_are_compressed_only_with_accept_encoding() {
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
