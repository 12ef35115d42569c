//! The description of a source in a TOML file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::format_table::FormatTable;
use super::input_table::InputTable;
use super::measure_table::{Defaults, MeasureTable};
use super::time_table::TimestampTable;
use super::{
    CountFrom, Field, Format, MeasureFrom, MessageLimits, NameFrom, Source, SourceError, StartFrom, TimeFrom,
    Where, wrong,
};
use crate::input::encoding::SourceEncoding;
use crate::mapping::Mapping;
use crate::missing::Missing;

/// The default number of measures in a message: efficient, yet small enough to repair when
/// rejected.
const MEASURES_PER_MESSAGE: usize = 1_000;
/// The service's maximum.
const MAX_MEASURES_PER_MESSAGE: usize = 10_000;
const LINGER_MS: u64 = 100;
const MAX_RECORD_BYTES: usize = 1 << 20;
const MAX_MAX_RECORD_BYTES: usize = 64 << 20;
/// One record's measures have to fit into one message.
const MAX_MEASURES_PER_RECORD: usize = 500;
const MAX_NAME_BYTES: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    pub(super) name: Option<String>,
    pub(super) experiment: Option<NameFrom>,
    pub(super) sensor: Option<NameFrom>,
    #[serde(default)]
    pub(super) input: InputTable,
    #[serde(default)]
    pub(super) format: FormatTable,
    pub(super) timestamp: Option<TimestampTable>,
    #[serde(default)]
    pub(super) measures: Vec<MeasureTable>,
    pub(super) whole_records: Option<bool>,
    pub(super) measures_per_message: Option<usize>,
    pub(super) linger_ms: Option<u64>,
    pub(super) max_record_bytes: Option<usize>,
    pub(super) unparsable: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
}

impl Source {
    /// Reads a description. Its relative paths are relative to its folder.
    ///
    /// # Errors
    /// Names the file, and the line or key that is wrong.
    pub(crate) fn read(path: &Path) -> Result<Self, SourceError> {
        let named = |why: String| SourceError(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        let description: Description = toml::from_str(&text).map_err(|error| named(error.to_string()))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("source");
        let folder = path.parent().unwrap_or(Path::new(""));
        description.source(stem, folder).map_err(|error| named(error.0))
    }
}

impl Description {
    /// Validates the description. Relative paths are relative to `folder`.
    pub(super) fn source(self, default_name: &str, folder: &Path) -> Result<Source, SourceError> {
        let name = self.name.unwrap_or_else(|| default_name.to_owned());
        check_name(&name)?;
        let numbers = self.format.numbers()?;
        let format = self.format.format()?;
        if self.measures.is_empty() {
            return Err(SourceError("`[[measures]]` is missing: what the records hold".to_owned()));
        }
        let missing = Missing::new(&self.format.missing.unwrap_or_default(), numbers);
        let tables = self.measures.iter().filter_map(|measure| measure.timestamp.as_ref());
        let hints = tables.chain(&self.timestamp).filter_map(TimestampTable::hint).collect();
        let defaults = Defaults {
            experiment: self.experiment,
            sensor: self.sensor,
            timestamp: self.timestamp,
            value: matches!(format, Format::Text(_)).then(|| default_value(&format)),
            missing: missing.map_err(|why| SourceError(format!("`format.missing`: {why}")))?,
            numbers,
        };
        let measures = self.measures.into_iter().map(|measure| measure.check(&defaults));
        let measures: Vec<_> = measures.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        if measures.is_empty() || measures.len() > MAX_MEASURES_PER_RECORD {
            let why = format!("a record can have 1 to {MAX_MEASURES_PER_RECORD} measures");
            return Err(SourceError(why));
        }
        let at = |path: PathBuf| folder.join(path);
        let source = Source {
            name,
            place: self.input.place(&at)?,
            encoding: self
                .format
                .encoding
                .as_deref()
                .map(SourceEncoding::named)
                .transpose()
                .map_err(SourceError)?,
            numbers,
            measures,
            whole_records: self.whole_records.unwrap_or(false),
            hints,
            format,
            limits: MessageLimits {
                measures: within(
                    "measures_per_message",
                    self.measures_per_message,
                    MEASURES_PER_MESSAGE,
                    MAX_MEASURES_PER_MESSAGE,
                )?,
                linger: Duration::from_millis(self.linger_ms.unwrap_or(LINGER_MS)),
            },
            max_record_bytes: within(
                "max_record_bytes",
                self.max_record_bytes,
                MAX_RECORD_BYTES,
                MAX_MAX_RECORD_BYTES,
            )?,
            unparsable: self.unparsable.map(at),
            state: self.state.map(at),
        };
        check_heads(&source)?;
        check_starts(&source)?;
        Ok(source)
    }
}

/// Only text and CSV have lines before their records.
fn check_heads(source: &Source) -> Result<(), SourceError> {
    for field in Mapping::new(source).fields() {
        let Field::Head(head) = field else { continue };
        let has_head = match &source.format {
            Format::Text(text) => text.skip_lines > 0 || text.comment.is_some(),
            Format::Csv(csv) => csv.skip_lines > 0 || csv.comment.is_some(),
            _ => false,
        };
        if !has_head {
            let why =
                "needs lines before the records: text or CSV with `format.skip_lines` or `format.comment`";
            return Err(SourceError(format!("{field} {why}")));
        }
        regex::Regex::new(&head.head).map_err(|error| SourceError(format!("{field}: {error}")))?;
    }
    Ok(())
}

/// Rejects times by row number with one constant start for followed files: after a rotation, rows
/// are counted from 0 again.
fn check_starts(source: &Source) -> Result<(), SourceError> {
    let is_followed = match &source.place {
        Where::Follow(_) => true,
        Where::Folder(folder) => folder.grows,
        Where::Files(_) | Where::StandardInput => false,
    };
    let counts_rows = |measure: &MeasureFrom| match &measure.timestamp {
        TimeFrom::Since { start: StartFrom::Constant(_), count, .. } => {
            !matches!(count, CountFrom::Field(..))
        }
        _ => false,
    };
    if is_followed && source.measures.iter().any(counts_rows) {
        let why = "`timestamp.start` is one time for all files, but rows are counted from the start of each; allowed with `input.follow` is a start with `head` or `field`";
        return Err(SourceError(why.to_owned()));
    }
    Ok(())
}

fn within(key: &str, held: Option<usize>, default: usize, max: usize) -> Result<usize, SourceError> {
    match held {
        None => Ok(default),
        Some(number) if (1..=max).contains(&number) => Ok(number),
        Some(number) => Err(wrong(key, &number.to_string(), &format!("a number from 1 to {max}"))),
    }
}

/// The name is a part of message ids, which have 255 bytes, and of the path of the state folder.
pub(super) fn check_name(name: &str) -> Result<(), SourceError> {
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let is_good =
        (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_allowed) && !name.starts_with('.');
    if is_good {
        Ok(())
    } else {
        Err(wrong(
            "name",
            name,
            "1 to 100 bytes of letters, digits, `-`, `_`, `.` and spaces, with no `.` at the start",
        ))
    }
}

fn default_value(format: &Format) -> Field {
    match format {
        Format::Text(text) if text.pattern.is_some() => Field::Name("value".to_owned()),
        _ => Field::Name("line".to_owned()),
    }
}
