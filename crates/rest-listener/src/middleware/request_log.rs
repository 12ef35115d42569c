//! The span, the log line and the metrics of a request.
//!
//! The line is written when the response is complete or aborted, with status and cause, which
//! tower-http's `TraceLayer` does not know.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};
use hyper::body::{Frame, SizeHint};
use mymonit_services::with_sources;
use tower_http::request_id::RequestId;
use tracing::{Instrument, Span, field};

use crate::error::Refusal;
use crate::metrics::{NO_ROUTE, RequestMetrics};
use crate::state::HealthState;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Removes a request id that is not safe to log, so that it is replaced.
pub(super) async fn remove_unsafe_request_id(mut request: Request) -> Request {
    let mut given = request.headers().get_all(X_REQUEST_ID).iter();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let is_safe = |id: &[u8]| (1..=128).contains(&id.len()) && id.iter().all(is_plain);
    if !given.next().is_some_and(|id| is_safe(id.as_bytes())) || given.next().is_some() {
        request.headers_mut().remove(X_REQUEST_ID);
    }
    request
}

pub(super) async fn log_and_count(
    State(HealthState { metrics, trusted_proxies, .. }): State<HealthState>,
    request: Request,
    next: Next,
) -> Response {
    let extensions = request.extensions();
    let id = extensions.get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let source_ip = peer.map(|ConnectInfo(peer)| trusted_proxies.source(peer.ip(), request.headers()));
    // The pattern and not the path, which may hold personal data.
    let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let method = name(request.method());
    let span = tracing::error_span!(
        "request",
        request_id = id,
        method,
        source_ip = source_ip.map(field::display),
        route,
        user_id = field::Empty,
        token_id = field::Empty
    );
    metrics.opened();
    let mut line = Line {
        span: span.clone(),
        metrics,
        started: Instant::now(),
        is_probe: route.is_some_and(|route| route.starts_with("/health/")),
        status: None,
        refusal: None,
        end: End::ClientLeft,
        cause: None,
    };
    let is_head = request.method() == Method::HEAD;
    let route: Arc<str> = route.unwrap_or(NO_ROUTE).into();
    let response = next.run(request).instrument(span).await;
    line.metrics.answered(method, &route, response.status(), line.started.elapsed());
    line.status = Some(response.status());
    line.refusal = response.extensions().get().cloned();
    if is_head {
        line.end = End::Whole;
    }
    response.map(|body| Body::new(LoggedBody { body, line }))
}

/// The method's name for the log; no name that a client made up.
fn name(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    ClientLeft,
    /// The service failed.
    Broken,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::ClientLeft => "client_left",
            Self::Broken => "broken",
        }
    }
}

/// The line, written when it is dropped.
struct Line {
    span: Span,
    metrics: RequestMetrics,
    started: Instant,
    /// Probes come every few seconds.
    is_probe: bool,
    status: Option<StatusCode>,
    refusal: Option<Refusal>,
    end: End,
    /// Why the answer broke off.
    cause: Option<String>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.metrics.closed();
        match self.end {
            End::Whole => {}
            End::ClientLeft => self.metrics.left(),
            End::Broken => self.metrics.broke(),
        }
        let _inside = self.span.enter();
        let status = self.status.map(|status| status.as_u16());
        let code = self.refusal.as_ref().map(|refusal| refusal.code);
        let cause = self.refusal.as_ref().and_then(|refusal| refusal.cause.as_deref());
        let cause = self.cause.as_deref().or(cause);
        let duration_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        let end = self.end.as_str();
        if self.end == End::Broken || self.status.is_some_and(|status| status.is_server_error()) {
            tracing::warn!(status, code, cause, end, duration_ms, "request failed");
        } else if self.is_probe {
            tracing::debug!(status, end, duration_ms, "probe answered");
        } else {
            tracing::info!(status, code, cause, end, duration_ms, "request answered");
        }
    }
}

struct LoggedBody {
    body: Body,
    line: Line,
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.line.end = End::Whole,
            Some(Err(error)) => {
                self.line.end = End::Broken;
                self.line.cause = Some(with_sources(error));
            }
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        // hyper does not poll a body of known length again after its last byte.
        if self.body.is_end_stream() && self.line.end == End::ClientLeft {
            self.line.end = End::Whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::HeaderValue;

    use super::*;

    async fn kept(values: &[&str]) -> usize {
        let mut request = Request::new(Body::empty());
        for value in values {
            request.headers_mut().append(X_REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        remove_unsafe_request_id(request).await.headers().get_all(X_REQUEST_ID).iter().count()
    }

    #[tokio::test]
    async fn a_safe_id_is_kept_and_any_other_removed() {
        for id in ["a", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(kept(&[id]).await, 1, "{id}");
        }
        let too_long = "x".repeat(129);
        for ids in [&[""][..], &["a b"], &["a\"b"], &["é"], &["a\tb"], &[&too_long], &["a", "a"]] {
            assert_eq!(kept(ids).await, 0, "{ids:?}");
        }
    }
}
