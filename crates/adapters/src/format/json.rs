//! JSON: a document whose records are read one by one, however large it is.
//!
//! serde_json reads each record. Around the records there is only the skeleton of the document, which is walked here
//! byte by byte: that way a record of any length can be passed over, and the place of each is known.

mod fields;

use super::{Limits, ReadError, SHOWN_BYTES, Start, Step, original_of, too_long};
use crate::input::Input;
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Field, JsonFormat};

pub(super) use fields::{Fields, fill_in};
use fields::{plain_text, segments};

/// Arrays and objects within each other, around the records.
const MAX_DEPTH: usize = 128;

pub(super) struct Parser {
    input: Input,
    limit: usize,
    /// Where the records are.
    records: Vec<String>,
    fields: Fields,
    /// What the document says outside of the records, by slot.
    around: Vec<Option<String>>,
    levels: Vec<Level>,
    next: Next,
    /// The bytes of the current record that are still in the window.
    held: usize,
    overlong: Option<Original>,
    start: (u64, Place),
    skip_to: u64,
}

/// An array or object that is open.
#[derive(Debug)]
struct Level {
    is_array: bool,
    /// Each of its elements is a record.
    holds_records: bool,
    /// The key or the index of the current element.
    key: String,
    index: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// The first element of an array or object, or its end.
    First,
    /// A comma or the end of the array or object.
    Rest,
}

/// A value of the document.
enum Value {
    /// So many bytes at the start of the window.
    Whole(usize),
    TooLong,
}

impl Parser {
    pub(super) fn open(
        input: Input,
        format: &JsonFormat,
        fields: &[Field],
        limits: &Limits,
        from: Start,
    ) -> Result<Self, ReadError> {
        let fields = Fields::new(fields).map_err(|reason| ReadError::broken(input.place(), reason))?;
        let start = (input.offset(), input.place());
        Ok(Self {
            limit: limits.record_bytes,
            records: segments(&format.records),
            around: vec![None; fields.slots],
            fields,
            levels: Vec::new(),
            next: Next::Value,
            held: 0,
            overlong: None,
            start,
            // The way to the records leads through the document from its start.
            skip_to: from.offset,
            input,
        })
    }

