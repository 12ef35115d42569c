//! Messages, and what belongs to sending them once.

use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::state::{FileEntry, FileKey};

/// Bytes that the body of a message may have at most; the service takes four times as many.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// A message as it will be published, however often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The `message-id`.
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
    pub(crate) measures: u64,
}

/// The name of a message for good: of which source and which file it is, which bytes of that, and what it says. Two
/// messages that say different things never share a name, so that none can be taken for a copy of another one.
pub(crate) fn message_id(source: &str, stream: &str, start: u64, end: u64, body: &[u8]) -> String {
    let hash = digest(&SHA256, body);
    let hash = hash.as_ref().iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("{source}:{stream}:{start}-{end}:{hash}")
}

/// Messages that are made safe, sent and done with together, and what follows from that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Grows by one from group to group.
    pub(crate) number: u64,
    pub(crate) messages: Vec<Message>,
    /// Records that cannot be read, as lines for the file of those.
    pub(crate) unparsable: Vec<String>,
    /// How far the file has been read with this group.
    pub(crate) file: Option<FileEntry>,
    /// What remains to be done once it has been sent.
    pub(crate) after: Vec<After>,
    pub(crate) counts: Counts,
}

/// What remains to be done once a group has been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum After {
    /// A file has been read to its end: move it into that folder, and forget it.
    Move {
        /// The file.
        key: FileKey,
        /// Where it is.
        from: PathBuf,
        /// The folder.
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
