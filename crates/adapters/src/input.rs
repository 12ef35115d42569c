//! The text of a source as parsers read it: UTF-8 without byte order mark, with places.

pub(crate) mod encoding;

use std::io;

use encoding::{SourceEncoding, Transcoder};

use crate::record::Place;

/// The size of one read.
const READ: usize = 128 << 10;

/// The bytes of a source. Reading waits until there are some.
pub(crate) trait Bytes {
    /// As [`io::Read::read`]; 0 means the final end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Continues at this offset.
    fn seek(&mut self, offset: u64) -> io::Result<()>;

    /// Whether the next read may block until bytes are written.
    fn may_wait(&mut self) -> bool {
        false
    }
}

/// A window onto the text of a source.
pub(crate) struct Input {
    bytes: Box<dyn Bytes>,
    encoding: SourceEncoding,
    transcoder: Option<Transcoder>,
    /// The bytes that are read but not consumed begin at `start`.
    buffer: Vec<u8>,
    start: usize,
    raw: Vec<u8>,
    /// The offset in the source up to which it has been read.
    raw_end: u64,
    at_end: bool,
    /// Whether the byte before the window is a carriage return. A line feed then belongs to it.
    after_return: bool,
    /// The start of the window: its offset, and its line and column.
    offset: u64,
    line: u64,
    column: u64,
}

