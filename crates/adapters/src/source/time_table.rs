//! `[timestamp]`: the origin of timestamps.

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::format_table::OneOrMany;
use super::number_table::Number;
use super::wrong;
use super::{CountFrom, Field, HeadField, NumberFrom, SourceError, StartFrom, TimeFrom};
use crate::number::NumberFormat;
use crate::time::{Clock, TimeFormat, Twice, Unit, Year, zone};

const FORMATS: &str = "`iso8601`, `rfc3339`, `unix`, `unix_ms`, `unix_us`, `unix_ns`, `excel`, `excel_1904`, `labview`, or a pattern such as `%d.%m.%Y %H:%M:%S%.f`";

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimestampTable {
    pub(super) arrival: Option<bool>,
    pub(super) field: Option<Field>,
    pub(super) fields: Option<Vec<Field>>,
    pub(super) format: Option<OneOrMany<String>>,
    pub(super) zone: Option<String>,
    pub(super) twice: Option<Twice>,
    pub(super) year: Option<YearTable>,
    pub(super) allow_before_1980: Option<bool>,
    pub(super) start: Option<StartTable>,
    pub(super) unit: Option<Unit>,
    pub(super) interval: Option<NumberTable>,
    pub(super) rate: Option<NumberTable>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "must be a year, or \"current\"")]
pub(super) enum YearTable {
    Fixed(i16),
    Named(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "must be a time, or a table with `head`, `field` or `fields`, and `format` and `zone`"
)]
pub(super) enum StartTable {
    Constant(String),
    From(Box<StartFields>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartFields {
    head: Option<String>,
    field: Option<Field>,
    fields: Option<Vec<Field>>,
    format: Option<OneOrMany<String>>,
    zone: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "must be a number, or a table with `head` or `field`")]
pub(super) enum NumberTable {
    Constant(Number),
    Head(HeadField),
    Field(FieldTable),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldTable {
    field: Field,
}

impl TimestampTable {
    pub(super) fn check(&self, numbers: NumberFormat) -> Result<TimeFrom, SourceError> {
        let fields = match (&self.field, &self.fields) {
            (Some(_), Some(_)) => {
                return Err(SourceError("`timestamp` has both `field` and `fields`".to_owned()));
            }
            (Some(field), None) => vec![field.clone()],
            (None, Some(fields)) => fields.clone(),
            (None, None) => Vec::new(),
        };
        if self.arrival.unwrap_or(false) {
            return self.arrival(&fields);
        }
        let Some(start) = &self.start else {
            let stray = [
                ("unit", self.unit.is_some()),
                ("interval", self.interval.is_some()),
                ("rate", self.rate.is_some()),
            ];
            if let Some((key, _)) = stray.iter().find(|(_, is_set)| *is_set) {
                return Err(SourceError(format!(
                    "`timestamp.{key}` belongs to `timestamp.start`, which is not set"
                )));
            }
            if fields.is_empty() {
                return Err(SourceError(
                    "`timestamp.field` is missing (or `timestamp.arrival = true`)".to_owned(),
                ));
            }
            let count = fields.len() - 1;
            return Ok(TimeFrom::Fields(
                fields,
                self.clock(self.format.as_ref(), self.zone.as_deref(), count, numbers)?,
            ));
        };
        let clock = self.clock(None, self.zone.as_deref(), 0, numbers)?;
        Ok(TimeFrom::Since { start: self.start(start, &clock)?, count: self.count(fields)?, clock })
    }

    fn arrival(&self, fields: &[Field]) -> Result<TimeFrom, SourceError> {
        if fields.is_empty() && self.format.is_none() && self.zone.is_none() && self.start.is_none() {
            return Ok(TimeFrom::Arrival);
        }
        Err(SourceError(
            "`timestamp.arrival` is the time of reading; it has no field, format, zone or start".to_owned(),
        ))
    }

