use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::phase::{Phase, SharedPhase};
use super::timed_stream::TimedStream;
use super::{Limits, Stop};
use crate::source::Peer;

/// Bytes that wait for a client before no more of its answer is encoded, and the most that the head of a request may have:
/// two pieces of a document, so that one is ready while the other is written. What hyper takes unless told otherwise is three
/// times as much, for each client that reads slowly.
const BUFFER: usize = 128 * 1024;

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, limits: Limits, stop: Stop) {
    // Small answers must not wait for the acknowledgement of earlier ones. A socket that refuses is gone.
    let _ = stream.set_nodelay(true);
    let phase = SharedPhase::new();
    let stream = TimedStream::new(stream, phase.clone(), limits, stop.drained.clone());
    let asked = stop.asked.clone();
    let service = service_fn(move |request| {
        let answer = answer(request, peer, router.clone(), limits, phase.clone());
        let asked = asked.clone();
        async move {
            let mut response = answer.await?;
            if asked.is_cancelled() {
                // The client's next request is for another process.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    // The stream keeps the time, since hyper's own timer cannot tell half a request from none. That timer is
    // set none the less: with it hyper asks the stream for the next request as soon as an answer has ended.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(BUFFER)
        .header_read_timeout(limits.keep_alive + limits.header_read)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.drained.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The client's doing, or a document that broke off, which the request's own line tells of.
        tracing::debug!(error = %error, "a connection ended early");
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    phase: SharedPhase,
) -> Result<http::Response<AnswerBody>, Infallible> {
    phase.begin(Phase::Answer);
    let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let mut request = request.map(|body| Body::new(AskedBody { body, is_read: is_read.clone() }));
    request.extensions_mut().insert(limits);
    request.extensions_mut().insert(Peer(peer.ip()));
    let mut response = router.oneshot(request).await?;
    if !is_read.load(Ordering::Acquire) {
        // The rest of the body stands before the next request, and hyper closes the connection over it without a
        // word. A proxy that was not told could send somebody else's request over it at that instant.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| AnswerBody { body, phase }))
}

/// The body of a request, which notes that it has been read to its end.
struct AskedBody {
    body: Incoming,
    is_read: Arc<AtomicBool>,
}

impl HttpBody for AskedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_read.store(true, Ordering::Release);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, with whose end the connection becomes idle.
struct AnswerBody {
    body: Body,
    phase: SharedPhase,
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.phase.begin(Phase::Idle);
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
