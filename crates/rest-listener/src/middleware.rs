//! What every request passes before its handler and every answer after it, from the outside in.

mod cross_origin;
mod path;
mod request_log;

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request, map_response};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::{RequestBodyDeadlineLayer, TimeoutLayer};
use tracing::Instrument;

use self::path::normalize;
use self::request_log::log_and_count;
use crate::error::{Kind, Problem, Refusal};
use crate::json;
use crate::state::HealthState;
pub use cross_origin::{AllowedOrigins, InvalidOrigin};

/// The routes within all middleware.
pub(crate) fn layered(routes: Router, health: HealthState, origins: AllowedOrigins) -> Router {
    let (request, body_read) = (health.limits.request, health.limits.body_read);
    let stack = ServiceBuilder::new()
        .layer(map_request(request_log::remove_unsafe_request_id))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(from_fn_with_state(health, log_and_count))
        .option_layer((!origins.is_empty()).then(|| from_fn_with_state(origins, cross_origin::share)))
        .layer(map_response(set_security_headers))
        .layer(map_response(describe_bare_refusal))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, request))
        .layer(from_fn(finish_writes))
        .layer(CatchPanicLayer::custom(describe_panic))
        .layer(RequestBodyDeadlineLayer::new(body_read))
        .layer(DefaultBodyLimit::max(json::MAX_BYTES));
    let routes = routes.fallback(no_such_path).layer(stack);
    // Around the router, because it changes the path before the route is looked up.
    Router::new().fallback_service(routes).layer(map_request(normalize))
}

/// Responses are data for API clients: no page may load, frame or include them, and no cache may
/// store them. Handlers can override these.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

async fn set_security_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Turns refusals of axum and tower-http into problem documents.
async fn describe_bare_refusal(response: Response) -> Response {
    let status = response.status();
    let is_json = || response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if status.as_u16() < 400 || response.extensions().get::<Refusal>().is_some() || is_json() {
        return response;
    }
    match Kind::of(status) {
        // Only the time limit answers 503 without a body.
        Kind::Unavailable => Problem::new(Kind::Unavailable, "the service is unavailable for now")
            .because("no answer within the time limit")
            .into_response(),
        kind => Problem::new(kind, status.canonical_reason().unwrap_or("refused")).into_response(),
    }
}

/// Runs what may write in a task of its own: a client that leaves, or the time limit, ends the wait
/// and not the write. tower has no such layer.
async fn finish_writes(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let answer = tokio::spawn(next.run(request).in_current_span()).await;
    answer.unwrap_or_else(|error| internal(format!("the task of the handler ended: {error}")))
}

fn describe_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    internal(format!("the handler panicked: {text}"))
}

fn internal(cause: String) -> Response {
    Problem::new(Kind::Internal, "internal error").because(cause).into_response()
}

/// Also answers `OPTIONS *`, which asks about the server as a whole (RFC 9110 §9.3.7).
async fn no_such_path(request: Request) -> Response {
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(Kind::NotFound, "unknown path").into_response()
}
