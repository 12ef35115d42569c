//! XML: a document whose records are elements, read one by one. Its own entities are not expanded.

mod path;
mod window;

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::{ReadError, Start, Step, original_of, too_long};
use crate::input::encoding::SourceEncoding;
use crate::input::{Hint, Input};
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Field, XmlFormat};
use path::XmlPath;
use window::Window;

/// Elements within each other.
const MAX_DEPTH: usize = 256;

pub(super) struct Parser {
    reader: Reader<Window>,
    event: Vec<u8>,
    limit: usize,
    /// The path of the records.
    records: XmlPath,
    fields: Vec<XmlPath>,
    /// The local names of the elements that are open.
    open: Vec<String>,
    /// The depth of the open record element, if any.
    record_depth: Option<usize>,
    found: Vec<Option<Found>>,
    complaint: Option<Complaint>,
    start: (u64, Place),
    skip_to: u64,
    /// The name of the root element.
    root: Option<String>,
}

/// The text of a field, as far as it has been read.
#[derive(Debug, Clone)]
struct Found {
    text: String,
    place: Place,
}

/// The encoding by the first bytes: `<` with a NUL, or an XML declaration.
pub(super) fn encoding_hint(head: &[u8]) -> Hint {
    const LONGEST: usize = 1_024;
    let named = |name| SourceEncoding::named(name).map_or_else(Hint::Wrong, Hint::Encoding);
    match head {
        [0] => return Hint::More,
        [0, b'<', ..] => return named("utf-16be"),
        [b'<', 0, ..] => return named("utf-16le"),
        _ => {}
    }
    let begins = head.starts_with(b"<?xml") || (head.len() < 5 && b"<?xml".starts_with(head));
    let ascii = head.iter().take_while(|byte| byte.is_ascii()).count();
    let text = std::str::from_utf8(&head[..ascii]).unwrap_or_default();
    let Some((declaration, _)) = text.split_once("?>").filter(|_| begins) else {
        let may_come = begins && ascii == head.len() && head.len() < LONGEST;
        return if may_come { Hint::More } else { Hint::Nothing };
    };
    let declared = declaration.split_once("encoding").and_then(|(_, rest)| {
        let value = rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        Some(value[1..].split_once(quote)?.0)
    });
    match declared.map(SourceEncoding::named) {
        None => Hint::Nothing,
        // A declaration that is readable here is not UTF-16. Programs write it into UTF-8 files.
        Some(Ok(encoding)) if encoding.is_utf16() => Hint::Encoding(SourceEncoding::UTF_8),
        Some(Ok(encoding)) if !encoding.is_utf8() && is_utf8(head) => Hint::Wrong(format!(
            "the declaration says {}, but the bytes are UTF-8; set `encoding` to what they are",
            encoding.name()
        )),
        Some(Ok(encoding)) => Hint::Encoding(encoding),
        Some(Err(why)) => Hint::Wrong(why),
    }
}

/// Whether some bytes are UTF-8 beyond ASCII. The last character may be cut.
fn is_utf8(head: &[u8]) -> bool {
    let is_valid = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_valid && !head.is_ascii()
}

impl Parser {
    pub(super) fn open(
        input: Input,
        format: &XmlFormat,
        fields: &[Field],
        limit: usize,
        from: Start,
    ) -> Result<Self, ReadError> {
        let broken = |reason| ReadError::broken(input.place(), reason);
        let records = XmlPath::of_records(&format.records).map_err(broken)?;
        let fields = fields.iter().map(XmlPath::of_field).collect::<Result<Vec<_>, _>>().map_err(broken)?;
        let start = (input.offset(), input.place());
        Ok(Self {
            reader: Reader::from_reader(Window::new(input, limit)),
            event: Vec::new(),
            limit,
            records,
            found: vec![None; fields.len()],
            fields,
            open: Vec::new(),
            record_depth: None,
            complaint: None,
            start,
            skip_to: from.offset,
            root: None,
        })
    }