    fn start(&self, start: &StartTable, clock: &Clock) -> Result<StartFrom, SourceError> {
        match start {
            StartTable::Constant(text) => {
                let nanos = clock.nanos(text);
                nanos.map(StartFrom::Constant).map_err(|why| SourceError(format!("`timestamp.start`: {why}")))
            }
            StartTable::From(from) => {
                let fields = match (&from.head, &from.field, &from.fields) {
                    (Some(head), None, None) => vec![Field::Head(HeadField { head: head.clone() })],
                    (None, Some(field), None) => vec![field.clone()],
                    (None, None, Some(fields)) if !fields.is_empty() => fields.clone(),
                    _ => {
                        let why = "`timestamp.start` must have one of `head`, `field` and `fields`";
                        return Err(SourceError(why.to_owned()));
                    }
                };
                let zone = from.zone.as_deref().or(self.zone.as_deref());
                let clock = self.clock(from.format.as_ref(), zone, fields.len() - 1, clock.numbers)?;
                Ok(StartFrom::Fields(fields, clock))
            }
        }
    }

    fn count(&self, mut fields: Vec<Field>) -> Result<CountFrom, SourceError> {
        let unit = match self.format.as_ref().map(OneOrMany::as_slice) {
            None | Some([]) => self.unit.unwrap_or_default(),
            Some([format]) if self.unit.is_none() => match format.as_str() {
                "unix" => Unit::Seconds,
                "unix_ms" => Unit::Milliseconds,
                "unix_us" => Unit::Microseconds,
                "unix_ns" => Unit::Nanoseconds,
                other => {
                    let allowed = "nothing with `timestamp.start`: its field holds a number, or `hh:mm:ss` (see `timestamp.unit`)";
                    return Err(wrong("timestamp.format", other, allowed));
                }
            },
            Some(_) => {
                return Err(SourceError("`timestamp` has both `format` and `unit`".to_owned()));
            }
        };
        match (fields.pop(), fields.is_empty(), &self.interval, &self.rate) {
            (Some(field), true, None, None) => Ok(CountFrom::Field(field, unit)),
            (None, _, Some(interval), None) => Ok(CountFrom::Interval(interval.check("timestamp.interval")?)),
            (None, _, None, Some(rate)) => Ok(CountFrom::Rate(rate.check("timestamp.rate")?)),
            _ => Err(SourceError(
                "`timestamp.start` needs one of `timestamp.field` (the time since it), `timestamp.interval` (seconds from record to record) and `timestamp.rate` (records a second)".to_owned(),
            )),
        }
    }

    fn clock(
        &self,
        format: Option<&OneOrMany<String>>,
        zone: Option<&str>,
        more_fields: usize,
        numbers: NumberFormat,
    ) -> Result<Clock, SourceError> {
        let formats = match format.map(OneOrMany::as_slice) {
            None => vec![TimeFormat::UnixOrIso],
            Some([]) => return Err(SourceError("`timestamp.format` is empty".to_owned())),
            Some(formats) => {
                formats.iter().map(|format| time_format(format, more_fields)).collect::<Result<_, _>>()?
            }
        };
        let year = match &self.year {
            None => None,
            Some(YearTable::Fixed(year)) => Some(Year::Fixed(*year)),
            Some(YearTable::Named(name)) if name == "current" => Some(Year::Current),
            Some(YearTable::Named(name)) => {
                return Err(wrong("timestamp.year", name, "a year, or \"current\""));
            }
        };
        let needs_zone = formats.iter().any(needs_zone);
        let zone = match zone {
            Some(name) => Some(zone::zone(name).ok_or_else(|| wrong("timestamp.zone", name, zone::ALLOWED))?),
            None if needs_zone => {
                return Err(SourceError("`timestamp.zone` is missing: the format has no offset. Allowed is the zone of the instrument's clock, such as \"UTC\", \"Europe/Zurich\" or \"+01:00\"".to_owned()));
            }
            // Patterns with an offset of their own.
            None if formats.iter().all(|format| matches!(format, TimeFormat::Pattern(_))) => {
                Some(TimeZone::UTC)
            }
            None => None,
        };
        if year.is_none()
            && let Some(pattern) = formats.iter().filter_map(pattern_of).find(|pattern| !has_year(pattern))
        {
            let why = format!(
                "`timestamp.year` is missing: the format `{pattern}` has no year. Allowed is a year, or \"current\""
            );
            return Err(SourceError(why));
        }
        let twice = self.twice.unwrap_or_default();
        let allow_before_1980 = self.allow_before_1980.unwrap_or(false);
        Ok(Clock { formats, zone, twice, year, allow_before_1980, numbers })
    }

