//! Follows a growing, rotated file like `tail -F`, with a persistent position.
//!
//! Rotation by renaming: the old file is recognised by its key and read to its end before the new
//! one. Unknown files with a rotated name were created and rotated while nothing was read.
//!
//! Rotation by copytruncate: the file is shorter, or holds other bytes. The copy is an unknown file
//! with a rotated name that begins with the bytes already read; its rest is read first.
//!
//! Bytes written between copy and truncation are in neither file.

mod candidates;
mod tail;

use std::io;
use std::rc::Rc;

use super::files::pass_rest_of_line;
use super::recognise::{Present, recognise};
use super::watch::Watch;
use super::{
    Interruption, LastLine, OpenFile, Reading, ReadingError, StreamEnd, encoding_of, end_of_last_line,
    interruption,
};
use crate::format::{Header, Start};
use crate::source::{Follow, Source};
use crate::state::{Checkpoint, FileEntry, FileKey, Seen};
pub(super) use candidates::is_compressed;
use candidates::{Candidate, folder_of, live, rotated};
use tail::{POLL_INTERVAL, Tail};

/// On the first start: marks content to skip. That is already rotated files and, with `start =
/// "end"`, the present content.
pub(crate) fn begin(source: &Source, follow: &Follow, checkpoint: &mut Checkpoint) -> io::Result<()> {
    if checkpoint.has_begun {
        return Ok(());
    }
    for candidate in rotated(follow)? {
        let end = candidate.length;
        checkpoint.note(candidate.entry(end, 1)?);
    }
    if follow.from_end
        && let Some(live) = live(follow)?
    {
        let (offset, line) = end_of_last_line(&live.file, encoding_of(source, &live.file)?)?;
        checkpoint.note(FileEntry { is_done: false, ..live.entry(offset, line)? });
    }
    checkpoint.has_begun = true;
    Ok(())
}

impl Candidate {
    fn entry(&self, offset: u64, line: u64) -> io::Result<FileEntry> {
        let seen = Seen::of(&self.file, offset)?;
        let (key, path) = (self.key.clone(), self.path.clone());
        Ok(FileEntry { key, path, offset, line, seen, is_done: true, header: None })
    }
}

/// The next file to read.
struct Pick {
    file: OpenFile,
    from: Start,
    is_live: bool,
    last_line: LastLine,
}

pub(super) fn read(reading: &mut Reading<'_>, follow: &Follow) -> Result<(), ReadingError> {
    let watch = Rc::new(Watch::on(&folder_of(&follow.path)));
    let mut was_reported = false;
    loop {
        if reading.stop.is_cancelled() {
            return Err(ReadingError::Stopped);
        }
        match pick(reading, follow)? {
            Some(pick) => {
                was_reported = true;
                read_pick(reading, follow, &watch, &pick)?;
            }
            None => {
                if !std::mem::replace(&mut was_reported, true) {
                    reading
                        .output
                        .info(&format!("{} does not exist yet; waiting for it", follow.path.display()));
                }
                watch.wait(POLL_INTERVAL);
            }
        }
    }
}

fn read_pick(
    reading: &mut Reading<'_>,
    follow: &Follow,
    watch: &Rc<Watch>,
    pick: &Pick,
) -> Result<(), ReadingError> {
    let from = pass_rest_of_line(reading, &pick.file, pick.from)?;
    let tail = Tail::new(reading, follow, Rc::clone(watch), &pick.file, pick.is_live)?;
    match reading.read_file(&pick.file, Box::new(tail), from, pick.last_line) {
        Ok(StreamEnd::Whole { offset, line, .. }) => Ok(reading.end_file(offset, line, Vec::new())?),
        // The file was rotated. The rest of the line may be in its replacement.
        Ok(StreamEnd::OpenLine) => Ok(reading.break_off()?),
        // Skipping this file would lose everything after it.
        Ok(StreamEnd::Broken) => {
            let why = format!("{} cannot be followed", pick.file.path.display());
            Err(io::Error::new(io::ErrorKind::InvalidData, why).into())
        }
        Err(ReadingError::Io(error)) if interruption(&error) == Some(Interruption::Switch) => {
            Ok(reading.break_off()?)
        }
        Err(error) => Err(error),
    }
}

