//! The description of a source: where it is, how it is written, and what its records mean.

mod file;
mod flags;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use serde::Deserialize;
use thiserror::Error;

use crate::input::encoding::SourceEncoding;
use crate::number::{Conversion, NumberFormat};
use crate::time::TimeFormat;

pub(crate) use flags::SourceFlags;

/// The description cannot be used. The sentence names the key or the option.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct SourceError(pub(crate) String);

/// A source, described in full.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its name in messages' ids and in the state folder.
    pub(crate) name: String,
    pub(crate) place: Where,
    pub(crate) format: Format,
    pub(crate) encoding: Option<SourceEncoding>,
    pub(crate) numbers: NumberFormat,
    /// Texts that stand for a value that was not measured.
    pub(crate) missing: Vec<String>,
    pub(crate) measures: Vec<MeasureFrom>,
    pub(crate) limits: MessageLimits,
    /// Bytes that a record may have.
    pub(crate) max_record_bytes: usize,
    /// The file for records that cannot be read, unless it is the one in the state folder.
    pub(crate) unparsable: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
}

/// When a message is full, and how long a measure waits for others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageLimits {
    pub(crate) measures: usize,
    pub(crate) linger: Duration,
}

/// Where the bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Where {
    /// Files, from their start to their end.
    Files(Vec<PathBuf>),
    /// Standard input, to its end.
    StandardInput,
    /// A file that grows and is rotated.
    Follow(Follow),
    /// A folder that files are dropped into.
    Folder(Folder),
}

/// A file that grows and is rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Follow {
    pub(crate) path: PathBuf,
    /// The names, in the same folder, that the file is given when it is rotated.
    pub(crate) rotated: String,
    /// On the first start, begin with what is written from then on.
    pub(crate) from_end: bool,
}

/// A folder that files are dropped into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// The names of the files.
    pub(crate) pattern: String,
    /// A file that has not changed for so long is whole.
    pub(crate) settle: Duration,
    /// Where files go that have been read; without it they stay, and are remembered.
    pub(crate) done: Option<PathBuf>,
    /// Ends when there is nothing to read any more.
    pub(crate) once: bool,
}

/// How records are written.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    Text(TextFormat),
    Csv(CsvFormat),
    Ndjson,
    Json(JsonFormat),
    Xml(XmlFormat),
}

/// Lines of text.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextFormat {
    /// What to find in a line; without it the line is the field `line`.
    pub(crate) pattern: Option<Regex>,
    pub(crate) skip_lines: u64,
    pub(crate) comment: Option<u8>,
}

impl TextFormat {
    /// Whether a line says nothing: it is blank or a comment.
    pub(crate) fn passes_over(&self, line: &[u8]) -> bool {
        match line.trim_ascii_start().first() {
            None => true,
            first => first.copied() == self.comment,
        }
    }
}

/// Comma-separated values.
#[derive(Debug, Clone)]
pub(crate) struct CsvFormat {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) header: bool,
    pub(crate) skip_lines: u64,
    pub(crate) comment: Option<u8>,
}

/// JSON documents.
#[derive(Debug, Clone)]
pub(crate) struct JsonFormat {
    /// The path of the array of records.
    pub(crate) records: String,
}

/// XML documents.
#[derive(Debug, Clone)]
pub(crate) struct XmlFormat {
    /// The path of the elements that are records.
    pub(crate) records: String,
}

/// A part of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged, expecting = "a field must be a name or path, a number, or a list of the parts of a path")]
pub(crate) enum Field {
    /// A column's number from 1, or an index from 0.
    Number(u64),
    /// A column, a group of a pattern, a path.
    Name(String),
    /// The keys of a JSON path, where they hold dots.
    Path(Vec<String>),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "`{number}`"),
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Path(path) => write!(f, "`{}`", path.join(".")),
        }
    }
}

/// Where a name comes from: the experiment's or the measure's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "must be a name, or { field = \"…\" } with an optional table `names`")]
pub(crate) enum NameFrom {
    /// It is always the same.
    Constant(String),
    /// From the records.
    Field(NamedByField),
}

/// A name that the records say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedByField {
    pub(crate) field: Field,
    /// What MyMONIT calls what the source calls otherwise: `Hz` is `hertz`.
    #[serde(default)]
    pub(crate) names: BTreeMap<String, String>,
}

/// Where the time of a measure comes from.
#[derive(Debug, Clone)]
pub(crate) enum TimeFrom {
    /// It is the time at which the record was read.
    Arrival,
    /// From the records; several fields are put together with a space between.
    Fields(Vec<Field>, TimeFormat),
}

/// One measure of each record.
#[derive(Debug, Clone)]
pub(crate) struct MeasureFrom {
    pub(crate) experiment: NameFrom,
    pub(crate) measure: NameFrom,
    pub(crate) value: Field,
    pub(crate) timestamp: TimeFrom,
    pub(crate) conversion: Conversion,
}
