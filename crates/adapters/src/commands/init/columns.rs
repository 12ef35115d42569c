//! Detects times, missing values and units in the fields of records.

use jiff::tz::TimeZone;

use super::units::{measure_type, unit_in_name};
use crate::number::{NumberFormat, plain};
use crate::time::{Clock, TimeFormat, Twice, Year};

/// Formats of times without offset.
const PATTERNS: [&str; 17] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y/%m/%d %H:%M:%S%.f",
    "%d.%m.%Y %H:%M:%S%.f",
    "%d.%m.%Y %H:%M:%S,%f",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S%.f",
    "%m/%d/%Y %H:%M:%S%.f",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d-%m-%Y %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M",
    "%Y%m%d %H%M%S",
    "%d-%b-%Y %H:%M:%S%.f",
    "%d %b %Y %H:%M:%S%.f",
    "%b %e %H:%M:%S",
];
/// Numbers that loggers write for values that are missing.
const SENTINELS: [f64; 4] = [-9_999.0, -99_999.0, -9_999.9, -9_999_999.0];
/// What SCPI instruments write for an overload or for NaN.
const OVERLOAD: f64 = 9.9e37;
/// Columns that count records, and the words for times.
const COUNTERS: [&str; 9] = ["record", "index", "row", "no", "nr", "#", "seq", "sequence", "id"];
const TIMES: [&str; 13] = [
    "time",
    "date",
    "zeit",
    "datum",
    "sec",
    "secs",
    "second",
    "seconds",
    "x-axis",
    "x_value",
    "timestamp",
    "epoch",
    "when",
];

/// Records of a file, by field.
pub(super) struct Sample {
    /// The keys of `[format]`, and their values in TOML.
    pub(super) format: Vec<(&'static str, String)>,
    pub(super) decimal: char,
    pub(super) columns: Vec<Column>,
    /// Whether the time of reading may be the time.
    pub(super) may_lack_time: bool,
}

/// A field of all records.
#[derive(Clone)]
pub(super) struct Column {
    /// As TOML.
    pub(super) field: String,
    /// What it is called.
    pub(super) name: String,
    pub(super) unit: Option<String>,
    /// Empty where a record has none.
    pub(super) cells: Vec<String>,
}

/// What records look like.
pub(super) struct Guess {
    pub(super) format: Vec<(&'static str, String)>,
    pub(super) missing: Vec<String>,
    pub(super) time: Time,
    pub(super) columns: Vec<Column>,
}

pub(super) enum Time {
    Arrival,
    Fields {
        fields: Vec<String>,
        format: Option<String>,
        needs_zone: bool,
        is_ambiguous: bool,
    },
    /// Numbers that count from an unknown start.
    Relative {
        field: String,
    },
}

impl Column {
    /// The measure type of its unit, and what converts values to it.
    pub(super) fn measure(&self) -> (&'static str, &'static str) {
        self.unit.as_deref().and_then(|unit| measure_type(unit.trim())).unwrap_or(("MEASURE", ""))
    }

    fn is_called(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }

    fn is_like_time(&self) -> bool {
        let name = self.name.to_lowercase();
        self.is_called(&["t", "ts", "at"])
            || TIMES.iter().any(|known| name.starts_with(known) || name.ends_with(known))
    }

