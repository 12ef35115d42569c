//! Serving HTTP/1.1 on a listener: connections, their time limits and graceful shutdown.

mod clock;
mod connection;
mod stream;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::connection::Connection;
use crate::limits::Limits;

/// The pause after an accept that failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection that has begun may take to be established: a few round trips to a proxy.
const HANDSHAKE: Duration = Duration::from_millis(20);

/// Serves HTTP/1.1 on `listener` until `shutdown` is cancelled. Then it accepts no more
/// connections, answers the open requests, and returns. Dropping the future aborts the connections.
///
/// # Errors
/// None so far: an error of one connection ends that connection, and a failed accept is retried.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let drained = CancellationToken::new();
    let connection = |(stream, peer), place| {
        let (shutdown, drained) = (shutdown.clone(), drained.clone());
        Connection { peer, router: router.clone(), limits, shutdown, drained }.serve(
            stream,
            graceful.watcher(),
            place,
        )
    };
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accept(&listener, &places) => {
                connections.spawn(connection(accepted, place));
            }
        }
    }
    if let Err(error) = ignore_new(&listener) {
        tracing::debug!(error = %error, "new connections may be reset");
    }
    sleep(HANDSHAKE).await;
    for accepted in backlog(listener) {
        if let Ok(place) = places.clone().try_acquire_owned() {
            connections.spawn(connection(accepted, place));
        }
    }
    let _ = timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await;
    drained.cancel();
    graceful.shutdown().await;
    Ok(())
}

/// Drops the first packet of each new connection. Its client sends it again after a second, when
/// the listener is closed, and is refused. A request on a connection that the system resets may
/// not be repeated elsewhere.
fn ignore_new(listener: &TcpListener) -> io::Result<()> {
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    SockRef::from(listener).attach_filter(&[
        // Load the byte of flags of the TCP header.
        SockFilter::new(0x30, 0, 0, FLAGS),
        // Skip the next instruction unless SYN is set.
        SockFilter::new(0x45, 0, 1, SYN),
        // Return: keep no byte of the packet.
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ])
}

/// The connections that are established but not accepted when the listener closes; the system would
/// reset them.
fn backlog(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    /// The backlog that tokio sets.
    const MAX: usize = 1024;
    let accept = |listener: &std::net::TcpListener| {
        let (stream, peer) = listener.accept()?;
        stream.set_nonblocking(true)?;
        io::Result::Ok((TcpStream::from_std(stream)?, peer))
    };
    // tokio's accept returns only connections whose event has been polled.
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    (0..MAX).map_while(|_| accept(&listener).ok()).collect()
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, (TcpStream, SocketAddr)) {
    // The semaphore is never closed.
    let Ok(place) = places.clone().acquire_owned().await else { return pending().await };
    loop {
        match listener.accept().await {
            Ok(accepted) => return (place, accepted),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "accept failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the connection failed, not the listener: the client left before the accept.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
