//! Records whose time encodes their number, and whose value follows from it.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const FIRST_SECOND: u64 = 1_700_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Csv,
    Ndjson,
    Json,
    Xml,
}

/// The time of a record: each a millisecond after the one before.
fn time(number: u64) -> String {
    format!("{}.{:03}", FIRST_SECOND + number / 1_000, number % 1_000)
}

/// The number of the record of that time, in nanoseconds since 1970.
pub(super) fn number_of(nanos: i64) -> Option<u64> {
    let millis = u64::try_from(nanos / 1_000_000).ok()?;
    millis.checked_sub(FIRST_SECOND * 1_000)
}

/// A random finite double, mostly with 17 digits.
pub(super) fn value(number: u64) -> f64 {
    let mut random = StdRng::seed_from_u64(number);
    match number % 100 {
        0 => 0.1,
        1 => -0.0,
        2 => 5e-324,
        3 => f64::MAX,
        _ => loop {
            let value = f64::from_bits(random.random());
            // Numbers of 300 digits are slow and unrealistic.
            if value.is_finite() && (value.abs() > 1e-20 && value.abs() < 1e20) {
                break value;
            }
        },
    }
}

impl Format {
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Text => "values.txt",
            Self::Csv => "values.csv",
            Self::Ndjson => "values.ndjson",
            Self::Json => "values.json",
            Self::Xml => "values.xml",
        }
    }

    /// The text before the records.
    pub(super) fn head(self) -> &'static str {
        match self {
            Self::Text | Self::Ndjson => "",
            Self::Csv => "time,\"the value\",note\n",
            Self::Json => "{\"instrument\": {\"name\": \"]}\"},\n \"data\": [",
            Self::Xml => "<?xml version=\"1.0\"?>\n<run by=\"x &lt; y\">\n<samples>\n",
        }
    }

    /// The text after the records.
    pub(super) fn end(self) -> &'static str {
        match self {
            Self::Text | Self::Csv | Self::Ndjson => "",
            Self::Json => "\n]}\n",
            Self::Xml => "</samples>\n</run>\n",
        }
    }

    /// Appends a record.
    pub(super) fn append(self, number: u64, is_first: bool, text: &mut String) {
        let (time, value) = (time(number), value(number));
        match self {
            Self::Text => writeln!(text, "{time} T={value:e} °C"),
            Self::Csv => writeln!(text, "{time},{value:e},\"a \"\"note\"\"\nof two lines\""),
            Self::Ndjson => writeln!(text, "{{\"at\": {time}, \"what\": {{\"v\": {value:e}}}}}"),
            Self::Json => {
                let comma = if is_first { "" } else { "," };
                write!(
                    text,
                    "{comma}\n  {{\"at\": {time}, \"what\": {{\"v\": [0, {value:e}]}}, \"s\": \"}}\\\"\"}}"
                )
            }
            Self::Xml => {
                writeln!(text, "<sample at=\"{time}\"><!-- > --><v unit=\"x\">{value:e}</v></sample>")
            }
        }
        .unwrap();
    }

    /// The description of the source.
    pub(super) fn description(self, input: &str) -> String {
        let (format, time, value) = match self {
            Self::Text => ("kind = \"text\"\npattern = '^(?<at>\\S+) T=(?<value>\\S+)'", "at", "value"),
            Self::Csv => ("kind = \"csv\"", "time", "the value"),
            Self::Ndjson => ("kind = \"ndjson\"", "at", "what.v"),
            Self::Json => ("kind = \"json\"\nrecords = \"data\"", "at", "what.v.1"),
            Self::Xml => ("kind = \"xml\"\nrecords = \"run/samples/sample\"", "@at", "v"),
        };
        format!(
            "name = \"chaos\"\nexperiment = \"device-vibrations\"\nmeasures_per_message = 200\n\
             [input]\n{input}\n[format]\n{format}\n[timestamp]\nfield = \"{time}\"\n\
             [[measures]]\nmeasure = \"hertz\"\nvalue = \"{value}\"\n"
        )
    }
}