    /// The next byte that is no white space; the window begins with it.
    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let window = self.input.available();
            let blank = window.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = window.get(blank).copied();
            self.input.consume(blank);
            if found.is_some() || self.input.fill()? == 0 {
                return Ok(found);
            }
        }
    }

    fn broken<T>(&self, reason: impl Into<String>) -> Result<T, ReadError> {
        Err(ReadError::broken(self.input.place(), reason))
    }

    fn unexpected<T>(&self, found: Option<u8>, wanted: &str) -> Result<T, ReadError> {
        match found {
            None => self.broken(format!("the document ends here, where {wanted} should follow")),
            Some(byte) => self.broken(format!(
                "`{}` stands here, where {wanted} should",
                char::from(byte).escape_default()
            )),
        }
    }

    /// Goes on to the next record; the window begins with it. None at the end.
    fn advance(&mut self) -> Result<Option<Value>, ReadError> {
        loop {
            let found = self.peek()?;
            match self.next {
                Next::Value => {
                    if found.is_none() && self.levels.is_empty() && self.input.place() == self.start.1 {
                        return Ok(None);
                    }
                    if let Some(record) = self.value(found)? {
                        return Ok(Some(record));
                    }
                }
                Next::First => self.first(found)?,
                Next::Rest if self.levels.is_empty() => match found {
                    None => return Ok(None),
                    found => return self.unexpected(found, "the end of the document"),
                },
                Next::Rest => self.rest(found)?,
            }
        }
    }

    fn value(&mut self, found: Option<u8>) -> Result<Option<Value>, ReadError> {
        let Some(first) =
            found.filter(|byte| matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
        else {
            return self.unexpected(found, "a value");
        };
        self.next = Next::Rest;
        let is_element = self.levels.last().is_some_and(|level| level.holds_records);
        let is_at_records = self.is_at(&self.records);
        if is_element || (is_at_records && first != b'[') {
            self.start = (self.input.offset(), self.input.place());
            return self.scan(self.limit).map(Some);
        }
        if let Some(slot) =
            self.fields.of_document.iter().find(|(_, path)| self.is_at(path)).map(|(slot, _)| *slot)
        {
            return self.note(slot).map(|()| None);
        }
        if matches!(first, b'{' | b'[') && (is_at_records || self.leads_somewhere()) {
            self.open_level(first == b'[', is_at_records)?;
        } else {
            self.pass_over()?;
        }
        Ok(None)
    }

    /// Whether the current value is the one of that path.
    fn is_at(&self, path: &[String]) -> bool {
        path.len() == self.levels.len() && self.is_below(path)
    }

    fn is_below(&self, path: &[String]) -> bool {
        path.len() >= self.levels.len()
            && path.iter().zip(&self.levels).all(|(wanted, level)| wanted == "*" || *wanted == level.key)
    }

    fn leads_somewhere(&self) -> bool {
        self.is_below(&self.records) || self.fields.of_document.iter().any(|(_, path)| self.is_below(path))
    }

    fn open_level(&mut self, is_array: bool, holds_records: bool) -> Result<(), ReadError> {
        if self.levels.len() == MAX_DEPTH {
            return self.broken("the records lie too deep in the document");
        }
        // What was said in another element of an array does not count in this one.
        let outdated: Vec<_> =
            self.fields.of_document.iter().filter(|(_, path)| self.is_below(path)).collect();
        for (slot, _) in outdated {
            self.around[*slot] = None;
        }
        self.input.consume(1);
        self.levels.push(Level { is_array, holds_records, key: String::from("0"), index: 0 });
        self.next = Next::First;
        Ok(())
    }

    fn first(&mut self, found: Option<u8>) -> Result<(), ReadError> {
        let is_array = self.levels.last().is_some_and(|level| level.is_array);
        match (found, is_array) {
            (Some(b']'), true) | (Some(b'}'), false) => self.close_level(),
            (_, true) => self.next = Next::Value,
            (_, false) => self.key(found)?,
        }
        Ok(())
    }

    fn rest(&mut self, found: Option<u8>) -> Result<(), ReadError> {
        let is_array = self.levels.last().is_some_and(|level| level.is_array);
        match (found, is_array) {
            (Some(b']'), true) | (Some(b'}'), false) => self.close_level(),
            (Some(b','), true) => {
                self.input.consume(1);
                if let Some(level) = self.levels.last_mut() {
                    level.index += 1;
                    if !level.holds_records {
                        level.key = level.index.to_string();
                    }
                }
                self.next = Next::Value;
            }
            (Some(b','), false) => {
                self.input.consume(1);
                let found = self.peek()?;
                self.key(found)?;
            }
            (_, true) => return self.unexpected(found, "`,` or `]`"),
            (_, false) => return self.unexpected(found, "`,` or `}`"),
        }
        Ok(())
    }

    fn close_level(&mut self) {
        self.input.consume(1);
        self.levels.pop();
        self.next = Next::Rest;
    }

    fn key(&mut self, found: Option<u8>) -> Result<(), ReadError> {
        if found != Some(b'"') {
            return self.unexpected(found, "a key in quotation marks");
        }
        let Value::Whole(length) = self.scan(self.limit)? else {
            return self.broken("the key is too long");
        };
        let key = self.input.text(0, length).ok().and_then(|text| serde_json::from_str(text).ok());
        let Some(key) = key else { return self.broken("this is not a key") };
        self.input.consume(length);
        if let Some(level) = self.levels.last_mut() {
            level.key = key;
        }
        match self.peek()? {
            Some(b':') => self.input.consume(1),
            found => return self.unexpected(found, "`:`"),
        }
        self.next = Next::Value;
        Ok(())
    }

    /// Keeps a value from around the records.
    fn note(&mut self, slot: usize) -> Result<(), ReadError> {
        let Value::Whole(length) = self.scan(self.limit)? else {
            return self.broken("the value is too long");
        };
        let text = match self.input.text(0, length) {
            Ok(text) => plain_text(text).map(|text| text.map(std::borrow::Cow::into_owned)),
            Err((place, reason)) => return Err(ReadError::broken(place, reason)),
        };
        let Ok(text) = text else { return self.broken("this is not a value") };
        self.input.consume(length);
        self.around[slot] = text;
        Ok(())
    }

    fn pass_over(&mut self) -> Result<(), ReadError> {
        // With no room for it, the value is consumed while its end is looked for.
        if let Value::Whole(length) = self.scan(0)? {
            self.input.consume(length);
        }
        self.overlong = None;
        Ok(())
    }

    /// Finds the end of the value that the window begins with. Inside of it only strings and brackets matter.
    fn scan(&mut self, limit: usize) -> Result<Value, ReadError> {
        let mut scanner = Scanner::default();
        let mut scanned = 0;
        self.overlong = None;
        loop {
            let window = self.input.available();
            let found = scanner.end(&window[scanned..]);
            scanned = found.map_or(window.len(), |end| scanned + end);
            if scanned > limit {
                let shown = &window[..SHOWN_BYTES.min(scanned)];
                self.overlong.get_or_insert_with(|| original_of(shown, 0)).length += scanned as u64;
                self.input.consume(scanned);
                scanned = 0;
            }
            if found.is_some() {
                break;
            }
            if self.input.fill()? == 0 {
                if scanner.may_end() {
                    break;
                }
                return self.broken("the document ends in the middle of a value");
            }
        }
        match &mut self.overlong {
            None => Ok(Value::Whole(scanned)),
            Some(overlong) => {
                overlong.length += scanned as u64;
                self.input.consume(scanned);
                Ok(Value::TooLong)
            }
        }
    }

    fn complaint(&self, reason: String) -> Step {
        Step::Complaint(Complaint { place: self.start.1, reason })
    }
}

