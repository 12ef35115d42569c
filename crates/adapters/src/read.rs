//! Reads a source from one end to the other: opens its streams one after the other, and hands their records on.

mod files;
mod folder;
mod follow;
mod stdin;
mod watch;

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mymonit_model::Timestamp;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::assemble::{Assembler, Stream, StreamFile};
use crate::format::{Limits, Parser, ReadError, Start, Step, open};
use crate::input::Bytes;
use crate::input::encoding::SourceEncoding;
use crate::mapping::Mapping;
use crate::message::After;
use crate::record::{Complaint, Original, Place, Record};
use crate::say::Say;
use crate::source::{Format, Source, Where};
use crate::state::{Checkpoint, FileEntry, FileKey, Seen};

/// Reads a source into an assembler.
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a Source,
    pub(crate) mapping: &'a Mapping,
    /// What is known of the files that were read before.
    pub(crate) known: Checkpoint,
    pub(crate) assembler: Rc<RefCell<Assembler>>,
    pub(crate) stop: CancellationToken,
    pub(crate) say: Say,
    /// Streams that could not be read to their end.
    pub(crate) broken: u64,
    /// The bytes of the files that are done with, and the measures so far, for the progress bar.
    pub(crate) passed_bytes: u64,
    pub(crate) measures: u64,
    wants_arrival: bool,
    json: Vec<u8>,
}

/// Why reading has ended early.
#[derive(Debug, Error)]
pub(crate) enum ReadingError {
    /// Somebody has asked for it.
    #[error("it was stopped")]
    Stopped,
    /// The source, or what is kept on disk, does not let itself be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How a stream ended.
enum StreamEnd {
    /// All of it has been read, to that offset and line.
    Whole(u64, u64),
    /// What follows makes no sense.
    Broken,
}

impl<'a> Reading<'a> {
    /// Prepares to read.
    pub(crate) fn new(
        source: &'a Source,
        mapping: &'a Mapping,
        known: Checkpoint,
        assembler: Assembler,
        stop: CancellationToken,
        say: Say,
    ) -> Self {
        let assembler = Rc::new(RefCell::new(assembler));
        Self {
            source,
            mapping,
            known,
            assembler,
            stop,
            say,
            broken: 0,
            passed_bytes: 0,
            measures: 0,
            wants_arrival: mapping.wants_arrival(),
            json: Vec::new(),
        }
    }

    /// Reads everything there is, or goes on for ever where more may come.
    ///
    /// # Errors
    /// Where it was stopped, or something failed; what has been read until then has been handed on.
    pub(crate) fn run(&mut self) -> Result<(), ReadingError> {
        let read = match &self.source.place {
            Where::Files(files) => files::read(self, files),
            Where::StandardInput => stdin::read(self),
            Where::Follow(follow) => follow::read(self, follow),
            Where::Folder(folder) => folder::read(self, folder),
        };
        let read = match read {
            Err(ReadingError::Io(error)) if interruption(&error) == Some(Interruption::Stop) => {
                Err(ReadingError::Stopped)
            }
            other => other,
        };
        if !matches!(read, Err(ReadingError::Io(_))) {
            match self.assembler.borrow_mut().flush() {
                // Nothing is taken any more; it will be read again.
                Err(error) if interruption(&error).is_some() => return Err(ReadingError::Stopped),
                flushed => flushed?,
            }
        }
        read
    }

    /// Reads a stream from there on.
    fn read_stream(
        &mut self,
        stream: Stream,
        bytes: Box<dyn Bytes>,
        from: Start,
    ) -> Result<StreamEnd, ReadingError> {
        let name = stream.name.clone();
        self.assembler.borrow_mut().begin(stream, from.offset, from.line)?;
        let limits = Limits { record_bytes: self.source.max_record_bytes };
        let parser =
            open(bytes, &self.source.format, self.source.encoding, self.mapping.fields(), &limits, from);
        match parser.and_then(|mut parser| self.read_records(&mut *parser)) {
            Ok(end) => Ok(end),
            Err(ReadError::Broken(complaint)) => {
                self.assembler.borrow_mut().flush()?;
                self.broken += 1;
                let Place { line, column } = complaint.place;
                self.say.note(&format!(
                    "{name}, line {line}, column {column}: {}; it is not read any further",
                    complaint.reason
                ));
                Ok(StreamEnd::Broken)
            }
            Err(ReadError::Io(error)) if interruption(&error).is_some() => Err(error.into()),
            Err(ReadError::Io(error)) => Err(io::Error::new(error.kind(), format!("{name}: {error}")).into()),
        }
    }

    fn read_records(&mut self, parser: &mut dyn Parser) -> Result<StreamEnd, ReadError> {
        let mut record = Record::default();
        let (mut records, mut last) = (0_u64, 1);
        loop {
            match parser.next(&mut record)? {
                Step::Record => self.take(parser, &record)?,
                Step::Complaint(complaint) => self.reject(&record, &complaint, &parser.original())?,
                Step::End => {
                    if records == 0 {
                        self.say_nothing_there(&record);
                    }
                    return Ok(StreamEnd::Whole(record.span.end, record.end_line.max(last)));
                }
            }
            last = record.end_line;
            records += 1;
            if records.is_multiple_of(1_024) {
                self.say.progress(self.passed_bytes + record.span.end, self.measures);
                // What has been read from a pipe is nowhere else.
                if self.stop.is_cancelled() && self.source.place != Where::StandardInput {
                    return Err(stopped().into());
                }
            }
        }
    }

