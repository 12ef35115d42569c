//! The bytes between the broker and lapin.

use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::Tokio;
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::frames::{BlankedProperties, FrameGuard};

/// As much as is read at once.
const READ: usize = 64 << 10;

/// A TCP or TLS stream whose incoming frames have been made safe for lapin.
pub(crate) struct Transport {
    inner: AsyncTcpStream<Compat<TcpStream>>,
    guard: FrameGuard,
    blanked: Arc<BlankedProperties>,
    /// What has been read lies from `start` to `end`; up to `safe` it may be handed on, and from there on it is
    /// the beginning of a frame.
    buffer: Vec<u8>,
    start: usize,
    safe: usize,
    end: usize,
}

/// The end of a connection by other means than AMQP. lapin's thread waits for the socket as long as that is open,
/// also where nobody waits for lapin any more; dropping this closes it.
#[derive(Debug)]
pub(crate) struct Lifeline(std::net::TcpStream);

impl Drop for Lifeline {
    fn drop(&mut self) {
        // It fails where the other side was faster, which is as good.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Transport {
    /// Connects to one of the addresses that the host has.
    pub(crate) async fn connect(host: &str, port: u16) -> io::Result<(Self, Lifeline)> {
        let stream = TcpStream::connect((host, port)).await?;
        // Acknowledgements are small and must not wait for company.
        stream.set_nodelay(true)?;
        let lifeline = Lifeline(std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?));
        Ok((Self::over(AsyncTcpStream::Plain(stream.compat())), lifeline))
    }

    /// Begins TLS and makes sure that the other side is `host`.
    pub(crate) async fn into_tls(self, host: &str, tls: &OwnedTLSConfig) -> io::Result<Self> {
        Ok(Self::over(self.inner.into_tls(host, tls.as_ref()).await?))
    }

    fn over(inner: AsyncTcpStream<Compat<TcpStream>>) -> Self {
        Self {
            inner,
            guard: FrameGuard::default(),
            blanked: Arc::default(),
            buffer: Vec::new(),
            start: 0,
            safe: 0,
            end: 0,
        }
    }

    /// Where the properties go that lapin cannot read.
    pub(crate) fn blanked(&self) -> Arc<BlankedProperties> {
        self.blanked.clone()
    }

    /// Reads more, behind the beginning of a frame that is left of the last time.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.copy_within(self.safe..self.end, 0);
        self.end -= self.safe;
        (self.start, self.safe) = (0, 0);
        if self.buffer.len() < self.end + READ {
            self.buffer.resize(self.end + READ, 0);
        }
        let count = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut self.buffer[self.end..]))?;
        self.end += count;
        self.safe = self.guard.inspect(&mut self.buffer[..self.end], &self.blanked);
        Poll::Ready(Ok(count))
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        // More may be needed until there is a whole frame to hand on; 0 would mean the end.
        while self.start == self.safe {
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        let ready = &self.buffer[self.start..self.safe];
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.start += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// tokio as lapin wants a runtime, but for the type of its streams.
#[derive(Debug, Clone)]
pub(crate) struct Kit(Tokio);

impl Kit {
    pub(crate) fn current() -> Self {
        Self(Tokio::current())
    }
}

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, f: F) -> T {
        self.0.block_on(f)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, f: F) -> Task<Self::Task<T>> {
        self.0.spawn(f)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(f)
    }
}

impl Reactor for Kit {
    type TcpStream = Transport;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H>(&self, _socket: H) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Transport, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.0.sleep(dur)
    }

    fn interval(&self, dur: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(dur)
    }

    fn tcp_connect_addr(
        &self,
        _addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Transport>> + Send + 'static {
        // lapin is handed its stream and makes none of its own.
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
