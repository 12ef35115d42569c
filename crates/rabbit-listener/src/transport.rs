//! The bytes between the broker and lapin.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::Tokio;
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use mymonit_broker::Lifeline;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::frames::{FrameGuard, NotedProperties, Verdict};
use crate::gate::Gate;

/// As much as is read at once.
const READ: usize = 64 << 10;

/// Bytes of bodies and properties that may be in memory before no further message is let in.
const MAX_HELD: usize = 32 << 20;

/// How often lapin is told that the broker lives while nothing is read from it. lapin gives a connection up after
/// two seconds of silence at the earliest.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// A heartbeat frame.
const HEARTBEAT: &[u8] = &[8, 0, 0, 0, 0, 0, 0, 0xce];

/// A TCP or TLS stream whose incoming frames have been made safe for lapin.
pub(crate) struct Transport {
    inner: AsyncTcpStream<Compat<TcpStream>>,
    guard: FrameGuard,
    gate: Arc<Gate>,
    noted: Arc<NotedProperties>,
    /// What is handed on before anything else.
    inserted: &'static [u8],
    sign_of_life: Pin<Box<Sleep>>,
    /// What has been read lies from `start` to `end`; up to `safe` it may be handed on, and from there on it is
    /// the beginning of a frame.
    buffer: Vec<u8>,
    start: usize,
    safe: usize,
    end: usize,
}

impl Transport {
    /// Connects to one of the addresses that the host has.
    pub(crate) async fn connect(host: &str, port: u16) -> io::Result<(Self, Lifeline)> {
        let stream = TcpStream::connect((host, port)).await?;
        // Acknowledgements are small and must not wait for company.
        stream.set_nodelay(true)?;
        let lifeline = Lifeline::of(&stream)?;
        Ok((Self::over(AsyncTcpStream::Plain(stream.compat())), lifeline))
    }

    /// Begins TLS and makes sure that the other side is `host`.
    pub(crate) async fn into_tls(self, host: &str, tls: &RustlsConnector) -> io::Result<Self> {
        Ok(Self::over(self.inner.into_rustls(tls, host).await?))
    }

    fn over(inner: AsyncTcpStream<Compat<TcpStream>>) -> Self {
        Self {
            inner,
            guard: FrameGuard::default(),
            gate: Arc::new(Gate::new(MAX_HELD)),
            noted: Arc::default(),
            inserted: &[],
            sign_of_life: Box::pin(sleep(SIGN_OF_LIFE)),
            buffer: Vec::new(),
            start: 0,
            safe: 0,
            end: 0,
        }
    }

    /// Where it is noted what is special about the properties of a delivery.
    pub(crate) fn noted(&self) -> Arc<NotedProperties> {
        self.noted.clone()
    }

    /// What decides whether further messages may come in.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        self.gate.clone()
    }

    /// Looks at all that has been read. Says whether what is left of it has to wait, or lacks more.
    fn look(&mut self) -> Verdict {
        loop {
            let next = &mut self.buffer[self.safe..self.end];
            match self.guard.inspect(next, &self.gate, &self.noted) {
                Verdict::Pass(length) => self.safe += length,
                Verdict::Drop(length) => {
                    self.buffer.copy_within(self.safe + length..self.end, self.safe);
                    self.end -= length;
                }
                verdict @ (Verdict::Hold | Verdict::More) => return verdict,
            }
        }
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
        Poll::Ready(Ok(count))
    }

    /// Waits until the gate has changed. lapin, which hears nothing meanwhile, would take the connection for dead, and
    /// a reconnection would only bring the same messages again; so it is told now and then that all is well. A
    /// connection that really dies is noticed by writing to it, or when reading goes on.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.gate.register(cx.waker());
        if !self.gate.is_full() || self.gate.is_closed() {
            return Poll::Ready(());
        }
        ready!(self.sign_of_life.as_mut().poll(cx));
        self.sign_of_life.as_mut().reset((Instant::now() + SIGN_OF_LIFE).into());
        self.inserted = HEARTBEAT;
        Poll::Ready(())
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            if !this.inserted.is_empty() {
                let count = hand_on(this.inserted, out);
                this.inserted = &this.inserted[count..];
                return Poll::Ready(Ok(count));
            }
            if this.start < this.safe {
                let count = hand_on(&this.buffer[this.start..this.safe], out);
                this.start += count;
                return Poll::Ready(Ok(count));
            }
            match this.look() {
                _ if this.start < this.safe => {}
                Verdict::Hold => ready!(this.poll_hold(cx)),
                _ => {
                    if ready!(this.poll_fill(cx))? == 0 {
                        return Poll::Ready(Ok(0));
                    }
                }
            }
        }
    }
}

fn hand_on(bytes: &[u8], out: &mut [u8]) -> usize {
    let count = bytes.len().min(out.len());
    out[..count].copy_from_slice(&bytes[..count]);
    count
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
