//! A folder that files are dropped into, or in which they grow.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use glob::Pattern;

use super::files::{FileEnd, read_file};
use super::follow::is_compressed;
use super::recognise::{Present, recognise};
use super::watch::Watch;
use super::{LastLine, Reading, ReadingError, encoding_of, end_of_last_line, interruption};
use crate::message::After;
use crate::source::{Folder, Source};
use crate::state::{Checkpoint, FileEntry, FileKey, Seen};

/// The poll interval without change notifications.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Names that programs give to files that are not finished.
const UNFINISHED: [&str; 6] = [".tmp", ".part", ".partial", ".crdownload", ".filepart", "~"];

/// A file in the folder, with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Drop {
    path: PathBuf,
    key: FileKey,
    length: u64,
    modified: SystemTime,
}

/// The state between two scans of the folder.
#[derive(Default)]
struct Memory {
    /// Since when a file has not changed.
    unchanged: HashMap<PathBuf, (Drop, Instant)>,
    /// Files that were read or failed, with their metadata of that time.
    tried: HashMap<PathBuf, Drop>,
    /// Files that have been read up to their last line, which had no end.
    open: HashMap<PathBuf, Drop>,
    has_matched: bool,
}

/// On the first start: marks content to skip. That is already rotated files and, with `start =
/// "end"`, the present content.
pub(super) fn begin(source: &Source, folder: &Folder, checkpoint: &mut Checkpoint) -> io::Result<()> {
    if checkpoint.has_begun {
        return Ok(());
    }
    let present = list(&folder.path, &pattern(folder)?, |_, _| false)?;
    let is_rotated = |name: &str, _: &FileKey| present.iter().any(|drop| is_rotated_from(name, &drop.path));
    for drop in list(&folder.path, &pattern(folder)?, is_rotated)? {
        let is_rotated = !present.contains(&drop);
        if is_rotated || folder.from_end {
            let file = File::open(&drop.path)?;
            let (offset, line) = end_of_last_line(&file, encoding_of(source, &file)?)?;
            let offset = if is_rotated { drop.length } else { offset };
            let seen = Seen::of(&file, offset)?;
            let (key, path) = (drop.key, drop.path);
            checkpoint.note(FileEntry { key, path, offset, line, seen, is_done: is_rotated, header: None });
        }
    }
    checkpoint.has_begun = true;
    Ok(())
}

/// Whether a name is the rotated name of a file, and not of a compressed one.
fn is_rotated_from(name: &str, path: &Path) -> bool {
    let base = path.file_name().unwrap_or_default().to_string_lossy();
    let rest = name.strip_prefix(&*base);
    rest.is_some_and(|rest| rest.starts_with(['.', '-'])) && !is_compressed(Path::new(name))
}

/// The matching files; if files grow, also rotated files that matched before.
fn present(reading: &Reading<'_>, folder: &Folder, pattern: &Pattern) -> io::Result<Vec<Drop>> {
    let was_followed = |name: &str, key: &FileKey| {
        let is_or_was = |entry: &FileEntry| entry.key.is_same_file(key) || is_rotated_from(name, &entry.path);
        folder.grows && reading.known.files.iter().any(is_or_was)
    };
    list(&folder.path, pattern, was_followed)
}

fn pattern(folder: &Folder) -> io::Result<Pattern> {
    Pattern::new(&folder.pattern).map_err(io::Error::other)
}

pub(super) fn read(reading: &mut Reading<'_>, folder: &Folder) -> Result<(), ReadingError> {
    let pattern = pattern(folder)?;
    if let Some(done) = &folder.done {
        make_done(&folder.path, done)?;
    }
    let watch = Watch::on(&folder.path);
    let (mut memory, mut has_looked) = (Memory::default(), false);
    loop {
        let drops = present(reading, folder, &pattern)?;
        let files: Vec<_> =
            drops.iter().map(|drop| Present { path: drop.path.clone(), key: drop.key.clone() }).collect();
        recognise(reading, &files)?;
        forget_gone(reading, folder, &drops)?;
        memory.forget_changed(&drops);
        let waits = read_drops(reading, folder, &drops, &mut memory)?;
        if folder.once && !waits {
            return Ok(check_matched(reading, folder, &pattern, &memory)?);
        }
        if reading.stop.is_cancelled() {
            return Err(ReadingError::Stopped);
        }
        if !std::mem::replace(&mut has_looked, true) && drops.is_empty() {
            let (pattern, folder) = (&folder.pattern, folder.path.display());
            reading.output.info(&format!("no file in {folder} matches `{pattern}` yet; waiting for one"));
        }
        watch.wait(
            POLL_INTERVAL.min(folder.settle.max(Duration::from_millis(50))).min(Duration::from_millis(250)),
        );
    }
}

