//! The formats of sources, read as streams: a parser keeps one record in memory.

mod csv;
mod json;
mod lines;
mod ndjson;
mod text;
mod xml;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use json::without_not_finite;

use crate::input::encoding::SourceEncoding;
use crate::input::{Bytes, Input, no_hint};
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Field, Format};

/// Bytes of a broken or too long record that are kept to be shown.
const SHOWN_BYTES: usize = 4 << 10;

/// The result of one parser step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record, which has been filled in.
    Record,
    /// A record that cannot be read, with its place. Reading continues after it.
    Complaint(Complaint),
    /// The same, if the record contradicts the header of its source.
    Misfit(Complaint),
    /// The end of the source.
    End,
}

/// Why a source cannot be read further.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The rest of the source cannot be parsed.
    #[error("line {}, column {}: {}", .0.place.line, .0.place.column, .0.reason)]
    Broken(Complaint),
    /// Reading the source failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ReadError {
    fn broken(place: Place, reason: impl Into<String>) -> Self {
        Self::Broken(Complaint { place, reason: reason.into() })
    }
}

/// Reads the records of a source, one after the other.
pub(crate) trait Parser {
    /// Reads the next record.
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError>;

    /// The place of a field of the current record, or of the record if it has no such field.
    fn place(&self, record: &Record, slot: usize) -> Place;

    /// What was read last, as in the source.
    fn original(&self) -> Original;

    /// Why a source with content has no record.
    fn nothing(&self) -> String {
        "there is no record in it".to_owned()
    }

    /// Whether the last record repeats the header; the text says what that means for the rows.
    ///
    /// # Errors
    /// It is another header, which cannot be used.
    fn header_again(&mut self) -> Result<Option<String>, ReadError> {
        Ok(None)
    }

    /// Whether the last record has words and no number, like a row of units.
    fn is_words(&self) -> bool {
        false
    }
}

/// The current header, which outlasts its file: later rows may have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) names: Vec<String>,
    /// The columns of the rows, if they are fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) row_width: Option<usize>,
}

/// The header of a stream, shared by its parser and its state.
pub(crate) type SharedHeader = Rc<RefCell<Option<Header>>>;

/// The position and line at which to continue in a source that was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

impl Start {
    /// The start of a source.
    pub(crate) const BEGINNING: Self = Self { offset: 0, line: 1 };
}

/// What all formats share.
#[derive(Debug, Clone)]
pub(crate) struct ParserOptions {
    /// Bytes that a record may have in UTF-8.
    pub(crate) record_bytes: usize,
    /// The previous header, if the stream may continue without one.
    pub(crate) header: SharedHeader,
}

/// Opens a source. `fields` are the fields to read from each record, by slot.
///
/// # Errors
/// If the source cannot be read, or lacks the fields of the mapping.
pub(crate) fn open(
    bytes: Box<dyn Bytes>,
    format: &Format,
    encoding: Option<SourceEncoding>,
    fields: &[Field],
    options: &ParserOptions,
    from: Start,
) -> Result<Box<dyn Parser>, ReadError> {
    let hint = match format {
        Format::Xml(_) => xml::encoding_hint,
        Format::Json(_) | Format::Ndjson(_) => json::encoding_hint,
        Format::Text(_) | Format::Csv(_) => no_hint,
    };
    let mut input = Input::open(bytes, encoding, hint).map_err(|error| match error.kind() {
        // The declared encoding of the source contradicts its bytes or its description.
        io::ErrorKind::InvalidData => ReadError::broken(Place { line: 1, column: 1 }, error.to_string()),
        _ => error.into(),
    })?;
    let limit = options.record_bytes;
    Ok(match format {
        Format::Text(text) => Box::new(text::Parser::open(input, text, fields, limit, from)?),
        Format::Csv(csv) => Box::new(csv::Parser::open(input, csv, fields, options, from)?),
        Format::Ndjson(ndjson) => {
            input.skip_nuls()?;
            Box::new(ndjson::Parser::open(input, ndjson, fields, limit, from)?)
        }
        Format::Json(json) => Box::new(json::Parser::open(input, json, fields, limit, from)?),
        Format::Xml(xml) => Box::new(xml::Parser::open(input, xml, fields, limit, from)?),
    })
}

/// The values of the fields with a `head`, by slot.
///
/// # Errors
/// A field has no match in the lines before the records.
fn heads(fields: &[Field], head: &str, place: Place) -> Result<Vec<Option<String>>, ReadError> {
    let find = |field: &Field| match field {
        Field::Head(head_field) => head_field
            .find(head)
            .map(Some)
            .ok_or_else(|| ReadError::broken(place, format!("no line before the records matches {field}"))),
        _ => Ok(None),
    };
    fields.iter().map(find).collect()
}

fn has_heads(fields: &[Field]) -> bool {
    fields.iter().any(|field| matches!(field, Field::Head(_)))
}

/// Bytes of the lines before the records that are searched.
const HEAD_BYTES: usize = 64 << 10;

/// Adds a line to the lines before the records.
fn add_to_head(head: &mut String, line: &[u8]) {
    if head.len() + line.len() < HEAD_BYTES {
        head.push_str(&String::from_utf8_lossy(line));
        head.push('\n');
    }
}

/// The beginning of what was read, for messages.
fn original_of(bytes: &[u8], length: u64) -> Original {
    Original { bytes: bytes.to_vec(), length }
}

/// The message about a record that is too long.
fn too_long(length: u64, limit: usize) -> String {
    format!("the record has {length} bytes; at most {limit} are allowed (`max_record_bytes`)")
}
