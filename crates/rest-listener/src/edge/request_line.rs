//! The one log line of a request. It is written when the answer has been handed over whole, or when nothing
//! more will come of it, so that it also tells of a client that left and of a document that broke off.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use hyper::body::{Frame, SizeHint};
use tracing::Span;

use super::methods;
use crate::RequestMetrics;
use crate::error::Refusal;
use crate::metrics::NO_ROUTE;
use mymonit_services::with_sources;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All of it was handed over.
    Whole,
    /// The client went away first.
    ClientLeft,
    /// The service could not go on.
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

/// The pattern of the route that a request took, noted when it is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Route(Arc<OnceLock<Arc<str>>>);

impl Route {
    pub(super) fn note(&self, pattern: &str) {
        // A request takes one route.
        let _ = self.0.set(pattern.into());
    }

    fn get(&self) -> Arc<str> {
        self.0.get().cloned().unwrap_or_else(|| NO_ROUTE.into())
    }
}

/// The line, filled while the request is answered and written when it is dropped.
pub(super) struct RequestLine {
    span: Span,
    metrics: RequestMetrics,
    method: &'static str,
    route: Route,
    started: Instant,
    /// Answers without a body are whole as they are.
    is_head: bool,
    /// Probes come every few seconds and say nothing as long as all is well.
    is_probe: bool,
    status: Option<StatusCode>,
    refusal: Option<Refusal>,
    end: End,
    broken_by: Option<String>,
}

impl RequestLine {
    pub(super) fn new(request: &Request, span: Span, metrics: RequestMetrics) -> Self {
        metrics.opened();
        Self {
            span,
            metrics,
            method: methods::name(request.method()),
            route: Route::default(),
            started: Instant::now(),
            is_head: request.method() == Method::HEAD,
            is_probe: request.uri().path().starts_with("/health/"),
            status: None,
            refusal: None,
            end: End::ClientLeft,
            broken_by: None,
        }
    }

    /// Where the router notes which route the request takes.
    pub(super) fn noted(&self) -> Route {
        self.route.clone()
    }

    pub(super) fn answered(&mut self, response: &Response) {
        self.metrics.answered(self.method, &self.route.get(), response.status(), self.started.elapsed());
        self.status = Some(response.status());
        self.refusal = response.extensions().get().cloned();
        if self.is_head {
            self.end = End::Whole;
        }
    }

    /// Goes with the body to its end.
    pub(super) fn follow(self, response: Response) -> Response {
        response.map(|body| Body::new(FollowedBody { body, line: self }))
    }
}

impl Drop for RequestLine {
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
        let cause = self.refusal.as_ref().and_then(|refusal| refusal.why.as_deref());
        let cause = self.broken_by.as_deref().or(cause);
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

struct FollowedBody {
    body: Body,
    line: RequestLine,
}

impl HttpBody for FollowedBody {
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
                self.line.broken_by = Some(with_sources(error));
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

impl Drop for FollowedBody {
    fn drop(&mut self) {
        // A body of known length is not asked again once it has given its last byte.
        if self.body.is_end_stream() && self.line.end == End::ClientLeft {
            self.line.end = End::Whole;
        }
    }
}