/// Looks for the end of a value.
#[derive(Debug, Default)]
struct Scanner {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// A number or a word, which ends where something else begins.
    in_scalar: bool,
}

impl Scanner {
    /// How many of these bytes belong to the value, if it ends among them.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.in_string {
                at = self.string(bytes, at);
                if !self.in_string && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            match byte {
                b'"' if self.in_scalar => return Some(at),
                b'"' => self.in_string = true,
                b'{' | b'[' if self.in_scalar => return Some(at),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return Some(at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ if self.depth > 0 => {}
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => return Some(at),
                _ => self.in_scalar = true,
            }
            at += 1;
        }
        None
    }

    /// Goes on in a string from there, to its end or that of the bytes.
    fn string(&mut self, bytes: &[u8], mut at: usize) -> usize {
        if std::mem::take(&mut self.is_escaped) {
            at += 1;
        }
        while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
            at += found + 1;
            if bytes[at - 1] == b'"' {
                self.in_string = false;
                return at;
            }
            if at == bytes.len() {
                self.is_escaped = true;
                return at;
            }
            at += 1;
        }
        bytes.len()
    }

    /// Whether the value is whole if nothing follows.
    fn may_end(&self) -> bool {
        self.in_scalar && self.depth == 0
    }
}

impl super::Parser for Parser {
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        loop {
            self.input.consume(std::mem::take(&mut self.held));
            self.overlong = None;
            let Some(value) = self.advance()? else {
                record.span = self.input.offset()..self.input.offset();
                record.end_line = self.input.place().line;
                return Ok(Step::End);
            };
            record.clear(self.fields.slots);
            record.line = self.start.1.line;
            if let Value::Whole(length) = value {
                self.held = length;
            }
            record.span = self.start.0..self.input.offset_after(self.held);
            if record.span.end <= self.skip_to {
                continue;
            }
            record.end_line = self.input.place_after(self.held).line;
            if let Value::TooLong = value {
                let length = self.overlong.as_ref().map_or(0, |original| original.length);
                return Ok(self.complaint(too_long(length, self.limit)));
            }
            for (slot, text) in self.around.iter().enumerate() {
                if let Some(text) = text {
                    record.set(slot, text);
                }
            }
            let text = match self.input.text(0, self.held) {
                Ok(text) => text,
                Err((place, reason)) => return Ok(Step::Complaint(Complaint { place, reason })),
            };
            return Ok(match fill_in(text, &self.fields, record) {
                Ok(()) => Step::Record,
                Err(error) => {
                    let column = if error.line == 1 { self.start.1.column - 1 } else { 0 } + error.column;
                    let place = Place { line: self.start.1.line + error.line - 1, column };
                    Step::Complaint(Complaint { place, reason: error.reason })
                }
            });
        }
    }

    fn place(&self, record: &Record, slot: usize) -> Place {
        if self.held == 0 { self.start.1 } else { self.input.place_after(record.start_of(slot)) }
    }

    fn original(&self) -> Original {
        match &self.overlong {
            Some(overlong) => overlong.clone(),
            None => original_of(&self.input.available()[..self.held], self.held as u64),
        }
    }
}
