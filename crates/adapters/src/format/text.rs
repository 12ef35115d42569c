//! Plain text: a number in each line, or what a pattern finds in it.

use super::lines::{Line, Lines};
use super::{ReadError, Start, Step, add_to_head, has_heads, heads};
use crate::input::Input;
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Field, TextFormat};

/// VT, FF, FS, GS, RS, NEL, LS and PS, with which some programs end lines, and NUL.
const OTHER_LINE_ENDS: [char; 9] =
    ['\0', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}'];

pub(super) struct Parser {
    lines: Lines,
    format: TextFormat,
    slots: Vec<Slot>,
    to_skip: u64,
    /// A line that was read but not yet returned.
    pending: Option<Line>,
}

/// Where a field comes from.
enum Slot {
    Line,
    Group(usize),
    Head(String),
}

impl Parser {
    pub(super) fn open(
        mut input: Input,
        format: &TextFormat,
        fields: &[Field],
        limit: usize,
        from: Start,
    ) -> Result<Self, ReadError> {
        // A file that was emptied while open has no lines before its records.
        let to_skip = if input.skip_nuls()? > 0 { 0 } else { format.skip_lines };
        let place = input.place();
        let slots = fields.iter().map(|field| slot(format, field)).collect::<Result<Vec<_>, _>>();
        let slots = slots.map_err(|reason| ReadError::broken(place, reason))?;
        let lines = Lines::new(input, limit);
        let mut this = Self { lines, format: format.clone(), slots, to_skip, pending: None };
        if has_heads(fields) {
            let head = this.read_head()?;
            for (slot, text) in this.slots.iter_mut().zip(heads(fields, &head, place)?) {
                if let Some(text) = text {
                    *slot = Slot::Head(text);
                }
            }
        }
        if from != Start::BEGINNING {
            this.lines.seek(from)?;
            this.pending = None;
            this.to_skip = to_skip.saturating_sub(from.line - 1);
        }
        Ok(this)
    }

    /// The lines before the first record.
    fn read_head(&mut self) -> Result<String, ReadError> {
        let mut head = String::new();
        loop {
            let line = self.lines.next()?;
            let Line::Whole(length) = line else {
                self.pending = Some(line);
                return Ok(head);
            };
            let text = &self.lines.input.available()[..length];
            if self.to_skip == 0 && !self.format.passes_over(text) {
                self.pending = Some(line);
                return Ok(head);
            }
            self.to_skip = self.to_skip.saturating_sub(1);
            add_to_head(&mut head, text);
        }
    }

    fn read(&self, length: usize, record: &mut Record) -> Result<Step, ReadError> {
        let line = match self.lines.input.text(0, length) {
            Ok(line) => line,
            Err((place, reason)) => return Ok(Step::Complaint(Complaint { place, reason })),
        };
        let Some(pattern) = &self.format.pattern else {
            for (number, slot) in self.slots.iter().enumerate() {
                match slot {
                    Slot::Head(text) => record.set(number, text),
                    _ => record.set_at(number, line, line.len() - line.trim_start().len()),
                }
            }
            return Ok(Step::Record);
        };
        let Some(found) = pattern.captures(line) else {
            let reason = "the line does not match the pattern".to_owned();
            return Ok(Step::Complaint(Complaint { place: self.lines.place, reason }));
        };
        let rest = found.get(0).map_or("", |found| &line[found.end()..]);
        if rest.split_once(OTHER_LINE_ENDS).is_some_and(|(_, rest)| pattern.is_match(rest)) {
            let reason = "the line holds several records; lines end with CR, LF or CRLF, and not otherwise";
            return Ok(Step::Misfit(Complaint { place: self.lines.place, reason: reason.to_owned() }));
        }
        for (number, slot) in self.slots.iter().enumerate() {
            let group = match slot {
                Slot::Line => 0,
                Slot::Group(group) => *group,
                Slot::Head(text) => {
                    record.set(number, text);
                    continue;
                }
            };
            if let Some(part) = found.get(group) {
                record.set_at(number, part.as_str(), part.start());
            }
        }
        Ok(Step::Record)
    }
}

fn slot(format: &TextFormat, field: &Field) -> Result<Slot, String> {
    if let Field::Head(_) = field {
        return Ok(Slot::Head(String::new()));
    }
    let Some(pattern) = &format.pattern else {
        return match field {
            Field::Name(name) if name == "line" => Ok(Slot::Line),
            _ => Err(format!("without a pattern a line has one field, `line`, and no {field}")),
        };
    };
    let numbered = |number: usize| Some(number).filter(|number| *number < pattern.captures_len());
    let number = match field {
        Field::Name(name) => {
            let named = pattern.capture_names().position(|group| group == Some(name));
            named.or_else(|| name.parse().ok().and_then(numbered))
        }
        Field::Number(number) => usize::try_from(*number).ok().and_then(numbered),
        Field::Path(_) | Field::Head(_) => None,
    };
    number.map(Slot::Group).ok_or_else(|| {
        let names: Vec<_> = pattern.capture_names().flatten().collect();
        format!("the pattern has no group {field}; its groups are: {}", names.join(", "))
    })
}

impl super::Parser for Parser {
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        loop {
            let line = match self.pending.take() {
                Some(line) => line,
                None => self.lines.next()?,
            };
            record.clear(self.slots.len());
            record.is_open_ended = self.lines.is_open_ended;
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

    fn nothing(&self) -> String {
        "none of its lines is a record".to_owned()
    }
}
