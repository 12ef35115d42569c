//! The formats of sources, read as streams: a parser keeps one record in memory, whatever the size of its source.

mod csv;
mod json;
mod lines;
mod ndjson;
mod text;
mod xml;

#[cfg(test)]
mod tests;

use std::io;

use thiserror::Error;

use crate::input::encoding::SourceEncoding;
use crate::input::{Bytes, Input, no_hint};
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Field, Format};

/// So much of a record that is too long, or broken, is kept for people to see.
const SHOWN_BYTES: usize = 4 << 10;

/// What a parser found next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record, which has been filled in.
    Record,
    /// A record that cannot be read; its place has been filled in. Reading goes on after it.
    Complaint(Complaint),
    /// The end of the source.
    End,
}

/// Why a source cannot be read on.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// From there on nothing makes sense.
    #[error("line {}, column {}: {}", .0.place.line, .0.place.column, .0.reason)]
    Broken(Complaint),
    /// The source does not let itself be read.
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

    /// The place of a field of the record that was read last, or of the record where it has no such field.
    fn place(&self, record: &Record, slot: usize) -> Place;

    /// What was read last, as it stands in the source.
    fn original(&self) -> Original;
}

/// Where to go on in a source that was read before: behind a record, at the line there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

impl Start {
    /// The start of a source.
    pub(crate) const BEGINNING: Self = Self { offset: 0, line: 1 };
}

/// What is the same for all formats.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Bytes that a record may have in UTF-8.
    pub(crate) record_bytes: usize,
}

/// Begins to read a source. `fields` are what the records are to be filled with, slot by slot.
///
/// # Errors
/// Where the source cannot be read, or has not the fields that the mapping wants.
pub(crate) fn open(
    bytes: Box<dyn Bytes>,
    format: &Format,
    encoding: Option<SourceEncoding>,
    fields: &[Field],
    limits: &Limits,
    from: Start,
) -> Result<Box<dyn Parser>, ReadError> {
    let hint = if matches!(format, Format::Xml(_)) { xml::encoding_hint } else { no_hint };
    let input = Input::open(bytes, encoding, hint)?;
    Ok(match format {
        Format::Text(text) => Box::new(text::Parser::open(input, text, fields, limits, from)?),
        Format::Csv(csv) => Box::new(csv::Parser::open(input, csv, fields, limits, from)?),
        Format::Ndjson => Box::new(ndjson::Parser::open(input, fields, limits, from)?),
        Format::Json(json) => Box::new(json::Parser::open(input, json, fields, limits, from)?),
        Format::Xml(xml) => Box::new(xml::Parser::open(input, xml, fields, limits, from)?),
    })
}

/// The beginning of what was read, to be shown.
fn original_of(bytes: &[u8], length: u64) -> Original {
    Original { bytes: bytes.to_vec(), length }
}

/// What is said of a record that has more bytes than it may have.
fn too_long(length: u64, limit: usize) -> String {
    format!("the record has {length} bytes; at most {limit} are allowed (`max_record_bytes`)")
}
