//! Reads a file, and writes a first description of it.

mod columns;
mod documents;
mod lines;
mod table;
mod units;

use std::fs::File;
use std::io::{self, Read as _, Write as _, stdout};
use std::path::Path;

use super::{Ending, FAILED, Failure, WRONG};
use crate::cli::Init;
use columns::{Guess, Time};

/// Bytes of a file of lines that are read. A document is read as a whole.
const HEAD_BYTES: usize = 256 << 10;
const DOCUMENT_BYTES: u64 = 64 << 20;

/// Prints a description of the file.
pub(super) fn run(init: &Init) -> Result<u8, Ending> {
    let named = |error: io::Error| Failure::new(FAILED, format!("{}: {error}", init.file.display()));
    let mut content = Vec::new();
    let file = File::open(&init.file).map_err(named)?;
    file.take(DOCUMENT_BYTES).read_to_end(&mut content).map_err(named)?;
    let (text, encoding) = decoded(&content);
    let guess = guess(&text, content.len() as u64 == DOCUMENT_BYTES).ok_or_else(|| {
        let why =
            "no records with a time and numbers were found; docs/adapters.md says how to describe a source";
        Failure::new(WRONG, format!("{}: {why}", init.file.display()))
    })?;
    let description = describe(&init.file, encoding, &guess);
    let printed = stdout().lock().write_all(description.as_bytes());
    printed.map(|()| 0).map_err(|error| Ending::of_printing(&error))
}

/// The text of the start of a file, and its encoding if it has to be named.
fn decoded(content: &[u8]) -> (String, Option<&'static str>) {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(content) {
        return (encoding.decode(content).0.into_owned(), None);
    }
    match std::str::from_utf8(content) {
        Ok(text) => (text.to_owned(), None),
        // The last character may have been cut.
        Err(error) if error.error_len().is_none() => {
            (String::from_utf8_lossy(&content[..error.valid_up_to()]).into_owned(), None)
        }
        Err(_) => (encoding_rs::WINDOWS_1252.decode(content).0.into_owned(), Some("windows-1252")),
    }
}

fn guess(text: &str, is_cut: bool) -> Option<Guess> {
    let text = text.trim_start_matches('\u{feff}');
    // A line of text may begin with `[` or `<`, too: `[2022-04-06]`, `<34>`.
    let mut start = text.trim_start().chars();
    match (start.next(), start.next()) {
        (Some('<'), Some(next)) if !next.is_ascii_digit() => return documents::xml(text),
        (Some('{'), _) => return documents::json(text),
        (Some('['), _) => {
            if let Some(found) = documents::json(text) {
                return Some(found);
            }
        }
        _ => {}
    }
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<_> = lines.split('\n').collect();
    if is_cut || text.len() > HEAD_BYTES {
        let mut left = HEAD_BYTES;
        lines.retain(|line| {
            left = left.saturating_sub(line.len() + 1);
            left > 0
        });
        lines.pop();
    }
    table::guess(&lines).or_else(|| lines::guess(&lines))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn quoted_list<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    let quoted: Vec<_> = texts.into_iter().map(|text| quoted(text)).collect();
    format!("[{}]", quoted.join(", "))
}

fn describe(file: &Path, encoding: Option<&str>, guess: &Guess) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line("experiment = \"EXPERIMENT\"                 # its name in MyMONIT".to_owned());
    line(format!("\n[input]\nfiles = [{}]\n\n[format]", quoted(&file.display().to_string())));
    // XML declares its encoding.
    let is_xml = guess.format.iter().any(|(_, value)| value == "\"xml\"");
    if let Some(encoding) = encoding.filter(|_| !is_xml) {
        line(format!("encoding = {}", quoted(encoding)));
    }
    for (key, value) in &guess.format {
        line(format!("{key} = {value}"));
    }
    if !guess.missing.is_empty() {
        line(format!("missing = {}", quoted_list(&guess.missing)));
    }
    line("\n[timestamp]".to_owned());
    match &guess.time {
        Time::Arrival => line("arrival = true".to_owned()),
        Time::Relative { field } => {
            line(format!("field = {field}"));
            line(
                "start = \"2000-01-01T00:00:00Z\"            # the time that this field counts from"
                    .to_owned(),
            );
        }
        Time::Fields { fields, format, needs_zone, is_ambiguous } => {
            match &fields[..] {
                [field] => line(format!("field = {field}")),
                _ => line(format!("fields = [{}]", fields.join(", "))),
            }
            if let Some(format) = format {
                let doubt = if *is_ambiguous { "   # or is the month first?" } else { "" };
                line(format!("format = {}{doubt}", quoted(format)));
                if format.starts_with("%b") {
                    line("year = \"current\"".to_owned());
                }
            }
            if *needs_zone {
                line(
                    "zone = \"UTC\"                              # the zone of the instrument's clock"
                        .to_owned(),
                );
            }
        }
    }
    for column in &guess.columns {
        let unit = column.unit.as_deref().map(|unit| format!("   # {unit}")).unwrap_or_default();
        let (measure, conversion) = column.measure();
        line(format!("\n[[measures]]\nmeasure = {}{unit}\nvalue = {}", quoted(measure), column.field));
        if !conversion.is_empty() {
            line(conversion.to_owned());
        }
    }
    text
}
