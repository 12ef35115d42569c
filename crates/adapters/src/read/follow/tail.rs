use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::candidates::rotated_paths;
use crate::assemble::Assembler;
use crate::input::Bytes;
use crate::read::watch::Watch;
use crate::read::{FileBytes, Interruption, OpenFile, Reading, stopped};
use crate::source::Follow;
use crate::state::{FileEntry, FileKey, Seen};

/// The poll interval without change notifications.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long a rotated file is still read: its writer may not have reopened it yet.
const GRACE: Duration = Duration::from_secs(1);

/// The bytes of a growing file. They end once it was rotated and no longer grows.
pub(super) struct Tail {
    bytes: FileBytes,
    file: File,
    key: FileKey,
    seen: Rc<RefCell<Seen>>,
    is_live: bool,
    follow: Follow,
    /// Finished files, which are not expected to grow.
    others: Vec<FileEntry>,
    /// Since when a rotated file has not grown.
    quiet_since: Option<Instant>,
    watch: Rc<Watch>,
    stop: CancellationToken,
    assembler: Rc<RefCell<Assembler>>,
}

impl Tail {
    pub(super) fn new(
        reading: &Reading<'_>,
        follow: &Follow,
        watch: Rc<Watch>,
        open: &OpenFile,
        is_live: bool,
    ) -> io::Result<Self> {
        let others = reading.known.files.iter().filter(|entry| !entry.key.is_same_file(&open.key));
        Ok(Self {
            bytes: open.bytes()?,
            file: open.file.try_clone()?,
            key: open.key.clone(),
            seen: Rc::clone(&open.seen),
            is_live,
            follow: follow.clone(),
            others: others.cloned().collect(),
            quiet_since: None,
            watch,
            stop: reading.stop.clone(),
            assembler: Rc::clone(&reading.assembler),
        })
    }

    /// At the end of the file, checks for a rotation and waits. Returns whether the end is final.
    fn wait(&mut self) -> io::Result<bool> {
        if self.stop.is_cancelled() {
            return Err(stopped());
        }
        if self.was_emptied()? || (self.is_live && self.another_has_grown()?) {
            return Err(Interruption::Switch.into());
        }
        if self.was_rotated()? {
            let since = *self.quiet_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= GRACE {
                return Ok(true);
            }
        } else {
            self.quiet_since = None;
        }
        let due = self.assembler.borrow_mut().flush_if_due()?;
        self.watch.wait(due.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL));
        Ok(false)
    }

    /// Whether the file was truncated: the bytes already read have changed.
    fn was_emptied(&self) -> io::Result<bool> {
        Ok(!self.seen.borrow().fits(&self.file)?)
    }

    /// Whether another file has the name. If no file has it, the rotation is not finished.
    fn was_rotated(&self) -> io::Result<bool> {
        if !self.is_live {
            return Ok(true);
        }
        match fs::metadata(&self.follow.path) {
            Ok(metadata) => Ok(!FileKey::of(&metadata).is_same_file(&self.key)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a file was written to after its rotation.
    fn another_has_grown(&self) -> io::Result<bool> {
        if self.others.is_empty() {
            return Ok(false);
        }
        for path in rotated_paths(&self.follow)? {
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let key = FileKey::of(&metadata);
            let known = self.others.iter().filter(|entry| entry.key.is_same_file(&key));
            if known
                .max_by_key(|entry| entry.key.generation)
                .is_some_and(|entry| entry.offset < metadata.len())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Bytes for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.bytes.read_unseen(buffer)?;
            if count > 0 {
                // It may have been truncated and rewritten beyond this position: the bytes are
                // different then.
                if self.was_emptied()? {
                    return Err(Interruption::Switch.into());
                }
                self.bytes.see(&buffer[..count]);
                self.quiet_since = None;
                return Ok(count);
            }
            if self.wait()? {
                return Ok(0);
            }
        }
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.bytes.seek(offset)
    }

    fn may_wait(&mut self) -> bool {
        self.file.metadata().map_or(true, |metadata| metadata.len() <= self.bytes.offset)
    }
}
