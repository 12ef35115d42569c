//! JSON, one value in each line.

use super::json::{Fields, fill_in};
use super::lines::{Line, Lines};
use super::{ReadError, Start, Step};
use crate::input::Input;
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Field, NdjsonFormat};

pub(super) struct Parser {
    lines: Lines,
    fields: Fields,
    format: NdjsonFormat,
}

impl Parser {
    pub(super) fn open(
        input: Input,
        format: &NdjsonFormat,
        fields: &[Field],
        limit: usize,
        from: Start,
    ) -> Result<Self, ReadError> {
        let fields = Fields::new(fields).map_err(|reason| ReadError::broken(input.place(), reason))?;
        if !fields.of_document.is_empty() {
            let reason = "a line has no document around it, so no path can begin with `/`";
            return Err(ReadError::broken(input.place(), reason));
        }
        let mut lines = Lines::new(input, limit);
        if from != Start::BEGINNING {
            lines.seek(from)?;
        }
        Ok(Self { lines, fields, format: format.clone() })
    }
}

impl Parser {
    fn passes_over(&self, length: usize) -> bool {
        let line = &self.lines.input.available()[..length];
        line.trim_ascii().is_empty() || self.format.pass_over.matches(line)
    }
}

impl super::Parser for Parser {
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        loop {
            let line = self.lines.next()?;
            record.clear(self.fields.slots);
            record.is_open_ended = self.lines.is_open_ended;
            record.span = self.lines.start..self.lines.end;
            (record.line, record.end_line) = (self.lines.place.line, self.lines.end_line());
            match line {
                Line::End => return Ok(Step::End),
                Line::TooLong => return Ok(Step::Complaint(self.lines.complaint())),
                Line::Whole(length) if self.passes_over(length) => {}
                Line::Whole(length) => {
                    let read = match self.lines.input.text(0, length) {
                        Ok(text) => fill_in(text, &self.fields, record).map_err(|error| {
                            let place = Place { line: record.line, column: error.column };
                            Complaint { place, reason: error.reason }
                        }),
                        Err((place, reason)) => Err(Complaint { place, reason }),
                    };
                    return Ok(read.map_or_else(Step::Complaint, |()| Step::Record));
                }
            }
        }
    }

    fn place(&self, record: &Record, slot: usize) -> Place {
        self.lines.input.place_after(record.start_of(slot))
    }

    fn original(&self) -> Original {
        self.lines.original()
    }
}
