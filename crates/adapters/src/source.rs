//! The description of a source: input, format and mapping.

mod file;
pub(crate) mod flags;
mod format_table;
mod input_table;
mod measure_table;
mod number_table;
mod time_table;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use regex::bytes::RegexSet;
use rust_decimal::Decimal;
use serde::Deserialize;
use thiserror::Error;

use crate::input::encoding::SourceEncoding;
use crate::missing::Missing;
use crate::number::NumberFormat;
use crate::time::{Clock, Unit};

/// The description cannot be used. The sentence names the key or the option.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct SourceError(pub(crate) String);

/// A source, described in full.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its name in message ids and in the state folder.
    pub(crate) name: String,
    pub(crate) place: Where,
    pub(crate) format: Format,
    pub(crate) encoding: Option<SourceEncoding>,
    pub(crate) numbers: NumberFormat,
    pub(crate) measures: Vec<MeasureFrom>,
    /// Whether one bad value discards all values of its record.
    pub(crate) whole_records: bool,
    /// Warnings about valid but often unintended settings.
    pub(crate) hints: Vec<String>,
    pub(crate) limits: MessageLimits,
    /// The maximum size of a record in bytes.
    pub(crate) max_record_bytes: usize,
    /// The file for records that cannot be read, unless it is the one in the state folder.
    pub(crate) unparsable: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
}

/// The maximum number of measures in a message, and the maximum delay of a measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageLimits {
    pub(crate) measures: usize,
    pub(crate) linger: Duration,
}

/// The input.
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
    /// The pattern of rotated names in the same folder.
    pub(crate) rotated: String,
    /// On the first start, skip the present content.
    pub(crate) from_end: bool,
}

/// A folder that files are dropped into, or in which files grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// The names of the files.
    pub(crate) pattern: String,
    /// Whether the files grow: each is read as it is written (`follow` with a pattern).
    pub(crate) grows: bool,
    /// With `grows`: on the first start, skip the present content.
    pub(crate) from_end: bool,
    /// A file that has not changed for this long is complete.
    pub(crate) settle: Duration,
    /// A last line without line end is read when the file has not changed for this long.
    pub(crate) last_line: Duration,
    /// The folder for files that have been read; without it they stay in place.
    pub(crate) done: Option<PathBuf>,
    /// Whether to end once everything is read.
    pub(crate) once: bool,
}

/// How records are written.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    Text(TextFormat),
    Csv(CsvFormat),
    Ndjson(NdjsonFormat),
    Json(JsonFormat),
    Xml(XmlFormat),
}

/// Lines of text.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextFormat {
    /// The pattern whose groups are the fields; without it the line is the field `line`.
    pub(crate) pattern: Option<Regex>,
    pub(crate) skip_lines: u64,
    pub(crate) comment: Option<u8>,
    pub(crate) pass_over: PassOver,
}

impl TextFormat {
    /// Whether a line is not a record: blank, a comment, or excluded by a pattern.
    pub(crate) fn passes_over(&self, line: &[u8]) -> bool {
        match line.trim_ascii_start().first() {
            None => true,
            first => first.copied() == self.comment || self.pass_over.matches(line),
        }
    }
}

/// Lines that are not records.
#[derive(Debug, Clone, Default)]
pub(crate) struct PassOver(pub(crate) Option<RegexSet>);

impl PassOver {
    pub(crate) fn matches(&self, line: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|patterns| patterns.is_match(line))
    }
}

/// Comma-separated values.
#[derive(Debug, Clone)]
pub(crate) struct CsvFormat {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) header: bool,
    /// Lines before the header.
    pub(crate) skip_lines: u64,
    /// Rows after the header, such as units.
    pub(crate) skip_rows: u64,
    /// Whether rows may lack their last columns.
    pub(crate) short_rows: bool,
    pub(crate) comment: Option<u8>,
    pub(crate) pass_over: PassOver,
}

/// JSON, one value in each line.
#[derive(Debug, Clone, Default)]
pub(crate) struct NdjsonFormat {
    pub(crate) pass_over: PassOver,
}

