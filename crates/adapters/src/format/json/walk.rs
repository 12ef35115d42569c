//! Finds the records of a document, byte by byte.

use super::fields::plain_text;
use super::scanner::Scanner;
use crate::format::{ReadError, SHOWN_BYTES, original_of};
use crate::input::Input;
use crate::record::{Original, Place, Record};

/// Arrays and objects within each other, around the records.
const MAX_DEPTH: usize = 128;
/// Keys that the error for a document without records lists.
const SHOWN_KEYS: usize = 10;

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
pub(super) enum Value {
    /// This many bytes at the start of the window.
    Whole(usize),
    TooLong,
}

/// The open parts of a document, and the fields around its records.
pub(super) struct Walk {
    pub(super) input: Input,
    pub(super) limit: usize,
    /// The path of the records.
    records: Vec<String>,
    /// Slots and their paths from the root.
    of_document: Vec<(usize, Vec<String>)>,
    /// The fields of the document outside of the records, by slot.
    around: Vec<Option<String>>,
    levels: Vec<Level>,
    next: Next,
    pub(super) overlong: Option<Original>,
    /// Where the current record begins.
    pub(super) start: (u64, Place),
    /// The first keys of the document, for messages.
    keys: Vec<String>,
    has_found_path: bool,
}

impl Walk {
    pub(super) fn new(
        input: Input,
        limit: usize,
        records: Vec<String>,
        of_document: Vec<(usize, Vec<String>)>,
        slots: usize,
    ) -> Self {
        Self {
            limit,
            records,
            of_document,
            around: vec![None; slots],
            levels: Vec::new(),
            next: Next::Value,
            overlong: None,
            start: (input.offset(), input.place()),
            keys: Vec::new(),
            has_found_path: false,
            input,
        }
    }

    /// Fills a record with the fields of the document around it.
    pub(super) fn fill_in(&self, record: &mut Record) {
        for (slot, text) in self.around.iter().enumerate() {
            if let Some(text) = text {
                record.set(slot, text);
            }
        }
    }

    /// Why the document has no record.
    pub(super) fn nothing(&self) -> String {
        let path = self.records.join(".");
        if path.is_empty() {
            return "the document holds no record".to_owned();
        }
        if self.has_found_path {
            return format!("the array at `{path}` is empty");
        }
        let keys: Vec<_> = self.keys.iter().map(|key| format!("`{key}`")).collect();
        let keys = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        format!("there is no record at `{path}` (`format.records`); the document has {keys}")
    }

    /// The next byte that is not white space; the window begins with it.
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
            None => self.broken(format!("the document ends where {wanted} is expected")),
            Some(byte) => {
                self.broken(format!("`{}` where {wanted} is expected", char::from(byte).escape_default()))
            }
        }
    }

    /// Goes on to the next record; the window begins with it. `None` at the end.
    pub(super) fn advance(&mut self) -> Result<Option<Value>, ReadError> {
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
        let Some(first) = found.filter(|byte| {
            matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I')
        }) else {
            return self.unexpected(found, "a value");
        };
        self.next = Next::Rest;
        let is_element = self.levels.last().is_some_and(|level| level.holds_records);
        let is_at_records = self.is_at(&self.records);
        if is_element || (is_at_records && first != b'[' && first != b'n') {
            self.start = (self.input.offset(), self.input.place());
            return self.scan(self.limit).map(Some);
        }
        if let Some(slot) = self.of_document.iter().find(|(_, path)| self.is_at(path)).map(|(slot, _)| *slot)
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
        self.is_below(&self.records) || self.of_document.iter().any(|(_, path)| self.is_below(path))
    }

    fn open_level(&mut self, is_array: bool, holds_records: bool) -> Result<(), ReadError> {
        if self.levels.len() == MAX_DEPTH {
            return self.broken("the records are nested too deep in the document");
        }
        // Values from another element of an array do not apply to this one.
        let outdated: Vec<_> = self.of_document.iter().filter(|(_, path)| self.is_below(path)).collect();
        for (slot, _) in outdated {
            self.around[*slot] = None;
        }
        self.has_found_path |= holds_records;
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
        if let [level] = &self.levels[..]
            && self.keys.len() < SHOWN_KEYS
        {
            self.keys.push(level.key.clone());
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
        // Limit 0: the value is consumed while its end is searched.
        if let Value::Whole(length) = self.scan(0)? {
            self.input.consume(length);
        }
        self.overlong = None;
        Ok(())
    }

    /// Finds the end of the value at the start of the window. Only strings and brackets matter.
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
}
