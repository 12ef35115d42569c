//! JSON: a document whose records are read one by one, however large it is.
//!
//! serde_json reads each record. The document around the records is read byte by byte, so that a
//! record of any length can be skipped, and the place of each is known.

mod fields;
mod parallel;
mod scanner;
mod walk;

use super::{ReadError, Start, Step, original_of, too_long};
use crate::input::encoding::SourceEncoding;
use crate::input::{Hint, Input};
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Field, JsonFormat};

use fields::segments;
pub(super) use fields::{Fields, fill_in};
use parallel::{RowPlace, Rows};
pub(crate) use scanner::without_not_finite;
use walk::{Value, Walk};

/// The encoding by the first bytes: JSON begins with an ASCII character.
pub(super) fn encoding_hint(head: &[u8]) -> Hint {
    let name = match head {
        [] | [0] => return Hint::More,
        [0, b'{' | b'[', ..] => "utf-16be",
        [b'{' | b'[', 0, ..] => "utf-16le",
        [b'{' | b'['] => return Hint::More,
        _ => return Hint::Nothing,
    };
    SourceEncoding::named(name).map_or_else(Hint::Wrong, Hint::Encoding)
}

pub(super) struct Parser {
    walk: Walk,
    fields: Fields,
    /// The bytes of the current record that are still in the window.
    held: usize,
    skip_to: u64,
    /// The records of parallel arrays, while they are returned.
    rows: Option<Rows>,
    is_parallel: bool,
}

impl Parser {
    pub(super) fn open(
        input: Input,
        format: &JsonFormat,
        fields: &[Field],
        limit: usize,
        from: Start,
    ) -> Result<Self, ReadError> {
        let mut fields = Fields::new(fields).map_err(|reason| ReadError::broken(input.place(), reason))?;
        let of_document = std::mem::take(&mut fields.of_document);
        Ok(Self {
            walk: Walk::new(input, limit, segments(&format.records), of_document, fields.slots),
            fields,
            held: 0,
            // The document is parsed from its start to find the records.
            skip_to: from.offset,
            rows: None,
            is_parallel: format.parallel,
        })
    }

    fn complaint(&self, reason: String) -> Step {
        Step::Complaint(Complaint { place: self.walk.start.1, reason })
    }

    fn fill_in(&mut self, record: &mut Record) -> Step {
        self.walk.fill_in(record);
        let text = match self.walk.input.text(0, self.held) {
            Ok(text) => text,
            Err((place, reason)) => return Step::Complaint(Complaint { place, reason }),
        };
        match fill_in(text, &self.fields, record) {
            Ok(()) => Step::Record,
            Err(error) => {
                let column = if error.line == 1 { self.walk.start.1.column - 1 } else { 0 } + error.column;
                let place = Place { line: self.walk.start.1.line + error.line - 1, column };
                Step::Complaint(Complaint { place, reason: error.reason })
            }
        }
    }

    /// Opens an object of parallel arrays. Returns a step if it is invalid.
    fn open_rows(&mut self) -> Option<Step> {
        let rows = match self.walk.input.text(0, self.held) {
            Err((place, reason)) => return Some(Step::Complaint(Complaint { place, reason })),
            Ok(text) => {
                let text = without_not_finite(text).unwrap_or_else(|| text.to_owned());
                Rows::new(text, &self.fields)
            }
        };
        match rows {
            Ok(rows) => {
                self.rows = Some(rows);
                None
            }
            Err(reason) => Some(Step::Misfit(Complaint { place: self.walk.start.1, reason })),
        }
    }

    /// The next record of parallel arrays.
    fn next_row(&mut self, record: &mut Record) -> Option<Step> {
        loop {
            record.clear(self.fields.slots);
            let place = self.rows.as_mut()?.next(record)?;
            let RowPlace { bytes, line } = match place {
                Ok(place) => place,
                Err(reason) => return Some(self.complaint(reason)),
            };
            record.span = self.walk.input.offset_after(bytes.start)..self.walk.input.offset_after(bytes.end);
            record.line = self.walk.start.1.line + line;
            record.end_line = record.line;
            if record.span.end <= self.skip_to {
                continue;
            }
            self.walk.fill_in(record);
            return Some(Step::Record);
        }
    }
}

impl super::Parser for Parser {
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        loop {
            if let Some(step) = self.next_row(record) {
                return Ok(step);
            }
            self.rows = None;
            self.walk.input.consume(std::mem::take(&mut self.held));
            self.walk.overlong = None;
            let Some(value) = self.walk.advance()? else {
                record.span = self.walk.input.offset()..self.walk.input.offset();
                record.end_line = self.walk.input.place().line;
                return Ok(Step::End);
            };
            record.clear(self.fields.slots);
            record.line = self.walk.start.1.line;
            if let Value::Whole(length) = value {
                self.held = length;
            }
            record.span = self.walk.start.0..self.walk.input.offset_after(self.held);
            if record.span.end <= self.skip_to {
                continue;
            }
            record.end_line = self.walk.input.place_after(self.held).line;
            if let Value::TooLong = value {
                let length = self.walk.overlong.as_ref().map_or(0, |original| original.length);
                return Ok(self.complaint(too_long(length, self.walk.limit)));
            }
            if !self.is_parallel {
                return Ok(self.fill_in(record));
            }
            if let Some(step) = self.open_rows() {
                return Ok(step);
            }
        }
    }

    fn place(&self, record: &Record, slot: usize) -> Place {
        if self.held == 0 { self.walk.start.1 } else { self.walk.input.place_after(record.start_of(slot)) }
    }

    fn original(&self) -> Original {
        match &self.walk.overlong {
            Some(overlong) => overlong.clone(),
            None => original_of(&self.walk.input.available()[..self.held], self.held as u64),
        }
    }

    fn nothing(&self) -> String {
        self.walk.nothing()
    }
}
