//! The description of a simple source by options alone.

use std::path::{Path, PathBuf};

use clap::Args;

use super::file::{Description, check_name};
use super::format_table::{FormatTable, Kind, OneOrMany};
use super::input_table::InputTable;
use super::measure_table::{FactorTable, MeasureTable};
use super::number_table::Number;
use super::time_table::TimestampTable;
use super::wrong;
use super::{Field, NameFrom, Source, SourceError};

/// What the source is: a file that describes it, or options for simple sources.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceFlags {
    /// The description of the source, in TOML.
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["experiment", "measure"])]
    source: Option<PathBuf>,
    /// Files to read, from start to end; without any, standard input is read. With --source, they
    /// replace its input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The name of the experiment.
    #[arg(long, required_unless_present = "source")]
    experiment: Option<String>,
    /// The name of the measure type, such as hertz.
    #[arg(long, required_unless_present = "source")]
    measure: Option<String>,
    /// The name of the sensor.
    #[arg(long, conflicts_with = "source")]
    sensor: Option<String>,
    /// How the records are written.
    #[arg(long, value_enum, default_value_t = Kind::Text, conflicts_with = "source")]
    format: Kind,
    /// The field of the value: a column's name or number, a group of the pattern, a path.
    #[arg(long, value_name = "FIELD", conflicts_with = "source")]
    value: Option<String>,
    /// The field of the timestamp; without it, the time of arrival counts.
    #[arg(long, value_name = "FIELD", conflicts_with = "source")]
    timestamp: Option<String>,
    /// rfc3339, unix, unix_ms, unix_us, unix_ns, excel, labview, or a pattern: "%d.%m.%Y
    /// %H:%M:%S%.f".
    #[arg(long, value_name = "FORMAT", requires = "timestamp")]
    time_format: Option<String>,
    /// The time zone of timestamps that name none, such as Europe/Zurich.
    #[arg(long, value_name = "ZONE", requires = "time_format")]
    zone: Option<String>,
    /// For text: a regular expression with named groups, such as `T=(?<value>[0-9.]+)`.
    #[arg(long, value_name = "REGEX", conflicts_with = "source")]
    pattern: Option<String>,
    /// For CSV: the delimiter of columns.
    #[arg(long, value_name = "CHAR", conflicts_with = "source")]
    delimiter: Option<char>,
    /// For CSV: the first line holds values, and columns go by number, from 1.
    #[arg(long, conflicts_with = "source")]
    no_header: bool,
    /// For JSON and XML: the path of the records, such as run/sample.
    #[arg(long, value_name = "PATH", conflicts_with = "source")]
    records: Option<String>,
    /// The decimal sign.
    #[arg(long, value_name = "CHAR", conflicts_with = "source")]
    decimal: Option<char>,
    /// The encoding, such as windows-1252.
    #[arg(long, value_name = "NAME", conflicts_with = "source")]
    encoding: Option<String>,
    /// Multiplies each value, to convert its unit.
    #[arg(long, value_name = "NUMBER", conflicts_with = "source", allow_hyphen_values = true)]
    scale: Option<String>,
    /// Is added to each value, after --scale.
    #[arg(long, value_name = "NUMBER", conflicts_with = "source", allow_hyphen_values = true)]
    offset: Option<String>,
    /// Goes on reading as the file grows and is rotated, like `tail -F`.
    #[arg(long)]
    follow: bool,
    /// Names the source, in message ids and in the state folder.
    #[arg(long)]
    name: Option<String>,
}

impl SourceFlags {
    /// The description of the source.
    ///
    /// # Errors
    /// Names the file and the key, or the option, that is wrong.
    pub(crate) fn source(&self) -> Result<Source, SourceError> {
        let mut source = match &self.source {
            Some(path) => Source::read(path)?,
            None => self.description().source(&self.default_name(), Path::new(""))?,
        };
        if self.source.is_some() {
            if let Some(name) = &self.name {
                check_name(name)?;
                source.name.clone_from(name);
            }
            if self.follow || !self.files.is_empty() {
                source.place = self.description().source("files", Path::new(""))?.place;
            }
        }
        if self.follow && self.files.len() != 1 {
            return Err(wrong("--follow", &format!("{} files", self.files.len()), "one file to follow"));
        }
        Ok(source)
    }

    /// A name that differs between adapters that are likely to run on one host.
    fn default_name(&self) -> String {
        let parts = [self.experiment.as_deref(), self.measure.as_deref()];
        let file = self.files.first().and_then(|file| file.file_name()).and_then(|file| file.to_str());
        let name = parts.into_iter().flatten().chain(file).collect::<Vec<_>>().join("-");
        let allowed = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
        let name: String = name.chars().map(allowed).collect();
        let mut end = name.len().min(100);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name[..end].trim_start_matches('.').to_owned()
    }

    fn description(&self) -> Description {
        let constant =
            |name: &Option<String>| NameFrom::Constant(name.clone().unwrap_or_else(|| "-".to_owned()));
        let timestamp = TimestampTable {
            arrival: self.timestamp.is_none().then_some(true),
            field: self.timestamp.as_deref().map(Self::field),
            format: self.time_format.clone().map(OneOrMany::One),
            zone: self.zone.clone(),
            ..TimestampTable::default()
        };
        Description {
            name: self.name.clone(),
            experiment: Some(constant(&self.experiment)),
            sensor: self.sensor.clone().map(NameFrom::Constant),
            input: InputTable {
                files: (!self.follow && !self.files.is_empty()).then(|| self.files.clone()),
                follow: self.follow.then(|| self.files.first().cloned().unwrap_or_default()),
                ..InputTable::default()
            },
            format: FormatTable {
                kind: Some(self.format),
                encoding: self.encoding.clone(),
                decimal: self.decimal,
                pattern: self.pattern.clone(),
                delimiter: self.delimiter,
                header: self.no_header.then_some(false),
                records: self.records.clone(),
                ..FormatTable::default()
            },
            timestamp: Some(timestamp),
            measures: vec![MeasureTable {
                experiment: None,
                measure: constant(&self.measure),
                sensor: None,
                value: self.value.as_deref().map(Self::field),
                values: None,
                timestamp: None,
                scale: self.scale.clone().map(|scale| FactorTable::Constant(Number::Text(scale))),
                offset: self.offset.clone().map(|offset| FactorTable::Constant(Number::Text(offset))),
                missing: None,
                required: None,
            }],
            whole_records: None,
            measures_per_message: None,
            linger_ms: None,
            max_record_bytes: None,
            unparsable: None,
            state: None,
        }
    }

    fn field(name: &str) -> Field {
        // The parser takes a number that is not a column's name for its position.
        Field::Name(name.to_owned())
    }
}
