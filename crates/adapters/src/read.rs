//! Reads a source: opens its streams in turn and passes their records to the assembler.

mod files;
mod folder;
mod follow;
mod recognise;
mod records;
mod stdin;
mod watch;

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::assemble::{Assembler, Stream, StreamFile};
use crate::format::{Header, ParserOptions, ReadError, SharedHeader, Start, open};
use crate::input::Bytes;
use crate::input::encoding::SourceEncoding;
use crate::mapping::Mapping;
use crate::message::After;
use crate::output::Output;
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{Format, Source, Where};
use crate::state::{Checkpoint, FileEntry, FileKey, Seen};
use records::Records;

/// Reads a source into an assembler.
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a Source,
    pub(crate) mapping: &'a Mapping,
    /// The files of earlier runs and of this one.
    pub(crate) known: Checkpoint,
    pub(crate) assembler: Rc<RefCell<Assembler>>,
    pub(crate) stop: CancellationToken,
    pub(crate) output: Output,
    /// Streams that could not be read to their end, or that have no record.
    pub(crate) broken: u64,
    /// Records of streams that were read from their start.
    pub(crate) fresh_records: u64,
    /// The bytes of finished files, and the measures so far, for the progress bar.
    pub(crate) passed_bytes: u64,
    pub(crate) measures: u64,
    wants_arrival: bool,
    json: Vec<u8>,
}

/// Why reading has ended early.
#[derive(Debug, Error)]
pub(crate) enum ReadingError {
    /// A stop was requested.
    #[error("it was stopped")]
    Stopped,
    /// The source or the state cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How a stream ended.
enum StreamEnd {
    /// All of it has been read, to that offset and line. `fits`: its records fit the description.
    Whole { offset: u64, line: u64, fits: bool },
    /// All but the last line has been read; that line has no end yet.
    OpenLine,
    /// The rest cannot be parsed, or there is no record.
    Broken,
}

/// What to do with a last line that has no line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastLine {
    Take,
    Leave,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        source: &'a Source,
        mapping: &'a Mapping,
        known: Checkpoint,
        assembler: Assembler,
        stop: CancellationToken,
        output: Output,
    ) -> Self {
        let assembler = Rc::new(RefCell::new(assembler));
        Self {
            source,
            mapping,
            known,
            assembler,
            stop,
            output,
            broken: 0,
            fresh_records: 0,
            passed_bytes: 0,
            measures: 0,
            wants_arrival: mapping.wants_arrival(),
            json: Vec::new(),
        }
    }

    /// Reads the source to its end; a growing source is read until a stop.
    ///
    /// # Errors
    /// A stop was requested, or reading failed. Records read before that have been handed on.
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
                // The receiver has ended; the next run reads the rest again.
                Err(error) if interruption(&error).is_some() => return Err(ReadingError::Stopped),
                flushed => flushed?,
            }
        }
        read
    }

    /// Reads a stream from a position on.
    fn read_stream(
        &mut self,
        stream: Stream,
        bytes: Box<dyn Bytes>,
        from: Start,
        last_line: LastLine,
    ) -> Result<StreamEnd, ReadingError> {
        let name = stream.name.clone();
        let header = stream.file.as_ref().map(|file| Rc::clone(&file.header)).unwrap_or_default();
        self.assembler.borrow_mut().begin(stream, from.offset, from.line)?;
        let options = ParserOptions { record_bytes: self.source.max_record_bytes, header };
        // Numbers of records are counted from the start of the stream.
        let open_at = if self.mapping.wants_row() { Start::BEGINNING } else { from };
        let parser =
            open(bytes, &self.source.format, self.source.encoding, self.mapping.fields(), &options, open_at);
        match parser.and_then(|parser| Records::new(self, parser, from, last_line).read()) {
            Ok(end) => Ok(end),
            Err(ReadError::Broken(complaint)) => {
                self.assembler.borrow_mut().flush()?;
                self.broken += 1;
                let Place { line, column } = complaint.place;
                self.output.note(&format!(
                    "{name}, line {line}, column {column}: {}; it is not read any further",
                    complaint.reason
                ));
                Ok(StreamEnd::Broken)
            }
            Err(ReadError::Io(error)) if interruption(&error).is_some() => Err(error.into()),
            Err(ReadError::Io(error)) => Err(io::Error::new(error.kind(), format!("{name}: {error}")).into()),
        }
    }

    fn reject(&mut self, record: &Record, complaint: &Complaint, original: &Original) -> io::Result<()> {
        self.assembler.borrow_mut().reject(record, complaint, original)
    }

    /// Reads a file from a position on.
    fn read_file(
        &mut self,
        file: &OpenFile,
        bytes: Box<dyn Bytes>,
        from: Start,
        last_line: LastLine,
    ) -> Result<StreamEnd, ReadingError> {
        let stream = file.stream(&self.known.state_id);
        self.read_stream(stream, bytes, from, last_line)
    }

    /// The fields of values that no record had, if records from the start of a stream were read.
    pub(crate) fn absent_fields(&self) -> Vec<String> {
        if self.fresh_records == 0 || self.broken > 0 { Vec::new() } else { self.mapping.absent_fields() }
    }

    /// Interrupts a stream, to continue it later.
    fn break_off(&mut self) -> io::Result<()> {
        let entry = self.assembler.borrow_mut().break_off()?;
        if let Some(entry) = entry {
            self.known.note(entry);
        }
        Ok(())
    }

    /// Whether a stream without records may get one later.
    fn may_grow(&self) -> bool {
        match &self.source.place {
            Where::Follow(_) => true,
            Where::Folder(folder) => folder.grows,
            Where::Files(_) | Where::StandardInput => false,
        }
    }

    /// Removes deleted files from the state, and returns those not read to their end.
    fn forget(&mut self, gone: Vec<FileEntry>) -> io::Result<()> {
        for entry in &gone {
            if !entry.is_done {
                self.output.note(&format!(
                    "the file that was {} has been deleted; if it had lines after line {}, they are lost",
                    entry.path.display(),
                    entry.line.saturating_sub(1)
                ));
            }
            self.known.forget(&entry.key);
        }
        if gone.is_empty() {
            return Ok(());
        }
        let after = gone.into_iter().map(|entry| After::Forget(entry.key)).collect();
        self.assembler.borrow_mut().remember(after)
    }

    /// Ends a file that has been read to this position.
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

    /// Whether a record of this format ends with its line, so that a file may end within one.
    fn is_by_lines(&self) -> bool {
        matches!(self.source.format, Format::Text(_) | Format::Csv(_) | Format::Ndjson(_))
    }
}

