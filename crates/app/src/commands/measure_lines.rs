//! Measures as lines of text: the fields of a message, in JSON or as comma-separated values.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use mymonit_services::NamedMeasure;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::LineFormat;

/// The columns of CSV, named as the fields of a message.
pub(crate) const HEADER: [&str; 4] = ["experiment", "measure", "value", "timestamp"];

/// The longest line that is read. Lines are kept whole, also those that are rejected, so there has to be an end.
const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Lines handed on at once, and about how many bytes.
const LINES: usize = 1_000;
const BYTES: usize = 4 * 1024 * 1024;

/// The fields of a message as they are written. What is absent is `None`.
#[derive(Serialize)]
pub(crate) struct MeasureLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Box<RawValue>>,
}

impl<'a> MeasureLine<'a> {
    pub(crate) fn of(experiment: &'a str, measure: &'a NamedMeasure) -> serde_json::Result<Self> {
        Ok(Self {
            experiment: Some(experiment),
            measure: Some(measure.measure_type.as_str()),
            value: Some(serde_json::value::to_raw_value(&measure.value.get())?),
            timestamp: Some(serde_json::value::to_raw_value(&measure.timestamp.to_string())?),
        })
    }

    /// Of the fields of a CSV record: what is a JSON number is one, and everything else is text.
    fn of_record(fields: [Option<&'a str>; 4]) -> serde_json::Result<Self> {
        let [experiment, measure, value, timestamp] = fields;
        Ok(Self {
            experiment,
            measure,
            value: value.map(number_or_text).transpose()?,
            timestamp: timestamp.map(number_or_text).transpose()?,
        })
    }

    pub(crate) fn write_json(&self, output: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *output, self)?;
        output.write_all(b"\n")
    }

    pub(crate) fn write_csv(&self, output: &mut impl Write) -> io::Result<()> {
        let unquoted = |raw: &Option<Box<RawValue>>| {
            raw.as_ref().map_or_else(String::new, |raw| raw.get().trim_matches('"').to_owned())
        };
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(output);
        let (value, timestamp) = (unquoted(&self.value), unquoted(&self.timestamp));
        writer.write_record([
            self.experiment.unwrap_or_default(),
            self.measure.unwrap_or_default(),
            &value,
            &timestamp,
        ])?;
        writer.flush()
    }
}

fn number_or_text(field: &str) -> serde_json::Result<Box<RawValue>> {
    match serde_json::from_str::<serde_json::Number>(field) {
        Ok(_) => RawValue::from_string(field.to_owned()),
        Err(_) => serde_json::value::to_raw_value(field),
    }
}

/// Some lines, each a message, with their numbers from 1.
pub(crate) type Lines = Vec<(u64, Bytes)>;

/// Reads the file, or standard input, and hands on its lines in portions until `hand_on` wants no more. Blocks.
pub(crate) fn read(
    path: &Path,
    format: LineFormat,
    hand_on: impl FnMut(Lines) -> bool,
) -> anyhow::Result<()> {
    let mut portions = Portions { hand_on, lines: Vec::new(), bytes: 0, is_wanted: true };
    let input = open(path)?;
    match format {
        LineFormat::Ndjson => read_json_lines(BufReader::new(input), &mut portions)?,
        LineFormat::Csv => read_csv(input, &mut portions)?,
    }
    portions.flush();
    Ok(())
}

/// The file, or standard input for `-`.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Box::new(file))
}

/// Gathers lines until they are enough to be handed on.
struct Portions<H> {
    hand_on: H,
    lines: Lines,
    bytes: usize,
    is_wanted: bool,
}

impl<H: FnMut(Lines) -> bool> Portions<H> {
    fn add(&mut self, number: u64, line: Vec<u8>) {
        self.bytes += line.len();
        self.lines.push((number, line.into()));
        if self.lines.len() >= LINES || self.bytes >= BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes = 0;
        let lines = std::mem::take(&mut self.lines);
        self.is_wanted = self.is_wanted && (lines.is_empty() || (self.hand_on)(lines));
    }
}

/// Blank lines are passed over.
fn read_json_lines<H: FnMut(Lines) -> bool>(
    mut input: impl BufRead,
    portions: &mut Portions<H>,
) -> anyhow::Result<()> {
    for number in 1.. {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_LINE_BYTES)?.saturating_add(1);
        (&mut input)
            .take(limit)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("cannot read line {number}"))?;
        if line.is_empty() || !portions.is_wanted {
            break;
        }
        if line.len() > MAX_LINE_BYTES {
            portions.flush();
            bail!("line {number} has more than {MAX_LINE_BYTES} bytes; it and what follows was not taken");
        }
        while line.last().is_some_and(u8::is_ascii_whitespace) {
            line.pop();
        }
        if !line.is_empty() {
            portions.add(number, line);
        }
    }
    Ok(())
}

