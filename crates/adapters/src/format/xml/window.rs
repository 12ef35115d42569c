use std::io::{self, BufRead, Read};

use crate::format::ReadError;
use crate::input::Input;

/// The input of quick-xml. Keeps the current record and limits the size of events. A longer text is
/// truncated, since its end is easy to find; any other event is an error.
pub(super) struct Window {
    pub(super) input: Input,
    limit: usize,
    /// The bytes consumed since the start of the current record, or else of the current event.
    kept: Vec<u8>,
    length: u64,
    event: Event,
    /// Whether the current event is too long to be read.
    is_hopeless: bool,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    offset: u64,
    length: usize,
    is_text: bool,
}

impl Window {
    pub(super) fn new(input: Input, limit: usize) -> Self {
        let event = Event { offset: input.offset(), length: 0, is_text: false };
        Self { input, limit, kept: Vec::new(), length: 0, event, is_hopeless: false }
    }

    pub(super) fn begin_event(&mut self, is_in_record: bool) {
        if !is_in_record {
            self.kept.clear();
            self.kept.shrink_to(1 << 16);
            self.length = 0;
        }
        self.event = Event { offset: self.input.offset(), length: 0, is_text: false };
    }

    pub(super) fn event_offset(&self) -> u64 {
        self.event.offset
    }

    /// The record that has been read, as far as it is kept.
    pub(super) fn kept(&self) -> &[u8] {
        if self.is_overlong() {
            &self.kept[..self.kept.len().min(crate::format::SHOWN_BYTES)]
        } else {
            &self.kept
        }
    }

    pub(super) fn kept_length(&self) -> u64 {
        self.length
    }

    pub(super) fn is_overlong(&self) -> bool {
        self.length > self.limit as u64
    }

    /// The message if the document cannot be read further.
    pub(super) fn broken(&mut self, error: &quick_xml::Error) -> ReadError {
        let place = self.input.place();
        match error {
            quick_xml::Error::Io(_) if self.is_hopeless => {
                let limit = self.limit;
                ReadError::broken(
                    place,
                    format!("a tag or comment has more than {limit} bytes (`max_record_bytes`)"),
                )
            }
            quick_xml::Error::Io(error) => ReadError::Io(io::Error::new(error.kind(), error.to_string())),
            quick_xml::Error::Encoding(_) => ReadError::broken(
                place,
                "before this there are bytes that are not UTF-8; is the document in another encoding? then set `encoding`, such as \"windows-1252\"",
            ),
            other => ReadError::broken(place, other.to_string()),
        }
    }

    /// Drops the rest of a text.
    fn cut_off(&mut self) -> io::Result<()> {
        loop {
            let window = self.input.available();
            let count = memchr::memchr2(b'<', b'&', window).unwrap_or(window.len());
            let is_end = count < window.len();
            self.length += count as u64;
            self.input.consume(count);
            if is_end || self.input.fill()? == 0 {
                return Ok(());
            }
        }
    }
}

impl BufRead for Window {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.input.available().is_empty() {
            self.input.fill()?;
        }
        if self.event.length == 0 {
            self.event.is_text = !matches!(self.input.available().first(), Some(b'<' | b'&'));
        } else if self.event.length > self.limit {
            if !self.event.is_text {
                self.is_hopeless = true;
                return Err(io::Error::other("too long"));
            }
            self.cut_off()?;
        }
        Ok(self.input.available())
    }

    fn consume(&mut self, count: usize) {
        if self.kept.len() <= self.limit {
            self.kept.extend_from_slice(&self.input.available()[..count]);
        }
        self.length += count as u64;
        self.event.length += count;
        self.input.consume(count);
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}
