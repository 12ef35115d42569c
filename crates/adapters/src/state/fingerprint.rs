use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// The bytes at the start of a file that identify it.
const HEAD_BYTES: usize = 1_024;
/// The last bytes read that identify the position.
const TAIL_BYTES: usize = 256;

/// A hash of a range of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    start: u64,
    length: u64,
    sha256: String,
}

impl Fingerprint {
    fn of(start: u64, bytes: &[u8]) -> Self {
        let hash = digest(&SHA256, bytes);
        let sha256 = hash.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Self { start, length: bytes.len() as u64, sha256 }
    }

    fn end(&self) -> u64 {
        self.start + self.length
    }

    /// Whether a file has the same bytes in the same range.
    fn fits(&self, file: &File) -> io::Result<bool> {
        let mut bytes = vec![0; usize::try_from(self.length).map_err(io::Error::other)?];
        match file.read_exact_at(&mut bytes, self.start) {
            Ok(()) => Ok(self.length == 0 || Self::of(self.start, &bytes) == *self),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Fingerprints of the bytes read, to recognise a file under another name and to detect that it was
/// rewritten. Taken while reading, since the file may have changed afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The start of the file.
    head: Fingerprint,
    /// The last bytes that were read.
    tail: Fingerprint,
}

impl Seen {
    /// Adds bytes that have been read at `start`.
    pub(crate) fn note(&mut self, start: u64, bytes: &[u8]) {
        if start == 0 && bytes.len() as u64 > self.head.length {
            self.head = Fingerprint::of(0, &bytes[..bytes.len().min(HEAD_BYTES)]);
        }
        let end = start + bytes.len() as u64;
        if end > self.tail.end() {
            let last = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
            self.tail = Fingerprint::of(end - last.len() as u64, last);
        }
    }

    /// Whether a file starts with the same bytes, like a copy of any length.
    pub(crate) fn begins(&self, file: &File) -> io::Result<bool> {
        Ok(self.head.length > 0 && self.head.fits(file)?)
    }

    /// Whether a file has both ranges unchanged.
    pub(crate) fn fits(&self, file: &File) -> io::Result<bool> {
        Ok(self.head.fits(file)? && self.tail.fits(file)?)
    }

    /// The fingerprints of the first `length` bytes of a file.
    pub(crate) fn of(file: &File, length: u64) -> io::Result<Self> {
        let mut this = Self::default();
        let mut bytes = vec![0; HEAD_BYTES.min(usize::try_from(length).unwrap_or(HEAD_BYTES))];
        file.read_exact_at(&mut bytes, 0)?;
        this.note(0, &bytes);
        let mut bytes = vec![0; TAIL_BYTES.min(usize::try_from(length).unwrap_or(TAIL_BYTES))];
        let start = length - bytes.len() as u64;
        file.read_exact_at(&mut bytes, start)?;
        this.note(start, &bytes);
        Ok(this)
    }
}
