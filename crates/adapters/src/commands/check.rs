use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read, Write, stdin, stdout};
use std::path::PathBuf;

use mymonit_model::Timestamp;
use serde::Deserialize;

use super::service::Names;
use super::{Ending, FAILED, Failure, UNPARSABLE};
use crate::cli::Check;
use crate::format::{Parser, ParserOptions, ReadError, SharedHeader, Start, Step, open};
use crate::input::Bytes;
use crate::mapping::{Context, Mapping};
use crate::output::print_line;
use crate::record::{Complaint, Place, Record};
use crate::source::{Source, Where};

/// Shows the measures of the first records, and parse errors.
pub(super) fn run(check: &Check) -> Result<u8, Ending> {
    let source = check.source.source().map_err(Failure::wrong)?;
    for hint in &source.hints {
        print_line(hint);
    }
    let names = RefCell::new(Names::of(&source));
    let checking = Checking { mapping: Mapping::new(&source), source: &source, records: check.first, names };
    let mut bad = 0;
    match &source.place {
        Where::StandardInput => bad += checking.show("standard input", Box::new(Stream(stdin())))?,
        place => {
            let paths = paths(place)?;
            if paths.is_empty() {
                return Err(Failure::new(UNPARSABLE, "there is no file to check").into());
            }
            for path in paths {
                let named = |error: io::Error| Failure::new(FAILED, format!("{}: {error}", path.display()));
                let file = File::open(&path).map_err(named)?;
                bad += checking.show(&path.display().to_string(), Box::new(Stream(file)))?;
            }
        }
    }
    if let Some(url) = &check.service {
        let token = check.token.clone().or_else(|| std::env::var("MYMONIT_TOKEN").ok());
        let token =
            token.ok_or_else(|| Failure::wrong("--service needs an API token: --token or MYMONIT_TOKEN"))?;
        let unknown = checking.names.borrow().unknown(url, &token)?;
        bad += unknown.len() as u64;
        for sentence in unknown {
            writeln!(stdout(), "{sentence}").map_err(|error| Ending::of_printing(&error))?;
        }
    }
    Ok(if bad > 0 { UNPARSABLE } else { 0 })
}

fn paths(place: &Where) -> Result<Vec<PathBuf>, Failure> {
    match place {
        Where::Files(files) => Ok(files.clone()),
        Where::Follow(follow) => Ok(vec![follow.path.clone()]),
        Where::Folder(folder) => {
            let pattern = glob::Pattern::new(&folder.pattern).map_err(Failure::wrong)?;
            let named =
                |error: io::Error| Failure::new(FAILED, format!("{}: {error}", folder.path.display()));
            let mut found = Vec::new();
            for entry in fs::read_dir(&folder.path).map_err(named)? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if path.is_file() && pattern.matches(&name) {
                    found.push(path);
                }
            }
            found.sort();
            Ok(found)
        }
        Where::StandardInput => Ok(Vec::new()),
    }
}

/// Bytes that are read once, from their start.
struct Stream<R>(R);

impl<R: Read> Bytes for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn seek(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Checking<'a> {
    source: &'a Source,
    mapping: Mapping,
    records: u64,
    /// The names that have been used.
    names: RefCell<Names>,
}

/// Why no further records of a stream are shown.
enum Stopped {
    Reading(ReadError),
    Printing(io::Error),
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Reading(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Printing(error)
    }
}

/// A measure as it would be published.
#[derive(Deserialize)]
struct Shown<'a> {
    experiment: String,
    measure: String,
    sensor: Option<String>,
    #[serde(borrow)]
    value: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    timestamp: &'a serde_json::value::RawValue,
}

