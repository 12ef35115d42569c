//! Recognises files by their content after device, inode or name have changed.

use std::fs::{self, File};
use std::path::PathBuf;

use super::{Reading, ReadingError};
use crate::source::Format;
use crate::state::{FileEntry, FileKey};

/// A file that may have been read before under another key.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub(super) path: PathBuf,
    pub(super) key: FileKey,
}

/// Replaces the keys of missing known files by those of present files that continue them. Device
/// numbers change at a restart; rsync replaces a grown file by a new one.
pub(super) fn recognise(reading: &mut Reading<'_>, present: &[Present]) -> Result<(), ReadingError> {
    let is_there = |entry: &FileEntry| {
        let is_present = present.iter().any(|file| file.key.is_same_file(&entry.key));
        is_present || fs::metadata(&entry.path).is_ok_and(|file| FileKey::of(&file).is_same_file(&entry.key))
    };
    let gone: Vec<_> = reading.known.files.iter().filter(|entry| !is_there(entry)).cloned().collect();
    for entry in gone {
        let (same, others): (Vec<_>, Vec<_>) =
            present.iter().partition(|file| file.path.file_name() == entry.path.file_name());
        for file in same.into_iter().chain(others) {
            if reading.known.newest(&file.key).is_none() && is_continuation(reading, &entry, file) {
                adopt(reading, &entry, file)?;
                break;
            }
        }
    }
    Ok(())
}

fn is_continuation(reading: &Reading<'_>, entry: &FileEntry, file: &Present) -> bool {
    let may_be = entry.key.is_same_but_device(&file.key)
        // If the time of reading is stored, equal content is another measurement.
        || (!reading.wants_arrival && entry.line > first_line(&reading.source.format));
    may_be && File::open(&file.path).and_then(|file| entry.is_continued_by(&file)).unwrap_or(false)
}

/// The first line behind the part that all files of a source share.
fn first_line(format: &Format) -> u64 {
    match format {
        Format::Text(text) => text.skip_lines + 1,
        Format::Csv(csv) => csv.skip_lines + u64::from(csv.header) + csv.skip_rows + 1,
        Format::Ndjson(_) | Format::Json(_) | Format::Xml(_) => 1,
    }
}

fn adopt(reading: &mut Reading<'_>, entry: &FileEntry, file: &Present) -> Result<(), ReadingError> {
    reading.output.info(&format!(
        "{} is recognised by its content; reading continues after line {}",
        file.path.display(),
        entry.line.saturating_sub(1)
    ));
    let adopted = FileEntry { key: file.key.clone(), path: file.path.clone(), ..entry.clone() };
    reading.known.forget(&entry.key);
    reading.known.note(adopted.clone());
    Ok(reading.assembler.borrow_mut().adopt(adopted, Some(entry.key.clone()))?)
}
