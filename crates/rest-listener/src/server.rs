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
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long to wait after an accept that failed for want of something (file descriptors, memory) which only
/// time or the end of another connection brings back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections that wait for a request get on top of [`Limits::drain`] once that has passed: to a process that stood still for a
/// while it is over before a look has been taken at what was sent meanwhile.
const LAST_LOOK: Duration = Duration::from_millis(200);

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
    /// How long a client may take no byte of an answer that is waiting for it. What it takes shows only in bulk: the
    /// system tells of it when a third of its own buffer is free again, and the client's system makes room in steps of a
    /// sixteenth of its own. So a client cannot hold a connection by taking a byte from time to time; and one that goes
    /// on reading over a slow line, or works on each measure before it reads the next, shows nothing for minutes.
    pub write_stall: Duration,
    /// From the moment at which the server is asked to stop to the end of connections that wait for a request. Closing
    /// one at once could meet a request that a proxy is just sending over it, and that the proxy may not repeat. A fifth of a second
    /// later a last look is taken.
    pub drain: Duration,
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
            write_stall: Duration::from_secs(5 * 60),
            // By then a proxy that has anything to send has sent it, and has been told to close the connection.
            drain: Duration::from_secs(1),
            connections: 4096,
        }
    }
}

/// Serves HTTP/1.1 on `listener` until `shutdown` is cancelled, then accepts nothing more, lets the open
/// requests end, and those that still come over the connections there are, and returns. How long to wait for them is the
/// caller's choice: dropping the future breaks them off.
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
    let stop = Stop { asked: shutdown, drained: CancellationToken::new() };
    let serve = |stream, peer, place: OwnedSemaphorePermit| {
        let connection = connection::serve(stream, peer, router.clone(), limits, stop.clone());
        async move {
            connection.await;
            drop(place);
        }
    };
    loop {
        tokio::select! {
            biased;
            () = stop.asked.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (place, stream, peer) = next(&listener, &places) => {
                connections.spawn(serve(stream, peer, place));
            }
        }
    }
    for (stream, peer) in let_in_already(listener) {
        if let Ok(place) = places.clone().try_acquire_owned() {
            connections.spawn(serve(stream, peer, place));
        }
    }
    let mut ended = false;
    for limit in [limits.drain, LAST_LOOK] {
        let all = async { while connections.join_next().await.is_some() {} };
        ended = ended || timeout(limit, all).await.is_ok();
    }
    if !ended {
        stop.drained.cancel();
        while connections.join_next().await.is_some() {}
    }
    Ok(())
}

/// How far the server has come in stopping.
#[derive(Debug, Clone)]
struct Stop {
    /// Nobody new is let in, and each answer asks its client to close the connection.
    asked: CancellationToken,
    /// Whoever has no request under way is not waited for any more.
    drained: CancellationToken,
}

/// How many connections the system may have let in that nobody has accepted: what tokio asks it for.
const BACKLOG: usize = 1024;

/// The connections that the system has let in before the listener closes, with requests on their way perhaps. It would
/// reset them.
fn let_in_already(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let accept = |listener: &std::net::TcpListener| {
        let (stream, peer) = listener.accept()?;
        stream.set_nonblocking(true)?;
        io::Result::Ok((TcpStream::from_std(stream)?, peer))
    };
    // tokio's own accept would tell of those alone that it has heard of.
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    (0..BACKLOG).map_while(|_| accept(&listener).ok()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_goes_on_reading_is_given_the_time_for_what_systems_buffer() {
        /// Linux lets a send buffer grow to 4 MiB and a receive buffer to 6 MiB, and busy machines to 32 MiB.
        const HIDDEN: u64 = (4 << 20) / 3 + (32 << 20) / 16;
        const BYTES_PER_SECOND: u64 = 12_000;
        assert!(Limits::default().write_stall.as_secs() * BYTES_PER_SECOND > HIDDEN);
    }
}
