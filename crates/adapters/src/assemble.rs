//! From records to groups of messages.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::format::SharedHeader;
use crate::mapping::Made;
use crate::message::{After, Counts, Draft, Group, MAX_BODY_BYTES, Origin};
use crate::record::{Complaint, Original, Record};
use crate::source::MessageLimits;
use crate::state::{FileEntry, FileKey, Seen, line};

/// A group with this many bytes is complete. This limit bounds memory, and what is republished
/// after a kill.
const GROUP_BYTES: usize = 2 << 20;
const GROUP_MESSAGES: usize = 100;

/// The receiver of complete groups.
pub(crate) trait Outlet {
    /// Takes a group; blocks while the receiver is full.
    ///
    /// # Errors
    /// The receiver has ended.
    fn send(&mut self, group: Group<Draft>) -> io::Result<()>;
}

/// The stream that is being read.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The part of message ids that names this stream.
    pub(crate) id: String,
    /// The name in messages for users.
    pub(crate) name: String,
    /// The file, if the stream is a file.
    pub(crate) file: Option<StreamFile>,
}

/// A file and its key.
#[derive(Debug)]
pub(crate) struct StreamFile {
    pub(crate) key: FileKey,
    pub(crate) path: PathBuf,
    pub(crate) seen: Rc<RefCell<Seen>>,
    pub(crate) header: SharedHeader,
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
            header: self.header.borrow().clone(),
        }
    }
}

/// The position behind a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    offset: u64,
    line: u64,
}

/// Puts measures into messages, and messages into groups. A message ends when it is full, when its
/// first measure has waited long enough, and at the end of a stream.
pub(crate) struct Assembler {
    source: String,
    limits: MessageLimits,
    outlet: Box<dyn Outlet>,
    stream: Option<Stream>,
    /// The current message: the offset and line of its first record.
    start: u64,
    lines: (u64, u64),
    body: Vec<u8>,
    measures: u64,
    /// The end of the last record.
    at: At,
    group: Group<Draft>,
    group_bytes: usize,
    /// The arrival of the oldest record that is not in a complete group.
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
            lines: (1, 1),
            body: Vec::new(),
            measures: 0,
            at: At { offset: 0, line: 1 },
            group: Group::new(next_group),
            group_bytes: 0,
            waiting_since: None,
        }
    }

    /// Starts another stream.
    pub(crate) fn begin(&mut self, stream: Stream, offset: u64, line: u64) -> io::Result<()> {
        self.flush()?;
        self.stream = Some(stream);
        self.at = At { offset, line };
        Ok(())
    }

    /// Adds the measures of a record: objects, each followed by a comma. `problem` is the reason
    /// why other values of the record are missing.
    pub(crate) fn push(
        &mut self,
        record: &Record,
        json: &[u8],
        made: &Made,
        problem: Option<(&Complaint, &Original)>,
    ) -> io::Result<()> {
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
            self.lines.0 = record.line;
            self.body.clear();
            self.body.push(b'[');
        }
        self.body.extend_from_slice(json);
        self.measures += measures;
        self.lines.1 = record.line;
        if let Some((complaint, original)) = problem {
            self.add_unparsable(complaint, original);
        }
        let unparsable = u64::from(problem.is_some());
        let counts = Counts { records: 1, measures, missing: made.missing as u64, unparsable };
        self.passed(record, counts)
    }

    fn add_unparsable(&mut self, complaint: &Complaint, original: &Original) {
        let name = self.stream.as_ref().map_or("", |stream| stream.name.as_str());
        let line = line(&self.source, name, complaint, original);
        self.group_bytes += line.len();
        self.group.unparsable.push(line);
    }

    /// Adds an unparsable record to the current group.
    pub(crate) fn reject(
        &mut self,
        record: &Record,
        complaint: &Complaint,
        original: &Original,
    ) -> io::Result<()> {
        self.add_unparsable(complaint, original);
        self.passed(record, Counts { records: 1, unparsable: 1, ..Counts::default() })?;
        if self.group_bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    fn passed(&mut self, record: &Record, counts: Counts) -> io::Result<()> {
        self.group.counts += counts;
        self.at = At { offset: record.span.end, line: record.end_line };
        // The clock is read once per message, not per record.
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
        // The comma after the last measure.
        body.pop();
        body.push(b']');
        let (id, name) = self.stream.as_ref().map_or(("", ""), |stream| (&stream.id, &stream.name));
        self.group_bytes += body.len();
        let place = format!("{}:{id}:{}-{}", self.source, self.start, self.at.offset);
        let (first_line, last_line) = self.lines;
        let origin = Origin { file: name.to_owned(), first_line, last_line };
        self.group.messages.push(Draft { place, body, measures: self.measures, origin });
        self.measures = 0;
        Ok(())
    }

    /// Sends the current group if it is due; returns how long it may still wait otherwise.
    pub(crate) fn flush_if_due(&mut self) -> io::Result<Option<Duration>> {
        let Some(since) = self.waiting_since else { return Ok(None) };
        match self.limits.linger.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) {
            Some(left) => Ok(Some(left)),
            None => self.flush().map(|()| None),
        }
    }

    /// Sends everything that has been read.
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

    /// Ends a stream at that position. `after` is the remaining action. Returns the state of the
    /// file.
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

    /// Interrupts a stream, to continue it later, and returns the state of its file.
    pub(crate) fn break_off(&mut self) -> io::Result<Option<FileEntry>> {
        self.flush()?;
        let entry = self.entry(false);
        self.stream = None;
        Ok(entry)
    }

    /// Sends a remaining action that belongs to no stream.
    pub(crate) fn remember(&mut self, after: Vec<After>) -> io::Result<()> {
        self.group.after = after;
        self.flush()
    }

    /// Sends the state of a file that has not been read under this key.
    pub(crate) fn adopt(&mut self, entry: FileEntry, old: Option<FileKey>) -> io::Result<()> {
        self.flush()?;
        self.group.file = Some(entry);
        self.group.after = old.into_iter().map(After::Forget).collect();
        self.flush()
    }

    /// Moves the start of the stream, which has had no measure and no error yet.
    pub(crate) fn go_back(&mut self, offset: u64, line: u64) {
        self.at = At { offset, line };
    }

    /// The name of the current stream in messages.
    pub(crate) fn stream_name(&self) -> Option<&str> {
        self.stream.as_ref().map(|stream| stream.name.as_str())
    }

    fn entry(&self, is_done: bool) -> Option<FileEntry> {
        let file = self.stream.as_ref().and_then(|stream| stream.file.as_ref())?;
        Some(file.entry(self.at, is_done))
    }
}