/// JSON documents.
#[derive(Debug, Clone)]
pub(crate) struct JsonFormat {
    /// The path of the array of records.
    pub(crate) records: String,
    /// Whether the path leads to an object with an array for each field instead.
    pub(crate) parallel: bool,
}

/// XML documents.
#[derive(Debug, Clone)]
pub(crate) struct XmlFormat {
    /// The path of the elements that are records.
    pub(crate) records: String,
}

/// A part of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(
    untagged,
    expecting = "a field must be a name or path, a number, a list of the parts of a path, or { head = \"…\" }"
)]
pub(crate) enum Field {
    /// A column's number from 1, or an index from 0.
    Number(u64),
    /// A column, a group of a pattern, a path.
    Name(String),
    /// The keys of a JSON path, where they hold dots.
    Path(Vec<String>),
    /// The match of a regular expression in the lines before the records.
    Head(HeadField),
}

/// The match of a regular expression in the lines before the records.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeadField {
    pub(crate) head: String,
}

impl HeadField {
    /// The groups of the match, joined by spaces; without groups the whole match.
    pub(crate) fn find(&self, head: &str) -> Option<String> {
        let found = Regex::new(&self.head).ok()?.captures(head)?;
        let groups: Vec<_> = found.iter().skip(1).flatten().map(|group| group.as_str()).collect();
        Some(if found.len() == 1 { found[0].to_owned() } else { groups.join(" ") })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "`{number}`"),
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Path(path) => write!(f, "`{}`", path.join(".")),
            Self::Head(field) => write!(f, "`head = '{}'`", field.head),
        }
    }
}

/// The origin of a name of an experiment or measure type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "must be a name, or { field = \"…\" } with an optional table `names`")]
pub(crate) enum NameFrom {
    /// The same name for all records.
    Constant(String),
    /// From the records.
    Field(NamedByField),
}

/// A name from a field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedByField {
    pub(crate) field: Field,
    /// From names in the source to names in MyMONIT: `Hz` to `hertz`.
    #[serde(default)]
    pub(crate) names: BTreeMap<String, String>,
}

/// The origin of a timestamp.
#[derive(Debug, Clone)]
pub(crate) enum TimeFrom {
    /// The time at which the record was read.
    Arrival,
    /// From fields of the record, joined by spaces.
    Fields(Vec<Field>, Clock),
    /// Relative to a start.
    Since { start: StartFrom, count: CountFrom, clock: Clock },
}

/// The start that times count from.
#[derive(Debug, Clone)]
pub(crate) enum StartFrom {
    /// In nanoseconds since 1970.
    Constant(i128),
    Fields(Vec<Field>, Clock),
}

/// The time of a record since the start.
#[derive(Debug, Clone)]
pub(crate) enum CountFrom {
    Field(Field, Unit),
    /// The number of the record, from 0, times this many seconds.
    Interval(NumberFrom),
    /// The number of the record, from 0, at this many records a second.
    Rate(NumberFrom),
}

/// A constant number, or one from a field.
#[derive(Debug, Clone)]
pub(crate) enum NumberFrom {
    Constant(Decimal),
    Field(Field),
}

/// A factor or an offset.
#[derive(Debug, Clone)]
pub(crate) enum Factor {
    Constant(Decimal),
    /// Depends on a field, such as one with the unit.
    ByField(Field, Vec<(String, Decimal)>),
}

/// One measure of each record.
#[derive(Debug, Clone)]
pub(crate) struct MeasureFrom {
    pub(crate) experiment: NameFrom,
    pub(crate) measure: NameFrom,
    pub(crate) sensor: Option<NameFrom>,
    pub(crate) value: Field,
    pub(crate) timestamp: TimeFrom,
    pub(crate) scale: Factor,
    pub(crate) offset: Factor,
    pub(crate) missing: Missing,
    /// Whether a record without the value is invalid; `None` if not set.
    pub(crate) required: Option<bool>,
}

fn wrong(key: &str, held: &str, allowed: &str) -> SourceError {
    SourceError(format!("`{key}` is `{held}`; allowed is {allowed}"))
}
