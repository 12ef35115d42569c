use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::fingerprint::Seen;
use super::path_text;
use crate::format::Header;

/// The identity of a file under any name. Includes the birth time, since inodes are reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FileKey {
    device: u64,
    inode: u64,
    /// Nanoseconds since 1970, if the file system stores it.
    born: Option<u64>,
    /// Incremented when the file is truncated.
    pub(crate) generation: u32,
}

/// The read position in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) key: FileKey,
    /// The path at the last read.
    #[serde(with = "path_text")]
    pub(crate) path: PathBuf,
    /// The next byte to read: the start of a record.
    pub(crate) offset: u64,
    /// The line of `offset`.
    pub(crate) line: u64,
    pub(crate) seen: Seen,
    /// Whether it was read to its end.
    pub(crate) is_done: bool,
    /// The header in force at `offset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<Header>,
}

impl FileKey {
    /// The key of a file that has not been truncated.
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            born: born.and_then(|born| u64::try_from(born.as_nanos()).ok()),
            generation: 0,
        }
    }

    /// Whether both are the same file, with any content.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode, self.born) == (other.device, other.inode, other.born)
    }

    /// Whether only the device number differs, as after a reboot.
    pub(crate) fn is_same_but_device(&self, other: &Self) -> bool {
        self.born.is_some() && (self.inode, self.born) == (other.inode, other.born)
    }

    /// The key after the file was truncated.
    pub(crate) fn emptied(&self) -> Self {
        Self { generation: self.generation + 1, ..self.clone() }
    }

    /// The part of message ids that names the file. File systems without birth times need the id of
    /// the state: otherwise, ids could repeat for other bytes after a lost state.
    pub(crate) fn name(&self, state_id: &str) -> String {
        let name = format!("{:x}-{:x}", self.device, self.inode);
        match (self.born, self.generation) {
            (Some(born), 0) => format!("{name}-{born:x}"),
            (born, generation) => format!("{name}-{:x}-{generation}-{state_id}", born.unwrap_or_default()),
        }
    }
}

impl FileEntry {
    /// Whether a file continues from this one's position.
    pub(crate) fn is_continued_by(&self, file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.offset && self.seen.fits(file)?)
    }
}
