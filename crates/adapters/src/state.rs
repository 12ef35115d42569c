//! What an adapter keeps on disk, so that it can be killed at any moment and go on as if nothing had happened.
//!
//! Three things lie in the state folder of a source:
//!
//! - `spool/`: groups of messages, each written to the disk *before* any of its messages is sent. A group says how
//!   far its source has been read with it. After a kill the same messages go out again, byte for byte and under the same
//!   ids, and reading goes on behind them.
//! - `checkpoint.json`: how far everything has been sent *and confirmed*; replaced as a whole once a group is done.
//! - `unparsable.ndjson`: the records that could not be read; each stands there once.

mod checkpoint;
mod fingerprint;
pub(crate) mod path_text;
mod spool;
mod unparsable;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use checkpoint::{Checkpoint, FileEntry, FileKey};
pub(crate) use fingerprint::Seen;
pub(crate) use spool::Spool;
pub(crate) use unparsable::{UnparsableFile, line};

/// The state folder of a source, which one adapter has at a time.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    _lock: File,
}

impl State {
    /// Opens the folder, and makes it where it is not there.
    ///
    /// # Errors
    /// Where it cannot be used, or another adapter is using it.
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

    /// Where records go that cannot be read, unless the source names another file.
    pub(crate) fn unparsable(&self) -> PathBuf {
        self.folder.join("unparsable.ndjson")
    }
}

/// Replaces a file as a whole: whoever reads it, also after a crash, sees the old content or the new one.
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

/// Makes sure that the names in a file's folder outlast a crash.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
        }
        None => Ok(()),
    }
}
