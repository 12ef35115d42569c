use std::io;

use super::{SHOWN_BYTES, Start, too_long};
use crate::input::Input;
use crate::record::{Complaint, Original, Place};

/// A source line by line. A line ends with LF, CRLF or CR; the last one may lack its end.
pub(super) struct Lines {
    pub(super) input: Input,
    limit: usize,
    /// The bytes of the current line that are still in the window, with its end.
    held: usize,
    /// The same without its end.
    length: usize,
    /// Whether the current line ends with the source, and not with a line end.
    pub(super) is_open_ended: bool,
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
    /// This many bytes at the start of the window.
    Whole(usize),
    /// Too long; it has been skipped.
    TooLong,
    /// There are no more lines.
    End,
}

impl Lines {
    pub(super) fn new(input: Input, limit: usize) -> Self {
        let (start, place) = (input.offset(), input.place());
        Self {
            input,
            limit,
            held: 0,
            length: 0,
            is_open_ended: false,
            start,
            end: start,
            place,
            end_place: place,
            overlong: None,
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Line> {
        self.begin();
        let mut searched = 0;
        loop {
            if searched == 0 && self.input.skip_split_line_feed() {
                self.begin();
            }
            if let Some((length, held)) = self.input.line_end(searched)? {
                return Ok(self.whole(length, held));
            }
            searched = self.input.available().len();
            if searched > self.limit {
                return self.pass_over();
            }
            if self.input.fill()? == 0 {
                self.is_open_ended = searched > 0;
                return Ok(if searched == 0 { Line::End } else { self.whole(searched, searched) });
            }
        }
    }

    /// Continues at this position.
    pub(super) fn seek(&mut self, from: Start) -> io::Result<()> {
        self.held = 0;
        self.input.seek(from.offset, from.line)
    }

    fn begin(&mut self) {
        if self.held > 0 {
            self.input.consume_to(std::mem::take(&mut self.held), self.end_place);
        }
        (self.overlong, self.is_open_ended) = (None, false);
        (self.start, self.end) = (self.input.offset(), self.input.offset());
        self.place = self.input.place();
        self.end_place = self.place;
    }

    fn whole(&mut self, length: usize, held: usize) -> Line {
        self.held = held;
        self.length = length;
        self.end = self.input.offset_after(held);
        self.end_place = self.input.place_after(held);
        if length > self.limit {
            let shown = &self.input.available()[..SHOWN_BYTES.min(length)];
            self.overlong = Some(Original { bytes: shown.to_vec(), length: length as u64 });
            return Line::TooLong;
        }
        Line::Whole(length)
    }

    fn pass_over(&mut self) -> io::Result<Line> {
        let window = self.input.available();
        let mut original = Original { bytes: window[..SHOWN_BYTES.min(window.len())].to_vec(), length: 0 };
        loop {
            let end = self.input.line_end(0)?;
            let (length, held) =
                end.unwrap_or_else(|| (self.input.available().len(), self.input.available().len()));
            original.length += length as u64;
            self.input.consume(held);
            if end.is_some() {
                break;
            }
            if self.input.fill()? == 0 {
                self.is_open_ended = true;
                break;
            }
        }
        self.end = self.input.offset();
        self.end_place = self.input.place();
        self.overlong = Some(original);
        Ok(Line::TooLong)
    }

    /// The complaint about a line that is too long.
    pub(super) fn complaint(&self) -> Complaint {
        let length = self.overlong.as_ref().map_or(0, |original| original.length);
        Complaint { place: self.place, reason: too_long(length, self.limit) }
    }

    /// The line that the window behind the current line is in.
    pub(super) fn end_line(&self) -> u64 {
        self.end_place.line
    }

    /// The current line as in the source, without its end.
    pub(super) fn original(&self) -> Original {
        if let Some(overlong) = &self.overlong {
            return overlong.clone();
        }
        super::original_of(&self.input.available()[..self.length], self.length as u64)
    }
}