/// Reads new content; returns whether some of it is not ready yet.
fn read_drops(
    reading: &mut Reading<'_>,
    folder: &Folder,
    drops: &[Drop],
    memory: &mut Memory,
) -> Result<bool, ReadingError> {
    let mut waits = false;
    for drop in drops {
        if reading.stop.is_cancelled() {
            return Err(ReadingError::Stopped);
        }
        if memory.tried.get(&drop.path) == Some(drop) {
            continue;
        }
        if is_known(reading, drop) {
            memory.tried.insert(drop.path.clone(), drop.clone());
            continue;
        }
        let last_line = memory.last_line(reading, folder, drops, drop);
        if last_line == LastLine::Leave && memory.open.get(&drop.path) == Some(drop) {
            continue;
        }
        if folder.grows && !may_be_read(reading, folder, drop)? {
            continue;
        }
        if !memory.is_unchanged(drop, folder.settle) {
            waits = true;
            continue;
        }
        read_drop(reading, folder, drop, last_line, memory)?;
    }
    Ok(waits)
}

fn read_drop(
    reading: &mut Reading<'_>,
    folder: &Folder,
    drop: &Drop,
    last_line: LastLine,
    memory: &mut Memory,
) -> Result<(), ReadingError> {
    let after = |key: &FileKey| match &folder.done {
        Some(done) => vec![After::Move { key: key.clone(), from: drop.path.clone(), to: done.clone() }],
        None => Vec::new(),
    };
    let name = drop.path.display();
    match read_file(reading, &drop.path, last_line, &after) {
        Ok(FileEnd::Whole) if folder.grows => {}
        Ok(FileEnd::Whole) => reading.output.info(&format!("{name} has been read")),
        Ok(FileEnd::OpenLine) => {
            memory.open.insert(drop.path.clone(), drop.clone());
            return Ok(());
        }
        Ok(FileEnd::Misfit) => {
            reading.broken += 1;
            let stays = if folder.done.is_some() { ", and stays in its folder" } else { "" };
            reading.output.note(&format!("{name} does not fit its description{stays}"));
        }
        Ok(FileEnd::Broken) => {}
        Err(ReadingError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
        // An unreadable file must not block the others.
        Err(ReadingError::Io(error)) if interruption(&error).is_none() => {
            reading.broken += 1;
            reading.output.note(&error.to_string());
        }
        Err(error) => return Err(error),
    }
    memory.tried.insert(drop.path.clone(), drop.clone());
    Ok(())
}

/// Whether a growing file is to be read now. After copytruncate, the unread rest is in the copy,
/// which is read first; a copy waits until its original has been truncated.
fn may_be_read(reading: &mut Reading<'_>, folder: &Folder, drop: &Drop) -> Result<bool, ReadingError> {
    let Ok(file) = File::open(&drop.path) else { return Ok(true) };
    if let Some(entry) = reading.known.newest(&drop.key).cloned() {
        if !entry.is_continued_by(&file)? {
            read_copies(reading, folder, &entry)?;
        }
        return Ok(true);
    }
    let name = drop.path.file_name().unwrap_or_default().to_string_lossy();
    let is_copy =
        |entry: &FileEntry| is_rotated_from(&name, &entry.path) && entry.seen.begins(&file).unwrap_or(false);
    Ok(!reading.known.files.iter().any(is_copy))
}

/// Reads the part of a truncated file that only its copies hold.
fn read_copies(reading: &mut Reading<'_>, folder: &Folder, entry: &FileEntry) -> Result<(), ReadingError> {
    let is_copy = |name: &str, _: &FileKey| is_rotated_from(name, &entry.path);
    for copy in list(&folder.path, &Pattern::default(), is_copy)? {
        let Ok(file) = File::open(&copy.path) else { continue };
        if reading.known.newest(&copy.key).is_some() || !entry.seen.begins(&file)? {
            continue;
        }
        let goes_on = entry.is_continued_by(&file)?;
        let offset = if goes_on { entry.offset } else { copy.length };
        let (key, path) = (copy.key.clone(), copy.path.clone());
        let copied = FileEntry { key, path, offset, is_done: !goes_on, ..entry.clone() };
        reading.known.note(copied.clone());
        reading.assembler.borrow_mut().adopt(copied, None)?;
        if goes_on {
            read_file(reading, &copy.path, LastLine::Take, &|_| Vec::new())?;
        }
    }
    Ok(())
}

/// Reports that no file matches, unless files have been read before.
fn check_matched(
    reading: &mut Reading<'_>,
    folder: &Folder,
    pattern: &Pattern,
    memory: &Memory,
) -> io::Result<()> {
    let is_done = |done: &PathBuf| list(done, pattern, |_, _| false).is_ok_and(|files| !files.is_empty());
    let has_read = reading.known.counts.records > 0 || folder.done.as_ref().is_some_and(is_done);
    if memory.has_matched || has_read {
        return Ok(());
    }
    reading.broken += 1;
    let others = fs::read_dir(&folder.path)?.count();
    reading.output.note(&format!(
        "no file in {} matches `{}`; there are {others} other names in it",
        folder.path.display(),
        folder.pattern
    ));
    Ok(())
}

/// Checks that both folders are on one file system: a rename needs that.
fn make_done(folder: &Path, done: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", done.display()));
    fs::create_dir_all(done).map_err(named)?;
    if fs::metadata(done).map_err(named)?.dev() != fs::metadata(folder)?.dev() {
        let why = format!(
            "{} is on another file system than {}; files cannot be moved there",
            done.display(),
            folder.display()
        );
        return Err(io::Error::other(why));
    }
    Ok(())
}

/// The finished files whose names match, and those that `wanted` accepts by name or key.
fn list(
    folder: &Path,
    pattern: &Pattern,
    is_wanted: impl Fn(&str, &FileKey) -> bool,
) -> io::Result<Vec<Drop>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mut drops = Vec::new();
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_finished = !name.starts_with('.') && !UNFINISHED.iter().any(|end| name.ends_with(end));
        if !is_finished {
            continue;
        }
        // It may be deleted meanwhile.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let key = FileKey::of(&metadata);
        if metadata.is_file() && (pattern.matches(&name) || is_wanted(&name, &key)) {
            let modified = metadata.modified()?;
            drops.push(Drop { path, key, length: metadata.len(), modified });
        }
    }
    drops.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| a.path.cmp(&b.path)));
    Ok(drops)
}

