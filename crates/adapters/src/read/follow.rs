//! A file that grows and is rotated, like `tail -F`, but with a memory: what was rotated while nobody looked is
//! found again.
//!
//! Rotation by renaming: the file has another name then, and is known by its key. It is read to its end before the new
//! one is begun. Files between the two, which came and went unseen, are those with a rotated name that are not known.
//!
//! Rotation by copying and emptying: the file has its name still and is shorter, or holds other bytes where we were.
//! The copy is the one with a rotated name that is not known and goes on where we were; its rest is read first. As with
//! every other program, what is written between the copying and the emptying is in neither.

mod candidates;
mod tail;

use std::io;
use std::rc::Rc;

use super::files::pass_rest_of_line;
use super::watch::Watch;
use super::{Interruption, OpenFile, Reading, ReadingError, StreamEnd, encoding_of, interruption};
use crate::format::Start;
use crate::message::After;
use crate::source::{Follow, Source};
use crate::state::{Checkpoint, FileEntry, FileKey, Seen};
use candidates::{Candidate, end_of_last_line, folder_of, live, rotated};
use tail::{LOOK_EVERY, Tail};

/// Notes, on the first start, what is not to be read: files that were rotated before, and, where only what is new is
/// wanted, what stands in the file.
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
        Ok(FileEntry { key: self.key.clone(), path: self.path.clone(), offset, line, seen, is_done: true })
    }
}

/// What to read next.
struct Pick {
    file: OpenFile,
    from: Start,
    is_live: bool,
}

pub(super) fn read(reading: &mut Reading<'_>, follow: &Follow) -> Result<(), ReadingError> {
    let watch = Rc::new(Watch::on(&folder_of(&follow.path)));
    let mut is_said = false;
    loop {
        if reading.stop.is_cancelled() {
            return Err(ReadingError::Stopped);
        }
        match pick(reading, follow)? {
            Some(pick) => {
                is_said = true;
                read_pick(reading, follow, &watch, &pick)?;
            }
            None => {
                if !std::mem::replace(&mut is_said, true) {
                    reading.say.info(&format!("{} is not there yet; waiting for it", follow.path.display()));
                }
                watch.wait(LOOK_EVERY);
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
    match reading.read_file(&pick.file, Box::new(tail), from) {
        Ok(StreamEnd::Whole(offset, line)) => Ok(reading.end_file(offset, line, Vec::new())?),
        // Everything that comes later would be lost if it were passed over.
        Ok(StreamEnd::Broken) => {
            let why = format!("{} cannot be followed", pick.file.path.display());
            Err(io::Error::new(io::ErrorKind::InvalidData, why).into())
        }
        Err(ReadingError::Io(error)) if interruption(&error) == Some(Interruption::Switch) => {
            let entry = reading.assembler.borrow_mut().break_off()?;
            if let Some(entry) = entry {
                reading.known.note(entry);
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn pick(reading: &mut Reading<'_>, follow: &Follow) -> Result<Option<Pick>, ReadingError> {
    let live = live(follow)?;
    let mut rotated = rotated(follow)?;
    rotated.retain(|candidate| live.as_ref().is_none_or(|live| !live.key.is_same_file(&candidate.key)));
    forget_gone(reading, live.as_ref(), &rotated)?;

    let is_unknown = |candidate: &Candidate| reading.known.newest(&candidate.key).is_none();
    let (mut unknown, known): (Vec<_>, Vec<_>) = rotated.into_iter().partition(is_unknown);
    // What has more to read: a file that was rotated while we were in it, or was written to afterwards.
    for candidate in known {
        let Some(entry) = reading.known.newest(&candidate.key).cloned() else { continue };
        if !entry.is_done || entry.offset < candidate.length {
            return go_on(reading, &entry, candidate, &mut unknown, false).map(Some);
        }
    }
    let Some(live) = live else { return Ok(None) };
    match reading.known.newest(&live.key).cloned() {
        Some(entry) => go_on(reading, &entry, live, &mut unknown, true).map(Some),
        None => Ok(Some(oldest_or(live.key.clone(), live, &mut unknown, true))),
    }
}

/// Goes on with a file that is known, wherever what comes next of it is.
fn go_on(
    reading: &Reading<'_>,
    entry: &FileEntry,
    candidate: Candidate,
    unknown: &mut Vec<Candidate>,
    is_live: bool,
) -> Result<Pick, ReadingError> {
    let from = Start { offset: entry.offset, line: entry.line };
    if entry.is_continued_by(&candidate.file)? {
        // A file with a rotated name that is not known may be the copy that precedes the emptying. It has to wait.
        let file = OpenFile::new(entry.key.clone(), &candidate.path, candidate.file, Some(entry));
        return Ok(Pick { file, from, is_live });
    }
    // The file was emptied: what was not read of it is in its copy.
    for index in 0..unknown.len() {
        if entry.is_continued_by(&unknown[index].file)? {
            let copy = unknown.swap_remove(index);
            let file = OpenFile::new(copy.key, &copy.path, copy.file, Some(entry));
            return Ok(Pick { file, from, is_live: false });
        }
    }
    let is_copy = |known: &FileEntry| !known.key.is_same_file(&entry.key) && known.offset >= entry.offset;
    if !reading.known.files.iter().any(is_copy) {
        reading.say.note(&format!(
            "{} was emptied, and there is no copy of it; what was written last, behind line {}, may be lost",
            candidate.path.display(),
            entry.line.saturating_sub(1)
        ));
    }
    Ok(oldest_or(entry.key.emptied(), candidate, unknown, is_live))
}

/// Files that came and went unseen are older than the one that is there now.
fn oldest_or(key: FileKey, candidate: Candidate, unknown: &mut Vec<Candidate>, is_live: bool) -> Pick {
    let is_older = |other: &Candidate| is_live || other.modified < candidate.modified;
    let (key, candidate, is_live) = if unknown.first().is_some_and(is_older) {
        let oldest = unknown.remove(0);
        (oldest.key.clone(), oldest, false)
    } else {
        (key, candidate, is_live)
    };
    let file = OpenFile::new(key, &candidate.path, candidate.file, None);
    Pick { file, from: Start::BEGINNING, is_live }
}

/// Forgets files that are gone, and says so where they had not been read to their end.
fn forget_gone(
    reading: &mut Reading<'_>,
    live: Option<&Candidate>,
    rotated: &[Candidate],
) -> Result<(), ReadingError> {
    let is_there =
        |key: &FileKey| rotated.iter().chain(live).any(|candidate| candidate.key.is_same_file(key));
    let gone: Vec<_> = reading.known.files.iter().filter(|entry| !is_there(&entry.key)).cloned().collect();
    for entry in &gone {
        if !entry.is_done {
            reading.say.note(&format!(
                "the file that was {} is gone; if anything was written to it behind line {}, it is lost",
                entry.path.display(),
                entry.line.saturating_sub(1)
            ));
        }
        reading.known.forget(&entry.key);
    }
    if !gone.is_empty() {
        let after = gone.into_iter().map(|entry| After::Forget(entry.key)).collect();
        reading.assembler.borrow_mut().remember(after)?;
    }
    Ok(())
}
