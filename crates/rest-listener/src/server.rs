//! Serving HTTP/1.1 on a listener: connections, their time limits, and the graceful stop.

mod connection;
mod phase;
mod timed_stream;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long to wait after an accept that failed for want of something (file descriptors, memory) which only
/// time or the end of another connection brings back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take, and how many there may be. Nothing here cuts an answer that the client goes on reading.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte of a request (or from the connection) to the end of its headers.
    pub header_read: Duration,
    /// From the end of an answer to the first byte of the next request on the same connection.
    pub keep_alive: Duration,
    /// From the moment the handler wants the request's body to the body's end.
    pub body_read: Duration,
    /// From the end of the request's headers to the beginning of the answer.
    pub request: Duration,
    /// How long a client may take no byte of an answer that is waiting for it. The system counts for many at once: it
    /// tells of bytes that were taken when a third of its buffer is free again, so that a client cannot hold a
    /// connection by taking one from time to time.
    pub write_stall: Duration,
    /// How many connections there may be at a time. Further clients wait until one ends, outside of this process.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            // Longer than the 60 s for which Nginx keeps an idle connection, so that it is the one to close.
            keep_alive: Duration::from_secs(75),
            body_read: Duration::from_secs(20),
            request: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            connections: 4096,
        }
    }
}

/// Serves HTTP/1.1 on `listener` until `shutdown` is cancelled, then accepts nothing more, lets the open
/// requests end and returns. How long to wait for them is the caller's choice: dropping the future
/// breaks them off.
///
/// # Errors
/// None so far: what goes wrong with one connection ends that connection only, and an accept that fails is
/// tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (place, stream, peer) = next(&listener, &places) => {
                let connection = connection::serve(stream, peer, router.clone(), limits, shutdown.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// The next connection, once there is a place for it.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
    match places.clone().acquire_owned().await {
        Ok(place) => {
            let (stream, peer) = accept(listener).await;
            (place, stream, peer)
        }
        // Nobody closes the semaphore.
        Err(_) => pending().await,
    }
}

/// The next connection, whatever goes wrong with others.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept connections for now");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the connection, and not the listener, has failed: its client was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