    /// A warning about a valid but often unintended setting.
    pub(super) fn hint(&self) -> Option<String> {
        zone::hint(self.zone.as_deref()?)
    }
}

impl NumberTable {
    fn check(&self, key: &str) -> Result<NumberFrom, SourceError> {
        Ok(match self {
            Self::Constant(number) => {
                let decimal = number.decimal(key)?;
                if decimal.is_sign_negative() || decimal.is_zero() {
                    return Err(wrong(key, &decimal.to_string(), "a number above 0"));
                }
                NumberFrom::Constant(decimal)
            }
            Self::Head(field) => NumberFrom::Field(Field::Head(field.clone())),
            Self::Field(table) => NumberFrom::Field(table.field.clone()),
        })
    }
}

fn time_format(format: &str, more_fields: usize) -> Result<TimeFormat, SourceError> {
    let unix = |per_second| Ok(TimeFormat::Unix { per_second });
    match format {
        "iso8601" | "rfc3339" => Ok(TimeFormat::UnixOrIso),
        "unix" => unix(1),
        "unix_ms" => unix(1_000),
        "unix_us" => unix(1_000_000),
        "unix_ns" => unix(1_000_000_000),
        "excel" => Ok(TimeFormat::Excel { days_to_1970: 25_569 }),
        "excel_1904" => Ok(TimeFormat::Excel { days_to_1970: 24_107 }),
        "labview" => Ok(TimeFormat::LabView),
        pattern if pattern.contains('%') => Ok(with_count(pattern, more_fields)),
        other => Err(wrong("timestamp.format", other, FORMATS)),
    }
}

/// `%f` in a field of its own counts nanoseconds, `%3f` milliseconds, without leading zeros.
fn with_count(pattern: &str, more_fields: usize) -> TimeFormat {
    let count = pattern.rsplit_once(' ').filter(|_| more_fields > 0).and_then(|(pattern, count)| {
        let per_second = match count {
            "%f" | "%9f" => 1_000_000_000,
            "%6f" => 1_000_000,
            "%3f" => 1_000,
            _ => return None,
        };
        Some(TimeFormat::PatternAndCount { pattern: pattern.trim_end().to_owned(), per_second })
    });
    count.unwrap_or_else(|| TimeFormat::Pattern(pattern.to_owned()))
}

fn pattern_of(format: &TimeFormat) -> Option<&str> {
    match format {
        TimeFormat::Pattern(pattern) | TimeFormat::PatternAndCount { pattern, .. } => Some(pattern),
        _ => None,
    }
}

fn needs_zone(format: &TimeFormat) -> bool {
    match format {
        TimeFormat::Excel { .. } => true,
        TimeFormat::UnixOrIso | TimeFormat::Unix { .. } | TimeFormat::LabView => false,
        TimeFormat::Pattern(pattern) | TimeFormat::PatternAndCount { pattern, .. } => {
            !["%z", "%:z", "%s", "%Q", "%::z", "%:::z"].iter().any(|part| pattern.contains(part))
        }
    }
}

fn has_year(pattern: &str) -> bool {
    ["%Y", "%y", "%F", "%D", "%s", "%c", "%x", "%G", "%g", "%C", "%-Y", "%-y"]
        .iter()
        .any(|part| pattern.contains(part))
}
