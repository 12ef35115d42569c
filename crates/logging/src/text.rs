//! A line as text, for people.

use std::fmt::Write;

use mymonit_model::Timestamp;
use tracing::{Level, Metadata};

use crate::entry::{Fields, Value, escape};

/// Writes the line without its end: time, level, target, message and fields.
pub(crate) fn line(
    metadata: &Metadata<'_>,
    fields: &Fields,
    spans: &[Fields],
    is_coloured: bool,
    out: &mut String,
) {
    let (name, colour) = match *metadata.level() {
        Level::ERROR => ("ERROR", "\u{1b}[31m"),
        Level::WARN => (" WARN", "\u{1b}[33m"),
        Level::INFO => (" INFO", "\u{1b}[32m"),
        Level::DEBUG => ("DEBUG", "\u{1b}[34m"),
        Level::TRACE => ("TRACE", "\u{1b}[35m"),
    };
    let [dim, colour, reset] =
        ["\u{1b}[2m", colour, "\u{1b}[0m"].map(|code| if is_coloured { code } else { "" });
    let _ = write!(out, "{dim}{}{reset} {colour}{name}{reset} {dim}", Timestamp::now());
    escape(metadata.target(), out);
    let _ = write!(out, ":{reset} ");
    if let Some(Value::Text(message)) = fields.get("message") {
        escape(message, out);
    }
    let mut seen = vec!["message"];
    for (name, value) in std::iter::once(fields).chain(spans).flat_map(|fields| &fields.0) {
        if seen.contains(name) {
            continue;
        }
        seen.push(name);
        let _ = write!(out, " {dim}{name}={reset}");
        match value {
            Value::Text(text) => escape(text, out),
            Value::Number(number) => drop(write!(out, "{number:.3}")),
            Value::Integer(number) => drop(write!(out, "{number}")),
            Value::Truth(truth) => drop(write!(out, "{truth}")),
        }
    }
}
