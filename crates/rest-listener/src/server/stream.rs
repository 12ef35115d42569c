use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, Phase};

/// How long to read on after the answer. A socket closed over unread bytes is reset, and the reset
/// could overtake the answer.
const LINGER: Duration = Duration::from_secs(1);

/// The stream of one connection, which notes when a request begins.
///
/// Dropped before its shutdown, it resets the connection. An HTTP/1.0 client, for which the end
/// of the connection ends the response, would take a truncated response for a complete one.
pub(super) struct ClientStream {
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    clock: Clock,
    drained: CancellationToken,
    /// Set once the sending side is shut down.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    pub(super) fn new(
        stream: TcpStream,
        clock: Clock,
        write_stall: Duration,
        drained: CancellationToken,
    ) -> Self {
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(write_stall));
        Self { stream: Box::pin(stream), clock, drained, lingering: None }
    }

    /// The rest of a response may take longer than the idle timeout.
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.clock.leave_idle(Phase::Idle);
        }
        written
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.lingering.is_none() {
            // An error means that the socket is closed.
            let _ = self.stream.get_ref().set_zero_linger();
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.stream.as_mut().poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.clock.leave_idle(Phase::Headers);
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.as_mut().poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.as_mut().poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    /// Shuts the sending side down, then discards what the client sends until it closes its side,
    /// for a while.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(self.stream.as_mut().poll_shutdown(context))?;
        }
        let Self { stream, lingering, drained, .. } = &mut *self;
        let lingering = lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if drained.is_cancelled() || lingering.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut space = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            if ready!(stream.as_mut().poll_read(context, &mut buffer)).is_err() || buffer.filled().is_empty()
            {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