fn read_csv<H: FnMut(Lines) -> bool>(input: impl Read, portions: &mut Portions<H>) -> anyhow::Result<()> {
    let since_record = Rc::new(Cell::new(0));
    let input = Bounded { input, since_record: since_record.clone() };
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(input);
    let columns = columns(reader.byte_headers().context("cannot read the header")?)?;
    let mut record = csv::ByteRecord::new();
    loop {
        let line = reader.position().line();
        let is_record = match reader.read_byte_record(&mut record) {
            Ok(is_record) => is_record,
            Err(error) => {
                portions.flush();
                return Err(error).with_context(|| {
                    format!("cannot read the record at line {line}; it and what follows was not taken")
                });
            }
        };
        if !is_record || !portions.is_wanted {
            return Ok(());
        }
        since_record.set(0);
        let line = record.position().map_or(line, csv::Position::line);
        portions.add(line, message(&record, columns)?);
    }
}

/// Which column each of the four fields is.
fn columns(header: &csv::ByteRecord) -> anyhow::Result<[usize; 4]> {
    let mut columns = [0; 4];
    for (name, column) in HEADER.iter().zip(&mut columns) {
        let mut found = header.iter().enumerate().filter(|(_, title)| *title == name.as_bytes());
        let Some((index, _)) = found.next() else {
            bail!(super::NotTaken(format!("the header has no column `{name}`; nothing was taken")));
        };
        ensure!(
            found.next().is_none(),
            super::NotTaken(format!("the header has the column `{name}` twice; nothing was taken"))
        );
        *column = index;
    }
    Ok(columns)
}

/// The record as a message. One that is not UTF-8 becomes one that is rejected for that, with all its bytes.
fn message(record: &csv::ByteRecord, columns: [usize; 4]) -> anyhow::Result<Vec<u8>> {
    let fields = columns.map(|column| record.get(column).map(std::str::from_utf8));
    if fields.iter().any(|field| matches!(field, Some(Err(_)))) {
        return Ok(record.iter().collect::<Vec<_>>().join(&b','));
    }
    Ok(serde_json::to_vec(&MeasureLine::of_record(fields.map(|field| field.and_then(Result::ok)))?)?)
}

/// Reads no more than the longest record may have: a quote that is never closed would take in the whole rest of a file.
struct Bounded<R> {
    input: R,
    since_record: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let total = self.since_record.get() + read;
        self.since_record.set(total);
        if total > MAX_LINE_BYTES {
            let message = format!("the record has more than {MAX_LINE_BYTES} bytes; is a quote not closed?");
            return Err(io::Error::other(message));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &[u8], format: LineFormat) -> (anyhow::Result<()>, Vec<(u64, String)>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut lines = Vec::new();
        let ended = read(file.path(), format, |portion| {
            lines.extend(
                portion
                    .into_iter()
                    .map(|(number, line)| (number, String::from_utf8_lossy(&line).into_owned())),
            );
            true
        });
        (ended, lines)
    }

    #[test]
    fn json_lines_have_their_numbers_and_blank_ones_are_passed_over() {
        let (ended, lines) = read_all(b"{}\r\n\n  \n[1]\nx", LineFormat::Ndjson);
        ended.unwrap();
        assert_eq!(lines, [(1, "{}".to_owned()), (4, "[1]".to_owned()), (5, "x".to_owned())]);
    }

    #[test]
    fn a_csv_record_becomes_the_message_of_its_four_fields() {
        let text = b"timestamp,comment,value,experiment,measure\n1650000000.000000001,x,-0.5,\"a \"\"b\"\", c\",hertz\n\
            2022-04-06T07:00:00Z,y,NaN,a\n";
        let (ended, lines) = read_all(text, LineFormat::Csv);
        ended.unwrap();
        assert_eq!(
            lines,
            [
                (2, r#"{"experiment":"a \"b\", c","measure":"hertz","value":-0.5,"timestamp":1650000000.000000001}"#.to_owned()),
                (3, r#"{"experiment":"a","value":"NaN","timestamp":"2022-04-06T07:00:00Z"}"#.to_owned()),
            ]
        );
    }

    #[test]
    fn a_header_without_a_column_or_with_one_twice_is_not_taken() {
        for header in ["experiment,measure,value", "experiment,measure,value,timestamp,value"] {
            let (ended, lines) = read_all(format!("{header}\na,b,1,2\n").as_bytes(), LineFormat::Csv);
            assert!(ended.unwrap_err().is::<crate::commands::NotTaken>());
            assert_eq!(lines, []);
        }
    }

    #[test]
    fn a_line_without_end_is_not_taken_and_those_before_it_are() {
        let mut endless = b"{}\n".to_vec();
        endless.resize(MAX_LINE_BYTES + 10, b'x');
        let (ended, lines) = read_all(&endless, LineFormat::Ndjson);
        assert!(ended.unwrap_err().to_string().starts_with("line 2 has more than"));
        assert_eq!(lines.len(), 1);
        let mut endless = b"experiment,measure,value,timestamp\na,b,1,2\n\"".to_vec();
        endless.resize(MAX_LINE_BYTES + 100_000, b'x');
        let (ended, lines) = read_all(&endless, LineFormat::Csv);
        assert!(format!("{:#}", ended.unwrap_err()).contains("is a quote not closed?"));
        assert_eq!(lines.len(), 1);
    }
}
