//! A folder that files are dropped into.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use glob::Pattern;

use super::files::read_file;
use super::watch::Watch;
use super::{Reading, ReadingError, interruption};
use crate::message::After;
use crate::source::Folder;
use crate::state::FileKey;

/// How often to look where nothing tells of changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Names that programs give to files that are not finished.
const UNFINISHED: [&str; 6] = [".tmp", ".part", ".partial", ".crdownload", ".filepart", "~"];

/// A file in the folder, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Drop {
    path: PathBuf,
    key: FileKey,
    length: u64,
    modified: SystemTime,
}

/// What is remembered of the folder from look to look.
#[derive(Default)]
struct Memory {
    /// Since when a file has not changed.
    unchanged: HashMap<PathBuf, (Drop, Instant)>,
    /// Files that have been read, or could not be, as they were then.
    tried: Vec<Drop>,
}

pub(super) fn read(reading: &mut Reading<'_>, folder: &Folder) -> Result<(), ReadingError> {
    let pattern = Pattern::new(&folder.pattern).map_err(io::Error::other)?;
    if let Some(done) = &folder.done {
        make_done(&folder.path, done)?;
    }
    let watch = Watch::on(&folder.path);
    let mut memory = Memory::default();
    loop {
        let drops = list(&folder.path, &pattern)?;
        forget_gone(reading, &drops)?;
        memory.tried.retain(|tried| drops.contains(tried));
        let mut waits = false;
        for drop in drops {
            if reading.stop.is_cancelled() {
                return Err(ReadingError::Stopped);
            }
            if memory.tried.contains(&drop) || is_known(reading, &drop) {
                continue;
            }
            if memory.is_whole(&drop, folder.settle) {
                read_drop(reading, folder, &drop, &mut memory)?;
            } else {
                waits = true;
            }
        }
        if folder.once && !waits {
            return Ok(());
        }
        if reading.stop.is_cancelled() {
            return Err(ReadingError::Stopped);
        }
        watch.wait(
            LOOK_EVERY.min(folder.settle.max(Duration::from_millis(50))).min(Duration::from_millis(250)),
        );
    }
}

fn read_drop(
    reading: &mut Reading<'_>,
    folder: &Folder,
    drop: &Drop,
    memory: &mut Memory,
) -> Result<(), ReadingError> {
    let after = |key: &FileKey| match &folder.done {
        Some(done) => vec![After::Move { key: key.clone(), from: drop.path.clone(), to: done.clone() }],
        None => Vec::new(),
    };
    match read_file(reading, &drop.path, &after) {
        Ok(true) => reading.say.info(&format!("{} has been read", drop.path.display())),
        Ok(false) => {}
        Err(ReadingError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
        // One file that cannot be read must not keep the others waiting.
        Err(ReadingError::Io(error)) if interruption(&error).is_none() => {
            reading.broken += 1;
            reading.say.note(&error.to_string());
        }
        Err(error) => return Err(error),
    }
    memory.tried.push(drop.clone());
    Ok(())
}

/// A file can be moved only within its file system.
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

fn list(folder: &Path, pattern: &Pattern) -> io::Result<Vec<Drop>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mut drops = Vec::new();
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_finished = !name.starts_with('.') && !UNFINISHED.iter().any(|end| name.ends_with(end));
        if !is_finished || !pattern.matches(&name) {
            continue;
        }
        // It may be gone again.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_file() {
            let (key, modified) = (FileKey::of(&metadata), metadata.modified()?);
            drops.push(Drop { path, key, length: metadata.len(), modified });
        }
    }
    drops.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| a.path.cmp(&b.path)));
    Ok(drops)
}

/// Whether a file has been read as it is.
fn is_known(reading: &Reading<'_>, drop: &Drop) -> bool {
    reading.known.newest(&drop.key).is_some_and(|entry| entry.is_done && entry.offset == drop.length)
}

fn forget_gone(reading: &mut Reading<'_>, drops: &[Drop]) -> Result<(), ReadingError> {
    let is_there = |key: &FileKey| drops.iter().any(|drop| drop.key.is_same_file(key));
    let gone: Vec<_> =
        reading.known.files.iter().map(|entry| entry.key.clone()).filter(|key| !is_there(key)).collect();
    for key in &gone {
        reading.known.forget(key);
    }
    if !gone.is_empty() {
        reading.assembler.borrow_mut().remember(gone.into_iter().map(After::Forget).collect())?;
    }
    Ok(())
}

impl Memory {
    /// Whether nothing has been written to a file for long enough: by its own time, or as long as we have looked.
    fn is_whole(&mut self, drop: &Drop, settle: Duration) -> bool {
        if drop.modified.elapsed().is_ok_and(|age| age >= settle) {
            self.unchanged.remove(&drop.path);
            return true;
        }
        let now = Instant::now();
        let (last, since) = self.unchanged.entry(drop.path.clone()).or_insert_with(|| (drop.clone(), now));
        if last != drop {
            (*last, *since) = (drop.clone(), now);
        }
        since.elapsed() >= settle
    }
}
