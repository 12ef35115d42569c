//! The text of a source, as the parsers read it: in UTF-8, without a byte order mark, with its place in the source.

pub(crate) mod encoding;

use std::io;

use encoding::{SourceEncoding, Transcoder};

use crate::record::Place;

/// As much as is read at once.
const READ: usize = 128 << 10;

/// Where the bytes of a source come from. Reading waits until there are some.
pub(crate) trait Bytes {
    /// As [`io::Read::read`]; 0 means that there will never be more.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Goes on reading from there.
    fn seek(&mut self, offset: u64) -> io::Result<()>;
}

/// A window onto the text of a source.
pub(crate) struct Input {
    bytes: Box<dyn Bytes>,
    encoding: SourceEncoding,
    transcoder: Option<Transcoder>,
    /// What has been read and not yet consumed lies from `start` on.
    buffer: Vec<u8>,
    start: usize,
    raw: Vec<u8>,
    /// Where in the source that ends which has been read.
    raw_end: u64,
    at_end: bool,
    /// Where the window begins: in the source, and for people.
    offset: u64,
    line: u64,
    column: u64,
}

impl Input {
    /// Begins at the start of a source. The encoding is the given one, or else what a byte order mark says, or else
    /// what `hint` makes of the first bytes, or else UTF-8.
    pub(crate) fn open(
        bytes: Box<dyn Bytes>,
        encoding: Option<SourceEncoding>,
        hint: fn(&[u8]) -> Hint,
    ) -> io::Result<Self> {
        let mut this = Self {
            bytes,
            encoding: SourceEncoding::UTF_8,
            transcoder: None,
            buffer: Vec::new(),
            start: 0,
            raw: vec![0; READ],
            raw_end: 0,
            at_end: false,
            offset: 0,
            line: 1,
            column: 1,
        };
        while may_be_mark(&this.buffer) || (encoding.is_none() && matches!(hint(&this.buffer), Hint::More)) {
            // What is there already has to be read however long the rest may take.
            if this.fill()? == 0 {
                break;
            }
        }
        let head = std::mem::take(&mut this.buffer);
        let mark = SourceEncoding::of_mark(&head);
        this.encoding = match (encoding, mark) {
            (Some(encoding), _) => encoding,
            (None, Some((encoding, _))) => encoding,
            (None, None) => match hint(&head) {
                Hint::Encoding(encoding) => encoding,
                Hint::Wrong(why) => return Err(io::Error::new(io::ErrorKind::InvalidData, why)),
                Hint::More | Hint::Nothing => SourceEncoding::UTF_8,
            },
        };
        let length = match mark {
            Some((marked, length)) if marked == this.encoding => length,
            _ => 0,
        };
        this.offset = length as u64;
        this.transcoder = this.encoding.transcoder();
        this.take_in(&head[length..]);
        Ok(this)
    }

    /// What has been read and not yet been consumed.
    pub(crate) fn available(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Waits for more to become available, and says how much; 0 at the end.
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        let before = self.available().len();
        while !self.at_end && self.available().len() == before {
            let count = match self.bytes.read(&mut self.raw) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            self.at_end = count == 0;
            self.raw_end += count as u64;
            let raw = std::mem::take(&mut self.raw);
            self.take_in(&raw[..count]);
            self.raw = raw;
        }
        Ok(self.available().len() - before)
    }

    fn take_in(&mut self, raw: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        match &mut self.transcoder {
            Some(transcoder) => transcoder.append(raw, self.at_end, &mut self.buffer),
            None => self.buffer.extend_from_slice(raw),
        }
    }

    /// Gives up the first bytes of the window.
    pub(crate) fn consume(&mut self, count: usize) {
        self.consume_to(count, self.place_after(count));
    }

    /// The same, where it is known which place [`Self::place_after`] gives.
    pub(crate) fn consume_to(&mut self, count: usize, place: Place) {
        self.offset = self.offset_after(count);
        (self.line, self.column) = (place.line, place.column);
        self.start += count;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            self.buffer.shrink_to(4 * READ);
        }
    }

    /// Goes to an offset that [`Self::offset_after`] gave, and the line there. The window is empty afterwards.
    pub(crate) fn seek(&mut self, offset: u64, line: u64) -> io::Result<()> {
        self.bytes.seek(offset)?;
        self.buffer.clear();
        (self.start, self.at_end) = (0, false);
        self.transcoder = self.encoding.transcoder();
        (self.offset, self.line, self.column) = (offset, line, 1);
        self.raw_end = offset;
        Ok(())
    }

    /// Where the window begins in the source, in bytes of the source.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where in the source the window would begin if so many bytes of it were consumed.
    pub(crate) fn offset_after(&self, count: usize) -> u64 {
        // Half a character at the end of a source counts for a whole one there, and is none.
        (self.offset + self.encoding.source_bytes(&self.available()[..count])).min(self.raw_end)
    }

    /// Where the window begins, for people.
    pub(crate) fn place(&self) -> Place {
        Place { line: self.line, column: self.column }
    }

    /// The place of a byte of the window, for people.
    pub(crate) fn place_after(&self, count: usize) -> Place {
        let passed = &self.available()[..count];
        let characters = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
        match memchr::memrchr(b'\n', passed) {
            Some(last) => {
                let breaks = 1 + memchr::memchr_iter(b'\n', &passed[..last]).count() as u64;
                Place { line: self.line + breaks, column: 1 + characters(&passed[last + 1..]) }
            }
            None => Place { line: self.line, column: self.column + characters(passed) },
        }
    }

    /// The text of some bytes of the window, which have to be text in the encoding of the source.
    ///
    /// # Errors
    /// The place of the first byte that is none, and why.
    pub(crate) fn text(&self, start: usize, end: usize) -> Result<&str, (Place, String)> {
        let bytes = &self.available()[start..end];
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let place = self.place_after(start + error.valid_up_to());
            let bad = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            let why = format!(
                "the byte {bad:#04x} is not UTF-8; is the source in another encoding? then set `encoding`, such as \"windows-1252\""
            );
            (place, why)
        })?;
        if self.encoding.is_utf8() {
            return Ok(text);
        }
        match text.find('\u{fffd}') {
            Some(at) => {
                Err((self.place_after(start + at), format!("this is not valid {}", self.encoding.name())))
            }
            None => Ok(text),
        }
    }
}

/// What the first bytes of a source say of its encoding.
pub(crate) enum Hint {
    /// It cannot be told yet.
    More,
    Nothing,
    Encoding(SourceEncoding),
    /// One that cannot be read.
    Wrong(String),
}

/// What most formats know of their encoding.
pub(crate) fn no_hint(_: &[u8]) -> Hint {
    Hint::Nothing
}

/// Whether this is nothing yet, or the beginning of a byte order mark.
fn may_be_mark(head: &[u8]) -> bool {
    [&b"\xef\xbb\xbf"[..], b"\xfe\xff", b"\xff\xfe"]
        .iter()
        .any(|mark| head.len() < mark.len() && mark.starts_with(head))
}