    fn is_numeric(&self, decimal: char) -> bool {
        self.cells.iter().all(|cell| number(cell, decimal).is_some())
    }
}

pub(super) fn number(cell: &str, decimal: char) -> Option<f64> {
    plain(cell.trim(), NumberFormat { decimal, thousands: None })?.parse().ok()
}

impl Guess {
    /// `None` if there is no time, or no number.
    pub(super) fn of(sample: Sample) -> Option<Self> {
        let Sample { format, decimal, columns, may_lack_time } = sample;
        let (time, used) = match time(&columns, decimal) {
            Some(found) => found,
            None if may_lack_time => (Time::Arrival, Vec::new()),
            None => return None,
        };
        let mut missing: Vec<String> = Vec::new();
        let mut values = Vec::new();
        for (at, mut column) in columns.into_iter().enumerate() {
            let is_empty_or_number = |cell: &&String| cell.is_empty() || number(cell, decimal).is_some();
            let others: Vec<_> =
                column.cells.iter().filter(|cell| !is_empty_or_number(cell)).cloned().collect();
            let numbers = column.cells.iter().filter_map(|cell| number(cell, decimal));
            if used.contains(&at)
                || column.is_called(&COUNTERS)
                || numbers.clone().count() < others.len().max(1)
            {
                continue;
            }
            missing.extend(others);
            if numbers.clone().any(|number| number.abs() >= OVERLOAD) {
                missing.extend([format!(">= {OVERLOAD:e}"), format!("<= -{OVERLOAD:e}")]);
            }
            let sentinels =
                numbers.filter(|number| SENTINELS.contains(number)).map(|number| number.to_string());
            missing.extend(sentinels.collect::<Vec<_>>());
            column.unit = column.unit.take().or_else(|| unit_in_name(&column.name));
            values.push(column);
        }
        missing.sort();
        missing.dedup();
        (!values.is_empty()).then_some(Self { format, missing, time, columns: values })
    }
}

fn clock(format: TimeFormat, decimal: char) -> Clock {
    Clock {
        formats: vec![format],
        zone: Some(TimeZone::UTC),
        twice: Twice::Earlier,
        year: Some(Year::Current),
        allow_before_1980: false,
        numbers: NumberFormat { decimal, thousands: None },
    }
}

/// The time, and which columns it takes.
fn time(columns: &[Column], decimal: char) -> Option<(Time, Vec<usize>)> {
    let fits = |cells: &[String], format: TimeFormat| {
        let clock = clock(format, decimal);
        !cells.is_empty() && cells.iter().all(|cell| clock.read(cell).is_ok())
    };
    let pattern = |cells: &[String]| {
        let fits = |pattern: &&&str| fits(cells, TimeFormat::Pattern((**pattern).to_owned()));
        let mut fitting = PATTERNS.iter().filter(fits).copied();
        let first = fitting.next()?;
        Some((first.to_owned(), fitting.any(|other| other.starts_with("%m/%d"))))
    };
    let fields = |at: &[usize], format: Option<String>, needs_zone: bool, is_ambiguous: bool| {
        let fields = at.iter().map(|at| columns[*at].field.clone()).collect();
        Some((Time::Fields { fields, format, needs_zone, is_ambiguous }, at.to_vec()))
    };
    let position = |name: &str| columns.iter().position(|column| column.is_called(&[name]));
    for (seconds, nanos) in [("seconds", "nanoseconds"), ("secs", "nanos"), ("sec", "nsec"), ("s", "ns")] {
        if let (Some(first), Some(second)) = (position(seconds), position(nanos)) {
            return fields(&[first, second], Some("%s %f".to_owned()), false, false);
        }
    }
    for (at, column) in columns.iter().enumerate() {
        let is_numeric = column.is_numeric(decimal);
        if is_numeric && !column.is_like_time() {
            continue;
        }
        let cells = &column.cells;
        // A date and a time in two columns.
        if let Some(next) = columns.get(at + 1) {
            let both: Vec<_> =
                cells.iter().zip(&next.cells).map(|(date, time)| format!("{date} {time}")).collect();
            if let Some((pattern, is_ambiguous)) = pattern(&both) {
                return fields(&[at, at + 1], Some(pattern), true, is_ambiguous);
            }
        }
        if fits(cells, TimeFormat::UnixOrIso) {
            let has_offset = |cell: &String| {
                let utc = Clock { zone: None, ..clock(TimeFormat::UnixOrIso, decimal) };
                utc.read(cell).is_ok()
            };
            return fields(&[at], None, !cells.iter().all(has_offset), false);
        }
        for (name, per_second) in [("unix_ms", 1_000), ("unix_us", 1_000_000), ("unix_ns", 1_000_000_000)] {
            if is_numeric && fits(cells, TimeFormat::Unix { per_second }) {
                return fields(&[at], Some(name.to_owned()), false, false);
            }
        }
        if let Some((pattern, is_ambiguous)) = pattern(cells) {
            return fields(&[at], Some(pattern), true, is_ambiguous);
        }
    }
    let relative = columns.iter().position(|column| column.is_like_time() && column.is_numeric(decimal));
    relative.map(|at| (Time::Relative { field: columns[at].field.clone() }, vec![at]))
}
