use std::fs::{self, File};
use std::io::{self, Read, Write, stdin, stdout};
use std::path::PathBuf;

use mymonit_model::Timestamp;
use serde::Deserialize;

use super::{Ending, FAILED, Failure, UNPARSABLE};
use crate::cli::Check;
use crate::format::{Limits, Parser, ReadError, Start, Step, open};
use crate::input::Bytes;
use crate::mapping::Mapping;
use crate::record::{Complaint, Record};
use crate::source::{Source, Where};

/// Shows what the first records become, and what does not parse.
pub(super) fn run(check: &Check) -> Result<u8, Ending> {
    let source = check.source.source().map_err(Failure::wrong)?;
    let checking = Checking { mapping: Mapping::new(&source), source: &source, records: check.first };
    let mut bad = 0;
    match &source.place {
        Where::StandardInput => bad += checking.show("standard input", Box::new(Stream(stdin())))?,
        place => {
            for path in paths(place)? {
                let named = |error: io::Error| Failure::new(FAILED, format!("{}: {error}", path.display()));
                let file = File::open(&path).map_err(named)?;
                bad += checking.show(&path.display().to_string(), Box::new(Stream(file)))?;
            }
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
}

/// Why the records of a stream are shown no further.
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
    #[serde(borrow)]
    value: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    timestamp: &'a serde_json::value::RawValue,
}

impl Checking<'_> {
    /// Shows the first records of a stream; says how many are bad.
    fn show(&self, name: &str, bytes: Box<dyn Bytes>) -> Result<u64, Ending> {
        let mut out = stdout().lock();
        writeln!(out, "{name}:").map_err(|error| Ending::of_printing(&error))?;
        let limits = Limits { record_bytes: self.source.max_record_bytes };
        let parser = open(
            bytes,
            &self.source.format,
            self.source.encoding,
            self.mapping.fields(),
            &limits,
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
        for number in 0..self.records {
            json.clear();
            let complaint = match parser.next(&mut record)? {
                Step::End => {
                    if number == 0 {
                        writeln!(out, "  there is no record in it")?;
                    }
                    break;
                }
                Step::Complaint(complaint) => Some(complaint),
                Step::Record => {
                    self.mapping.append(&record, Timestamp::now(), &mut json).err().map(|field| Complaint {
                        place: parser.place(&record, field.slot),
                        reason: field.reason,
                    })
                }
            };
            match complaint {
                Some(Complaint { place, reason }) => {
                    bad += 1;
                    writeln!(out, "  line {}, column {}: {reason}", place.line, place.column)?;
                }
                None => show_measures(record.line, &json, out)?,
            }
        }
        Ok(bad)
    }
}

fn show_measures(line: u64, json: &[u8], out: &mut impl Write) -> io::Result<()> {
    let Some(objects) = json.strip_suffix(b",") else {
        return writeln!(out, "  line {line}: no value was measured");
    };
    let array = [b"[", objects, b"]"].concat();
    let measures: Vec<Shown<'_>> = serde_json::from_slice(&array)?;
    for measure in measures {
        let seconds = measure.timestamp.get();
        let time = Timestamp::from_unix_seconds(seconds)
            .map_or_else(|_| seconds.to_owned(), |time| time.to_string());
        writeln!(
            out,
            "  line {line}: {}, {} {} at {time}",
            measure.experiment, measure.value, measure.measure
        )?;
    }
    Ok(())
}