/// Whether the present content of a file has been read.
fn is_known(reading: &Reading<'_>, drop: &Drop) -> bool {
    let entry = reading.known.newest(&drop.key);
    let entry = entry.filter(|entry| entry.is_done && entry.offset == drop.length);
    // It may have been rewritten with the same length.
    entry.is_some_and(|entry| {
        File::open(&drop.path).and_then(|file| entry.is_continued_by(&file)).unwrap_or(false)
    })
}

fn forget_gone(reading: &mut Reading<'_>, folder: &Folder, drops: &[Drop]) -> Result<(), ReadingError> {
    let is_there = |key: &FileKey| drops.iter().any(|drop| drop.key.is_same_file(key));
    let gone: Vec<_> = reading.known.files.iter().filter(|entry| !is_there(&entry.key)).cloned().collect();
    for entry in &gone {
        if folder.grows {
            read_copies(reading, folder, entry)?;
        }
    }
    Ok(reading.forget(gone)?)
}

impl Memory {
    /// Removes entries of changed or deleted files.
    fn forget_changed(&mut self, drops: &[Drop]) {
        self.has_matched |= !drops.is_empty();
        let present: HashSet<_> = drops.iter().map(|drop| &drop.path).collect();
        self.tried.retain(|path, _| present.contains(path));
        self.open.retain(|path, _| present.contains(path));
        self.unchanged.retain(|path, _| present.contains(path));
    }

    /// Whether a file is unchanged for `limit`, by its modification time or by our clock.
    fn is_unchanged(&mut self, drop: &Drop, limit: Duration) -> bool {
        if drop.modified.elapsed().is_ok_and(|age| age >= limit) {
            return true;
        }
        let now = Instant::now();
        let (last, since) = self.unchanged.entry(drop.path.clone()).or_insert_with(|| (drop.clone(), now));
        if last != drop {
            (*last, *since) = (drop.clone(), now);
        }
        since.elapsed() >= limit
    }

    /// How to treat a last line without line end. Programs flush within lines, so the rest may
    /// follow.
    fn last_line(&mut self, reading: &Reading<'_>, folder: &Folder, drops: &[Drop], drop: &Drop) -> LastLine {
        if folder.once || !reading.is_by_lines() {
            return LastLine::Take;
        }
        let is_unchanged = self.is_unchanged(drop, folder.last_line);
        let is_followed = drops.iter().any(|other| other.path != drop.path && other.modified > drop.modified);
        if is_unchanged && (is_followed || !folder.grows) { LastLine::Take } else { LastLine::Leave }
    }
}
