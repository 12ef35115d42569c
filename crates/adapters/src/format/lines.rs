use std::io;

use super::{SHOWN_BYTES, too_long};
use crate::input::Input;
use crate::record::{Complaint, Original, Place};

/// A source line by line. A line ends with LF or CRLF; the last one may lack its end.
pub(super) struct Lines {
    pub(super) input: Input,
    limit: usize,
    /// The bytes of the current line that are still in the window, with its end.
    held: usize,
    /// Where the current line begins and ends.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) place: Place,
    /// The place behind the current line.
    end_place: Place,
    /// The current line, if it did not fit.
    overlong: Option<Original>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// So many bytes at the start of the window.
    Whole(usize),
    /// More than is allowed; it has been passed over.
    TooLong,
    /// There are no more lines.
    End,
}

impl Lines {
    pub(super) fn new(input: Input, limit: usize) -> Self {
        let (start, place) = (input.offset(), input.place());
        Self { input, limit, held: 0, start, end: start, place, end_place: place, overlong: None }
    }

    pub(super) fn next(&mut self) -> io::Result<Line> {
        self.begin();
        let mut searched = 0;
        loop {
            let window = self.input.available();
            if let Some(at) = memchr::memchr(b'\n', &window[searched..]) {
                return Ok(self.whole(searched + at + 1));
            }
            searched = window.len();
            if searched > self.limit {
                return self.pass_over();
            }
            if self.input.fill()? == 0 {
                return Ok(if searched == 0 { Line::End } else { self.whole(searched) });
            }
        }
    }

    fn begin(&mut self) {
        if self.held > 0 {
            self.input.consume_to(std::mem::take(&mut self.held), self.end_place);
        }
        self.overlong = None;
        (self.start, self.end) = (self.input.offset(), self.input.offset());
        self.place = self.input.place();
        self.end_place = self.place;
    }

    fn whole(&mut self, held: usize) -> Line {
        self.held = held;
        self.end = self.input.offset_after(held);
        self.end_place = self.input.place_after(held);
        let line = &self.input.available()[..held];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        if length > self.limit {
            self.overlong =
                Some(Original { bytes: line[..SHOWN_BYTES.min(length)].to_vec(), length: length as u64 });
            return Line::TooLong;
        }
        Line::Whole(length)
    }

    fn pass_over(&mut self) -> io::Result<Line> {
        let window = self.input.available();
        let mut original = Original { bytes: window[..SHOWN_BYTES.min(window.len())].to_vec(), length: 0 };
        let mut before = None;
        loop {
            let window = self.input.available();
            let (count, is_end) = match memchr::memchr(b'\n', window) {
                Some(at) => (at + 1, true),
                None => (window.len(), false),
            };
            original.length += count as u64;
            if is_end {
                let last = if count > 1 { window.get(count - 2).copied() } else { before };
                original.length -= if last == Some(b'\r') { 2 } else { 1 };
            }
            before = window.last().copied();
            self.input.consume(count);
            if is_end || self.input.fill()? == 0 {
                break;
            }
        }
        self.end = self.input.offset();
        self.end_place = self.input.place();
        self.overlong = Some(original);
        Ok(Line::TooLong)
    }

    /// What is wrong with a line that is too long.
    pub(super) fn complaint(&self) -> Complaint {
        let length = self.overlong.as_ref().map_or(0, |original| original.length);
        Complaint { place: self.place, reason: too_long(length, self.limit) }
    }

    /// The line that the window behind the current line is in.
    pub(super) fn end_line(&self) -> u64 {
        self.end_place.line
    }

    /// The current line as it stands in the source, without its end.
    pub(super) fn original(&self) -> Original {
        if let Some(overlong) = &self.overlong {
            return overlong.clone();
        }
        let line = &self.input.available()[..self.held];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        super::original_of(line.strip_suffix(b"\r").unwrap_or(line), line.len() as u64)
    }
}