    /// Reads on to the end of the next record; says whether there is one.
    fn advance(&mut self) -> Result<bool, ReadError> {
        let mut buffer = std::mem::take(&mut self.event);
        let found = loop {
            buffer.clear();
            self.reader.get_mut().begin_event(self.record_depth.is_some());
            let place = self.reader.get_ref().input.place();
            let event = match self.reader.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(error) => break Err(self.reader.get_mut().broken(&error)),
            };
            match self.take(event, place) {
                Ok(None) => {}
                Ok(Some(found)) => break Ok(found),
                Err(error) => break Err(error),
            }
        };
        self.event = buffer;
        found
    }

    /// Takes in an event; says whether it ended a record (true) or the document (false).
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<Option<bool>, ReadError> {
        match event {
            Event::Start(element) => self.start(&element, place).map(|()| None),
            Event::Empty(element) => {
                self.start(&element, place)?;
                Ok(self.end())
            }
            Event::End(_) => Ok(self.end()),
            Event::Text(text) => {
                self.append(&text.xml10_content());
                Ok(None)
            }
            Event::CData(text) => {
                self.append(&text.xml10_content());
                Ok(None)
            }
            Event::GeneralRef(reference) => {
                match resolved(&reference) {
                    Some(character) => self.append(character.encode_utf8(&mut [0; 4])),
                    None => self.complain(
                        place,
                        format!("the entity `&{};` is not expanded", reference.into_inner()),
                    ),
                }
                Ok(None)
            }
            Event::Eof => match self.open.last() {
                Some(name) => {
                    Err(ReadError::broken(place, format!("the document ends within the element `{name}`")))
                }
                None => Ok(Some(false)),
            },
            _ => Ok(None),
        }
    }

    fn start(&mut self, element: &BytesStart<'_>, place: Place) -> Result<(), ReadError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(ReadError::broken(place, "a second root element begins here"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(ReadError::broken(place, format!("elements are nested more than {MAX_DEPTH} deep")));
        }
        // `<v>1<u/>5</v>` is not 15.
        self.append(" ");
        self.open.push(element.local_name().as_ref().to_owned());
        if self.root.is_none() {
            self.root = self.open.first().cloned();
        }
        if self.record_depth.is_none() && self.records.is_at(&self.open) {
            self.record_depth = Some(self.open.len());
            self.start = (self.reader.get_ref().event_offset(), place);
            self.complaint = None;
        }
        for slot in 0..self.fields.len() {
            if self.begins(slot) {
                self.begin(slot, element, place);
            }
        }
        Ok(())
    }

    /// Whether a field has its value from the element that has just been opened.
    fn begins(&mut self, slot: usize) -> bool {
        let field = &self.fields[slot];
        match (field.is_absolute, self.record_depth) {
            (true, None) => {
                // Values of another element of that name do not apply below this one.
                if field.is_below(&self.open) {
                    self.found[slot] = None;
                }
                field.is_at(&self.open)
            }
            (true, Some(depth)) => self.open.len() == depth && field.is_at(&self.open),
            (false, Some(depth)) => field.is_at(&self.open[depth..]),
            (false, None) => false,
        }
    }

    fn begin(&mut self, slot: usize, element: &BytesStart<'_>, place: Place) {
        let text = match &self.fields[slot].attribute {
            None => String::new(),
            Some(wanted) => match attribute(element, wanted) {
                Ok(None) => return,
                Ok(Some(value)) => value,
                Err(why) => return self.complain(place, why),
            },
        };
        // If a field has two values, the correct one is unknown.
        if self.found[slot].is_some() && !self.fields[slot].is_absolute {
            return self.complain(place, format!("the field `{}` occurs twice", self.fields[slot]));
        }
        self.found[slot] = Some(Found { text, place });
    }

    fn append(&mut self, text: &str) {
        for slot in 0..self.fields.len() {
            let field = &self.fields[slot];
            let is_here = field.attribute.is_none()
                && match (field.is_absolute, self.record_depth) {
                    (true, _) => field.is_at(&self.open),
                    (false, Some(depth)) => self.open.len() >= depth && field.is_at(&self.open[depth..]),
                    (false, None) => false,
                };
            if is_here && let Some(found) = &mut self.found[slot] {
                found.text.push_str(text);
            }
        }
    }

    /// Closes an element; says whether a record ended with it.
    fn end(&mut self) -> Option<bool> {
        let is_record = self.record_depth == Some(self.open.len());
        self.open.pop();
        if is_record {
            self.record_depth = None;
        }
        is_record.then_some(true)
    }

    fn complain(&mut self, place: Place, reason: String) {
        self.complaint.get_or_insert(Complaint { place, reason });
    }

    fn fill_in(&mut self, record: &mut Record) -> Step {
        let window = self.reader.get_ref();
        if window.is_overlong() {
            let reason = too_long(window.kept_length(), self.limit);
            return Step::Complaint(Complaint { place: self.start.1, reason });
        }
        for (slot, found) in self.found.iter().enumerate() {
            let Some(found) = found else { continue };
            if found.text.contains('\u{fffd}') {
                let reason = "the text does not fit the encoding of the document".to_owned();
                return Step::Complaint(Complaint { place: found.place, reason });
            }
            record.set(slot, &found.text);
        }
        self.complaint.take().map_or(Step::Record, Step::Complaint)
    }
}

/// The value of the first attribute of that name, with any prefix.
fn attribute(element: &BytesStart<'_>, wanted: &str) -> Result<Option<String>, String> {
    let mut attributes = element.attributes();
    // The check compares each attribute with all others, which takes minutes for very many.
    attributes.with_checks(false);
    let mut found: Option<Attribute<'_>> = None;
    for attribute in attributes {
        let attribute = attribute.map_err(|error| error.to_string())?;
        match &found {
            Some(found) if found.key == attribute.key => {
                return Err(format!("the attribute `{wanted}` occurs twice"));
            }
            None if attribute.key.local_name().as_ref() == wanted => found = Some(attribute),
            _ => {}
        }
    }
    let value = found.map(|found| found.normalized_value(XmlVersion::Implicit1_0).map(Cow::into_owned));
    value.transpose().map_err(|error| error.to_string())
}

/// The character of a reference that is a number or one of the five predefined entities.
fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten();
    }
    match reference.xml10_content().as_ref() {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

impl super::Parser for Parser {
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        loop {
            for (found, field) in self.found.iter_mut().zip(&self.fields) {
                if !field.is_absolute {
                    *found = None;
                }
            }
            let is_record = self.advance()?;
            let window = self.reader.get_ref();
            if !is_record {
                record.span = window.input.offset()..window.input.offset();
                record.end_line = window.input.place().line;
                return Ok(Step::End);
            }
            record.span = self.start.0..window.input.offset();
            if record.span.end <= self.skip_to {
                continue;
            }
            record.clear(self.fields.len());
            (record.line, record.end_line) = (self.start.1.line, window.input.place().line);
            return Ok(self.fill_in(record));
        }
    }

    fn place(&self, _: &Record, slot: usize) -> Place {
        self.found.get(slot).and_then(Option::as_ref).map_or(self.start.1, |found| found.place)
    }

    fn original(&self) -> Original {
        let window = self.reader.get_ref();
        original_of(window.kept(), window.kept_length())
    }

    fn nothing(&self) -> String {
        match &self.root {
            Some(root) => format!(
                "there is no element at `{}` (`format.records`); the root element is `{root}`",
                self.records
            ),
            None => "it holds no element".to_owned(),
        }
    }
}
