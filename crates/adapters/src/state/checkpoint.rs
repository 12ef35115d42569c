use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file_entry::{FileEntry, FileKey};
use super::replace;
use crate::message::{Counts, Group};

const VERSION: u32 = 1;

/// The position up to which everything is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    version: u32,
    /// The name of the source.
    #[serde(default)]
    source: String,
    /// Distinguishes this state from an earlier one that was deleted.
    pub(crate) state_id: String,
    /// The first group that is not completed.
    pub(crate) next_group: u64,
    /// The files that are known.
    pub(crate) files: Vec<FileEntry>,
    /// The length of the file of unparsable records.
    pub(crate) unparsable_bytes: u64,
    /// Whether the files present at the first start have been recorded.
    pub(crate) has_begun: bool,
    pub(crate) counts: Counts,
}

impl Checkpoint {
    pub(crate) fn new(source: &str) -> Self {
        Self {
            version: VERSION,
            source: source.to_owned(),
            state_id: format!("{:016x}", rand::random::<u64>()),
            next_group: 0,
            files: Vec::new(),
            unparsable_bytes: 0,
            has_begun: false,
            counts: Counts::default(),
        }
    }

    /// Reads the checkpoint, or creates one.
    ///
    /// # Errors
    /// The file cannot be read, or belongs to another source. A new checkpoint would publish
    /// everything twice; continuing with this one would skip unsent records.
    pub(crate) fn read(path: &Path, source: &str) -> io::Result<Self> {
        let wrong =
            |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()));
        match fs::read(path) {
            Ok(text) => {
                let mut read: Self = serde_json::from_slice(&text).map_err(|error| {
                    wrong(format!(
                        "it is damaged ({error}) and is the only record of what was sent; deleting its folder would send everything again"
                    ))
                })?;
                if read.version != VERSION {
                    return Err(wrong(format!("version {} is not known", read.version)));
                }
                if !read.source.is_empty() && read.source != source {
                    return Err(wrong(format!(
                        "this state belongs to the source `{}`, and not to `{source}`; give each a folder of its own (`state`, --state)",
                        read.source
                    )));
                }
                source.clone_into(&mut read.source);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = Self::new(source);
                // Written before anything is sent, since some message ids contain the id of the
                // state.
                new.write(path)?;
                Ok(new)
            }
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Replaces the checkpoint on disk.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        replace(path, &[&serde_json::to_vec_pretty(self)?])
    }

    /// Records a group as completed.
    pub(crate) fn apply(&mut self, group: &Group) {
        self.next_group = group.number + 1;
        self.counts += group.counts;
        if let Some(entry) = &group.file {
            self.note(entry.clone());
        }
    }

    /// The newest entry for a file, which may have been truncated and rewritten.
    pub(crate) fn newest(&self, key: &FileKey) -> Option<&FileEntry> {
        let same = self.files.iter().filter(|entry| entry.key.is_same_file(key));
        same.max_by_key(|entry| entry.key.generation)
    }

    /// Removes a file.
    pub(crate) fn forget(&mut self, key: &FileKey) {
        self.files.retain(|entry| !entry.key.is_same_file(key));
    }

    /// Records the position in a file.
    pub(crate) fn note(&mut self, entry: FileEntry) {
        let is_older = |known: &FileEntry| {
            known.key.is_same_file(&entry.key) && known.key.generation < entry.key.generation
        };
        self.files.retain(|known| !is_older(known));
        match self.files.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = entry,
            None => self.files.push(entry),
        }
    }
}
