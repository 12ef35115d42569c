use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::clock::{Clock, Phase};
use super::stream::ClientStream;
use crate::limits::Limits;

/// Bytes that wait for a client before no more of its answer is encoded, and the limit of a
/// request's head: two chunks of a document. hyper's default is three times as much for each slow
/// client.
const BUFFER: usize = 128 * 1024;

pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) router: Router,
    pub(super) limits: Limits,
    /// From now on each answer asks its client to close the connection.
    pub(super) shutdown: CancellationToken,
    /// From now on only open requests are waited for.
    pub(super) drained: CancellationToken,
}

impl Connection {
    /// Serves the connection to its end.
    pub(super) async fn serve(self, stream: TcpStream, watcher: Watcher, _place: OwnedSemaphorePermit) {
        // Small answers must not wait for the acknowledgement of earlier ones. An error means that
        // the socket is closed.
        let _ = stream.set_nodelay(true);
        let clock = Clock::start();
        let stream = ClientStream::new(stream, clock.clone(), self.limits.write_stall, self.drained.clone());
        let service = service_fn(|request| self.answer(request, clock.clone()));
        let connection = http1::Builder::new()
            .max_buf_size(BUFFER)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            biased;
            ended = watcher.watch(connection) => if let Err(error) = ended {
                // The client left, or a document broke off, which the request's own log line
                // reports.
                tracing::debug!(error = %error, "connection ended early");
            },
            () = clock.overdue(self.limits) => {}
            () = self.drained_with_half_a_request(&clock) => {}
        }
    }

    /// hyper's graceful shutdown would wait for the rest of the request.
    async fn drained_with_half_a_request(&self, clock: &Clock) {
        self.drained.cancelled().await;
        if clock.phase() != Phase::Headers {
            pending().await
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        clock: Clock,
    ) -> Result<Response<impl HttpBody<Data = Bytes, Error = axum::Error> + use<>>, Infallible> {
        clock.begin(Phase::Answer);
        let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let mut request = request.map(|body| watched(body, is_read.clone()));
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let mut response = self.router.clone().oneshot(request).await?;
        // hyper silently closes a connection with an unread body. A proxy could use it for the next
        // request.
        if self.shutdown.is_cancelled() || !is_read.load(Ordering::Acquire) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let idle = IdleAfter(clock);
        Ok(response.map(|body| {
            body.map_frame(move |frame| {
                let _with_the_body = &idle;
                frame
            })
        }))
    }
}

/// The body of a request, which notes when it has been read to its end.
fn watched(body: Incoming, is_read: Arc<AtomicBool>) -> Body {
    if body.is_end_stream() {
        return Body::new(body);
    }
    Body::new(body.with_trailers(async move {
        is_read.store(true, Ordering::Release);
        None
    }))
}

/// Dropped with the body of an answer; then the connection is idle.
struct IdleAfter(Clock);

impl Drop for IdleAfter {
    fn drop(&mut self) {
        self.0.begin(Phase::Idle);
    }
}