impl Input {
    /// Opens a source at its start. The encoding is the given one, else that of a byte order mark,
    /// else the one `hint` detects, else UTF-8.
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
            after_return: false,
            offset: 0,
            line: 1,
            column: 1,
        };
        while may_be_mark(&this.buffer) || (encoding.is_none() && matches!(hint(&this.buffer), Hint::More)) {
            // Available bytes are processed at once: more may come much later.
            if this.fill()? == 0 {
                break;
            }
        }
        let head = std::mem::take(&mut this.buffer);
        let mark = SourceEncoding::of_mark(&head);
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        this.encoding = match (encoding, mark) {
            (Some(encoding), Some((marked, _))) if encoding != marked => {
                let (encoding, marked) = (encoding.name(), marked.name());
                return Err(invalid(format!(
                    "`encoding` is {encoding}, but the byte order mark of the source is that of {marked}"
                )));
            }
            (Some(encoding), _) => encoding,
            (None, Some((encoding, _))) => encoding,
            (None, None) => match hint(&head) {
                Hint::Encoding(encoding) => encoding,
                Hint::Wrong(why) => return Err(invalid(why)),
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

    /// The bytes that have been read and not yet been consumed.
    pub(crate) fn available(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Reads more; returns how many bytes, 0 at the end.
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

    /// Consumes the first bytes of the window.
    pub(crate) fn consume(&mut self, count: usize) {
        self.consume_to(count, self.place_after(count));
    }

    /// As [`Self::consume`], with the place that [`Self::place_after`] would calculate.
    pub(crate) fn consume_to(&mut self, count: usize, place: Place) {
        self.offset = self.offset_after(count);
        if let Some(last) = count.checked_sub(1) {
            self.after_return = self.available()[last] == b'\r';
        }
        (self.line, self.column) = (place.line, place.column);
        self.start += count;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            self.buffer.shrink_to(4 * READ);
        }
    }

    /// The end of the first line of the window: the length of its text, and with its end. `None` if
    /// the end is not in the window. The first `searched` bytes hold none.
    pub(crate) fn line_end(&mut self, searched: usize) -> io::Result<Option<(usize, usize)>> {
        let Some(found) = memchr::memchr2(b'\n', b'\r', &self.available()[searched..]) else {
            return Ok(None);
        };
        let at = searched + found;
        if self.available()[at] == b'\r' {
            // A line feed after the carriage return belongs to the same end, but must not block.
            if at + 1 == self.available().len() && !self.bytes.may_wait() {
                self.fill()?;
            }
            if self.available().get(at + 1) == Some(&b'\n') {
                return Ok(Some((at, at + 2)));
            }
        }
        Ok(Some((at, at + 1)))
    }

    /// Skips a line feed whose carriage return has been consumed; returns whether there was one.
    pub(crate) fn skip_split_line_feed(&mut self) -> bool {
        let is_split = self.after_return && self.available().first() == Some(&b'\n');
        if is_split {
            self.consume(1);
        }
        is_split
    }

    /// Skips two or more NUL bytes, and gives their number. They are at the start of a file that
    /// was emptied while its writer kept its position.
    pub(crate) fn skip_nuls(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let may_begin = matches!(self.available(), [] | [0]);
            if may_begin && self.fill()? > 0 {
                continue;
            }
            match self.available() {
                [0, 0, ..] => {}
                [0, ..] if skipped > 0 => {}
                _ => return Ok(skipped),
            }
            let nuls = self.available().iter().take_while(|byte| **byte == 0).count();
            self.consume(nuls);
            skipped += nuls as u64;
        }
    }

    /// Seeks to an offset from [`Self::offset_after`] and its line. Empties the window.
    pub(crate) fn seek(&mut self, offset: u64, line: u64) -> io::Result<()> {
        self.after_return = self.is_after_return(offset)?;
        self.bytes.seek(offset)?;
        self.buffer.clear();
        (self.start, self.at_end) = (0, false);
        self.transcoder = self.encoding.transcoder();
        (self.offset, self.line, self.column) = (offset, line, 1);
        self.raw_end = offset;
        Ok(())
    }

    fn is_after_return(&mut self, offset: u64) -> io::Result<bool> {
        let mut before = vec![0; self.encoding.unit()];
        let Some(start) = offset.checked_sub(before.len() as u64) else { return Ok(false) };
        self.bytes.seek(start)?;
        let mut read = 0;
        while read < before.len() {
            match self.bytes.read(&mut before[read..])? {
                0 => return Ok(false),
                count => read += count,
            }
        }
        Ok(self.encoding.is_return(&before))
    }

    /// The offset of the window in the source, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The offset of the window in the source after `count` more bytes are consumed.
    pub(crate) fn offset_after(&self, count: usize) -> u64 {
        // A cut character at the end of a source counts as a whole, invalid one there.
        (self.offset + self.encoding.source_bytes(&self.available()[..count])).min(self.raw_end)
    }

    /// The line and column of the start of the window.
    pub(crate) fn place(&self) -> Place {
        Place { line: self.line, column: self.column }
    }

    /// The line and column of a byte of the window. CR, LF and CRLF each end a line.
    pub(crate) fn place_after(&self, count: usize) -> Place {
        let passed = &self.available()[..count];
        let (mut breaks, mut start) = (0, None);
        for at in memchr::memchr2_iter(b'\n', b'\r', passed) {
            let after_return = at.checked_sub(1).map_or(self.after_return, |before| passed[before] == b'\r');
            breaks += u64::from(!(passed[at] == b'\n' && after_return));
            start = Some(at + 1);
        }
        let characters = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
        match start {
            Some(start) => Place { line: self.line + breaks, column: 1 + characters(&passed[start..]) },
            None => Place { line: self.line, column: self.column + characters(passed) },
        }
    }

    /// A part of the window as text.
    ///
    /// # Errors
    /// The bytes are invalid in the encoding; the place is that of the first invalid one.
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

/// Detects the encoding of a source by its first bytes.
pub(crate) enum Hint {
    /// Undecided so far.
    More,
    Nothing,
    Encoding(SourceEncoding),
    /// An encoding that cannot be read.
    Wrong(String),
}

/// The detection for formats that have none.
pub(crate) fn no_hint(_: &[u8]) -> Hint {
    Hint::Nothing
}

/// Whether more bytes may complete a byte order mark.
fn may_be_mark(head: &[u8]) -> bool {
    [&b"\xef\xbb\xbf"[..], b"\xfe\xff", b"\xff\xfe"]
        .iter()
        .any(|mark| head.len() < mark.len() && mark.starts_with(head))
}
