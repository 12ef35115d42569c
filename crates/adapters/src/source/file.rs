//! The description of a source in a TOML file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use regex::Regex;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    CsvFormat, Field, Folder, Follow, Format, JsonFormat, MeasureFrom, MessageLimits, NameFrom, Source,
    SourceError, TextFormat, TimeFrom, Where, XmlFormat,
};
use crate::input::encoding::SourceEncoding;
use crate::number::{Conversion, NumberFormat};
use crate::time::{TimeFormat, Twice};

/// Measures in one message, unless the source says otherwise: enough to make each one cheap, and few enough that a
/// rejected message is no great loss of time.
const MEASURES_PER_MESSAGE: usize = 1_000;
/// As many as a message may have (specification §4).
const MAX_MEASURES_PER_MESSAGE: usize = 10_000;
const LINGER_MS: u64 = 100;
const MAX_RECORD_BYTES: usize = 1 << 20;
/// A record has to fit into a message with everything around it.
const MAX_MAX_RECORD_BYTES: usize = 64 << 20;
/// One record's measures have to fit into one message.
const MAX_MEASURES_PER_RECORD: usize = 500;
const MAX_NAME_BYTES: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    pub(super) name: Option<String>,
    pub(super) experiment: Option<NameFrom>,
    #[serde(default)]
    pub(super) input: InputTable,
    #[serde(default)]
    pub(super) format: FormatTable,
    pub(super) timestamp: Option<TimestampTable>,
    #[serde(default)]
    pub(super) measures: Vec<MeasureTable>,
    pub(super) measures_per_message: Option<usize>,
    pub(super) linger_ms: Option<u64>,
    pub(super) max_record_bytes: Option<usize>,
    pub(super) unparsable: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputTable {
    pub(super) files: Option<Vec<PathBuf>>,
    pub(super) follow: Option<PathBuf>,
    pub(super) folder: Option<PathBuf>,
    pub(super) stdin: Option<bool>,
    pub(super) rotated: Option<String>,
    pub(super) start: Option<Start>,
    pub(super) pattern: Option<String>,
    pub(super) settle_seconds: Option<f64>,
    pub(super) done: Option<PathBuf>,
    pub(super) once: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Start {
    Beginning,
    End,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormatTable {
    pub(super) kind: Option<Kind>,
    pub(super) encoding: Option<String>,
    pub(super) decimal: Option<char>,
    pub(super) thousands: Option<char>,
    pub(super) missing: Option<Vec<String>>,
    pub(super) pattern: Option<String>,
    pub(super) skip_lines: Option<u64>,
    pub(super) comment: Option<char>,
    pub(super) delimiter: Option<char>,
    pub(super) quote: Option<String>,
    pub(super) header: Option<bool>,
    pub(super) records: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Lines: a number each, or what a pattern finds.
    #[default]
    Text,
    /// Comma-separated values.
    Csv,
    /// JSON, one value in each line.
    Ndjson,
    /// JSON documents.
    Json,
    /// XML documents.
    Xml,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimestampTable {
    pub(super) arrival: Option<bool>,
    pub(super) field: Option<Field>,
    pub(super) fields: Option<Vec<Field>>,
    pub(super) format: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) twice: Option<Twice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeasureTable {
    pub(super) experiment: Option<NameFrom>,
    pub(super) measure: NameFrom,
    pub(super) value: Option<Field>,
    pub(super) timestamp: Option<TimestampTable>,
    pub(super) scale: Option<Number>,
    pub(super) offset: Option<Number>,
}

/// A number of a TOML file: as a number, or in quotation marks where its digits matter.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a number")]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Number {
    fn decimal(&self, key: &str) -> Result<Decimal, SourceError> {
        let text = match self {
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        };
        crate::number::decimal(&text)
            .ok_or_else(|| wrong(key, &text, "a decimal number of at most 28 digits"))
    }
}

pub(super) fn wrong(key: &str, held: &str, allowed: &str) -> SourceError {
    SourceError(format!("`{key}` is `{held}`; allowed is {allowed}"))
}

impl Source {
    /// Reads the description in that file. Relative paths in it count from its folder.
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
    /// Checks the description. Relative paths count from that folder.
    pub(super) fn source(self, default_name: &str, folder: &Path) -> Result<Source, SourceError> {
        let name = self.name.unwrap_or_else(|| default_name.to_owned());
        check_name(&name)?;
        let numbers = numbers(&self.format)?;
        let format = self.format.format()?;
        if self.measures.is_empty() {
            return Err(SourceError("there is no `[[measures]]`: say what the records hold".to_owned()));
        }
        if self.measures.len() > MAX_MEASURES_PER_RECORD {
            return Err(SourceError(format!("a record can have at most {MAX_MEASURES_PER_RECORD} measures")));
        }
        let defaults = Defaults {
            experiment: self.experiment,
            timestamp: self.timestamp,
            value: matches!(format, Format::Text(_)).then(|| default_value(&format)),
        };
        let measures = self.measures.into_iter().map(|measure| measure.check(&defaults));
        let at = |path: PathBuf| folder.join(path);
        Ok(Source {
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
            missing: self.format.missing.unwrap_or_default(),
            measures: measures.collect::<Result<_, _>>()?,
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
        })
    }
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

fn numbers(format: &FormatTable) -> Result<NumberFormat, SourceError> {
    let decimal = format.decimal.unwrap_or('.');
    if !matches!(decimal, '.' | ',') {
        return Err(wrong("format.decimal", &decimal.to_string(), "`.` or `,`"));
    }
    if format.thousands == Some(decimal) {
        return Err(wrong("format.thousands", &decimal.to_string(), "another sign than `format.decimal`"));
    }
    Ok(NumberFormat { decimal, thousands: format.thousands })
}

fn default_value(format: &Format) -> Field {
    match format {
        Format::Text(text) if text.pattern.is_some() => Field::Name("value".to_owned()),
        _ => Field::Name("line".to_owned()),
    }
}

impl InputTable {
    fn place(self, at: &dyn Fn(PathBuf) -> PathBuf) -> Result<Where, SourceError> {
        self.refuse_strangers()?;
        let chosen =
            [self.files.is_some(), self.follow.is_some(), self.folder.is_some(), self.stdin == Some(true)];
        if chosen.iter().filter(|is_chosen| **is_chosen).count() > 1 {
            return Err(SourceError(
                "`[input]` has several of `files`, `follow`, `folder` and `stdin`; one is meant".to_owned(),
            ));
        }
        if let Some(files) = self.files {
            if files.is_empty() {
                return Err(SourceError("`input.files` is empty".to_owned()));
            }
            return Ok(Where::Files(files.into_iter().map(at).collect()));
        }
        if let Some(path) = self.follow {
            let file = path.file_name().and_then(|file| file.to_str());
            let file =
                file.ok_or_else(|| wrong("input.follow", &path.display().to_string(), "the path of a file"))?;
            let rotated = self.rotated.unwrap_or_else(|| format!("{}[.-]*", glob::Pattern::escape(file)));
            check_pattern("input.rotated", &rotated)?;
            let from_end = self.start == Some(Start::End);
            return Ok(Where::Follow(Follow { path: at(path), rotated, from_end }));
        }
        if let Some(path) = self.folder {
            let pattern = self.pattern.unwrap_or_else(|| "*".to_owned());
            check_pattern("input.pattern", &pattern)?;
            let settle = Duration::try_from_secs_f64(self.settle_seconds.unwrap_or(2.0));
            let settle =
                settle.map_err(|_| SourceError("`input.settle_seconds` must not be negative".to_owned()))?;
            let done = self.done.map(at);
            return Ok(Where::Folder(Folder {
                path: at(path),
                pattern,
                settle,
                done,
                once: self.once.unwrap_or(false),
            }));
        }
        Ok(Where::StandardInput)
    }

    fn refuse_strangers(&self) -> Result<(), SourceError> {
        let belongs = [
            ("rotated", self.rotated.is_some(), "follow", self.follow.is_some()),
            ("start", self.start.is_some(), "follow", self.follow.is_some()),
            ("pattern", self.pattern.is_some(), "folder", self.folder.is_some()),
            ("settle_seconds", self.settle_seconds.is_some(), "folder", self.folder.is_some()),
            ("done", self.done.is_some(), "folder", self.folder.is_some()),
            ("once", self.once.is_some(), "folder", self.folder.is_some()),
        ];
        match belongs.iter().find(|(_, is_set, _, has_owner)| *is_set && !has_owner) {
            None => Ok(()),
            Some((key, _, owner, _)) => {
                Err(SourceError(format!("`input.{key}` belongs to `input.{owner}`, which is not set")))
            }
        }
    }
}

fn check_pattern(key: &str, pattern: &str) -> Result<(), SourceError> {
    glob::Pattern::new(pattern).map(drop).map_err(|error| {
        SourceError(format!("`{key}` is `{pattern}`, which is no pattern for names: {error}"))
    })
}

impl FormatTable {
    fn format(&self) -> Result<Format, SourceError> {
        let kind = self.kind.unwrap_or_default();
        self.refuse_strangers(kind)?;
        let ascii = |key: &str, held: char| {
            u8::try_from(held)
                .ok()
                .filter(u8::is_ascii)
                .ok_or_else(|| wrong(key, &held.to_string(), "an ASCII character"))
        };
        let comment = self.comment.map(|comment| ascii("format.comment", comment)).transpose()?;
        let skip_lines = self.skip_lines.unwrap_or(0);
        Ok(match kind {
            Kind::Text => {
                let pattern = self.pattern.as_deref().map(Regex::new).transpose();
                let pattern = pattern.map_err(|error| SourceError(format!("`format.pattern`: {error}")))?;
                Format::Text(TextFormat { pattern, skip_lines, comment })
            }
            Kind::Csv => {
                let quote = match self.quote.as_deref() {
                    None => Some(b'"'),
                    Some("") => None,
                    Some(quote) => match quote.as_bytes() {
                        [quote] if quote.is_ascii() => Some(*quote),
                        _ => {
                            return Err(wrong(
                                "format.quote",
                                quote,
                                "an ASCII character, or nothing for no quotes",
                            ));
                        }
                    },
                };
                let delimiter = ascii("format.delimiter", self.delimiter.unwrap_or(','))?;
                if Some(delimiter) == quote || matches!(delimiter, b'\n' | b'\r') {
                    return Err(wrong(
                        "format.delimiter",
                        &char::from(delimiter).to_string(),
                        "another character than `format.quote` or a line end",
                    ));
                }
                Format::Csv(CsvFormat {
                    delimiter,
                    quote,
                    header: self.header.unwrap_or(true),
                    skip_lines,
                    comment,
                })
            }
            Kind::Ndjson => Format::Ndjson,
            Kind::Json => Format::Json(JsonFormat { records: self.records.clone().unwrap_or_default() }),
            Kind::Xml => {
                let records = self.records.clone();
                let records = records.ok_or_else(|| {
                    SourceError("`format.records` is missing: the path of the elements that are records, such as \"run/sample\"".to_owned())
                })?;
                Format::Xml(XmlFormat { records })
            }
        })
    }

    fn refuse_strangers(&self, kind: Kind) -> Result<(), SourceError> {
        use Kind::{Csv, Json, Text, Xml};
        let belongs: [(&str, bool, &[Kind]); 7] = [
            ("pattern", self.pattern.is_some(), &[Text]),
            ("skip_lines", self.skip_lines.is_some(), &[Text, Csv]),
            ("comment", self.comment.is_some(), &[Text, Csv]),
            ("delimiter", self.delimiter.is_some(), &[Csv]),
            ("quote", self.quote.is_some(), &[Csv]),
            ("header", self.header.is_some(), &[Csv]),
            ("records", self.records.is_some(), &[Json, Xml]),
        ];
        match belongs.iter().find(|(_, is_set, kinds)| *is_set && !kinds.contains(&kind)) {
            None => Ok(()),
            Some((key, ..)) => {
                Err(SourceError(format!("`format.{key}` means nothing for this `format.kind`")))
            }
        }
    }
}

/// What counts for measures that do not say otherwise.
struct Defaults {
    experiment: Option<NameFrom>,
    timestamp: Option<TimestampTable>,
    value: Option<Field>,
}

impl MeasureTable {
    fn check(self, defaults: &Defaults) -> Result<MeasureFrom, SourceError> {
        let missing = |what: &str| SourceError(format!("`{what}` is missing"));
        let experiment =
            self.experiment.or_else(|| defaults.experiment.clone()).ok_or_else(|| missing("experiment"))?;
        check_constant::<mymonit_model::ExperimentName>(&experiment, mymonit_model::ExperimentName::new)?;
        check_constant::<mymonit_model::MeasureTypeName>(&self.measure, mymonit_model::MeasureTypeName::new)?;
        let timestamp = self.timestamp.as_ref().or(defaults.timestamp.as_ref());
        let timestamp = timestamp.ok_or_else(|| {
            SourceError("`[timestamp]` is missing: say `field = \"…\"`, or `arrival = true` for the time at which a record is read".to_owned())
        })?;
        let number = |key, number: Option<Number>, default| match number {
            None => Ok(default),
            Some(number) => number.decimal(key),
        };
        Ok(MeasureFrom {
            experiment,
            measure: self.measure,
            value: self.value.or_else(|| defaults.value.clone()).ok_or_else(|| missing("measures.value"))?,
            timestamp: timestamp.check()?,
            conversion: Conversion {
                scale: number("measures.scale", self.scale, Decimal::ONE)?,
                offset: number("measures.offset", self.offset, Decimal::ZERO)?,
            },
        })
    }
}

fn check_constant<T>(
    name: &NameFrom,
    check: fn(&str) -> Result<T, mymonit_model::InvalidField>,
) -> Result<(), SourceError> {
    let names: Vec<&String> = match name {
        NameFrom::Constant(name) => vec![name],
        NameFrom::Field(by_field) => by_field.names.values().collect(),
    };
    names.into_iter().try_for_each(|name| {
        check(name).map(drop).map_err(|refusal| SourceError(format!("{refusal}, and is `{name}`")))
    })
}

impl TimestampTable {
    fn check(&self) -> Result<TimeFrom, SourceError> {
        let fields = match (&self.field, &self.fields) {
            (Some(_), Some(_)) => {
                return Err(SourceError("`timestamp` has both `field` and `fields`".to_owned()));
            }
            (Some(field), None) => vec![field.clone()],
            (None, Some(fields)) => fields.clone(),
            (None, None) => Vec::new(),
        };
        match (self.arrival.unwrap_or(false), fields.is_empty()) {
            (true, true) if self.format.is_none() && self.zone.is_none() => Ok(TimeFrom::Arrival),
            (true, _) => Err(SourceError(
                "`timestamp.arrival` is the time of reading; it has no field, format or zone".to_owned(),
            )),
            (false, true) => {
                Err(SourceError("`timestamp.field` is missing (or `timestamp.arrival = true`)".to_owned()))
            }
            (false, false) => Ok(TimeFrom::Fields(fields, self.time_format()?)),
        }
    }

    fn time_format(&self) -> Result<TimeFormat, SourceError> {
        let format = self.format.as_deref();
        let is_pattern = format.is_some_and(|format| format.contains('%'));
        if !is_pattern && (self.zone.is_some() || self.twice.is_some()) {
            return Err(SourceError("`timestamp.zone` and `timestamp.twice` belong to a `timestamp.format` such as \"%d.%m.%Y %H:%M:%S\"".to_owned()));
        }
        let unix = |per_second| Ok(TimeFormat::Unix { per_second });
        match format {
            None => Ok(TimeFormat::UnixOrRfc3339),
            Some("unix") => unix(1),
            Some("unix_ms") => unix(1_000),
            Some("unix_us") => unix(1_000_000),
            Some("unix_ns") => unix(1_000_000_000),
            Some("rfc3339") => Ok(TimeFormat::UnixOrRfc3339),
            Some(pattern) if is_pattern => self.pattern(pattern),
            Some(other) => Err(wrong(
                "timestamp.format",
                other,
                "`rfc3339`, `unix`, `unix_ms`, `unix_us`, `unix_ns` or a pattern such as `%d.%m.%Y %H:%M:%S%.f`",
            )),
        }
    }

    fn pattern(&self, pattern: &str) -> Result<TimeFormat, SourceError> {
        let zone = match self.zone.as_deref() {
            Some(zone) => TimeZone::get(zone).map_err(|_| {
                wrong(
                    "timestamp.zone",
                    zone,
                    "a name of the time zone database, such as `Europe/Zurich` or `UTC`",
                )
            })?,
            None if pattern.contains("%z")
                || pattern.contains("%:z")
                || pattern.contains("%s")
                || pattern.contains("%Q") =>
            {
                TimeZone::UTC
            }
            None => {
                return Err(SourceError("`timestamp.zone` is missing: the pattern says no offset, so say where the clock is (\"UTC\", \"Europe/Zurich\")".to_owned()));
            }
        };
        Ok(TimeFormat::Pattern { pattern: pattern.to_owned(), zone, twice: self.twice.unwrap_or_default() })
    }
}
