//! Plain text: a number in each line, or what a pattern finds in it.

use super::lines::{Line, Lines};
use super::{Limits, ReadError, Start, Step};
use crate::input::Input;
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Field, TextFormat};

pub(super) struct Parser {
    lines: Lines,
    format: TextFormat,
    /// The group of each slot; none means the whole line.
    groups: Vec<Option<usize>>,
    to_skip: u64,
}

impl Parser {
    pub(super) fn open(
        input: Input,
        format: &TextFormat,
        fields: &[Field],
        limits: &Limits,
        from: Start,
    ) -> Result<Self, ReadError> {
        let groups = fields.iter().map(|field| group(format, field)).collect::<Result<Vec<_>, _>>();
        let groups = groups.map_err(|reason| ReadError::broken(input.place(), reason))?;
        let mut lines = Lines::new(input, limits.record_bytes);
        let mut to_skip = format.skip_lines;
        if from != Start::BEGINNING {
            lines.input.seek(from.offset, from.line)?;
            to_skip = to_skip.saturating_sub(from.line - 1);
        }
        Ok(Self { lines, format: format.clone(), groups, to_skip })
    }

    fn read(&self, length: usize, record: &mut Record) -> Result<Step, ReadError> {
        let line = match self.lines.input.text(0, length) {
            Ok(line) => line,
            Err((place, reason)) => return Ok(Step::Complaint(Complaint { place, reason })),
        };
        let Some(pattern) = &self.format.pattern else {
            for slot in 0..self.groups.len() {
                record.set_at(slot, line, line.len() - line.trim_start().len());
            }
            return Ok(Step::Record);
        };
        let Some(found) = pattern.captures(line) else {
            let reason = "the line does not match the pattern".to_owned();
            return Ok(Step::Complaint(Complaint { place: self.lines.place, reason }));
        };
        for (slot, group) in self.groups.iter().enumerate() {
            if let Some(part) = found.get(group.unwrap_or(0)) {
                record.set_at(slot, part.as_str(), part.start());
            }
        }
        Ok(Step::Record)
    }
}

fn group(format: &TextFormat, field: &Field) -> Result<Option<usize>, String> {
    let Some(pattern) = &format.pattern else {
        return match field {
            Field::Name(name) if name == "line" => Ok(None),
            _ => Err(format!("without a pattern a line has one field, `line`, and no {field}")),
        };
    };
    let number = match field {
        Field::Name(name) => pattern.capture_names().position(|group| group == Some(name)),
        Field::Number(number) => {
            usize::try_from(*number).ok().filter(|number| *number < pattern.captures_len())
        }
        Field::Path(_) => None,
    };
    number.map(Some).ok_or_else(|| {
        let names: Vec<_> = pattern.capture_names().flatten().collect();
        format!("the pattern has no group {field}; its groups are: {}", names.join(", "))
    })
}

impl super::Parser for Parser {
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        loop {
            let line = self.lines.next()?;
            record.clear(self.groups.len());
            record.span = self.lines.start..self.lines.end;
            (record.line, record.end_line) = (self.lines.place.line, self.lines.end_line());
            if line != Line::End && self.to_skip > 0 {
                self.to_skip -= 1;
                continue;
            }
            match line {
                Line::End => return Ok(Step::End),
                Line::TooLong => return Ok(Step::Complaint(self.lines.complaint())),
                Line::Whole(length) if self.format.passes_over(&self.lines.input.available()[..length]) => {}
                Line::Whole(length) => return self.read(length, record),
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
