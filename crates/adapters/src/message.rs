//! Messages, and what belongs to sending them once.

use std::fmt::Write as _;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::state::{FileEntry, FileKey, path_text};

/// Bytes that the body of a message may have at most; the service takes four times as many.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// A message as it will be published, however often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The `message-id`.
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
    pub(crate) measures: u64,
    /// The SHA-256 of the body, in hexadecimal.
    pub(crate) hash: String,
}

/// A message without its name, which takes time to find and so is left to another thread than the reading one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The first part of the name: of which source and which file it is, and which bytes of that.
    pub(crate) origin: String,
    pub(crate) body: Vec<u8>,
    pub(crate) measures: u64,
}

impl Draft {
    /// Gives the message its name for good: where it is from, and what it says. Two messages that say different
    /// things never share a name, so that none can be taken for a copy of another one.
    pub(crate) fn named(self) -> Message {
        let hash = hash_of(&self.body);
        let id = format!("{}:{}", self.origin, &hash[..16]);
        Message { id, body: self.body, measures: self.measures, hash }
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into memory does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Messages that are made safe, sent and done with together, and what follows from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group<M = Message> {
    /// Grows by one from group to group.
    pub(crate) number: u64,
    pub(crate) messages: Vec<M>,
    /// Records that cannot be read, as lines for the file of those.
    pub(crate) unparsable: Vec<String>,
    /// How far the file has been read with this group.
    pub(crate) file: Option<FileEntry>,
    /// What remains to be done once it has been sent.
    pub(crate) after: Vec<After>,
    pub(crate) counts: Counts,
}

impl<M> Group<M> {
    /// A group with nothing in it.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            messages: Vec::new(),
            unparsable: Vec::new(),
            file: None,
            after: Vec::new(),
            counts: Counts::default(),
        }
    }
}

impl Group<Draft> {
    /// Gives all its messages their names.
    pub(crate) fn named(self) -> Group {
        Group {
            number: self.number,
            messages: self.messages.into_iter().map(Draft::named).collect(),
            unparsable: self.unparsable,
            file: self.file,
            after: self.after,
            counts: self.counts,
        }
    }
}

/// What remains to be done once a group has been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum After {
    /// A file has been read to its end: move it into that folder, and forget it.
    Move {
        /// The file.
        key: FileKey,
        /// Where it is.
        #[serde(with = "path_text")]
        from: PathBuf,
        /// The folder.
        #[serde(with = "path_text")]
        to: PathBuf,
    },
    /// A file is gone: forget it.
    Forget(FileKey),
}

/// What has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) records: u64,
    pub(crate) measures: u64,
    pub(crate) missing: u64,
    pub(crate) unparsable: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.measures += other.measures;
        self.missing += other.missing;
        self.unparsable += other.unparsable;
    }
}