    fn say_nothing_there(&self, end: &Record) {
        let assembler = self.assembler.borrow();
        let Some(name) = assembler.stream_name() else { return };
        if end.span.end == 0 && !matches!(self.source.place, Where::Follow(_)) {
            self.say.info(&format!("{name} is empty"));
        }
    }

    fn take(&mut self, parser: &dyn Parser, record: &Record) -> io::Result<()> {
        self.json.clear();
        // The clock is asked only where the answer counts.
        let arrival = if self.wants_arrival { Timestamp::now() } else { Timestamp::UNIX_EPOCH };
        match self.mapping.append(record, arrival, &mut self.json) {
            Ok(made) => {
                self.measures += made.measures as u64;
                self.assembler.borrow_mut().push(record, &self.json, made)
            }
            Err(bad) => {
                let complaint = Complaint { place: parser.place(record, bad.slot), reason: bad.reason };
                self.reject(record, &complaint, &parser.original())
            }
        }
    }

    fn reject(&mut self, record: &Record, complaint: &Complaint, original: &Original) -> io::Result<()> {
        self.assembler.borrow_mut().reject(record, complaint, original)
    }

    /// Reads a file from there on.
    fn read_file(
        &mut self,
        file: &OpenFile,
        bytes: Box<dyn Bytes>,
        from: Start,
    ) -> Result<StreamEnd, ReadingError> {
        let stream = file.stream(&self.known.state_id);
        self.read_stream(stream, bytes, from)
    }

    /// Ends a file that has been read to there.
    fn end_file(&mut self, offset: u64, line: u64, after: Vec<After>) -> io::Result<()> {
        if let Some(entry) = self.assembler.borrow_mut().end(offset, line, after)? {
            self.known.note(entry);
        }
        Ok(())
    }

    /// The encoding of a file whose records end with their lines.
    fn encoding_of(&self, file: &File) -> io::Result<SourceEncoding> {
        encoding_of(self.source, file)
    }

    /// Whether a record of this format ends with its line, so that a file may end in the middle of one.
    fn is_by_lines(&self) -> bool {
        matches!(self.source.format, Format::Text(_) | Format::Csv(_) | Format::Ndjson)
    }
}

/// A file that is being read.
struct OpenFile {
    key: FileKey,
    path: PathBuf,
    file: File,
    seen: Rc<RefCell<Seen>>,
}

impl OpenFile {
    fn new(key: FileKey, path: &Path, file: File, known: Option<&FileEntry>) -> Self {
        let seen = known.map(|entry| entry.seen.clone()).unwrap_or_default();
        Self { key, path: path.to_owned(), file, seen: Rc::new(RefCell::new(seen)) }
    }

    fn stream(&self, state_id: &str) -> Stream {
        let file = StreamFile { key: self.key.clone(), path: self.path.clone(), seen: Rc::clone(&self.seen) };
        Stream { id: self.key.name(state_id), name: self.path.display().to_string(), file: Some(file) }
    }

    /// Its bytes, up to its present end.
    fn bytes(&self) -> io::Result<FileBytes> {
        Ok(FileBytes { file: self.file.try_clone()?, offset: 0, seen: Rc::clone(&self.seen) })
    }
}

/// The bytes of a file, each of which is noted when it has been read.
struct FileBytes {
    file: File,
    offset: u64,
    seen: Rc<RefCell<Seen>>,
}

impl FileBytes {
    /// Reads without going on.
    fn read_unseen(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, self.offset)
    }

    /// Goes on behind bytes that have been read.
    fn see(&mut self, bytes: &[u8]) {
        self.seen.borrow_mut().note(self.offset, bytes);
        self.offset += bytes.len() as u64;
    }
}

impl Bytes for FileBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_unseen(buffer)?;
        self.see(&buffer[..count]);
        Ok(count)
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.offset = offset;
        Ok(())
    }
}

/// The encoding of a file: the given one, or what its byte order mark says.
fn encoding_of(source: &Source, file: &File) -> io::Result<SourceEncoding> {
    let mut head = [0; 3];
    let count = file.read_at(&mut head, 0)?;
    let marked = SourceEncoding::of_mark(&head[..count]).map(|(encoding, _)| encoding);
    Ok(source.encoding.or(marked).unwrap_or(SourceEncoding::UTF_8))
}

/// Notes, before anything is read for the first time, what is not to be read.
pub(crate) fn begin(source: &Source, checkpoint: &mut Checkpoint) -> io::Result<()> {
    match &source.place {
        Where::Follow(follow) => follow::begin(source, follow, checkpoint),
        _ => Ok(()),
    }
}

/// Why a stream is not read any further for now; it travels through the parsers as an error of their input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Interruption {
    /// Somebody has asked for it.
    #[error("stopped")]
    Stop,
    /// Another file has to be read first.
    #[error("another file has to be read first")]
    Switch,
}

impl From<Interruption> for io::Error {
    fn from(interruption: Interruption) -> Self {
        Self::other(interruption)
    }
}

/// The interruption that an error stands for, if it does.
fn interruption(error: &io::Error) -> Option<Interruption> {
    error.get_ref().and_then(|inner| inner.downcast_ref()).copied()
}

/// The error with which waiting ends, where somebody has asked for it.
pub(crate) fn stopped() -> io::Error {
    Interruption::Stop.into()
}