impl Checking<'_> {
    /// Shows the first records of a stream; returns how many are invalid.
    fn show(&self, name: &str, bytes: Box<dyn Bytes>) -> Result<u64, Ending> {
        let mut out = stdout().lock();
        writeln!(out, "{name}:").map_err(|error| Ending::of_printing(&error))?;
        let options =
            ParserOptions { record_bytes: self.source.max_record_bytes, header: SharedHeader::default() };
        let parser = open(
            bytes,
            &self.source.format,
            self.source.encoding,
            self.mapping.fields(),
            &options,
            Start::BEGINNING,
        );
        let shown =
            parser.map_err(Stopped::from).and_then(|mut parser| self.show_records(&mut *parser, &mut out));
        match shown {
            Ok(bad) => Ok(bad),
            Err(Stopped::Reading(ReadError::Io(error))) => {
                Err(Failure::new(FAILED, format!("{name}: {error}")).into())
            }
            Err(Stopped::Reading(broken)) => {
                let told = writeln!(out, "  {broken}; it cannot be read any further");
                told.map(|()| 1).map_err(|error| Ending::of_printing(&error))
            }
            Err(Stopped::Printing(error)) => Err(Ending::of_printing(&error)),
        }
    }

    fn show_records(&self, parser: &mut dyn Parser, out: &mut impl Write) -> Result<u64, Stopped> {
        let (mut record, mut json, mut bad) = (Record::default(), Vec::new(), 0);
        let mut shown = 0;
        while shown < self.records {
            json.clear();
            let (made, complaint) = match parser.next(&mut record)? {
                Step::End => {
                    if shown == 0 {
                        writeln!(out, "  {}", parser.nothing())?;
                        bad += u64::from(record.span.end > 0);
                    }
                    break;
                }
                Step::Complaint(complaint) | Step::Misfit(complaint) => (None, Some(complaint)),
                Step::Record => {
                    let context = Context { arrival: Timestamp::now(), row: shown };
                    let made = self.mapping.append(&record, context, &mut json);
                    let complaint = made.problems.first().map(|problem| {
                        let place = parser.place(&record, problem.slot);
                        Complaint { place, reason: problem.reason.clone() }
                    });
                    (Some(made), complaint)
                }
            };
            let mut complaint = complaint;
            if complaint.is_some()
                && let Some(reason) = parser.header_again()?
            {
                complaint = Some(Complaint { place: Place { line: record.line, column: 1 }, reason });
            }
            let is_good = made.as_ref().is_some_and(|made| made.measures > 0);
            if shown == 0 && !is_good && complaint.is_some() && parser.is_words() {
                writeln!(out, "  line {}: words and no values, such as units", record.line)?;
                continue;
            }
            shown += 1;
            if is_good || complaint.is_none() {
                self.show_measures(record.line, &json, out)?;
            }
            if let Some(Complaint { place, reason }) = complaint {
                bad += 1;
                writeln!(out, "  line {}, column {}: {reason}", place.line, place.column)?;
            }
        }
        let absent = self.mapping.absent_fields();
        if shown > bad && !absent.is_empty() {
            bad += 1;
            writeln!(out, "  none of these records has {}", absent.join(", "))?;
        }
        Ok(bad)
    }

    fn show_measures(&self, line: u64, json: &[u8], out: &mut impl Write) -> io::Result<()> {
        let Some(objects) = json.strip_suffix(b",") else {
            return writeln!(out, "  line {line}: no value was measured");
        };
        let array = [b"[", objects, b"]"].concat();
        let measures: Vec<Shown<'_>> = serde_json::from_slice(&array)?;
        for measure in measures {
            let seconds = measure.timestamp.get();
            let time = Timestamp::from_unix_seconds(seconds)
                .map_or_else(|_| seconds.to_owned(), |time| time.to_string());
            let sensor = measure.sensor.map(|sensor| format!(" by {sensor}")).unwrap_or_default();
            writeln!(
                out,
                "  line {line}: {}, {} {} at {time}{sensor}",
                measure.experiment, measure.value, measure.measure
            )?;
            self.names.borrow_mut().add(measure.experiment, measure.measure);
        }
        Ok(())
    }
}
