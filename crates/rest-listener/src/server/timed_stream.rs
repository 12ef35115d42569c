//! A TCP stream that gives up on a client that takes too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::phase::{Phase, SharedPhase};

/// How long to read on, after everything has been said, for what the client is still sending. A socket that
/// is closed over unread bytes is reset, and the reset could overtake the answer.
const LINGER: Duration = Duration::from_secs(1);

/// The stream of one connection. Dropped without having been shut down, it resets the connection, so that an
/// answer that broke off cannot be taken for a whole one, not even by a client of HTTP/1.0, to which the end of
/// the connection is the end of the answer.
pub(super) struct TimedStream {
    stream: TcpStream,
    phase: SharedPhase,
    limits: Limits,
    drained: CancellationToken,
    /// Until when the client may leave us without a byte.
    reading: Pin<Box<Sleep>>,
    /// Until when the client may take no byte; while there is one for it.
    writing: Option<Pin<Box<Sleep>>>,
    /// Until when to linger, once everything has been said.
    lingering: Option<Instant>,
    is_shut: bool,
}

impl TimedStream {
    pub(super) fn new(
        stream: TcpStream,
        phase: SharedPhase,
        limits: Limits,
        drained: CancellationToken,
    ) -> Self {
        let reading = Box::pin(sleep_until(Instant::now() + limits.header_read));
        Self { stream, phase, limits, drained, reading, writing: None, lingering: None, is_shut: false }
    }

    /// By when the client must have sent something, if that is what the connection waits for.
    fn deadline(&self) -> Option<Instant> {
        match self.phase.get() {
            // Half a request is no open one, and not worth staying for.
            (Phase::Headers, since) if self.drained.is_cancelled() => Some(since),
            (Phase::Headers, since) => Some(since + self.limits.header_read),
            (Phase::Idle, since) => Some(since + self.limits.keep_alive),
            (Phase::Answer, _) => None,
        }
    }

    /// Fails once the client has been silent for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(deadline) = self.deadline() else { return Poll::Pending };
        self.poll_until(deadline, context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_until(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        if self.reading.deadline() != deadline {
            self.reading.as_mut().reset(deadline);
        }
        self.reading.as_mut().poll(context)
    }

    /// Notes what became of a write, and fails once the client has taken nothing for too long.
    fn watch_write(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.writing = None;
            // What is left of an answer may be on its way for longer than a client may be idle.
            if self.phase.get().0 == Phase::Idle {
                self.phase.begin(Phase::Idle);
            }
            return written;
        }
        let limit = self.limits.write_stall;
        let stall = self.writing.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        stall.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads and forgets until the client has closed its side too, for a while.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = *self.lingering.get_or_insert_with(|| Instant::now() + LINGER);
        let mut space = [0; 4096];
        while !self.drained.is_cancelled() {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return self.poll_until(deadline, context),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl Drop for TimedStream {
    fn drop(&mut self) {
        if !self.is_shut {
            // Nothing to be done where the socket is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            return self.poll_silence(context);
        }
        if buffer.filled().len() > before && self.phase.get().0 == Phase::Idle {
            self.phase.begin(Phase::Headers);
        }
        read
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_write(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch_write(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            std::task::ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.is_shut = true;
        }
        self.poll_linger(context).map(Ok)
    }
}
