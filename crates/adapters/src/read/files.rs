//! Reads files from start to end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::recognise::{Present, recognise};
use super::{LastLine, OpenFile, Reading, ReadingError, StreamEnd, interruption};
use crate::format::Start;
use crate::input::encoding::SourceEncoding;
use crate::message::After;
use crate::record::{Complaint, Original, Place, Record};
use crate::state::FileKey;

/// The maximum size of the rest of a line that is shown.
const SHOWN_BYTES: usize = 4 << 10;

pub(super) fn read(reading: &mut Reading<'_>, files: &[PathBuf]) -> Result<(), ReadingError> {
    let present = files.iter().filter_map(|path| {
        let key = FileKey::of(&std::fs::metadata(path).ok()?);
        Some(Present { path: path.clone(), key })
    });
    let present: Vec<_> = present.collect();
    recognise(reading, &present)?;
    for path in files {
        read_file(reading, path, LastLine::Take, &|_| Vec::new())?;
    }
    Ok(())
}

/// How far a file has been read.
pub(super) enum FileEnd {
    Whole,
    /// To its end, but its records contradict the description.
    Misfit,
    /// Up to its last line, which has no end yet.
    OpenLine,
    Broken,
}

/// Reads the new part of a file. `after` is performed if its records fit the description.
pub(super) fn read_file(
    reading: &mut Reading<'_>,
    path: &Path,
    last_line: LastLine,
    after: &dyn Fn(&FileKey) -> Vec<After>,
) -> Result<FileEnd, ReadingError> {
    let file = File::open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let named = |error| match error {
        ReadingError::Io(error) if interruption(&error).is_none() => {
            io::Error::new(error.kind(), format!("{}: {error}", path.display())).into()
        }
        other => other,
    };
    let (file, from) = open(reading, path, file).map_err(named)?;
    let from = pass_rest_of_line(reading, &file, from).map_err(named)?;
    let end = reading.read_file(&file, Box::new(file.bytes()?), from, last_line)?;
    reading.passed_bytes += file.file.metadata()?.len();
    match end {
        StreamEnd::Whole { offset, line, fits: true } => {
            reading.end_file(offset, line, after(&file.key))?;
            Ok(FileEnd::Whole)
        }
        StreamEnd::Whole { offset, line, fits: false } => {
            reading.end_file(offset, line, Vec::new())?;
            Ok(FileEnd::Misfit)
        }
        StreamEnd::OpenLine => {
            reading.break_off()?;
            Ok(FileEnd::OpenLine)
        }
        StreamEnd::Broken => Ok(FileEnd::Broken),
    }
}

/// Opens a file at the position where reading continues.
fn open(reading: &Reading<'_>, path: &Path, file: File) -> Result<(OpenFile, Start), ReadingError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let why = "it is not a regular file; a pipe or a device can be read as standard input";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why).into());
    }
    let key = FileKey::of(&metadata);
    let Some(entry) = reading.known.newest(&key) else {
        return Ok((OpenFile::new(key, path, file, None), Start::BEGINNING));
    };
    if !entry.is_continued_by(&file)? {
        reading.output.note(&format!("{} was rewritten; it is read from its start", path.display()));
        let (key, header) = (entry.key.emptied(), entry.header.clone());
        return Ok((OpenFile::new(key, path, file, header), Start::BEGINNING));
    }
    if entry.offset == metadata.len() && entry.offset > 0 {
        reading.output.info(&format!("{} has been read before and has no new content", path.display()));
    }
    let from = Start { offset: entry.offset, line: entry.line };
    Ok((OpenFile::known(entry.key.clone(), path, file, entry), from))
}

/// Rejects the rest of a line whose start was read as a complete line at the end of the file: it
/// may be half of a number.
pub(super) fn pass_rest_of_line(
    reading: &mut Reading<'_>,
    file: &OpenFile,
    from: Start,
) -> Result<Start, ReadingError> {
    let encoding = reading.encoding_of(&file.file)?;
    if !reading.is_by_lines() || !ends_within_a_line(&file.file, encoding, from.offset)? {
        return Ok(from);
    }
    // The file may have ended in the middle of a character, too.
    let begin = from.offset - from.offset % encoding.unit() as u64;
    let (mut end, mut original, mut found) = (begin, Original::default(), false);
    let mut buffer = vec![0; 64 << 10];
    while !found {
        let count = file.file.read_at(&mut buffer, end)?;
        let bytes = &buffer[..count];
        let line_end = encoding.line_ends(bytes).next();
        found = line_end.is_some();
        let length = line_end.unwrap_or(count);
        let room = SHOWN_BYTES.saturating_sub(original.bytes.len()).min(length);
        original.bytes.extend_from_slice(&bytes[..room]);
        end += length as u64;
        if count == 0 {
            break;
        }
    }
    if end <= from.offset {
        return Ok(from);
    }
    original.length = end - begin;
    let line = from.line + u64::from(found);
    let mut record = Record::default();
    record.span = from.offset..end;
    (record.line, record.end_line) = (from.line, line);
    let reason =
        "the file ended within this line when it was read, and the first part was read as a complete line"
            .to_owned();
    let complaint = Complaint { place: Place { line: from.line, column: 1 }, reason };
    let stream = file.stream(&reading.known.state_id);
    reading.assembler.borrow_mut().begin(stream, from.offset, from.line)?;
    reading.reject(&record, &complaint, &original)?;
    Ok(Start { offset: end, line })
}

fn ends_within_a_line(file: &File, encoding: SourceEncoding, offset: u64) -> io::Result<bool> {
    let unit = encoding.unit();
    let Some(before) = offset.checked_sub(unit as u64) else { return Ok(offset > 0) };
    let mut last = vec![0; unit];
    file.read_exact_at(&mut last, before)?;
    Ok(!offset.is_multiple_of(unit as u64) || !encoding.is_line_end(&last))
}