/// A file that is being read.
struct OpenFile {
    key: FileKey,
    path: PathBuf,
    file: File,
    seen: Rc<RefCell<Seen>>,
    header: SharedHeader,
}

impl OpenFile {
    /// A file that continues from the position in `known`.
    fn known(key: FileKey, path: &Path, file: File, known: &FileEntry) -> Self {
        let this = Self::new(key, path, file, known.header.clone());
        *this.seen.borrow_mut() = known.seen.clone();
        this
    }

    /// A file that is read from its start. `header` is used if the file has none.
    fn new(key: FileKey, path: &Path, file: File, header: Option<Header>) -> Self {
        let header = Rc::new(RefCell::new(header));
        Self { key, path: path.to_owned(), file, seen: Rc::default(), header }
    }

    fn stream(&self, state_id: &str) -> Stream {
        let file = StreamFile {
            key: self.key.clone(),
            path: self.path.clone(),
            seen: Rc::clone(&self.seen),
            header: Rc::clone(&self.header),
        };
        Stream { id: self.key.name(state_id), name: self.path.display().to_string(), file: Some(file) }
    }

    /// The bytes of the file up to its current end.
    fn bytes(&self) -> io::Result<FileBytes> {
        Ok(FileBytes { file: self.file.try_clone()?, offset: 0, seen: Rc::clone(&self.seen) })
    }
}

/// The bytes of a file. Bytes that have been read are added to its fingerprint.
struct FileBytes {
    file: File,
    offset: u64,
    seen: Rc<RefCell<Seen>>,
}

impl FileBytes {
    /// Reads without continuing an earlier stream.
    fn read_unseen(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, self.offset)
    }

    /// Advances behind bytes that have been read.
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

/// The encoding of a file: the given one, or that of its byte order mark.
fn encoding_of(source: &Source, file: &File) -> io::Result<SourceEncoding> {
    let mut head = [0; 3];
    let count = file.read_at(&mut head, 0)?;
    let marked = SourceEncoding::of_mark(&head[..count]).map(|(encoding, _)| encoding);
    Ok(source.encoding.or(marked).unwrap_or(SourceEncoding::UTF_8))
}

/// The end of the last complete line, and the number of the next line.
fn end_of_last_line(file: &File, encoding: SourceEncoding) -> io::Result<(u64, u64)> {
    let (mut offset, mut end, mut line) = (0, 0, 1);
    let mut after_return = false;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read_at(&mut buffer, offset)?;
        let bytes = &buffer[..count - count % encoding.unit()];
        if bytes.is_empty() {
            return Ok((end, line));
        }
        for line_end in encoding.line_ends(bytes) {
            // A line feed whose carriage return ended the previous bytes.
            let is_split =
                after_return && line_end == encoding.unit() && !encoding.is_return(&bytes[..line_end]);
            (end, line) = (offset + line_end as u64, line + u64::from(!is_split));
        }
        after_return = encoding.is_return(&bytes[bytes.len() - encoding.unit()..]);
        offset += bytes.len() as u64;
    }
}

/// Before the first read: records which files and positions to skip.
pub(crate) fn begin(source: &Source, checkpoint: &mut Checkpoint) -> io::Result<()> {
    match &source.place {
        Where::Follow(follow) => follow::begin(source, follow, checkpoint),
        Where::Folder(folder) if folder.grows => folder::begin(source, folder, checkpoint),
        _ => Ok(()),
    }
}

/// Why reading of a stream pauses. Parsers pass it on as an error of their input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Interruption {
    /// A stop was requested.
    #[error("stopped")]
    Stop,
    #[error("another file must be read first")]
    /// Another file must be read first.
    Switch,
}

impl From<Interruption> for io::Error {
    fn from(interruption: Interruption) -> Self {
        Self::other(interruption)
    }
}

/// The interruption that an error represents, if any.
fn interruption(error: &io::Error) -> Option<Interruption> {
    error.get_ref().and_then(|inner| inner.downcast_ref()).copied()
}

/// The error with which waiting ends when a stop was requested.
pub(crate) fn stopped() -> io::Error {
    Interruption::Stop.into()
}
