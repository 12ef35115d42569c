//! The state on disk, which survives a kill at any moment.
//!
//! - `spool/`: groups of messages with the position in the source, each written before it is
//!   published. After a kill, the same messages are republished with the same ids.
//! - `checkpoint.json`: the position up to which everything is *confirmed*; replaced atomically.
//! - `unparsable.ndjson`: the records that could not be read, each once.

mod checkpoint;
mod file_entry;
mod fingerprint;
pub(crate) mod path_text;
mod spool;
mod unparsable;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use checkpoint::Checkpoint;
pub(crate) use file_entry::{FileEntry, FileKey};
pub(crate) use fingerprint::Seen;
pub(crate) use spool::Spool;
pub(crate) use unparsable::{UnparsableFile, line, rejected_line};

/// The state folder of a source, locked by one adapter at a time.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    _lock: File,
}

impl State {
    /// Opens the folder, and creates it if missing.
    ///
    /// # Errors
    /// The folder cannot be used, or another adapter has locked it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let within = |error: io::Error| {
            io::Error::new(error.kind(), format!("the state folder {}: {error}", folder.display()))
        };
        fs::create_dir_all(folder.join("spool")).map_err(within)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .map_err(within)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other(format!(
                "the state folder {} is used by another mymonit-adapter; give this source another name (`name`, --name) or folder (`state`, --state)",
                folder.display()
            )),
            TryLockError::Error(error) => within(error),
        })?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint.json")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.join("spool")
    }

    /// The default path of the file of unparsable records.
    pub(crate) fn unparsable(&self) -> PathBuf {
        self.folder.join("unparsable.ndjson")
    }
}

/// Replaces a file atomically: after a crash it has the old or the new content.
fn replace(path: &Path, content: &[&[u8]]) -> io::Result<()> {
    replace_file(path, content).map_err(|error| {
        io::Error::new(error.kind(), format!("{} cannot be written: {error}", path.display()))
    })
}

fn replace_file(path: &Path, content: &[&[u8]]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    for part in content {
        io::Write::write_all(&mut file, part)?;
    }
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder_of(path)
}

/// Syncs the folder of a file, so that its entries survive a crash.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
        }
        None => Ok(()),
    }
}
