//! Standard input.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{LastLine, Reading, ReadingError, StreamEnd, stopped};
use crate::assemble::{Assembler, Stream};
use crate::format::Start;
use crate::input::Bytes;

const READ: usize = 64 << 10;
/// How often to check whether a stop was requested.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

pub(super) fn read(reading: &mut Reading<'_>) -> Result<(), ReadingError> {
    // Streams of standard input cannot be told apart, so each run has its own id.
    let stream = Stream {
        id: format!("stdin-{:016x}", rand::random::<u64>()),
        name: "standard input".to_owned(),
        file: None,
    };
    let bytes = Pipe::open(reading.stop.clone(), Rc::clone(&reading.assembler));
    match reading.read_stream(stream, Box::new(bytes), Start::BEGINNING, LastLine::Take)? {
        StreamEnd::Whole { offset, line, .. } => {
            drop(reading.assembler.borrow_mut().end(offset, line, Vec::new())?)
        }
        StreamEnd::OpenLine | StreamEnd::Broken => {}
    }
    Ok(())
}

/// Standard input, read by a thread that may block without limit.
struct Pipe {
    pieces: Receiver<io::Result<Vec<u8>>>,
    rest: Vec<u8>,
    given: usize,
    failure: Option<io::Error>,
    stop: CancellationToken,
    assembler: Rc<RefCell<Assembler>>,
}

impl Pipe {
    fn open(stop: CancellationToken, assembler: Rc<RefCell<Assembler>>) -> Self {
        let (sender, pieces) = sync_channel(2);
        // The thread ends with the process: a blocking read cannot be cancelled.
        let is_stopped = stop.clone();
        thread::spawn(move || {
            while !is_stopped.is_cancelled() {
                let mut piece = vec![0; READ];
                let read = match io::stdin().lock().read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    other => other,
                };
                let is_last = !matches!(read, Ok(1..));
                let piece = read.map(|count| {
                    piece.truncate(count);
                    piece
                });
                if sender.send(piece).is_err() || is_last {
                    return;
                }
            }
        });
        Self { pieces, rest: Vec::new(), given: 0, failure: None, stop, assembler }
    }

    /// Waits for the next piece, and meanwhile flushes groups that are due.
    fn wait(&self) -> io::Result<Vec<u8>> {
        loop {
            let due = self.assembler.borrow_mut().flush_if_due()?;
            match self.pieces.recv_timeout(due.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL)) {
                Ok(piece) => return piece,
                Err(_) if self.stop.is_cancelled() => return Err(stopped()),
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Bytes for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        if self.given == self.rest.len() {
            self.rest = self.wait()?;
            self.given = 0;
        }
        let count = (self.rest.len() - self.given).min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }

    fn seek(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn may_wait(&mut self) -> bool {
        if self.given < self.rest.len() || self.failure.is_some() {
            return false;
        }
        match self.pieces.try_recv() {
            Ok(Ok(piece)) => (self.rest, self.given) = (piece, 0),
            Ok(Err(error)) => self.failure = Some(error),
            Err(_) => {}
        }
        self.given == self.rest.len() && self.failure.is_none()
    }
}