fn pick(reading: &mut Reading<'_>, follow: &Follow) -> Result<Option<Pick>, ReadingError> {
    let live = live(follow)?;
    let mut rotated = rotated(follow)?;
    rotated.retain(|candidate| live.as_ref().is_none_or(|live| !live.key.is_same_file(&candidate.key)));
    let present = rotated.iter().chain(&live);
    let present: Vec<_> =
        present.map(|file| Present { path: file.path.clone(), key: file.key.clone() }).collect();
    recognise(reading, &present)?;
    forget_gone(reading, live.as_ref(), &rotated)?;

    let is_unknown = |candidate: &Candidate| reading.known.newest(&candidate.key).is_none();
    let (mut unknown, known): (Vec<_>, Vec<_>) = rotated.into_iter().partition(is_unknown);
    // Files with unread content: rotated before their end, or written to afterwards.
    for candidate in known {
        let Some(entry) = reading.known.newest(&candidate.key).cloned() else { continue };
        if !entry.is_done || entry.offset < candidate.length {
            return go_on(reading, &entry, candidate, &mut unknown, false).map(Some);
        }
    }
    let Some(live) = live else { return Ok(None) };
    match reading.known.newest(&live.key).cloned() {
        Some(entry) => go_on(reading, &entry, live, &mut unknown, true).map(Some),
        None => {
            let header = reading.known.files.iter().rev().find_map(|entry| entry.header.clone());
            Ok(Some(oldest_or(live.key.clone(), live, header, &mut unknown, true)))
        }
    }
}

/// Continues a known file, or the copy that holds its unread rest.
fn go_on(
    reading: &mut Reading<'_>,
    entry: &FileEntry,
    candidate: Candidate,
    unknown: &mut Vec<Candidate>,
    is_live: bool,
) -> Result<Pick, ReadingError> {
    let from = Start { offset: entry.offset, line: entry.line };
    if entry.is_continued_by(&candidate.file)? {
        // An unknown file with a rotated name may be a copy whose original is not truncated yet.
        let file = OpenFile::known(entry.key.clone(), &candidate.path, candidate.file, entry);
        let last_line = if is_live { LastLine::Leave } else { LastLine::Take };
        return Ok(Pick { file, from, is_live, last_line });
    }
    // The file was truncated: its unread rest is in its copy.
    for index in 0..unknown.len() {
        if entry.is_continued_by(&unknown[index].file)? {
            let copy = unknown.swap_remove(index);
            let file = OpenFile::known(copy.key, &copy.path, copy.file, entry);
            return Ok(Pick { file, from, is_live: false, last_line: LastLine::Take });
        }
    }
    // More than the copy holds may have been read before the truncation.
    let is_copy = |file: &Candidate| entry.seen.begins(&file.file).unwrap_or(false);
    let (copies, others): (Vec<_>, Vec<_>) = unknown.drain(..).partition(is_copy);
    *unknown = others;
    for copy in copies {
        let entry = copy.entry(copy.length, entry.line)?;
        reading.known.note(entry.clone());
        reading.assembler.borrow_mut().adopt(entry, None)?;
    }
    let has_rest = |known: &FileEntry| !known.key.is_same_file(&entry.key) && known.offset >= entry.offset;
    if !reading.known.files.iter().any(has_rest) {
        reading.output.note(&format!(
            "{} was truncated; lines written to it after line {} may be lost",
            candidate.path.display(),
            entry.line.saturating_sub(1)
        ));
    }
    Ok(oldest_or(entry.key.emptied(), candidate, entry.header.clone(), unknown, is_live))
}

/// Unknown rotated files are older than the live file.
fn oldest_or(
    key: FileKey,
    candidate: Candidate,
    header: Option<Header>,
    unknown: &mut Vec<Candidate>,
    is_live: bool,
) -> Pick {
    let is_older = |other: &Candidate| is_live || other.modified < candidate.modified;
    let (key, candidate, is_live) = if unknown.first().is_some_and(is_older) {
        let oldest = unknown.remove(0);
        (oldest.key.clone(), oldest, false)
    } else {
        (key, candidate, is_live)
    };
    let file = OpenFile::new(key, &candidate.path, candidate.file, header);
    let last_line = if is_live { LastLine::Leave } else { LastLine::Take };
    Pick { file, from: Start::BEGINNING, is_live, last_line }
}

/// Removes deleted files from the state, and reports those not read to their end.
fn forget_gone(
    reading: &mut Reading<'_>,
    live: Option<&Candidate>,
    rotated: &[Candidate],
) -> Result<(), ReadingError> {
    let is_there =
        |key: &FileKey| rotated.iter().chain(live).any(|candidate| candidate.key.is_same_file(key));
    let gone: Vec<_> = reading.known.files.iter().filter(|entry| !is_there(&entry.key)).cloned().collect();
    Ok(reading.forget(gone)?)
}
