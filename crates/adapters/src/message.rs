//! Messages and groups of messages, with the data for publishing each once.

use std::fmt::Write as _;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::state::{FileEntry, FileKey, path_text};

/// The maximum size of a body. The service accepts four times as much.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// A message as it is published and republished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The `message-id`.
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
    pub(crate) measures: u64,
    /// The SHA-256 of the body, in hexadecimal.
    pub(crate) hash: String,
    /// `None` for messages that an older version has spooled.
    pub(crate) origin: Option<Origin>,
}

/// The file and lines of a message's records, for users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) file: String,
    pub(crate) first_line: u64,
    pub(crate) last_line: u64,
}

/// A message without id. Another thread adds the id, because hashing takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The first part of the id: the source, the file, and the bytes of it.
    pub(crate) place: String,
    pub(crate) body: Vec<u8>,
    pub(crate) measures: u64,
    pub(crate) origin: Origin,
}

impl Draft {
    /// Adds the id: the place of the records, and a hash of the body, so that different bodies
    /// never share an id.
    pub(crate) fn named(self) -> Message {
        let hash = hash_of(&self.body);
        let id = format!("{}:{}", self.place, &hash[..16]);
        Message { id, body: self.body, measures: self.measures, hash, origin: Some(self.origin) }
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Infallible: the writer is memory.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Messages that are spooled, sent and completed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group<M = Message> {
    /// Consecutive.
    pub(crate) number: u64,
    pub(crate) messages: Vec<M>,
    /// Unparsable records, as lines for the file of unparsable records.
    pub(crate) unparsable: Vec<String>,
    /// How far the file has been read with this group.
    pub(crate) file: Option<FileEntry>,
    /// Actions for when the group is confirmed.
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
    /// Gives all messages their ids.
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

/// An action for when a group is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum After {
    /// Move a file that was read to its end, and remove it from the state.
    Move {
        /// The file.
        key: FileKey,
        /// The path of the file.
        #[serde(with = "path_text")]
        from: PathBuf,
        /// The target folder.
        #[serde(with = "path_text")]
        to: PathBuf,
    },
    /// A file was deleted: remove it from the state.
    Forget(FileKey),
}

/// Numbers of records and measures.
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
