//! From records to groups of messages.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::mapping::Made;
use crate::message::{After, Counts, Draft, Group, MAX_BODY_BYTES};
use crate::record::{Complaint, Original, Record};
use crate::source::MessageLimits;
use crate::state::{FileEntry, FileKey, Seen, line};

/// A group is sent on when it has so many bytes, whatever else: this bounds memory and what a kill makes us repeat.
const GROUP_BYTES: usize = 2 << 20;
const GROUP_MESSAGES: usize = 100;

/// Where groups go.
pub(crate) trait Outlet {
    /// Takes a group; waits for as long as there is no room for it.
    ///
    /// # Errors
    /// Where nothing will be taken any more.
    fn send(&mut self, group: Group<Draft>) -> io::Result<()>;
}

/// What is being read.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Its part in message ids.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// The file that it is, if it is one.
    pub(crate) file: Option<StreamFile>,
}

/// A file, and what it is known by.
#[derive(Debug)]
pub(crate) struct StreamFile {
    pub(crate) key: FileKey,
    pub(crate) path: PathBuf,
    pub(crate) seen: Rc<RefCell<Seen>>,
}

impl StreamFile {
    fn entry(&self, at: At, is_done: bool) -> FileEntry {
        FileEntry {
            key: self.key.clone(),
            path: self.path.clone(),
            offset: at.offset,
            line: at.line,
            seen: self.seen.borrow().clone(),
            is_done,
        }
    }
}

/// Behind a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    offset: u64,
    line: u64,
}

/// Puts measures into messages, and messages into groups. A message ends when it is full, when its first measure has
/// waited long enough, and at the end of a stream; what has been decided is kept by the group on the disk, so that
/// a restart need not decide again.
pub(crate) struct Assembler {
    source: String,
    limits: MessageLimits,
    outlet: Box<dyn Outlet>,
    stream: Option<Stream>,
    /// The message that is being filled: where its first record begins.
    start: u64,
    body: Vec<u8>,
    measures: u64,
    /// The end of the last record.
    at: At,
    group: Group<Draft>,
    group_bytes: usize,
    /// When the oldest thing that has not been sent on came.
    waiting_since: Option<Instant>,
}

impl Assembler {
    /// Groups are numbered from `next_group` on.
    pub(crate) fn new(source: &str, limits: MessageLimits, next_group: u64, outlet: Box<dyn Outlet>) -> Self {
        Self {
            source: source.to_owned(),
            limits,
            outlet,
            stream: None,
            start: 0,
            body: Vec::new(),
            measures: 0,
            at: At { offset: 0, line: 1 },
            group: Group::new(next_group),
            group_bytes: 0,
            waiting_since: None,
        }
    }

    /// Begins with another stream.
    pub(crate) fn begin(&mut self, stream: Stream, offset: u64, line: u64) -> io::Result<()> {
        self.flush()?;
        self.stream = Some(stream);
        self.at = At { offset, line };
        Ok(())
    }

    /// Takes the measures of a record: objects with a comma behind each.
    pub(crate) fn push(&mut self, record: &Record, json: &[u8], made: Made) -> io::Result<()> {
        let measures = made.measures as u64;
        let is_full = self.measures + measures > self.limits.measures as u64
            || self.body.len() + json.len() > MAX_BODY_BYTES;
        if is_full {
            self.close_message()?;
            if self.group_bytes >= GROUP_BYTES || self.group.messages.len() >= GROUP_MESSAGES {
                self.flush()?;
            }
        }
        if self.measures == 0 {
            self.start = record.span.start;
            self.body.clear();
            self.body.push(b'[');
        }
        self.body.extend_from_slice(json);
        self.measures += measures;
        let counts = Counts { records: 1, measures, missing: made.missing as u64, unparsable: 0 };
        self.passed(record, counts)
    }

    /// Puts a record aside that cannot be read.
    pub(crate) fn reject(
        &mut self,
        record: &Record,
        complaint: &Complaint,
        original: &Original,
    ) -> io::Result<()> {
        let name = self.stream.as_ref().map_or("", |stream| stream.name.as_str());
        let line = line(&self.source, name, complaint, original);
        self.group_bytes += line.len();
        self.group.unparsable.push(line);
        self.passed(record, Counts { records: 1, unparsable: 1, ..Counts::default() })?;
        if self.group_bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    fn passed(&mut self, record: &Record, counts: Counts) -> io::Result<()> {
        self.group.counts += counts;
        self.at = At { offset: record.span.end, line: record.end_line };
        // The clock is asked once for each message, not for each record.
        if self.waiting_since.is_none() {
            self.waiting_since = Some(Instant::now());
        } else if self.group.counts.records.is_multiple_of(64) {
            self.flush_if_due()?;
        }
        Ok(())
    }

    fn close_message(&mut self) -> io::Result<()> {
        if self.measures == 0 {
            return Ok(());
        }
        let mut body = Vec::with_capacity(self.body.len());
        std::mem::swap(&mut body, &mut self.body);
        // The comma behind the last measure.
        body.pop();
        body.push(b']');
        let stream = self.stream.as_ref().map_or("", |stream| stream.id.as_str());
        self.group_bytes += body.len();
        let origin = format!("{}:{stream}:{}-{}", self.source, self.start, self.at.offset);
        self.group.messages.push(Draft { origin, body, measures: self.measures });
        self.measures = 0;
        Ok(())
    }

    /// Sends on what has waited long enough; says how long the rest may still wait.
    pub(crate) fn flush_if_due(&mut self) -> io::Result<Option<Duration>> {
        let Some(since) = self.waiting_since else { return Ok(None) };
        match self.limits.linger.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) {
            Some(left) => Ok(Some(left)),
            None => self.flush().map(|()| None),
        }
    }

    /// Sends on everything that has been read.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.close_message()?;
        self.waiting_since = None;
        let is_empty =
            self.group.messages.is_empty() && self.group.unparsable.is_empty() && self.group.after.is_empty();
        if is_empty && self.group.counts == Counts::default() && self.group.file.is_none() {
            return Ok(());
        }
        if self.group.file.is_none() {
            self.group.file = self.entry(false);
        }
        let next = Group::new(self.group.number + 1);
        self.group_bytes = 0;
        self.outlet.send(std::mem::replace(&mut self.group, next))
    }

    /// Ends a stream that has been read to there, and says what remains to be done with it. Gives what is known of the
    /// file then.
    pub(crate) fn end(&mut self, offset: u64, line: u64, after: Vec<After>) -> io::Result<Option<FileEntry>> {
        self.close_message()?;
        self.at = At { offset, line };
        self.group.after = after;
        let entry = self.entry(true);
        self.group.file.clone_from(&entry);
        self.flush()?;
        self.stream = None;
        Ok(entry)
    }

    /// Breaks a stream off, to go on with it later, and gives what is known of its file.
    pub(crate) fn break_off(&mut self) -> io::Result<Option<FileEntry>> {
        self.flush()?;
        let entry = self.entry(false);
        self.stream = None;
        Ok(entry)
    }

    /// Sends on what remains to be done, without a stream.
    pub(crate) fn remember(&mut self, after: Vec<After>) -> io::Result<()> {
        self.group.after = after;
        self.flush()
    }

    /// What people call the stream that is being read.
    pub(crate) fn stream_name(&self) -> Option<&str> {
        self.stream.as_ref().map(|stream| stream.name.as_str())
    }

    fn entry(&self, is_done: bool) -> Option<FileEntry> {
        let file = self.stream.as_ref().and_then(|stream| stream.file.as_ref())?;
        Some(file.entry(self.at, is_done))
    }
}
