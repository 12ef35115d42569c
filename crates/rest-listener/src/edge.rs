//! What every request meets before its handler, and every answer after it: request id, log line, one spelling
//! of the path, time limit, panics caught, and headers that stand on every answer.

mod cross_origin;
mod methods;
mod request_id;
mod request_line;

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use tracing::{Instrument, Span, field};

use crate::error::{Kind, Problem};
use crate::path::normalised;
use crate::source::{Peer, TrustedProxies};
use crate::{Limits, RequestMetrics};
use cross_origin::CrossOrigin;
pub use cross_origin::{AllowedOrigins, InvalidOrigin};
use request_id::{RequestId, X_REQUEST_ID};
use request_line::{RequestLine, Route};

/// Headers that every answer carries unless its handler gave it others. An answer of this API is data for the program
/// that asked: no page may load anything with it, show it in a frame or include it, and none may keep it.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// What the edge needs to know.
#[derive(Clone)]
pub(crate) struct EdgeState {
    /// The origins whose pages may read the answers.
    pub(crate) origins: AllowedOrigins,
    pub(crate) metrics: RequestMetrics,
    pub(crate) trusted_proxies: TrustedProxies,
}

/// Around everything else.
pub(crate) async fn edge(State(state): State<EdgeState>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let peer = request.extensions().get::<Peer>();
    let source = peer.map(|Peer(peer)| state.trusted_proxies.source(*peer, request.headers()));
    let span = tracing::error_span!(
        "request",
        request_id = id.as_str(),
        method = methods::name(&method),
        source_ip = source.map(field::display),
        route = field::Empty,
        user_id = field::Empty
    );
    let cross_origin = CrossOrigin::of(&request);
    let mut line = RequestLine::new(&request, span.clone(), state.metrics);
    request.extensions_mut().insert(line.noted());
    if let Some(uri) = normalised(request.uri()) {
        *request.uri_mut() = uri;
    }
    let response = answer(request, next).instrument(span).await;
    let mut response = methods::complete(&method, response);
    set_headers(&mut response, id);
    state.origins.share(cross_origin, &mut response);
    line.answered(&response);
    line.follow(response)
}

/// Notes for the log which route was taken: its pattern, since the path itself may hold personal data.
pub(crate) async fn note_route(request: Request) -> Request {
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        Span::current().record("route", route.as_str());
        if let Some(noted) = request.extensions().get::<Route>() {
            noted.note(route.as_str());
        }
    }
    request
}

/// The answer to a path that there is not, and to `OPTIONS *`, which asks whether the server is there at all
/// (RFC 9110 §9.3.7).
pub(crate) async fn no_such_path(request: Request) -> Response {
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return empty(StatusCode::NO_CONTENT);
    }
    Problem::new(Kind::NotFound, "there is nothing at this path").into_response()
}

fn set_headers(response: &mut Response, id: RequestId) {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    headers.insert(X_REQUEST_ID, id.into_header());
}

/// The handler's answer, or one that says that there is none.
async fn answer(request: Request, next: Next) -> Response {
    let limit = request.extensions().get::<Limits>().copied().unwrap_or_default().request;
    let is_read = request.method().is_safe();
    let handler = AssertUnwindSafe(next.run(request)).catch_unwind();
    let outcome = if is_read {
        tokio::time::timeout(limit, handler).await.map(Ok)
    } else {
        // A client that goes away, or the time limit, ends the waiting but never a write half-way.
        tokio::time::timeout(limit, tokio::spawn(handler.in_current_span())).await
    };
    match outcome {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(panic))) => internal(format!("a handler panicked: {}", message_of(panic.as_ref()))),
        Ok(Err(error)) => internal(format!("a handler's task died: {error}")),
        Err(_) => Problem::new(Kind::Unavailable, "the service is unavailable for now")
            .because(format!("no answer within {limit:?}"))
            .into_response(),
    }
}

fn internal(why: String) -> Response {
    Problem::new(Kind::Internal, "internal error").because(why).into_response()
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// An answer of this status and no more.
fn empty(status: StatusCode) -> Response {
    (status, Body::empty()).into_response()
}
